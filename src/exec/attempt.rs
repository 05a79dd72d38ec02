//! The directory of one attempt: what the child is told, what it writes, how it ended.
//!
//! Layout: `log` (stdout and stderr of the work), `exit.json` ([`ExitRecord`]); for built-ins `request.json` and `out/`
//! (their outputs, until the engine moves them); `tmp/` (`TMPDIR`) where the environment is bare. The directory's name is unique, so two
//! processes never share one, and nothing outside it refers to the name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// An attempt directory. It stays on disk until [`Attempt::remove`]; a crash leaves it for inspection.
#[derive(Debug)]
pub struct Attempt {
    dir: PathBuf,
}

/// How an attempt ended, as written to `exit.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitRecord {
    /// Version of this record, 1.
    pub schema_version: u32,
    /// `succeeded`, `failed`, `timed_out` or `interrupted`.
    pub end: String,
    /// Exit code of the failing line or function, 0 when all succeeded; null when a signal ended it.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Wall time, start of the process to its end.
    pub seconds: f64,
    /// Peak resident set in bytes, for built-ins where the system tells; else null.
    pub max_rss: Option<u64>,
}

/// Letters that tell one attempt's directory from another's.
const RANDOM: usize = 8;

impl Attempt {
    /// Makes `attempt-<stage>-<random>/` below `tmp_root`, which is created when missing.
    pub fn create(tmp_root: &Path, stage: &str) -> io::Result<Self> {
        fs::create_dir_all(tmp_root)?;
        let dir = tempfile::Builder::new().prefix(&prefix(stage)).rand_bytes(RANDOM).tempdir_in(tmp_root)?;
        Ok(Self { dir: dir.keep() })
    }

    /// Gives an attempt that has [left nothing](Attempt::is_empty) to another stage. A run of many short stages would
    /// otherwise make and delete as many directories, which some file systems are slow at.
    pub fn hand_over(self, stage: &str) -> io::Result<Self> {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let random = name.len().checked_sub(RANDOM).and_then(|at| name.get(at..)).unwrap_or(&name);
        let dir = self.dir.with_file_name(prefix(stage) + random);
        fs::rename(&self.dir, &dir)?;
        Ok(Self { dir })
    }

    /// Whether the directory holds nothing.
    pub fn is_empty(&self) -> bool {
        fs::read_dir(&self.dir).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the work's stdout and stderr go.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Where a built-in puts its outputs.
    pub fn out_dir(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// The `TMPDIR` of built-ins and of commands with a declared environment.
    pub fn tmp_dir(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// What the child is told.
    pub fn request_path(&self) -> PathBuf {
        self.dir.join("request.json")
    }

    /// How it ended.
    pub fn exit_path(&self) -> PathBuf {
        self.dir.join("exit.json")
    }

    /// Moves the log to `dest` and the exit record beside it, as `<dest without extension>.exit.json`. Parents are
    /// created, older files replaced; a log that was never written becomes an empty one.
    pub fn keep_log(&self, dest: &Path) -> io::Result<()> {
        if let Some(parent) = dest.parent() {
            fs::create_dir_all(parent)?;
        }
        if self.log_path().exists() {
            move_file(&self.log_path(), dest)?;
        } else {
            fs::write(dest, "")?;
        }
        let record = dest.with_extension("exit.json");
        if self.exit_path().exists() {
            return move_file(&self.exit_path(), &record);
        }
        // An older record would describe another attempt than the log beside it.
        match fs::remove_file(record) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes the directory.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.dir)
    }
}

/// A stage name may hold anything a YAML key may hold, and be longer than a file name.
fn prefix(stage: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@') { c } else { '_' };
    format!("attempt-{}-", stage.chars().map(safe).take(60).collect::<String>())
}

/// Renames, or copies when `to` is on another file system.
fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(from, to)?;
            fs::remove_file(from)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_attempts_never_share_a_directory_and_odd_names_are_harmless() {
        let root = tempfile::tempdir().unwrap();
        let stage = "../train@a=1/ü ".repeat(40);
        let first = Attempt::create(root.path(), &stage).unwrap();
        let second = Attempt::create(root.path(), &stage).unwrap();
        assert_ne!(first.dir(), second.dir());
        assert_eq!(first.dir().parent(), Some(root.path()));
        let dir = first.dir().to_owned();
        first.remove().unwrap();
        assert!(!dir.exists() && second.dir().exists());
    }

    #[test]
    fn an_empty_attempt_can_be_handed_over() {
        let root = tempfile::tempdir().unwrap();
        let first = Attempt::create(root.path(), "train").unwrap();
        let second = Attempt::create(root.path(), "train").unwrap();
        fs::write(first.log_path(), "round 1\n").unwrap();
        assert!(!first.is_empty() && second.is_empty());
        let old = second.dir().to_owned();
        let second = second.hand_over("evaluate/x").unwrap();
        assert!(second.is_empty() && !old.exists());
        let name = second.dir().file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with("attempt-evaluate_x-") && name.len() == "attempt-evaluate_x-".len() + RANDOM,
            "{name}"
        );
        assert_ne!(first.dir(), second.dir());
    }

    #[test]
    fn the_log_outlives_the_attempt() {
        let root = tempfile::tempdir().unwrap();
        let attempt = Attempt::create(&root.path().join("tmp"), "train").unwrap();
        fs::write(attempt.log_path(), "round 1\n").unwrap();
        fs::write(attempt.exit_path(), "{}").unwrap();
        let dest = root.path().join("logs/train.v2.log");
        attempt.keep_log(&dest).unwrap();
        attempt.remove().unwrap();
        assert_eq!(fs::read_to_string(&dest).unwrap(), "round 1\n");
        assert!(root.path().join("logs/train.v2.exit.json").exists());
    }

    #[test]
    fn an_attempt_without_a_log_keeps_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let attempt = Attempt::create(root.path(), "train").unwrap();
        attempt.keep_log(&root.path().join("train.log")).unwrap();
        assert_eq!(fs::read(root.path().join("train.log")).unwrap(), b"");
    }
}
