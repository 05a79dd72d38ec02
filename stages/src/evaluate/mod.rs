//! `evaluate`: scores the test part once, through the bundle's own scoring path, and reports what the model is worth.

mod assemble;
mod bootstrap;
mod calibration;
mod curves;
mod delong;
mod document;
mod lowess;
mod measures;
mod params;
#[cfg(test)]
mod reference_tests;
mod verdict;

pub use document::Metrics;
pub use params::EvaluateParams;
