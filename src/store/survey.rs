//! What lies in the store: every blob, action record and other file, by size. Reads names and sizes only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::cas::TEMPORARY;
use super::{GITIGNORE, Store, StoreError};
use crate::key::{ContentRecord, Digest};

/// One file that is named by a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name: of a blob's content, or the key of an action record.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Where it lies.
    pub path: PathBuf,
}

/// The files of `cas/` or `ac/`.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order of their digests.
    pub held: Vec<Object>,
    /// Temporary files that a killed process left.
    pub litter: Vec<PathBuf>,
    /// Files whose names are no digests.
    pub strangers: Vec<PathBuf>,
}

/// Files and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// How many.
    pub files: u64,
    /// Bytes in all.
    pub bytes: u64,
}

impl Size {
    /// With one more file.
    pub(super) fn and(self, bytes: u64) -> Self {
        Self { files: self.files + 1, bytes: self.bytes + bytes }
    }

    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// How much of the store some records need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Blobs that they name and that are held.
    pub held: Size,
    /// Those of them that nothing else in the survey names: what would be gained without it.
    pub alone: Size,
    /// Blobs that they name and that are not held.
    pub missing: u64,
}

/// The store by kind and by owner.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// By directory or file of the store: `cas`, `ac`, `log`, `rescued` …
    pub kinds: BTreeMap<String, Size>,
    /// By owner, in the order of names.
    pub owners: BTreeMap<String, Share>,
    /// Blobs that no owner names.
    pub unnamed: Size,
}

impl Store {
    /// The blobs.
    pub fn list_blobs(&self) -> Result<Listing, StoreError> {
        list(&self.dir.join("cas"))
    }

    /// The action records.
    pub fn list_actions(&self) -> Result<Listing, StoreError> {
        list(&self.dir.join("ac"))
    }

    /// Measures the store; `owners` are the records of each owner by name.
    pub fn survey(&self, owners: &BTreeMap<String, Vec<ContentRecord>>) -> Result<Survey, StoreError> {
        let mut survey = Survey::default();
        for entry in read_dir(&self.dir)?.iter().filter(|entry| entry.file_name() != GITIGNORE) {
            let mut size = Size::default();
            measure(&entry.path(), &mut size)?;
            survey.kinds.insert(entry.file_name().to_string_lossy().into_owned(), size);
        }
        let sizes: BTreeMap<Digest, u64> =
            self.list_blobs()?.held.into_iter().map(|held| (held.digest, held.size)).collect();
        let named: BTreeMap<&String, BTreeSet<Digest>> =
            owners.iter().map(|(owner, records)| (owner, self.cas().named_by(records))).collect();
        let mut uses: BTreeMap<Digest, usize> = BTreeMap::new();
        named.values().flatten().for_each(|digest| *uses.entry(*digest).or_default() += 1);
        for (owner, digests) in named {
            let mut share = Share::default();
            for digest in digests {
                let Some(bytes) = sizes.get(&digest) else {
                    share.missing += 1;
                    continue;
                };
                share.held.add(*bytes);
                if uses.get(&digest) == Some(&1) {
                    share.alone.add(*bytes);
                }
            }
            survey.owners.insert(owner.clone(), share);
        }
        sizes.iter().filter(|(digest, _)| !uses.contains_key(digest)).for_each(|(_, size)| survey.unnamed.add(*size));
        Ok(survey)
    }
}

/// The entries of a directory; a missing one has none.
pub(super) fn read_dir(dir: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let fail = |error| StoreError::io("read", dir, error);
    match fs::read_dir(dir) {
        Ok(entries) => entries.collect::<io::Result<_>>().map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fail(error)),
    }
}

/// The files of a directory of `<2 hex>/<62 hex>`.
pub(super) fn list(dir: &Path) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    for outer in read_dir(dir)? {
        if !outer.path().is_dir() {
            listing.strangers.push(outer.path());
            continue;
        }
        for inner in read_dir(&outer.path())? {
            let (path, start) = (inner.path(), outer.file_name());
            let (start, rest) = (start.to_string_lossy(), inner.file_name());
            let rest = rest.to_string_lossy();
            let size = match inner.metadata() {
                Ok(metadata) if metadata.is_file() => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Ok(_) | Err(_) => {
                    listing.strangers.push(path);
                    continue;
                }
            };
            match format!("{start}{rest}").parse() {
                Ok(digest) if start.len() == 2 => listing.held.push(Object { digest, size, path }),
                _ if rest.starts_with(TEMPORARY) => listing.litter.push(path),
                _ => listing.strangers.push(path),
            }
        }
    }
    listing.held.sort_by_key(|held| held.digest);
    listing.litter.sort();
    listing.strangers.sort();
    Ok(listing)
}

fn measure(path: &Path, size: &mut Size) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => read_dir(path)?.iter().try_for_each(|entry| measure(&entry.path(), size)),
        // A link to a directory is part of the store when it stands in its place.
        Ok(metadata) if metadata.is_symlink() && path.is_dir() => {
            read_dir(path)?.iter().try_for_each(|entry| measure(&entry.path(), size))
        }
        Ok(metadata) => {
            size.add(metadata.len());
            Ok(())
        }
        // What a run removes meanwhile is not there any more.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("read", path, error)),
    }
}
