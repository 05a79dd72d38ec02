//! The confinement of a command to the workspace files its stage declares: strict mode.
//!
//! Landlock knows only permissions, each on a file or on a directory with everything below it. So what lies outside
//! the project is permitted piece by piece around the way down to it, and inside it only what is declared. Rules:
//! - outside the project everything may be read and executed (programs, libraries, environments, absolute inputs) as far
//!   as file permissions go; the promise is about the workspace;
//! - inside it, declared inputs may be read; the names in a directory that holds a declared file may be listed, because
//!   Python imports by listing, and in one that holds an output; never those in the project's own directory;
//! - programs inside it, too: directories on `PATH` and virtual environments at its top;
//! - outputs that exist before the command may be read and written. For others, files may be created, replaced and
//!   removed beside them, because that is how they come to be; but only an output that has its directory for itself can
//!   be read back;
//! - `TMPDIR` is the attempt's own; of the devices those that every program expects.
//!
//! That a file exists, and how large it is, cannot be hidden. Nothing here decides what a stage declares.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a confined command may touch of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// The project's directory; absolute.
    pub root: PathBuf,
    /// Files and directories that may be read; absolute. Those that do not exist are no matter.
    pub inputs: Vec<PathBuf>,
    /// Files and directories that may be read and written with everything below.
    pub outputs: Vec<PathBuf>,
    /// Directories in which, and below which, files may be created, replaced and removed, but not read.
    pub drop_boxes: Vec<PathBuf>,
}

/// One permission, as the supervisor is told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// File or directory, then with everything below.
    pub path: OsString,
    /// What is permitted.
    pub access: Access,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Access {
    /// Read files, list directories, execute.
    Read,
    /// List directories.
    List,
    /// Create, replace and remove, without reading contents.
    Create,
    /// Read and write files that exist.
    Device,
    /// Everything.
    Full,
}

/// Why commands cannot be confined here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("strict mode needs Landlock, which {reason}; nothing was run")]
pub struct StrictUnavailable {
    reason: &'static str,
}

/// The permissions of one attempt. `private` are further paths it may use in full (its `TMPDIR`, its log), `path` the
/// value of `PATH`.
pub(super) fn rules(confinement: &Confinement, private: &[PathBuf], path: Option<&OsString>) -> Vec<Rule> {
    let mut rules = Rules(Vec::new());
    let root = confinement.root.canonicalize().unwrap_or_else(|_| confinement.root.clone());
    rules.surroundings(&root);
    rules.programs(&root, path);
    for input in &confinement.inputs {
        rules.input(input, &root);
    }
    for (access, paths) in [
        (Access::Create, confinement.drop_boxes.as_slice()),
        (Access::Full, confinement.outputs.as_slice()),
        (Access::Full, private),
    ] {
        for path in paths {
            rules.add(path, access);
        }
    }
    for dir in &confinement.drop_boxes {
        rules.list(dir, &root);
    }
    for device in ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts"] {
        rules.add(&Path::new("/dev").join(device), Access::Device);
    }
    rules.add(Path::new("/dev/shm"), Access::Full);
    rules.0
}

struct Rules(Vec<Rule>);

impl Rules {
    fn add(&mut self, path: &Path, access: Access) {
        self.0.push(Rule { path: path.into(), access });
    }

    /// Everything that is neither the root nor on the way to it. A symbolic link grants nothing: what it leads to is
    /// permitted, or not, where it lies.
    fn surroundings(&mut self, root: &Path) {
        for (dir, on_the_way) in root.ancestors().skip(1).zip(root.ancestors()) {
            for entry in dir.read_dir().into_iter().flatten().flatten() {
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                let path = entry.path();
                if !is_link && path != on_the_way {
                    self.add(&path, Access::Read);
                }
            }
        }
    }

    fn programs(&mut self, root: &Path, path: Option<&OsString>) {
        for dir in path.into_iter().flat_map(std::env::split_paths) {
            let Ok(dir) = dir.canonicalize() else { continue };
            if !dir.starts_with(root) || dir == root {
                continue;
            }
            match dir.parent().filter(|parent| is_environment(parent)) {
                Some(environment) => self.add(environment, Access::Read),
                None => self.add(&dir, Access::Read),
            }
        }
        for entry in root.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            if is_environment(&path) {
                self.add(&path, Access::Read);
            }
        }
    }

    fn input(&mut self, input: &Path, root: &Path) {
        self.add(input, Access::Read);
        if input.is_dir() {
            self.links_below(input);
        } else if let Some(parent) = input.parent() {
            self.list(parent, root);
        }
    }

    /// Permits the names in a directory of the project, with everything below, unless that is all there is.
    fn list(&mut self, dir: &Path, root: &Path) {
        if dir.canonicalize().is_ok_and(|dir| dir.starts_with(root) && dir != root) {
            self.add(dir, Access::List);
        }
    }

    /// What links in a declared directory lead to is part of its content.
    fn links_below(&mut self, dir: &Path) {
        for entry in dir.read_dir().into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.links_below(&entry.path()),
                Ok(kind) if kind.is_symlink() => self.add(&entry.path(), Access::Read),
                _ => {}
            }
        }
    }
}

/// Whether a directory is a virtual environment of Python's or conda's.
fn is_environment(dir: &Path) -> bool {
    dir.join("pyvenv.cfg").is_file() || dir.join("conda-meta").is_dir()
}

#[cfg(target_os = "linux")]
pub use linux::check_strict;
#[cfg(target_os = "linux")]
pub(super) use linux::enforce;

#[cfg(target_os = "linux")]
mod linux {
    use std::thread;

    use landlock::{
        ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, RestrictionStatus, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
    };

    use super::{Access, Rule, StrictUnavailable};

    /// What is controlled. Newer kernels know more, such as device controls, which programs use on terminals.
    const KNOWN: ABI = ABI::V3;

    /// Whether commands can be confined on this system; tried out, not guessed.
    pub fn check_strict() -> Result<(), StrictUnavailable> {
        // A restriction holds for the thread that asks for it, and for nothing else.
        match thread::spawn(|| restrict(&[])).join() {
            Ok(Ok(status)) if status.ruleset != RulesetStatus::NotEnforced => Ok(()),
            Ok(Ok(_)) => Err(StrictUnavailable { reason: "this kernel does not offer or has not enabled" }),
            _ => Err(StrictUnavailable { reason: "could not be set up on this system" }),
        }
    }

    /// Confines the calling thread, and every process it starts from now on, for good.
    pub(in super::super) fn enforce(rules: &[Rule]) -> Result<(), String> {
        match restrict(rules) {
            Ok(status) if status.ruleset != RulesetStatus::NotEnforced => Ok(()),
            Ok(_) => Err("the kernel does not enforce Landlock".to_owned()),
            Err(error) => Err(format!("cannot confine the command: {error}")),
        }
    }

    fn restrict(rules: &[Rule]) -> Result<RestrictionStatus, RulesetError> {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let mut created = ruleset.handle_access(AccessFs::from_all(KNOWN))?.create()?;
        for rule in rules {
            // A path that does not exist needs no permission; nor does one that cannot even be opened as such.
            created = created.add_rules(path_beneath_rules([&rule.path], flags(rule.access)))?;
        }
        created.restrict_self()
    }

    fn flags(access: Access) -> BitFlags<AccessFs> {
        match access {
            Access::Read => AccessFs::from_read(KNOWN),
            Access::List => AccessFs::ReadDir.into(),
            Access::Create => AccessFs::from_write(KNOWN),
            Access::Device => AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::Truncate,
            Access::Full => AccessFs::from_all(KNOWN),
        }
    }
}

/// Whether commands can be confined on this system: not on this one.
#[cfg(not(target_os = "linux"))]
pub fn check_strict() -> Result<(), StrictUnavailable> {
    Err(StrictUnavailable { reason: "only Linux offers" })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn enforce(_: &[Rule]) -> Result<(), String> {
    Err("this system offers no Landlock".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn access<'a>(rules: &'a [Rule], path: &Path) -> Vec<&'a Access> {
        rules.iter().filter(|rule| Path::new(&rule.path) == path).map(|rule| &rule.access).collect()
    }

    #[test]
    fn no_rule_covers_the_project_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let root = base.join("project");
        fs::create_dir_all(root.join(".venv/bin")).unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(base.join("beside")).unwrap();
        fs::write(root.join(".venv/pyvenv.cfg"), "").unwrap();
        fs::write(root.join("src/train.py"), "").unwrap();
        std::os::unix::fs::symlink(&root, base.join("link")).unwrap();
        let inputs = vec![root.join("src/train.py"), root.join("top.csv")];
        let confinement = Confinement { root: root.clone(), inputs, ..Confinement::default() };
        let rules = rules(&confinement, &[], Some(&root.join(".venv/bin").into()));
        for above in root.ancestors() {
            assert_eq!(access(&rules, above), Vec::<&Access>::new(), "{}", above.display());
        }
        assert!(access(&rules, &base.join("link")).is_empty(), "a link to the project is no way around");
        assert_eq!(access(&rules, &base.join("beside")), [&Access::Read]);
        assert_eq!(access(&rules, &root.join("src")), [&Access::List]);
        assert!(access(&rules, &root.join(".venv")).contains(&&Access::Read));
        assert!(access(&rules, Path::new("/usr")).contains(&&Access::Read));
    }
}
