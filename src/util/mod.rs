//! Small helpers without knowledge of pipelines; imported by all, importing nothing.

pub mod atomic_write;
pub mod json;
pub mod rel_path;

pub use rel_path::RelPath;
