//! A project in a temporary directory, and the real program run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program under test.
pub const CLINPIPE: &str = env!("CARGO_BIN_EXE_clinpipe");

/// A temporary project; removed when dropped.
pub struct Project {
    dir: tempfile::TempDir,
}

/// What a call of the program gave.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    pub fn empty() -> Self {
        Self { dir: tempfile::Builder::new().prefix("clinpipe-it-").tempdir().unwrap() }
    }

    /// A project with this pipeline.yaml.
    pub fn new(pipeline: &str) -> Self {
        let project = Self::empty();
        project.write("pipeline.yaml", pipeline);
        project
    }

    /// A project as `clinpipe init` writes it.
    pub fn init(study: &str) -> Self {
        let project = Self::empty();
        project.run(&["init", "study", "--study", study]).succeeds();
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// Lets everything below a path be removed: the store's contents are read-only.
    pub fn make_writable(&self, name: &str) {
        let status = Command::new("chmod").args(["-R", "u+w"]).arg(self.path(name)).status().unwrap();
        assert!(status.success());
    }

    /// The program in this project, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(CLINPIPE);
        command.args(args).current_dir(self.dir.path()).env_remove("CLINPIPE_API_KEY").env_remove("CLINPIPE_LOG_KEY");
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        self.command(args).output().unwrap().into()
    }

    /// Runs `repro --json` and gives each stage's outcome.
    pub fn outcomes(&self, args: &[&str]) -> BTreeMap<String, String> {
        let run = self.run(&[&["repro", "--json"], args].concat());
        let document: serde_json::Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
        let stages = document["stages"].as_object().unwrap();
        stages.iter().map(|(name, stage)| (name.clone(), stage["outcome"].as_str().unwrap().to_owned())).collect()
    }

    /// Every file below a directory, by relative path, with its bytes.
    pub fn files(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(below), &self.path(below), &mut files);
        files
    }
}

fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Outcomes written as `[("a", "ran"), …]`.
pub fn outcomes<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).into()
}

/// Tells whoever runs the tests what a long one has measured, or why one could not be made.
#[expect(clippy::print_stderr, reason = "shown with --nocapture")]
pub fn tell(text: &str) {
    eprintln!("{text}");
}
