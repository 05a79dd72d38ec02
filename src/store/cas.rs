//! Content-addressed blobs: `cas/<2 hex>/<62 hex>`, read-only, named by the BLAKE3 of their bytes.
//!
//! A directory is stored as its members plus a blob that lists them; that blob is named by the directory's digest and
//! is verified by recomputing it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::key::inputs::{directory_record, hash_file};
use crate::key::{Content, ContentRecord, Digest, Entry};
use crate::util::{RelPath, atomic_write};

/// The blobs of a store.
#[derive(Debug, Clone)]
pub struct Cas {
    dir: PathBuf,
    tmp: PathBuf,
}

impl Cas {
    pub(super) fn new(dir: PathBuf, tmp: PathBuf) -> Self {
        Self { dir, tmp }
    }

    /// Whether everything that `record` names is held. Reads the member list of a directory, not the blobs.
    pub fn holds(&self, record: &ContentRecord) -> bool {
        if record.count.is_none() {
            return self.path(record.digest).is_file();
        }
        self.entries(record.digest).is_ok_and(|entries| entries.iter().all(|entry| self.path(entry.digest).is_file()))
    }

    /// Whether everything that `record` names is held and has its digest. Reads every blob.
    pub fn holds_intact(&self, record: &ContentRecord) -> bool {
        let is_intact = |digest| hash_file(&self.path(digest)).is_ok_and(|now| now == digest);
        if record.count.is_none() {
            return is_intact(record.digest);
        }
        self.entries(record.digest).is_ok_and(|entries| entries.iter().all(|entry| is_intact(entry.digest)))
    }

    /// Stores what stands at `path`. `content` is its digest as just taken; a file that has changed meanwhile is
    /// refused.
    pub fn put(&self, path: &Path, content: &Content) -> Result<(), StoreError> {
        match content {
            Content::Missing => Ok(()),
            Content::File(record) => self.put_file(path, record.digest),
            Content::Directory(record, entries) => {
                for entry in entries {
                    self.put_file(&path.join(&entry.path), entry.digest)?;
                }
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
        fs::create_dir_all(target).map_err(|error| StoreError::io("write", target, error))?;
        for entry in self.entries(record.digest)? {
            let path = target.join(&entry.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| StoreError::io("write", parent, error))?;
            }
            self.restore_file(entry.digest, entry.executable, &path)?;
        }
        Ok(())
    }

    /// The bytes of a file blob, verified.
    pub fn read(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(|error| self.absent_or(digest, error))?;
        if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(discard(&path)) }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_string();
        self.dir.join(&hex[..2]).join(&hex[2..])
    }

    fn put_file(&self, source: &Path, digest: Digest) -> Result<(), StoreError> {
        if self.path(digest).is_file() {
            return Ok(());
        }
        let fail = |error| StoreError::io("store", source, error);
        let mut from = File::open(source).map_err(fail)?;
        let mut to = self.temporary()?;
        copy(&mut from, to.as_file_mut()).map_err(fail)?;
        // The copy is what will be read back, so the copy is what must have the digest.
        if hash_file(to.path()).map_err(fail)? != digest {
            return Err(StoreError::Damaged {
                path: source.display().to_string(),
                message: "it changed while it was stored; run again when nothing else writes it".to_owned(),
            });
        }
        self.keep(to, digest)
    }

    fn put_bytes(&self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        if self.path(digest).is_file() {
            return Ok(());
        }
        let mut file = self.temporary()?;
        file.write_all(bytes).map_err(|error| StoreError::io("write", file.path(), error))?;
        self.keep(file, digest)
    }

    fn temporary(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        let fail = |error| StoreError::io("write", &self.tmp, error);
        fs::create_dir_all(&self.tmp).map_err(fail)?;
        tempfile::Builder::new().prefix("blob-").tempfile_in(&self.tmp).map_err(fail)
    }

    fn keep(&self, file: tempfile::NamedTempFile, digest: Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        let fail = |error| StoreError::io("write", &path, error);
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(fail)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o444)).map_err(fail)?;
        file.as_file().sync_all().map_err(fail)?;
        file.persist(&path).map_err(|error| fail(error.error))?;
        atomic_write::sync_dir(parent).map_err(fail)
    }

    fn restore_file(&self, digest: Digest, executable: bool, target: &Path) -> Result<(), StoreError> {
        let path = self.path(digest);
        let fail = |error| StoreError::io("write", target, error);
        let mut from = File::open(&path).map_err(|error| self.absent_or(digest, error))?;
        let mut to = File::create_new(target).map_err(fail)?;
        copy(&mut from, &mut to).map_err(fail)?;
        if hash_file(target).map_err(fail)? != digest {
            drop(fs::remove_file(target));
            return Err(discard(&path));
        }
        if executable {
            to.set_permissions(fs::Permissions::from_mode(0o755)).map_err(fail)?;
        }
        Ok(())
    }

    fn entries(&self, digest: Digest) -> Result<Vec<Entry>, StoreError> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(|error| self.absent_or(digest, error))?;
        let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(|_| discard(&path))?;
        let is_safe = |path: &str| RelPath::try_from(path.to_owned()).is_ok_and(|path| !path.is_root());
        let safe = entries.iter().all(|entry| is_safe(&entry.path));
        if safe && directory_record(&entries).digest == digest { Ok(entries) } else { Err(discard(&path)) }
    }

    fn absent_or(&self, digest: Digest, error: io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::NotFound {
            StoreError::Missing(digest)
        } else {
            StoreError::io("read", &self.path(digest), error)
        }
    }
}

/// A damaged blob is removed, so that it is computed again instead of failing for ever.
fn discard(path: &Path) -> StoreError {
    let removed = fs::remove_file(path).is_ok();
    let message = if removed {
        "its bytes no longer have its digest; it was removed, run again to rebuild it"
    } else {
        "its bytes no longer have its digest; remove it and run again"
    };
    StoreError::Damaged { path: path.display().to_string(), message: message.to_owned() }
}

/// Copies a file, sharing its blocks where the file system can.
fn copy(from: &mut File, to: &mut File) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(&*to, &*from).is_ok() {
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
        let cas = Cas::new(dir.path().join("cas"), dir.path().join("tmp"));
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
