//! Hands a bundle's model over to other libraries: XGBoost's JSON, ONNX, an MLflow model directory or tracking server;
//! and a pipeline over to DVC.
//!
//! XGBoost and ONNX get the model over the encoded matrix, with a description of its columns beside it; MLflow gets
//! the bundle itself and calls clinpipe on it, so that there is one feature path. Invariants: equal bundles give equal
//! bytes; what cannot be said exactly in the other format is refused, never approximated. Nothing is fitted or scored
//! here, and nothing is printed.

mod columns;
mod dvc;
mod error;
mod handover;
mod mlflow;
mod onnx;
mod place;
pub mod tracking;
mod trees;
mod xgboost;

pub use columns::{Columns, EncodedColumn, MemberColumns};
pub use dvc::{DvcProject, dvc_project};
pub use error::ExportError;
pub use handover::{Format, Handover};
pub use mlflow::{Flavour, MODEL_FILE};
pub use onnx::output_name;
pub use place::{companion, write_directory, write_pair};

#[cfg(test)]
mod tests;
