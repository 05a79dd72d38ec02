//! What changed between two states of metric or parameter files, leaf by leaf.
//!
//! A file or key that only one side has shows as null on the other. A file that cannot be read becomes a note; the
//! others are still compared. `metrics diff` and `params diff` differ in [`Compare`] alone.

use std::collections::{BTreeMap, BTreeSet};

use clinpipe_stages::common::gate_rules::Direction;
use serde::Serialize;
use serde_json::{Number, Value};

use super::read::{Lists, MetricsSet, leaves, leaves_with};
use super::table::{DECIMALS, Table};

/// How two states are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compare {
    /// Unchanged leaves are listed as well.
    pub all: bool,
    /// What becomes of lists.
    pub lists: Lists,
    /// Whether `1` and `1.0` differ, as they do in an action key.
    pub typed: bool,
}

impl Compare {
    /// As metrics are compared: lists are left out, numbers are equal by value.
    pub fn metrics(all: bool) -> Self {
        Self { all, lists: Lists::Dropped, typed: false }
    }

    /// As parameters are compared: lists are leaves, types matter.
    pub fn params(all: bool) -> Self {
        Self { all, lists: Lists::Leaves, typed: true }
    }

    fn is_same(self, old: Option<&Value>, new: Option<&Value>) -> bool {
        match (old, new) {
            (Some(Value::Number(a)), Some(Value::Number(b))) if !self.typed && (a.is_f64() || b.is_f64()) => {
                a.as_f64() == b.as_f64()
            }
            // A key that is null and a key that is not there look the same in every table.
            (old, new) => old.unwrap_or(&Value::Null) == new.unwrap_or(&Value::Null),
        }
    }
}

/// One leaf in both states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The earlier value; null when there was none.
    pub old: Value,
    /// The later value; null when there is none.
    pub new: Value,
    /// new − old, when both are numbers and the difference is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<Number>,
}

/// All changes by file and dotted path.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Changes {
    /// Only files with something to show are listed.
    pub files: BTreeMap<String, BTreeMap<String, Change>>,
    /// The files that could not be compared, and why.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Compares two states.
pub fn diff(old: &MetricsSet, new: &MetricsSet, compare: Compare) -> Changes {
    let mut result = Changes::default();
    let files: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for file in files {
        let sides = [("earlier", old.get(file)), ("present", new.get(file))];
        let faults: Vec<String> = sides
            .iter()
            .filter_map(|(side, document)| Some(format!("the {side} {}", document.as_ref()?.as_ref().err()?)))
            .collect();
        if !faults.is_empty() {
            result.notes.extend(faults);
            continue;
        }
        let [before, after] = sides.map(|(_, document)| match document {
            Some(Ok(document)) => leaves_with(document, compare.lists),
            _ => BTreeMap::new(),
        });
        let changes = changes(&before, &after, compare);
        if !changes.is_empty() {
            result.files.insert(file.clone(), changes);
        }
    }
    result
}

/// Metric files whose `data` went from one source to another: their numbers are of different patients.
pub fn data_notes(old: &MetricsSet, new: &MetricsSet) -> Vec<String> {
    let source = |set: &MetricsSet, file: &String| match set.get(file)?.as_ref().ok().map(leaves)?.remove("data")? {
        Value::String(source) => Some(source),
        _ => None,
    };
    let changed = old.keys().filter_map(|file| {
        let (old, new) = (source(old, file)?, source(new, file)?);
        (old != new).then(|| format!("{file}: data went from {old} to {new}: these are not the same patients"))
    });
    changed.collect()
}

fn changes(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>, compare: Compare) -> BTreeMap<String, Change> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter(|path| compare.all || !compare.is_same(old.get(*path), new.get(*path)))
        .map(|path| {
            let side = |leaves: &BTreeMap<String, Value>| leaves.get(path).cloned().unwrap_or(Value::Null);
            let (old, new) = (side(old), side(new));
            let diff = difference(&old, &new);
            (path.clone(), Change { old, new, diff })
        })
        .collect()
}

/// new − old: exact for whole numbers, none when it is not finite.
fn difference(old: &Value, new: &Value) -> Option<Number> {
    if let (Some(old), Some(new)) = (old.as_i64(), new.as_i64())
        && let Some(difference) = new.checked_sub(old)
    {
        return Some(difference.into());
    }
    Number::from_f64(new.as_f64()? - old.as_f64()?)
}

/// How changes are laid out.
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    /// What a leaf is called: `Metric`, `Param`.
    pub leaf: &'a str,
    /// What the two states are called.
    pub sides: [&'a str; 2],
    /// Whether the file is shown.
    pub path: bool,
    /// Whether the numeric difference is shown.
    pub change: bool,
    /// Decimals of numbers, at most; `None` = as written.
    pub decimals: Option<usize>,
}

impl Changes {
    /// The rows to print. `direction` tells which way a metric (file, path) improves, where that is known; if it is for
    /// any, a last column says better or worse.
    pub fn table(&self, columns: &Columns<'_>, direction: &dyn Fn(&str, &str) -> Option<Direction>) -> Table {
        let told: Vec<(&String, &String, &Change, Option<Direction>)> = self
            .files
            .iter()
            .flat_map(|(file, changes)| changes.iter().map(move |(path, change)| (file, path, change)))
            .map(|(file, path, change)| (file, path, change, direction(file, path)))
            .collect();
        let judged = told.iter().any(|(.., direction)| direction.is_some());
        let header = [
            columns.path.then_some("Path"),
            Some(columns.leaf),
            Some(columns.sides[0]),
            Some(columns.sides[1]),
            columns.change.then_some("Change"),
            judged.then_some("Verdict"),
        ];
        let mut table = Table::new(&header.into_iter().flatten().collect::<Vec<_>>());
        let cell = |value: &Value| match (value, columns.decimals) {
            (Value::Number(number), None) => number.to_string(),
            (value, decimals) => Table::cell_with(value, decimals.unwrap_or(DECIMALS)),
        };
        for (file, path, change, direction) in told {
            let difference = change.diff.clone().map_or(Value::Null, Value::Number);
            let row = [
                columns.path.then(|| file.clone()),
                Some(path.clone()),
                Some(cell(&change.old)),
                Some(cell(&change.new)),
                columns.change.then(|| cell(&difference)),
                judged.then(|| direction.map_or("", |direction| change.verdict(direction)).to_owned()),
            ];
            table.push(row.into_iter().flatten());
        }
        table
    }
}

impl Change {
    /// `better` or `worse`; nothing without a difference.
    fn verdict(&self, direction: Direction) -> &'static str {
        match self.diff.as_ref().and_then(Number::as_f64) {
            None | Some(0.0) => "",
            Some(difference) if (difference > 0.0) == (direction == Direction::Higher) => "better",
            Some(_) => "worse",
        }
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
        let old = set(&[("m.json", json!({"a": {"x": 1.5}, "gone": 1, "k": 7, "text": "u", "same": 3, "one": 1}))]);
        let new = set(&[("m.json", json!({"a": {"x": 1}, "come": 2, "k": 9, "text": "v", "same": 3, "one": 1.0}))]);
        let result = serde_json::to_value(diff(&old, &new, Compare::metrics(false))).expect("JSON");
        let expected = json!({"m.json": {
            "a.x": {"old": 1.5, "new": 1, "diff": -0.5},
            "come": {"old": null, "new": 2},
            "gone": {"old": 1, "new": null},
            "k": {"old": 7, "new": 9, "diff": 2},
            "text": {"old": "u", "new": "v"},
        }});
        assert_eq!(result, expected);
        assert!(diff(&old, &new, Compare::metrics(true)).files["m.json"].contains_key("same"));
        assert!(diff(&old, &new, Compare::params(false)).files["m.json"].contains_key("one"));
    }

    #[test]
    fn lists_are_leaves_of_parameters_only() {
        let (old, new) = (set(&[("p.yaml", json!({"l": [1]}))]), set(&[("p.yaml", json!({"l": [1, 2]}))]));
        let changed = diff(&old, &new, Compare::params(false));
        assert_eq!(changed.files["p.yaml"]["l"], Change { old: json!([1]), new: json!([1, 2]), diff: None });
        assert!(diff(&old, &new, Compare::metrics(false)).files.is_empty());
    }

    #[test]
    fn a_broken_file_becomes_a_note_and_the_rest_is_shown() {
        let mut old = set(&[("a.json", json!({"x": 1}))]);
        old.insert("b.json".to_owned(), Err(MetricsError::new("b.json", "expected value")));
        let new = set(&[("a.json", json!({"x": 2})), ("b.json", json!({"y": 1})), ("c.json", json!({"z": 1}))]);
        let result = diff(&old, &new, Compare::metrics(false));
        assert_eq!(result.files.keys().collect::<Vec<_>>(), ["a.json", "c.json"]);
        assert_eq!(result.notes, ["the earlier b.json: expected value"]);
    }

    #[test]
    fn better_and_worse_are_said_only_where_the_direction_is_known() {
        let (old, new) = (json!({"auroc": 0.7, "cost": 5, "n": 1}), json!({"auroc": 0.8, "cost": 6, "n": 2}));
        let changed = diff(&set(&[("m.json", old)]), &set(&[("m.json", new)]), Compare::metrics(false));
        let columns =
            Columns { leaf: "Metric", sides: ["HEAD", "workspace"], path: false, change: true, decimals: Some(2) };
        let direction = |_: &str, path: &str| match path {
            "auroc" => Some(Direction::Higher),
            "cost" => Some(Direction::Lower),
            _ => None,
        };
        let text = changed.table(&columns, &direction).to_text();
        let expected = "Metric  HEAD  workspace  Change  Verdict\nauroc   0.7   0.8        0.1     better\n\
                        cost    5     6          1       worse\nn       1     2          1\n";
        assert_eq!(text, expected);
        assert!(!changed.table(&columns, &|_, _| None).to_text().contains("Verdict"));
    }
}
