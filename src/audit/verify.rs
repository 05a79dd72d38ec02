//! Reading the whole chain and checking every link.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use super::chain::Head;
use super::record::{Action, Damage, Record};
use super::signature::{Meaning, PublicKeys, Told};
use crate::key::Digest;

/// What is kept elsewhere to prove later that the chain has not been cut or replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The version of this format.
    pub schema_version: u32,
    /// The number of the last record at that time; unknown when only its hash was kept.
    #[serde(default)]
    pub seq: Option<u64>,
    /// Its hash.
    pub hash: Digest,
    /// When that record was written.
    #[serde(default)]
    pub utc: Option<String>,
}

impl Anchor {
    /// The anchor of a record.
    pub fn of(record: &Record) -> Self {
        Self { schema_version: SCHEMA_VERSION, seq: Some(record.seq), hash: record.hash, utc: Some(record.utc.clone()) }
    }

    /// The anchor of a hash alone.
    pub fn of_hash(hash: Digest) -> Self {
        Self { schema_version: SCHEMA_VERSION, seq: None, hash, utc: None }
    }
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, counted from 1; none for what concerns the file as a whole.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
}

/// A signature that fits what it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureFound {
    /// The number of its record.
    pub seq: u64,
    /// Who signed.
    pub signer: String,
    /// The public key, as hex.
    pub key: String,
    /// What it means.
    pub meaning: Meaning,
    /// What was signed.
    pub object: String,
    /// Its digest.
    pub digest: Digest,
    /// Whether the key was found to be the signer's.
    pub known: bool,
}

/// What reading the chain gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Sound records from the beginning.
    pub records: u64,
    /// The last of them.
    pub head: Option<Head>,
    /// The first thing that is wrong; none when the chain is whole.
    pub fault: Option<Fault>,
    /// What is not wrong but should be known.
    pub notes: Vec<String>,
    /// The signatures among the sound records.
    pub signatures: Vec<SignatureFound>,
    /// The last sound record.
    #[serde(skip)]
    pub last: Option<Record>,
}

/// Checks every line: that it is a record in its one spelling, that its hash is that of its content, and that it
/// follows the record before; and that the anchors' records are in the chain.
///
/// # Errors
/// When it cannot be read.
pub fn verify(input: impl Read, anchors: &[Anchor]) -> io::Result<Verdict> {
    verify_signed(input, anchors, None)
}

/// The same; where public keys are given, each signature must be by one of its signer's.
///
/// # Errors
/// When it cannot be read.
pub fn verify_signed(input: impl Read, anchors: &[Anchor], keys: Option<&PublicKeys>) -> io::Result<Verdict> {
    let mut reader = BufReader::new(input);
    let mut walk = Walk { missing: anchors.to_vec(), keys, ..Walk::default() };
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if let Err(message) = walk.line(&line) {
            walk.verdict.fault = Some(Fault { line: Some(walk.lines), message });
            break;
        }
    }
    Ok(walk.finish())
}

#[derive(Default)]
struct Walk<'a> {
    /// The public keys that are known.
    keys: Option<&'a PublicKeys>,
    /// The first signature by another key. The chain holds together all the same, so the rest is read as well.
    stranger: Option<Fault>,
    /// The hashes of all records so far: a signature names the one that was the last when it was made.
    hashes: HashSet<Digest>,
    verdict: Verdict,
    lines: u64,
    /// Bytes since the last record that are no record.
    junk: Vec<u8>,
    /// The line on which they begin.
    junk_line: u64,
    /// Anchors whose record has not come yet.
    missing: Vec<Anchor>,
    /// Every state of a lock file that a run left.
    left: BTreeSet<(String, Digest)>,
    /// Runs that found a lock file: number, file, digest.
    found: Vec<(u64, String, Digest)>,
}

impl Walk<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        self.lines += 1;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let record = match Record::parse(text) {
            Ok(record) => record,
            Err(error) if Record::was(text) => return Err(foreign(text, &error)),
            Err(_) => {
                if self.junk.is_empty() {
                    self.junk_line = self.lines;
                }
                self.junk.extend_from_slice(line);
                return Ok(());
            }
        };
        if record.schema_version != SCHEMA_VERSION {
            let version = record.schema_version;
            return Err(format!("its format has version {version}; this clinpipe knows {SCHEMA_VERSION}"));
        }
        if !record.is_sound(text) {
            return Err(unsound(&record));
        }
        // What is no record comes first: it explains a number that is missing behind it.
        if self.junk.is_empty() {
            self.follows(&record)?;
            self.vouches(&record)?;
        } else {
            self.vouches(&record)?;
            self.follows(&record)?;
        }
        if self.verdict.last.as_ref().is_some_and(|last| record.utc < last.utc) {
            let note = format!("record {} is dated before the one it follows: the clock was set back", record.seq);
            self.verdict.notes.push(note);
        }
        self.signed(&record)?;
        self.hashes.insert(record.hash);
        self.missing.retain(|anchor| anchor.hash != record.hash);
        if record.action == Action::Run {
            self.left.extend(record.after.map(|after| (record.object.clone(), after)));
            self.found.extend(record.before.map(|before| (record.seq, record.object.clone(), before)));
        }
        self.verdict.records += 1;
        self.verdict.head = Some(Head { seq: record.seq, hash: record.hash });
        self.verdict.last = Some(record);
        Ok(())
    }

    /// Whether a signature fits what it signs, and was made in this chain.
    fn signed(&mut self, record: &Record) -> Result<(), String> {
        if record.action != Action::Signature {
            return Ok(());
        }
        let told = Told::checked(record)?;
        if told.is_first() {
            if record.seq > 0 {
                return Err(format!(
                    "record {}: it was signed where there was no chain yet, and does not begin this one",
                    record.seq
                ));
            }
        } else if !self.hashes.contains(&told.head) {
            let head = told.head.short();
            return Err(format!(
                "record {}: it was signed in another chain, whose last record was {head}…",
                record.seq
            ));
        }
        let known = self.keys.is_some_and(|keys| told.is_by(keys));
        if self.keys.is_some() && !known && self.stranger.is_none() {
            let message =
                format!("record {}: the key that signed as {} is not among the known keys", record.seq, told.signer);
            self.stranger = Some(Fault { line: Some(self.lines), message });
        }
        self.verdict.signatures.extend(record.after.map(|digest| SignatureFound {
            seq: record.seq,
            signer: told.signer,
            key: told.public_key,
            meaning: told.meaning,
            object: record.object.clone(),
            digest,
            known,
        }));
        Ok(())
    }

    /// Whether the record follows the last one.
    fn follows(&self, record: &Record) -> Result<(), String> {
        let last = self.verdict.last.as_ref();
        let (seq, prev) = last.map_or((0, Digest::from_bytes([0; 32])), |last| (last.seq + 1, last.hash));
        if record.seq == seq && record.prev == prev {
            return Ok(());
        }
        let after = last.map_or_else(|| "at the beginning".to_owned(), |last| format!("after record {}", last.seq));
        Err(match record.seq.checked_sub(seq) {
            Some(0) => format!(
                "record {} does not follow the one before: it names {}… as its predecessor, which has the hash {}…: a \
                 record was replaced",
                record.seq,
                record.prev.short(),
                prev.short()
            ),
            Some(1) => format!("record {seq} is missing {after}"),
            Some(_) => format!("records {seq} to {} are missing {after}", record.seq - 1),
            None => format!("record {} stands {after}: the order was changed, or a record stands twice", record.seq),
        })
    }

    /// Whether what stands before the record and is none is what the record vouches for.
    fn vouches(&mut self, record: &Record) -> Result<(), String> {
        let junk = std::mem::take(&mut self.junk);
        let Some(damage) = Damage::of(record) else {
            if junk.is_empty() {
                return Ok(());
            }
            self.lines = self.junk_line;
            let next = self.verdict.last.as_ref().map_or(0, |last| last.seq + 1);
            let was = match record.seq.checked_sub(next) {
                Some(1) => format!("; record {next} stood there, and was changed"),
                Some(gone @ 2..) => {
                    format!("; records {next} to {} stood there, and were changed or removed", next + gone - 1)
                }
                _ => String::new(),
            };
            return Err(format!(
                "{} bytes that are no record, which the record after them does not know of{was}",
                junk.len()
            ));
        };
        // Before a record was appended, the torn line was ended.
        let found = usize::try_from(damage.bytes).ok().and_then(|bytes| junk.split_at_checked(bytes));
        match found {
            Some((torn, rest)) if Digest::of(torn) == damage.blake3 && matches!(rest, [] | [b'\n']) => {
                self.verdict.notes.push(format!(
                    "line {}: {} bytes of a write that was cut short; record {} vouches for them",
                    self.junk_line, damage.bytes, record.seq
                ));
                Ok(())
            }
            _ => Err(format!(
                "record {} vouches for {} bytes of a write that was cut short, but other bytes stand before it",
                record.seq, damage.bytes
            )),
        }
    }

    fn finish(mut self) -> Verdict {
        if self.verdict.fault.is_some() {
            return self.verdict;
        }
        for (seq, file, before) in &self.found {
            if !self.left.contains(&(file.clone(), *before)) {
                self.verdict.notes.push(format!(
                    "record {seq} found a lock of {file} that no recorded run had left: from git, `init`, an edit or \
                     `commit`, or from a run that was killed before it was recorded"
                ));
            }
        }
        if !self.junk.is_empty() {
            let bytes = self.junk.len();
            let message = format!(
                "the file ends with {bytes} bytes that are no record: a write was cut short, or the end was tampered \
                 with; the next record will vouch for them"
            );
            self.verdict.fault = Some(Fault { line: Some(self.junk_line), message });
        } else if let Some(anchor) = self.missing.first() {
            let length = self.verdict.records;
            let message = match anchor.seq {
                Some(seq) if seq >= length => format!(
                    "the anchor names record {seq}, but the chain has {length} records: its end was cut off, or it is \
                     another chain"
                ),
                _ => format!(
                    "the record {}… that the anchor names is not in the chain of {length} records: it was cut off or \
                     replaced",
                    anchor.hash.short()
                ),
            };
            self.verdict.fault = Some(Fault { line: None, message });
        } else {
            self.verdict.fault = self.stranger;
        }
        self.verdict
    }
}

/// What is wrong with a line that is JSON and no record of this format.
fn foreign(line: &[u8], error: &serde_json::Error) -> String {
    let version =
        serde_json::from_slice::<serde_json::Value>(line).ok().and_then(|line| line["schema_version"].as_u64());
    match version {
        Some(version) if version != u64::from(SCHEMA_VERSION) => {
            format!("its format has version {version}; this clinpipe knows {SCHEMA_VERSION}")
        }
        _ => format!("the record was changed after it was written: {error}"),
    }
}

/// What is wrong with a record whose line is not what its hash was taken of.
fn unsound(record: &Record) -> String {
    let content = match record.content_hash() {
        Ok(content) => content,
        Err(error) => return format!("record {} was changed after it was written: {error}", record.seq),
    };
    if content == record.hash {
        return format!(
            "record {} was changed after it was written: it says the same, but its line is spelled otherwise (blanks, a \
             carriage return, another order of the fields)",
            record.seq
        );
    }
    format!(
        "record {} was changed after it was written: its hash is {}…, its content gives {}…",
        record.seq,
        record.hash.short(),
        content.short()
    )
}
