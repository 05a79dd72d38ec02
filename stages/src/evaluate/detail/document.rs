//! evaluation.json of an event: the types. Their making is in the neighbouring files; reading them back is what the
//! report does.
//!
//! Calibration and net benefit come first, F1 and accuracy last: they are no proper measures of a probability.

use serde::{Deserialize, Serialize};

use crate::common::decision::{CostTable, Counts};
use crate::common::interval::Estimate;
use crate::evaluate::{Evaluated, FrozenThreshold, Intervals, ZTest};

/// evaluation.json of a model that predicts an event. Probabilities are calibrated; numbers are of the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// `event`.
    pub kind: String,
    /// `real` or `synthetic`.
    pub data: String,
    /// The chosen candidate.
    pub model: String,
    /// Which model was evaluated on which rows.
    pub evaluated: Evaluated,
    /// Test rows.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Patients they belong to.
    pub patients: u64,
    /// Share of events.
    pub prevalence: f64,
    /// How the intervals were made.
    pub intervals: Intervals,
    /// The frozen threshold.
    pub threshold: FrozenThreshold,
    /// Whether probabilities mean what they say.
    pub calibration: CalibrationDetail,
    /// How the predictions are distributed, without and with the event.
    pub risk: Vec<RiskOfClass>,
    /// Net benefit over thresholds.
    pub decision_curve: DecisionCurve,
    /// Every declared threshold and the frozen one, ascending.
    pub thresholds: Vec<ThresholdRow>,
    /// The frozen threshold with intervals.
    pub at_threshold: AtThresholdDetail,
    /// What decisions cost; null without a cost table.
    pub costs: Option<Costs>,
    /// Where the event is more or less frequent.
    pub prevalences: Prevalences,
    /// The model beside the plain logistic regression, on the same rows.
    pub comparison: Comparison,
    /// Numbers that are often asked for and say little.
    pub appendix: Appendix,
    /// Why `costs` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Observed against predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationDetail {
    /// Neighbouring rows by prediction, ascending.
    pub groups: Vec<CalibrationGroup>,
    /// The smooth curve with its band, in even steps from the lowest to the highest prediction.
    pub curve: Vec<CurvePoint>,
    /// Rows whose probability was moved by at most 1e-8 so that it has a logit.
    pub clipped: usize,
}

/// Neighbouring rows by prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationGroup {
    /// Rows.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Mean prediction.
    pub predicted: f64,
    /// Share of events.
    pub observed: Estimate,
}

/// A point of the smooth calibration curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// Prediction.
    pub predicted: f64,
    /// Smoothly observed frequency.
    pub observed: Estimate,
}

/// The predictions of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskOfClass {
    /// Whether these rows had the event.
    pub event: bool,
    /// Rows.
    pub n: u64,
    /// Mean prediction.
    pub mean: Option<f64>,
    /// Quantiles of the predictions (type 7).
    pub quantiles: Vec<Quantile>,
    /// Why the mean is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A quantile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantile {
    /// The share of rows below.
    pub q: f64,
    /// The prediction there.
    pub value: f64,
}

/// Net benefit over thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionCurve {
    /// The range of thresholds that the study calls clinically sensible, else that of the curve.
    pub range: [f64; 2],
    /// Thresholds of that range at which the model has no more net benefit than the better of flagging everyone and no
    /// one.
    pub without_benefit: Vec<f64>,
    /// What that means, for people.
    pub text: String,
    /// 0.01 to 0.50.
    pub points: Vec<DecisionPoint>,
}

/// Net benefit per row at one threshold; flagging no one has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionPoint {
    /// The threshold.
    pub threshold: f64,
    /// The model's, with its bootstrap band.
    pub model: Estimate,
    /// That of flagging everyone.
    pub flag_all: f64,
    /// That of the plain logistic regression.
    pub logistic: Option<f64>,
}

/// What a threshold does. What is null is explained by `reason`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdRow {
    /// Rows with p ≥ this are flagged.
    pub threshold: f64,
    /// Whether it is the frozen one.
    pub frozen: bool,
    /// Rows.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Flagged rows.
    pub flagged: u64,
    /// The confusion matrix.
    pub counts: Counts,
    /// Its cells of 1 to `privacy.min_cell` − 1 patients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub small_cells: Vec<String>,
    /// Flagged events among events.
    pub sensitivity: Option<f64>,
    /// Unflagged non-events among non-events.
    pub specificity: Option<f64>,
    /// Events among flagged rows.
    pub ppv: Option<f64>,
    /// Non-events among unflagged rows.
    pub npv: Option<f64>,
    /// sensitivity / (1 − specificity).
    pub lr_positive: Option<f64>,
    /// (1 − sensitivity) / specificity.
    pub lr_negative: Option<f64>,
    /// Flagged rows for one event among them: 1 / PPV.
    pub number_needed_to_screen: Option<f64>,
    /// sensitivity + specificity − 1.
    pub youden: Option<f64>,
    /// Net benefit per row.
    pub net_benefit: Option<f64>,
    /// Mean cost per 1,000 rows.
    pub cost_per_1000: Option<f64>,
    /// F1.
    pub f1: Option<f64>,
    /// F2.
    pub f2: Option<f64>,
    /// F-beta with the policy's beta.
    pub fbeta: Option<f64>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The frozen threshold with intervals: Wilson's of proportions when each patient has one row, else of the bootstrap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtThresholdDetail {
    /// Flagged events among events.
    pub sensitivity: Estimate,
    /// Unflagged non-events among non-events.
    pub specificity: Estimate,
    /// Events among flagged rows.
    pub ppv: Estimate,
    /// Non-events among unflagged rows.
    pub npv: Estimate,
    /// sensitivity / (1 − specificity).
    pub lr_positive: Estimate,
    /// (1 − sensitivity) / specificity.
    pub lr_negative: Estimate,
    /// Flagged rows for one event among them.
    pub number_needed_to_screen: Estimate,
    /// sensitivity + specificity − 1.
    pub youden: Estimate,
    /// Net benefit per row.
    pub net_benefit: Estimate,
    /// Flagged rows of 1,000.
    pub flagged_per_1000: Estimate,
}

/// What decisions cost per 1,000 patients (rows), in the unit of the cost table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// The four cells and the effect of acting.
    pub table: CostTable,
    /// The cost of a flagged event: acting, plus the event as often as acting fails.
    pub flagged_event: f64,
    /// The threshold that would cost least if the probabilities were perfectly calibrated; null where acting never pays
    /// or always does.
    pub calibrated_optimum: Option<f64>,
    /// The model, flagging everyone, flagging no one, the plain logistic regression.
    pub strategies: Vec<Strategy>,
    /// What the numbers assume.
    pub assumption: String,
}

/// One way to decide, per 1,000 rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// `model`, `flag_all`, `flag_none`, `logistic`.
    pub name: String,
    /// The confusion matrix of the test rows.
    pub counts: Counts,
    /// Its cells of 1 to `privacy.min_cell` − 1 patients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub small_cells: Vec<String>,
    /// Flagged rows per 1,000.
    pub flagged: f64,
    /// Events per 1,000 that acting prevents.
    pub prevented: f64,
    /// Cost of acting on rows with the event.
    pub true_positive: f64,
    /// Cost of the events that happen although they were flagged, because acting failed.
    pub failed: f64,
    /// Cost of acting on rows without the event.
    pub false_positive: f64,
    /// Cost of the events that nobody acted on.
    pub false_negative: f64,
    /// Cost of leaving rows without the event alone.
    pub true_negative: f64,
    /// All of it.
    pub total: Estimate,
    /// What it costs less than flagging no one; negative when it costs more.
    pub saved: f64,
}

/// The same decisions where the event is more or less frequent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prevalences {
    /// What the numbers assume.
    pub assumption: String,
    /// One a declared prevalence.
    pub rows: Vec<PrevalenceRow>,
}

/// One prevalence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrevalenceRow {
    /// Share of events.
    pub prevalence: f64,
    /// The model as it is: probabilities and threshold unchanged.
    pub as_is: Deployment,
    /// The model with its intercept updated: logit p + `shift`; the threshold then means the risk it says.
    pub updated: Deployment,
    /// logit of this prevalence − logit of the test part's.
    pub shift: Option<f64>,
    /// Why the shift is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a decision does at a prevalence, by Bayes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The cut-off on the model's present probabilities.
    pub cut_off: Option<f64>,
    /// Flagged events among events.
    pub sensitivity: Option<f64>,
    /// Unflagged non-events among non-events.
    pub specificity: Option<f64>,
    /// Events among flagged rows.
    pub ppv: Option<f64>,
    /// Non-events among unflagged rows.
    pub npv: Option<f64>,
    /// Flagged rows per 1,000.
    pub alerts_per_1000: Option<f64>,
    /// Net benefit per row at the frozen threshold.
    pub net_benefit: Option<f64>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The model beside a rival, on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Which rival.
    pub with: String,
    /// The model's AUROC.
    pub auroc_model: Option<f64>,
    /// The rival's.
    pub auroc_rival: Option<f64>,
    /// Model − rival.
    pub auroc: Estimate,
    /// Whether that differs from 0: DeLong's paired test when each patient has one row, else with the bootstrap's
    /// standard error.
    pub auroc_test: ZTest,
    /// Brier score, model − rival, by the paired bootstrap.
    pub brier: Estimate,
    /// Net benefit at the frozen threshold, model − rival, by the paired bootstrap.
    pub net_benefit: Estimate,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Numbers that are often asked for and say little.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appendix {
    /// Why they stand last.
    pub note: String,
    /// F1 at the frozen threshold.
    pub f1: Estimate,
    /// Share of right decisions at the frozen threshold.
    pub accuracy: Estimate,
    /// The accuracy of giving everyone the more frequent class.
    pub accuracy_of_majority: f64,
}
