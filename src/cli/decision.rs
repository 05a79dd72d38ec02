//! `clinpipe decision`: what `decide` has said, for people, scripts and schedulers.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clinpipe_stages::decide::{Choice, DecisionRecord};

use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;

/// `decision`.
#[derive(Debug, Args)]
pub struct DecisionArgs {
    /// What `decide` wrote.
    #[arg(value_name = "FILE", default_value = "artifacts/decision.json")]
    pub decision: PathBuf,
    /// End with 1 unless nothing is to be done.
    #[arg(long)]
    pub check: bool,
    /// Print the file as one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(global: &Global, args: &DecisionArgs, output: &Output) -> anyhow::Result<Exit> {
    let path = Opened::load(global, &[])?.project.pipeline.root.join(&args.decision);
    let help = "`clinpipe repro --file monitor.yaml decide` writes one";
    let fault = |what: &str| UsageError::new(format!("{}: {what}", args.decision.display()), help);
    let text = fs::read_to_string(&path).map_err(|error| fault(&error.to_string()))?;
    let record: DecisionRecord =
        serde_json::from_str(&text).map_err(|error| fault(&format!("is no decision: {error}")))?;
    output.data(&if args.json { text } else { told(&record) })?;
    Ok(if args.check && record.decision != Choice::None { Exit::No } else { Exit::Done })
}

/// The decision in lines that people read and scripts can search.
fn told(record: &DecisionRecord) -> String {
    let decision = format!("decision  {}: {}", record.decision.as_str(), record.reason);
    let fired =
        record.rules.iter().filter(|rule| rule.fired).map(|rule| format!("fired     {}: {}", rule.name, rule.reason));
    let cooldown = record.cooldown_until.iter().map(|day| format!("cool-down until {day}"));
    let lines =
        [format!("RETRAIN_REQUIRED={}", record.retrain_required), decision].into_iter().chain(fired).chain(cooldown);
    lines.map(|line| line + "\n").collect()
}
