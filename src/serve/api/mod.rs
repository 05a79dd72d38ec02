//! The endpoints, one file for each thing that a client may want. They read a request, ask the model and write the
//! answer; ids, codes of errors, counters and the log are the business of the layers around them.

pub(super) mod about;
mod asked;
pub(super) mod batch;
mod body;
pub(super) mod explain;
pub(super) mod predict;
mod query;
