//! The canonical list of everything that decides what a stage does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ActionKey, Digest, ReasonKind, StaleReason};
use crate::util::RelPath;

/// Digest and size of a file or directory, as locks and records keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentRecord {
    /// BLAKE3 of the bytes, or of the member list of a directory.
    pub digest: Digest,
    /// Bytes in all.
    pub size: u64,
    /// Number of files, for a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Whether a file may be executed; not part of any key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// What a stage consumes and promises. Two writers walk it: the hasher makes the [`ActionKey`], the explainer makes
/// the [`StaleReason`]s.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The resolved commands, or `uses@version`.
    pub cmd: Vec<String>,
    /// Working directory of the commands.
    pub wdir: RelPath,
    /// Declared environment variables; `None` = unset.
    pub env: Option<BTreeMap<String, Option<String>>>,
    /// Inputs; `None` = an optional input that is absent.
    pub deps: BTreeMap<RelPath, Option<ContentRecord>>,
    /// Parameter file → dotted key → value.
    pub params: BTreeMap<RelPath, BTreeMap<String, Value>>,
    /// Paths of the outputs.
    pub outs: BTreeSet<RelPath>,
}

/// Receives a manifest entry by entry, in canonical order.
trait Writer {
    fn entry(&mut self, kind: ReasonKind, subject: &str, value: &str);
}

impl Manifest {
    fn walk(&self, writer: &mut impl Writer) {
        for (index, line) in self.cmd.iter().enumerate() {
            let subject = if index == 0 { String::new() } else { format!("line {}", index + 1) };
            writer.entry(ReasonKind::Command, &subject, line);
        }
        writer.entry(ReasonKind::Wdir, "", self.wdir.as_str());
        if let Some(env) = &self.env {
            writer.entry(ReasonKind::Env, "", "declared");
            for (name, value) in env {
                writer.entry(ReasonKind::Env, name, &value.as_ref().map_or("unset".to_owned(), |v| format!("={v}")));
            }
        }
        for (path, record) in &self.deps {
            let value = record.as_ref().map_or("absent".to_owned(), |record| record.digest.to_string());
            writer.entry(ReasonKind::Dep, path.as_str(), &value);
        }
        for (file, keys) in &self.params {
            for (key, value) in keys {
                walk_value(&format!("{file}:{key}"), value, writer);
            }
        }
        for path in &self.outs {
            writer.entry(ReasonKind::Out, path.as_str(), "declared");
        }
    }

    /// The key of this work.
    pub fn key(&self) -> ActionKey {
        let mut writer = KeyWriter(blake3::Hasher::new_derive_key("clinpipe action key v1"));
        self.walk(&mut writer);
        ActionKey(writer.0.finalize().into())
    }

    /// Every entry that differs from an older manifest, in canonical order.
    pub fn explain(&self, old: &Self) -> Vec<StaleReason> {
        let (before, after) = (old.entries(), self.entries());
        let subjects: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        subjects
            .into_iter()
            .filter(|subject| before.get(*subject) != after.get(*subject))
            .map(|subject| StaleReason {
                kind: subject.0,
                subject: subject.1.clone(),
                old: before.get(subject).cloned(),
                new: after.get(subject).cloned(),
            })
            .collect()
    }

    /// All entries by kind and subject; what `clinpipe why` prints.
    pub fn entries(&self) -> BTreeMap<(ReasonKind, String), String> {
        let mut writer = EntryWriter(BTreeMap::new());
        self.walk(&mut writer);
        writer.0
    }
}

/// One entry a leaf, so that the reason names what changed inside a block of parameters. Lists are leaves; a key with
/// a dot is quoted, so that two different blocks never have the same entries.
fn walk_value(subject: &str, value: &Value, writer: &mut impl Writer) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let is_plain = !key.is_empty() && !key.contains(['.', '"']);
                let key = if is_plain { key.clone() } else { format!("{key:?}") };
                walk_value(&format!("{subject}.{key}"), value, writer);
            }
        }
        leaf => writer.entry(ReasonKind::Param, subject, &leaf.to_string()),
    }
}

struct KeyWriter(blake3::Hasher);

impl Writer for KeyWriter {
    fn entry(&mut self, kind: ReasonKind, subject: &str, value: &str) {
        // Lengths keep neighbouring texts apart.
        for text in [kind.name(), subject, value] {
            self.0.update(&(text.len() as u64).to_le_bytes());
            self.0.update(text.as_bytes());
        }
    }
}

struct EntryWriter(BTreeMap<(ReasonKind, String), String>);

impl Writer for EntryWriter {
    fn entry(&mut self, kind: ReasonKind, subject: &str, value: &str) {
        self.0.insert((kind, subject.to_owned()), value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn manifest(param: Value) -> Manifest {
        let file = |name| RelPath::parse(name).expect("inside");
        Manifest {
            cmd: vec!["train@1".to_owned()],
            wdir: RelPath::default(),
            env: None,
            deps: BTreeMap::from([(file("data.csv"), None)]),
            params: BTreeMap::from([(file("params.yaml"), BTreeMap::from([("seed".to_owned(), param)]))]),
            outs: BTreeSet::from([file("model.json")]),
        }
    }

    #[test]
    fn the_type_of_a_parameter_is_part_of_the_key() {
        let values = [json!(1), json!(1.0), json!(true), json!("1")];
        let keys: BTreeSet<_> = values.map(|value| manifest(value).key()).into();
        assert_eq!(keys.len(), 4);
    }

    #[test]
    fn a_change_inside_a_block_is_named() {
        let old = manifest(json!({"cost": {"effect": 1.0}, "policy": "cost"}));
        let new = manifest(json!({"cost": {"effect": 0.5}, "policy": "cost"}));
        let reasons = new.explain(&old);
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].subject, "params.yaml:seed.cost.effect");
        let (dotted, nested) = (manifest(json!({"a.b": 1})), manifest(json!({"a": {"b": 1}})));
        assert_ne!(dotted.key(), nested.key());
    }

    #[test]
    fn a_removed_output_is_a_change() {
        let old = manifest(json!(1));
        let mut new = old.clone();
        new.outs.clear();
        let reasons = new.explain(&old);
        assert_eq!(reasons.len(), 1);
        assert_eq!((reasons[0].kind, reasons[0].subject.as_str()), (ReasonKind::Out, "model.json"));
        assert_eq!((reasons[0].old.is_some(), reasons[0].new.is_some()), (true, false));
    }

    proptest! {
        /// The law of the two writers: keys are equal exactly when there is nothing to explain.
        #[test]
        fn key_and_reason_agree(a in arbitrary(), b in arbitrary()) {
            prop_assert_eq!(a.key() == b.key(), a.explain(&b).is_empty());
            prop_assert!(a.explain(&a).is_empty());
        }
    }

    fn arbitrary() -> impl Strategy<Value = Manifest> {
        let path = "[ab]{1,2}".prop_map(|text| RelPath::parse(&text).expect("inside"));
        let env =
            proptest::option::of(proptest::collection::btree_map("[AB]", proptest::option::of("[01=]{0,2}"), 0..2));
        let deps = proptest::collection::btree_map(
            path.clone(),
            proptest::option::of(any::<bool>().prop_map(|x| ContentRecord {
                digest: Digest::of(&[u8::from(x)]),
                size: 1,
                count: None,
                executable: false,
            })),
            0..3,
        );
        let outs = proptest::collection::btree_set(path, 0..3);
        (proptest::collection::vec("[xy\n]{0,2}", 1..3), env, deps, outs).prop_map(|(cmd, env, deps, outs)| Manifest {
            cmd,
            wdir: RelPath::default(),
            env,
            deps,
            params: BTreeMap::new(),
            outs,
        })
    }
}
