//! The end of the file: the last record, and what stands behind it.
//!
//! Reads backwards in blocks until a whole record is found, so the cost depends on the length of the last record only.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::record::{Damage, Record};
use crate::key::Digest;

/// How much is read at a time.
const BLOCK: usize = 1 << 16;

/// What the file ends with.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// The last sound record, if there is one.
    pub last: Option<Record>,
    /// The bytes up to the end of that record, its line feed included.
    pub sound: u64,
    /// What stands behind it and is no record.
    pub damage: Option<Damage>,
    /// Whether the file ends within a line.
    pub is_open: bool,
}

/// Why nothing may be appended.
#[derive(Debug)]
pub enum TailError {
    /// The file cannot be read.
    Io(io::Error),
    /// A line behind the last sound record is a record whose hash is not that of its content, or has other fields.
    Changed,
}

impl From<io::Error> for TailError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the end of the file.
///
/// # Errors
/// When it cannot be read, or when its last record was changed.
pub fn read(file: &File) -> Result<Tail, TailError> {
    let length = file.metadata()?.len();
    // The bytes from `start` to the end; it grows towards the beginning of the file.
    let (mut start, mut bytes) = (length, Vec::new());
    // Everything behind this place in `bytes` is known to hold no sound record.
    loop {
        if let Some(tail) = find(&bytes, start, length)? {
            return Ok(tail);
        }
        if start == 0 {
            let damage = (length > 0).then(|| damage(&bytes));
            let is_open = bytes.last().is_some_and(|byte| *byte != b'\n');
            return Ok(Tail { last: None, sound: 0, damage, is_open });
        }
        // Doubling keeps the work in proportion to what has to be read.
        let step = (BLOCK.max(bytes.len()) as u64).min(start);
        let mut block = vec![0; step as usize];
        start -= step;
        file.read_exact_at(&mut block, start)?;
        block.extend_from_slice(&bytes);
        bytes = block;
    }
}

/// The tail, if the last sound record lies wholly within `bytes`, which begin at `start` of the file.
fn find(bytes: &[u8], start: u64, length: u64) -> Result<Option<Tail>, TailError> {
    let mut end = bytes.len();
    // A record may lack nothing but its line feed; elsewhere a line ends with one.
    let mut ends = (!bytes.ends_with(b"\n")).then_some(end);
    while let Some(feed) = ends.take().or_else(|| bytes[..end].iter().rposition(|byte| *byte == b'\n')) {
        let begin = bytes[..feed].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let begin = match begin {
            Some(begin) => begin,
            None if start == 0 => 0,
            None => return Ok(None),
        };
        let line = &bytes[begin..feed];
        if let Ok(record) = Record::parse(line) {
            if !record.is_sound(line) {
                return Err(TailError::Changed);
            }
            let rest = bytes.get(feed + 1..).unwrap_or_default();
            let damage = (!rest.is_empty()).then(|| damage(rest));
            let is_open = !bytes.ends_with(b"\n");
            return Ok(Some(Tail { last: Some(record), sound: length - rest.len() as u64, damage, is_open }));
        }
        if Record::was(line) {
            return Err(TailError::Changed);
        }
        end = begin;
    }
    Ok(None)
}

fn damage(bytes: &[u8]) -> Damage {
    Damage { bytes: bytes.len() as u64, blake3: Digest::of(bytes) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::record::tests::record;
    use super::*;

    fn tail(bytes: &[u8]) -> Result<Tail, TailError> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("written");
        read(&file)
    }

    fn lines(count: u64) -> (Vec<u8>, Record) {
        let mut last = record(0, Digest::from_bytes([0; 32]));
        let mut lines = vec![last.line().expect("JSON")];
        for seq in 1..count {
            last = record(seq, last.hash);
            lines.push(last.line().expect("JSON"));
        }
        ((lines.join("\n") + "\n").into_bytes(), last)
    }

    #[test]
    fn the_last_record_is_found_at_any_length() {
        let empty = tail(b"").expect("readable");
        assert_eq!(empty, Tail { last: None, sound: 0, damage: None, is_open: false });
        for count in [1, 2, 300, 700] {
            let (bytes, last) = lines(count);
            let tail = tail(&bytes).expect("readable");
            assert_eq!((tail.last, tail.sound, tail.damage), (Some(last), bytes.len() as u64, None));
        }
    }

    #[test]
    fn a_cut_at_any_byte_leaves_the_record_before_and_what_is_torn() {
        let (whole, last) = lines(3);
        let (two, before) = lines(2);
        for cut in two.len() + 1..whole.len() - 1 {
            let tail = tail(&whole[..cut]).expect("readable");
            assert_eq!(tail.last.as_ref(), Some(&before));
            assert_eq!(tail.damage, Some(damage(&whole[two.len()..cut])));
            assert!(tail.is_open && tail.sound == two.len() as u64);
        }
        for end in [whole.len() - 1, whole.len()] {
            let tail = tail(&whole[..end]).expect("readable");
            assert_eq!((tail.last.as_ref(), tail.damage, tail.is_open), (Some(&last), None, end < whole.len()));
        }
    }

    #[test]
    fn much_that_is_no_record_is_passed_over() {
        let (whole, last) = lines(5);
        for junk in [vec![0; 200_000], b"junk\n".repeat(50_000), vec![b'\n'; 3], vec![b'x'; 65_536]] {
            let tail = tail(&[whole.as_slice(), &junk].concat()).expect("readable");
            assert_eq!(tail.last.as_ref(), Some(&last));
            assert_eq!(tail.damage, Some(damage(&junk)));
            assert_eq!(tail.is_open, junk.last() != Some(&b'\n'));
        }
    }

    #[test]
    fn a_changed_last_record_is_no_torn_one() {
        let (whole, _) = lines(2);
        let text = String::from_utf8(whole).expect("text");
        let changed = text.replacen("ana", "bob", 2);
        assert!(matches!(tail(changed.as_bytes()), Err(TailError::Changed)));
        // Nor is one with a field more.
        let at = text.rfind("\"utc\"").expect("a field");
        let changed = format!("{}\"note\":1,{}", &text[..at], &text[at..]);
        assert!(matches!(tail(changed.as_bytes()), Err(TailError::Changed)));
    }
}
