//! trials.csv: every trial of every search, also those that were given up or failed.
//!
//! Rows come in the order of the candidates, then of the outer folds with the search on all training rows last, then
//! of the trials. There is no time in it: equal studies give equal bytes.

use std::path::Path;

use serde_json::json;

use super::trial::Trial;
use crate::StageError;
use crate::common::csv_file;

const HEADER: [&str; 8] = ["candidate", "scope", "trial", "state", "value", "inner_scores", "params", "reason"];

/// The trials of one search.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train) struct Searched {
    /// The candidate.
    pub candidate: String,
    /// `fold-0`, `fold-1`, …, or `final`.
    pub scope: String,
    /// Its trials, in the order of their numbers.
    pub(super) trials: Vec<Trial>,
}

/// Writes all searches.
pub(in crate::train) fn write<'a>(path: &Path, searches: impl Iterator<Item = &'a Searched>) -> Result<(), StageError> {
    let rows = searches.flat_map(|search| search.trials.iter().map(move |trial| row(search, trial)));
    csv_file::write(path, &HEADER, rows)
}

fn row(search: &Searched, trial: &Trial) -> Vec<String> {
    let scores: Vec<String> = trial.scores.iter().map(|&score| csv_file::number(Some(score))).collect();
    vec![
        search.candidate.clone(),
        search.scope.clone(),
        trial.number.to_string(),
        trial.state.as_str().to_owned(),
        csv_file::number(trial.value()),
        scores.join(" "),
        json!(trial.settings).to_string(),
        trial.reason.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::trial::State;
    use super::super::trial::tests::trial;
    use super::*;

    #[test]
    fn every_trial_has_a_row() {
        let mut failed = trial(1, State::Failed, &[0.5]);
        failed.reason = "no \"events\", nothing".to_owned();
        failed.settings.insert("gbdt.leaves".to_owned(), json!(7));
        let trials = vec![trial(0, State::Complete, &[0.5, 0.25]), failed];
        let search = Searched { candidate: "gbdt".to_owned(), scope: "fold-0".to_owned(), trials };
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("trials.csv");
        write(&path, [search].iter()).expect("written");
        let text = std::fs::read_to_string(&path).expect("readable");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "candidate,scope,trial,state,value,inner_scores,params,reason");
        assert_eq!(lines[1], "gbdt,fold-0,0,complete,0.375,0.5 0.25,{},");
        assert_eq!(lines[2], r#"gbdt,fold-0,1,failed,,0.5,"{""gbdt.leaves"":7}","no ""events"", nothing""#);
    }
}
