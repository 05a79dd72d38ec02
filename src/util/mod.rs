//! Small helpers without knowledge of pipelines; imported by all, importing nothing.

pub mod atomic_write;
pub mod http_client;
pub mod human;
pub mod ignore_rules;
pub mod json;
pub mod nearest;
pub mod rel_path;
pub mod relocate;
pub mod shell;
pub mod utc;
pub mod visible;

pub use ignore_rules::{IGNORE_FILES, IgnoreRules};
pub use nearest::nearest;
pub use rel_path::{LocalPath, RelPath};
