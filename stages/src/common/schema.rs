//! The typed contract of a study's raw table: one declaration for ingest, validation, features, serving and docs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ParamError;
use crate::common::analyte::Analyte;
use crate::common::target::Task;
use crate::common::units::Units;

/// `schema` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The column that names a row to its users; echoed in predictions, never a feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The patient column: rows that share its value never cross a split. Absent: every row is its own patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What is predicted.
    pub target: Target,
    /// Every column of the raw table.
    pub columns: BTreeMap<String, ColumnSchema>,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its column: 0 and 1 for an event.
    pub column: String,
    /// Whether an event is predicted (`binary`, the default) or a number (`continuous`).
    #[serde(default, skip_serializing_if = "is_binary")]
    pub kind: Task,
    /// What the value 1 means, in words for reports: `drops out of the trial`. Events must have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Bounds to which predictions of a number are clamped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Decimals with which predictions of a number are shown; files for programs keep all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_binary(task: &Task) -> bool {
    *task == Task::Binary
}

/// More decimals than this are more than a float has.
const MAX_DECIMALS: u8 = 15;

impl Target {
    /// Checks what is said of the outcome against the type of its column.
    fn check(&self, column: ColumnType) -> Result<(), ParamError> {
        let at = |key: &str, message: String| Err(ParamError::new(format!("schema.target.{key}"), message));
        let name = &self.column;
        match self.kind {
            Task::Binary if column == ColumnType::Number => at(
                "column",
                format!(
                    "`{name}` must be of the type integer, with the values 0 and 1; to predict a number, say `kind: continuous`"
                ),
            ),
            Task::Binary if column != ColumnType::Integer => {
                at("column", format!("`{name}` must be of the type integer, with the values 0 and 1"))
            }
            Task::Binary if self.event.is_none() => {
                Err(ParamError::new("schema.target", "missing field `event`: what the value 1 means"))
            }
            Task::Binary if self.range.is_some() => {
                at("range", "the prediction of an event is a probability".to_owned())
            }
            Task::Binary if self.decimals.is_some() => {
                at("decimals", "probabilities are shown in full; decimals are for `kind: continuous`".to_owned())
            }
            Task::Continuous if !matches!(column, ColumnType::Integer | ColumnType::Number) => {
                at("column", format!("`{name}` must be of the type integer or number to be predicted as a number"))
            }
            Task::Continuous if self.event.is_some() => {
                at("event", "a number is no event; leave it out, or say `kind: binary`".to_owned())
            }
            _ => self.check_shown(),
        }
    }

    fn check_shown(&self) -> Result<(), ParamError> {
        if let Some([low, high]) = self.range.filter(|[low, high]| !(low < high && low.is_finite() && high.is_finite()))
        {
            return Err(ParamError::new("schema.target.range", format!("{low} to {high} is no range")));
        }
        match self.decimals {
            Some(decimals) if decimals > MAX_DECIMALS => {
                Err(ParamError::new("schema.target.decimals", format!("{decimals} is more than {MAX_DECIMALS}")))
            }
            _ => Ok(()),
        }
    }
}

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Whole numbers. `69.0` is one; `true` is not.
    Integer,
    /// Floating-point numbers.
    Number,
    /// One of a known list of texts.
    Category,
    /// Free text, for identifiers.
    Text,
}

/// When a value is known, relative to the moment of prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AvailableAt {
    /// Known at enrolment.
    #[default]
    Baseline,
    /// Measured up to the moment of prediction (the index).
    Index,
    /// Known only after the outcome: never a feature.
    Post,
}

/// One column of the raw table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnSchema {
    /// How its values are read.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Inclusive bounds of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The allowed texts of a category, or the allowed values of a number (given as numbers).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<serde_json::Value>,
    /// A regular expression that a text must match as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether it may be missing.
    #[serde(default)]
    pub nullable: bool,
    /// Whether no two rows may share a value.
    #[serde(default)]
    pub unique: bool,
    /// When its values are known.
    #[serde(default)]
    pub available_at: AvailableAt,
    /// Unit of measure: of the range, of what is learned, of what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What is measured, to get from mmol/L to mg/dL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyte: Option<Analyte>,
    /// Other units in which raw values come, here and in rows to be scored; they are converted to `unit`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub convert: Vec<Conversion>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// A unit in which raw values come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// The unit.
    pub from: String,
    /// Which rows; when absent, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

/// The rows that come in another unit: those whose unit column says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The unit column: a category or text that is never missing. Converted rows say the schema's unit there.
    pub column: String,
    /// What it says in these rows.
    pub is: String,
}

impl Schema {
    /// Checks what the types cannot say: that named columns exist, patterns compile, ranges are ordered.
    pub fn check(&self) -> Result<(), ParamError> {
        for (key, name) in
            [("id", self.id.as_ref()), ("group", self.group.as_ref()), ("target.column", Some(&self.target.column))]
        {
            if let Some(name) = name.filter(|name| !self.columns.contains_key(*name)) {
                return Err(ParamError::new(format!("schema.{key}"), format!("`{name}` is not under schema.columns")));
            }
        }
        if let Some(column) = self.columns.get(&self.target.column) {
            self.target.check(column.kind)?;
        }
        self.columns.iter().try_for_each(|(name, column)| column.check(name))?;
        Units::new(self).map(|_| ())
    }
}

impl ColumnSchema {
    /// The levels as texts: those of a category as they are, those of a number in decimal.
    pub fn text_levels(&self) -> Vec<String> {
        let text = |level: &serde_json::Value| level.as_str().map_or_else(|| level.to_string(), str::to_owned);
        self.levels.iter().map(text).collect()
    }

    /// Whether its values are numbers.
    pub fn is_numeric(&self) -> bool {
        matches!(self.kind, ColumnType::Integer | ColumnType::Number)
    }

    fn check(&self, name: &str) -> Result<(), ParamError> {
        let at = |key: &str, message: String| ParamError::new(format!("schema.columns.{name}.{key}"), message);
        if let Some([low, high]) = self.range
            && (low > high || low.is_nan() || high.is_nan())
        {
            return Err(at("range", format!("its low end {low} lies above its high end {high}")));
        }
        if let Some(pattern) = &self.pattern {
            regex::Regex::new(pattern).map_err(|error| at("pattern", error.to_string()))?;
        }
        let numeric = self.is_numeric();
        if self.range.is_some() && !numeric {
            return Err(at("range", "only numbers have a range".to_owned()));
        }
        if self.levels.iter().any(|level| level.is_number() != numeric || !(level.is_number() || level.is_string())) {
            return Err(at(
                "levels",
                "levels must have the column's type: texts in quotes, numbers without".to_owned(),
            ));
        }
        if self.kind == ColumnType::Category && self.levels.is_empty() {
            return Err(at("levels", "a category must list its levels".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn path(change: fn(&mut Value)) -> Option<String> {
        let mut value = json!({
            "id": "id",
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "id": {"type": "text", "pattern": "P[0-9]+"},
                "age": {"type": "number", "range": [0, 120]},
                "sex": {"type": "category", "levels": ["M", "F"]},
                "y": {"type": "integer", "levels": [0, 1], "available_at": "post"},
            },
        });
        change(&mut value);
        let schema: Schema = serde_json::from_value(value).expect("a schema by its types");
        schema.check().err().map(|error| error.path)
    }

    #[test]
    fn contradictions_are_found_by_path() {
        assert_eq!(path(|_| {}), None);
        let at = |change| path(change).expect("a contradiction");
        assert_eq!(at(|s| s["group"] = json!("patient")), "schema.group");
        assert_eq!(at(|s| s["target"]["column"] = json!("z")), "schema.target.column");
        assert_eq!(at(|s| s["target"]["column"] = json!("age")), "schema.target.column");
        assert_eq!(at(|s| s["target"]["event"] = Value::Null), "schema.target");
        assert_eq!(at(|s| s["target"]["decimals"] = json!(2)), "schema.target.decimals");
        assert_eq!(path(|s| s["target"] = json!({"column": "age", "kind": "continuous", "range": [0, 120]})), None);
        assert_eq!(at(|s| s["target"]["kind"] = json!("continuous")), "schema.target.event");
        assert_eq!(at(|s| s["target"] = json!({"column": "sex", "kind": "continuous"})), "schema.target.column");
        let range = |s: &mut Value| s["target"] = json!({"column": "age", "kind": "continuous", "range": [9, 9]});
        assert_eq!(at(range), "schema.target.range");
        assert_eq!(at(|s| s["columns"]["age"]["range"] = json!([9, 1])), "schema.columns.age.range");
        assert_eq!(at(|s| s["columns"]["sex"]["range"] = json!([0, 1])), "schema.columns.sex.range");
        assert_eq!(at(|s| s["columns"]["sex"]["levels"] = json!([])), "schema.columns.sex.levels");
        assert_eq!(at(|s| s["columns"]["y"]["levels"] = json!(["0"])), "schema.columns.y.levels");
        assert_eq!(at(|s| s["columns"]["id"]["pattern"] = json!("(")), "schema.columns.id.pattern");
    }
}
