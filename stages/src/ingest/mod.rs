//! Raw CSV or Parquet in, typed table out: every cell is read by the schema, or kept as text beside its row.
//!
//! Rows keep their order; `row_id` is the 0-based row of the raw file and is never renumbered, also when duplicates are
//! dropped. Values are not judged here (that is `validate`), only read. The real table wins over the synthetic one, and
//! the report says which it was. Rows are read and written in pieces: of a table of any length a piece is in memory,
//! for a moment one column of numbers, and a key for each row that must be told from others.

mod cell;
mod parquet_cells;
mod parts;
mod profile;
mod reader;
mod row_reader;
mod rows;
mod sample;
mod scoring;
mod sheet;
#[cfg(test)]
mod tests;
mod unread;

pub use row_reader::RowReader;
pub use scoring::{read_for_scoring, read_typed};
pub use unread::{COLUMN as UNREAD_COLUMN, UnreadCell, unread_cells};

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::profile::Origin;
use self::sheet::Sheet;
use crate::common::canonical_json;
use crate::common::schema::Schema;
pub use crate::common::source::Source;
use crate::landmark::LandmarkReport;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// `ingest` in params.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What to do with cells that are not of their column's type.
    #[serde(default)]
    pub unreadable: Unreadable,
    /// The character between cells of a CSV file.
    #[serde(default = "default_delimiter")]
    pub delimiter: char,
    /// Part of the data instead of all, for quick runs.
    #[serde(default)]
    pub sample: Option<Sample>,
}

/// A random part of the data, drawn from the study's seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Share of the patients (`schema.group`; without it, of the rows) that stay, each with all rows.
    pub groups: f64,
}

/// How raw files of a study are written; the bundle keeps it, so that files to be scored are read alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFormat {
    /// Cells that mean missing.
    pub na: Vec<String>,
    /// The character between cells of a CSV file.
    pub delimiter: char,
}

impl Default for RawFormat {
    fn default() -> Self {
        IngestParams::default().format()
    }
}

/// Which rows count as repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExtraColumns {
    /// Fail and name them: a renamed column must not vanish.
    #[default]
    Refuse,
    /// Leave them out and list them in the report.
    Drop,
}

/// What to do with cells that are not of their column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// Take them as missing and let `validate` set their rows aside, or stop when they are many.
    #[default]
    SetAside,
    /// Fail and name them.
    Refuse,
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
            unreadable: Unreadable::default(),
            delimiter: default_delimiter(),
            sample: None,
        }
    }
}

impl IngestParams {
    /// How the study's raw files are written.
    pub fn format(&self) -> RawFormat {
        RawFormat { na: self.na.clone(), delimiter: self.delimiter }
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
                Role::optional("table", "the study's own .csv or .parquet file, or a directory of such; it wins"),
                Role::optional("synthetic", "the seeded cohort, used when there is no other"),
                Role::optional(
                    "landmark",
                    "landmark.json, when that stage made `table`: says whether its rows are real",
                ),
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
                Role::optional("ingest", "missing-value markers, duplicates, extra columns, sample"),
                Role::optional("seed", "the study's seed, needed by `ingest.sample`"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        let (_, ingest) = parse(params)?;
        sampling(params, &ingest).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, params) = parse(context.params())?;
        let (file, source) = match (context.input_opt("table"), context.input_opt("synthetic")) {
            (Some(file), _) => (file, origin(context)?),
            (None, Some(file)) => (file, Source::Synthetic),
            (None, None) => {
                return Err(StageError::failed(
                    "there is no raw table to read: none of the declared input files exists",
                )
                .with_hint("put the study's CSV where the role `table` points, or bind `synthetic` to a cohort"));
            }
        };
        let sampling = sampling(context.params(), &params)?;
        let origin = Origin { source, file: &file.name, blake3: parts::digest(file)? };
        let job = reader::Job { file, schema: &schema, params: &params, may_lack: &|_| false };
        let output = context.output("table")?;
        let (read, sampled) = match sampling {
            None => (read_into(context, &job, output)?, None),
            Some((share, seed)) => {
                let all = sheet::beside(output)?;
                let read = read_into(context, &job, &all)?;
                (read, Some(sample::draw(&all, output, &schema, share, seed)?))
            }
        };
        context.progress(read.rows, Some(read.rows), "rows", format!("read {}", file.name));
        let report = profile::report(read, &sheet::file(output), &schema, origin, sampled)?;
        canonical_json::write(context.output("report")?, &report)
    }
}

/// Reads the raw rows into the table at `path`.
fn read_into(context: &StageContext, job: &reader::Job, path: &Path) -> Result<reader::Read, StageError> {
    let mut sheet = Sheet::new(path);
    let progress = |done| context.progress(done, None, "rows", format!("reading {}", job.file.name));
    let read = job.read(&progress, &mut |piece| {
        let (rows, unread) = piece.into_table()?;
        sheet.add(rows, unread)
    })?;
    sheet.finish()?;
    Ok(read)
}

/// Rows of a user's file are real, and those that `landmark` made are what it made them of.
fn origin(context: &StageContext) -> Result<Source, StageError> {
    let Some(file) = context.input_opt("landmark") else { return Ok(Source::Real) };
    Ok(canonical_json::read::<LandmarkReport>(&file.path, &file.name)?.source)
}

/// Share and seed of the sample, when one is asked for.
fn sampling(params: &ParamSet, ingest: &IngestParams) -> Result<Option<(f64, u64)>, ParamError> {
    let Some(Sample { groups }) = ingest.sample else { return Ok(None) };
    if params.get("seed").is_none() {
        let message = "needs the study's seed: list `seed` under `params` of the stage";
        return Err(ParamError::new("ingest.sample", message));
    }
    Ok(Some((groups, params.parse("seed")?)))
}

/// Reads and checks `schema` and `ingest` of the declared parameters.
pub(crate) fn parse(params: &ParamSet) -> Result<(Schema, IngestParams), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    for (name, what) in [("row_id", "row number"), (unread::COLUMN, "column of unreadable cells")] {
        if schema.columns.contains_key(name) {
            let message = format!("is the name of clinpipe's own {what}; rename it");
            return Err(ParamError::new(format!("schema.columns.{name}"), message));
        }
    }
    let ingest: IngestParams = params.parse_or_default("ingest")?;
    if !ingest.delimiter.is_ascii() || matches!(ingest.delimiter, '"' | '\n' | '\r') {
        return Err(ParamError::new(
            "ingest.delimiter",
            "must be one ASCII character other than a quote or a line end",
        ));
    }
    if let Some(Sample { groups }) = ingest.sample
        && !(groups > 0.0 && groups <= 1.0)
    {
        return Err(ParamError::new("ingest.sample.groups", format!("{groups} is not a share above 0 and up to 1")));
    }
    if ingest.dedupe == Dedupe::IgnoringId && schema.id.is_none() {
        return Err(ParamError::new("ingest.dedupe", "`ignoring_id` needs `schema.id`"));
    }
    Ok((schema, ingest))
}
