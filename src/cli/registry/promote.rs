//! `clinpipe promote`: a version takes the place of the champion, or of the challenger, when it has shown that it may.
//!
//! Every condition is judged before anything is said, so that a refusal names all that failed. The comparison takes its
//! time without the registry's lock; under the lock only the champion's name is looked at again.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::candidate::{self, Files, Loaded};
use super::rules::{self, Given, People};
use super::{record, told};
use crate::cli::args::Global;
use crate::cli::error::UsageError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::project::Opened;
use crate::cli::recording::{chain, concluded, concluded_with, origin};
use crate::cli::serve::DEFAULT_BUNDLE;
use crate::key::Digest;
use crate::registry::{
    Act, CHAMPION, Change, Comparison, ControlPlan, Move, Policy, Registry, RegistryError, Ruling, Setup, changes,
    compare,
};

/// `promote`.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The candidate: the bundle of this pipeline, or a version or alias of the registry.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BUNDLE)]
    pub bundle: PathBuf,
    /// The role that it shall have.
    #[arg(long, value_enum, default_value_t)]
    pub to: Role,
    /// Why, in the words of the person who answers for it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who answers for the candidate; otherwise who runs the command.
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Who agrees to it.
    #[arg(long, value_name = "NAME")]
    pub approver: Option<String>,
    /// What it has to show: a file, or superior, non-inferior, recalibration or seed; otherwise promotion.yaml, else
    /// superior.
    #[arg(long, value_name = "FILE|NAME")]
    pub policy: Option<String>,
    /// The registry; otherwise that of the outcome which the bundle predicts.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Refuse unless this is the champion: the beginning of its digest, or `none`.
    #[arg(long, value_name = "DIGEST")]
    pub compared_with: Option<String>,
    /// Parameters as `repro` was given them, KEY=VALUE; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Compare and judge; no role changes and no version is kept. The look at the test rows is on record all the same.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// The roles that a version can be promoted to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Answers for everybody.
    #[default]
    Champion,
    /// On trial beside the champion; it must pass the gate and the change control plan, and need not be better yet.
    Challenger,
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Champion => CHAMPION,
            Self::Challenger => "challenger",
        }
    }
}

/// What came of it.
#[derive(Serialize)]
pub(super) struct Decision {
    pub promoted: bool,
    pub dry_run: bool,
    pub model: String,
    pub to: &'static str,
    pub candidate: Digest,
    pub champion_before: Option<Digest>,
    pub policy: String,
    pub plan: Option<String>,
    pub rules: Vec<Ruling>,
    pub changes: Option<Vec<Change>>,
    pub comparison: Option<Comparison>,
}

impl Decision {
    pub(super) fn holds(&self) -> bool {
        self.rules.iter().all(|rule| rule.passed)
    }
}

/// Judges, and promotes what passed.
pub(in crate::cli) fn run(global: &Global, args: &PromoteArgs, output: &Output) -> anyhow::Result<Exit> {
    if args.reason.trim().is_empty() {
        return Err(UsageError::new("the reason is empty", "say with --reason why the model shall be promoted").into());
    }
    rules::check_names(&[args.author.as_deref(), args.approver.as_deref()])?;
    let opened = Opened::load(global, &args.set)?;
    let policy = rules::policy(&opened, args.policy.as_deref())?;
    let plan = rules::plan(&opened)?;
    let (registry, known) = candidate::place(&opened, &args.bundle, args.model.as_deref())?;
    let judged = Judge { opened: &opened, registry: &registry, policy: &policy, plan: plan.as_ref(), args };
    let champion = record::history(&opened, &registry)?.now().and_then(|state| state.champion);
    let (candidate, mut rulings) = match known {
        Some(digest) => {
            let candidate = Loaded::of(&registry, digest)?;
            let registered = rules::registered(&opened, &registry, &candidate)?;
            (candidate, vec![registered])
        }
        None => match candidate::of_pipeline(&opened, &registry, &args.bundle)? {
            Ok((fresh, up_to_date)) => {
                let failed = if args.dry_run { None } else { fresh.register(&opened, &registry)? };
                (fresh.loaded, std::iter::once(up_to_date).chain(failed).collect())
            }
            Err(stale) => return judged.conclude(judged.stale(stale, champion)?, output),
        },
    };
    rulings.extend(expected(args.compared_with.as_deref(), champion));
    let champion = champion.map(|digest| Loaded::of(&registry, digest)).transpose()?;
    if let Some(champion) = &champion {
        rulings.push(rules::registered(&opened, &registry, champion)?);
    }
    let decision = judged.decide(&candidate, champion.as_ref(), rulings)?;
    let looked = decision.comparison.as_ref().map(|comparison| {
        let sides: Vec<&Loaded> = std::iter::once(&candidate).chain(champion.as_ref()).collect();
        record::looked(&opened, comparison, &sides)
    });
    let exit = judged.conclude(decision, output)?;
    let hint = "make the file writable and compare again: a look at the test rows belongs on record";
    Ok(concluded_with(looked.and_then(Result::err), exit, "the models were compared on the test rows", hint, output))
}

/// Whether the champion is the one that somebody saw a comparison with.
fn expected(asked: Option<&str>, champion: Option<Digest>) -> Option<Ruling> {
    let asked = asked?;
    let (now, fits) = match champion {
        Some(champion) => (champion.to_string(), asked.len() >= 4 && champion.to_string().starts_with(asked)),
        None => ("none".to_owned(), asked == "none"),
    };
    Some(Ruling::new(
        "compared_with",
        fits,
        format!("the champion is {now}, the comparison was with {asked}; compare again"),
    ))
}

struct Judge<'a> {
    opened: &'a Opened,
    registry: &'a Registry,
    policy: &'a Given<Policy>,
    plan: Option<&'a Given<ControlPlan>>,
    args: &'a PromoteArgs,
}

impl Judge<'_> {
    /// The refusal of what the lock does not vouch for: of that nothing else can be judged.
    fn stale(&self, ruling: Ruling, champion: Option<Digest>) -> anyhow::Result<Decision> {
        Ok(self.decision(candidate::digest(&self.args.bundle)?, champion, vec![ruling]))
    }

    fn decision(&self, candidate: Digest, champion_before: Option<Digest>, rules: Vec<Ruling>) -> Decision {
        Decision {
            promoted: false,
            dry_run: self.args.dry_run,
            model: self.registry.model().to_owned(),
            to: self.args.to.as_str(),
            candidate,
            champion_before,
            policy: self.policy.name.clone(),
            plan: self.plan.map(|plan| plan.rules.name.clone()),
            rules,
            changes: None,
            comparison: None,
        }
    }

    fn author(&self) -> String {
        self.args.author.clone().unwrap_or_else(|| origin(self.opened).actor)
    }

    fn decide(
        &self,
        candidate: &Loaded,
        champion: Option<&Loaded>,
        mut rules: Vec<Ruling>,
    ) -> anyhow::Result<Decision> {
        let Self { opened, policy, args, .. } = *self;
        let author = self.author();
        rules.push(rules::gate(candidate));
        rules.extend(People { author: &author, approver: args.approver.as_deref() }.ruling(policy.rules.four_eyes));
        let (audited, chain) = rules::audited(&chain(opened), &policy.rules, &opened.project.pipeline.root)?;
        rules.push(audited);
        rules.extend(rules::signatures(&policy.rules, candidate.digest, &author, &chain));
        if let Some(champion) = champion.filter(|champion| champion.digest == candidate.digest) {
            rules.push(Ruling::new("new", false, format!("{} is the champion already", champion.digest.short())));
        }
        let compared = self.compare(candidate, champion)?;
        let comparison = match compared {
            Ok(comparison) => Some(comparison),
            Err(ruling) => {
                // A challenger need not be comparable yet.
                rules.extend((args.to == Role::Champion).then_some(ruling));
                None
            }
        };
        if let Some(comparison) = comparison.as_ref().filter(|_| args.to == Role::Champion) {
            rules.extend(policy.rules.judge(comparison));
        }
        let changes = champion.map(|champion| changes(&candidate.version, &champion.version));
        if let Some(plan) = self.plan {
            rules.extend(plan.rules.judge(&candidate.version, changes.as_deref(), comparison.as_ref()));
        }
        let decision = self.decision(candidate.digest, champion.map(|champion| champion.digest), rules);
        Ok(Decision { changes, comparison, ..decision })
    }

    /// The comparison, or the condition that fails when there can be none.
    fn compare(&self, candidate: &Loaded, champion: Option<&Loaded>) -> anyhow::Result<Result<Comparison, Ruling>> {
        let files = Files::of(self.opened, &candidate.version.test)?;
        let policy = &self.policy.rules;
        let key = self.registry.row_key()?;
        let setup = Setup {
            key: &key,
            table: files.table.clone(),
            split: files.split.clone(),
            confidence: policy.confidence,
            resamples: policy.resamples,
        };
        let other = champion.map(Loaded::side);
        Ok(compare(&setup, &candidate.side(), other.as_ref())
            .map_err(|error| Ruling::new("comparison", false, error.to_string())))
    }

    fn conclude(&self, mut decision: Decision, output: &Output) -> anyhow::Result<Exit> {
        let Self { opened, registry, args, .. } = *self;
        if args.dry_run {
            let exit = if decision.holds() { Exit::Done } else { Exit::No };
            told::decision(&decision, args.json, output)?;
            return Ok(exit);
        }
        let object = registry.alias(args.to.as_str());
        if decision.holds() {
            let held = registry.lock()?;
            record::settle(opened, registry, &held)?;
            match held.prepare(decision.champion_before, self.movement(&decision)) {
                Ok(state) => {
                    if let Err(error) = record::moved(opened, registry, &state) {
                        let hint = "make the file writable and repeat the command";
                        let exit = concluded_with(Some(error), Exit::Done, "nothing was promoted", hint, output);
                        return told::decision(&decision, args.json, output).map(|()| exit);
                    }
                    held.point(&state)?;
                    decision.promoted = true;
                    return told::decision(&decision, args.json, output).map(|()| Exit::Done);
                }
                Err(error @ RegistryError::Moved { .. }) => {
                    decision.rules.push(Ruling::new("same_champion", false, format!("{error}; compare again")));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let asked = ("promote", args.reason.as_str());
        let recorded = record::refused(opened, object, asked, Some(decision.candidate), &decision.rules);
        told::decision(&decision, args.json, output)?;
        Ok(concluded(recorded.err(), Exit::No, "nothing was promoted", output))
    }

    fn movement(&self, decision: &Decision) -> Move {
        let origin = origin(self.opened);
        let details = json!({
            "policy": {"name": self.policy.name, "digest": self.policy.digest},
            "plan": self.plan.map(|plan| json!({"name": plan.rules.name, "digest": plan.digest})),
            "rules": decision.rules,
            "changes": decision.changes,
            "comparison": decision.comparison,
        });
        Move {
            act: match self.args.to {
                Role::Champion => Act::Promotion,
                Role::Challenger => Act::Challenge,
            },
            version: decision.candidate,
            author: self.author(),
            actor: origin.actor,
            approver: self.args.approver.clone(),
            reason: self.args.reason.clone(),
            utc: origin.utc,
            details,
        }
    }
}
