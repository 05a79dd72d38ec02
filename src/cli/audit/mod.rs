//! `clinpipe audit`: show, check, sign, anchor and export the audit chain. Only signing writes.

mod sign;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use self::sign::{KeyCommand, SignArgs};
use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use super::recording::chain;
use crate::audit::{self, Action, Anchor, Chain, PublicKeys, Record, TestUse, Verdict};
use crate::key::Digest;
use crate::metrics::Table;
use crate::util::{atomic_write, human, visible};

/// `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List what was done, the latest last, and how often test rows were used.
    Show(ShowArgs),
    /// Check every record and its link to the one before; exit 1 with the first that is wrong.
    Verify(VerifyChainArgs),
    /// Print the last record's number and hash, to be kept elsewhere: only with it can a cut end be found later.
    Anchor,
    /// Write all records for another program.
    Export(ExportChainArgs),
    /// Sign an object, or the chain as it is, and record the signature.
    Sign(SignArgs),
    /// Keys to sign with.
    #[command(subcommand)]
    Key(KeyCommand),
}

/// `audit show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Only records of this action.
    #[arg(long, value_enum, value_name = "ACTION")]
    pub action: Option<Action>,
    /// At most so many records, the latest.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub limit: usize,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `audit verify`.
#[derive(Debug, Args)]
pub struct VerifyChainArgs {
    /// A file that `audit anchor` printed: its record must be in the chain.
    #[arg(long, value_name = "FILE")]
    pub anchor: Vec<PathBuf>,
    /// The hash of a record that must be in the chain.
    #[arg(long, value_name = "HASH")]
    pub head: Vec<Digest>,
    /// The directory of the public keys (*.pub) that are known: every signature must be by one of its signer's.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `audit export`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("format").required(true))]
pub struct ExportChainArgs {
    /// As a table for a spreadsheet; a text that it would take for a formula begins with '.
    #[arg(long, group = "format")]
    pub csv: bool,
    /// As lines of JSON, exactly as they are in the chain.
    #[arg(long, group = "format")]
    pub jsonl: bool,
    /// Where; stdout when absent.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl ValueEnum for Action {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

pub(super) fn run(global: &Global, command: &AuditCommand, output: &Output) -> anyhow::Result<Exit> {
    // A key belongs to a person, not to a project.
    if let AuditCommand::Key(command) = command {
        return sign::key(command, output);
    }
    let opened = Opened::load(global, &[])?;
    let chain = chain(&opened);
    match command {
        AuditCommand::Sign(args) => sign::sign(&opened, args, output),
        AuditCommand::Key(command) => sign::key(command, output),
        AuditCommand::Show(args) => show(&chain, args, output),
        AuditCommand::Verify(args) => verify(&chain, args, output),
        AuditCommand::Anchor => anchor(&chain, output),
        AuditCommand::Export(args) => export(&chain, args, output),
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    records: &'a [&'a Record],
    tests: &'a [TestUse],
}

fn show(chain: &Chain, args: &ShowArgs, output: &Output) -> anyhow::Result<Exit> {
    let records = chain.records()?;
    let wanted: Vec<&Record> =
        records.iter().filter(|record| args.action.is_none_or(|action| record.action == action)).collect();
    let shown = &wanted[wanted.len().saturating_sub(args.limit)..];
    let tests = audit::Ledger::of(&records).test_uses();
    if args.json {
        output.json(&Shown { records: shown, tests: &tests })?;
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        output.talk("note: there is no audit chain yet; the next run that does something begins one");
    }
    if wanted.len() > shown.len() {
        output.talk(&format!("note: the latest {} of {} records; --limit shows more", shown.len(), wanted.len()));
    }
    let mut text = String::new();
    if !shown.is_empty() {
        let mut table = Table::new(&["Record", "When", "Who", "Action", "Object", "What"]);
        for record in shown {
            table.push([
                record.seq.to_string(),
                record.utc.clone(),
                human::brief(&record.actor, 24),
                record.action.name().to_owned(),
                human::brief(&record.object, 40),
                human::brief(&what(record), 60),
            ]);
        }
        text.push_str(&table.to_text_within(Output::width()));
    }
    for test in &tests {
        // Writing to a string cannot fail.
        let name = if test.content.is_empty() { &test.rows } else { &test.content };
        let _ = writeln!(text, "\ntest rows {}: {}", human::brief(&visible::line(name), 13), test.sentence());
    }
    output.data(&text)?;
    Ok(Exit::Done)
}

/// What a record says, in a few words.
fn what(record: &Record) -> String {
    let details = &record.details;
    let names = |key: &str| match details.get(key) {
        Some(Value::Object(map)) => map.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    let list = |keys: &[&str]| {
        let parts = keys.iter().map(|key| (key, names(key))).filter(|(_, names)| !names.is_empty());
        parts.map(|(key, names)| format!("{key} {names}")).collect::<Vec<_>>().join("; ")
    };
    match record.action {
        Action::Run => {
            list(&["evaluations_lost", "failed", "interrupted", "ran", "restored", "recovered", "unrecorded"])
        }
        Action::Commit => list(&["accepted"]),
        Action::Gate | Action::MetricsGate => match details.get("passed") {
            Some(Value::Bool(true)) => "passed".to_owned(),
            _ => format!("not passed: {}", names("failed")),
        },
        Action::Waiver => {
            let who = details.get("who").and_then(Value::as_str).unwrap_or_default();
            format!("{who}: {}", record.reason.as_deref().unwrap_or_default())
        }
        Action::TestEvaluation => {
            let short = |key: &str| human::brief(details.get(key).and_then(Value::as_str).unwrap_or_default(), 13);
            let rows = if details.contains_key("content") { "content" } else { "rows" };
            let model = if details.contains_key("model") { "model" } else { "bundle" };
            let left = if details.contains_key("recovered") { ", left by a run without a record" } else { "" };
            format!("{model} {} on rows {}{left}", short(model), short(rows))
        }
        Action::Recovery => {
            format!("{} bytes of a write that was cut short", details.get("bytes").unwrap_or(&Value::Null))
        }
        Action::Signature => {
            let text = |key: &str| details.get(key).and_then(Value::as_str).unwrap_or_default();
            format!("{} by {}", text("meaning"), text("signer"))
        }
        Action::Refusal => {
            let command = details.get("command").and_then(Value::as_str).unwrap_or_default();
            format!("{command}: {}", names("failed"))
        }
        Action::ServiceStart | Action::ServiceModel | Action::ServiceStop => {
            details.get("threshold").map(|threshold| format!("threshold {threshold}")).unwrap_or_default()
        }
        _ => record.reason.clone().unwrap_or_default(),
    }
}

fn verify(chain: &Chain, args: &VerifyChainArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut anchors = args.anchor.iter().map(|path| read_anchor(path)).collect::<anyhow::Result<Vec<_>>>()?;
    anchors.extend(args.head.iter().copied().map(Anchor::of_hash));
    let keys = args.keys.as_deref().map(PublicKeys::read).transpose().map_err(|error| {
        UsageError::new(
            error.to_string(),
            "name the directory of the files that `clinpipe audit key new` wrote as *.pub",
        )
    })?;
    let verdict = check(chain, &anchors, keys.as_ref())?;
    if args.json {
        output.json(&verdict)?;
    } else {
        for note in &verdict.notes {
            output.talk(&format!("note: {}", visible::line(note)));
        }
        match (&verdict.fault, &verdict.head) {
            (None, Some(head)) => {
                output.data(&format!("{} records hold together; the last is {}\n", verdict.records, head.hash))?;
                for found in &verdict.signatures {
                    let (seq, meaning, digest) = (found.seq, found.meaning.name(), found.digest.short());
                    // Their line ends would begin a line that nobody has signed.
                    let (object, signer) = (visible::line(&found.object), visible::line(&found.signer));
                    output.data(&format!("record {seq}: {meaning} of {object} ({digest}) by {signer}\n"))?;
                }
                if keys.is_none() && !verdict.signatures.is_empty() {
                    output.talk("note: whose the keys are that signed, only --keys can tell");
                }
                if anchors.is_empty() {
                    output.talk("note: a cut end cannot be seen without --anchor or --head");
                }
            }
            (None, None) => output.data("there is no audit chain yet\n")?,
            (Some(_), _) => output.error(&broken(chain, &verdict)),
        }
    }
    Ok(if verdict.fault.is_none() { Exit::Done } else { Exit::No })
}

fn check(chain: &Chain, anchors: &[Anchor], keys: Option<&PublicKeys>) -> anyhow::Result<Verdict> {
    match chain.read()? {
        Some(file) => audit::verify_signed(file, anchors, keys),
        None => audit::verify_signed(std::io::empty(), anchors, keys),
    }
    .with_context(|| format!("cannot read {}", chain.path().display()))
}

fn broken(chain: &Chain, verdict: &Verdict) -> String {
    let Some(fault) = &verdict.fault else { return String::new() };
    let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
    let good = verdict.head.map_or_else(
        || "no record before it is known to be good".to_owned(),
        |head| format!("up to record {} ({}) the chain holds together", head.seq, head.hash),
    );
    format!("error: {}{line}: {}\nnote: {good}", chain.path().display(), visible::line(&fault.message))
}

fn read_anchor(path: &Path) -> anyhow::Result<Anchor> {
    let help = "give a file that `clinpipe audit anchor` printed";
    let text = fs::read_to_string(path)
        .map_err(|error| UsageError::new(format!("cannot read {}: {error}", path.display()), help))?;
    let anchor: Anchor = serde_json::from_str(&text)
        .map_err(|error| UsageError::new(format!("{} is no anchor: {error}", path.display()), help))?;
    if anchor.schema_version != audit::SCHEMA_VERSION {
        let message = format!("{} has format version {}", path.display(), anchor.schema_version);
        return Err(UsageError::new(message, "use the clinpipe that printed it").into());
    }
    Ok(anchor)
}

/// An anchor of a chain that does not hold together would vouch for it.
fn anchor(chain: &Chain, output: &Output) -> anyhow::Result<Exit> {
    let verdict = check(chain, &[], None)?;
    if verdict.fault.is_some() {
        output.error(&broken(chain, &verdict));
        return Ok(Exit::No);
    }
    let Some(last) = &verdict.last else {
        output.error("error: there is no audit chain yet\nhelp: `clinpipe repro` begins one when it does something");
        return Ok(Exit::No);
    };
    output.json(&Anchor::of(last))?;
    Ok(Exit::Done)
}

fn export(chain: &Chain, args: &ExportChainArgs, output: &Output) -> anyhow::Result<Exit> {
    let records = chain.records()?;
    let bytes = if args.csv { audit::to_csv(&records)? } else { audit::to_jsonl(&records)?.into_bytes() };
    match &args.output {
        Some(path) => {
            atomic_write::deliver(path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => output.exact(&bytes)?,
    }
    Ok(Exit::Done)
}
