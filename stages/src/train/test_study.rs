//! A small study for tests of everything from training to scoring, and a way to run stages on it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::common::canonical_json;
use crate::common::frame::{Column, Frame};
use crate::common::link::sigmoid;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::common::texts::Texts;
use crate::{Stage, StageContext, StageError, StageFile, StageRequest};

/// Rows of the study; the last 80 are test rows.
pub(crate) const ROWS: usize = 480;
/// Rows of the training part.
pub(crate) const TRAIN: usize = 400;

/// The raw columns the model reads.
pub(crate) fn raw() -> Frame {
    let mut stream = Stream::new(5, "test study");
    let mut frame = Frame::with_rows(ROWS);
    let age = (0..ROWS).map(|_| stream.integer(18, 90) as f64).collect();
    let lab = (0..ROWS).map(|_| if stream.chance(0.15) { f64::NAN } else { 5.0 + stream.normal() }).collect();
    let pick = |stream: &mut Stream, texts: &[&str]| {
        let at = stream.below(texts.len() as u64) as usize;
        Some(texts[at].to_owned()).filter(|text| !text.is_empty())
    };
    let sex = (0..ROWS).map(|_| pick(&mut stream, &["F", "M"])).collect();
    let site = (0..ROWS).map(|_| pick(&mut stream, &["north", "south", "west", ""])).collect();
    frame.insert("age", Column::Number(age));
    frame.insert("lab", Column::Number(lab));
    frame.insert("sex", Column::Text(sex));
    frame.insert("site", Column::Text(site));
    frame
}

/// The outcome: older, male and extreme lab values fare worse.
pub(crate) fn outcomes(raw: &Frame) -> Vec<i64> {
    let mut stream = Stream::new(5, "test outcomes");
    let numbers = |name: &str| raw.get(name).and_then(Column::numbers).map(<[f64]>::to_vec).unwrap_or_default();
    let (age, lab) = (numbers("age"), numbers("lab"));
    let sex = raw.get("sex").and_then(Column::texts).map(Texts::to_vec).unwrap_or_default();
    let outcome = |row: usize| {
        let extreme = if lab[row].is_nan() { 0.0 } else { (lab[row] - 5.0).abs() - 0.8 };
        let male = f64::from(u8::from(sex[row].as_deref() == Some("M")));
        i64::from(stream.chance(sigmoid(-1.0 + 0.05 * (age[row] - 55.0) + 0.8 * male + 1.5 * extreme)))
    };
    (0..ROWS).map(outcome).collect()
}

/// The study's schema.
pub(crate) fn schema() -> Value {
    json!({
        "target": {"column": "event", "event": "dies"},
        "columns": {
            "age": {"type": "integer", "range": [0, 120]},
            "lab": {"type": "number", "nullable": true},
            "sex": {"type": "category", "levels": ["F", "M"]},
            "site": {"type": "category", "levels": ["north", "south", "west", "east"], "nullable": true},
            "event": {"type": "integer", "levels": [0, 1], "available_at": "post"},
        }
    })
}

/// The validated table with its outcomes, as clean.parquet.
pub(crate) fn write_clean(directory: &Path) -> Result<Table, StageError> {
    let raw = raw();
    let mut table = Table::with_rows(ROWS);
    table.push_ints("row_id", (0..ROWS as i64).map(|row| Some(3 * row)).collect())?;
    for (name, column) in raw.columns() {
        table.push_column(name, column)?;
    }
    table.push_ints("event", outcomes(&raw).into_iter().map(Some).collect())?;
    table.write(&directory.join("clean.parquet"))?;
    Ok(table)
}

/// Writes features.parquet, features.json, split.parquet and ingest.json into a directory. Patients have two rows.
pub(crate) fn write_inputs(directory: &Path) -> Result<(), StageError> {
    let raw = raw();
    let ids: Vec<Option<i64>> = (0..ROWS as i64).map(|row| Some(3 * row)).collect();
    let mut table = Table::with_rows(ROWS);
    table.push_ints("row_id", ids.clone())?.push_texts("id", &Texts::repeat(None, ROWS))?;
    table.push_texts("group", (0..ROWS).map(|row| Some(format!("P{}", row / 2))))?;
    table.push_ints("y", outcomes(&raw).into_iter().map(Some).collect())?;
    for name in ["age", "lab", "sex", "site"] {
        table.push_column(name, raw.get(name).unwrap_or(&Column::Number(Vec::new())))?;
    }
    table.write(&directory.join("features.parquet"))?;
    let train = |row: usize| row < TRAIN;
    let mut split = Table::with_rows(ROWS);
    split.push_ints("row_id", ids)?;
    split.push_texts("part", (0..ROWS).map(|row| Some(if train(row) { "train" } else { "test" })))?;
    split.push_ints("fold", (0..ROWS).map(|row| train(row).then_some((row / 2 % 4) as i64)).collect())?;
    split.write(&directory.join("split.parquet"))?;
    let feature = |name: &str, kind: &str, levels: &[&str]| json!({"name": name, "kind": kind, "levels": levels});
    let spec = json!({
        "schema_version": 1, "derive": [], "inputs": ["age", "lab", "sex", "site"], "target": "event",
        "id": null, "group": null,
        "features": [
            feature("age", "number", &[]), feature("lab", "number", &[]), feature("sex", "category", &["F", "M"]),
            feature("site", "category", &["north", "south", "west", "east"]),
        ],
    });
    canonical_json::write(&directory.join("features.json"), &spec)?;
    let ingest = json!({"source": "synthetic", "file": "data/synthetic.csv", "blake3": "00"});
    canonical_json::write(&directory.join("ingest.json"), &ingest)
}

/// Runs a stage with files of a directory; a name ending in `/` is an output directory.
pub(crate) fn run(
    stage: &dyn Stage,
    directory: &Path,
    inputs: &[(&str, &str)],
    outputs: &[(&str, &str)],
    params: Value,
    threads: usize,
) -> Result<(), StageError> {
    let Value::Object(params) = params else { return Err(StageError::failed("params are an object")) };
    let file = |(role, name): &(&str, &str)| {
        let path: PathBuf = directory.join(name.trim_end_matches('/'));
        if name.ends_with('/') {
            std::fs::create_dir_all(&path).map_err(|error| StageError::output(&path, error))?;
        }
        Ok(((*role).to_owned(), StageFile { path, name: (*name).to_owned() }))
    };
    let request = StageRequest {
        uses: stage.name().to_owned(),
        inputs: inputs.iter().map(file).collect::<Result<_, StageError>>()?,
        outputs: outputs.iter().map(file).collect::<Result<_, StageError>>()?,
        params: params.into_iter().collect::<Map<_, _>>(),
        threads,
    };
    stage.run(&StageContext::new(request, &|_| {}))
}

/// Runs train in a directory that holds its inputs.
pub(crate) fn train(directory: &Path, params: Value, threads: usize) -> Result<(), StageError> {
    run(
        &super::Train,
        directory,
        &[("table", "features.parquet"), ("spec", "features.json"), ("split", "split.parquet")],
        &[("models", "models/"), ("oof", "oof.parquet"), ("cv", "cv.json")],
        json!({"seed": 42, "train": params}),
        threads,
    )
}
