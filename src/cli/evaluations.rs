//! Which models met which test rows: in this run, and in runs that left no record of it.
//!
//! A run that is killed leaves its results in the journal, the lock or the action cache, and the next one may replace
//! them before anybody has read them. So what an earlier run left is remembered before a run begins, and read when a
//! record is written; the chain leaves out what it knows. Nothing is guessed: a result whose bytes are gone is named as
//! lost. This module reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::project::Opened;
use super::recording::{documents, is_json, stages_of};
use crate::audit::{Evaluation, State, TestRows};
use crate::config::{StageDef, Work};
use crate::key::{ContentRecord, Digest};
use crate::sched::RunReport;
use crate::store::{Lock, Store};
use crate::util::RelPath;

/// The built-in that evaluates.
const EVALUATE: &str = "evaluate";

/// Members of a bundle that change no answer and no decision: the names of risk levels and what is to be done about
/// them, how answers are named, what later data are compared with, and the models that the model is compared with.
/// Whatever is not named here counts.
const WITHOUT_EFFECT: [&str; 5] =
    ["baseline_constant.json", "baseline_linear.json", "profile.json", "reference.json", "tiers.json"];

/// The outputs of a result.
type Outs = BTreeMap<RelPath, ContentRecord>;

/// What runs that did not end had left when this one began.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// The lock with what the journals hold; none without journals.
    lock: Option<Lock>,
    /// The documents of evaluations in the workspace.
    documents: BTreeMap<Digest, Vec<u8>>,
}

impl Earlier {
    /// Reads it, before the run. Empty where nothing is evaluated; what cannot be read is for the run to complain about.
    pub(super) fn read(opened: &Opened) -> Self {
        let mut earlier = Self::default();
        let root = &opened.project.pipeline.root;
        for out in evaluate_stages(opened).flat_map(|stage| &stage.outs).filter(|out| is_json(&out.path)) {
            if let Ok(bytes) = fs::read(out.path.under(root)) {
                earlier.documents.insert(Digest::of(&bytes), bytes);
            }
        }
        if evaluate_stages(opened).next().is_some() {
            let workspace = opened.workspace();
            earlier.lock = workspace.has_journals().then(|| workspace.current_lock().ok()).flatten();
        }
        earlier
    }
}

/// What earlier runs left without a record.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The evaluations.
    pub evaluations: Vec<Evaluation>,
    /// Stage → keys of results of which nobody can say any more which model met which rows.
    pub lost: BTreeMap<String, BTreeSet<String>>,
}

/// The evaluations of the stages that are up to date after a run.
pub(super) fn of_run(opened: &Opened, report: &RunReport) -> Vec<Evaluation> {
    let found = stages_of(opened, report, EVALUATE).flat_map(|(stage, _)| {
        let found = documents(opened, stage).filter_map(move |(path, document)| {
            let evaluation = evaluation(path, &document)?;
            Some(Evaluation { model: model(opened, stage, &evaluation.bundle), ..evaluation })
        });
        found.collect::<Vec<_>>()
    });
    found.collect()
}

/// The evaluations of results that runs before this one made and that `known` may not tell of. Results that were in the
/// lock or a journal are always read, so that a record which was torn or cut off comes again; those that are in the
/// store only, when no record names their key.
pub(super) fn left(opened: &Opened, report: &RunReport, earlier: &Earlier, known: &State) -> Left {
    let mut left = Left::default();
    let stages: Vec<&StageDef> = evaluate_stages(opened).collect();
    if stages.is_empty() {
        return left;
    }
    let store = Store::new(&opened.project.pipeline.root);
    let is_known = |stage: &StageDef, key: &str| !known.torn && known.ledger.has_result(&stage.name.0, key);
    let locks = [Some(&*report.committed), earlier.lock.as_ref(), Some(&*report.lock)];
    for stage in &stages {
        let records = locks.iter().flatten().filter_map(|lock| lock.stages.get(&stage.name));
        for record in records {
            let key = record.key.to_string();
            match read(opened, &store, stage, &record.outs, earlier) {
                Some(evaluation) => left.evaluations.push(Evaluation { recovered: Some(key), ..evaluation }),
                None if is_known(stage, &key) => {}
                None => drop(left.lost.entry(stage.name.0.clone()).or_default().insert(key)),
            }
        }
    }
    // A store that cannot be listed tells nothing.
    for key in store.action_keys().unwrap_or_default() {
        let name = key.to_string();
        let found = stages.iter().filter(|stage| !is_known(stage, &name)).find_map(|stage| {
            let outs = store.action(key)?.outs_from(&stage.file.parent())?;
            let paths: BTreeSet<&RelPath> = stage.outs.iter().map(|out| &out.path).collect();
            outs.keys().eq(paths).then(|| read(opened, &store, stage, &outs, earlier)).flatten()
        });
        left.evaluations.extend(found.map(|found| Evaluation { recovered: Some(name), ..found }));
    }
    left
}

fn evaluate_stages(opened: &Opened) -> impl Iterator<Item = &StageDef> {
    let stages = opened.project.pipeline.stages.values();
    stages.filter(|stage| matches!(&stage.work, Work::Builtin(name) if name == EVALUATE))
}

/// What a result says was evaluated: from the store, from what stood in the workspace before the run, or from what stands
/// there now.
fn read(opened: &Opened, store: &Store, stage: &StageDef, outs: &Outs, earlier: &Earlier) -> Option<Evaluation> {
    let root = &opened.project.pipeline.root;
    // The shortest first: each document of the stage says the same.
    let mut documents: Vec<(&RelPath, &ContentRecord)> = outs.iter().filter(|(path, _)| is_json(path)).collect();
    documents.sort_by_key(|(path, record)| (record.size, *path));
    documents.into_iter().find_map(|(path, record)| {
        let stored = || store.cas().read(record.digest).ok();
        let stood = || earlier.documents.get(&record.digest).cloned();
        let stands = || fs::read(path.under(root)).ok().filter(|bytes| Digest::of(bytes) == record.digest);
        let bytes = stood().or_else(stored).or_else(stands)?;
        let evaluation = evaluation(path, &serde_json::from_slice(&bytes).ok()?)?;
        Some(Evaluation { model: model(opened, stage, &evaluation.bundle), ..evaluation })
    })
}

fn evaluation(path: &RelPath, document: &Value) -> Option<Evaluation> {
    let evaluated = document.get("evaluated")?;
    let ids = evaluated["rows"].as_str().or_else(|| evaluated["rows"]["row_ids"].as_str())?;
    let rows = TestRows { ids: ids.to_owned(), content: evaluated["content"].as_str().unwrap_or_default().to_owned() };
    let bundle = evaluated["bundle"].as_str()?.to_owned();
    Some(Evaluation { file: path.to_string(), rows, bundle, model: None, recovered: None })
}

/// The digest of what in a bundle can change an answer or a decision: BLAKE3 of the JSON object (sorted, no blanks) of
/// its members' digests by name, without those [`WITHOUT_EFFECT`]. None when the manifest with the digest `bundle` is
/// neither in the store nor among the inputs of the stage.
fn model(opened: &Opened, stage: &StageDef, bundle: &str) -> Option<String> {
    let root = &opened.project.pipeline.root;
    let digest: Digest = bundle.parse().ok()?;
    let stored = Store::new(root).cas().read(digest).ok();
    let inputs = stage.deps.iter().map(|dep| dep.path.under(root).join("bundle.json"));
    let bytes =
        stored.or_else(|| inputs.filter_map(|path| fs::read(path).ok()).find(|bytes| Digest::of(bytes) == digest))?;
    model_of_bundle(&serde_json::from_slice(&bytes).ok()?)
}

/// The digest of what can change an answer, of a bundle with this manifest.
pub(super) fn model_of_bundle(manifest: &Value) -> Option<String> {
    let members = manifest.get("members")?.as_object()?.iter();
    let members = members.filter(|(name, _)| !WITHOUT_EFFECT.contains(&name.as_str()));
    let digests: Option<BTreeMap<&String, &str>> =
        members.map(|(name, member)| Some((name, member.get("blake3")?.as_str()?))).collect();
    let digests = digests.filter(|digests| !digests.is_empty())?;
    Some(Digest::of(serde_json::to_string(&digests).ok()?.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_told_by_what_can_change_an_answer() {
        let of = |model: &str, tiers: &str, file: &str| {
            let (model, tiers) = (json!({"blake3": model, "size": 1}), json!({"blake3": tiers, "size": 1}));
            let data = json!({"file": file});
            model_of_bundle(&json!({"data": data, "members": {"model.json": model, "tiers.json": tiers}}))
        };
        let one = of("m", "t", "a.csv");
        assert!(one.is_some());
        assert_eq!(one, Some(Digest::of(br#"{"model.json":"m"}"#).to_string()));
        assert_eq!(one, of("m", "u", "b.csv"));
        assert_ne!(one, of("n", "t", "a.csv"));
        assert_eq!(model_of_bundle(&json!({"members": {"tiers.json": {"blake3": "t"}}})), None);
        assert_eq!(model_of_bundle(&json!({"members": {"model.json": {}}})), None);
    }
}
