//! `.dvcignore` and `.clinpipeignore`: which files below a directory count.
//!
//! The grammar is gitignore's. An ignore file rules the directory it lies in and everything below; of two that speak
//! of a path the deeper one decides, of two lines the later one. Within an ignored directory nothing is looked at, so
//! nothing there can be taken back in.

use std::io;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::RelPath;

/// The names of ignore files, the later one winning.
pub const IGNORE_FILES: [&str; 2] = [".dvcignore", ".clinpipeignore"];

/// The ignore files of a project that rule one directory.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    root: PathBuf,
    /// The shallowest first.
    files: Vec<Gitignore>,
}

/// The line that ignores a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredBy {
    /// The ignore file, relative to the project.
    pub file: String,
    /// The line.
    pub pattern: String,
}

impl IgnoreRules {
    /// The rules for what lies below `path`: the ignore files of the project's root and of every directory between.
    pub fn above(root: &Path, path: &RelPath) -> io::Result<Self> {
        let mut rules = Self { root: root.to_owned(), files: Vec::new() };
        rules.read_in(root)?;
        let mut directory = root.to_owned();
        let mut parts = path.parts().peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                directory.push(part);
                rules.read_in(&directory)?;
            }
        }
        Ok(rules)
    }

    fn read_in(&mut self, directory: &Path) -> io::Result<()> {
        for name in IGNORE_FILES {
            let file = directory.join(name);
            if !file.is_file() {
                continue;
            }
            let mut builder = GitignoreBuilder::new(directory);
            if let Some(error) = builder.add(&file) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            let rules = builder.build().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.files.push(rules);
        }
        Ok(())
    }

    /// Whether no ignore file says anything.
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(Gitignore::is_empty)
    }

    /// The line that ignores `path` (below the root) itself, were the directories above it not ignored.
    pub fn ignoring(&self, path: &Path, is_directory: bool) -> Option<IgnoredBy> {
        for rules in self.files.iter().rev() {
            match rules.matched(path, is_directory) {
                Match::Ignore(glob) => {
                    let file = glob.from().map(|file| file.strip_prefix(&self.root).unwrap_or(file));
                    return Some(IgnoredBy {
                        file: file.map_or_else(String::new, |file| file.display().to_string()),
                        pattern: glob.original().to_owned(),
                    });
                }
                Match::Whitelist(_) => return None,
                Match::None => {}
            }
        }
        None
    }

    /// The line that ignores a path of the project or a directory above it.
    pub fn ignoring_within(&self, path: &RelPath, is_directory: bool) -> Option<IgnoredBy> {
        let mut absolute = self.root.clone();
        let mut parts = path.parts().peekable();
        while let Some(part) = parts.next() {
            absolute.push(part);
            let found = self.ignoring(&absolute, is_directory || parts.peek().is_some());
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        dir
    }

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).expect("inside")
    }

    #[test]
    fn patterns_are_gitignores_and_anchored_at_their_file() {
        let root = "*.log\n!keep.log\n/top/\ndata/raw/sub/\n# a comment\n\\#odd\n";
        let dir = project(&[(".dvcignore", root), ("data/.dvcignore", "only.tmp\n/raw/a.txt\n!b.log\n")]);
        let rules = IgnoreRules::above(dir.path(), &path("data/raw")).expect("readable");
        let ignored = |text: &str| rules.ignoring_within(&path(text), text.ends_with('/')).is_some();
        for text in
            ["data/raw/x.log", "top/", "data/raw/sub/", "data/raw/sub/x", "data/raw/only.tmp", "data/raw/a.txt", "#odd"]
        {
            assert!(ignored(text), "{text}");
        }
        for text in ["data/raw/keep.log", "data/raw/top/", "data/raw/b.log", "data/raw/sub", "data/raw/d/a.txt"] {
            assert!(!ignored(text), "{text}");
        }
        let found = rules.ignoring_within(&path("data/raw/a.txt"), false).expect("ignored");
        assert_eq!((found.file.as_str(), found.pattern.as_str()), ("data/.dvcignore", "/raw/a.txt"));
    }

    #[test]
    fn only_files_above_a_directory_rule_it() {
        let dir = project(&[("d/.dvcignore", "*.txt\n"), (".clinpipeignore", "x.bin\n")]);
        let rules = IgnoreRules::above(dir.path(), &path("d")).expect("readable");
        assert!(rules.ignoring_within(&path("d/a.txt"), false).is_none());
        assert!(rules.ignoring_within(&path("d/x.bin"), false).is_some());
    }

    #[test]
    fn no_ignore_file_ignores_nothing() {
        let dir = project(&[]);
        assert!(IgnoreRules::above(dir.path(), &path("a/b")).expect("readable").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_ignore_file_panics(text in "[-a-z*?!/\\[\\]{}\\\\# \n]{0,40}", at in "[a-z]{1,3}(/[a-z]{1,3}){0,2}") {
            let dir = project(&[(".dvcignore", &text)]);
            if let Ok(rules) = IgnoreRules::above(dir.path(), &path(&at)) {
                let _ = rules.ignoring_within(&path(&at), false);
            }
        }
    }
}
