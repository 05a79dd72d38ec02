//! A directory as a remote: on another disk, or mounted from another machine.
//!
//! Layout: `cas/` and `ac/` as in the store, `tmp/` for what is being written, `lock` which those who write share. A
//! file appears under its name only when it is whole and on the disk.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{ObjectKind, ObjectName, Remote, RemoteError};
use crate::key::ActionKey;
use crate::store::survey;
use crate::store::{FileLock, Held, StoreError};
use crate::util::atomic_write;

/// A directory that holds objects.
#[derive(Debug)]
pub struct DirectoryRemote {
    dir: PathBuf,
    /// Held while this process may write.
    _writing: Option<Held>,
}

impl DirectoryRemote {
    /// Opens a remote for reading; it must exist.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        match fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => Ok(Self { dir: plain(dir), _writing: None }),
            Ok(_) => Err(StoreError::io("open the remote", dir, io::Error::from(io::ErrorKind::NotADirectory))),
            Err(error) => Err(StoreError::io("open the remote", dir, error)),
        }
    }

    /// Opens a remote for writing; it is created when missing. Who finds nobody else writing there removes what killed
    /// processes left.
    pub fn create(dir: &Path) -> Result<Self, StoreError> {
        let fail = |error| StoreError::io("write to the remote", dir, error);
        let tmp = dir.join("tmp");
        fs::create_dir_all(&tmp).map_err(fail)?;
        let writing = FileLock::new(dir.join("lock")).share(|| drop(fs::remove_dir_all(&tmp)))?;
        fs::create_dir_all(&tmp).map_err(fail)?;
        // Whether it can be written shows before anything is sent.
        tempfile::tempfile_in(&tmp).map_err(fail)?;
        Ok(Self { dir: plain(dir), _writing: Some(writing) })
    }

    fn path(&self, name: ObjectName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    fn error(&self, action: &'static str, name: impl fmt::Display, source: io::Error) -> RemoteError {
        RemoteError { action, name: name.to_string(), remote: self.to_string(), source }
    }

    fn put(&self, path: &Path, from: &Path) -> io::Result<bool> {
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent)?;
        let mut file = tempfile::Builder::new().prefix("put-").tempfile_in(self.dir.join("tmp"))?;
        io::copy(&mut File::open(from)?, file.as_file_mut())?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o444))?;
        file.as_file().sync_all()?;
        let stored = place(file.path(), path)?;
        if stored {
            atomic_write::sync_dir(parent)?;
        }
        Ok(stored)
    }
}

impl fmt::Display for DirectoryRemote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dir.display().fmt(formatter)
    }
}

impl Remote for DirectoryRemote {
    fn has(&self, name: ObjectName) -> Result<bool, RemoteError> {
        match fs::metadata(self.path(name)) {
            Ok(metadata) if metadata.is_file() => Ok(true),
            // Who else can write there decides what stands there: a pipe would never answer, a device never end.
            Ok(_) => Err(self.error("read", name, io::Error::other("it is not a file; remove it there"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.error("read", name, error)),
        }
    }

    fn get(&self, name: ObjectName, into: &Path) -> Result<bool, RemoteError> {
        if !self.has(name)? {
            return Ok(false);
        }
        let copy = || io::copy(&mut File::open(self.path(name))?, &mut File::create(into)?);
        copy().map(|_| true).map_err(|error| self.error("read", name, error))
    }

    fn put_if_absent(&self, name: ObjectName, from: &Path) -> Result<bool, RemoteError> {
        if self.has(name)? {
            return Ok(false);
        }
        self.put(&self.path(name), from).map_err(|error| self.error("write", name, error))
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<ObjectName>, RemoteError> {
        let folder = match kind {
            ObjectKind::Blobs => "cas",
            ObjectKind::Actions => "ac",
        };
        let listing = survey::list(&self.dir.join(folder))
            .map_err(|error| self.error("list", folder, io::Error::other(error)))?;
        let name = |digest| match kind {
            ObjectKind::Blobs => ObjectName::Blob(digest),
            ObjectKind::Actions => ObjectName::Action(ActionKey(digest)),
        };
        Ok(listing.held.into_iter().map(|object| name(object.digest)).collect())
    }
}

/// A directory's path without `..` and links, as messages show it.
fn plain(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}

/// Gives a file its name unless the name is taken. Returns whether it did.
fn place(from: &Path, to: &Path) -> io::Result<bool> {
    let renamed = renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from);
    // Not every file system knows this rename; a link refuses a taken name as well.
    let placed = match renamed {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            fs::hard_link(from, to)
        }
        other => other,
    };
    match placed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Digest;

    #[test]
    fn the_first_object_stays_and_reads_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let remote = DirectoryRemote::create(&dir.path().join("remote")).expect("created");
        let name = ObjectName::Action(ActionKey(Digest::of(b"key")));
        let file = dir.path().join("file");
        for (text, stored) in [("one", true), ("two", false)] {
            fs::write(&file, text).expect("written");
            assert_eq!(remote.put_if_absent(name, &file).expect("no error"), stored);
        }
        assert!(!place(&file, &remote.path(name)).expect("refused"), "a name that is taken meanwhile is not replaced");
        assert!(remote.get(name, &file).expect("readable") && fs::read(&file).expect("there") == b"one");
        assert_eq!(remote.list(ObjectKind::Actions).expect("listed"), [name]);
        assert!(!remote.get(ObjectName::Blob(Digest::of(b"x")), &file).expect("no error"));
    }

    #[test]
    fn who_writes_alone_clears_what_killed_ones_left() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("tmp")).expect("created");
        let litter = dir.path().join("tmp/put-left");
        fs::write(&litter, "half").expect("written");
        let first = DirectoryRemote::create(dir.path()).expect("opened");
        assert!(!litter.exists());
        fs::write(&litter, "being written").expect("written");
        let second = DirectoryRemote::create(dir.path()).expect("opened");
        assert!(litter.exists(), "another one is at work");
        drop((first, second));
        drop(DirectoryRemote::create(dir.path()).expect("opened"));
        assert!(!litter.exists());
    }
}
