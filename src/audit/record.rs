//! One line of the chain: its fields, its one spelling, its hash.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SCHEMA_VERSION;
use crate::key::Digest;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `repro` ran or restored stages.
    Run,
    /// `commit` took outputs as they are, without running.
    Commit,
    /// The stage `gate` judged a model.
    Gate,
    /// `metrics diff --gate` judged metrics.
    MetricsGate,
    /// Somebody answers for a finding of the leakage stage.
    Waiver,
    /// A model was evaluated on rows that it had not been evaluated on before.
    TestEvaluation,
    /// A model was added to the registry, or got other papers there.
    Registration,
    /// A model became the one that is used.
    Promotion,
    /// An earlier model became the one that is used again.
    Rollback,
    /// A threshold was set by hand.
    ThresholdChange,
    /// A promotion or a rollback was asked for and refused.
    Refusal,
    /// A service began to answer.
    ServiceStart,
    /// A service took another bundle.
    ServiceModel,
    /// A service ended.
    ServiceStop,
    /// Somebody signed an object, or the chain up to a record.
    Signature,
    /// Something was removed.
    Deletion,
    /// What a write that was cut short had left was found before this record.
    Recovery,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 17] = [
        Self::Run,
        Self::Commit,
        Self::Gate,
        Self::MetricsGate,
        Self::Waiver,
        Self::TestEvaluation,
        Self::Registration,
        Self::Promotion,
        Self::Rollback,
        Self::ThresholdChange,
        Self::Refusal,
        Self::ServiceStart,
        Self::ServiceModel,
        Self::ServiceStop,
        Self::Signature,
        Self::Deletion,
        Self::Recovery,
    ];

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Commit => "commit",
            Self::Gate => "gate",
            Self::MetricsGate => "metrics_gate",
            Self::Waiver => "waiver",
            Self::TestEvaluation => "test_evaluation",
            Self::Registration => "registration",
            Self::Promotion => "promotion",
            Self::Rollback => "rollback",
            Self::ThresholdChange => "threshold_change",
            Self::Refusal => "refusal",
            Self::ServiceStart => "service_start",
            Self::ServiceModel => "service_model",
            Self::ServiceStop => "service_stop",
            Self::Signature => "signature",
            Self::Deletion => "deletion",
            Self::Recovery => "recovery",
        }
    }

    /// Whether a record of it must say why.
    pub fn needs_reason(self) -> bool {
        matches!(self, Self::Waiver | Self::Promotion | Self::Rollback | Self::ThresholdChange | Self::Deletion)
    }
}

/// What a caller wants to have recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What was done.
    pub action: Action,
    /// To what: a path of the project, or the name of a finding or a model.
    pub object: String,
    /// The digest of the object as it was, where it has one.
    pub before: Option<Digest>,
    /// The digest of the object as it is now, where it has one.
    pub after: Option<Digest>,
    /// Why, in the words of the person who answers for it.
    pub reason: Option<String>,
    /// What else belongs to it.
    pub details: Map<String, Value>,
}

impl Entry {
    /// An entry without digests, reason and details.
    pub fn new(action: Action, object: impl Into<String>) -> Self {
        Self { action, object: object.into(), before: None, after: None, reason: None, details: Map::new() }
    }
}

/// A line of the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What was done.
    pub action: Action,
    /// Who did it, as far as the environment tells.
    pub actor: String,
    /// The digest of the object after it.
    pub after: Option<Digest>,
    /// The digest of the object before it.
    pub before: Option<Digest>,
    /// What else belongs to it.
    pub details: Map<String, Value>,
    /// BLAKE3 of the line without this field.
    pub hash: Digest,
    /// To what it was done.
    pub object: String,
    /// The hash of the record before; zeros in the first.
    pub prev: Digest,
    /// Why.
    pub reason: Option<String>,
    /// The version of this format.
    pub schema_version: u32,
    /// Counted from 0.
    pub seq: u64,
    /// When: RFC 3339 in UTC, by the clock of the machine.
    pub utc: String,
}

impl Record {
    /// The record of an entry at its place in the chain.
    ///
    /// # Errors
    /// When the details cannot be expressed in JSON.
    pub fn new(entry: Entry, seq: u64, prev: Digest, utc: &str, actor: &str) -> serde_json::Result<Self> {
        let Entry { action, object, before, after, reason, details } = entry;
        let mut record = Self {
            action,
            actor: actor.to_owned(),
            after,
            before,
            details,
            hash: Digest::from_bytes([0; 32]),
            object,
            prev,
            reason,
            schema_version: SCHEMA_VERSION,
            seq,
            utc: utc.to_owned(),
        };
        record.hash = record.content_hash()?;
        Ok(record)
    }

    /// The hash that the content of the record gives.
    ///
    /// # Errors
    /// When the details cannot be expressed in JSON.
    pub fn content_hash(&self) -> serde_json::Result<Digest> {
        let mut value = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut value {
            fields.remove("hash");
        }
        Ok(Digest::of(serde_json::to_string(&value)?.as_bytes()))
    }

    /// The record as a line, without its end: JSON with sorted keys and no blanks.
    ///
    /// # Errors
    /// When the details cannot be expressed in JSON.
    pub fn line(&self) -> serde_json::Result<String> {
        // A serde_json object is ordered by key, so the detour through `Value` sorts every object.
        serde_json::to_string(&serde_json::to_value(self)?)
    }

    /// Reads a line, whatever its hash.
    ///
    /// # Errors
    /// When it is no record.
    pub fn parse(line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }

    /// Whether a line that is no record was one, or is one of another format: a JSON object that is whole. What a write
    /// left that was cut short never is.
    pub fn was(line: &[u8]) -> bool {
        serde_json::from_slice::<Map<String, Value>>(line).is_ok()
    }

    /// Whether a line is this record, spelled as it is written and with the hash of its content.
    pub fn is_sound(&self, line: &[u8]) -> bool {
        self.content_hash().is_ok_and(|hash| hash == self.hash) && self.line().is_ok_and(|text| text.as_bytes() == line)
    }
}

/// Bytes that are no record, found after the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// How many.
    pub bytes: u64,
    /// Their digest.
    pub blake3: Digest,
}

impl Damage {
    /// The entry that vouches for it.
    pub(super) fn entry(self, object: &str) -> Entry {
        let mut entry = Entry::new(Action::Recovery, object);
        entry.details.insert("bytes".to_owned(), Value::from(self.bytes));
        entry.details.insert("blake3".to_owned(), Value::from(self.blake3.to_string()));
        entry
    }

    /// What a record of a recovery vouches for.
    pub(super) fn of(record: &Record) -> Option<Self> {
        (record.action == Action::Recovery)
            .then(|| serde_json::from_value(Value::Object(record.details.clone())).ok())
            .flatten()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::audit) fn record(seq: u64, prev: Digest) -> Record {
        let mut entry = Entry::new(Action::Run, "pipeline.yaml");
        entry.details.insert("ran".to_owned(), Value::from(vec!["train"]));
        Record::new(entry, seq, prev, "2026-01-02T03:04:05.678Z", "ana").expect("JSON")
    }

    #[test]
    fn a_line_is_canonical_and_carries_the_hash_of_its_content() {
        let record = record(3, Digest::of(b"before"));
        let line = record.line().expect("JSON");
        assert!(line.starts_with(r#"{"action":"run","actor":"ana","after":null,"before":null,"details":{"ran":["#));
        assert_eq!(Record::parse(line.as_bytes()).expect("parses"), record);
        assert!(record.is_sound(line.as_bytes()));
        // The hash can be computed by anybody: cut the field out and hash what is left.
        let without = line.replace(&format!(r#""hash":"{}","#, record.hash), "");
        assert_eq!(Digest::of(without.as_bytes()), record.hash);
    }

    #[test]
    fn any_other_spelling_or_content_is_unsound() {
        let record = record(0, Digest::from_bytes([0; 32]));
        let line = record.line().expect("JSON");
        for (from, to) in [("ana", "bob"), ("\"seq\":0", "\"seq\":1"), (",\"utc\"", ", \"utc\""), ("train", "trai")] {
            let changed = line.replace(from, to);
            let parsed = Record::parse(changed.as_bytes()).expect("still a record");
            assert!(!parsed.is_sound(changed.as_bytes()), "{from} → {to}");
        }
    }

    #[test]
    fn names_are_those_of_the_file() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).expect("JSON"), Value::from(action.name()));
        }
    }
}
