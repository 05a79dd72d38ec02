//! Units of measure: which there are, how one becomes another, and the one place where a study's values do.
//!
//! Validation of training data, batch scoring and the service all call [`Units::apply`], so a value means the same to
//! all of them. A converted row's unit column says the schema's unit afterwards: converting twice changes nothing.

use serde::{Deserialize, Serialize};

use super::analyte::Analyte;
use super::frame::{Column, Frame};
use super::schema::{ColumnSchema, ColumnType, Conversion, Schema, When};
use super::table::Table;
use crate::{ParamError, StageError};

/// What a unit measures; only units of one dimension become each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Mass,
    Length,
    Temperature,
    Pressure,
    /// Mass or amount of an analyte in a volume; amounts need to know which analyte.
    Concentration,
    /// Glycated haemoglobin.
    Glycation,
}

/// A unit as `(value + offset) · numerator / denominator` of its dimension's base unit.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    offset: f64,
    numerator: f64,
    denominator: f64,
}

const fn factor(numerator: f64, denominator: f64) -> Scale {
    Scale { offset: 0.0, numerator, denominator }
}

/// The units but for amounts of substance: their spelling, dimension, scale. Pound, inch and foot as agreed in 1959;
/// mmHg = 133.322387415 Pa; HbA1c by the NGSP master equation, % = 0.09148 · mmol/mol + 2.152.
const UNITS: [(&str, Dimension, Scale); 20] = [
    ("kg", Dimension::Mass, factor(1.0, 1.0)),
    ("g", Dimension::Mass, factor(1.0, 1000.0)),
    ("lb", Dimension::Mass, factor(0.453_592_37, 1.0)),
    ("cm", Dimension::Length, factor(1.0, 1.0)),
    ("mm", Dimension::Length, factor(1.0, 10.0)),
    ("m", Dimension::Length, factor(100.0, 1.0)),
    ("in", Dimension::Length, factor(2.54, 1.0)),
    ("ft", Dimension::Length, factor(30.48, 1.0)),
    ("°C", Dimension::Temperature, factor(1.0, 1.0)),
    ("°F", Dimension::Temperature, Scale { offset: -32.0, numerator: 5.0, denominator: 9.0 }),
    ("K", Dimension::Temperature, Scale { offset: -273.15, numerator: 1.0, denominator: 1.0 }),
    ("mmHg", Dimension::Pressure, factor(1.0, 1.0)),
    ("kPa", Dimension::Pressure, factor(1000.0, 133.322_387_415)),
    ("mg/dL", Dimension::Concentration, factor(1.0, 1.0)),
    ("g/dL", Dimension::Concentration, factor(1000.0, 1.0)),
    ("g/L", Dimension::Concentration, factor(100.0, 1.0)),
    ("mg/L", Dimension::Concentration, factor(1.0, 10.0)),
    ("µg/mL", Dimension::Concentration, factor(1.0, 10.0)),
    ("%", Dimension::Glycation, factor(1.0, 1.0)),
    ("mmol/mol", Dimension::Glycation, Scale { offset: 2.152 / 0.091_48, numerator: 0.091_48, denominator: 1.0 }),
];

/// Amounts of substance in a volume, in mol/L: 1 mmol/L is a tenth of the molar mass in mg/dL.
const AMOUNTS: [(&str, f64); 4] = [("mol/L", 0.001), ("mmol/L", 1.0), ("µmol/L", 1000.0), ("nmol/L", 1_000_000.0)];

/// How values of one unit become values of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Formula {
    from: Scale,
    to: Scale,
}

impl Formula {
    /// How `from` becomes `to`; amounts of substance and masses become each other when the analyte is known.
    ///
    /// # Errors
    /// In words, when a unit is unknown, the two measure different things, or the analyte is needed and absent.
    pub fn new(from: &str, to: &str, analyte: Option<Analyte>) -> Result<Self, String> {
        let known = |unit: &str| {
            scale(unit, analyte).ok_or_else(|| {
                let names: Vec<&str> = UNITS.iter().map(|unit| unit.0).chain(AMOUNTS.map(|unit| unit.0)).collect();
                format!("`{unit}` is no unit that clinpipe converts; those are {}", names.join(", "))
            })
        };
        let ((source, source_scale), (goal, goal_scale)) = (known(from)?, known(to)?);
        if source != goal {
            return Err(format!("`{from}` and `{to}` do not measure the same"));
        }
        match (source_scale, goal_scale) {
            (Some(from), Some(to)) => Ok(Self { from, to }),
            // Between two amounts the analyte's mass cancels.
            (None, None) => {
                let ratio =
                    |unit: &str| AMOUNTS.iter().find(|known| known.0 == plain(unit)).map_or(1.0, |known| known.1);
                Ok(Self { from: factor(1.0, ratio(from)), to: factor(1.0, ratio(to)) })
            }
            _ => Err(format!("`{from}` and `{to}` become each other by the mass of a molecule: say `analyte`")),
        }
    }

    /// The value in the other unit.
    pub fn apply(&self, value: f64) -> f64 {
        let base = (value + self.from.offset) * self.from.numerator / self.from.denominator;
        base * self.to.denominator / self.to.numerator - self.to.offset
    }
}

/// One spelling of each unit: both micro signs, degrees with and without their sign, `l` for litre.
fn plain(unit: &str) -> String {
    let unit = unit.trim().replace('\u{3bc}', "µ").replace("umol", "µmol").replace("ug/", "µg/");
    match unit.as_str() {
        "C" => "°C".to_owned(),
        "F" => "°F".to_owned(),
        "lbs" => "lb".to_owned(),
        other => other.strip_suffix("/l").map_or_else(
            || other.strip_suffix("/dl").map_or_else(|| other.to_owned(), |mass| format!("{mass}/dL")),
            |amount| format!("{amount}/L"),
        ),
    }
}

/// What a unit measures, and its scale unless that depends on an analyte that is not known.
fn scale(unit: &str, analyte: Option<Analyte>) -> Option<(Dimension, Option<Scale>)> {
    let unit = plain(unit);
    if let Some((_, parts)) = AMOUNTS.iter().find(|known| known.0 == unit) {
        let of = |analyte: Analyte| factor(analyte.molar_mass(), 10.0 * parts);
        return Some((Dimension::Concentration, analyte.map(of)));
    }
    UNITS.iter().find(|known| known.0 == unit).map(|known| (known.1, Some(known.2)))
}

/// The units that one column is given in, in one place or another, and that are taken for each other.
const CONFUSED: [(&str, &str); 10] = [
    ("kg", "lb"),
    ("cm", "in"),
    ("cm", "m"),
    ("°C", "°F"),
    ("mmHg", "kPa"),
    ("%", "mmol/mol"),
    ("g/dL", "g/L"),
    ("mg/dL", "mmol/L"),
    ("mg/dL", "µmol/L"),
    ("mmol/L", "µmol/L"),
];

/// The other units that values of a column may have been given in by mistake, with their formulas. Empty when the
/// column's unit is not known here, or its analyte where that is needed.
pub fn lookalikes(column: &ColumnSchema) -> Vec<(&'static str, Formula)> {
    let Some(unit) = &column.unit else { return Vec::new() };
    let own = plain(unit);
    let others = CONFUSED.iter().filter_map(|(a, b)| match own.as_str() {
        own if own == *a => Some(*b),
        own if own == *b => Some(*a),
        _ => None,
    });
    others.filter_map(|other| Some((other, Formula::new(other, unit, column.analyte).ok()?))).collect()
}

/// Values of one column that came in one other unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Converted {
    /// The column.
    pub column: String,
    /// The unit they came in.
    pub from: String,
    /// The schema's unit.
    pub to: String,
    /// Rows.
    pub rows: usize,
}

/// The conversions that a schema declares.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Units(Vec<Rule>);

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    column: String,
    to: String,
    from: String,
    when: Option<When>,
    formula: Formula,
}

impl Units {
    /// Reads the conversions of a schema.
    ///
    /// # Errors
    /// When one cannot be done, or would leave a table that does not say its units.
    pub fn new(schema: &Schema) -> Result<Self, ParamError> {
        let mut rules = Vec::new();
        for (name, column) in &schema.columns {
            for (index, conversion) in column.convert.iter().enumerate() {
                let rule = rule(name, column, conversion, schema);
                let at = format!("schema.columns.{name}.convert.{index}");
                rules.push(rule.map_err(|(key, message)| ParamError::new(format!("{at}{key}"), message))?);
            }
        }
        for (at, rule) in rules.iter().enumerate() {
            let clash = |other: &&Rule| {
                other.when.as_ref().zip(rule.when.as_ref()).is_some_and(|(a, b)| a.column == b.column)
                    && other.to != rule.to
            };
            if let Some(other) = rules[..at].iter().find(clash) {
                let message = format!("shares its unit column with `{}`, whose unit is another", other.column);
                return Err(ParamError::new(format!("schema.columns.{}.unit", rule.column), message));
            }
        }
        Ok(Self(rules))
    }

    /// Whether there is nothing to convert.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns that say in which unit one of `columns` is.
    pub fn unit_columns(&self, columns: &[String]) -> Vec<String> {
        let of = self.0.iter().filter(|rule| columns.contains(&rule.column));
        let mut names: Vec<String> = of.filter_map(|rule| Some(rule.when.as_ref()?.column.clone())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Converts what is not in the schema's units, and the unit columns with it. Columns that are absent are left out.
    pub fn apply(&self, frame: &mut Frame) -> Vec<Converted> {
        let mut done = Vec::new();
        let mut settled: Vec<(&str, &str, Vec<usize>)> = Vec::new();
        let mut taken: Vec<(&str, Vec<bool>)> = Vec::new();
        for rule in &self.0 {
            let Some(Column::Number(values)) = frame.get(&rule.column) else { continue };
            let Some(mut rows) = rule.rows(frame) else { continue };
            // Of several conversions the first that concerns a row holds.
            let before = taken.iter().filter(|(column, _)| *column == rule.column);
            for (row, _) in before.flat_map(|(_, rows)| rows.iter().enumerate().filter(|(_, taken)| **taken)) {
                rows[row] = false;
            }
            let mut values = values.clone();
            let chosen: Vec<usize> = (0..values.len()).filter(|&row| rows[row]).collect();
            for &row in &chosen {
                values[row] = rule.formula.apply(values[row]);
            }
            let count = chosen.iter().filter(|&&row| !values[row].is_nan()).count();
            done.push(Converted {
                column: rule.column.clone(),
                from: rule.from.clone(),
                to: rule.to.clone(),
                rows: count,
            });
            frame.insert(rule.column.as_str(), Column::Number(values));
            if let Some(When { column, .. }) = &rule.when {
                settled.push((column, &rule.to, chosen));
            }
            taken.push((&rule.column, rows));
        }
        for (column, unit, rows) in settled {
            let Some(Column::Text(texts)) = frame.get(column) else { continue };
            let mut texts: Vec<Option<&str>> = texts.iter().collect();
            for row in rows {
                texts[row] = Some(unit);
            }
            let texts = Column::Text(texts.into());
            frame.insert(column, texts);
        }
        done
    }

    /// The same for a table.
    pub fn apply_table(&self, table: Table) -> Result<(Table, Vec<Converted>), StageError> {
        let all: Vec<String> = self.0.iter().map(|rule| rule.column.clone()).collect();
        let mut names = self.unit_columns(&all);
        names.extend(all);
        names.sort();
        names.dedup();
        names.retain(|name| table.has(name));
        let mut frame = table.frame_of(names.iter().map(String::as_str))?;
        let done = self.apply(&mut frame);
        let mut table = table;
        if !done.is_empty() {
            for (name, column) in frame.columns() {
                table.replace(name, column)?;
            }
        }
        Ok((table, done))
    }
}

impl Rule {
    /// The rows that it concerns; `None` when the table does not say.
    fn rows(&self, frame: &Frame) -> Option<Vec<bool>> {
        let Some(When { column, is }) = &self.when else { return Some(vec![true; frame.rows()]) };
        let Some(Column::Text(texts)) = frame.get(column) else { return None };
        Some(texts.iter().map(|text| text == Some(is.as_str())).collect())
    }
}

/// The error names the key below the conversion and says what is wrong.
fn rule(
    name: &str,
    column: &ColumnSchema,
    conversion: &Conversion,
    schema: &Schema,
) -> Result<Rule, (&'static str, String)> {
    let Conversion { from, when } = conversion;
    if column.kind != ColumnType::Number {
        return Err(("", format!("`{name}` must be of the type number: converted values are not whole")));
    }
    let to = column.unit.as_ref().ok_or_else(|| ("", format!("`{name}` needs `unit`, the unit to convert to")))?;
    let formula = Formula::new(from, to, column.analyte).map_err(|message| (".from", message))?;
    if let Some(When { column: unit, is }) = when {
        let said = schema
            .columns
            .get(unit)
            .ok_or_else(|| (".when.column", format!("`{unit}` is not a column of the schema")))?;
        let text = matches!(said.kind, ColumnType::Category | ColumnType::Text);
        if !text || said.nullable {
            return Err((
                ".when.column",
                format!("`{unit}` must be a category or text that may not be missing: a value without a unit has none"),
            ));
        }
        if said.kind == ColumnType::Category {
            let levels = said.text_levels();
            if let Some(absent) = [is, to].into_iter().find(|level| !levels.contains(level)) {
                return Err((
                    ".when",
                    format!("`{absent}` is not among the levels of `{unit}`; converted rows say `{to}` there"),
                ));
            }
        }
        if is == to {
            return Err((".when.is", format!("`{to}` is the unit of `{name}` already")));
        }
    }
    Ok(Rule { column: name.to_owned(), to: to.clone(), from: from.clone(), when: when.clone(), formula })
}

#[cfg(test)]
mod tests;
