//! `clinpipe registry rollback`: the champion before is the champion again.
//!
//! One command without a comparison: it is for the hour in which the new model is wrong. It still needs a reason, and is
//! refused when the version to return to is damaged.

use clap::Args;
use serde_json::json;

use super::rules::check_names;
use super::{record, registry};
use crate::audit::AuditError;
use crate::cli::error::UsageError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::project::Opened;
use crate::cli::recording::{concluded, concluded_with, origin};
use crate::key::Digest;
use crate::registry::{Act, CHAMPION, Move, Registry, Ruling, State};

/// `registry rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Why, in the words of the person who answers for it.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// An earlier champion to return to: the beginning of its digest; otherwise the one before.
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
    /// The registry; may be left out when there is one.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Who answers for it; otherwise who runs the command.
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Who agrees to it.
    #[arg(long, value_name = "NAME")]
    approver: Option<String>,
    /// Print the result as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opened: &Opened, args: &RollbackArgs, output: &Output) -> anyhow::Result<Exit> {
    if args.reason.trim().is_empty() {
        return Err(UsageError::new("the reason is empty", "say with --reason why").into());
    }
    check_names(&[args.author.as_deref(), args.approver.as_deref()])?;
    let registry = registry(opened, args.model.as_deref())?;
    let held = registry.lock()?;
    let (state, unread) = match record::settle(opened, &registry, &held) {
        Ok(mut states) => (states.pop(), None),
        Err(error) => without_chain(opened, &registry, error)?,
    };
    let state = state.as_ref();
    let target = match target(&registry, state, args.to.as_deref()) {
        Ok(target) => target,
        Err(reason) => {
            let rules = [Ruling::new("earlier_champion", false, reason)];
            return refuse(opened, &registry, args, &rules, output);
        }
    };
    let origin = origin(opened);
    let done = Move {
        act: Act::Rollback,
        version: target,
        author: args.author.clone().unwrap_or_else(|| origin.actor.clone()),
        actor: origin.actor,
        approver: args.approver.clone(),
        reason: args.reason.clone(),
        utc: origin.utc,
        details: json!({}),
    };
    let now = held.prepare(state.and_then(|state| state.champion), done)?;
    let failed = unread.or_else(|| record::moved(opened, &registry, &now).err());
    held.point(&now)?;
    if args.json {
        output.json(
            &json!({"model": registry.model(), "champion": now.champion, "champion_before": now.compared_with}),
        )?;
    }
    let told = format!("{} is the champion of {} again", target.short(), registry.model());
    output.talk(&told);
    let hint = "make the file writable; the next promotion or rollback writes the record";
    Ok(concluded_with(failed, Exit::Done, &told, hint, output))
}

/// The state to go back from, and why it is not on record, when the chain cannot be read or was begun anew and tells nothing
/// of this registry: the hour of need is no time to refuse.
fn without_chain(
    opened: &Opened,
    registry: &Registry,
    error: anyhow::Error,
) -> anyhow::Result<(Option<State>, Option<AuditError>)> {
    let unread = match error.downcast::<AuditError>() {
        Ok(unread) => Some(unread),
        Err(error) if record::models(opened)?.contains(registry.model()) => return Err(error),
        Err(_) => None,
    };
    Ok((registry.history()?.pop(), unread))
}

/// The champion to return to, intact; or why there is none.
fn target(registry: &Registry, state: Option<&State>, asked: Option<&str>) -> Result<Digest, String> {
    let earlier = state.map(|state| state.earlier.as_slice()).unwrap_or_default();
    let found = match asked {
        None => earlier.last().copied(),
        Some(asked) => {
            let is_it = |version: &&Digest| asked.len() >= 4 && version.to_string().starts_with(asked);
            earlier.iter().rev().find(is_it).copied()
        }
    };
    let found = found.ok_or_else(|| match asked {
        None if state.is_none_or(|state| state.champion.is_none()) => "there is no champion".to_owned(),
        None => "no champion came before the present one".to_owned(),
        Some(asked) => format!("`{asked}` is no earlier champion (name it by 4 digits at least)"),
    })?;
    registry.load(found).map_err(|error| error.to_string())?;
    Ok(found)
}

fn refuse(
    opened: &Opened,
    registry: &Registry,
    args: &RollbackArgs,
    rules: &[Ruling],
    output: &Output,
) -> anyhow::Result<Exit> {
    let object = registry.alias(CHAMPION);
    let recorded = record::refused(opened, object, ("rollback", args.reason.as_str()), None, rules);
    if args.json {
        output.json(&json!({"model": registry.model(), "rules": rules}))?;
    }
    for rule in rules {
        output.error(&format!("error: not rolled back: {}: {}", rule.rule, rule.reason));
    }
    Ok(concluded(recorded.err(), Exit::No, "the champion is what it was", output))
}
