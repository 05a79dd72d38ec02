//! The hints file: `.clinpipe/stat`, binary, because it is read by every command and may list tens of thousands of
//! files. A checksum guards it: garbage, a truncated file or another version is no hints at all.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::StoreError;
use crate::key::{Digest, HintTable, StatHint};
use crate::util::atomic_write;

/// What the file starts with; the number is the version of the format.
const MAGIC: &[u8; 16] = b"clinpipe stat 2\n";

/// Bytes of a hint without its path and the path's length.
const FIXED: usize = 5 * 8 + 32;

pub(super) fn read(path: &Path) -> HintTable {
    fs::read(path).ok().and_then(|bytes| decode(&bytes)).map_or_else(HintTable::default, HintTable::new)
}

pub(super) fn write(staging: &Path, path: &Path, hints: &HintTable) -> Result<(), StoreError> {
    let Some(hints) = hints.changed() else { return Ok(()) };
    atomic_write::write_through(staging, path, &encode(&hints)).map_err(|error| StoreError::io("write", path, error))
}

/// Magic, BLAKE3 of what follows, then the hints in path order: length of the path, path, times, size, inode, digest.
/// Numbers are little endian.
fn encode(hints: &[(String, StatHint)]) -> Vec<u8> {
    let mut body = Vec::with_capacity(hints.iter().map(|(path, _)| 4 + path.len() + FIXED).sum());
    for (path, hint) in hints {
        body.extend((path.len() as u32).to_le_bytes());
        body.extend(path.as_bytes());
        body.extend(hint.mtime_ns.to_le_bytes());
        body.extend(hint.ctime_ns.to_le_bytes());
        body.extend(hint.size.to_le_bytes());
        body.extend(hint.inode.to_le_bytes());
        body.extend(hint.hashed_ns.to_le_bytes());
        body.extend(hint.digest.as_bytes());
    }
    [MAGIC.as_slice(), Digest::of(&body).as_bytes(), &body].concat()
}

fn decode(bytes: &[u8]) -> Option<HashMap<String, StatHint>> {
    let (checksum, mut rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    if Digest::of(rest).as_bytes() != checksum {
        return None;
    }
    let mut hints = HashMap::with_capacity(rest.len() / (FIXED + 24));
    while !rest.is_empty() {
        let (path, after) = rest.split_at_checked(4 + u32::from_le_bytes(*rest.first_chunk()?) as usize)?;
        let (fixed, after) = after.split_first_chunk::<FIXED>()?;
        rest = after;
        hints.insert(std::str::from_utf8(&path[4..]).ok()?.to_owned(), hint(fixed)?);
    }
    Some(hints)
}

fn hint(fixed: &[u8; FIXED]) -> Option<StatHint> {
    let (numbers, digest) = fixed.split_first_chunk::<40>()?;
    let [mtime, ctime, size, inode, hashed] = numbers.as_chunks::<8>().0 else { return None };
    Some(StatHint {
        mtime_ns: i64::from_le_bytes(*mtime),
        ctime_ns: i64::from_le_bytes(*ctime),
        size: u64::from_le_bytes(*size),
        inode: u64::from_le_bytes(*inode),
        hashed_ns: i64::from_le_bytes(*hashed),
        digest: Digest::from_bytes(*digest.first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hints(paths: &[&str]) -> Vec<(String, StatHint)> {
        let hint = |at: usize| StatHint {
            mtime_ns: -(at as i64),
            ctime_ns: i64::MAX,
            size: at as u64,
            inode: u64::MAX,
            hashed_ns: 5,
            digest: Digest::of(&[at as u8]),
        };
        paths.iter().enumerate().map(|(at, path)| ((*path).to_owned(), hint(at))).collect()
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        for paths in [&[][..], &[""], &["a", "a b/\n", "ü/", "z"]] {
            let hints = hints(paths);
            assert_eq!(decode(&encode(&hints)), Some(hints.into_iter().collect()));
        }
    }

    #[test]
    fn a_damaged_file_is_no_hints() {
        let good = encode(&hints(&["a", "b/c"]));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad), None, "a bit of byte {at} is flipped");
            assert_eq!(decode(&good[..at]), None, "cut after {at} bytes");
        }
        assert_eq!(decode(&[good.as_slice(), b"x"].concat()), None);
    }

    proptest! {
        /// A checksum can be right over any bytes: none of them is a panic or more than it holds.
        #[test]
        fn no_bytes_are_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [MAGIC.as_slice(), Digest::of(&body).as_bytes(), &body].concat();
            let read = decode(&bytes);
            prop_assert!(read.is_none_or(|hints| hints.len() * (4 + FIXED) <= body.len()));
        }
    }
}
