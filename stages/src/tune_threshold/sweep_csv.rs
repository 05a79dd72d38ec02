//! sweep.csv: every candidate of the overall threshold with its counts, cost, F-beta and net benefit, for plots.

use std::path::Path;

use crate::StageError;
use crate::common::csv_file;

use super::choice::Choice;
use super::sweep::Candidate;

/// More rows than this make a plot no better; the file then keeps evenly spaced candidates.
const MAX_ROWS: usize = 2000;

/// Writes the candidates, lowest threshold first.
pub(super) fn write(path: &Path, choice: &Choice) -> Result<(), StageError> {
    let header =
        ["threshold", "candidate", "flagged_share", "tp", "fp", "fn", "tn", "cost_per_1000", "fbeta", "net_benefit"];
    let Choice { policy, candidates, index: chosen, .. } = choice;
    let last = candidates.len() - 1;
    let step = candidates.len().div_ceil(MAX_ROWS);
    let kept = candidates
        .iter()
        .enumerate()
        .rev()
        .filter(|&(index, _)| index % step == 0 || index == last || index == *chosen);
    let rows = kept.map(|(index, Candidate { threshold, counts, allowed })| {
        let kind = match index {
            _ if index == *chosen => "chosen",
            0 => "flag_none",
            _ if index == last => "flag_all",
            _ if !allowed => "out_of_bounds",
            _ => "",
        };
        vec![
            csv_file::number(Some(*threshold)),
            kind.to_owned(),
            csv_file::number(Some(counts.flagged() as f64 / counts.rows() as f64)),
            counts.true_positive.to_string(),
            counts.false_positive.to_string(),
            counts.false_negative.to_string(),
            counts.true_negative.to_string(),
            csv_file::number(policy.cost.as_ref().and_then(|cost| cost.mean(counts)).map(|mean| 1000.0 * mean)),
            csv_file::number(counts.fbeta(policy.reported_beta())),
            csv_file::number(counts.net_benefit(*threshold)),
        ]
    });
    csv_file::write(path, &header, rows)
}
