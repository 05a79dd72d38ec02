//! The integration tests, in one binary: each module drives the real program or one of its rooms.

#[cfg(test)]
mod exec;
