//! The last lines of a log, made fit to be shown: any bytes in, short plain lines out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use anstream::adapter::strip_str;

/// Lines shown with a failure.
const LINES: usize = 20;
/// Characters of a line.
const WIDTH: usize = 300;
/// Bytes read from the end of the file.
const WINDOW: u64 = 64 * 1024;

/// The last lines of the file; none when it cannot be read, because a failure must be reported without its log too.
pub(super) fn tail(path: &Path) -> Vec<String> {
    read_end(path).map(|bytes| last_lines(&bytes)).unwrap_or_default()
}

fn read_end(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let start = size.saturating_sub(WINDOW);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    // Something may still be writing; what comes later is not part of the tail.
    file.take(WINDOW).read_to_end(&mut bytes)?;
    if start > 0 {
        // The first line is cut, unless the whole window is one line.
        if let Some(end) = bytes.iter().position(|&byte| byte == b'\n').filter(|&end| end + 1 < bytes.len()) {
            bytes.drain(..=end);
        }
    }
    Ok(bytes)
}

fn last_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let plain = strip_str(&text).to_string();
    let mut lines: Vec<String> = plain.lines().map(shown).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines.split_off(lines.len().saturating_sub(LINES))
}

/// What a terminal would show of the line: a progress bar overwrites itself with carriage returns.
fn shown(line: &str) -> String {
    let last = line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or("");
    let mut shown: String = last.chars().filter(|c| !c.is_control() || *c == '\t').take(WIDTH).collect();
    if last.chars().nth(WIDTH).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_overwritten_text_and_trailing_blanks_go() {
        let log = b"\x1b[31mred\x1b[0m\n 10%\r 50%\r100%\r\n\xff\xfe bytes\n\n  \n";
        assert_eq!(last_lines(log), ["red", "100%", "\u{fffd}\u{fffd} bytes"]);
    }

    #[test]
    fn a_long_log_is_cut_to_whole_lines_at_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let lines: Vec<String> = (0..100_000).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n") + "\n";
        std::fs::write(&path, text).unwrap();
        let lines = tail(&path);
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.first().map(String::as_str), Some("line 99980"));
        assert_eq!(lines.last().map(String::as_str), Some("line 99999"));
    }

    #[test]
    fn one_endless_line_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(tail(&path), [format!("{}…", "x".repeat(WIDTH))]);
        assert_eq!(tail(&dir.path().join("absent")), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_bytes_give_few_short_plain_lines(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let lines = last_lines(&bytes);
            prop_assert!(lines.len() <= LINES);
            for line in lines {
                prop_assert!(line.chars().count() <= WIDTH + 1);
                prop_assert!(line.chars().all(|c| c == '\t' || !c.is_control()));
            }
        }
    }
}
