//! Data files to rows: CSV, TSV, JSON, YAML.

use serde_json::Value;

use crate::metrics::parse_bytes;

/// Larger files are not drawn.
pub const MAX_FILE: usize = 64 << 20;

/// Rows of a data file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    /// One cell a column: a number, a text, or null where there is none.
    pub(super) rows: Vec<Vec<Value>>,
}

/// A file that cannot be drawn; the message goes after its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(String);

/// Whether the name is that of an image.
pub fn is_image(file: &str) -> bool {
    mime(file).is_some()
}

/// Whether the name is that of an image or of a data file.
pub fn is_readable(file: &str) -> bool {
    is_image(file) || matches!(ending(file).as_str(), "csv" | "tsv" | "json" | "yaml" | "yml")
}

/// The media type of an image, by its name.
pub(super) fn mime(file: &str) -> Option<&'static str> {
    Some(match ending(file).as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

fn ending(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase()
}

/// Reads a data file. `wanted` are the columns that will be drawn: of several lists of records in a JSON or YAML file,
/// the first that has them is read.
pub(super) fn rows(file: &str, bytes: &[u8], header: bool, wanted: &[&str]) -> Result<Rows, ReadError> {
    if bytes.len() > MAX_FILE {
        return Err(ReadError(format!("is larger than {} MiB", MAX_FILE >> 20)));
    }
    match ending(file).as_str() {
        "csv" => delimited(bytes, b',', header),
        "tsv" => delimited(bytes, b'\t', header),
        "json" | "yaml" | "yml" => records(file, bytes, wanted),
        _ => Err(ReadError("is neither CSV, TSV, JSON, YAML nor an image".to_owned())),
    }
}

fn delimited(bytes: &[u8], delimiter: u8, header: bool) -> Result<Rows, ReadError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(header)
        .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let fail = |error: csv::Error| ReadError(error.to_string());
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(record.map_err(fail)?.iter().map(cell).collect::<Vec<_>>());
    }
    let columns = if header {
        reader.headers().map_err(fail)?.iter().map(|name| name.trim().to_owned()).collect()
    } else {
        (0..rows.first().map_or(0, Vec::len)).map(|at| at.to_string()).collect()
    };
    Ok(Rows { columns, rows })
}

/// A number where the text is one, null where there is none.
fn cell(text: &str) -> Value {
    let text = text.trim();
    if text.is_empty() {
        return Value::Null;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => number.into(),
        _ => text.into(),
    }
}

fn records(file: &str, bytes: &[u8], wanted: &[&str]) -> Result<Rows, ReadError> {
    let document = parse_bytes(file, bytes.to_vec()).map_err(|error| ReadError(error.message))?;
    let mut lists = Vec::new();
    collect(&document, &mut lists);
    let has_all =
        |list: &&&Vec<Value>| wanted.iter().all(|column| list.first().is_some_and(|row| row.get(*column).is_some()));
    let Some(list) = lists.iter().find(has_all).or_else(|| lists.first()) else {
        return Err(ReadError("has no list of records to draw".to_owned()));
    };
    let mut columns: Vec<String> = Vec::new();
    for key in list.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if !columns.contains(key) {
            columns.push(key.clone());
        }
    }
    // Objects have lost the order of their keys; it is that in which the text names them first.
    let text = String::from_utf8_lossy(bytes);
    columns.sort_by_cached_key(|name| {
        (text.find(&format!("\"{name}\"")).or_else(|| text.find(name.as_str())), name.clone())
    });
    let leaf = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Value::Null,
        Some(Value::Number(number)) => Value::Number(number.clone()),
        Some(Value::String(text)) => Value::String(text.clone()),
        Some(other) => Value::String(other.to_string()),
    };
    let rows = list.iter().map(|row| columns.iter().map(|column| leaf(row.get(column))).collect()).collect();
    Ok(Rows { columns, rows })
}

/// Every non-empty list of objects, outermost first.
fn collect<'a>(value: &'a Value, lists: &mut Vec<&'a Vec<Value>>) {
    match value {
        Value::Array(items) if items.first().is_some_and(Value::is_object) => lists.push(items),
        Value::Object(map) => map.values().for_each(|value| collect(value, lists)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn delimited_files_have_typed_cells() {
        let read = rows("a.csv", b"\xef\xbb\xbfx, y\n1,\"a,b\"\n,0.5\n", true, &[]).expect("rows");
        assert_eq!(read.columns, ["x", "y"]);
        assert_eq!(read.rows, [vec![json!(1), json!("a,b")], vec![json!(null), json!(0.5)]]);
        let bare = rows("a.tsv", b"1\tnan\n", false, &[]).expect("rows");
        assert_eq!(
            (bare.columns, bare.rows),
            (vec!["0".to_owned(), "1".to_owned()], vec![vec![json!(1), json!("nan")]])
        );
        assert!(rows("a.csv", b"a,b\n1\n", true, &[]).is_err(), "a short row");
    }

    #[test]
    fn the_list_with_the_wanted_columns_is_read() {
        let text = br#"{"roc": [{"z": 1, "a": 2}], "prc": [{"p": NaN, "r": true}]}"#;
        let read = rows("a.json", text, true, &["r"]).expect("rows");
        assert_eq!(
            (read.columns, read.rows),
            (vec!["p".to_owned(), "r".to_owned()], vec![vec![json!("NaN"), json!("true")]])
        );
        assert_eq!(rows("a.json", text, true, &["z"]).expect("rows").columns, ["z", "a"]);
        assert!(rows("a.json", b"{\"a\": 1}", true, &[]).is_err());
        assert!(rows("a.bin", b"", true, &[]).is_err());
    }
}
