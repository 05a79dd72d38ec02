//! What a DVC project's own configuration says that matters here: `.dvc/config`, overlaid by `.dvc/config.local`.
//!
//! Read below the project's root only, so that a result does not depend on who runs it: DVC's user-wide and
//! system-wide files are left out. Sections and keys that concern DVC alone are passed over. Writes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};

use super::diagnostic::{ConfigError, ConfigErrors, Source};
use super::kept::{Fingerprint, fingerprint};
use super::pipeline::Span;
use crate::util::RelPath;

/// The files, the later one winning.
const FILES: [&str; 2] = [".dvc/config", ".dvc/config.local"];

/// How a mapping in `cmd` turns into flags (`parsing.bool` and `parsing.list`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlagStyle {
    /// `false` is written `--no-name` (`boolean_optional`) instead of being left out.
    pub negate: bool,
    /// A list repeats its flag (`append`) instead of following it once.
    pub repeat: bool,
}

/// A place that cached outputs are sent to and fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DvcRemote {
    /// Its address as written.
    pub url: String,
    /// The directory it is, when it is one: relative addresses are read from the file that holds them.
    pub directory: Option<PathBuf>,
}

/// The configuration; empty when the project has no `.dvc/config`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DvcConfig {
    /// `parsing`.
    pub flags: FlagStyle,
    /// `core.remote`: the remote used when none is named.
    pub default_remote: Option<String>,
    /// `remote "name"`, by name.
    pub remotes: BTreeMap<String, DvcRemote>,
    /// `cache.type`: kinds of links, the preferred first.
    pub link_types: Vec<String>,
    /// `cache.dir`, read from the file that holds it.
    pub cache_dir: Option<PathBuf>,
}

impl DvcConfig {
    /// Reads both files of the project at `root`; a file that is absent says nothing.
    pub fn read(root: &Path) -> Result<Self, ConfigErrors> {
        Self::read_noting(root, &mut BTreeMap::new())
    }

    /// The same, noting what the files were.
    pub(super) fn read_noting(root: &Path, seen: &mut BTreeMap<RelPath, Fingerprint>) -> Result<Self, ConfigErrors> {
        let mut config = Self::default();
        for name in FILES {
            let file = RelPath::parse(name).unwrap_or_default();
            let source = Source::read(root, &file)?;
            seen.insert(file, fingerprint(source.as_ref()));
            if let Some(source) = source {
                config.add(&source, &root.join(".dvc"))?;
            }
        }
        Ok(config)
    }

    fn add(&mut self, source: &Source, base: &Path) -> Result<(), ConfigErrors> {
        let mut format = IniDefault::default();
        format.delimiters = vec!['='];
        format.comment_symbols = vec!['#'];
        format.inline_comment_symbols = Some(Vec::new());
        format.case_sensitive = true;
        let mut ini = Ini::new_from_defaults(format);
        ini.read(source.text.clone()).map_err(|message| ConfigError::of_file(&source.name, message))?;
        let sections: BTreeMap<_, _> = ini.get_map_ref().iter().collect();
        for (section, keys) in sections {
            let section = unquoted(section);
            for (key, value) in keys.iter().collect::<BTreeMap<_, _>>() {
                let value = unquoted(value.as_deref().unwrap_or_default());
                self.set(&section, key, &value, base)
                    .map_err(|(message, help)| at_key(source, key, message).help(help))?;
            }
        }
        Ok(())
    }

    /// One setting; the error is what is wrong and what to write.
    fn set(&mut self, section: &str, key: &str, value: &str, base: &Path) -> Result<(), (String, &'static str)> {
        let choice = |of: [&str; 2], help| match of.iter().position(|word| value.eq_ignore_ascii_case(word)) {
            Some(at) => Ok(at == 1),
            None => Err((format!("`{section}.{key}` cannot be `{value}`"), help)),
        };
        match (section, key) {
            ("parsing", "bool") => {
                self.flags.negate =
                    choice(["store_true", "boolean_optional"], "write `store_true` or `boolean_optional`")?;
            }
            ("parsing", "list") => self.flags.repeat = choice(["nargs", "append"], "write `nargs` or `append`")?,
            ("core", "remote") => self.default_remote = Some(value.to_owned()),
            ("cache", "type") => {
                self.link_types = value.split(',').map(|kind| unquoted(kind).to_ascii_lowercase()).collect();
            }
            ("cache", "dir") => self.cache_dir = Some(base.join(value)),
            (_, "url") => {
                if let Some(name) = section.strip_prefix("remote ") {
                    let name = unquoted(name);
                    let directory = (!value.contains("://")).then(|| base.join(value));
                    self.remotes.insert(name, DvcRemote { url: value.to_owned(), directory });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A value without its quotes; without quotes, a comment ends it.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return text.split('#').next().unwrap_or_default().trim_end().to_owned();
    };
    let inner = &text[1..];
    inner.find(quote).map_or(inner, |end| &inner[..end]).to_owned()
}

/// A fault of the line that sets a key.
fn at_key(source: &Source, key: &str, message: String) -> ConfigError {
    let sets = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    match source.text.lines().position(sets) {
        Some(at) => {
            let line = source.text.lines().nth(at).unwrap_or_default();
            let column = line.chars().take_while(|c| c.is_whitespace()).count() + 1;
            source.error(Span { line: at + 1, column }, message)
        }
        None => ConfigError::of_file(&source.name, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(files: [&str; 2]) -> Result<DvcConfig, ConfigErrors> {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join(".dvc")).expect("a directory");
        for (name, text) in FILES.iter().zip(files) {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        let mut config = DvcConfig::read(dir.path())?;
        let shared = dir.path().join(".dvc/../../shared");
        if let Some(remote) = config.remotes.get_mut("shared") {
            assert_eq!(remote.directory.as_deref(), Some(shared.as_path()));
            remote.directory = None;
        }
        Ok(config)
    }

    #[test]
    fn what_a_project_says_is_read_and_the_local_file_wins() {
        let committed = "[core]\n    remote = s3  # the bucket\n    autostage = true\n\
                         ['remote \"s3\"']\n    url = s3://bucket/a:b\n\
                         ['remote \"shared\"']\n    url = ../../shared\n\
                         [cache]\n    type = \"hardlink, copy\"\n[parsing]\n    bool = boolean_optional\n";
        let local = "[core]\nremote = shared\n[parsing]\nlist = append\n";
        let config = config([committed, local]).expect("valid");
        assert_eq!(config.flags, FlagStyle { negate: true, repeat: true });
        assert_eq!(config.default_remote.as_deref(), Some("shared"));
        assert_eq!(config.remotes["s3"], DvcRemote { url: "s3://bucket/a:b".to_owned(), directory: None });
        assert_eq!(config.remotes["shared"].url, "../../shared");
        assert_eq!(config.link_types, ["hardlink", "copy"]);
    }

    #[test]
    fn an_unknown_style_has_a_place() {
        let errors = config(["[parsing]\n  list = twice\n", ""]).expect_err("must be refused").to_string();
        assert!(errors.contains(".dvc/config:2:3") && errors.contains("`nargs` or `append`"), "{errors}");
    }

    #[test]
    fn no_files_say_nothing() {
        assert_eq!(config(["", "# empty\n"]).expect("valid"), DvcConfig::default());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]a-z='\"# \né,]{0,60}") {
            let source = Source::new(".dvc/config", &text);
            let _ = DvcConfig::default().add(&source, Path::new("/"));
        }
    }
}
