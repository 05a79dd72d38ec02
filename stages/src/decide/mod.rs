//! `decide`: from a look at drift to what is to be done: nothing, look, recalibrate or retrain.
//!
//! Invariants: it changes and deploys nothing; every rule is in the record with what it saw; performance that is unknown
//! is written as unknown, whatever is decided; a decision within the cool-down of an earlier one asks for a look.

mod day;
mod params;
mod policy;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use params::{ClinicalLimits, CooldownDays, DecideParams, PolicyName, SeedLimits};

use self::day::Day;
use crate::common::canonical_json;
use crate::drift::{DriftReport, PerformanceStatus, Severity};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError, StageFile};

/// The stage `decide`.
pub struct Decide;

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

/// What is read of an earlier decision; records may gain fields.
#[derive(Deserialize)]
struct Earlier {
    as_of: Option<String>,
    decision: Choice,
}

impl Stage for Decide {
    fn name(&self) -> &'static str {
        "decide"
    }

    fn version(&self) -> u32 {
        1
    }

    fn about(&self) -> &'static str {
        "decides what a look at drift asks for: nothing, a look, recalibration or retraining"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("drift", "the report of `drift`"),
                Role::optional("history", "earlier decisions, one record a line, for the cool-down"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const { &[Role::required("decision", "the decision with every rule")] }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::optional("decide", "the policy, its limits, the day, the cool-down")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        DecideParams::parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = DecideParams::parse(context.params())?;
        let file = context.input("drift")?;
        let report: DriftReport = canonical_json::read(&file.path, &file.name)?;
        let history = context.input_opt("history").map(earlier).transpose()?.unwrap_or_default();
        let record = decide(&report, &params, &history)?;
        canonical_json::write(context.output("decision")?, &record)
    }
}

/// The decisions of a file of records.
fn earlier(file: &StageFile) -> Result<Vec<Earlier>, StageError> {
    let text = std::fs::read_to_string(&file.path).map_err(|error| StageError::input(&file.name, error.to_string()))?;
    let parse = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            StageError::input(&file.name, format!("line {} is no decision: {error}", at + 1))
                .with_hint("write each decision.json on one line")
        })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

fn decide(report: &DriftReport, params: &DecideParams, history: &[Earlier]) -> Result<DecisionRecord, StageError> {
    let rules = match params.policy {
        PolicyName::Clinical => policy::clinical(report, &params.clinical),
        PolicyName::Seed => policy::seed(report, &params.seed),
    };
    let (mut decision, mut reason) = chosen(&rules, params.policy);
    let as_of = params.as_of.clone().or_else(|| report.as_of.clone());
    let today = as_of.as_deref().map(day).transpose()?;
    let until = cooldown(history, params)?;
    let acts = |choice: Choice| choice >= Choice::Recalibrate;
    let mut cooldown_until = until.filter(|until| today.is_none_or(|today| today < *until));
    if acts(decision) {
        match (today, cooldown_until) {
            (Some(_), Some(until)) => {
                reason = format!("{reason}; but an earlier decision is to be waited for until {until}");
                decision = Choice::Look;
            }
            (None, Some(until)) => {
                return Err(StageError::failed(format!("there is a cool-down until {until}, and no day is given"))
                    .with_hint("set `decide.as_of` to the day of the decision"));
            }
            (today, None) => cooldown_until = today.map(|today| today.plus(params.cooldown_days.0)),
        }
    }
    if report.performance.status == PerformanceStatus::Unknown {
        let why = report.performance.reason.as_deref().unwrap_or("outcomes are missing");
        reason = format!("{reason}; performance is unknown: {why}");
    }
    Ok(DecisionRecord {
        schema_version: 1,
        as_of,
        bundle: report.bundle.clone(),
        policy: params.policy,
        rules,
        decision,
        retrain_required: decision == Choice::Retrain,
        reason,
        performance: report.performance.status,
        severity: report.alert.severity,
        cooldown_until: cooldown_until.map(|day| day.to_string()),
    })
}

/// What the rules come to: of `clinical` the gravest that fired, of `seed` the first.
fn chosen(rules: &[Rule], policy: PolicyName) -> (Choice, String) {
    let fired = || rules.iter().filter(|rule| rule.fired);
    let decisive = match policy {
        PolicyName::Seed => fired().next(),
        // Of equally grave ones the first.
        PolicyName::Clinical => fired().rev().max_by_key(|rule| rule.asks_for),
    };
    if let Some(rule) = decisive {
        return (rule.asks_for, format!("{}: {}", rule.name, rule.reason));
    }
    let unknown: Vec<&str> = rules.iter().filter(|rule| !rule.known).map(|rule| rule.name.as_str()).collect();
    let rest = if unknown.is_empty() { String::new() } else { format!("; not known: {}", unknown.join(", ")) };
    (Choice::None, format!("no rule fired{rest}"))
}

fn day(text: &str) -> Result<Day, StageError> {
    Day::parse(text)
        .ok_or_else(|| StageError::failed(format!("`{text}` is no day")).with_hint("write `as_of` as 2026-03-01"))
}

/// The first day after the cool-down of the latest decision that did something.
fn cooldown(history: &[Earlier], params: &DecideParams) -> Result<Option<Day>, StageError> {
    let days = history.iter().filter(|one| one.decision >= Choice::Recalibrate).filter_map(|one| one.as_of.as_deref());
    let latest = days.map(day).collect::<Result<Vec<Day>, StageError>>()?.into_iter().max();
    Ok(latest.map(|latest| latest.plus(params.cooldown_days.0)))
}
