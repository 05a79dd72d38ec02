//! The log of predictions of `clinpipe serve`, as docs/formats.md describes it.
//!
//! Invariants: only predictions of the bundle in question count, the others are counted by what they are; half a line at
//! the end of a file, which a killed service leaves, is left aside; a line that cannot be read anywhere else is an error.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::current::{Current, is_number};
use super::document::CurrentKind;
use super::params::Window;
use crate::bundle::Bundle;
use crate::common::frame::{Column, Frame};
use crate::common::target::Task;
use crate::common::units::Units;
use crate::{StageError, StageFile};

/// The field of a line that a window usually is about.
const TIMESTAMP: &str = "timestamp";

/// What is read of a line; other fields are left aside.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    record: Cow<'a, str>,
    #[serde(borrow, default)]
    bundle: Cow<'a, str>,
    #[serde(borrow, default)]
    timestamp: Cow<'a, str>,
    #[serde(default)]
    patient_id: Option<String>,
    #[serde(default)]
    prediction: Option<f64>,
    #[serde(default)]
    probability: Option<f64>,
    #[serde(default)]
    inputs: Option<Map<String, Value>>,
}

/// The files of a log, when it is one: a `.jsonl` file, or a directory with such files in the order of their names.
pub(super) fn files(file: &StageFile) -> Result<Option<Vec<StageFile>>, StageError> {
    let is_log = |path: &Path| path.extension().is_some_and(|extension| extension == "jsonl");
    if !file.path.is_dir() {
        return Ok(is_log(&file.path).then(|| vec![file.clone()]));
    }
    let unreadable = |error: std::io::Error| StageError::input(&file.name, error.to_string());
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&file.path).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.retain(|path| is_log(path));
    paths.sort();
    let named = |path: PathBuf| {
        let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        StageFile { name: format!("{}/{own}", file.name.trim_end_matches('/')), path }
    };
    Ok((!paths.is_empty()).then(|| paths.into_iter().map(named).collect()))
}

impl Current {
    /// Reads the predictions of a bundle from the files of a log.
    pub fn of_log(files: &[StageFile], bundle: &Bundle, window: Option<&Window>) -> Result<Self, StageError> {
        let mut rows = Rows::new(bundle);
        for file in files {
            let text =
                fs::read_to_string(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
            for (at, line) in text.split_inclusive('\n').enumerate() {
                if !line.ends_with('\n') {
                    rows.aside("unfinished line");
                } else if !line.trim().is_empty() {
                    let line: Line = serde_json::from_str(line).map_err(|error| unread(file, at, &error))?;
                    rows.take(line, bundle, window);
                }
            }
        }
        rows.finish(bundle)
    }
}

fn unread(file: &StageFile, at: usize, error: &serde_json::Error) -> StageError {
    StageError::input(&file.name, format!("line {} is no line of a log of predictions: {error}", at + 1))
        .with_hint("give the file or the directory that `serve.predictions` writes")
}

/// The rows so far.
struct Rows {
    read: u64,
    left_aside: BTreeMap<String, u64>,
    scores: Vec<f64>,
    flagged: Vec<bool>,
    keys: Vec<Option<String>>,
    numbers: BTreeMap<String, Vec<f64>>,
    texts: BTreeMap<String, Vec<Option<String>>>,
    with_inputs: usize,
}

impl Rows {
    fn new(bundle: &Bundle) -> Self {
        let (mut numbers, mut texts) = (BTreeMap::new(), BTreeMap::new());
        let units = Units::new(bundle.schema()).map(|units| units.unit_columns(bundle.inputs())).unwrap_or_default();
        for name in bundle.inputs().iter().chain(&units) {
            match bundle.schema().columns.get(name) {
                Some(column) if is_number(column.kind) => drop(numbers.insert(name.clone(), Vec::new())),
                _ => drop(texts.insert(name.clone(), Vec::new())),
            }
        }
        Self {
            read: 0,
            left_aside: BTreeMap::new(),
            scores: Vec::new(),
            flagged: Vec::new(),
            keys: Vec::new(),
            numbers,
            texts,
            with_inputs: 0,
        }
    }

    fn aside(&mut self, what: &str) {
        self.read += 1;
        *self.left_aside.entry(what.to_owned()).or_insert(0) += 1;
    }

    fn take(&mut self, line: Line, bundle: &Bundle, window: Option<&Window>) {
        if line.record != "prediction" {
            return self.aside("refused");
        }
        if line.bundle != bundle.digest() {
            return self.aside("prediction of another bundle");
        }
        if !window.is_none_or(|window| in_window(&line, window)) {
            return self.aside("outside the window");
        }
        self.read += 1;
        let score = match bundle.task() {
            Task::Binary => line.probability,
            Task::Continuous => line.prediction,
        };
        self.scores.push(score.unwrap_or(f64::NAN));
        self.flagged.push(bundle.task() == Task::Binary && line.prediction == Some(1.0));
        self.keys.push(line.patient_id);
        let Some(inputs) = line.inputs else { return };
        self.with_inputs += 1;
        for (name, values) in &mut self.numbers {
            values.push(inputs.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN));
        }
        for (name, values) in &mut self.texts {
            values.push(inputs.get(name).and_then(text_of));
        }
    }

    fn finish(self, bundle: &Bundle) -> Result<Current, StageError> {
        let mut frame = Frame::with_rows(self.with_inputs);
        for (name, values) in self.numbers {
            frame.insert(name, Column::Number(values));
        }
        for (name, values) in self.texts {
            frame.insert(name, Column::Text(values.into_iter().collect()));
        }
        // Requests may bring other units, and the log has them as they came.
        Units::new(bundle.schema())?.apply(&mut frame);
        Ok(Current {
            kind: CurrentKind::Log,
            read: self.read,
            n: self.scores.len() as u64,
            inputs: (self.with_inputs > 0).then_some(frame),
            scores: self.scores,
            flagged: self.flagged,
            keys: self.keys,
            left_aside: self.left_aside,
        })
    }
}

fn in_window(line: &Line, window: &Window) -> bool {
    if window.column == TIMESTAMP {
        return window.holds(&line.timestamp);
    }
    let value = line.inputs.as_ref().and_then(|inputs| text_of(inputs.get(&window.column)?));
    value.is_some_and(|value| window.holds(&value))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
