//! YAML text to a tree that knows where everything stands.
//!
//! The parser is the one beneath serde-saphyr, used directly: its events carry a place for every key and value, also
//! in untyped data, and the scalars as written. YAML 1.2 with anchors, aliases and `<<` merges; `yes` and `no` are
//! text; what YAML versions read differently (`012`, `1_000`) is refused. Node count and depth are bounded, so that
//! no text can exhaust memory or the stack. One document per file.

mod build;
mod node;
mod scalar;

pub use build::parse;
pub use node::{Entry, Kind, Node};

use serde_json::Value;

use super::diagnostic::{ConfigErrors, Source};

/// Parses YAML text to plain data; `name` is the file's name in messages.
pub fn parse_value(text: &str, name: &str) -> Result<Value, ConfigErrors> {
    Ok(parse(&Source::new(name, text))?.to_json())
}
