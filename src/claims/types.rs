//! What a claims file says, typed.

use super::stated::Stated;
use crate::config::Span;

/// All claims of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims {
    /// Where the numbers were published.
    pub source: Option<String>,
    /// Sets of rows on which something was measured.
    pub samples: Vec<Sample>,
    /// Models with their numbers.
    pub models: Vec<Model>,
    /// What decisions cost.
    pub costs: Option<Costs>,
    /// Comparisons in which something was so much more or less.
    pub changes: Vec<Change>,
}

/// A set of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Its name in the file.
    pub name: String,
    /// How many rows.
    pub n: Option<Stated>,
    /// How many of them have the event.
    pub events: Option<Stated>,
    /// Which share of them.
    pub prevalence: Option<Stated>,
    /// The sample from which it was taken.
    pub part_of: Option<usize>,
    /// Which share of that one.
    pub share: Option<Stated>,
    /// Whether it was taken with the same share of events, as nearly as whole rows allow.
    pub stratified: bool,
    /// Where it stands.
    pub span: Span,
}

/// One set of scores on one sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// On which rows.
    pub sample: Option<usize>,
    /// Area under the ROC curve.
    pub auroc: Option<Stated>,
    /// Operating points.
    pub points: Vec<Point>,
}

/// What a model does at one threshold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// How messages call it.
    pub name: String,
    /// Scores at or above it are flagged.
    pub threshold: Option<Stated>,
    /// How the threshold is said to have been chosen.
    pub policy: Option<Policy>,
    /// The numbers.
    pub measures: Vec<(Measure, Stated)>,
    /// The same rates carried over to other rows.
    pub projections: Vec<Projection>,
}

impl Point {
    /// The number of a measure.
    pub(super) fn get(&self, measure: Measure) -> Option<&Stated> {
        self.measures.iter().find(|(known, _)| *known == measure).map(|(_, stated)| stated)
    }

    /// Takes a refuted number out.
    pub(super) fn drop(&mut self, measure: Measure) {
        self.measures.retain(|(known, _)| *known != measure);
    }
}

/// Rates of a point carried over to other rows; its counts are rounded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    /// To which rows.
    pub sample: Option<usize>,
    /// The numbers; only counts and costs.
    pub measures: Vec<(Measure, Stated)>,
}

impl Projection {
    pub(super) fn get(&self, measure: Measure) -> Option<&Stated> {
        self.measures.iter().find(|(known, _)| *known == measure).map(|(_, stated)| stated)
    }
}

/// How a threshold is said to have been chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// By the costs of the file.
    Cost,
    /// By the best F-beta.
    FBeta(f64),
}

/// What the outcome of a decision costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Costs {
    /// A false alarm.
    pub false_positive: Stated,
    /// A missed event.
    pub false_negative: Stated,
    /// A caught event; nothing when it is not stated.
    pub true_positive: Option<Stated>,
    /// A row rightly left alone; nothing when it is not stated.
    pub true_negative: Option<Stated>,
}

/// Something was more or less than something else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// What changed.
    pub what: String,
    /// From which value.
    pub from: Option<Stated>,
    /// To which value.
    pub to: Option<Stated>,
    /// By how much, as often as the source says so.
    pub difference: Vec<Stated>,
    /// By which share of `from`, as often as the source says so.
    pub relative: Vec<Stated>,
    /// Where it stands.
    pub span: Span,
}

/// What a number of a point measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Flagged rows with the event.
    TruePositives,
    /// Flagged rows without it.
    FalsePositives,
    /// Rows left alone without it.
    TrueNegatives,
    /// Rows left alone with it.
    FalseNegatives,
    /// Flagged rows.
    Flagged,
    /// Share of flagged rows.
    FlaggedShare,
    /// TP / (TP + FN); sensitivity.
    Recall,
    /// TN / (TN + FP).
    Specificity,
    /// FP / (TN + FP).
    FalsePositiveRate,
    /// FN / (TP + FN).
    FalseNegativeRate,
    /// TP / (TP + FP); positive predictive value.
    Precision,
    /// TN / (TN + FN); negative predictive value.
    Npv,
    /// (TP + TN) / n.
    Accuracy,
    /// Mean of recall and specificity.
    BalancedAccuracy,
    /// Recall + specificity − 1.
    Youden,
    /// (1 + β²) TP / ((1 + β²) TP + β² FN + FP).
    FBeta(f64),
    /// TP / n − FP / n · t / (1 − t), with the point's threshold t.
    NetBenefit,
    /// Total cost on the rows.
    Cost,
    /// Cost of 1,000 such rows.
    CostPer1000,
}

impl Measure {
    /// Keys of the file with what they mean; `f1`, `f2`, `f0.5` … come on top.
    pub(super) const KEYS: [(&'static str, Self); 20] = [
        ("tp", Self::TruePositives),
        ("fp", Self::FalsePositives),
        ("tn", Self::TrueNegatives),
        ("fn", Self::FalseNegatives),
        ("flagged", Self::Flagged),
        ("flagged_share", Self::FlaggedShare),
        ("recall", Self::Recall),
        ("sensitivity", Self::Recall),
        ("specificity", Self::Specificity),
        ("false_positive_rate", Self::FalsePositiveRate),
        ("false_negative_rate", Self::FalseNegativeRate),
        ("precision", Self::Precision),
        ("ppv", Self::Precision),
        ("npv", Self::Npv),
        ("accuracy", Self::Accuracy),
        ("balanced_accuracy", Self::BalancedAccuracy),
        ("youden", Self::Youden),
        ("net_benefit", Self::NetBenefit),
        ("cost", Self::Cost),
        ("cost_per_1000", Self::CostPer1000),
    ];

    /// The measure of a key.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        let beta = key.strip_prefix('f').and_then(|beta| beta.parse::<f64>().ok());
        if let Some(beta) = beta.filter(|beta| (0.01..=100.0).contains(beta)) {
            return Some(Self::FBeta(beta));
        }
        Self::KEYS.iter().find(|(known, _)| *known == key).map(|(_, measure)| *measure)
    }

    /// Its name in messages.
    pub(super) fn name(self) -> String {
        match self {
            Self::FBeta(beta) => format!("f{beta}"),
            other => Self::KEYS.iter().find(|(_, known)| *known == other).map_or("", |(key, _)| key).to_owned(),
        }
    }

    /// Whether it is a whole number of rows.
    pub(super) fn is_count(self) -> bool {
        matches!(
            self,
            Self::TruePositives | Self::FalsePositives | Self::TrueNegatives | Self::FalseNegatives | Self::Flagged
        )
    }

    /// Whether it lies between 0 and 1.
    pub(super) fn is_share(self) -> bool {
        !self.is_count() && !matches!(self, Self::Youden | Self::NetBenefit | Self::Cost | Self::CostPer1000)
    }

    /// Whether its value depends on how many rows have no event.
    pub(super) fn needs_negatives(self) -> bool {
        !matches!(
            self,
            Self::TruePositives
                | Self::FalsePositives
                | Self::FalseNegatives
                | Self::Flagged
                | Self::Recall
                | Self::FalseNegativeRate
                | Self::Precision
                | Self::FBeta(_)
        )
    }
}
