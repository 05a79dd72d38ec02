//! Sending to and fetching from a remote.
//!
//! Files go first, the list of a directory when all its members are there, an action record when all its blobs are:
//! whoever finds the later finds the earlier, also after an interruption. Every blob is verified before it is sent and
//! after it was fetched. One that fails is counted and told; the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rayon::prelude::*;

use super::{ObjectName, Remote, RemoteError};
use crate::key::hash::hash_file;
use crate::key::{ActionKey, ContentRecord, Digest, Entry};
use crate::store::cas::parse_list;
use crate::store::gc::read_action;
use crate::store::survey::Size;
use crate::store::{ActionRecord, Cas, Store, StoreError};

/// An output to send or fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// What messages call it: its path.
    pub label: String,
    /// Its content.
    pub record: ContentRecord,
}

/// One action with two results: its work is not deterministic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The output, as the record names it.
    pub path: String,
    /// Its digest where the record was first, which stays.
    pub first: Digest,
    /// Its digest in the record that came later.
    pub other: Digest,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Transfer {
    /// Objects that were sent or fetched.
    pub moved: Size,
    /// Objects that were there already.
    pub present: u64,
    /// Outputs that the source does not hold.
    pub missing: BTreeSet<String>,
    /// What went wrong otherwise, with the output concerned.
    pub failed: BTreeSet<String>,
    /// Actions with two results.
    pub alarms: Vec<Alarm>,
}

impl Transfer {
    /// Whether everything that was wanted is there now.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.failed.is_empty()
    }
}

/// How one object fared.
enum Step {
    Moved(u64),
    Present,
    Missing,
    Failed(String),
}

/// A transfer in progress.
struct Work<'a> {
    cas: Cas,
    store: &'a Store,
    remote: &'a dyn Remote,
    pool: rayon::ThreadPool,
    transfer: Transfer,
    /// Blobs that are at the destination.
    arrived: BTreeSet<Digest>,
}

/// A directory's list: its members, and the bytes that are its blob.
struct List {
    label: String,
    members: Vec<Entry>,
    bytes: Vec<u8>,
}

/// Sends outputs, and the records of actions whose outputs are all sent. `jobs` objects are on their way at once.
pub fn push(
    store: &Store,
    remote: &dyn Remote,
    wants: &[Want],
    actions: &BTreeSet<ActionKey>,
    jobs: usize,
) -> Result<Transfer, StoreError> {
    let mut work = Work::new(store, remote, jobs)?;
    let lists = work.lists(wants, |work, digest| match fs::read(work.cas.path(digest)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) => Ok(None),
    });
    work.files(wants, &lists, |work, digest, _| work.send(digest));
    for (digest, list) in &lists {
        if work.has_all(list) {
            let step = work.send(*digest);
            work.note(*digest, &list.label, step);
        }
    }
    for key in actions {
        work.send_action(*key)?;
    }
    Ok(work.transfer)
}

/// Fetches outputs into the store, and the records of actions whose outputs are all held.
pub fn fetch(
    store: &Store,
    remote: &dyn Remote,
    wants: &[Want],
    actions: &BTreeSet<ActionKey>,
    jobs: usize,
) -> Result<Transfer, StoreError> {
    let mut work = Work::new(store, remote, jobs)?;
    let lists = work.lists(wants, Work::list_bytes);
    work.files(wants, &lists, Work::receive);
    for (digest, list) in &lists {
        if work.has_all(list) {
            let step = if work.cas.list_of(*digest).is_some() {
                Step::Present
            } else {
                work.cas.put_bytes(*digest, &list.bytes)?;
                Step::Moved(list.bytes.len() as u64)
            };
            work.note(*digest, &list.label, step);
        }
    }
    for key in actions {
        work.receive_action(*key)?;
    }
    store.sync()?;
    Ok(work.transfer)
}

/// What the records of these actions name at a remote.
pub fn action_outputs(
    store: &Store,
    remote: &dyn Remote,
    actions: &BTreeSet<ActionKey>,
) -> Result<Vec<Want>, StoreError> {
    let mut work = Work::new(store, remote, 1)?;
    let mut wants = Vec::new();
    for key in actions {
        let outs = work.remote_action(*key)?.into_iter().flat_map(|record| record.outs);
        wants.extend(outs.map(|(path, record)| Want { label: path.as_str().to_owned(), record }));
    }
    Ok(wants)
}

impl<'a> Work<'a> {
    fn new(store: &'a Store, remote: &'a dyn Remote, jobs: usize) -> Result<Self, StoreError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(jobs.max(1))
            .build()
            .map_err(|error| StoreError::io("start threads for", &store.dir, std::io::Error::other(error)))?;
        Ok(Self { cas: store.cas(), store, remote, pool, transfer: Transfer::default(), arrived: BTreeSet::new() })
    }

    /// The lists of the directories that are wanted, from where they are read.
    fn lists(
        &mut self,
        wants: &[Want],
        read: impl Fn(&Self, Digest) -> Result<Option<Vec<u8>>, String>,
    ) -> BTreeMap<Digest, List> {
        let mut lists = BTreeMap::new();
        for want in wants.iter().filter(|want| want.record.count.is_some()) {
            let digest = want.record.digest;
            match read(self, digest) {
                Ok(Some(bytes)) => match parse_list(&bytes, digest) {
                    Some(members) => drop(lists.insert(digest, List { label: want.label.clone(), members, bytes })),
                    None => self.fail(&want.label, "the list of its files is damaged"),
                },
                Ok(None) => drop(self.transfer.missing.insert(want.label.clone())),
                Err(message) => self.fail(&want.label, &message),
            }
        }
        lists
    }

    /// The list of a directory, from the store, else from the remote.
    fn list_bytes(&self, digest: Digest) -> Result<Option<Vec<u8>>, String> {
        if self.cas.list_of(digest).is_some() {
            return Ok(fs::read(self.cas.path(digest)).ok());
        }
        let file = self.cas.temporary().map_err(|error| error.to_string())?;
        match self.remote.get(ObjectName::Blob(digest), file.path()) {
            Ok(true) => fs::read(file.path()).map(Some).map_err(|error| error.to_string()),
            Ok(false) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Moves all files, each once, some at a time.
    fn files(
        &mut self,
        wants: &[Want],
        lists: &BTreeMap<Digest, List>,
        step: impl Fn(&Self, Digest, u64) -> Step + Sync,
    ) {
        let mut files: BTreeMap<Digest, (u64, String)> = BTreeMap::new();
        for want in wants.iter().filter(|want| want.record.count.is_none()) {
            files.entry(want.record.digest).or_insert_with(|| (want.record.size, want.label.clone()));
        }
        for list in lists.values() {
            for member in &list.members {
                let label = || format!("{}/{}", list.label, member.path);
                files.entry(member.digest).or_insert_with(|| (member.size, label()));
            }
        }
        let files: Vec<(Digest, (u64, String))> = files.into_iter().collect();
        let this = &*self;
        let steps: Vec<Step> =
            this.pool.install(|| files.par_iter().map(|(digest, (size, _))| step(this, *digest, *size)).collect());
        for ((digest, (_, label)), step) in files.iter().zip(steps) {
            self.note(*digest, label, step);
        }
    }

    fn note(&mut self, digest: Digest, label: &str, step: Step) {
        match step {
            Step::Moved(bytes) => self.transfer.moved = self.transfer.moved.and(bytes),
            Step::Present => self.transfer.present += 1,
            Step::Missing => {
                self.transfer.missing.insert(label.to_owned());
                return;
            }
            Step::Failed(message) => return self.fail(label, &message),
        }
        self.arrived.insert(digest);
    }

    fn fail(&mut self, label: &str, message: &str) {
        self.transfer.failed.insert(format!("{label}: {message}"));
    }

    fn has_all(&self, list: &List) -> bool {
        list.members.iter().all(|member| self.arrived.contains(&member.digest))
    }

    /// Sends a blob unless the remote has it.
    fn send(&self, digest: Digest) -> Step {
        let name = ObjectName::Blob(digest);
        let path = self.cas.path(digest);
        let sent = self.remote.has(name).and_then(|is_there| {
            if is_there {
                return Ok(Step::Present);
            }
            let Ok(metadata) = fs::metadata(&path) else { return Ok(Step::Missing) };
            let is_sound = hash_file(&path).is_ok_and(|now| now == digest) || self.cas.list_of(digest).is_some();
            if !is_sound {
                let help = "the stored file is damaged; `clinpipe cache verify --repair` removes it";
                return Ok(Step::Failed(help.to_owned()));
            }
            Ok(if self.remote.put_if_absent(name, &path)? { Step::Moved(metadata.len()) } else { Step::Present })
        });
        sent.unwrap_or_else(|error: RemoteError| Step::Failed(error.to_string()))
    }

    /// Fetches a blob unless the store has it.
    fn receive(&self, digest: Digest, size: u64) -> Step {
        if self.cas.has(digest, size) {
            return Step::Present;
        }
        let receive = || -> Result<Step, String> {
            let file = self.cas.temporary().map_err(|error| error.to_string())?;
            if !self.remote.get(ObjectName::Blob(digest), file.path()).map_err(|error| error.to_string())? {
                return Ok(Step::Missing);
            }
            let size = fs::metadata(file.path()).map_err(|error| error.to_string())?.len();
            if hash_file(file.path()).map_err(|error| error.to_string())? != digest {
                let name = ObjectName::Blob(digest);
                return Err(format!("{name} at {} is damaged; remove it there and push it again", self.remote));
            }
            self.cas.keep(file, digest).map_err(|error| error.to_string())?;
            Ok(Step::Moved(size))
        };
        receive().unwrap_or_else(Step::Failed)
    }

    /// Sends an action record when the remote has all it names.
    fn send_action(&mut self, key: ActionKey) -> Result<(), StoreError> {
        let Some(record) = self.store.action(key) else { return Ok(()) };
        let outs: Vec<ContentRecord> = record.outs.values().cloned().collect();
        if !self.cas.named_by(&outs).is_subset(&self.arrived) {
            return Ok(());
        }
        let name = ObjectName::Action(key);
        match self.remote.put_if_absent(name, &self.store.action_path(key)) {
            Ok(true) => self.transfer.moved = self.transfer.moved.and(0),
            Ok(false) => {
                if let Some(first) = self.remote_action(key)? {
                    self.compare(&first, &record);
                }
            }
            Err(error) => self.fail("action record", &error.to_string()),
        }
        Ok(())
    }

    /// Fetches an action record when the store has all it names.
    fn receive_action(&mut self, key: ActionKey) -> Result<(), StoreError> {
        let Some(record) = self.remote_action(key)? else { return Ok(()) };
        if let Some(first) = self.store.action(key) {
            self.compare(&first, &record);
        } else if record.outs.values().all(|out| self.cas.holds(out)) {
            self.store.record_action(key, &record)?;
            self.transfer.moved = self.transfer.moved.and(0);
        }
        Ok(())
    }

    fn remote_action(&mut self, key: ActionKey) -> Result<Option<ActionRecord>, StoreError> {
        let file = self.cas.temporary()?;
        match self.remote.get(ObjectName::Action(key), file.path()) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.fail("action record", &error.to_string());
                return Ok(None);
            }
        }
        let record = read_action(file.path());
        if record.is_none() {
            let name = ObjectName::Action(key);
            self.fail("action record", &format!("{name} at {} is damaged; remove it there", self.remote));
        }
        Ok(record)
    }

    fn compare(&mut self, first: &ActionRecord, other: &ActionRecord) {
        let differing = other.outs.iter().filter_map(|(path, record)| {
            let first = first.outs.get(path)?.digest;
            let alarm = Alarm { path: path.as_str().to_owned(), first, other: record.digest };
            (first != record.digest).then_some(alarm)
        });
        let before = self.transfer.alarms.len();
        self.transfer.alarms.extend(differing);
        self.transfer.present += u64::from(before == self.transfer.alarms.len());
    }
}
