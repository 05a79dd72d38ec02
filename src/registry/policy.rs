//! What a candidate has to show: `promotion.yaml`, or one of the policies that come with clinpipe.
//!
//! Each condition is judged on its own and says why; what is missing or undefined fails. Nothing is skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clinpipe_stages::common::gate_rules::{Direction, GateRule, evaluate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compare::Comparison;
use super::measures::{self, Measure};

/// How the candidate has to compare with the champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Better: the whole interval of the primary measure's difference is on the good side of 0.
    #[default]
    Superior,
    /// Not worse by more than `margin`, with the whole interval.
    NonInferior,
    /// Better by more than the share `gain` of the champion's number, whatever chance has to do with it. For
    /// comparison with systems that promote so; it promotes equal models, see docs/registry.md.
    Seed,
}

/// How much worse the candidate may be in measures besides the primary one: the bad end of the difference's interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// AUROC.
    pub auroc: Option<f64>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Integrated calibration index: the mean distance of the calibration curve from the diagonal.
    pub ici: Option<f64>,
    /// Net benefit at the champion's threshold.
    pub net_benefit: Option<f64>,
    /// Root mean squared error, as a share of the champion's.
    pub rmse: Option<f64>,
}

impl Default for Guards {
    fn default() -> Self {
        Self { auroc: Some(0.02), brier: Some(0.01), ici: Some(0.03), net_benefit: Some(0.02), rmse: Some(0.05) }
    }
}

/// promotion.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How the candidate has to compare with the champion.
    pub rule: Rule,
    /// The measure that decides: auroc, brier, ici, net_benefit, sensitivity, ppv, f1; rmse, mae. Absent: auroc for an
    /// event, rmse for a number.
    pub primary: Option<String>,
    /// `non_inferior`: how much worse the primary measure may be.
    pub margin: f64,
    /// `seed`: the share of the champion's number by which the candidate must be better.
    pub gain: f64,
    /// Of the intervals.
    pub confidence: f64,
    /// How many resamples of the patients intervals are made of.
    pub resamples: usize,
    /// Limits for the other measures.
    pub guards: Guards,
    /// Floors and ceilings of the comparison's measures, such as `{metric: auroc.candidate, min: 0.58}`.
    pub floors: Vec<GateRule>,
    /// The fewest patients with the event, and without it, on whom two models may be compared; of a number, the fewest
    /// patients.
    pub min_patients: usize,
    /// Whether somebody other than the author must approve.
    pub four_eyes: bool,
    /// Signatures over the candidate that must be in the audit chain: `authorship`, `review`, `approval`; an approval by
    /// somebody other than the author.
    pub signatures: Vec<String>,
    /// The directory of the public keys that count, as for `audit verify --keys`; needed with `signatures`.
    pub signature_keys: Option<PathBuf>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rule: Rule::Superior,
            primary: None,
            margin: 0.01,
            gain: 0.02,
            confidence: 0.95,
            resamples: 1000,
            guards: Guards::default(),
            floors: Vec::new(),
            min_patients: 30,
            four_eyes: false,
            signatures: Vec::new(),
            signature_keys: None,
        }
    }
}

/// The JSON Schema of promotion.yaml.
pub fn schema() -> Value {
    schemars::schema_for!(Policy).to_value()
}

/// The policies that come with clinpipe, by name.
pub const POLICIES: [&str; 4] = ["superior", "non-inferior", "recalibration", "seed"];

/// One condition and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// Its name.
    pub rule: String,
    /// Whether it holds.
    pub passed: bool,
    /// Why.
    pub reason: String,
}

impl Ruling {
    /// A condition with its reason.
    pub fn new(rule: impl Into<String>, passed: bool, reason: impl Into<String>) -> Self {
        Self { rule: rule.into(), passed, reason: reason.into() }
    }
}

impl Policy {
    /// The policy of that name.
    pub fn named(name: &str) -> Option<Self> {
        let floor = |metric: &str, min: f64| GateRule {
            metric: format!("{metric}.candidate"),
            direction: None,
            min: Some(min),
            max: None,
            must_beat: None,
            tolerance: 0.0,
            max_drop: None,
            max_rise: None,
        };
        Some(match name {
            "superior" => Self::default(),
            "non-inferior" => Self { rule: Rule::NonInferior, ..Self::default() },
            "recalibration" => Self { primary: Some("brier".to_owned()), ..Self::default() },
            "seed" => Self {
                rule: Rule::Seed,
                primary: Some("sensitivity".to_owned()),
                guards: Guards { auroc: None, brier: None, ici: None, net_benefit: None, rmse: None },
                floors: vec![floor("sensitivity", 0.55), floor("auroc", 0.58), floor("ppv", 0.25), floor("f1", 0.35)],
                min_patients: 0,
                ..Self::default()
            },
            _ => return None,
        })
    }

    /// Checks what the types cannot say; the error is a dotted path and a message.
    ///
    /// # Errors
    /// When a value is out of its bounds or names nothing.
    pub fn check(&self) -> Result<(), (String, String)> {
        let fail = |path: &str, message: String| Err((path.to_owned(), message));
        if let Some(name) = &self.primary
            && !measures::all().any(|(known, _)| known == name)
        {
            let known: Vec<&str> = measures::all().map(|(name, _)| name).collect();
            return fail("primary", format!("`{name}` is no measure; there are {}", known.join(", ")));
        }
        for (name, value) in [("margin", self.margin), ("gain", self.gain)] {
            if !value.is_finite() || value < 0.0 {
                return fail(name, "must be a number of at least 0".to_owned());
            }
        }
        if !(self.confidence > 0.5 && self.confidence < 1.0) {
            return fail("confidence", "must lie between 0.5 and 1".to_owned());
        }
        if !(100..=100_000).contains(&self.resamples) {
            return fail("resamples", "must be 100 to 100000".to_owned());
        }
        for (name, limit) in self.guards.all() {
            if limit.is_some_and(|limit| !limit.is_finite() || limit < 0.0) {
                return fail(&format!("guards.{name}"), "must be a number of at least 0".to_owned());
            }
        }
        for (at, meaning) in self.signatures.iter().enumerate() {
            if !["authorship", "review", "approval"].contains(&meaning.as_str()) {
                return fail(&format!("signatures.{at}"), "must be authorship, review or approval".to_owned());
            }
        }
        if !self.signatures.is_empty() && self.signature_keys.is_none() {
            return fail("signature_keys", "is needed with `signatures`: anybody can make a key".to_owned());
        }
        check_limits("floors", &self.floors)
    }

    /// What the policy says of a comparison.
    pub fn judge(&self, comparison: &Comparison) -> Vec<Ruling> {
        let mut rulings = vec![self.enough(comparison)];
        if comparison.champion.is_some() {
            rulings.push(self.primary(comparison));
            rulings.extend(self.guarded(comparison));
        } else {
            rulings.push(Ruling::new("comparison", true, "there is no champion to be better than"));
        }
        rulings.extend(limits("floor", &self.floors, comparison));
        rulings
    }

    fn enough(&self, comparison: &Comparison) -> Ruling {
        let rows = &comparison.rows;
        let fewest = rows.with_event.zip(rows.without_event).map_or(rows.patients, |(with, without)| with.min(without));
        let what = if rows.with_event.is_some() { "patients of the rarer outcome" } else { "patients" };
        let reason =
            format!("{fewest} {what} in {} rows that neither model knows; at least {}", rows.used, self.min_patients);
        Ruling::new("rows", fewest >= self.min_patients, reason)
    }

    fn primary(&self, comparison: &Comparison) -> Ruling {
        let is_event = comparison.rows.with_event.is_some();
        let name = self.primary.as_deref().unwrap_or(if is_event { "auroc" } else { "rmse" });
        let rule = format!("better.{name}");
        let Some(measure) = comparison.measures.get(name) else {
            return Ruling::new(rule, false, format!("`{name}` is no measure of such a model"));
        };
        match self.rule {
            Rule::Seed => seed_rule(&rule, measure, self.gain),
            Rule::Superior => interval_rule(&rule, measure, 0.0, true),
            Rule::NonInferior => interval_rule(&rule, measure, self.margin, false),
        }
    }

    fn guarded(&self, comparison: &Comparison) -> Vec<Ruling> {
        let of = |(name, limit): (&str, Option<f64>)| {
            let (measure, limit) = (comparison.measures.get(name)?, limit?);
            let limit = if name == "rmse" { limit * measure.champion.unwrap_or(0.0) } else { limit };
            Some(interval_rule(&format!("guard.{name}"), measure, limit, false))
        };
        self.guards.all().into_iter().filter_map(of).collect()
    }
}

impl Guards {
    fn all(&self) -> [(&'static str, Option<f64>); 5] {
        [
            ("auroc", self.auroc),
            ("brier", self.brier),
            ("ici", self.ici),
            ("net_benefit", self.net_benefit),
            ("rmse", self.rmse),
        ]
    }
}

/// Checks rules on a comparison, which is no series of revisions.
pub(super) fn check_limits(key: &str, rules: &[GateRule]) -> Result<(), (String, String)> {
    for (at, rule) in rules.iter().enumerate() {
        rule.check().map_err(|error| (format!("{key}.{at}.{}", error.field), error.message))?;
        if rule.needs_earlier() {
            return Err((
                format!("{key}.{at}"),
                "max_drop and max_rise compare revisions; limit a `difference`".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Floors and ceilings of a comparison's measures.
pub(super) fn limits(kind: &str, rules: &[GateRule], comparison: &Comparison) -> Vec<Ruling> {
    let measures: BTreeMap<&String, &Measure> = comparison.measures.iter().collect();
    let measures = serde_json::to_value(measures).unwrap_or(Value::Null);
    let outcomes = evaluate(rules, &measures, None).into_iter();
    outcomes.map(|outcome| Ruling::new(format!("{kind} {}", outcome.rule), outcome.passed, outcome.reason)).collect()
}

/// Whether the whole interval of a difference lies on the good side of a margin; strictly, where nothing but better will
/// do.
fn interval_rule(rule: &str, measure: &Measure, margin: f64, strictly: bool) -> Ruling {
    let difference = &measure.difference;
    let (Some(value), Some(low), Some(high)) = (difference.value, difference.low, difference.high) else {
        let why = difference.reason.as_deref().unwrap_or("it has no interval");
        return Ruling::new(rule, false, format!("cannot be judged: {why}"));
    };
    let worst = match measure.better {
        Direction::Higher => low,
        Direction::Lower => -high,
    };
    let passed = if strictly { worst > margin } else { worst >= -margin };
    let wanted =
        if strictly { "all of it must be better than 0".to_owned() } else { format!("at most {margin:.4} worse") };
    let better = match measure.better {
        Direction::Higher => "higher",
        Direction::Lower => "lower",
    };
    Ruling::new(rule, passed, format!("difference {value:.4} ({low:.4} to {high:.4}; {better} is better); {wanted}"))
}

/// Whether the candidate's number is better than the champion's by more than a share of it.
fn seed_rule(rule: &str, measure: &Measure, gain: f64) -> Ruling {
    let (Some(candidate), Some(champion)) = (measure.candidate, measure.champion) else {
        return Ruling::new(rule, false, "cannot be judged: the rows do not define it for both models");
    };
    let passed = match measure.better {
        Direction::Higher => candidate > champion * (1.0 + gain),
        Direction::Lower => candidate < champion * (1.0 - gain),
    };
    Ruling::new(
        rule,
        passed,
        format!("{candidate:.4} against {champion:.4}; must be better by more than {:.1} %", gain * 100.0),
    )
}
