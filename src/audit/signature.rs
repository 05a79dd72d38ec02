//! Signatures with a meaning: who vouches for what, bound to the chain.
//!
//! Ed25519 by `ring`. A signature is a record like any other, so it can be neither moved nor left out unseen; what is
//! signed says in plain JSON what is meant. A key file is one line: what it is, whose it is, and 32 bytes in hex. The
//! program knows no people: whose a public key is, says who put it among the known keys.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::{Action, Entry, Record};
use crate::key::Digest;
use crate::util::visible;

/// What the line of a secret key begins with.
const SECRET: &str = "clinpipe-ed25519-secret";
/// What the line of a public key begins with.
const PUBLIC: &str = "clinpipe-ed25519-public";
/// What kind of statement is signed; it keeps a signature from meaning anything elsewhere.
const DOMAIN: &str = "clinpipe signature v1";

/// What stands for the last record where there is none.
const NOWHERE: Digest = Digest::from_bytes([0; 32]);

/// What a signature means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    /// The signer made it.
    Authorship,
    /// The signer has looked at it.
    Review,
    /// The signer agrees to its use.
    Approval,
}

impl Meaning {
    /// Every meaning.
    pub const ALL: [Self; 3] = [Self::Authorship, Self::Review, Self::Approval];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorship => "authorship",
            Self::Review => "review",
            Self::Approval => "approval",
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file cannot be read or written.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Its file is no key.
    #[error("{file} is no {wanted} key: {message}")]
    Format {
        /// Which.
        file: String,
        /// `secret` or `public`.
        wanted: &'static str,
        /// What is wrong.
        message: &'static str,
    },
    /// Others can read a secret key.
    #[error("others may read the secret key {file} (mode {mode:o})")]
    Open {
        /// Which.
        file: String,
        /// Its permissions.
        mode: u32,
    },
    /// The name of a signer.
    #[error("`{}` cannot name a signer: it must be text without blanks and characters that cannot be seen", visible::line(.0))]
    Name(String),
}

fn io_at(action: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyError {
    let file = path.display().to_string();
    move |source| KeyError::Io { action, file: file.clone(), source }
}

/// What somebody signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement<'a> {
    /// The digest of the object.
    pub digest: Digest,
    domain: &'static str,
    /// The last record when it was signed; zeros when there was none.
    pub head: Digest,
    /// What the signature means.
    pub meaning: Meaning,
    /// What is signed.
    pub object: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// Who signs.
    pub signer: &'a str,
    /// When: RFC 3339 in UTC.
    pub utc: &'a str,
}

impl<'a> Statement<'a> {
    /// What `signer` says of an object.
    pub fn new(meaning: Meaning, signer: &'a str, object: &'a str, digest: Digest, head: Digest, utc: &'a str) -> Self {
        Self { digest, domain: DOMAIN, head, meaning, object, reason: None, signer, utc }
    }

    /// With a reason.
    pub fn because(self, reason: Option<&'a str>) -> Self {
        Self { reason, ..self }
    }

    /// The bytes that are signed: JSON with sorted keys and no blanks.
    fn bytes(&self) -> serde_json::Result<Vec<u8>> {
        Ok(serde_json::to_string(&serde_json::to_value(self)?)?.into_bytes())
    }
}

/// Somebody's secret key.
pub struct Signer {
    name: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// Makes a key and writes it to `path` (mode 0600) and its public half to `path` with `.pub` at its end; neither may
    /// exist.
    ///
    /// # Errors
    /// When they cannot be written, or the name cannot be one.
    pub fn make(name: &str, path: &Path) -> Result<Self, KeyError> {
        check_name(name)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io_at("write", path)(io::Error::from(error)))?;
        let signer = Self::of_seed(name, &seed, path)?;
        write_new(path, 0o600, &format!("{SECRET} {name} {}\n", hex(&seed)))?;
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = Path::new(&public);
        if let Err(error) = write_new(public, 0o644, &format!("{PUBLIC} {name} {}\n", signer.public())) {
            // A secret without its public half is of no use, and would be in the way of the next try.
            drop(fs::remove_file(path));
            return Err(error);
        }
        Ok(signer)
    }

    /// Reads a secret key, which nobody but its owner may read.
    ///
    /// # Errors
    /// When it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let mode = fs::metadata(path).map_err(io_at("read", path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { file: path.display().to_string(), mode });
        }
        let (name, seed) = read_line(path, SECRET, "secret")?;
        Self::of_seed(&name, &seed, path)
    }

    fn of_seed(name: &str, seed: &[u8; 32], path: &Path) -> Result<Self, KeyError> {
        let message = "its bytes are no key";
        let none = |_| KeyError::Format { file: path.display().to_string(), wanted: "secret", message };
        Ok(Self { name: name.to_owned(), pair: Ed25519KeyPair::from_seed_unchecked(seed).map_err(none)? })
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half, in hex.
    pub fn public(&self) -> String {
        hex(self.pair.public_key().as_ref())
    }

    /// The entry of a signed statement; the record must get the statement's time.
    ///
    /// # Errors
    /// When the statement cannot be expressed in JSON.
    pub fn sign(&self, statement: &Statement<'_>) -> serde_json::Result<Entry> {
        let signature = hex(self.pair.sign(&statement.bytes()?).as_ref());
        let mut entry = Entry::new(Action::Signature, statement.object);
        entry.after = Some(statement.digest);
        entry.reason = statement.reason.map(str::to_owned);
        let details = [
            ("head", statement.head.to_string()),
            ("meaning", statement.meaning.name().to_owned()),
            ("public_key", self.public()),
            ("signature", signature),
            ("signer", self.name.clone()),
        ];
        entry.details.extend(details.map(|(key, value)| (key.to_owned(), Value::from(value))));
        Ok(entry)
    }
}

/// Whether an entry is a signature that was made where there was no chain, and so can only begin one.
pub(super) fn begins(entry: &Entry) -> bool {
    let head = entry.details.get("head").and_then(Value::as_str);
    entry.action == Action::Signature && head == Some(NOWHERE.to_string().as_str())
}

/// Public keys that are known, by signer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(BTreeMap<String, Vec<String>>);

impl PublicKeys {
    /// Reads every `*.pub` of a directory.
    ///
    /// # Errors
    /// When one cannot be read or is none.
    pub fn read(dir: &Path) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        for entry in fs::read_dir(dir).map_err(io_at("read", dir))? {
            let path = entry.map_err(io_at("read", dir))?.path();
            if path.extension().is_some_and(|extension| extension == "pub") {
                let (name, key) = read_line(&path, PUBLIC, "public")?;
                keys.0.entry(name).or_default().push(hex(&key));
            }
        }
        Ok(keys)
    }
}

/// What a record of a signature says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    pub head: Digest,
    pub meaning: Meaning,
    pub public_key: String,
    signature: String,
    pub signer: String,
}

impl Told {
    /// What a record says, if it was signed by the key that it names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn checked(record: &Record) -> Result<Self, String> {
        let seq = record.seq;
        let told: Self = serde_json::from_value(Value::Object(record.details.clone()))
            .map_err(|error| format!("record {seq} is no signature: {error}"))?;
        let digest = record.after.ok_or_else(|| format!("record {seq} signs nothing"))?;
        let statement = Statement::new(told.meaning, &told.signer, &record.object, digest, told.head, &record.utc)
            .because(record.reason.as_deref());
        let bytes = statement.bytes().map_err(|error| format!("record {seq}: {error}"))?;
        let fits = bytes_of(&told.public_key)
            .zip(bytes_of(&told.signature))
            .is_some_and(|(key, signature)| UnparsedPublicKey::new(&ED25519, key).verify(&bytes, &signature).is_ok());
        if !fits {
            return Err(format!("record {seq}: the signature of {} does not fit what it signs", told.signer));
        }
        Ok(told)
    }

    /// Whether there was no chain when it was signed.
    pub fn is_first(&self) -> bool {
        self.head == NOWHERE
    }

    /// Whether the key that signed is known to be the signer's.
    pub fn is_by(&self, keys: &PublicKeys) -> bool {
        keys.0.get(&self.signer).is_some_and(|keys| keys.contains(&self.public_key))
    }
}

fn check_name(name: &str) -> Result<(), KeyError> {
    if is_name(name) { Ok(()) } else { Err(KeyError::Name(name.to_owned())) }
}

/// Whether nobody can take the name for another one because of what cannot be seen in it.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || visible::is_hidden(c))
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), KeyError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(io_at("write", path))
}

/// Name and bytes of the key in a file.
fn read_line(path: &Path, kind: &str, wanted: &'static str) -> Result<(String, [u8; 32]), KeyError> {
    let text = fs::read_to_string(path).map_err(io_at("read", path))?;
    let none = |message| KeyError::Format { file: path.display().to_string(), wanted, message };
    let mut words = text.split_whitespace();
    if words.next() != Some(kind) {
        return Err(none("it does not begin with the name of its format"));
    }
    let (Some(name), Some(key), None) = (words.next(), words.next(), words.next()) else {
        return Err(none("it is not a line of three words"));
    };
    if !is_name(name) {
        return Err(none("there are characters in its name that cannot be seen"));
    }
    let bytes =
        bytes_of(key).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| none("it has not 64 hex digits"))?;
    Ok((name.to_owned(), bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(signer: &Signer, utc: &str) -> Record {
        let zero = Digest::from_bytes([0; 32]);
        let statement =
            Statement::new(Meaning::Review, signer.name(), "bundle", Digest::of(b"x"), zero, utc).because(Some("read"));
        Record::new(signer.sign(&statement).expect("JSON"), 0, zero, utc, "ana").expect("JSON")
    }

    #[test]
    fn a_signature_fits_what_was_signed_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ana.key");
        Signer::make("ana", &path).expect("made");
        let signer = Signer::read(&path).expect("read");
        let record = record(&signer, "2026-01-02T03:04:05Z");
        let keys = PublicKeys::read(dir.path()).expect("read");
        let told = Told::checked(&record).expect("it fits");
        assert!(told.meaning == Meaning::Review && told.is_by(&keys) && !told.is_by(&PublicKeys::default()));
        let changes: [fn(&mut Record); 6] = [
            |record| record.object.push('2'),
            |record| record.after = Some(Digest::of(b"y")),
            |record| record.utc = "2026-01-02T03:04:06Z".to_owned(),
            |record| record.reason = None,
            |record| drop(record.details.insert("meaning".to_owned(), Value::from("approval"))),
            |record| drop(record.details.insert("signer".to_owned(), Value::from("bob"))),
        ];
        for change in changes {
            let mut changed = record.clone();
            change(&mut changed);
            assert!(Told::checked(&changed).is_err());
        }
    }

    #[test]
    fn key_files_are_made_once_and_read_by_their_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ana.key");
        Signer::make("ana", &path).expect("made");
        assert!(matches!(Signer::make("ana", &path), Err(KeyError::Io { .. })));
        for name in
            ["", "a b", "a\nb", "a\u{1b}[2J", "a\u{9b}", "\u{202e}ana", "an\u{200b}a", "an\u{200d}a", "ana\u{feff}"]
        {
            let error = Signer::make(name, &dir.path().join("b")).err().expect("no name");
            assert!(matches!(error, KeyError::Name(_)) && !error.to_string().contains(visible::is_hidden), "{error}");
        }
        Signer::make("Zoë-عدة", &dir.path().join("zoe")).expect("any letters");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        assert!(matches!(Signer::read(&path), Err(KeyError::Open { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        let hidden = fs::read_to_string(&path).expect("read").replace("ana", "an\u{200b}a");
        for text in [
            "",
            "clinpipe-ed25519-secret ana 00",
            "clinpipe-ed25519-public ana 00",
            "clinpipe-ed25519-secret ana",
            &hidden,
        ] {
            fs::write(&path, text).expect("written");
            assert!(matches!(Signer::read(&path), Err(KeyError::Format { .. })), "{text}");
        }
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn the_key_of_a_seed_is_that_of_the_standard() {
        let seed = bytes_of("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").expect("hex");
        let signer = Signer::of_seed("a", &seed.try_into().expect("32 bytes"), Path::new("k")).expect("a key");
        assert_eq!(signer.public(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(hex(&signer.pair.sign(b"").as_ref()[..8]), "e5564300c360ac72");
    }
}
