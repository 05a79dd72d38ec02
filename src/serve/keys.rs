//! API keys: who may ask, and for what.
//!
//! Invariants: only digests are kept, so a key cannot be printed or logged by accident; comparing takes the same time
//! whichever key is sent and whichever it equals; a file of keys is taken whole or not at all. A fast digest is enough
//! because keys are random and long: there is no short password to guess.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{ConfigError, parse_value};

/// The least length of a key that someone chose, in characters.
const SHORTEST: usize = 16;
/// Random bytes of a key that is made here.
const RANDOM_BYTES: usize = 32;
/// How a made key begins, so that people and scanners of leaked secrets recognise it.
const PREFIX: &str = "clinpipe_";
/// Names the digest in a file.
const DIGEST: &str = "blake3:";
/// Most keys of a file: every request is compared with all, and each name is a series of the metrics.
const MOST: usize = 256;
/// The name of the key that comes from the environment.
const UNNAMED: &str = "default";

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Predictions, one by one and in batches.
    Predict,
    /// Explanations of predictions.
    Explain,
    /// What is served and how: `/model/info`, `/model/card`, `/stats`, `/config`.
    Read,
    /// `/debug/preprocess`.
    Debug,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Predict, Self::Explain, Self::Read, Self::Debug];

    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Explain => "explain",
            Self::Read => "read",
            Self::Debug => "debug",
        }
    }
}

/// A key, by its digest.
#[derive(Clone)]
pub struct Key {
    name: Arc<str>,
    digest: blake3::Hash,
    scopes: BTreeSet<Scope>,
}

impl Key {
    /// Who it was given to.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether it is good for that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.name)
    }
}

/// Why keys are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// A chosen key that could be guessed.
    #[error("an API key must have at least {SHORTEST} characters; `clinpipe serve key new --name NAME` makes one")]
    Short,
    /// The file is no list of keys.
    #[error("{0}")]
    Format(String),
    /// One entry is wrong: its place in the list from 1, and why.
    #[error("key {0}: {1}")]
    Entry(usize, String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// All keys that are good now. Two may have one name, so that a caller can change over from the old to the new.
#[derive(Debug, Clone, Default)]
pub struct KeySet(Vec<Key>);

/// An entry of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    hash: String,
    scopes: Vec<Scope>,
}

impl KeySet {
    /// The one key of that text, good for everything.
    pub fn single(text: &str) -> Result<Self, KeysError> {
        let text = text.trim();
        if text.chars().count() < SHORTEST {
            return Err(KeysError::Short);
        }
        let digest = blake3::hash(text.as_bytes());
        Ok(Self(vec![Key { name: UNNAMED.into(), digest, scopes: Scope::ALL.into() }]))
    }

    /// Reads a file: a YAML or JSON list of `{name, hash, scopes}`. A file without keys is refused, because it would
    /// leave the service open.
    pub fn parse(text: &str, file: &str) -> Result<Self, KeysError> {
        // The offending line is not shown: it may hold what should not be in a log.
        let value = parse_value(text, file).map_err(|errors| {
            let place = |error: &ConfigError| error.span.map_or_else(String::new, |span| format!(":{}", span.line));
            let told = errors.0.first().map(|error| format!("{file}{}: {}", place(error), error.message));
            KeysError::Format(told.unwrap_or_else(|| format!("{file} cannot be read")))
        })?;
        let Value::Array(entries) = value else {
            return Err(KeysError::Format(format!("{file} must be a list of keys: {{name, hash, scopes}}")));
        };
        if entries.is_empty() || entries.len() > MOST {
            return Err(KeysError::Format(format!("{file} must have from 1 to {MOST} keys, not {}", entries.len())));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(entries.len());
        for (at, entry) in entries.into_iter().enumerate() {
            let key = read(entry).map_err(|message| KeysError::Entry(at + 1, message))?;
            if keys.iter().any(|other| other.digest == key.digest) {
                return Err(KeysError::Entry(at + 1, format!("`{}` has the hash of another key", key.name)));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, KeysError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| KeysError::Format(format!("{file}: {error}")))?;
        Self::parse(&text, &file)
    }

    /// The key that `candidate` is. It is compared with every one, so the time says nothing about them.
    pub fn find(&self, candidate: &[u8]) -> Option<&Key> {
        let digest = blake3::hash(candidate);
        // `blake3::Hash` compares in constant time.
        self.0.iter().fold(None, |found, key| if key.digest == digest { Some(key) } else { found })
    }

    /// These and those.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

fn read(entry: Value) -> Result<Key, String> {
    let entry: Entry = serde_path_to_error::deserialize(entry).map_err(|error| misread(&error.path().to_string()))?;
    let Entry { name, hash, scopes } = entry;
    check_name(&name)?;
    if scopes.is_empty() {
        return Err(format!("`{name}` has no scope; give it some of predict, explain, read, debug"));
    }
    let digest = hash.strip_prefix(DIGEST).and_then(|hex| blake3::Hash::from_hex(hex).ok());
    let digest = digest.ok_or_else(|| {
        format!("the hash of `{name}` is not `{DIGEST}` and 64 hex digits; `clinpipe serve key new` makes an entry")
    })?;
    Ok(Key { name: name.into(), digest, scopes: scopes.into_iter().collect() })
}

/// Why an entry cannot be read, without anything that stands in it: a key put at the wrong place must not reach a log.
fn misread(path: &str) -> String {
    let place = ["name", "hash", "scopes"].into_iter().find(|field| path.starts_with(field));
    let place = place.map_or_else(|| "it".to_owned(), |field| format!("its `{field}`"));
    format!(
        "{place} is not as it must be: an entry is {{name: TEXT, hash: TEXT, scopes: [predict, explain, read, debug]}}"
    )
}

fn check_name(name: &str) -> Result<(), String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(harmless) {
        return Ok(());
    }
    Err("its name is not 1 to 64 letters, digits, `-`, `_` and `.`".to_owned())
}

/// A fresh key and its entry for the file.
#[derive(Debug)]
pub struct NewKey {
    /// The key itself, told once.
    pub text: String,
    /// The entry, as YAML and JSON alike.
    pub entry: String,
}

impl NewKey {
    /// Makes a key of 256 random bits.
    pub fn new(name: &str, scopes: &[Scope]) -> Result<Self, KeysError> {
        check_name(name).map_err(KeysError::Format)?;
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| KeysError::Random(error.to_string()))?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let hash = blake3::hash(text.as_bytes());
        let scopes: Vec<&str> = scopes.iter().copied().collect::<BTreeSet<_>>().into_iter().map(Scope::name).collect();
        let entry = format!("- {{name: {name:?}, hash: \"{DIGEST}{hash}\", scopes: [{}]}}", scopes.join(", "));
        Ok(Self { text, entry })
    }
}

/// The keys that are good now, replaced as a whole while requests are answered.
pub(super) struct KeyRing(RwLock<Arc<KeySet>>);

impl KeyRing {
    pub fn new(keys: KeySet) -> Self {
        Self(RwLock::new(Arc::new(keys)))
    }

    /// The keys for the next request.
    pub fn current(&self) -> Arc<KeySet> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes others in their place.
    pub fn replace(&self, keys: KeySet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_matches() {
        let keys = KeySet::single(" s3cret-s3cret-s3cret\n").expect("long enough");
        assert!(keys.find(b"s3cret-s3cret-s3cret").is_some_and(|key| Scope::ALL.iter().all(|scope| key.may(*scope))));
        for wrong in ["s3cret-s3cret-s3cret ", "", "s3cret-s3cret-s3cre", "S3cret-s3cret-s3cret"] {
            assert!(keys.find(wrong.as_bytes()).is_none(), "{wrong}");
        }
        for short in ["", "  ", "fifteen letters", "                   x"] {
            assert_eq!(KeySet::single(short).expect_err("refused"), KeysError::Short, "{short}");
        }
        assert!(!format!("{keys:?}").contains("s3cret"));
    }

    #[test]
    fn a_made_key_is_found_by_its_entry_and_may_what_it_says() {
        let made: Vec<NewKey> =
            [("ward-7", &[Scope::Predict][..]), ("lab", &[Scope::Read, Scope::Explain, Scope::Read])]
                .into_iter()
                .map(|(name, scopes)| NewKey::new(name, scopes).expect("a key"))
                .collect();
        assert_ne!(made[0].text, made[1].text);
        assert!(made[0].text.len() > 40 && !made[0].entry.contains(&made[0].text));
        let file = format!("{}\n{}\n", made[0].entry, made[1].entry);
        let keys = KeySet::parse(&file, "keys.yaml").expect("sound");
        let found = keys.find(made[1].text.as_bytes()).expect("found");
        assert_eq!(&**found.name(), "lab");
        assert_eq!(Scope::ALL.map(|scope| found.may(scope)), [false, true, true, false]);
        assert_eq!(&**keys.find(made[0].text.as_bytes()).expect("found").name(), "ward-7");
        assert!(NewKey::new("a b", &[Scope::Read]).is_err());
    }

    const SECRET: &str = "clinpipe_0123456789abcdefSECRET";

    #[test]
    fn a_file_with_a_fault_is_refused_as_a_whole() {
        let hash = format!("blake3:{}", "ab".repeat(32));
        let good = format!("- {{name: a, hash: \"{hash}\", scopes: [read]}}\n");
        assert_eq!(KeySet::parse(&good, "k").expect("sound").len(), 1);
        for (text, word) in [
            (String::new(), "list"),
            ("[]".to_owned(), "from 1"),
            ("a: b".to_owned(), "list"),
            ("- [".to_owned(), "k:"),
            (good.repeat(2), "another key"),
            (good.replace("scopes: [read]", "scopes: []"), "no scope"),
            (good.replace("read", "write"), "predict"),
            (good.replace("blake3:", "sha256:"), "64 hex"),
            (good.replace("abab", "zz"), "64 hex"),
            (good.replace("name: a", "name: \"a\\nb\""), "name"),
            (good.replace("name: a", "nmae: a"), "an entry is"),
            (format!("- {SECRET}\n"), "an entry is"),
            (good.replace("[read]", SECRET), "its `scopes`"),
            (good.replace("[read]", &format!("[{SECRET}]")), "its `scopes`"),
            (good.replace("name", SECRET), "an entry is"),
            (good.replace("name: a", &format!("name: {SECRET}/")), "its name"),
        ] {
            let fault = KeySet::parse(&text, "k").expect_err("refused").to_string();
            assert!(fault.contains(word), "{text}: {fault}");
            assert!(!fault.contains(SECRET), "a key at the wrong place is not told: {fault}");
        }
    }
}
