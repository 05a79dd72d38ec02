//! Validation of what is to be scored, by the study's schema and its rules across columns: one record of a request, or
//! a whole table.
//!
//! Invariants: a value passes here exactly when it passes in a table; every problem is listed, not just the first;
//! booleans are never numbers and text is never parsed into one; `69.0` is an integer. Nothing is repaired. A record may
//! bring its patient's earlier rows (`past`).

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Serialize;
use serde_json::{Map, Value};

use super::intake::{IntakeRule, Rules};
use super::past::Past;
use crate::ParamError;
use crate::common::frame::{Column, Frame};
use crate::common::schema::{AvailableAt, ColumnSchema, ColumnType, Schema};
use crate::common::texts::Texts;
use crate::common::units::{Converted, Units};
use crate::featurize::HISTORY_FIELD;
use crate::train::SeenCombinations;
use crate::validate::Level;

/// The largest magnitude of an integer that no other one is rounded to: what is read is what was sent.
pub const EXACT_INTEGERS: f64 = 9_007_199_254_740_991.0;

/// One thing that is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// What is wrong and what is expected.
    pub message: String,
    /// A stable word for programs: `missing`, `type`, `range`, `level`, `pattern`, `unknown_field`, `rule`,
    /// `combination`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// One thing that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// 0-based row.
    pub row: usize,
    /// What is wrong there.
    pub error: FieldError,
}

/// A record that may be scored.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedRecord {
    /// The value of the schema's id column as it was given.
    pub id: Option<Value>,
    /// One row with every input column and the columns made of the past; what was not given is missing.
    pub frame: Frame,
    /// Rules of the level `warning` that it breaks.
    pub warnings: Vec<FieldError>,
}

/// The fields that a record may and must have.
#[derive(Debug)]
pub struct RecordSchema {
    /// The column that names a row to its users: the schema's, else that of the patient.
    pub(super) id: Option<String>,
    pub(super) fields: BTreeMap<String, Field>,
    /// Fields that are checked and then left aside, because the model does not need them.
    aside: BTreeSet<String>,
    pub(super) rules: Rules,
    /// The columns that the rules compare, and those that say units.
    pub(super) compared: BTreeSet<String>,
    pub(super) units: Units,
    /// What is made of earlier rows, when the study has a history.
    pub(super) past: Option<Past>,
}

#[derive(Debug)]
pub(super) struct Field {
    kind: ColumnType,
    nullable: bool,
    /// Whether the model cannot do without it: an input, or the unit of one.
    needed: bool,
    range: Option<[f64; 2]>,
    numbers: Vec<f64>,
    texts: BTreeSet<String>,
    pattern: Option<Regex>,
}

impl RecordSchema {
    /// The fields of a study: every column but the outcome and what is known only after it. `inputs` are the columns
    /// that the model needs, `rules` those across columns.
    ///
    /// # Errors
    /// When an input is not in the schema, or a pattern or a rule cannot be read.
    pub fn new(schema: &Schema, inputs: &[String], rules: &[IntakeRule]) -> Result<Self, ParamError> {
        if let Some(name) = inputs.iter().find(|name| !schema.columns.contains_key(*name)) {
            return Err(ParamError::new(format!("schema.columns.{name}"), "is needed by the model but is not there"));
        }
        let units = Units::new(schema)?;
        let said = units.unit_columns(inputs);
        let mut fields = BTreeMap::new();
        for (name, column) in &schema.columns {
            let input = inputs.contains(name);
            if input
                || said.contains(name)
                || (*name != schema.target.column && column.available_at != AvailableAt::Post)
            {
                let needed = input || said.contains(name);
                fields.insert(name.clone(), Field::new(name, column, needed)?);
            }
        }
        let rules = Rules::new(schema, rules)?;
        let mut compared = rules.columns();
        compared.extend(said);
        let aside = fields.keys().filter(|name| !inputs.contains(*name)).cloned().collect();
        Ok(Self { id: schema.id.clone(), fields, aside, rules, compared, units, past: None })
    }

    /// Adds the combinations that training saw; their columns must be inputs.
    #[must_use]
    pub fn with_combinations(mut self, combinations: Vec<SeenCombinations>) -> Self {
        self.rules.learn(combinations);
        self.compared.extend(self.rules.columns());
        self
    }

    /// The combinations that training saw, for rules on them.
    pub fn combinations(&self) -> &[SeenCombinations] {
        self.rules.learned()
    }

    /// The rules across columns that a record must keep or is remarked on for.
    pub fn rules(&self) -> impl Iterator<Item = &IntakeRule> {
        self.rules.list()
    }

    /// The columns that the rules compare and those that say units, in name order; a rule is not judged where one of its
    /// columns is absent.
    pub fn compared(&self) -> Vec<String> {
        self.compared.iter().cloned().collect()
    }

    /// All fields that a record may have, in name order.
    pub fn fields(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// The fields that a record must have: inputs that may not be missing, in name order.
    pub fn required(&self) -> Vec<String> {
        self.fields.iter().filter(|(_, field)| field.required()).map(|(name, _)| name.clone()).collect()
    }

    /// Validates one record.
    ///
    /// # Errors
    /// All problems, in the order of the fields' names; then unknown fields, then broken rules.
    pub fn parse(&self, record: &Map<String, Value>) -> Result<ParsedRecord, Vec<FieldError>> {
        let (mut errors, values) = self.read(record, &|_| true);
        errors.extend(record.keys().filter(|name| !self.knows(name)).map(|name| self.unknown(name)));
        let past = self.read_past(record, &values, &mut errors);
        let broken = |level| self.rules.broken(&values, level).into_iter().map(|(error, _)| error);
        errors.extend(broken(Level::Error));
        if !errors.is_empty() {
            return Err(errors);
        }
        let warnings = broken(Level::Warning).collect();
        let mut frame = values;
        frame.retain(|name| !self.aside.contains(name));
        for (name, column) in past {
            frame.insert(name, column);
        }
        let id = self.id.as_ref().and_then(|id| record.get(id)).filter(|id| !id.is_null()).cloned();
        Ok(ParsedRecord { id, frame, warnings })
    }

    /// Checks every cell of a table that holds (at least) the fields a record must have, and the rules whose columns it
    /// holds; at most `limit` problems, in the order of columns, then rules, each by rows. Other columns are not looked
    /// at.
    pub fn check_table(&self, table: &Frame, limit: usize) -> Vec<CellError> {
        let cells = self.fields.iter().filter(|(_, field)| field.needed).flat_map(|(name, field)| {
            let column = table.get(name);
            (0..table.rows()).filter_map(move |row| {
                let (kind, message) = field.check_cell(column, row).err()?;
                Some(CellError { row, error: FieldError { field: name.clone(), message, kind } })
            })
        });
        let rules = self
            .rules
            .broken(table, Level::Error)
            .into_iter()
            .flat_map(|(error, rows)| rows.into_iter().map(move |row| CellError { row, error: error.clone() }));
        cells.chain(rules).take(limit).collect()
    }

    /// The rules of the level `warning` that rows of a table break, each with those rows.
    pub fn table_warnings(&self, table: &Frame) -> Vec<(FieldError, Vec<usize>)> {
        self.rules.broken(table, Level::Warning)
    }

    /// The fields of a record in the schema's units, and what is wrong with the others in the order of names. Only fields
    /// that are `asked` for must be there.
    pub(super) fn read(&self, record: &Map<String, Value>, asked: &dyn Fn(&str) -> bool) -> (Vec<FieldError>, Frame) {
        let (mut errors, mut values) = (Vec::new(), Frame::with_capacity(1, self.fields.len()));
        let fault = |name: &String, (kind, message)| FieldError { field: name.clone(), message, kind };
        for (name, field) in &self.fields {
            if !record.contains_key(name) && !asked(name) {
                continue;
            }
            match field.read(record.get(name)) {
                Ok(column) => values.insert(name.as_str(), column),
                Err(error) => errors.push(fault(name, error)),
            }
        }
        let converted = self.units.apply(&mut values);
        for (name, field) in &self.fields {
            let Some(Err((kind, message))) = values.get(name).map(|column| field.check_value(column)) else { continue };
            let from = converted.iter().find(|converted| converted.column == *name && converted.rows > 0);
            let message = match from {
                Some(Converted { from, to, .. }) => format!("{message} (in {to}, converted from {from})"),
                None => message,
            };
            errors.push(fault(name, (kind, message)));
        }
        errors.sort_by(|a, b| a.field.cmp(&b.field));
        (errors, values)
    }

    fn knows(&self, name: &str) -> bool {
        self.fields.contains_key(name) || (self.past.is_some() && name == HISTORY_FIELD)
    }

    pub(super) fn unknown(&self, name: &str) -> FieldError {
        let known =
            self.fields.keys().map(|field| (strsim::jaro_winkler(&field.to_lowercase(), &name.to_lowercase()), field));
        let nearest = known.max_by(|left, right| left.0.total_cmp(&right.0)).filter(|(score, _)| *score > 0.8);
        let message = match nearest {
            Some((_, field)) => format!("is not a field of this study; did you mean `{field}`?"),
            None => "is not a field of this study".to_owned(),
        };
        FieldError { field: name.to_owned(), message, kind: "unknown_field" }
    }
}

/// The kind of a problem and its text.
type Fault = (&'static str, String);

impl Field {
    fn new(name: &str, column: &ColumnSchema, needed: bool) -> Result<Self, ParamError> {
        // A pattern must match the whole text.
        let whole = column.pattern.as_ref().map(|pattern| Regex::new(&format!("^(?:{pattern})$"))).transpose();
        let pattern = whole.map_err(|error| {
            ParamError::new(format!("schema.columns.{name}.pattern"), format!("does not compile: {error}"))
        })?;
        Ok(Self {
            kind: column.kind,
            nullable: column.nullable,
            needed,
            range: column.range,
            numbers: column.levels.iter().filter_map(Value::as_f64).collect(),
            texts: column.levels.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            pattern,
        })
    }

    pub(super) fn required(&self) -> bool {
        self.needed && !self.nullable
    }

    fn is_number(&self) -> bool {
        matches!(self.kind, ColumnType::Integer | ColumnType::Number)
    }

    /// The column of one row that holds a value of a request, of the field's type; not yet judged.
    fn read(&self, value: Option<&Value>) -> Result<Column, Fault> {
        match value {
            None if self.required() => Err(("missing", "is required".to_owned())),
            Some(Value::Null) if !self.nullable => Err(("missing", "must not be null".to_owned())),
            None | Some(Value::Null) if self.is_number() => Ok(Column::Number(vec![f64::NAN])),
            None | Some(Value::Null) => Ok(Column::Text(Texts::repeat(None, 1))),
            Some(Value::Number(number)) if self.is_number() => {
                let number = number.as_f64().filter(|number| number.is_finite());
                let number = number.ok_or_else(|| ("type", "must be a finite number".to_owned()))?;
                Ok(Column::Number(vec![number]))
            }
            Some(Value::String(text)) if !self.is_number() => Ok(Column::Text(Texts::repeat(Some(text), 1))),
            Some(other) => Err(("type", format!("must be {}, not {}", self.expected(), kind_of(other)))),
        }
    }

    /// Judges the value of one row, if there is one.
    fn check_value(&self, column: &Column) -> Result<(), Fault> {
        match column {
            Column::Number(values) => {
                values.iter().filter(|value| !value.is_nan()).try_for_each(|n| self.check_number(*n))
            }
            Column::Text(values) => values.iter().flatten().try_for_each(|text| self.check_text(text)),
        }
    }

    fn check_cell(&self, column: Option<&Column>, row: usize) -> Result<(), Fault> {
        let missing = || if self.nullable { Ok(()) } else { Err(("missing", "must not be empty".to_owned())) };
        match column {
            Some(Column::Number(values)) if self.is_number() => match values.get(row) {
                Some(number) if !number.is_nan() => self.check_number(*number),
                _ => missing(),
            },
            Some(Column::Text(values)) if !self.is_number() => match values.get(row) {
                Some(text) => self.check_text(text),
                None => missing(),
            },
            Some(_) => Err(("type", format!("must be {}", self.expected()))),
            None => missing(),
        }
    }

    fn check_number(&self, number: f64) -> Result<(), Fault> {
        if self.kind == ColumnType::Integer && (libm::trunc(number) != number || number.abs() > EXACT_INTEGERS) {
            return Err(("type", format!("must be {}, not {number}", self.expected())));
        }
        if let Some([low, high]) = self.range
            && !(low..=high).contains(&number)
        {
            return Err(("range", format!("must be from {low} to {high}, not {number}")));
        }
        if !self.numbers.is_empty() && !self.numbers.contains(&number) {
            let levels: Vec<String> = self.numbers.iter().map(f64::to_string).collect();
            return Err(("level", format!("must be one of {}, not {number}", levels.join(", "))));
        }
        Ok(())
    }

    fn check_text(&self, text: &str) -> Result<(), Fault> {
        if !self.texts.is_empty() && !self.texts.contains(text) {
            let levels: Vec<&str> = self.texts.iter().map(String::as_str).collect();
            return Err(("level", format!("must be one of {}, not {text:?}", levels.join(", "))));
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                Err(("pattern", format!("must match {}, which {text:?} does not", pattern.as_str())))
            }
            _ => Ok(()),
        }
    }

    fn expected(&self) -> &'static str {
        match self.kind {
            ColumnType::Integer => "a whole number",
            ColumnType::Number => "a number",
            ColumnType::Category | ColumnType::Text => "a text",
        }
    }
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
