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

/// What a stage consumes and promises. The [`ActionKey`] and the [`StaleReason`]s are made of the same entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The directory of the pipeline file. Entries spell all paths as seen from there, so it is not an entry itself.
    pub base: RelPath,
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

/// What a manifest says, by kind and subject.
pub type Entries = BTreeMap<(ReasonKind, String), String>;

impl Manifest {
    /// The canonical entries; what `clinpipe why` prints. Keys and reasons are both made of these and nothing else.
    pub fn entries(&self) -> Entries {
        let mut entries = Entries::new();
        let local = |path: &RelPath| path.relative_to(&self.base);
        let mut add =
            |kind, subject: &str, value: &str| drop(entries.insert((kind, subject.to_owned()), value.to_owned()));
        for (index, line) in self.cmd.iter().enumerate() {
            let subject = if index == 0 { String::new() } else { format!("line {}", index + 1) };
            add(ReasonKind::Command, &subject, line);
        }
        add(ReasonKind::Wdir, "", local(&self.wdir).as_str());
        if let Some(env) = &self.env {
            add(ReasonKind::Env, "", "declared");
            for (name, value) in env {
                add(ReasonKind::Env, name, &value.as_ref().map_or("unset".to_owned(), |value| format!("={value}")));
            }
        }
        for (path, record) in &self.deps {
            let value = record.as_ref().map_or("absent".to_owned(), |record| record.digest.to_string());
            add(ReasonKind::Dep, local(path).as_str(), &value);
        }
        for (file, keys) in &self.params {
            // A colon in the name would make it another file's key.
            let file = match local(file).as_str() {
                plain if !plain.contains(':') => plain.to_owned(),
                name => format!("{name:?}"),
            };
            for (key, value) in keys {
                add_value(&format!("{file}:{key}"), value, true, &mut add);
            }
        }
        for path in &self.outs {
            add(ReasonKind::Out, local(path).as_str(), "declared");
        }
        entries
    }

    /// The key of this work: BLAKE3 over the entries, each text preceded by its length.
    pub fn key(&self) -> ActionKey {
        let mut hasher = blake3::Hasher::new_derive_key("clinpipe action key v1");
        for ((kind, subject), value) in self.entries() {
            for text in [kind.name(), &subject, &value] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        ActionKey(hasher.finalize().into())
    }

    /// Every entry that differs from an older manifest, in canonical order.
    pub fn explain(&self, old: &Self) -> Vec<StaleReason> {
        // What is equal has equal entries; of numbers only 0.0 and -0.0 are equal and read differently.
        if self == old && !self.params.values().flat_map(BTreeMap::values).any(has_zero) {
            return Vec::new();
        }
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
}

/// One entry a leaf, so that the reason names what changed inside a block of parameters. Lists are leaves. A declared
/// block has an entry of its own, because declaring it is not declaring the keys it happens to hold; a key with a dot
/// is quoted, so that two different blocks never have the same entries.
fn add_value(subject: &str, value: &Value, is_declared: bool, add: &mut impl FnMut(ReasonKind, &str, &str)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            if is_declared {
                add(ReasonKind::Param, subject, "block");
            }
            for (key, value) in map {
                let is_plain = !key.is_empty() && !key.contains(['.', '"']);
                let key = if is_plain { key.clone() } else { format!("{key:?}") };
                add_value(&format!("{subject}.{key}"), value, false, add);
            }
        }
        leaf => add(ReasonKind::Param, subject, &leaf.to_string()),
    }
}

/// Whether a floating-point zero stands in a value.
fn has_zero(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_zero),
        Value::Object(map) => map.values().any(has_zero),
        leaf => leaf.as_f64() == Some(0.0) && leaf.is_f64(),
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
            base: RelPath::default(),
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
        let values = [json!(1), json!(1.0), json!(true), json!("1"), json!(0), json!(0.0), json!(-0.0)];
        let keys: BTreeSet<_> = values.clone().map(|value| manifest(value).key()).into();
        assert_eq!(keys.len(), values.len());
        for (at, one) in values.iter().enumerate() {
            for (other_at, other) in values.iter().enumerate() {
                let reasons = manifest(json!([one])).explain(&manifest(json!([other])));
                assert_eq!(reasons.is_empty(), at == other_at, "{one} and {other}");
            }
        }
    }

    #[test]
    fn a_file_and_a_key_are_told_apart_whatever_their_names() {
        let file = |name| RelPath::parse(name).expect("inside");
        let work = |name, key: &str, value| {
            let mut manifest = manifest(json!(1));
            manifest.params = BTreeMap::from([(file(name), BTreeMap::from([(key.to_owned(), value)]))]);
            manifest.key()
        };
        assert_ne!(work("p.yaml", "x.yaml:k", json!(1)), work("p.yaml:x.yaml", "k", json!(1)));
    }

    #[test]
    fn a_change_inside_a_block_is_named() {
        let old = manifest(json!({"cost": {"effect": 1.0}, "policy": "cost"}));
        let new = manifest(json!({"cost": {"effect": 0.5}, "policy": "cost"}));
        let reasons = new.explain(&old);
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].subject, "params.yaml:seed.cost.effect");
        let block = manifest(json!({"b": 1}));
        let mut key = block.clone();
        let file = RelPath::parse("params.yaml").expect("inside");
        key.params = BTreeMap::from([(file, BTreeMap::from([("seed.b".to_owned(), json!(1))]))]);
        assert_ne!(block.key(), key.key(), "a block and its only key are two declarations");
        let (dotted, nested) = (manifest(json!({"a.b": 1})), manifest(json!({"a": {"b": 1}})));
        assert_ne!(dotted.key(), nested.key());
    }

    #[test]
    fn the_key_does_not_depend_on_where_the_root_is() {
        let file = |name: &str| RelPath::parse(name).expect("inside");
        let work = |root: &str| {
            let mut manifest = manifest(json!(1));
            manifest.base = file(&format!("{root}sub"));
            manifest.wdir = file(&format!("{root}sub"));
            manifest.deps = BTreeMap::from([(file(&format!("{root}raw.csv")), None)]);
            manifest.params.clear();
            manifest.outs = BTreeSet::from([file(&format!("{root}sub/out"))]);
            manifest
        };
        assert_eq!(work("").key(), work("a/b/").key());
        assert!(work("").entries().contains_key(&(ReasonKind::Dep, "../raw.csv".to_owned())));
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
        /// The law of key and reason: keys are equal exactly when there is nothing to explain.
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
            base: RelPath::default(),
            cmd,
            wdir: RelPath::default(),
            env,
            deps,
            params: BTreeMap::new(),
            outs,
        })
    }
}
