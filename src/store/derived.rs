//! Values computed from files and kept between runs: `.clinpipe/derived/<name>`.
//!
//! Never a second truth. A value carries the digest of what it was computed from, and is handed out only to a caller who
//! has read all that again and arrives at the same digest. Garbage, another version and a lost file cost the
//! computation, nothing else.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, file_name};
use crate::key::Digest;
use crate::util::atomic_write;

/// What a file starts with. The sources of clinpipe are named in it: its types are the format, its rules the content.
const MAGIC: &str = concat!("clinpipe derived ", env!("CLINPIPE_SOURCES"), "\n");

impl Store {
    /// The value kept under `name`, if it was computed from `source`.
    pub fn derived<T: DeserializeOwned>(&self, name: &str, source: Digest) -> Option<T> {
        decode(&fs::read(self.derived_path(name)).ok()?, source)
    }

    /// Keeps a value that was computed from `source`, if there is a store. Failure costs only time later.
    pub fn keep_derived<T: Serialize>(&self, name: &str, source: Digest, value: &T) {
        if self.dir.is_dir()
            && let Some(bytes) = encode(source, value)
            // Those who only read must not wait for anybody.
            && let Some(_tmp) = self.file_lock("tmp").try_share()
        {
            drop(atomic_write::write_soon(&self.tmp(), &self.derived_path(name), &bytes));
        }
    }

    fn derived_path(&self, name: &str) -> PathBuf {
        self.dir.join("derived").join(file_name(name))
    }
}

/// Magic, digest of the source, BLAKE3 of the value's bytes, the value in postcard's encoding.
fn encode<T: Serialize>(source: Digest, value: &T) -> Option<Vec<u8>> {
    let value = postcard::to_allocvec(value).ok()?;
    Some([MAGIC.as_bytes(), source.as_bytes(), Digest::of(&value).as_bytes(), &value].concat())
}

fn decode<T: DeserializeOwned>(bytes: &[u8], source: Digest) -> Option<T> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes())?.strip_prefix(source.as_bytes())?;
    let (checksum, value) = rest.split_first_chunk::<32>()?;
    if Digest::of(value).as_bytes() != checksum {
        return None;
    }
    postcard::from_bytes(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_given_back_for_its_source_only() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(dir.path());
        fs::create_dir(&store.dir).expect("created");
        let source = Digest::of(b"one");
        let value = vec![(String::from("a"), Some(1u64)), (String::new(), None)];
        assert_eq!(store.derived::<Vec<(String, Option<u64>)>>("x", source), None);
        store.keep_derived("x", source, &value);
        assert_eq!(store.derived("x", source), Some(value));
        assert_eq!(store.derived::<Vec<(String, Option<u64>)>>("x", Digest::of(b"two")), None);
        assert_eq!(store.derived::<Vec<(String, Option<u64>)>>("y", source), None);
    }

    #[test]
    fn a_damaged_file_is_no_value() {
        let source = Digest::of(b"one");
        let good = encode(source, &vec![String::from("value")]).expect("encodes");
        assert!(decode::<Vec<String>>(&good, source).is_some());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode::<Vec<String>>(&bad, source), None, "a bit of byte {at} is flipped");
            assert_eq!(decode::<Vec<String>>(&good[..at], source), None, "cut after {at} bytes");
        }
    }

    proptest! {
        /// A checksum can be right over any bytes: none of them is a panic or takes more memory than it holds.
        #[test]
        fn no_bytes_are_a_panic(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            let source = Digest::of(b"one");
            let bytes = [MAGIC.as_bytes(), source.as_bytes(), Digest::of(&value).as_bytes(), &value].concat();
            let read = decode::<Vec<(String, Option<u64>)>>(&bytes, source);
            prop_assert!(read.is_none_or(|items| items.len() <= value.len()));
        }
    }
}
