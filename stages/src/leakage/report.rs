//! `leakage.json`: what was looked at, what was found, and who answers for what was waived.
//!
//! Row ids are the only thing about a patient that it holds: never a value, never an identifier.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StageError;
use crate::train::Fingerprint;

/// The version of the format of `leakage.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// `leakage.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Whether there is no finding, or somebody answers for each.
    pub clean: bool,
    /// The family-wise level of all tests together (Holm's procedure).
    pub level: f64,
    /// The rows that models are fitted on.
    pub training_rows: Fingerprint,
    /// The rows that they are evaluated on.
    pub test_rows: Fingerprint,
    /// Everything that was looked at.
    pub checks: Vec<CheckRecord>,
    /// What was found; most telling checks first, as in `checks`.
    pub findings: Vec<Finding>,
    /// What somebody should look at, but which proves nothing. A warning can be waived as well, and then is silent.
    pub warnings: Vec<Finding>,
}

/// The checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The training and the test rows are disjoint, and are the rows of the table.
    SplitRows,
    /// No patient has rows on both sides of the split, or of a fold.
    PatientOverlap,
    /// No feature is known only after the outcome, or made of one that is.
    Availability,
    /// No feature is called like an outcome without saying when it is known.
    OutcomeName,
    /// No row stands on both sides of the split, or of a fold, under two patients.
    Duplicates,
    /// The same for rows that differ by less than measurement does.
    NearDuplicates,
    /// No single feature tells the outcome.
    FeatureAuroc,
    /// Whether a value is missing does not tell the outcome.
    Missingness,
    /// The place in the file does not tell the outcome.
    RowOrder,
    /// The place in the order of the ids does not tell the outcome.
    IdOrder,
    /// A model of permuted outcomes tells nothing about rows that were held out.
    PermutedTarget,
}

impl Check {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::SplitRows,
        Self::PatientOverlap,
        Self::Availability,
        Self::OutcomeName,
        Self::Duplicates,
        Self::NearDuplicates,
        Self::FeatureAuroc,
        Self::Missingness,
        Self::RowOrder,
        Self::IdOrder,
        Self::PermutedTarget,
    ];

    /// Its name in parameters and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SplitRows => "split_rows",
            Self::PatientOverlap => "patient_overlap",
            Self::Availability => "availability",
            Self::OutcomeName => "outcome_name",
            Self::Duplicates => "duplicates",
            Self::NearDuplicates => "near_duplicates",
            Self::FeatureAuroc => "feature_auroc",
            Self::Missingness => "missingness",
            Self::RowOrder => "row_order",
            Self::IdOrder => "id_order",
            Self::PermutedTarget => "permuted_target",
        }
    }

    /// How a finding of it is mended.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::SplitRows => "let the stage `split` make the split of this very table",
            Self::PatientOverlap => "name the patient column in `schema.group` and split by `group`",
            Self::Availability | Self::FeatureAuroc => {
                "leave the column out of `featurize.features`, or show that it is known at the time of prediction"
            }
            Self::OutcomeName => "say when the column is known: `available_at` in the schema",
            Self::Duplicates | Self::NearDuplicates => {
                "remove the copies (`ingest.dedupe`), or give copies of a patient one value of `schema.group`"
            }
            Self::Missingness => {
                "find out why it is missing; leave the column out if it is filled in after the outcome"
            }
            Self::RowOrder | Self::IdOrder => {
                "find out how the outcome came into the file; labels that follow the order of the rows are not measured"
            }
            Self::PermutedTarget => "look for rows of one patient, or copies of a row, in several folds",
        }
    }
}

/// What a check looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRecord {
    /// Which.
    pub check: Check,
    /// What there was to look at: columns, or parts of the data.
    pub subjects: usize,
    /// What could be looked at.
    pub tested: usize,
    /// The family-wise level of which its tests are a part; null when the check counts and needs none.
    pub level: Option<f64>,
    /// Every test of it.
    pub tests: Vec<Tested>,
    /// Why something could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// The column, or the part of the data.
    pub subject: String,
    /// What `effect` is.
    pub measure: Measure,
    /// How strong it is.
    pub effect: f64,
    /// The 95 % interval of an AUROC; null where it is undefined (perfect separation) or where the effect is a count.
    pub interval: Option<[f64; 2]>,
    /// From here on it is a finding, when it is not chance either.
    pub bound: f64,
    /// The probability of such an effect by chance, before Holm's procedure; null for a count that needs no test.
    pub p_value: Option<f64>,
    /// How many are expected by chance, of copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
}

/// What the effect of a test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// AUROC of the values in their order, or 1 minus it.
    AurocRanks,
    /// AUROC of the event rates of levels or bins, each row judged by other patients.
    AurocLevels,
    /// AUROC of the place, or 1 minus it.
    AurocTrend,
    /// AUROC of the event rate among the neighbours.
    AurocNeighbours,
    /// Mean AUROC of logistic regression on permuted outcomes.
    AurocLogistic,
    /// Mean AUROC of boosted trees on permuted outcomes.
    AurocGbdt,
    /// A number of patients.
    Patients,
    /// A number of rows.
    Rows,
    /// A number of columns.
    Columns,
}

impl Measure {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AurocRanks => "auroc_ranks",
            Self::AurocLevels => "auroc_levels",
            Self::AurocTrend => "auroc_trend",
            Self::AurocNeighbours => "auroc_neighbours",
            Self::AurocLogistic => "auroc_logistic",
            Self::AurocGbdt => "auroc_gbdt",
            Self::Patients => "patients",
            Self::Rows => "rows",
            Self::Columns => "columns",
        }
    }
}

/// Something that should not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// The column, or the part of the data: `test`, `folds`, `position`.
    pub subject: String,
    /// What `effect` is.
    pub measure: Measure,
    /// How strong it is.
    pub effect: f64,
    /// From here on it is a finding.
    pub bound: f64,
    /// The probability of such an effect by chance, adjusted for all tests by Holm's procedure; null for a count.
    pub p_value: Option<f64>,
    /// Some rows that show it, ascending.
    pub example_row_ids: Vec<i64>,
    /// What it means.
    pub text: String,
    /// Who answers for it, and why.
    pub waived: Option<Waived>,
}

/// Who answers for a finding, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waived {
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

impl Report {
    /// Findings that nobody answers for, as an error with their table; nothing when there is none.
    pub(super) fn verdict(&self) -> Result<(), StageError> {
        let open: Vec<&Finding> = self.findings.iter().filter(|finding| finding.waived.is_none()).collect();
        let Some(first) = open.first() else { return Ok(()) };
        let found =
            if open.len() == 1 { "1 leak was found".to_owned() } else { format!("{} leaks were found", open.len()) };
        let lines: Vec<String> = open.iter().map(|finding| format!("  {}", finding.line())).collect();
        let message = format!("{found}\n{}", lines.join("\n"));
        let hint = format!(
            "{}; or, if it is no leak, answer for it in params.yaml: leakage: {{waivers: [{{check: {}, column: {}, who: \
             NAME, why: REASON}}]}}; `clinpipe log` of this stage shows every test",
            first.check.remedy(),
            first.check.as_str(),
            first.subject
        );
        Err(StageError::failed(message).with_hint(hint))
    }

    /// The report in lines for the stage's log.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for record in &self.checks {
            let reason = record.reason.as_ref().map(|reason| format!("; {reason}")).unwrap_or_default();
            let name = record.check.as_str();
            lines.push(format!("{name}: {} of {} tested{reason}", record.tested, record.subjects));
            lines.extend(record.tests.iter().map(|test| format!("  {}", test.line())));
        }
        for (what, all) in [("finding", &self.findings), ("warning", &self.warnings)] {
            for found in all {
                lines.push(format!("{what}: {}", found.line()));
                if let Some(Waived { who, why }) = &found.waived {
                    lines.push(format!("  waived by {who}: {why}"));
                }
            }
        }
        lines
    }
}

impl Tested {
    fn line(&self) -> String {
        let p = self.p_value.map(|p| format!(", p {p:.2e}")).unwrap_or_default();
        let expected = self.expected.map(|expected| format!(", {expected:.2e} expected by chance")).unwrap_or_default();
        format!("{}: {} {:.3} (bound {}){p}{expected}", self.subject, self.measure.as_str(), self.effect, self.bound)
    }
}

impl Finding {
    /// Check, subject, strength, what it means and rows that show it, in one line.
    fn line(&self) -> String {
        let p = self.p_value.map(|p| format!(", p {p:.1e}")).unwrap_or_default();
        let rows: Vec<String> = self.example_row_ids.iter().map(i64::to_string).collect();
        let rows = if rows.is_empty() { String::new() } else { format!("; row_id {}", rows.join(", ")) };
        let (check, subject) = (self.check.as_str(), &self.subject);
        format!("{check} {subject}: {} ({:.3}, bound {}{p}){rows}", self.text, self.effect, self.bound)
    }
}
