//! Paths inside a project, spelled one way.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A path relative to the project root: `/` between parts, no `.` or `..`, no leading or trailing `/`.
/// The root itself is the empty path. Reading one from a file accepts this spelling only, so that no lock or record can
/// name a place outside the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

/// A path that is absolute, leads out of the project, or is not in its one spelling.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a path inside the project")]
pub struct NotInside(String);

impl TryFrom<String> for RelPath {
    type Error = NotInside;

    fn try_from(text: String) -> Result<Self, NotInside> {
        let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if text.is_empty() || text.split('/').all(is_part) { Ok(Self(text)) } else { Err(NotInside(text)) }
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

impl RelPath {
    /// Normalises `text`, read relative to `base`. `None` when it is absolute or leads out of the project.
    pub fn resolve(base: &Self, text: &str) -> Option<Self> {
        if text.starts_with('/') || text.contains('\0') {
            return None;
        }
        let mut parts: Vec<&str> = base.parts().collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                part => parts.push(part),
            }
        }
        Some(Self(parts.join("/")))
    }

    /// Normalises `text`, read relative to the project root.
    pub fn parse(text: &str) -> Option<Self> {
        Self::resolve(&Self::default(), text)
    }

    /// The text of the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Whether it is the project root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.0.is_empty()
            || self.0 == other.0
            || self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The directory that holds the path; the root for what lies in the root.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned()))
    }

    /// The same place as seen from `base`.
    pub fn relative_to(&self, base: &Self) -> LocalPath {
        if base.is_root() {
            return LocalPath(self.0.clone());
        }
        let (mut mine, mut theirs) = (self.parts().peekable(), base.parts().peekable());
        while mine.peek().is_some() && mine.peek() == theirs.peek() {
            mine.next();
            theirs.next();
        }
        let parts: Vec<&str> = theirs.map(|_| "..").chain(mine).collect();
        LocalPath(parts.join("/"))
    }

    /// The path below `root` in the file system.
    pub fn under(&self, root: &Path) -> PathBuf {
        if self.0.is_empty() { root.to_owned() } else { root.join(&self.0) }
    }
}

/// A path of the project as seen from one of its directories, usually that of a pipeline file: a [`RelPath`] that may
/// begin with `..` parts. Keys, locks and records spell paths so, because then they do not depend on which directory
/// above the pipeline file is the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalPath(String);

impl TryFrom<String> for LocalPath {
    type Error = NotInside;

    fn try_from(text: String) -> Result<Self, NotInside> {
        let mut inner = text.as_str();
        while let Some(rest) = inner.strip_prefix("../") {
            inner = rest;
        }
        let is_spelled_so = inner == ".." || RelPath::parse(inner).is_some_and(|path| path.0 == inner);
        if is_spelled_so && (inner.len() == text.len() || !inner.is_empty()) {
            Ok(Self(text))
        } else {
            Err(NotInside(text))
        }
    }
}

impl From<LocalPath> for String {
    fn from(path: LocalPath) -> Self {
        path.0
    }
}

impl LocalPath {
    /// The text of the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the directory that it is seen from.
    pub fn is_here(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of the project that it names, seen from `base`; `None` when it leads out of the project.
    pub fn resolve(&self, base: &RelPath) -> Option<RelPath> {
        RelPath::resolve(base, &self.0)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place_are_equal() {
        let base = RelPath::parse("studies/stroke").expect("inside");
        assert_eq!(RelPath::resolve(&base, "./a//b/../c/").expect("inside").as_str(), "studies/stroke/a/c");
        assert_eq!(RelPath::resolve(&base, "../../x").expect("inside").as_str(), "x");
    }

    #[test]
    fn nothing_leads_out() {
        assert_eq!(RelPath::parse("../x"), None);
        assert_eq!(RelPath::parse("/etc/passwd"), None);
    }

    #[test]
    fn what_is_read_from_a_file_stays_inside() {
        let read = |text: &str| serde_json::from_value::<RelPath>(serde_json::Value::from(text)).is_ok();
        assert!(read("") && read("a/b c") && read("..a"));
        for hostile in ["../x", "a/../../x", "/etc/passwd", "a/../b", "a//b", "./a", "a/", "a\0b"] {
            assert!(!read(hostile), "{hostile:?}");
        }
    }

    #[test]
    fn a_path_seen_from_elsewhere_leads_back() {
        let path = |text| RelPath::parse(text).expect("inside");
        for (place, base, seen) in [
            ("a/b", "", "a/b"),
            ("a/b", "a", "b"),
            ("a/b", "a/c/d", "../../b"),
            ("a", "a", ""),
            ("a", "a/b", ".."),
            ("", "a", ".."),
        ] {
            let local = path(place).relative_to(&path(base));
            assert_eq!(local.as_str(), seen);
            assert_eq!(local.resolve(&path(base)), Some(path(place)));
            assert_eq!(LocalPath::try_from(seen.to_owned()).expect("one spelling"), local);
        }
        assert_eq!(LocalPath::try_from("../../x".to_owned()).expect("one spelling").resolve(&path("a")), None);
        for hostile in ["/x", "a/../b", "../", "..//x", "./x", "x/", "../a/.."] {
            assert!(LocalPath::try_from(hostile.to_owned()).is_err(), "{hostile}");
        }
    }

    #[test]
    fn within_compares_whole_parts() {
        let path = |text| RelPath::parse(text).expect("inside");
        assert!(path("a/b").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
    }
}
