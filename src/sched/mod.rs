//! The run loop: which stage may start, and what happened.

pub mod events;
