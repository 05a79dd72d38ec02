//! What several stages share: tables, the schema, random streams, exact sums, models' common parts.
//!
//! Nothing here knows a study's column names or a stage's parameters.

pub mod analyte;
pub mod calibration;
pub mod canonical_json;
pub(crate) mod cholesky;
pub mod columns;
pub mod contingency;
pub mod csv_file;
pub mod day;
pub mod decision;
pub mod delong;
pub mod divergence;
pub mod exchange;
pub mod figure;
pub mod folds;
pub mod frame;
pub mod gamma;
pub mod gate_rules;
pub mod glm;
pub mod html;
pub mod interval;
pub(crate) mod key;
pub mod link;
pub mod lowess;
pub mod multiplicity;
pub mod objective;
mod parquet_file;
pub mod privacy;
pub mod pseudonym;
pub mod recalibration;
pub mod regression;
pub mod rng;
pub mod rows;
pub mod schema;
pub mod scores;
pub mod shap;
pub mod source;
pub mod table;
pub(crate) mod tagged;
pub mod target;
pub mod text;
pub mod texts;
pub mod tree;
pub mod two_sample;
pub mod units;
