//! metrics.json: the types of the report. Its assembly is in `assemble`; reading it back is what gates and consoles do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::decision::Counts;
use crate::common::interval::{Estimate, finite, normal_tails};
use crate::train::Fingerprint;
use crate::tune_threshold::{Decision, PolicyKind, Threshold};

/// metrics.json. Probabilities are calibrated ones; every number is of the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Version of this format: 2.
    pub schema_version: u32,
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
    /// Area under the ROC curve.
    pub auroc: Estimate,
    /// Average precision.
    pub auprc: Estimate,
    /// Mean squared error of the probabilities.
    pub brier: Estimate,
    /// 1 − Brier / Brier of the test prevalence.
    pub scaled_brier: Estimate,
    /// In nats, with scikit-learn's clipping.
    pub log_loss: Estimate,
    /// Whether probabilities mean what they say.
    pub calibration: Calibration,
    /// The frozen threshold.
    pub threshold: FrozenThreshold,
    /// What happens at the threshold.
    pub at_threshold: AtThreshold,
    /// Dotted paths of the numbers above and below that tell of fewer than `privacy.min_cell` patients, or are made of
    /// such a count: whoever hands this file on should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub small_cells: Vec<String>,
    /// Net benefit per row at the threshold.
    pub net_benefit: Estimate,
    /// Mean cost of decisions at the threshold.
    pub expected_cost: ExpectedCost,
    /// The naive alternatives.
    pub baselines: Baselines,
    /// Whether the model is worth more than they are.
    pub verdict: Verdict,
}

/// Which model was evaluated on which rows: the pair that a ledger of looks at the test part counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// BLAKE3, in hex, of the bundle's bundle.json, which has the digests of its members.
    pub bundle: String,
    /// The test rows.
    pub rows: Fingerprint,
    /// BLAKE3, in hex, of what those rows say: patients, outcomes and the columns of the schema. Another data file with
    /// the same row ids gives another one.
    pub content: String,
}

/// How intervals were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    /// Their level.
    pub confidence: f64,
    /// Resamples of the patient bootstrap.
    pub resamples: usize,
    /// Whether every patient has one row; only then are DeLong and Wilson used.
    pub one_row_per_patient: bool,
}

/// Calibration measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// In the large: logistic intercept with the logit as offset; 0 is perfect.
    pub intercept: Estimate,
    /// Logistic slope on the logit; 1 is perfect.
    pub slope: Estimate,
    /// Observed events over expected ones; 1 is perfect, above it risks are underestimated.
    pub observed_expected: Estimate,
    /// Mean distance between predictions and the smooth calibration curve, over rows; 0 is perfect.
    pub ici: Estimate,
    /// The median of that distance.
    pub e50: Estimate,
    /// Its 90th percentile.
    pub e90: Estimate,
    /// The largest.
    pub emax: Estimate,
    /// Spiegelhalter's test that the predictions are calibrated.
    pub spiegelhalter: ZTest,
    /// Rows whose probability was moved by at most 1e-8 so that it has a logit.
    pub clipped: usize,
}

/// A test by a standard normal statistic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZTest {
    /// The statistic.
    pub z: Option<f64>,
    /// The two-sided p-value.
    pub p: Option<f64>,
    /// Why they are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ZTest {
    /// The test of a statistic.
    pub fn new(z: f64) -> Self {
        Self { z: finite(z), p: finite(normal_tails(z)), reason: None }
    }

    /// No test.
    pub fn undefined(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }
}

/// The threshold as evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenThreshold {
    /// Rows with p ≥ this are flagged, unless their level has a threshold of its own.
    pub value: f64,
    /// What it optimised.
    pub policy: PolicyKind,
    /// What the thresholds that apply do on the rows they were chosen on.
    pub decision: Decision,
    /// The thresholds of the levels of a column; none where one threshold holds for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_level: Option<ByLevel>,
}

/// Thresholds by the level of a column. A row whose level is missing or not listed gets the overall one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByLevel {
    /// The column of the raw table.
    pub column: String,
    /// The threshold of each level.
    pub levels: BTreeMap<String, f64>,
}

impl FrozenThreshold {
    /// The threshold of a bundle.
    pub fn new(threshold: &Threshold) -> Self {
        Self {
            value: threshold.value,
            policy: threshold.policy.policy,
            decision: threshold.decision,
            by_level: ByLevel::of(threshold),
        }
    }
}

impl ByLevel {
    /// The levels of a threshold, if it has any.
    pub fn of(threshold: &Threshold) -> Option<Self> {
        let strata = threshold.strata.as_ref()?;
        let levels = strata.levels.iter().map(|(name, level)| (name.clone(), level.value)).collect();
        Some(Self { column: strata.column.clone(), levels })
    }
}

/// What happens at the threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtThreshold {
    /// Rows.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// The confusion matrix.
    pub counts: Counts,
    /// Flagged events among events.
    pub sensitivity: Estimate,
    /// Unflagged non-events among non-events.
    pub specificity: Estimate,
    /// Events among flagged rows.
    pub ppv: Estimate,
    /// Non-events among unflagged rows.
    pub npv: Estimate,
    /// F-beta.
    pub fbeta: Estimate,
    /// Its beta.
    pub beta: f64,
    /// Flagged rows of 1,000.
    pub flagged_per_1000: Estimate,
}

/// Mean cost of decisions; null without a cost table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCost {
    /// Per `per` rows.
    pub value: Option<f64>,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// How the interval was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Rows that the cost is of: 1000.
    pub per: u32,
}

/// The naive alternatives, on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baselines {
    /// Flag everyone.
    pub flag_all: Baseline,
    /// Flag no one.
    pub flag_none: Baseline,
    /// Give everyone the prevalence of the training rows.
    pub prevalence: Baseline,
    /// A plain logistic regression on the same features.
    pub logistic: Baseline,
}

/// One naive alternative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Rows.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Area under the ROC curve; one half where everyone gets the same prediction.
    pub auroc: Option<f64>,
    /// Calibration slope; null where everyone gets the same prediction.
    pub calibration_slope: Option<f64>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Net benefit per row at the thresholds that apply.
    pub net_benefit: Option<f64>,
    /// Mean cost per 1,000 rows at the model's threshold.
    pub expected_cost: Option<f64>,
    /// The model minus this, on the same resamples.
    pub difference: Difference,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The model minus a baseline, paired: positive AUROC and net benefit, negative Brier and cost speak for the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// In AUROC: by DeLong's test for paired curves when each patient has one row.
    pub auroc: Estimate,
    /// In Brier score.
    pub brier: Estimate,
    /// In net benefit.
    pub net_benefit: Estimate,
    /// In cost per 1,000 rows.
    pub expected_cost: Estimate,
}

/// Whether the model is worth more than the naive alternatives. Judged on the point estimates; `text` says where the
/// interval of the difference leaves it open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// What the decisions are compared on: `expected_cost` with a cost table, else `net_benefit`.
    pub criterion: String,
    /// Its decisions are better than flagging everyone; null when undefined.
    pub beats_flag_all: Option<bool>,
    /// Its decisions are better than flagging no one.
    pub beats_flag_none: Option<bool>,
    /// Its Brier score is better than that of the training prevalence.
    pub beats_prevalence: Option<bool>,
    /// Its Brier score is better than that of a plain logistic regression.
    pub beats_logistic: Option<bool>,
    /// In one or two sentences.
    pub text: String,
    /// Why no verdict is pronounced; then nothing is said to be beaten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
