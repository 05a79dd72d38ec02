//! What changed between two states of the metric files, leaf by leaf.
//!
//! A file or key that only one side has shows as null on the other. A file that cannot be read becomes a note; the
//! others are still compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::read::{MetricsSet, leaves};
use super::table::Table;

/// One leaf in both states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The earlier value; null when there was none.
    pub old: Value,
    /// The later value; null when there is none.
    pub new: Value,
    /// new − old, when both are numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<f64>,
}

/// All changes by file and dotted path.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct MetricsDiff {
    /// Only files with something to show are listed.
    pub files: BTreeMap<String, BTreeMap<String, Change>>,
    /// What the table does not show: files that could not be read, and data that are not the same.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Compares two states. With `all`, unchanged leaves are listed as well.
pub fn diff(old: &MetricsSet, new: &MetricsSet, all: bool) -> MetricsDiff {
    let mut result = MetricsDiff::default();
    let files: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for file in files {
        let sides = [("earlier", old.get(file)), ("present", new.get(file))];
        let mut readable = true;
        for (side, document) in sides {
            if let Some(Err(error)) = document {
                readable = false;
                result.notes.push(format!("the {side} {error}"));
            }
        }
        if !readable {
            continue;
        }
        let [before, after] = sides.map(|(_, document)| match document {
            Some(Ok(document)) => leaves(document),
            _ => BTreeMap::new(),
        });
        if let (Some(Value::String(old)), Some(Value::String(new))) = (before.get("data"), after.get("data"))
            && old != new
        {
            result.notes.push(format!("{file}: data went from {old} to {new}: these are not the same patients"));
        }
        let changes = compare(&before, &after, all);
        if !changes.is_empty() {
            result.files.insert(file.clone(), changes);
        }
    }
    result
}

fn compare(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>, all: bool) -> BTreeMap<String, Change> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let side = |leaves: &BTreeMap<String, Value>, path: &String| leaves.get(path).cloned().unwrap_or(Value::Null);
    paths
        .into_iter()
        .filter(|path| all || old.get(*path) != new.get(*path))
        .map(|path| {
            let (old, new) = (side(old, path), side(new, path));
            let diff = old.as_f64().zip(new.as_f64()).map(|(old, new)| new - old);
            (path.clone(), Change { old, new, diff })
        })
        .collect()
}

impl MetricsDiff {
    /// The rows to print: file, metric, old, new, change.
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["Path", "Metric", "Old", "New", "Change"]);
        for (file, changes) in &self.files {
            for (path, change) in changes {
                let difference = change.diff.map_or(Value::Null, Value::from);
                table.push([
                    file.clone(),
                    path.clone(),
                    Table::cell(&change.old),
                    Table::cell(&change.new),
                    Table::cell(&difference),
                ]);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::MetricsError;
    use super::*;
    use serde_json::json;

    fn set(files: &[(&str, Value)]) -> MetricsSet {
        files.iter().map(|(file, document)| ((*file).to_owned(), Ok(document.clone()))).collect()
    }

    #[test]
    fn added_removed_and_changed_keys_have_null_sides_and_numeric_differences() {
        let old = set(&[("m.json", json!({"a": {"x": 1.5}, "gone": 1, "text": "u", "same": 3}))]);
        let new = set(&[("m.json", json!({"a": {"x": 1}, "come": 2, "text": "v", "same": 3}))]);
        let result = serde_json::to_value(diff(&old, &new, false)).expect("JSON");
        let expected = json!({"m.json": {
            "a.x": {"old": 1.5, "new": 1, "diff": -0.5},
            "come": {"old": null, "new": 2},
            "gone": {"old": 1, "new": null},
            "text": {"old": "u", "new": "v"},
        }});
        assert_eq!(result, expected);
        assert!(diff(&old, &new, true).files["m.json"].contains_key("same"));
    }

    #[test]
    fn a_broken_file_becomes_a_note_and_the_rest_is_shown() {
        let mut old = set(&[("a.json", json!({"x": 1}))]);
        old.insert("b.json".to_owned(), Err(MetricsError::new("b.json", "expected value")));
        let new = set(&[("a.json", json!({"x": 2})), ("b.json", json!({"y": 1})), ("c.json", json!({"z": 1}))]);
        let result = diff(&old, &new, false);
        assert_eq!(result.files.keys().collect::<Vec<_>>(), ["a.json", "c.json"]);
        assert_eq!(result.notes, ["the earlier b.json: expected value"]);
    }
}
