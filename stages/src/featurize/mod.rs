//! Columns that need no fitting: rates, products, bins, maps and missing flags, each from one row alone.
//!
//! The specification that this stage writes is the only feature path: training, evaluation, batch scoring and serving
//! all call [`FeatureSpec::apply`]. Nothing here may look at another row or at the outcome.

mod derive;
mod params;
mod spec;
#[cfg(test)]
mod tests;

pub use derive::Derivation;
pub use params::FeaturizeParams;
pub use spec::{Feature, FeatureError, FeatureKind, FeatureSpec};

use crate::common::canonical_json;
use crate::common::schema::Schema;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The columns of `features.parquet` that stand before the features.
pub const KEY_COLUMNS: [&str; 4] = ["row_id", "id", "group", "y"];

/// The stage `featurize`.
pub struct Featurize;

impl Stage for Featurize {
    fn name(&self) -> &'static str {
        "featurize"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "derives the columns that need no fitting and freezes how they are computed"
    }

    fn inputs(&self) -> &'static [Role] {
        const { &[Role::required("table", "the validated table")] }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "row_id, id, group, y and the features"),
                Role::required("spec", "how the features are computed"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("schema", "the columns of the raw table"), Role::required("featurize", "the features")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, spec) = parse(context.params())?;
        let input = context.input("table")?;
        let table = Table::read(input)?;
        let raw = table.frame_of(spec.inputs.iter().map(String::as_str))?;
        let features = spec.apply(&raw).map_err(|error| StageError::input(&input.name, error.to_string()))?;
        let mut out = keys(&table, &schema)?;
        for feature in &spec.features {
            let column = features.get(&feature.name);
            let column = column.ok_or_else(|| StageError::failed(format!("`{}` was not computed", feature.name)))?;
            out.push_column(&feature.name, column)?;
        }
        context.progress(table.rows() as u64, Some(table.rows() as u64), "rows", "features computed");
        out.write(context.output("table")?)?;
        canonical_json::write(context.output("spec")?, &spec)
    }
}

fn parse(params: &ParamSet) -> Result<(Schema, FeatureSpec), ParamError> {
    let schema: Schema = params.parse("schema")?;
    schema.check()?;
    let spec = params.parse::<FeaturizeParams>("featurize")?.resolve(&schema)?;
    if let Some(name) =
        spec.features.iter().map(|feature| &feature.name).find(|name| KEY_COLUMNS.contains(&name.as_str()))
    {
        let message =
            format!("`{name}` is the name of a key column of the feature table; derive it under another name");
        return Err(ParamError::new("featurize.features", message));
    }
    Ok((schema, spec))
}

/// `row_id`, the row's name, its patient (its own `row_id` when the study has no patients) and the outcome.
fn keys(table: &Table, schema: &Schema) -> Result<Table, StageError> {
    let mut out = Table::with_rows(table.rows());
    let row_ids = table.ints("row_id")?;
    let own: Vec<Option<String>> = row_ids.iter().map(|id| id.map(|id| id.to_string())).collect();
    let group = schema.group.as_ref().map_or(Ok(own), |column| table.labels(column))?;
    let id = schema.id.as_ref().map_or_else(|| Ok(vec![None; table.rows()]), |column| table.labels(column))?;
    let target = &schema.target.column;
    let (events, numbers) = match schema.target.kind {
        Task::Binary => (table.ints(target)?, Vec::new()),
        Task::Continuous => (Vec::new(), table.floats(target)?),
    };
    let absent = events.iter().position(Option::is_none).or_else(|| numbers.iter().position(|y| !y.is_finite()));
    if let Some(row) = absent {
        let row_id = row_ids[row].unwrap_or_default();
        return Err(StageError::failed(format!("row_id {row_id} has no outcome in `{}`", schema.target.column))
            .with_hint("mark the outcome as not nullable in the schema, so that validate sets such rows aside"));
    }
    out.push_ints("row_id", row_ids)?.push_texts("id", id)?.push_texts("group", group)?;
    match schema.target.kind {
        Task::Binary => out.push_ints("y", events)?,
        Task::Continuous => out.push_floats("y", numbers)?,
    };
    Ok(out)
}
