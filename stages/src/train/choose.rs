//! Which candidate is kept, and cv.json, which shows why.
//!
//! The best mean score over the outer folds wins, unless a simpler candidate lies within one standard error of it
//! (the best one's standard deviation over folds, divided by √folds): then the simplest such candidate is kept. Simple
//! to complex: constant, logistic, ridge, forest, gbdt, ensemble.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cv::{CvResult, FoldScores, Scores};
use super::params::{LearnerName, SelectionMetric};

/// cv.json.
#[derive(Debug, Serialize)]
pub(super) struct CvReport {
    pub schema_version: u32,
    /// The score that decided.
    pub metric: SelectionMetric,
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
    /// Median of the folds' boosting rounds: the final fit's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds: Option<usize>,
}

impl Summary {
    pub(super) fn new(result: &CvResult) -> Self {
        let names = result.folds.first().map(|fold| fold.scores.keys().cloned().collect::<Vec<_>>());
        let names = names.unwrap_or_default();
        let over = |statistic: fn(&[f64]) -> f64| -> Scores {
            let of = |name: &String| (name.clone(), statistic(&column(&result.folds, name)));
            names.iter().map(of).collect()
        };
        let mut rounds: Vec<usize> = result.folds.iter().filter_map(|fold| fold.rounds).collect();
        rounds.sort_unstable();
        let middle = rounds.len() / 2;
        let rounds = match rounds.len() {
            0 => None,
            even if even % 2 == 0 => Some((rounds[middle - 1] + rounds[middle]).div_ceil(2)),
            _ => Some(rounds[middle]),
        };
        Self { folds: result.folds.clone(), mean: over(mean), se: over(standard_error), rounds }
    }

    /// The deciding score's mean and standard error, turned so that less is better.
    fn loss(&self, metric: SelectionMetric) -> (f64, f64) {
        let read = |scores: &Scores| scores.get(metric.as_str()).copied().unwrap_or(f64::NAN);
        (metric.sign() * read(&self.mean), read(&self.se))
    }
}

/// Picks a candidate: its place in `candidates`, and the reason. `None` when there is none.
pub(super) fn choose(
    candidates: &[(LearnerName, Summary)],
    metric: SelectionMetric,
    one_standard_error: bool,
) -> Option<(usize, String)> {
    let loss = |index: usize| candidates[index].1.loss(metric);
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&index| candidates[index].0);
    // The first of equals is the simpler one.
    let best = order.iter().copied().min_by(|&a, &b| loss(a).0.total_cmp(&loss(b).0))?;
    let (best_loss, se) = loss(best);
    let label = metric.label();
    let score = |index: usize| metric.sign() * loss(index).0;
    let folds = candidates[best].1.folds.len();
    if candidates.len() == 1 {
        return Some((best, format!("only candidate; mean {label} {:.4} over {folds} folds", score(best))));
    }
    if one_standard_error {
        let simplest = order.iter().copied().find(|&index| loss(index).0 <= best_loss + se).unwrap_or(best);
        if simplest != best {
            let reason = format!(
                "simplest of {} candidates within one standard error ({se:.4}) of the best mean {label} over {folds} \
                 folds: {:.4}; {} {:.4}",
                candidates.len(),
                score(simplest),
                candidates[best].0.as_str(),
                score(best)
            );
            return Some((simplest, reason));
        }
    }
    let reason =
        format!("best of {} candidates by mean {label} over {folds} folds ({:.4})", candidates.len(), score(best));
    Some((best, reason))
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
        };
        Summary::new(&CvResult { folds: (0..4).map(fold).collect(), predicted: Vec::new(), took: Took::default() })
    }

    #[test]
    fn the_simplest_within_one_standard_error_wins() {
        // Means 0.30, 0.26, 0.25; the best one's standard error is 0.0129.
        let candidates = [
            (LearnerName::Gbdt, summary([0.22, 0.24, 0.26, 0.28], None)),
            (LearnerName::Logistic, summary([0.30; 4], None)),
            (LearnerName::Forest, summary([0.26; 4], None)),
        ];
        for metric in [SelectionMetric::LogLoss, SelectionMetric::Auroc] {
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
        assert_eq!(choose(&candidates, SelectionMetric::LogLoss, false).expect("two candidates").0, 1);
        assert_eq!(choose(&[], SelectionMetric::LogLoss, true), None);
    }

    #[test]
    fn rounds_are_the_median_of_the_folds() {
        assert_eq!(summary([0.1; 4], Some([9, 40, 20, 31])).rounds, Some(26));
    }
}
