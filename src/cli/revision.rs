//! Asking git: which commit a revision is, and what its files hold. Nothing is written to the repository.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

use super::error::UsageError;
use crate::store::is_lock;
use crate::util::RelPath;

/// The commit that `rev` names; a mistake of the call when there is none.
pub(super) fn resolve(root: &Path, rev: &str) -> anyhow::Result<String> {
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{rev}^{{commit}}")];
    let output = git(root, &args, Stdio::null())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let help = "name a commit, branch or tag of the repository this project lies in";
    Err(UsageError::new(format!("git knows no revision `{rev}` here"), help).into())
}

/// The bytes of a project file in a commit.
pub(super) fn show(root: &Path, commit: &str, path: &RelPath) -> anyhow::Result<Option<Vec<u8>>> {
    // `./` makes the path relative to the project, wherever in the repository it lies.
    let output = git(root, &["cat-file", "blob", &format!("{commit}:./{path}")], Stdio::null())?;
    Ok(output.status.success().then_some(output.stdout))
}

/// The files of a commit below a directory of the project.
pub(super) fn list(root: &Path, commit: &str, dir: &RelPath) -> anyhow::Result<BTreeSet<RelPath>> {
    let listing = git(root, &["ls-tree", "-r", "-z", "-l", commit, "--", dir.as_str()], Stdio::null())?;
    let text = String::from_utf8_lossy(&listing.stdout);
    Ok(text.split('\0').filter_map(blob).map(|blob| blob.path).filter(|path| path.is_within(dir)).collect())
}

/// Writes the project's files whose name is wanted and that are no larger than `limit` to `target`.
pub(super) fn extract(
    root: &Path,
    commit: &str,
    is_wanted: fn(&str) -> bool,
    limit: u64,
    target: &Path,
) -> anyhow::Result<()> {
    let listing = git(root, &["ls-tree", "-r", "-z", "-l", commit], Stdio::null())?;
    if !listing.status.success() {
        bail!("git cannot list {commit}: {}", String::from_utf8_lossy(&listing.stderr).trim());
    }
    let text = String::from_utf8_lossy(&listing.stdout);
    let blobs = text.split('\0').filter_map(blob);
    let wanted: Vec<Blob<'_>> = blobs.filter(|blob| is_wanted(blob.path.as_str()) && blob.size <= limit).collect();
    // The names go through a file: a pipe could fill while git waits for its output to be read.
    let mut names = tempfile::tempfile().context("cannot make a temporary file")?;
    for blob in &wanted {
        writeln!(names, "{}", blob.object)?;
    }
    names.rewind()?;
    let contents = git(root, &["cat-file", "--batch"], names.into())?.stdout;
    let mut rest = contents.as_slice();
    for blob in wanted {
        let header = rest.iter().position(|&byte| byte == b'\n').context("git gave too little")?;
        let size = usize::try_from(blob.size)?;
        let bytes = rest.get(header + 1..header + 1 + size).context("git gave too little")?;
        let path = blob.path.under(target);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        rest = rest.get(header + size + 2..).unwrap_or_default();
    }
    Ok(())
}

/// A regular file of a commit.
struct Blob<'a> {
    object: &'a str,
    size: u64,
    path: RelPath,
}

/// Reads `MODE SP TYPE SP OBJECT SP+ SIZE TAB PATH`; symbolic links and submodules are none.
fn blob(line: &str) -> Option<Blob<'_>> {
    let (facts, path) = line.split_once('\t')?;
    let mut facts = facts.split_ascii_whitespace();
    let (mode, _, object, size) = (facts.next()?, facts.next()?, facts.next()?, facts.next()?);
    let path = RelPath::parse(path)?;
    mode.starts_with("100").then_some(Blob { object, size: size.parse().ok()?, path })
}

fn git(root: &Path, args: &[&str], stdin: Stdio) -> anyhow::Result<Output> {
    Command::new("git").arg("-C").arg(root).args(args).stdin(stdin).output().context("cannot run git")
}

/// Whether a directory lies in a git repository that has a commit.
pub(super) fn is_repository(root: &Path) -> bool {
    git(root, &["rev-parse", "--verify", "--quiet", "HEAD"], Stdio::null()).is_ok_and(|output| output.status.success())
}

/// The distinct lock files below `root` at the commits that `selectors` name, with what messages call them. With
/// `history`, those of every commit before them too.
pub(super) fn locks(root: &Path, selectors: &[&str], history: bool) -> anyhow::Result<Vec<(String, String)>> {
    // Of the history, commits that changed a lock; also those that a merge has left aside.
    let (walk, paths): (&[&str], &[&str]) = if history {
        (&["rev-list", "--full-history"], &["--", ":(glob)**/lockfiles/*.lock"])
    } else {
        (&["rev-list", "--no-walk"], &["--"])
    };
    let commits = text_of(git(root, &[walk, selectors, paths].concat(), Stdio::null())?, "list commits")?;
    let mut blobs = BTreeMap::new();
    for commit in commits.lines() {
        // Names are relative to `root`, wherever in the repository it lies; `-z` leaves them as they are.
        let tree = text_of(git(root, &["ls-tree", "-r", "-z", commit, "--", "."], Stdio::null())?, "list files")?;
        for line in tree.split('\0') {
            let Some((entry, path)) = line.split_once('\t') else { continue };
            if let Some(blob) = entry.split(' ').nth(2).filter(|_| is_lock(Path::new(path))) {
                blobs.entry(blob.to_owned()).or_insert_with(|| format!("{commit}:{path}"));
            }
        }
    }
    let read = |(blob, name): (String, String)| {
        Ok((name, text_of(git(root, &["cat-file", "blob", &blob], Stdio::null())?, "read")?))
    };
    blobs.into_iter().map(read).collect()
}

fn text_of(output: Output, action: &str) -> anyhow::Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!("git cannot {action}: {}", String::from_utf8_lossy(&output.stderr).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_inside_are_blobs() {
        let found = blob("100644 blob ab12      17\tdir/a b.yaml")
            .map(|blob| (blob.object.to_owned(), blob.size, blob.path.to_string()));
        assert_eq!(found, Some(("ab12".to_owned(), 17, "dir/a b.yaml".to_owned())));
        assert!(blob("120000 blob ab12 17\tlink.yaml").is_none());
        assert!(blob("160000 commit ab12       -\tmodule").is_none());
        assert!(blob("100644 blob ab12 17\t../up.yaml").is_none());
    }
}
