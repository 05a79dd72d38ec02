//! From text to typed pipeline and params. Imports only `util`; what it must know of the built-in stages comes in
//! through [`BuiltinCatalog`].
//!
//! [`load`] reads every file once and checks everything that can be checked without running a stage; its errors carry
//! file, line, column and the offending line. It writes nothing and never panics, whatever the bytes.

pub mod diagnostic;
mod discover;
pub mod dvc_config;
pub mod edit;
pub mod json_schema;
mod kept;
mod load;
pub mod overlap;
pub mod params;
pub mod pipeline;
pub mod plot;
mod report;
mod schema;
mod storage;
mod template;
#[cfg(test)]
mod tests;
mod typed;
mod validate;
pub mod yaml;

pub use diagnostic::{ConfigError, ConfigErrors, Source};
pub use discover::{PIPELINE_FILES, discover};
pub use dvc_config::{DvcConfig, DvcRemote, FlagStyle};
pub use kept::Kept;
pub use load::{Project, load};
pub use overlap::OutputIndex;
pub use params::ParamFiles;
pub use pipeline::{
    BuiltinCatalog, BuiltinRole, BuiltinSpec, Dep, OutClass, Output, ParamSource, Pipeline, Pool, Resources, Span,
    StageDef, StageName, Work,
};
pub use plot::{PlotDef, PlotSource, PlotStyle};
pub use storage::{Link, StoreSettings};
pub use typed::{fault_at, read_typed};
pub use yaml::parse_value;
