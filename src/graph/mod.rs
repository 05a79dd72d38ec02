//! Stages as a graph: who feeds whom, in which order, and what a target selects.
//!
//! Built from declared paths only; touches no file. An edge stands for every dependency or parameter file that is,
//! contains or lies within an output of another stage. All orders are deterministic: ties go to the stage that
//! stands first in the pipeline file.

mod build;
mod drawing;
mod rails;
mod render;
mod select;
#[cfg(test)]
mod tests;

pub use build::{Graph, GraphError};
pub use drawing::Drawing;
pub use render::{Format, render, to_json};
pub use select::{Matching, SelectError, Selection};
