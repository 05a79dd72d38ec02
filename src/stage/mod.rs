//! What a stage is to the engine: the catalogue of built-ins, and the request that calls one.

mod builtin;
mod request;

pub use builtin::{Catalog, SERVICE};
pub use request::builtin_request;
