//! Templates: `${name}` in pipeline files, `vars`, `foreach` and `matrix`, as DVC has them.
//!
//! Everything is resolved when the file is loaded, against params.yaml and `vars`; the environment is never read. What
//! comes out holds no template any more. A value that a template inserts stands where the template stood.

mod context;
mod expand;
mod fill;
mod syntax;

pub(super) use context::{Context, load_vars};
pub(super) use expand::{Expanded, Surroundings, expand};
pub(super) use fill::fill;
