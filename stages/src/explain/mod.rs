//! `explain`: what the kept model attends to, as SHAP values of a sample of rows.
//!
//! Invariants: rows are scored and explained by the bundle and by nothing else; base plus contributions is each row's
//! margin, and the report says how far off the worst row was; nothing is fitted or chosen here. Contributions describe
//! the model, not the disease: a feature that stands in for another takes its credit.

mod figure;
mod params;
mod summary;
mod swarm;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use params::{ExplainParams, ExplainedPart};
pub use summary::{Direction, Importance};

use self::figure::Subject;
use crate::bundle::{Bundle, Explanations, Scale};
use crate::common::frame::Frame;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::common::text::grouped;
use crate::common::{canonical_json, csv_file};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The stage `explain`.
pub struct Explain;

/// explain.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainReport {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The part that the rows come from.
    pub part: ExplainedPart,
    /// Rows of that part.
    pub rows_available: usize,
    /// Rows explained.
    pub rows: usize,
    /// One for each member of the model.
    pub members: Vec<MemberReport>,
}

/// One model's explanation in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberReport {
    /// Its learner.
    pub member: String,
    /// The unit of all its numbers.
    pub scale: Scale,
    /// The margin that contributions are added to.
    pub base: f64,
    /// The largest |base + contributions − margin| over the rows.
    pub additivity_error: f64,
    /// The most important features.
    pub top: Vec<Importance>,
}

impl Stage for Explain {
    fn name(&self) -> &'static str {
        "explain"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "divides the margins of a sample of rows among the features (SHAP values)"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("bundle", "the bundle to explain"),
                Role::required("table", "the validated table"),
                Role::required("split", "which rows are test rows"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("importance", "mean |contribution| of every feature, as CSV"),
                Role::required("report", "base, unit, most important features, check of additivity"),
                Role::optional("pictures", "a directory for shap_bar and shap_beeswarm as SVG"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::optional("explain", "which rows, and how many features are shown"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        ExplainParams::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = ExplainParams::parse(context.params())?;
        let file = context.input("bundle")?;
        let bundle = Bundle::load(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
        let sample = Sample::draw(context, &bundle, &params)?;
        context.progress(0, Some(sample.rows.rows() as u64), "rows", "explaining");
        let explained = bundle.explain(&sample.rows).map_err(|error| StageError::failed(error.to_string()))?;
        let ranked: Vec<Vec<Importance>> =
            explained.members.iter().map(|member| summary::rank(member, &explained.features)).collect();
        write_importance(context.output("importance")?, &explained, &ranked)?;
        let members = explained.members.iter().zip(&ranked).map(|(member, ranked)| MemberReport {
            member: member.learner.as_str().to_owned(),
            scale: member.scale,
            base: member.base,
            additivity_error: member.additivity_error(),
            top: ranked.iter().take(params.top).cloned().collect(),
        });
        let report = ExplainReport {
            schema_version: 1,
            part: params.part,
            rows_available: sample.available,
            rows: sample.rows.rows(),
            members: members.collect(),
        };
        canonical_json::write(context.output("report")?, &report)?;
        match context.output_opt("pictures") {
            Some(directory) => write_pictures(directory, &explained, &ranked, &params),
            None => Ok(()),
        }
    }
}

/// The rows to explain.
struct Sample {
    rows: Frame,
    /// Rows of the part that they were drawn from.
    available: usize,
}

impl Sample {
    /// Draws rows of the part without replacement; they keep the table's order.
    fn draw(context: &StageContext, bundle: &Bundle, params: &ExplainParams) -> Result<Self, StageError> {
        let (table_file, split_file) = (context.input("table")?, context.input("split")?);
        let split = Table::read_columns(split_file, &["row_id", "part"])?;
        if Table::read_ints_full(table_file, "row_id")? != split.ints_full("row_id")? {
            let message = format!("its rows are not those of {}", table_file.name);
            return Err(StageError::input(&split_file.name, message).with_hint("run the stage `split` again"));
        }
        let (parts, part) = (split.texts("part")?, params.part.as_str());
        let mut rows: Vec<usize> = (0..parts.len()).filter(|&row| parts.get(row) == Some(part)).collect();
        let available = rows.len();
        if available == 0 {
            return Err(StageError::input(&split_file.name, format!("has no {part} rows to explain")));
        }
        if params.rows < available {
            Stream::new(context.seed()?, "explain/rows").shuffle(&mut rows);
            rows.truncate(params.rows);
            rows.sort_unstable();
        }
        Ok(Self { rows: bundle.read_rows(table_file, &rows)?.1, available })
    }
}

fn write_importance(path: &Path, explained: &Explanations, ranked: &[Vec<Importance>]) -> Result<(), StageError> {
    let header =
        ["member", "rank", "feature", "mean_abs_contribution", "mean_contribution", "correlation", "direction"];
    let rows = explained.members.iter().zip(ranked).flat_map(|(member, ranked)| {
        ranked.iter().map(|one| {
            vec![
                member.learner.as_str().to_owned(),
                one.rank.to_string(),
                one.feature.clone(),
                csv_file::number(Some(one.mean_abs_contribution)),
                csv_file::number(Some(one.mean_contribution)),
                csv_file::number(one.correlation),
                one.direction.map_or("", Direction::as_str).to_owned(),
            ]
        })
    });
    csv_file::write(path, &header, rows)
}

/// shap_bar.svg and shap_beeswarm.svg; with the learner's name in them when there are several models.
fn write_pictures(
    directory: &Path,
    explained: &Explanations,
    ranked: &[Vec<Importance>],
    params: &ExplainParams,
) -> Result<(), StageError> {
    for (explanation, ranked) in explained.members.iter().zip(ranked) {
        let subject = Subject {
            explanation,
            features: &explained.features,
            shown: &ranked[..ranked.len().min(params.top)],
            rows: format!("{} {} rows", grouped(explained.features.rows()), params.part.as_str()),
        };
        let ending = match explained.members.len() {
            1 => String::new(),
            _ => format!("_{}", explanation.learner.as_str()),
        };
        for (name, text) in [("shap_bar", figure::bar(&subject)?), ("shap_beeswarm", figure::beeswarm(&subject)?)] {
            let path = directory.join(format!("{name}{ending}.svg"));
            std::fs::write(&path, text).map_err(|error| StageError::output(&path, error))?;
        }
    }
    Ok(())
}
