//! The links by which others find what has a role: `champion`, `challenger`, `archived`, and beside each the measures of
//! that version.
//!
//! Every alias leads through `current` to the link of the same name in the directory of the present state, which leads
//! to the version. They follow from the state alone, so one that leads elsewhere was changed by hand: whoever serves
//! `champion` would serve another model than the registry tells of.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::place::{ARCHIVED, CHALLENGER, CHAMPION, CURRENT, RegistryError, io_at};
use super::state::State;
use super::version::BUNDLE;

/// The measures that are kept beside a bundle.
const MEASURES: &str = "metrics.json";

/// Every alias that a state can have, with where it leads from the state's directory; `None` when nothing has the role.
fn targets(state: &State) -> Vec<(String, Option<PathBuf>)> {
    let roles =
        [(CHAMPION, state.champion), (CHALLENGER, state.challenger), (ARCHIVED, state.archived.first().copied())];
    let of = |(role, version): (&str, Option<_>)| {
        let file =
            |name: &str| version.map(|version| Path::new("../../versions").join(format!("{version}")).join(name));
        [(role.to_owned(), file(BUNDLE)), (format!("{role}.{MEASURES}"), file(MEASURES))]
    };
    roles.into_iter().flat_map(of).collect()
}

/// Writes the links of a state into its directory.
pub(super) fn write(state: &State, dir: &Path) -> io::Result<()> {
    for (alias, target) in targets(state) {
        if let Some(target) = target {
            symlink(target, dir.join(alias))?;
        }
    }
    Ok(())
}

/// Lets the aliases of a registry lead through `current`, those that nothing has yet left out.
pub(super) fn lead(state: &State, registry: &Path) -> io::Result<()> {
    for (alias, _) in targets(state).into_iter().filter(|(_, target)| target.is_some()) {
        match symlink(Path::new(CURRENT).join(&alias), registry.join(&alias)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Finds every alias to lead where the state says; `dir` is the state's directory.
pub(super) fn check(state: &State, dir: &Path, registry: &Path) -> Result<(), RegistryError> {
    for (alias, target) in targets(state) {
        expect(&dir.join(&alias), target.as_deref())?;
        if target.is_some() {
            expect(&registry.join(&alias), Some(&Path::new(CURRENT).join(&alias)))?;
        }
    }
    Ok(())
}

fn expect(link: &Path, target: Option<&Path>) -> Result<(), RegistryError> {
    let found = match fs::read_link(link) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Something else than a link.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Some(PathBuf::new()),
        Err(error) => return Err(io_at("read", link)(error)),
    };
    if found.as_deref() == target {
        return Ok(());
    }
    let message = match target {
        Some(target) => format!(
            "does not lead where the registry's state says; `ln -sfn {} {}` restores it",
            target.display(),
            link.display()
        ),
        None => "exists, but nothing has this role: remove it".to_owned(),
    };
    Err(RegistryError::Damaged { path: link.to_owned(), message })
}
