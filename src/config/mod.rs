//! From text to typed pipeline and params. Imports only `util`; what it must know of the built-in stages comes in
//! through [`BuiltinCatalog`].

pub mod pipeline;

pub use pipeline::{
    BuiltinCatalog, BuiltinRole, BuiltinSpec, Dep, OutClass, Output, ParamSource, Pipeline, Pool, Resources, Span,
    StageDef, StageName, Work,
};
