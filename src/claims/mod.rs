//! `check-claims`: which of the numbers that somebody reports cannot be true together.
//!
//! The input is a file in which the numbers are written down as they were published, with the decimals they were given
//! in. Every check asks whether there are true values that round to what is stated; only when there are none is it
//! `impossible`. What is possible but needs an explanation (a threshold that calibrated probabilities would not give) is
//! `questionable`. The law of this room: numbers computed from one honest confusion matrix and rounded are never called
//! impossible. All bounds are therefore outer ones, and every comparison has a little slack for floating point.
//!
//! Pure functions from text to findings. This room reads no files and knows nothing of pipelines or of clinpipe's own
//! results; those are claims like any others.

mod area;
#[cfg(test)]
mod attack_tests;
mod bounds;
mod case;
mod cells;
mod finding;
mod gaps;
mod interval;
mod linear;
mod money;
mod order;
mod policy;
mod possible;
mod read;
mod relations;
mod roc;
mod samples;
mod shares;
mod stated;
#[cfg(test)]
mod tests;
mod types;

pub use finding::{Finding, Level, Report, SCHEMA_VERSION, Unchecked};
pub use stated::Stated;
pub use types::Claims;

use crate::config::{ConfigErrors, Source};
use samples::Universe;

/// Reads a claims file and checks it.
///
/// # Errors
/// Every mistake in the file, with its place.
pub fn check(source: &Source) -> Result<Report, ConfigErrors> {
    Ok(check_claims(read::read(source)?))
}

/// Checks claims. Each sort of check takes out of the claims what it has refuted, so that one wrong number is reported
/// once and not by every check that meets it later.
fn check_claims(mut claims: Claims) -> Report {
    let mut report = Report::new(&claims);
    bounds::check(&mut claims, &mut report);
    policy::check(&claims, &mut report);
    relations::check(&mut claims, &mut report);
    let universes: Vec<Universe> = samples::universes(&claims, &mut report);
    area::check(&mut claims, &universes, &mut report);
    let corners = cells::check(&claims, &universes, &mut report);
    possible::check(&mut claims, &universes, &mut report);
    roc::check(&claims, &corners, &mut report);
    money::check(&claims, &mut report);
    gaps::list(&claims, &universes, &mut report);
    report.finish()
}
