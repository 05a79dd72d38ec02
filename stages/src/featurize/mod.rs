//! Columns that need no fitting: rates, products, bins, maps and missing flags from one row alone, windows and lags from
//! the earlier rows of the same patient.
//!
//! The specification that this stage writes is the only feature path: training, evaluation, batch scoring and serving
//! all call [`FeatureSpec::apply`]. Nothing here may look at the outcome, at other patients or at the future.

mod derive;
mod history;
mod params;
mod rows;
#[cfg(test)]
mod rows_tests;
mod spec;
#[cfg(test)]
mod tests;

pub use derive::Derivation;
pub use history::{
    HISTORY_FIELD, HistoryColumn, HistoryError, HistoryParams, HistorySpec, LagParams, RollingParams, SameTime,
    Statistic,
};
pub use params::FeaturizeParams;
pub use spec::{Feature, FeatureError, FeatureKind, FeatureSpec};

use crate::common::canonical_json;
use crate::common::schema::Schema;
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
        let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
        let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
        pool.install(|| rows::write(context, &schema, &spec))?;
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
