//! From trees to the typed pipeline: keys, types and paths of each stage. What needs more than one stage, or the
//! catalog of built-ins, is left to `validate`.

mod entries;
mod plots;
mod quantity;
mod stage;
mod store;
mod top;

pub(super) use stage::read_stage;
pub(super) use top::{Top, read_top};
