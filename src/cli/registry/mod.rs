//! `clinpipe promote` and `clinpipe registry`: which model is in use, and how it came to that.

mod candidate;
mod promote;
mod record;
mod rollback;
mod rules;
mod told;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::promote::PromoteArgs;
pub(super) use self::promote::run as promote;
pub use self::rollback::RollbackArgs;
use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use super::recording::chain;
use crate::audit::TestRows;
use crate::key::Digest;
use crate::metrics::Table;
use crate::registry::{Registry, RegistryError, State, Version};

/// `registry`.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// List the versions of every model, with their roles.
    List(ListArgs),
    /// Show a version: what it was made of, its numbers, and what happened in its registry.
    Show(ShowArgs),
    /// Make the champion before the champion again.
    Rollback(RollbackArgs),
}

/// `registry list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// `registry show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A role, or the beginning of a digest; otherwise the champion.
    #[arg(default_value = "champion")]
    version: String,
    /// The registry; may be left out when there is one.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Lists, shows or rolls back.
pub(super) fn run(global: &Global, command: &RegistryCommand, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    match command {
        RegistryCommand::List(args) => list(&opened, args, output),
        RegistryCommand::Show(args) => show(&opened, args, output),
        RegistryCommand::Rollback(args) => rollback::run(&opened, args, output),
    }
}

/// The registry of that name, or the only one.
fn registry(opened: &Opened, model: Option<&str>) -> anyhow::Result<Registry> {
    let root = &opened.project.pipeline.root;
    let models = Registry::models(root)?;
    let help = "`clinpipe promote` begins a registry; `clinpipe registry list` shows what there is";
    let name = match (model, models.as_slice()) {
        (Some(name), models) if models.iter().any(|model| model == name) => name,
        (Some(name), _) => return Err(UsageError::new(format!("there is no registry of {name}"), help).into()),
        (None, [one]) => one,
        (None, []) => return Err(UsageError::new("there is no registry yet", help).into()),
        (None, several) => {
            let message = format!("there are several models: {}", several.join(", "));
            return Err(UsageError::new(message, "name one with --model").into());
        }
    };
    Ok(Registry::new(root, name)?)
}

/// A version in a list.
#[derive(Serialize)]
struct Listed {
    version: Digest,
    roles: Vec<&'static str>,
    learner: String,
    data: String,
    trained_on: usize,
    /// The first number of metrics.json: AUROC or RMSE.
    headline: Option<(&'static str, Value)>,
    /// How many models were evaluated on its test rows, as far as the audit chain tells.
    test_rows_used_for: Option<usize>,
    /// Why it cannot be read.
    damaged: Option<String>,
}

fn roles(state: Option<&State>, version: Digest) -> Vec<&'static str> {
    let Some(state) = state else { return Vec::new() };
    let is = [
        ("champion", state.champion == Some(version)),
        ("challenger", state.challenger == Some(version)),
        ("archived", state.archived.contains(&version)),
    ];
    is.into_iter().filter(|(_, is)| *is).map(|(role, _)| role).collect()
}

fn headline(metrics: &Value) -> Option<(&'static str, Value)> {
    let found = ["auroc", "rmse"].into_iter().find(|name| metrics.get(*name).is_some())?;
    Some((found, metrics[found]["value"].clone()))
}

fn listed(opened: &Opened, registry: &Registry, output: &Output) -> anyhow::Result<Vec<Listed>> {
    let history = record::history(opened, registry)?;
    history.warning().iter().for_each(|warning| output.error(warning));
    let now = history.now();
    let ledger = chain(opened).state().unwrap_or_default().ledger;
    let one = |digest: Digest| {
        let (version, damaged) = match registry.version(digest).and_then(|version| {
            // A version whose bundle was changed cannot be served.
            registry.load(digest)?;
            Ok(version)
        }) {
            Ok(version) => (Some(version), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let metrics = paper(registry, digest, "metrics.json");
        let used = version.as_ref().and_then(|version: &Version| {
            let evaluated = &version.test.evaluated;
            let rows = TestRows { ids: evaluated.rows.row_ids.clone(), content: evaluated.content.clone() };
            Some(ledger.test_use(&rows)?.models)
        });
        Listed {
            version: digest,
            roles: roles(now, digest),
            learner: version.as_ref().map(|version| version.learner.clone()).unwrap_or_default(),
            data: version.as_ref().map(|version| version.data.source.clone()).unwrap_or_default(),
            trained_on: version.as_ref().map_or(0, |version| version.trained_on),
            headline: headline(&metrics),
            test_rows_used_for: used,
            damaged,
        }
    };
    Ok(registry.versions()?.into_iter().map(one).collect())
}

fn paper(registry: &Registry, version: Digest, name: &str) -> Value {
    let bytes = std::fs::read(registry.version_dir(version).join(name)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn list(opened: &Opened, args: &ListArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut models = serde_json::Map::new();
    let mut table =
        Table::new(&["Model", "Version", "Role", "Learner", "Data", "Trained on", "Test", "Test rows used for"]);
    // One that the chain tells of and that is gone is no registry without versions.
    let mut names = record::models(opened)?;
    names.extend(Registry::models(&opened.project.pipeline.root)?);
    for name in names {
        let registry = Registry::new(&opened.project.pipeline.root, &name)?;
        let versions = listed(opened, &registry, output)?;
        for version in &versions {
            let number = version.headline.as_ref().map(|(name, value)| format!("{name} {}", Table::cell(value)));
            table.push([
                name.clone(),
                version.version.short(),
                version
                    .roles
                    .iter()
                    .copied()
                    .chain(version.damaged.as_ref().map(|_| "damaged"))
                    .collect::<Vec<_>>()
                    .join(", "),
                version.learner.clone(),
                version.data.clone(),
                version.damaged.as_ref().map_or_else(|| version.trained_on.to_string(), |_| "-".to_owned()),
                number.unwrap_or_default(),
                version
                    .test_rows_used_for
                    .map(|models| if models == 1 { "1 model".to_owned() } else { format!("{models} models") })
                    .unwrap_or_default(),
            ]);
        }
        models.insert(name, serde_json::to_value(versions)?);
    }
    if args.json {
        output.json(&json!({"models": models}))?;
    } else if table.is_empty() {
        output.talk("note: there is no version yet; `clinpipe promote` adds the first");
    } else {
        output.data(&table.to_text_within(Output::width()))?;
    }
    Ok(Exit::Done)
}

fn show(opened: &Opened, args: &ShowArgs, output: &Output) -> anyhow::Result<Exit> {
    let registry = registry(opened, args.model.as_deref())?;
    let history = record::history(opened, &registry)?;
    history.warning().iter().for_each(|warning| output.error(warning));
    let help = "`clinpipe registry list` shows what there is";
    let digest = registry.find(&args.version).map_err(|error| match error {
        RegistryError::NoVersion(_) => UsageError::new(error.to_string(), help).into(),
        error => anyhow::Error::new(error),
    })?;
    let version = registry.version(digest)?;
    let roles = roles(history.now(), digest);
    // The bundle as well: a damaged one must not be shown as if it could be served.
    registry.load(digest)?;
    if args.json {
        output.json(&json!({
            "model": registry.model(), "roles": roles, "version": version, "history": history.states,
            "metrics": paper(&registry, digest, "metrics.json"), "verdict": paper(&registry, digest, "verdict.json"),
        }))?;
        return Ok(Exit::Done);
    }
    let number = headline(&paper(&registry, digest, "metrics.json"));
    let number = number.map(|(name, value)| format!(", test {name} {}", Table::cell(&value))).unwrap_or_default();
    let text = format!(
        "{} version {digest}\n{}\n{} on {} data ({}), {} training rows{number}\n\n{}",
        registry.model(),
        if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") },
        version.learner,
        version.data.source,
        version.data.file,
        version.trained_on,
        told::history(&history.states),
    );
    output.data(&text)?;
    Ok(Exit::Done)
}
