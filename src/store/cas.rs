//! Content-addressed blobs: `cas/<2 hex>/<62 hex>`, read-only, named by the BLAKE3 of their bytes.
//!
//! A directory is stored as its members plus a blob that lists them; that blob is named by the directory's digest and
//! is verified by recomputing it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::StoreError;
use crate::config::Link;
use crate::key::hash::hash_file;
use crate::key::inputs::directory_record;
use crate::key::{Content, ContentRecord, Digest, Entry};
use crate::util::RelPath;

/// How a file begins that stands among the blobs while it is written; `cache gc` removes what killed processes left.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Up to this size, in bytes, a file is stored through memory: sharing blocks would save less than it takes to ask.
const SMALL: u64 = 1 << 16;

/// The blobs of a store.
#[derive(Debug, Clone)]
pub struct Cas {
    dir: PathBuf,
    tmp: PathBuf,
    link: Link,
}

impl Cas {
    pub(super) fn new(dir: PathBuf, tmp: PathBuf, link: Link) -> Self {
        Self { dir, tmp, link }
    }

    /// The same blobs, which get into the workspace in this way.
    pub fn with_link(self, link: Link) -> Self {
        Self { link, ..self }
    }

    /// Whether everything that `record` names is held. Reads the member list of a directory, not the blobs.
    pub fn holds(&self, record: &ContentRecord) -> bool {
        if record.count.is_none() {
            return self.has(record.digest, record.size);
        }
        // A record that says otherwise than the list it names would carry its mistake into the lock.
        self.entries(record.digest).is_ok_and(|entries| {
            directory_record(&entries) == *record && entries.iter().all(|entry| self.has(entry.digest, entry.size))
        })
    }

    /// Whether the bytes of every file of `content` are held and have their digests. Reads every blob.
    pub fn holds_bytes(&self, content: &Content) -> bool {
        let is_intact = |digest| hash_file(&self.path(digest)).is_ok_and(|now| now == digest);
        match content {
            Content::Missing => true,
            Content::File(record) => is_intact(record.digest),
            Content::Directory(_, entries) => entries.iter().all(|entry| is_intact(entry.digest)),
        }
    }

    /// Stores what stands at `path`. `content` is its digest as just taken; a file that has changed meanwhile is
    /// refused.
    pub fn put(&self, path: &Path, content: &Content) -> Result<(), StoreError> {
        match content {
            Content::Missing => Ok(()),
            Content::File(record) => self.put_file(path, record.digest, record.size),
            Content::Directory(record, entries) => {
                let put = |entry: &Entry| self.put_file(&path.join(&entry.path), entry.digest, entry.size);
                entries.par_iter().try_for_each(put)?;
                let list =
                    serde_json::to_vec(entries).map_err(|e| StoreError::io("write", path, io::Error::other(e)))?;
                self.put_bytes(record.digest, &list)
            }
        }
    }

    /// Writes the stored content to `target`, which must not exist, verifying every byte.
    pub fn restore(&self, record: &ContentRecord, target: &Path) -> Result<(), StoreError> {
        if record.count.is_none() {
            return self.restore_file(record.digest, record.executable, target);
        }
        self.restore_members(&self.entries(record.digest)?, target)
    }

    /// [`Cas::restore`] of some members of a directory, with paths relative to `target`.
    pub fn restore_members(&self, members: &[Entry], target: &Path) -> Result<(), StoreError> {
        fs::create_dir_all(target).map_err(|error| StoreError::io("write", target, error))?;
        members.par_iter().try_for_each(|entry| {
            let path = target.join(&entry.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| StoreError::io("write", parent, error))?;
            }
            self.restore_file(entry.digest, entry.executable, &path)
        })
    }

    /// Where links are wanted, replaces the files at `path` by links to their blobs. Returns whether it replaced any.
    /// `content` is what stands there and is stored.
    pub fn link_in_place(&self, path: &Path, content: &Content) -> Result<bool, StoreError> {
        if self.link != Link::Hardlink {
            return Ok(false);
        }
        match content {
            Content::Missing => Ok(false),
            Content::File(record) => self.link_file(path, record.digest, record.executable),
            Content::Directory(_, entries) => {
                let link = |entry: &Entry| self.link_file(&path.join(&entry.path), entry.digest, entry.executable);
                let own = entries.iter().filter(|entry| is_reached_without_links(path, &entry.path));
                own.map(link).try_fold(false, |any, linked| Ok(linked? || any))
            }
        }
    }

    /// The bytes of a file blob, verified.
    pub fn read(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(|error| self.absent_or(digest, error))?;
        if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(self.discard(digest)) }
    }

    pub(super) fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_string();
        self.dir.join(&hex[..2]).join(&hex[2..])
    }

    /// Whether a blob of that size is there. A power cut may leave one that is empty or cut short.
    pub(super) fn has(&self, digest: Digest, size: u64) -> bool {
        fs::metadata(self.path(digest)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
    }

    fn put_file(&self, source: &Path, digest: Digest, size: u64) -> Result<(), StoreError> {
        if self.has(digest, size) && !self.is_written_through(digest) {
            return Ok(());
        }
        let fail = |error| StoreError::io("store", source, error);
        let mut to = self.temporary()?;
        // The copy is what will be read back, so the copy is what must have the digest.
        let copied = if size <= SMALL {
            let bytes = fs::read(source).map_err(fail)?;
            to.write_all(&bytes).map_err(fail)?;
            Digest::of(&bytes)
        } else {
            let mut from = File::open(source).map_err(fail)?;
            copy(&mut from, to.as_file_mut(), self.link != Link::Copy).map_err(fail)?;
            hash_file(to.path()).map_err(fail)?
        };
        if copied != digest {
            return Err(StoreError::Damaged {
                path: source.display().to_string(),
                message: "it changed while it was stored; run again when nothing else writes it".to_owned(),
            });
        }
        self.keep(to, digest)
    }

    /// Whether a blob was changed through a link in the workspace. Only where links are made can that be.
    fn is_written_through(&self, digest: Digest) -> bool {
        self.link == Link::Hardlink && hash_file(&self.path(digest)).is_ok_and(|now| now != digest)
    }

    /// Replaces a file by a link to its blob, if the file system can. An executable file keeps a copy of its own: a
    /// link would make every use of the blob executable.
    fn link_file(&self, file: &Path, digest: Digest, executable: bool) -> Result<bool, StoreError> {
        let blob = self.path(digest);
        if executable || is_same_file(file, &blob) {
            return Ok(false);
        }
        let fail = |error| StoreError::io("link", file, error);
        fs::create_dir_all(&self.tmp).map_err(fail)?;
        let staging = tempfile::Builder::new().prefix("link-").tempdir_in(&self.tmp).map_err(fail)?;
        let link = staging.path().join("link");
        Ok(fs::hard_link(&blob, &link).and_then(|()| fs::rename(&link, file)).is_ok())
    }

    pub(super) fn put_bytes(&self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        if self.has(digest, bytes.len() as u64) {
            return Ok(());
        }
        let mut file = self.temporary()?;
        file.write_all(bytes).map_err(|error| StoreError::io("write", file.path(), error))?;
        self.keep(file, digest)
    }

    pub(super) fn temporary(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        let create = || tempfile::Builder::new().prefix("blob-").tempfile_in(&self.tmp);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.tmp).and_then(|()| create())
            }
            result => result,
        };
        file.map_err(|error| StoreError::io("write", &self.tmp, error))
    }

    /// Gives a blob its name. It is durable once the store has been [synced](super::Store::sync).
    pub(super) fn keep(&self, file: tempfile::NamedTempFile, digest: Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        let fail = |error| StoreError::io("write", &path, error);
        let parent = path.parent().unwrap_or(&self.dir);
        file.as_file().set_permissions(fs::Permissions::from_mode(0o444)).map_err(fail)?;
        let persisted = match file.persist(&path) {
            Err(error) if error.error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(parent).map_err(fail)?;
                error.file.persist(&path)
            }
            result => result,
        };
        match persisted {
            // `cas` may be a link to another file system than `tmp`.
            Err(error) if error.error.kind() == io::ErrorKind::CrossesDevices => {
                let mut beside = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(parent).map_err(fail)?;
                let mut staged = error.file.reopen().map_err(fail)?;
                copy(&mut staged, beside.as_file_mut(), false).map_err(fail)?;
                beside.as_file().set_permissions(fs::Permissions::from_mode(0o444)).map_err(fail)?;
                beside.persist(&path).map_err(|error| fail(error.error))?;
            }
            persisted => drop(persisted.map_err(|error| fail(error.error))?),
        }
        Ok(())
    }

    fn restore_file(&self, digest: Digest, executable: bool, target: &Path) -> Result<(), StoreError> {
        let path = self.path(digest);
        let fail = |error| StoreError::io("write", target, error);
        let mut from = File::open(&path).map_err(|error| self.absent_or(digest, error))?;
        let is_link = self.link == Link::Hardlink && !executable && fs::hard_link(&path, target).is_ok();
        if !is_link {
            let mut to = File::create_new(target).map_err(fail)?;
            copy(&mut from, &mut to, self.link != Link::Copy).map_err(fail)?;
        }
        if hash_file(target).map_err(fail)? != digest {
            drop(fs::remove_file(target));
            return Err(self.discard(digest));
        }
        if executable {
            fs::set_permissions(target, fs::Permissions::from_mode(0o755)).map_err(fail)?;
        }
        Ok(())
    }

    /// The members of a stored directory, verified.
    pub fn entries(&self, digest: Digest) -> Result<Vec<Entry>, StoreError> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(|error| self.absent_or(digest, error))?;
        parse_list(&bytes, digest).ok_or_else(|| self.discard(digest))
    }

    /// The members of a stored directory, if its list is held and sound. Removes nothing.
    pub(super) fn list_of(&self, digest: Digest) -> Option<Vec<Entry>> {
        parse_list(&fs::read(self.path(digest)).ok()?, digest)
    }

    /// What a stored directory holds at a path within it: its record, and its members when that is a directory itself.
    /// Nothing when the directory's list is not held, or names nothing there.
    pub fn part(&self, directory: Digest, inner: &str) -> Option<(ContentRecord, Option<Vec<Entry>>)> {
        let entries = self.list_of(directory)?;
        if let Some(entry) = entries.iter().find(|entry| entry.path == inner) {
            let Entry { digest, size, executable, .. } = *entry;
            return Some((ContentRecord { digest, size, count: None, executable }, None));
        }
        let below = format!("{inner}/");
        let members: Vec<Entry> = entries
            .into_iter()
            .filter_map(|entry| Some(Entry { path: entry.path.strip_prefix(&below)?.to_owned(), ..entry }))
            .collect();
        (!members.is_empty()).then(|| (directory_record(&members), Some(members)))
    }

    /// A damaged blob is removed, so that it is computed again instead of failing for ever. One that is what its name
    /// says stays: then the mistake is in the record, which takes a file for a directory or the reverse.
    fn discard(&self, digest: Digest) -> StoreError {
        let path = self.path(digest);
        let message = match self.judge(digest, &path) {
            Ok(false) if fs::remove_file(&path).is_ok() => {
                "its bytes no longer have its digest; it was removed, run again to rebuild it"
            }
            Ok(true) => "it is sound, but the record that names it takes a file for a directory or the reverse",
            _ => "its bytes no longer have its digest; remove it and run again",
        };
        StoreError::Damaged { path: path.display().to_string(), message: message.to_owned() }
    }

    fn absent_or(&self, digest: Digest, error: io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::NotFound {
            StoreError::Missing(digest)
        } else {
            StoreError::io("read", &self.path(digest), error)
        }
    }
}

/// A list of members, if it is that of the directory with this digest and stays within it.
pub(super) fn parse_list(bytes: &[u8], digest: Digest) -> Option<Vec<Entry>> {
    let entries: Vec<Entry> = serde_json::from_slice(bytes).ok()?;
    let is_safe = |path: &str| RelPath::try_from(path.to_owned()).is_ok_and(|path| !path.is_root());
    let safe = entries.iter().all(|entry| is_safe(&entry.path));
    (safe && directory_record(&entries).digest == digest).then_some(entries)
}

/// Whether no link leads from a directory to its member: a file beyond one may be anybody's.
fn is_reached_without_links(directory: &Path, member: &str) -> bool {
    let is_directory = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let mut between = Path::new(member).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    is_directory(directory) && between.all(|above| is_directory(&directory.join(above)))
}

/// Whether two names are one file.
fn is_same_file(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((place(a), place(b)), (Ok(a), Ok(b)) if a == b)
}

/// Copies a file, sharing its blocks where that is wanted and the file system can.
fn copy(from: &mut File, to: &mut File, share: bool) -> io::Result<()> {
    if share && rustix::fs::ioctl_ficlone(&*to, &*from).is_ok() {
        return Ok(());
    }
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..n])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{HintTable, Reader};

    fn project() -> (tempfile::TempDir, Cas, Reader) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cas = Cas::new(dir.path().join("cas"), dir.path().join("tmp"), Link::default());
        let reader = Reader::new(dir.path().to_owned(), HintTable::default());
        (dir, cas, reader)
    }

    #[test]
    fn a_directory_comes_back_as_it_was() {
        let (dir, cas, reader) = project();
        fs::create_dir_all(dir.path().join("models/below")).expect("created");
        fs::write(dir.path().join("models/a"), "1").expect("written");
        fs::write(dir.path().join("models/below/b"), "2").expect("written");
        let content = reader.content(&RelPath::parse("models").expect("inside")).expect("readable");
        cas.put(&dir.path().join("models"), &content).expect("stored");
        let record = content.record().expect("there");
        assert!(cas.holds(record));
        cas.restore(record, &dir.path().join("again")).expect("restored");
        let again = reader.content(&RelPath::parse("again").expect("inside")).expect("readable");
        assert_eq!(again.record(), Some(record));
    }

    #[test]
    fn a_damaged_blob_is_found_and_removed() {
        let (dir, cas, reader) = project();
        fs::write(dir.path().join("a"), "one").expect("written");
        let content = reader.content(&RelPath::parse("a").expect("inside")).expect("readable");
        let record = content.record().expect("there");
        cas.put(&dir.path().join("a"), &content).expect("stored");
        let blob = cas.path(record.digest);
        fs::remove_file(&blob).expect("removed");
        fs::write(&blob, "two").expect("written");
        let error = cas.restore(record, &dir.path().join("b")).expect_err("damaged");
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(!dir.path().join("b").exists() && !cas.holds(record));
    }
}
