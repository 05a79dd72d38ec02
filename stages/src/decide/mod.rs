//! `decide`: from a look at drift to what is to be done: nothing, look, recalibrate or retrain.
//!
//! Invariants: it changes and deploys nothing; every rule is in the record with what it saw; performance that is unknown
//! is written as unknown, whatever is decided; a decision within the cool-down of an earlier one asks for a look.

mod history;
mod params;
mod policy;
mod record;
#[cfg(test)]
mod tests;

pub use params::{ClinicalLimits, CooldownDays, DecideParams, PolicyName, SeedLimits};
pub use record::{Choice, DecisionRecord, Rule};

use self::history::History;
use crate::common::canonical_json;
use crate::common::day::{Day, EXPECTED};
use crate::drift::{DriftReport, PerformanceStatus};
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The stage `decide`.
pub struct Decide;

impl Stage for Decide {
    fn name(&self) -> &'static str {
        "decide"
    }

    fn version(&self) -> u32 {
        2
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
        let today = today(&params, &report, &file.name)?;
        let history = context.input_opt("history").map(|file| History::read(file, today)).transpose()?;
        let record = decide(&report, &params, today, &history.unwrap_or_default())?;
        canonical_json::write(context.output("decision")?, &record)
    }
}

/// The day of the decision: that of the parameters, else that of the report.
fn today(params: &DecideParams, report: &DriftReport, name: &str) -> Result<Option<Day>, StageError> {
    let Some(text) = params.as_of.as_ref().or(report.as_of.as_ref()) else { return Ok(None) };
    let fault = || StageError::input(name, format!("its `as_of` is `{text}`, which is no day"));
    Day::parse(text).map(Some).ok_or_else(|| fault().with_hint(format!("correct `drift.as_of`; {EXPECTED}")))
}

fn decide(
    report: &DriftReport,
    params: &DecideParams,
    today: Option<Day>,
    history: &History,
) -> Result<DecisionRecord, StageError> {
    let rules = match params.policy {
        PolicyName::Clinical => policy::clinical(report, &params.clinical),
        PolicyName::Seed => policy::seed(report, &params.seed),
    };
    let (mut decision, mut reason) = chosen(&rules, params.policy);
    let until = history.acted(today).map(|latest| latest.plus(params.cooldown_days.0));
    let mut cooldown_until = until.filter(|until| today.is_none_or(|today| today < *until));
    if decision.acts() {
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
        as_of: params.as_of.clone().or_else(|| report.as_of.clone()),
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
