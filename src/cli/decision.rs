//! `clinpipe decision`: what `decide` has said, for people, scripts and schedulers.
//!
//! Invariants: `--check` is satisfied only by a record that says `none` and knows something, and by one that is recent
//! where an age is given; a record that contradicts itself is an error, whatever was asked.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use clinpipe_stages::common::day::Day;
use clinpipe_stages::decide::{Choice, DecisionRecord};

use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::util::utc;

/// `decision`.
#[derive(Debug, Args)]
pub struct DecisionArgs {
    /// What `decide` wrote.
    #[arg(value_name = "FILE", default_value = "artifacts/decision.json")]
    pub decision: PathBuf,
    /// End with 1 unless nothing is to be done and at least one rule could be judged.
    #[arg(long)]
    pub check: bool,
    /// With --check: end with 1 as well when the day of the decision is unknown, or longer ago (UTC).
    #[arg(long, value_name = "DAYS", requires = "check")]
    pub max_age: Option<u32>,
    /// Print the file as one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(global: &Global, args: &DecisionArgs, output: &Output) -> anyhow::Result<Exit> {
    let path = Opened::load(global, &[])?.project.pipeline.root.join(&args.decision);
    let help = "a pipeline with the stages `drift` and `decide` writes one, such as deploy/monitor.yaml of clinpipe's sources: \
                `clinpipe repro --file monitor.yaml decide`";
    let fault = |what: &str| UsageError::new(format!("{}: {what}", args.decision.display()), help);
    let text = fs::read_to_string(&path).map_err(|error| fault(&error.to_string()))?;
    let record: DecisionRecord =
        serde_json::from_str(&text).map_err(|error| fault(&format!("is no decision: {error}")))?;
    if let Some(contradiction) = record.fault() {
        return Err(fault(&format!("contradicts itself or is no decision: it {contradiction}")).into());
    }
    let doubts = doubts(&record, args.max_age);
    if args.json {
        output.exact(text.as_bytes())?;
    } else {
        output.data(&told(&record, &doubts))?;
    }
    let healthy = record.decision == Choice::None && doubts.is_empty();
    Ok(if args.check && !healthy { Exit::No } else { Exit::Done })
}

/// Why `none` would not mean that all is well.
fn doubts(record: &DecisionRecord, max_age: Option<u32>) -> Vec<String> {
    let unknown = (!record.knows_anything()).then(|| "no rule could be judged".to_owned());
    unknown.into_iter().chain(max_age.and_then(|days| too_old(record.day(), today(), days))).collect()
}

/// Whether a day is more than so many days ago. A day to come is no better known than none, but for the one that has
/// begun elsewhere.
fn too_old(day: Option<Day>, today: Option<Day>, days: u32) -> Option<String> {
    let Some((day, today)) = day.zip(today) else { return Some("the day of the decision is not known".to_owned()) };
    match today.since(day) {
        age if age > i64::from(days) => Some(format!("decided {age} days ago, and at most {days} are allowed")),
        age if age < -1 => Some(format!("decided on a day to come: today is {today}")),
        _ => None,
    }
}

fn today() -> Option<Day> {
    Day::parse(&utc::rfc3339(SystemTime::now()))
}

/// The decision in lines that people read and scripts can search.
fn told(record: &DecisionRecord, doubts: &[String]) -> String {
    let decision = format!("decision  {}: {}", record.decision.as_str(), record.reason);
    let as_of = format!("as of     {}", record.as_of.as_deref().unwrap_or("a day that nobody gave (`decide.as_of`)"));
    let fired =
        record.rules.iter().filter(|rule| rule.fired).map(|rule| format!("fired     {}: {}", rule.name, rule.reason));
    let cooldown = record.cooldown_until.iter().map(|day| format!("cool-down until {day}"));
    let doubts = doubts.iter().map(|doubt| format!("in doubt  {doubt}"));
    let head = [format!("RETRAIN_REQUIRED={}", record.retrain_required), decision, as_of];
    head.into_iter().chain(doubts).chain(fired).chain(cooldown).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_of_long_ago_of_no_day_or_of_the_future_is_in_doubt() {
        let day = |text: &str| Day::parse(text);
        let today = day("2026-03-10");
        for (of, days, doubt) in [
            (day("2026-03-10"), 0, None),
            (day("2026-03-03"), 7, None),
            (day("2026-03-11"), 7, None),
            (day("2026-03-02"), 7, Some("8 days ago")),
            (day("2026-03-12"), 7, Some("a day to come")),
            (None, 7, Some("not known")),
        ] {
            let found = too_old(of, today, days);
            assert_eq!(found.is_some(), doubt.is_some(), "{of:?}: {found:?}");
            assert!(found.is_none_or(|found| found.contains(doubt.unwrap_or_default())));
        }
        assert!(today.is_some() && super::today() > day("2020-01-01"));
    }
}
