//! Raw CSV in, typed table out: every cell is read by the schema or named in an error.
//!
//! Rows keep their order; `row_id` is the 0-based row of the raw file and is never renumbered, also when duplicates are
//! dropped. Values are not judged here (that is `validate`), only read. The real table wins over the synthetic one, and
//! the report says which it was.

mod cell;
mod profile;
mod reader;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::common::canonical_json;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError, StageFile};

/// `ingest` in params.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestParams {
    /// Cells that mean missing. A text that is one of its column's levels is that level, not missing.
    #[serde(default = "default_na")]
    pub na: Vec<String>,
    /// Which repeated rows are dropped; the first stays.
    #[serde(default)]
    pub dedupe: Dedupe,
    /// What to do with columns that the schema does not know.
    #[serde(default)]
    pub extra_columns: ExtraColumns,
    /// The character between cells.
    #[serde(default = "default_delimiter")]
    pub delimiter: char,
}

/// Which rows count as repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dedupe {
    /// None.
    #[default]
    None,
    /// Those equal in every cell.
    Exact,
    /// Those equal in every cell but the id.
    IgnoringId,
}

/// What to do with columns that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraColumns {
    /// Fail and name them: a renamed column must not vanish.
    #[default]
    Refuse,
    /// Leave them out and list them in the report.
    Drop,
}

/// Where the rows came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The study's own table.
    Real,
    /// A seeded cohort.
    Synthetic,
}

fn default_na() -> Vec<String> {
    ["", "NA", "N/A", "NaN", "nan", "null"].map(str::to_owned).to_vec()
}

fn default_delimiter() -> char {
    ','
}

impl Default for IngestParams {
    fn default() -> Self {
        Self {
            na: default_na(),
            dedupe: Dedupe::default(),
            extra_columns: ExtraColumns::default(),
            delimiter: default_delimiter(),
        }
    }
}

/// The stage `ingest`.
pub struct Ingest;

impl Stage for Ingest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "reads the raw table by the schema"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::optional("table", "the study's own CSV file; it wins"),
                Role::optional("synthetic", "the seeded cohort, used when there is no other"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "row_id and the schema's columns"),
                Role::required("report", "where the rows came from and what they look like"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("schema", "the columns of the raw table"),
                Role::optional("ingest", "missing-value markers, duplicates, extra columns"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, params) = parse(context.params())?;
        let (file, source) = match (context.input_opt("table"), context.input_opt("synthetic")) {
            (Some(file), _) => (file, Source::Real),
            (None, Some(file)) => (file, Source::Synthetic),
            (None, None) => {
                return Err(StageError::failed(
                    "there is no raw table to read: none of the declared input files exists",
                )
                .with_hint("put the study's CSV where the role `table` points, or bind `synthetic` to a cohort"));
            }
        };
        let bytes = std::fs::read(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        let job = reader::Job { file: &file.name, schema: &schema, params: &params, may_lack: &|_| false };
        let raw = job.read(&bytes, &|done| context.progress(done, None, "rows", format!("reading {}", file.name)))?;
        let report = profile::report(&raw, &schema, source, &file.name, blake3::hash(&bytes).to_hex().as_str());
        context.progress(raw.read, Some(raw.read), "rows", format!("read {}", file.name));
        raw.into_table()?.write(context.output("table")?)?;
        canonical_json::write(context.output("report")?, &report)
    }
}

/// Reads a CSV file that is to be scored: the columns of `inputs`, and the id if it is there; all others are ignored.
/// Inputs that may be missing (`nullable`) may also be absent as columns.
pub fn read_for_scoring(file: &StageFile, schema: &Schema, inputs: &[String]) -> Result<Table, StageError> {
    let mut wanted = schema.clone();
    wanted.columns.retain(|name, _| inputs.contains(name) || schema.id.as_ref() == Some(name));
    let may_lack = |name: &str| {
        !inputs.iter().any(|input| input == name) || wanted.columns.get(name).is_some_and(|column| column.nullable)
    };
    let bytes = std::fs::read(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
    let params = IngestParams { extra_columns: ExtraColumns::Drop, ..IngestParams::default() };
    let job = reader::Job { file: &file.name, schema: &wanted, params: &params, may_lack: &may_lack };
    job.read(&bytes, &|_| {})?.into_table()
}

fn parse(params: &ParamSet) -> Result<(Schema, IngestParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    if schema.columns.contains_key("row_id") {
        return Err(ParamError::new("schema.columns.row_id", "is the name of clinpipe's own row number; rename it"));
    }
    let ingest: IngestParams = params.parse_or_default("ingest")?;
    if !ingest.delimiter.is_ascii() || matches!(ingest.delimiter, '"' | '\n' | '\r') {
        return Err(ParamError::new(
            "ingest.delimiter",
            "must be one ASCII character other than a quote or a line end",
        ));
    }
    if ingest.dedupe == Dedupe::IgnoringId && schema.id.is_none() {
        return Err(ParamError::new("ingest.dedupe", "`ignoring_id` needs `schema.id`"));
    }
    Ok((schema, ingest))
}
