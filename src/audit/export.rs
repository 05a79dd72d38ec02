//! The chain for other programs.

use super::record::Record;

/// The records as they are: a line of JSON each.
///
/// # Errors
/// When a record cannot be expressed in JSON.
pub fn to_jsonl(records: &[Record]) -> serde_json::Result<String> {
    records.iter().map(|record| Ok(record.line()? + "\n")).collect()
}

/// The records as a table for a spreadsheet: a header, one row a record, details as JSON.
///
/// A text that a spreadsheet would take for a formula begins with `'`, as OWASP advises; [`to_jsonl`] is exact.
///
/// # Errors
/// When a row cannot be written.
pub fn to_csv(records: &[Record]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "seq", "utc", "actor", "action", "object", "before", "after", "reason", "details", "prev", "hash",
    ])?;
    for record in records {
        let digest = |digest: Option<crate::key::Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
        writer.write_record([
            record.seq.to_string(),
            text(&record.utc),
            text(&record.actor),
            record.action.name().to_owned(),
            text(&record.object),
            digest(record.before),
            digest(record.after),
            record.reason.as_deref().map(text).unwrap_or_default(),
            serde_json::Value::Object(record.details.clone()).to_string(),
            record.prev.to_string(),
            record.hash.to_string(),
        ])?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// A text as a cell that no spreadsheet computes.
fn text(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Action, Entry};
    use super::*;
    use crate::key::Digest;

    #[test]
    fn no_cell_is_a_formula_and_lines_of_json_are_exact() {
        let texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "a=1", "'=1", ""];
        let records: Vec<Record> = (0..)
            .zip(texts)
            .map(|(seq, text)| {
                let mut entry = Entry::new(Action::Promotion, text);
                entry.reason = Some(text.to_owned());
                Record::new(entry, seq, Digest::of(b""), "2026-01-02T03:04:05Z", text).expect("JSON")
            })
            .collect();
        let table = to_csv(&records).expect("a table");
        let mut reader = csv::Reader::from_reader(table.as_slice());
        for ((row, seq), text) in reader.records().zip(0..).zip(texts) {
            let row = row.expect("a row");
            let shown = if "=+-@\t\r\n".contains(text.chars().next().unwrap_or('a')) {
                format!("'{text}")
            } else {
                text.to_owned()
            };
            assert_eq!([&row[0], &row[2], &row[4], &row[7]], [&seq.to_string(), &shown, &shown, &shown]);
        }
        let lines = to_jsonl(&records).expect("lines");
        let read: Vec<Record> = lines.lines().map(|line| Record::parse(line.as_bytes()).expect("a record")).collect();
        assert_eq!(read, records);
    }
}
