//! The digest of a file's bytes.
//!
//! A large file is cut along BLAKE3's own tree and read and hashed by several threads at once, each through a buffer
//! that stays in its core's cache. Files are read, never mapped into memory: one that is cut short meanwhile would
//! kill the process.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};

use super::Digest;

/// Bytes that one thread reads and hashes at a time. A power of two, as a subtree of BLAKE3 must be.
const LEAF: u64 = 1 << 18;

/// From this size on, threads share the work.
const SHARED_FROM: u64 = 1 << 20;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; LEAF as usize]);
}

/// The digest of a file's bytes. A directory is an error.
pub fn hash_file(path: &Path) -> io::Result<Digest> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size >= SHARED_FROM {
        match shared(&file, size) {
            // It has become shorter since its size was read.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            result => return result,
        }
    }
    in_order(&file)
}

/// Reads to the end, whatever the size said: the files that a kernel makes up say 0.
fn in_order(mut file: &File) -> io::Result<Digest> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut hasher = blake3::Hasher::new();
        loop {
            match file.read(buffer) {
                Ok(0) => return Ok(hasher.finalize().into()),
                Ok(n) => drop(hasher.update(&buffer[..n])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })
}

/// The digest of the first `size` bytes, more than one leaf.
fn shared(file: &File, size: u64) -> io::Result<Digest> {
    let left = left_subtree_len(size);
    let (a, b) = rayon::join(|| subtree(file, 0, left), || subtree(file, left, size - left));
    Ok(merge_subtrees_root(&a?, &b?, Mode::Hash).into())
}

fn subtree(file: &File, offset: u64, length: u64) -> io::Result<ChainingValue> {
    if length <= LEAF {
        return leaf(file, offset, length as usize);
    }
    let left = left_subtree_len(length);
    let (a, b) = rayon::join(|| subtree(file, offset, left), || subtree(file, offset + left, length - left));
    Ok(merge_subtrees_non_root(&a?, &b?, Mode::Hash))
}

fn leaf(file: &File, offset: u64, length: usize) -> io::Result<ChainingValue> {
    BUFFER.with_borrow_mut(|buffer| {
        let bytes = &mut buffer[..length];
        file.read_exact_at(bytes, offset)?;
        Ok(blake3::Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_digest_does_not_depend_on_how_the_file_is_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        let leaf = LEAF as usize;
        let sizes =
            [0, 1, 1024, leaf - 1, leaf, leaf + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 * leaf + 7, 16 * leaf];
        for size in sizes {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            fs::write(&path, &bytes).expect("written");
            assert_eq!(hash_file(&path).expect("readable"), Digest::of(&bytes), "{size} bytes");
        }
    }

    #[test]
    fn a_file_that_becomes_shorter_is_no_digest_of_what_is_gone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        fs::write(&path, vec![1; 3 << 20]).expect("written");
        let file = File::open(&path).expect("there");
        let error = shared(&file, 4 << 20).expect_err("there are 3 MiB");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(in_order(&file).expect("readable"), Digest::of(&vec![1; 3 << 20]));
    }

    #[test]
    fn a_directory_has_no_bytes() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(hash_file(dir.path()).expect_err("a directory").kind(), io::ErrorKind::IsADirectory);
    }
}
