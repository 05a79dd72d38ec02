//! What candidates, trials and thresholds are judged by: one score of predictions, with its direction and its name.
//!
//! Invariants: a score that the predictions do not define is `None`, never NaN; every score can be turned into a loss
//! of which less is better. Nothing here fits or chooses anything.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calibration::{CalibrationData, Smooth};
use super::decision::{CostTable, Counts};
use super::regression;
use super::scores::{self, Ranking};
use super::target::Task;

/// A score: a word (`auroc`), or a word with its settings (`{fbeta: 2}`).
///
/// `f1`, `f2`, `fbeta`, `youden` and `expected_cost` are those of the best threshold for these very predictions, so
/// they judge a model before its threshold is chosen; on few events they are optimistic.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Objective {
    /// Mean negative log likelihood; lower is better. Rewards honest probabilities as well as ranking.
    #[default]
    LogLoss,
    /// Area under the ROC curve; higher is better.
    Auroc,
    /// Average precision; higher is better.
    Auprc,
    /// Mean squared error of the probabilities; lower is better.
    Brier,
    /// 1 − Brier / Brier of the prevalence; higher is better.
    ScaledBrier,
    /// Mean distance between the predictions and the smooth calibration curve; lower is better.
    Ici,
    /// |calibration slope − 1|; lower is better.
    CalibrationSlope,
    /// The highest F1 over all thresholds; higher is better.
    F1,
    /// The highest F2 over all thresholds; higher is better.
    F2,
    /// The highest F-beta over all thresholds for this beta; higher is better.
    Fbeta(f64),
    /// The highest sensitivity + specificity − 1 over all thresholds; higher is better.
    Youden,
    /// Net benefit per row of flagging the predictions at or above a threshold; higher is better. The predictions are
    /// taken as they are, before calibration.
    NetBenefit {
        /// The probability from which patients are flagged.
        threshold: f64,
    },
    /// The lowest mean cost of a row over all thresholds; lower is better.
    ExpectedCost(CostTable),
    /// Root mean squared error of a continuous outcome; lower is better.
    Rmse,
    /// Mean absolute error of a continuous outcome; lower is better.
    Mae,
    /// Share of a continuous outcome's variance that is explained; higher is better.
    R2,
}

impl Objective {
    /// Checks the settings; the error is the place below the score's own key and what is wrong there.
    pub fn check(&self) -> Result<(), (String, String)> {
        match self {
            Self::Fbeta(beta) if !(beta.is_finite() && *beta > 0.0) => {
                Err(("fbeta".to_owned(), format!("{beta} is not a number above 0")))
            }
            Self::NetBenefit { threshold } if !(*threshold > 0.0 && *threshold < 1.0) => {
                Err(("net_benefit.threshold".to_owned(), format!("{threshold} does not lie between 0 and 1")))
            }
            Self::ExpectedCost(cost) => {
                cost.check().map_err(|(field, message)| (format!("expected_cost.{field}"), message))
            }
            _ => Ok(()),
        }
    }

    /// Its word, which is also its key among the scores of a report.
    pub fn key(&self) -> &'static str {
        match self {
            Self::LogLoss => "log_loss",
            Self::Auroc => "auroc",
            Self::Auprc => "auprc",
            Self::Brier => "brier",
            Self::ScaledBrier => "scaled_brier",
            Self::Ici => "ici",
            Self::CalibrationSlope => "calibration_slope",
            Self::F1 => "f1",
            Self::F2 => "f2",
            Self::Fbeta(_) => "fbeta",
            Self::Youden => "youden",
            Self::NetBenefit { .. } => "net_benefit",
            Self::ExpectedCost(_) => "expected_cost",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
        }
    }

    /// Whether it judges predictions of outcomes of that kind.
    pub fn judges(&self, task: Task) -> bool {
        (task == Task::Continuous) == matches!(self, Self::Rmse | Self::Mae | Self::R2)
    }

    /// Whether more is better.
    pub fn higher_is_better(&self) -> bool {
        !matches!(
            self,
            Self::LogLoss
                | Self::Brier
                | Self::Ici
                | Self::CalibrationSlope
                | Self::ExpectedCost(_)
                | Self::Rmse
                | Self::Mae
        )
    }

    /// The score, or anything in its unit such as a mean of scores, turned so that less is better. Turns it back, too.
    pub fn loss(&self, score: f64) -> f64 {
        if self.higher_is_better() { -score } else { score }
    }

    /// The score of predictions in row order. For probabilities `y` holds 0 and 1. `None` when it is undefined: without
    /// rows, with one outcome only where both are needed, for a calibration slope of separated or equal predictions.
    pub fn score(&self, y: &[f64], predicted: &[f64]) -> Option<f64> {
        let score = match self {
            Self::Rmse => regression::rmse(y, predicted),
            Self::Mae => regression::mae(y, predicted),
            Self::R2 => regression::r2(y, predicted),
            _ => self.of_probabilities(&y.iter().map(|&y| y > 0.5).collect::<Vec<_>>(), predicted),
        };
        score.filter(|score| score.is_finite())
    }

    fn of_probabilities(&self, y: &[bool], p: &[f64]) -> Option<f64> {
        let events = y.iter().filter(|&&y| y).count();
        let both = events > 0 && events < y.len();
        match self {
            Self::LogLoss => scores::log_loss(y, p),
            Self::Auroc => scores::auroc(y, p),
            Self::Auprc => scores::average_precision(y, p),
            Self::Brier => scores::brier(y, p),
            Self::ScaledBrier => scores::scaled_brier(y, p),
            Self::Ici => Smooth::new(y, p, &vec![1; y.len()]).ici(),
            Self::CalibrationSlope => slope_error(y, p).filter(|_| both),
            Self::F1 => highest(y, p, |counts| counts.fbeta(1.0)).filter(|_| events > 0),
            Self::F2 => highest(y, p, |counts| counts.fbeta(2.0)).filter(|_| events > 0),
            Self::Fbeta(beta) => highest(y, p, |counts| counts.fbeta(*beta)).filter(|_| events > 0),
            Self::Youden => highest(y, p, youden).filter(|_| both),
            Self::NetBenefit { threshold } => {
                let flagged: Vec<bool> = p.iter().map(|p| p >= threshold).collect();
                Counts::of(&flagged, y, &vec![1; y.len()]).net_benefit(*threshold)
            }
            Self::ExpectedCost(cost) => highest(y, p, |counts| cost.mean(counts).map(|cost| -cost)).map(|cost| -cost),
            Self::Rmse | Self::Mae | Self::R2 => None,
        }
    }
}

impl fmt::Display for Objective {
    /// The name in sentences.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::LogLoss => "log loss",
            Self::Auroc => "AUROC",
            Self::Auprc => "average precision",
            Self::Brier => "Brier score",
            Self::ScaledBrier => "scaled Brier score",
            Self::Ici => "ICI",
            Self::CalibrationSlope => "distance of the calibration slope from 1",
            Self::F1 => "highest F1",
            Self::F2 => "highest F2",
            Self::Fbeta(beta) => return write!(out, "highest F-beta (beta {beta})"),
            Self::Youden => "highest Youden index",
            Self::NetBenefit { threshold } => return write!(out, "net benefit at {threshold}"),
            Self::ExpectedCost(_) => "lowest mean cost",
            Self::Rmse => "RMSE",
            Self::Mae => "MAE",
            Self::R2 => "R²",
        };
        out.write_str(name)
    }
}

/// The highest value of a measure over flagging no one and flagging from each distinct prediction on.
fn highest(y: &[bool], p: &[f64], measure: impl Fn(&Counts) -> Option<f64>) -> Option<f64> {
    let mut counts = Counts::of(&vec![false; y.len()], y, &vec![1; y.len()]);
    let mut best = measure(&counts);
    for group in Ranking::new(p).groups().rev() {
        for &row in group {
            let missed = if y[row] { &mut counts.false_negative } else { &mut counts.true_negative };
            *missed -= 1;
            counts.add(true, y[row], 1);
        }
        best = measure(&counts).into_iter().chain(best).max_by(f64::total_cmp);
    }
    best
}

/// Sensitivity + specificity − 1.
fn youden(counts: &Counts) -> Option<f64> {
    let (events, others) = (counts.events(), counts.rows() - counts.events());
    (events > 0 && others > 0)
        .then(|| counts.true_positive as f64 / events as f64 - counts.false_positive as f64 / others as f64)
}

fn slope_error(y: &[bool], p: &[f64]) -> Option<f64> {
    CalibrationData::new(y, p).slope(&vec![1; y.len()]).map(|slope| (slope - 1.0).abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const COST: CostTable = CostTable {
        false_positive: 500.0,
        false_negative: 5000.0,
        true_positive: 500.0,
        true_negative: 0.0,
        effect: 1.0,
    };

    fn all() -> Vec<Objective> {
        use Objective::*;
        let words = [LogLoss, Auroc, Auprc, Brier, ScaledBrier, Ici, CalibrationSlope, F1, F2, Youden, Rmse, Mae, R2];
        words.into_iter().chain([Fbeta(0.5), NetBenefit { threshold: 0.3 }, ExpectedCost(COST)]).collect()
    }

    fn parse(value: Value) -> Result<Objective, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn a_score_is_a_word_or_a_map_with_one_key() {
        for objective in all() {
            let written = serde_json::to_value(objective).expect("it is written");
            assert!(written == objective.key() || written.get(objective.key()).is_some());
            assert_eq!(parse(written).expect("and read"), objective);
            assert_eq!(objective.check(), Ok(()));
        }
        assert_eq!(parse(json!("scaled_brier")).expect("a word"), Objective::ScaledBrier);
        assert_eq!(parse(json!({"fbeta": 2})).expect("a map"), Objective::Fbeta(2.0));
        assert!(parse(json!({"net_benefit": {"threshold": 0.1, "at": 1}})).is_err());
        assert_eq!(Objective::Fbeta(0.0).check().expect_err("beta 0").0, "fbeta");
        assert_eq!(Objective::NetBenefit { threshold: 1.0 }.check().expect_err("odds").0, "net_benefit.threshold");
        let cost = CostTable { effect: 2.0, ..COST };
        assert_eq!(Objective::ExpectedCost(cost).check().expect_err("a share").0, "expected_cost.effect");
    }

    #[test]
    fn scores_are_those_of_scikit_learn_and_statsmodels() {
        let reference: Value =
            serde_json::from_str(include_str!("../../fixtures/objective.json")).expect("the reference is JSON");
        let column = |key: &str| -> Vec<f64> { serde_json::from_value(reference[key].clone()).expect("numbers") };
        let (y, p) = (column("y"), column("p"));
        for objective in all() {
            let key = objective.key();
            let (y, p) = if objective.judges(Task::Binary) {
                (y.clone(), p.clone())
            } else {
                (column("number"), column("estimate"))
            };
            let wanted = reference["scores"][key].as_f64().expect(key);
            let score = objective.score(&y, &p).expect("defined");
            assert!((score - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{key}: {score} for {wanted}");
        }
    }

    #[test]
    fn one_outcome_leaves_no_score_that_needs_two() {
        let (same, p) = ([0.0; 3], [0.1, 0.5, 0.4]);
        for objective in [Objective::Auroc, Objective::Auprc, Objective::CalibrationSlope, Objective::ScaledBrier] {
            assert_eq!(objective.score(&same, &p), None, "{objective}");
        }
        for objective in [Objective::F1, Objective::F2, Objective::Fbeta(0.5), Objective::Youden, Objective::R2] {
            assert_eq!(objective.score(&same, &p), None, "{objective}");
        }
        for objective in all() {
            assert_eq!(objective.score(&[], &[]), None, "{objective}");
        }
    }

    proptest! {
        #[test]
        fn every_score_is_finite_and_better_predictions_have_no_higher_loss(
            rows in proptest::collection::vec((any::<bool>(), 0_u8..=10), 2..30),
        ) {
            let y: Vec<f64> = rows.iter().map(|(y, _)| f64::from(u8::from(*y))).collect();
            let p: Vec<f64> = rows.iter().map(|(_, p)| f64::from(*p) / 10.0).collect();
            for objective in all() {
                let Some(score) = objective.score(&y, &p) else { continue };
                prop_assert!(score.is_finite());
                prop_assert_eq!(objective.loss(objective.loss(score)), score);
                // The outcome itself is the best prediction, by every score that it does not leave undefined.
                if let Some(best) = objective.score(&y, &y) {
                    prop_assert!(objective.loss(best) <= objective.loss(score) + 1e-12, "{}", objective);
                }
            }
        }
    }
}
