//! The file of a log: whole lines only, set aside by day or size.
//!
//! Invariants: what a failed write left is taken back, and half a line that a killed service left is cut off before the
//! first write, so every line in it is whole; one service writes a file at a time; setting aside loses no line and
//! overwrites no file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Rotation;
use crate::util::utc;

/// How far back the end of the last whole line is looked for at once.
const STEP: u64 = 64 * 1024;

/// An open log file.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    /// Of its oldest line, or when it was written to last: `2026-02-28`.
    day: String,
    unsynced: bool,
}

impl LogFile {
    /// Opens or makes the file, takes it for this process alone and cuts off half a line at its end.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another service writes to it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let day = day_of(&utc::rfc3339(file.metadata()?.modified()?)).to_owned();
        let length = whole(&mut file)?;
        file.set_len(length)?;
        Ok(Self { path: path.to_owned(), file, length, day, unsynced: false })
    }

    /// Adds lines; all of them are in the file afterwards, or none.
    pub fn append(&mut self, lines: &[u8], now: &str) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        if self.length == 0 {
            day_of(now).clone_into(&mut self.day);
        }
        self.length += lines.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    /// Brings what was added to the disk itself.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Whether the path still leads to this file: it may have been moved away or deleted.
    pub fn is_in_place(&self) -> bool {
        let file = |found: fs::Metadata| (found.dev(), found.ino());
        let (there, open) = (fs::metadata(&self.path).map(file), self.file.metadata().map(file));
        matches!((there, open), (Ok(there), Ok(open)) if there == open)
    }

    /// Whether the next lines, so many bytes at a time `now`, belong into a new file.
    pub fn is_due(&self, rotation: Rotation, next: usize, now: &str) -> bool {
        self.length > 0
            && match rotation {
                Rotation::Never => false,
                Rotation::Daily => self.day != day_of(now),
                Rotation::Size(most) => self.length + next as u64 > most,
            }
    }

    /// Sets the file aside under its day or the time `now`, and starts a new one. Of the files set aside before, only
    /// the newest `keep` stay.
    pub fn rotate(mut self, rotation: Rotation, keep: Option<usize>, now: &str) -> io::Result<Self> {
        self.sync()?;
        let stamp = match rotation {
            Rotation::Size(_) => now.get(..19).unwrap_or(now).replace(':', ""),
            Rotation::Never | Rotation::Daily => self.day.clone(),
        };
        let names = Names::of(&self.path);
        fs::rename(&self.path, names.aside(&stamp, names.next(&stamp)?))?;
        let next = Self::open(&self.path)?;
        sync_dir(&self.path)?;
        if let Some(keep) = keep {
            let old = names.all_aside()?;
            for path in old.iter().take(old.len().saturating_sub(keep)) {
                fs::remove_file(path)?;
            }
        }
        Ok(next)
    }
}

/// The day of a time in RFC 3339.
fn day_of(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// A new name is on the disk once its directory is.
fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// Where the last whole line ends.
fn whole(file: &mut File) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut piece = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The names of a log's files: `predictions.jsonl`, set aside as `predictions.2026-02-28.jsonl` and, when that is taken,
/// `predictions.2026-02-28.1.jsonl`.
struct Names {
    dir: PathBuf,
    stem: String,
    extension: String,
}

impl Names {
    fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem.to_owned(), format!(".{extension}")),
            _ => (name, String::new()),
        };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { dir: dir.to_owned(), stem, extension }
    }

    fn aside(&self, stamp: &str, number: u32) -> PathBuf {
        let number = if number == 0 { String::new() } else { format!(".{number}") };
        self.dir.join(format!("{}.{stamp}{number}{}", self.stem, self.extension))
    }

    /// The number after all that this stamp has. One that was removed is not used again: the file would pass for the oldest.
    fn next(&self, stamp: &str) -> io::Result<u32> {
        let mut next = 0;
        for entry in fs::read_dir(&self.dir)? {
            let age = entry?.file_name().to_str().and_then(|name| self.age(name));
            next =
                age.filter(|(found, _)| found == stamp).map_or(next, |(_, number)| next.max(number.saturating_add(1)));
        }
        Ok(next)
    }

    /// The files set aside, oldest first.
    fn all_aside(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let Some(age) = entry.file_name().to_str().and_then(|name| self.age(name)) {
                found.push((age, entry.path()));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// Stamp and number of a name of this log.
    fn age(&self, name: &str) -> Option<(String, u32)> {
        let middle = name.strip_prefix(&self.stem)?.strip_prefix('.')?.strip_suffix(&self.extension)?;
        let (stamp, number) = middle.split_once('.').unwrap_or((middle, "0"));
        let is_stamp = stamp.len() >= 10 && stamp.bytes().all(|byte| byte.is_ascii_digit() || b"-T".contains(&byte));
        Some((stamp.to_owned(), number.parse().ok()?)).filter(|_| is_stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn half_a_line_is_cut_off() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log.jsonl");
        let long = "x".repeat(STEP as usize * 2 + 7);
        for (before, after) in
            [("", ""), ("{}\n", "{}\n"), ("{}\n{\"ha", "{}\n"), ("{\"ha", ""), (&format!("{{}}\n{long}"), "{}\n")]
        {
            fs::write(&path, before).expect("written");
            let mut file = LogFile::open(&path).expect("opened");
            assert_eq!(fs::read_to_string(&path).expect("a file"), after);
            file.append(b"{\"new\":1}\n", "").expect("written");
            assert_eq!(fs::read_to_string(&path).expect("a file"), format!("{after}{{\"new\":1}}\n"));
        }
    }

    #[test]
    fn a_file_has_one_writer() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log.jsonl");
        let first = LogFile::open(&path).expect("opened");
        assert!(LogFile::open(&path).err().is_some_and(|error| error.to_string().contains("another service")));
        drop(first);
        assert!(LogFile::open(&path).is_ok());
    }

    #[test]
    fn files_are_set_aside_and_the_oldest_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log.jsonl");
        fs::write(dir.path().join("log.not-ours.jsonl"), "kept").expect("written");
        let mut file = LogFile::open(&path).expect("opened");
        let size = Rotation::Size(30);
        for number in 0..12 {
            let (line, now) = (format!("{{\"number\": {number:3}}}\n"), "2026-02-28T23:59:59.000Z");
            if file.is_due(size, line.len(), now) {
                file = file.rotate(size, Some(3), now).expect("set aside");
            }
            file.append(line.as_bytes(), now).expect("written");
        }
        // Each file has one line of 16 bytes and room for no other.
        assert_eq!(
            names(dir.path()),
            [
                "log.2026-02-28T235959.10.jsonl",
                "log.2026-02-28T235959.8.jsonl",
                "log.2026-02-28T235959.9.jsonl",
                "log.jsonl",
                "log.not-ours.jsonl"
            ]
        );
        assert!(fs::read_to_string(&path).expect("a file").contains(" 11}"));
    }

    #[test]
    fn a_new_day_gets_a_new_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let mut file = LogFile::open(&path).expect("opened");
        assert!(!file.is_due(Rotation::Daily, 1, "2026-03-01T00:00:00.000Z"), "an empty file has no day");
        file.append(b"{}\n", "2026-02-28T12:00:00.000Z").expect("written");
        assert!(!file.is_due(Rotation::Daily, 1, "2026-02-28T23:59:59.999Z"));
        assert!(file.is_due(Rotation::Daily, 1, "2026-03-01T00:00:00.000Z"));
        let mut file = file.rotate(Rotation::Daily, None, "2026-03-01T00:00:00.000Z").expect("set aside");
        file.append(b"{}\n", "2026-03-01T00:00:00.000Z").expect("written");
        assert_eq!(
            (file.day.as_str(), names(dir.path())),
            ("2026-03-01", vec!["log".to_owned(), "log.2026-02-28".to_owned()])
        );
    }
}
