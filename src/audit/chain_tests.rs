//! Appending to a chain, and what is known of it.

use std::fs;

use super::AuditError;
use super::chain::{Chain, Origin, State};
use super::ledger::{Evaluation, TestRows};
use super::record::{Action, Entry, Record};
use super::signature::{Meaning, Signer, Statement};
use super::verify::verify;
use crate::key::Digest;
use crate::store::Store;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join(".clinpipe")).expect("created");
        Self { dir }
    }

    fn chain(&self) -> Chain {
        Chain::new(self.dir.path(), &Store::new(self.dir.path()))
    }

    fn append(&self, entries: Vec<Entry>) -> State {
        let origin = Origin { actor: "ana".to_owned(), utc: "2026-01-02T03:04:05.678Z".to_owned() };
        self.chain().append(&origin, entries).expect("appended")
    }
}

fn rows_of(ids: &str, content: &str) -> TestRows {
    TestRows { ids: ids.to_owned(), content: content.to_owned() }
}

fn evaluation(rows: TestRows, bundle: &str, model: Option<&str>) -> Entry {
    let (file, bundle, model) = ("artifacts/metrics.json".to_owned(), bundle.to_owned(), model.map(str::to_owned));
    Evaluation { file, rows, bundle, model, recovered: None }.entry()
}

fn test(rows: &str, bundle: &str) -> Entry {
    evaluation(rows_of(rows, "1"), bundle, None)
}

#[test]
fn a_pair_is_recorded_once_and_models_are_counted_by_rows() {
    let place = Place::new();
    place.append(vec![test("r", "a"), test("r", "a"), test("r", "b")]);
    let State { head, ledger, .. } = place.append(vec![test("r", "a"), test("s", "a")]);
    assert_eq!(head.map(|head| head.seq), Some(2));
    let uses: Vec<_> = ledger.test_uses().into_iter().map(|used| (used.rows, used.models, used.label)).collect();
    assert_eq!(uses, [("r".to_owned(), 2, "development"), ("s".to_owned(), 1, "test")]);
    // Nothing new is nothing to write.
    let bytes = fs::read(place.chain().path()).expect("readable");
    place.append(vec![test("r", "b")]);
    assert_eq!(fs::read(place.chain().path()).expect("readable"), bytes);
}

#[test]
fn what_the_chain_knows_is_kept_or_read_again_with_the_same_result() {
    let place = Place::new();
    let mut entries: Vec<Entry> = (0..200).map(|at| test("r", &at.to_string())).collect();
    entries.push(Entry::new(Action::Run, "pipeline.yaml"));
    let kept = place.append(entries);
    assert!(place.dir.path().join(".clinpipe/derived").is_dir());
    assert_eq!(place.chain().state().expect("readable"), kept);
    fs::remove_dir_all(place.dir.path().join(".clinpipe")).expect("removed");
    assert_eq!(place.chain().state().expect("readable"), kept);
}

/// What the chain knows is kept, so what is damaged at its beginning costs no knowledge; but it is told.
#[test]
fn what_is_damaged_at_the_beginning_is_told_and_stops_no_append() {
    let place = Place::new();
    place.append((0..2000).map(|at| test("r", &at.to_string())).collect());
    let path = place.chain().path().to_owned();
    let mut bytes = fs::read(&path).expect("readable");
    bytes[..100_000].fill(b'x');
    fs::write(&path, bytes).expect("written");
    let State { head, ledger, fault, .. } = place.append(vec![test("r", "7"), test("r", "new")]);
    assert_eq!(fault.and_then(|fault| fault.line), Some(1));
    assert_eq!(head.map(|head| head.seq), Some(2000));
    assert_eq!(ledger.test_use(&rows_of("r", "1")).map(|used| used.models), Some(2001));
}

#[test]
fn what_needs_a_reason_is_refused_without() {
    let place = Place::new();
    let origin = Origin { actor: "ana".to_owned(), utc: String::new() };
    for action in Action::ALL.into_iter().filter(|action| action.needs_reason()) {
        let mut entry = Entry::new(action, "champion");
        entry.reason = Some("  ".to_owned());
        let refused = place.chain().append(&origin, vec![entry.clone()]);
        assert!(matches!(refused, Err(AuditError::NoReason(_))));
        entry.reason = Some("paired test passed".to_owned());
        place.chain().append(&origin, vec![entry]).expect("appended");
    }
}

#[test]
fn a_waiver_is_recorded_when_it_is_new_or_changed() {
    let place = Place::new();
    let waiver = |content: &[u8]| {
        let mut entry = Entry::new(Action::Waiver, "single_feature: days");
        (entry.after, entry.reason) = (Some(Digest::of(content)), Some("known".to_owned()));
        entry
    };
    let seqs: Vec<_> = [b"one", b"one", b"two", b"two", b"one"]
        .into_iter()
        .map(|content| place.append(vec![waiver(content)]).head.map(|head| head.seq))
        .collect();
    assert_eq!(seqs, [Some(0), Some(0), Some(1), Some(1), Some(2)]);
}

#[test]
fn the_same_ids_with_other_values_are_other_rows_and_said_to_be() {
    let place = Place::new();
    let on = |content: &str, model: &str| evaluation(rows_of("r", content), model, None);
    let ledger = place.append(vec![on("1", "a"), on("2", "b"), on("2", "c")]).ledger;
    let used = |content: &str| ledger.test_use(&rows_of("r", content)).expect("used");
    assert_eq!((used("1").models, used("1").label, used("1").elsewhere), (1, "test", 2));
    assert_eq!((used("2").models, used("2").label, used("2").elsewhere), (2, "development", 1));
    assert!(used("1").sentence().contains("2 more models on rows with the same ids and other values"));
    // A record from before values were told apart counts as values of its own.
    let mut old = on("", "d");
    old.details.remove("content");
    let ledger = place.append(vec![old]).ledger;
    assert_eq!(ledger.test_use(&rows_of("r", "1")).map(|used| used.elsewhere), Some(3));
}

/// Two bundles that answer alike are one model, also after records that named bundles only.
#[test]
fn bundles_of_one_model_are_counted_once() {
    let place = Place::new();
    let on = |bundle: &str, model| evaluation(rows_of("r", "1"), bundle, model);
    let append = |entry| {
        let State { head, ledger, .. } = place.append(vec![entry]);
        let used = ledger.test_use(&rows_of("r", "1")).expect("used");
        (head.expect("a record").seq, used.models)
    };
    assert_eq!(append(on("b1", None)), (0, 1));
    assert_eq!(append(on("b1", Some("m"))), (1, 1), "the model of a known bundle is worth a record");
    assert_eq!(append(on("b2", Some("m"))), (1, 1), "another bundle of it is not");
    assert_eq!(append(on("b1", None)), (1, 1), "the bundle's manifest is gone, its model is known");
    assert_eq!(append(on("b3", Some("n"))), (2, 2));
    assert_eq!(append(on("b4", None)), (3, 3), "what is not known to be the same is another");
    let read_again = place.chain().records().expect("readable");
    let ledger = super::ledger::Ledger::of(&read_again);
    assert_eq!(ledger.test_uses().first().map(|used| used.models), Some(3));
}

#[test]
fn results_are_known_by_stage_and_key() {
    let mut run = Entry::new(Action::Run, "pipeline.yaml");
    run.details.insert("ran".to_owned(), serde_json::json!({"train": "k1"}));
    run.details.insert("unrecorded".to_owned(), serde_json::json!({"split": "k2"}));
    run.details.insert("evaluations_lost".to_owned(), serde_json::json!({"evaluate": ["k4", "k5"]}));
    let mut commit = Entry::new(Action::Commit, "pipeline.yaml");
    commit.details.insert("keys".to_owned(), serde_json::json!({"gate": "k3"}));
    commit.details.insert("accepted".to_owned(), serde_json::json!({"gate": []}));
    let mut old = Entry::new(Action::Commit, "pipeline.yaml");
    old.details.insert("accepted".to_owned(), serde_json::json!({"old": []}));
    let ledger = Place::new().append(vec![run, commit, old]).ledger;
    let knows = |stage: &str, key: &str| ledger.has_result(stage, key);
    assert!(knows("train", "k1") && knows("split", "k2") && knows("gate", "k3") && knows("old", "any"));
    assert!(knows("evaluate", "k4") && knows("evaluate", "k5"));
    assert!(!knows("train", "k2") && !knows("split", "k1") && !knows("gate", "k1"));
}

#[test]
fn an_edit_before_the_end_of_a_short_chain_is_told_when_it_is_continued() {
    let place = Place::new();
    place.append(vec![test("r", "a"), test("r", "b"), test("r", "c")]);
    let path = place.chain().path().to_owned();
    let text = fs::read_to_string(&path).expect("readable").replacen("ana", "bob", 1);
    fs::write(&path, text).expect("written");
    let state = place.append(vec![test("r", "d")]);
    assert_eq!(state.head.map(|head| head.seq), Some(3));
    assert_eq!(state.fault.and_then(|fault| fault.line), Some(1));
}

#[test]
fn a_signature_made_without_a_chain_can_begin_one_and_be_grafted_onto_none() {
    let place = Place::new();
    let signer = Signer::make("ana", &place.dir.path().join("ana.key")).expect("a key");
    let (zero, utc) = (Digest::from_bytes([0; 32]), "2026-01-02T03:04:05.678Z");
    let statement = Statement::new(Meaning::Approval, signer.name(), "bundle", Digest::of(b"x"), zero, utc);
    let signature = signer.sign(&statement).expect("JSON");
    let fault = |records: &[&Record]| {
        let lines: Vec<String> = records.iter().map(|record| record.line().expect("JSON") + "\n").collect();
        verify(lines.concat().as_bytes(), &[]).expect("read").fault.map(|fault| (fault.line, fault.message))
    };
    let first = Record::new(signature.clone(), 0, zero, utc, "ana").expect("JSON");
    assert_eq!(fault(&[&first]), None);
    let other = Record::new(Entry::new(Action::Run, "pipeline.yaml"), 0, zero, utc, "ana").expect("JSON");
    let grafted = Record::new(signature.clone(), 1, other.hash, utc, "ana").expect("JSON");
    let (line, message) = fault(&[&other, &grafted]).expect("found");
    assert!(line == Some(2) && message.contains("record 1: it was signed where there was no chain"), "{message}");
    // Nor does a chain that was begun meanwhile take it.
    assert_eq!(place.append(vec![signature.clone()]).head.map(|head| head.seq), Some(0));
    let origin = Origin { actor: "ana".to_owned(), utc: utc.to_owned() };
    for entries in [vec![signature.clone()], vec![Entry::new(Action::Run, "pipeline.yaml"), signature]] {
        assert!(matches!(place.chain().append(&origin, entries), Err(AuditError::Begun)));
    }
    assert!(verify(fs::File::open(place.chain().path()).expect("there"), &[]).expect("read").fault.is_none());
}
