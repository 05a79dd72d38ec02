//! The rows of new data, and what can be said about their being new.
//!
//! A bundle knows its training rows by a digest of row numbers, which says nothing about the rows of another table. So
//! the raw files are compared always, and patients and whole rows when the development table is at hand; what was not
//! compared is said. Rows of known patients are refused, as is data of another schema.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::document::{NewData, Unseen};
use crate::bundle::Bundle;
use crate::common::canonical_json;
use crate::common::frame::{Column, Frame};
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::evaluate::rows::{TestRows, outcomes, patients};
use crate::{ParamError, StageContext, StageError};

/// A table with more equal rows than this share, and twice as many as chance gives, is no new data.
const MOST_EQUAL: f64 = 0.01;

/// Where new rows come from and what makes them new.
pub(in crate::evaluate) struct NewRows {
    pub data: NewData,
    pub unseen: Unseen,
    /// The raw columns of the development study's test part, when its table and split are given.
    pub development: Option<Frame>,
}

/// What is needed of the ingest report.
#[derive(Deserialize)]
struct IngestReport {
    source: String,
    file: String,
    blake3: String,
}

impl NewRows {
    /// Reads and checks every row of `table`.
    pub fn load(context: &StageContext, bundle: &Bundle) -> Result<(TestRows, Self), StageError> {
        let data = data(context, bundle)?;
        check_schema(context, bundle.schema())?;
        let file = context.input("table")?;
        let table = Table::read(file)?;
        if table.rows() == 0 {
            return Err(StageError::input(&file.name, "has no rows"));
        }
        let row_ids = table.ints_full("row_id")?;
        let rows = TestRows {
            patients: patients(&table, bundle.schema(), &row_ids)?,
            y: outcomes(&table, bundle.schema(), &file.name)?,
            raw: bundle.rows_of(&table, &(0..table.rows()).collect::<Vec<_>>())?,
            row_ids,
        };
        let (unseen, development) = unseen(context, bundle, &rows)?;
        Ok((rows, Self { data, unseen, development }))
    }
}

fn data(context: &StageContext, bundle: &Bundle) -> Result<NewData, StageError> {
    let file = context.input_opt("ingest").ok_or_else(|| {
        StageError::failed("without the role `split` every row of `table` is new data, and then `ingest` must be bound")
            .with_hint("bind `ingest` to the ingest report of the new data, or `split` to evaluate the test part")
    })?;
    let IngestReport { source, file: name, blake3 } = canonical_json::read(&file.path, &file.name)?;
    if blake3 == bundle.manifest().data.blake3 {
        let message = format!("{name} is the file that the bundle was trained from: nothing in it is new");
        return Err(StageError::input(&file.name, message).with_hint("bind `split` to evaluate its test part"));
    }
    Ok(NewData { source, file: name, blake3 })
}

/// The new data must have been read and validated by a schema that means the same.
fn check_schema(context: &StageContext, own: &Schema) -> Result<(), StageError> {
    if context.params().get("schema").is_none() {
        let text = "list `schema` under the params of this stage, so that it can be compared with the bundle's";
        return Err(StageError::failed("new data need the schema they were validated by").with_hint(text));
    }
    let given: Schema = context.param("schema")?;
    let at = |key: String, message: String| Err(StageError::from(ParamError::new(format!("schema.{key}"), message)));
    if (given.target.kind, &given.target.column) != (own.target.kind, &own.target.column) {
        return at("target".to_owned(), format!("is not that of the bundle, `{}`", own.target.column));
    }
    if given.group != own.group {
        return at("group".to_owned(), "names other patients than the bundle's schema".to_owned());
    }
    for (name, column) in &own.columns {
        let key = |key: &str| format!("columns.{name}{key}");
        match given.columns.get(name) {
            None => return at(key(""), "is missing; the bundle's schema has it".to_owned()),
            Some(other) if other.kind != column.kind => return at(key(".type"), "is not the bundle's".to_owned()),
            Some(other) if other.unit != column.unit => {
                let unit = column.unit.as_deref().unwrap_or("none");
                return at(key(".unit"), format!("is not the bundle's, which is {unit}; convert the values first"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn unseen(context: &StageContext, bundle: &Bundle, new: &TestRows) -> Result<(Unseen, Option<Frame>), StageError> {
    let mut unseen = Unseen {
        checked: vec!["raw_file".to_owned(), "schema".to_owned()],
        shared_patients: None,
        equal_rows: None,
        equal_within: None,
        text: "The raw file is another one than that of the training rows. Whether patients or rows occur in both was \
               not compared: bind `training` to the development table for that."
            .to_owned(),
    };
    let Some(file) = context.input_opt("training") else { return Ok((unseen, None)) };
    let schema = bundle.schema();
    let table = Table::read(file)?;
    let row_ids = table.ints_full("row_id")?;
    let known = patients(&table, schema, &row_ids)?;
    if schema.group.is_some() || schema.id.is_some() {
        let names = |table: &Table, fallback: &[String]| match (&schema.group, &schema.id) {
            (None, Some(id)) => {
                table.labels(id).map(|labels| labels.iter().map(|label| label.unwrap_or_default().to_owned()).collect())
            }
            _ => Ok(fallback.to_vec()),
        };
        let known: BTreeSet<String> = names(&table, &known)?.into_iter().collect();
        let own: BTreeSet<String> = names(&Table::read(context.input("table")?)?, &new.patients)?.into_iter().collect();
        let shared = own.intersection(&known).count();
        if shared > 0 {
            let message = format!("{shared} patients of the new data are in {}: their rows are not new", file.name);
            return Err(
                StageError::failed(message).with_hint("leave them out; if only their numbers agree, rename them")
            );
        }
        unseen.shared_patients = Some(0);
        unseen.checked.push("patients".to_owned());
    }
    let (equal, within) = equal_rows(&table.to_frame(schema)?, &new.raw, bundle);
    let (share, chance) = (equal as f64 / new.y.len() as f64, within as f64 / new.y.len() as f64);
    if share > MOST_EQUAL && share > 2.0 * chance {
        let message = format!("{equal} of {} rows equal a row of {}: the data are not new", new.y.len(), file.name);
        return Err(StageError::failed(message).with_hint("leave out the rows that were trained on"));
    }
    (unseen.equal_rows, unseen.equal_within) = (Some(equal), Some(within));
    unseen.checked.push("rows".to_owned());
    let patients = if unseen.shared_patients.is_some() {
        "no patient occurs in both tables, though one under another name would not be found"
    } else {
        "patients have no names to compare"
    };
    unseen.text = format!(
        "The raw file is another one than that of the training rows; {patients}; no more rows are equal than chance gives."
    );
    Ok((unseen, development(context, bundle, &table, &row_ids)?))
}

/// The test part of the development study.
fn development(
    context: &StageContext,
    bundle: &Bundle,
    table: &Table,
    row_ids: &[i64],
) -> Result<Option<Frame>, StageError> {
    let Some(file) = context.input_opt("training_split") else { return Ok(None) };
    let split = Table::read(file)?;
    if split.ints_full("row_id")? != row_ids {
        return Err(StageError::input(&file.name, "does not list the rows of the development table in their order"));
    }
    let parts = split.texts("part")?;
    let test: Vec<usize> = (0..parts.len()).filter(|&row| parts.get(row) == Some("test")).collect();
    if test.is_empty() { Ok(None) } else { Ok(Some(bundle.rows_of(table, &test)?)) }
}

/// How many new rows equal a known row, and how many another new row, in every input of the model and the outcome.
fn equal_rows(known: &Frame, new: &Frame, bundle: &Bundle) -> (u64, u64) {
    // A new patient has another name; that alone makes no row new.
    let patient = bundle.features().history.as_ref().map(|history| &history.entity);
    let inputs = bundle.inputs().iter().filter(|name| Some(*name) != patient);
    let names: Vec<&str> = inputs.chain([&bundle.schema().target.column]).map(String::as_str).collect();
    let (known, new) = (keys(known, &names), keys(new, &names));
    let known: BTreeSet<&[u8; 32]> = known.iter().collect();
    let mut times: BTreeMap<&[u8; 32], u64> = BTreeMap::new();
    for key in &new {
        *times.entry(key).or_default() += 1;
    }
    let equal = new.iter().filter(|key| known.contains(key)).count() as u64;
    (equal, times.values().filter(|&&times| times > 1).sum())
}

/// A digest of each row's values.
fn keys(frame: &Frame, names: &[&str]) -> Vec<[u8; 32]> {
    let columns: Vec<&Column> = names.iter().filter_map(|name| frame.get(name)).collect();
    let key = |row: usize| {
        let mut hasher = blake3::Hasher::new();
        for column in &columns {
            match column {
                Column::Number(values) => {
                    // Adding 0.0 makes one zero of two.
                    let value = if values[row].is_nan() { f64::NAN } else { values[row] + 0.0 };
                    hasher.update(&value.to_bits().to_le_bytes());
                }
                Column::Text(values) => {
                    let text = values.get(row).unwrap_or("\u{0}");
                    hasher.update(&(text.len() as u64).to_le_bytes());
                    hasher.update(text.as_bytes());
                }
            }
        }
        *hasher.finalize().as_bytes()
    };
    (0..frame.rows()).map(key).collect()
}
