//! Which candidate is kept, and cv.json, which shows why.
//!
//! The best mean score over the outer folds wins, unless a simpler candidate lies within one standard error of it
//! (the best one's standard deviation over folds, divided by √folds): then the simplest such candidate is kept. Simple
//! to complex: constant, logistic, ridge, forest, gbdt, ensemble.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cv::{CvResult, FoldScores, Scores};
use super::params::LearnerName;
use super::tuning::Tuned;
use crate::StageError;
use crate::common::objective::Objective;

/// cv.json.
#[derive(Debug, Serialize)]
pub(super) struct CvReport {
    pub schema_version: u32,
    /// The score that decided.
    pub metric: Objective,
    /// Whether the one-standard-error rule was applied.
    pub one_standard_error: bool,
    /// Outer folds.
    pub folds: usize,
    /// Training rows.
    pub n: usize,
    /// Events among them, when the outcome is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<usize>,
    /// The candidates' scores by name.
    pub candidates: BTreeMap<String, Summary>,
    /// The plain logistic regression's scores, and those of the event rate of each fold's training rows.
    pub baselines: BTreeMap<String, Summary>,
    /// The candidate that was kept.
    pub chosen: LearnerName,
    /// Why.
    pub reason: String,
    /// The kept candidate's settings, found on all training rows, by learner.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tuning: BTreeMap<String, Tuned>,
}

/// A candidate's scores.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    /// Per outer fold.
    pub folds: Vec<FoldScores>,
    /// Means over the folds.
    pub mean: Scores,
    /// Standard errors of the means.
    pub se: Scores,
    /// Median of the folds' boosting rounds: the final fit's number. None when each fold has its own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds: Option<usize>,
}

impl Summary {
    pub(super) fn new(result: &CvResult) -> Self {
        let first = result.folds.first().map(|fold| fold.scores.keys().cloned().collect::<Vec<_>>());
        let everywhere = |name: &String| result.folds.iter().all(|fold| fold.scores.contains_key(name));
        let names: Vec<String> = first.unwrap_or_default().into_iter().filter(everywhere).collect();
        let over = |statistic: fn(&[f64]) -> f64| -> Scores {
            let of = |name: &String| (name.clone(), statistic(&column(&result.folds, name)));
            names.iter().map(of).collect()
        };
        let fixed = result.folds.iter().filter(|fold| fold.tuning.is_none());
        let rounds = median_rounds(fixed.filter_map(|fold| fold.rounds).collect());
        Self { folds: result.folds.clone(), mean: over(mean), se: over(standard_error), rounds }
    }

    /// The deciding score's mean and standard error, turned so that less is better.
    fn loss(&self, metric: &Objective) -> (f64, f64) {
        let read = |scores: &Scores| scores.get(metric.key()).copied().unwrap_or(f64::NAN);
        (metric.loss(read(&self.mean)), read(&self.se))
    }
}

/// The median of rounds, rounded up.
pub(super) fn median_rounds(mut rounds: Vec<usize>) -> Option<usize> {
    rounds.sort_unstable();
    let (below, above) = (rounds.get(rounds.len().checked_sub(1)? / 2)?, rounds.get(rounds.len() / 2)?);
    Some((below + above).div_ceil(2))
}

/// Picks a candidate: its place in `candidates`, and the reason. Fails when there is none, or when the deciding score
/// of one is undefined in a fold.
pub(super) fn choose(
    candidates: &[(LearnerName, Summary)],
    metric: &Objective,
    one_standard_error: bool,
) -> Result<(usize, String), StageError> {
    if let Some((name, _)) = candidates.iter().find(|(_, summary)| !summary.mean.contains_key(metric.key())) {
        let text = format!("the {metric} of {} is undefined in a fold, so it cannot be compared", name.as_str());
        return Err(StageError::failed(text).with_hint("choose another `train.metric`"));
    }
    let loss = |index: usize| candidates[index].1.loss(metric);
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&index| candidates[index].0);
    // The first of equals is the simpler one.
    let best = order.iter().copied().min_by(|&a, &b| loss(a).0.total_cmp(&loss(b).0));
    let best = best.ok_or_else(|| StageError::failed("no candidate was trained"))?;
    let (best_loss, se) = loss(best);
    let score = |index: usize| metric.loss(loss(index).0);
    let folds = candidates[best].1.folds.len();
    if candidates.len() == 1 {
        return Ok((best, format!("only candidate; mean {metric} {:.4} over {folds} folds", score(best))));
    }
    if one_standard_error {
        let simplest = order.iter().copied().find(|&index| loss(index).0 <= best_loss + se).unwrap_or(best);
        if simplest != best {
            let reason = format!(
                "simplest of {} candidates within one standard error ({se:.4}) of the best mean {metric} over {folds} \
                 folds: {:.4}; {} {:.4}",
                candidates.len(),
                score(simplest),
                candidates[best].0.as_str(),
                score(best)
            );
            return Ok((simplest, reason));
        }
    }
    let reason =
        format!("best of {} candidates by mean {metric} over {folds} folds ({:.4})", candidates.len(), score(best));
    Ok((best, reason))
}

fn column(folds: &[FoldScores], name: &str) -> Vec<f64> {
    folds.iter().map(|fold| fold.scores.get(name).copied().unwrap_or(f64::NAN)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn standard_error(values: &[f64]) -> f64 {
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center) * (value - center)).sum();
    let n = values.len() as f64;
    libm::sqrt(squares / (n - 1.0) / n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::cv::Took;

    fn summary(losses: [f64; 4], rounds: Option<[usize; 4]>) -> Summary {
        let fold = |fold: usize| FoldScores {
            fold,
            n: 10,
            events: Some(5),
            scores: Scores::from([("auroc".to_owned(), 1.0 - losses[fold]), ("log_loss".to_owned(), losses[fold])]),
            rounds: rounds.map(|rounds| rounds[fold]),
            tuning: None,
        };
        Summary::new(&CvResult::untuned((0..4).map(fold).collect(), Vec::new(), Took::default()))
    }

    #[test]
    fn the_simplest_within_one_standard_error_wins() {
        // Means 0.30, 0.26, 0.25; the best one's standard error is 0.0129.
        let candidates = [
            (LearnerName::Gbdt, summary([0.22, 0.24, 0.26, 0.28], None)),
            (LearnerName::Logistic, summary([0.30; 4], None)),
            (LearnerName::Forest, summary([0.26; 4], None)),
        ];
        for metric in [&Objective::LogLoss, &Objective::Auroc] {
            let (index, reason) = choose(&candidates, metric, true).expect("three candidates");
            assert_eq!(index, 2);
            assert!(reason.contains("one standard error (0.0129)"), "{reason}");
            assert_eq!(choose(&candidates, metric, false).expect("three candidates").0, 0);
        }
    }

    #[test]
    fn equal_scores_go_to_the_simpler_and_nothing_to_nobody() {
        let same = summary([0.3, 0.2, 0.3, 0.2], None);
        let candidates = [(LearnerName::Gbdt, same.clone()), (LearnerName::Logistic, same)];
        assert_eq!(choose(&candidates, &Objective::LogLoss, false).expect("two candidates").0, 1);
        assert!(choose(&[], &Objective::LogLoss, true).is_err());
        let error = choose(&candidates, &Objective::F2, false).expect_err("it is not among the scores");
        assert!(error.to_string().contains("the highest F2 of gbdt"), "{error}");
    }

    #[test]
    fn rounds_are_the_median_of_the_folds() {
        assert_eq!(summary([0.1; 4], Some([9, 40, 20, 31])).rounds, Some(26));
    }
}
