//! decision.json: its types, and what cannot stand in one.
//!
//! Invariant: what [`DecisionRecord::fault`] finds nothing in can be acted on without reading the rules again.

use serde::{Deserialize, Serialize};

use super::params::PolicyName;
use crate::common::day::Day;
use crate::drift::{PerformanceStatus, Severity};

/// What is to be done, the mildest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Nothing.
    #[default]
    None,
    /// Somebody looks.
    Look,
    /// The calibration is renewed; the model stays.
    Recalibrate,
    /// A model is trained anew, as a challenger.
    Retrain,
}

impl Choice {
    /// Whether it changes a model, so that a cool-down follows.
    pub fn acts(self) -> bool {
        self >= Self::Recalibrate
    }

    /// The name in decision.json.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Look => "look",
            Self::Recalibrate => "recalibrate",
            Self::Retrain => "retrain",
        }
    }
}

/// One rule and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it asks for when it fires.
    pub asks_for: Choice,
    /// What it looked at; null when that is unknown.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: String,
    /// Whether it could be judged.
    pub known: bool,
    /// Whether it fired.
    pub fired: bool,
    /// Why, in words.
    pub reason: String,
}

/// decision.json, and, on one line each, the history of decisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The day of the decision; null when nobody said.
    pub as_of: Option<String>,
    /// BLAKE3 of the manifest of the bundle that it is about.
    pub bundle: String,
    /// The policy.
    pub policy: PolicyName,
    /// Every rule of the policy, in its order.
    pub rules: Vec<Rule>,
    /// What is to be done.
    pub decision: Choice,
    /// Whether that is to retrain.
    pub retrain_required: bool,
    /// Why, in a sentence.
    pub reason: String,
    /// Whether performance is known.
    pub performance: PerformanceStatus,
    /// How bad the alarm of the drift report was.
    pub severity: Severity,
    /// The first day on which another decision to retrain or recalibrate can be made; null without a day or such a
    /// decision.
    pub cooldown_until: Option<String>,
}

impl DecisionRecord {
    /// The day of the decision, when it has one.
    pub fn day(&self) -> Option<Day> {
        self.as_of.as_deref().and_then(Day::parse)
    }

    /// Whether any rule could be judged. Where none could, `none` is not the same as healthy.
    pub fn knows_anything(&self) -> bool {
        self.rules.iter().any(|rule| rule.known)
    }

    /// What in it contradicts itself, so that the stage cannot have written it; `None` when nothing does.
    pub fn fault(&self) -> Option<String> {
        let Self { schema_version, rules, decision, retrain_required, .. } = self;
        let said = decision.as_str();
        if *schema_version != 1 {
            return Some(format!("is of format {schema_version}; this program reads 1"));
        }
        if *retrain_required != (*decision == Choice::Retrain) {
            return Some(format!("says `{said}` and `retrain_required: {retrain_required}`"));
        }
        if let Some(text) = self.as_of.as_ref().filter(|text| Day::parse(text).is_none()) {
            return Some(format!("is of `{text}`, which is no day"));
        }
        if let Some(rule) = rules.iter().find(|rule| rule.fired && !rule.known) {
            return Some(format!("says that the rule `{}` fired, and that it could not be judged", rule.name));
        }
        if rules.is_empty() {
            return Some("has no rule".to_owned());
        }
        let mut fired = rules.iter().filter(|rule| rule.fired);
        if *decision == Choice::None {
            return fired.next().map(|rule| format!("says `none`, although the rule `{}` fired", rule.name));
        }
        // In the cool-down, what would act asks for a look.
        let waits = *decision == Choice::Look && self.cooldown_until.is_some();
        let asked = fired.any(|rule| rule.asks_for == *decision || waits && rule.asks_for.acts());
        (!asked).then(|| format!("says `{said}`, and no rule that asks for it fired"))
    }
}
