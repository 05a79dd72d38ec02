//! The bundle: everything that scoring needs, and the only path that scores.

pub mod record;
