//! Finding pipeline files: the one a directory stands for, and all others below a root.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::diagnostic::{ConfigError, ConfigErrors};
use crate::util::RelPath;

/// File names of a directory's pipeline, the first that is there.
pub const PIPELINE_FILES: [&str; 2] = ["pipeline.yaml", "dvc.yaml"];

/// The pipeline file of a directory: `pipeline.yaml`, else `dvc.yaml`.
pub fn discover(directory: &Path) -> Result<RelPath, ConfigErrors> {
    let found =
        PIPELINE_FILES.iter().filter(|name| directory.join(name).is_file()).find_map(|name| RelPath::parse(name));
    found.ok_or_else(|| {
        let help = above(directory).map_or_else(
            || "start a project with `clinpipe init`, or name the file with `--file`".to_owned(),
            |file| format!("the nearest is {}: change to its directory, or name it with `--file`", file.display()),
        );
        ConfigError::of_file(PIPELINE_FILES[0], "there is neither pipeline.yaml nor dvc.yaml in this directory")
            .help(help)
            .into()
    })
}

/// The pipeline file of the nearest directory above that has one, as seen from `directory`.
fn above(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().enumerate().skip(1).find_map(|(steps, above)| {
        let name = PIPELINE_FILES.iter().find(|name| above.join(name).is_file())?;
        Some(std::iter::repeat_n("..", steps).chain([*name]).collect())
    })
}

/// The pipeline files of all other directories below `root`, in path order: one a directory, as [`discover`] finds it.
/// Hidden directories, those that `.gitignore`, `.dvcignore` or `.clinpipeignore` leave out, and those that cannot be
/// read hold none.
pub(super) fn others(root: &Path, main: &RelPath) -> Vec<RelPath> {
    let mut walk = WalkBuilder::new(root);
    walk.parents(false).ignore(false).git_global(false).git_exclude(false).require_git(false);
    walk.add_custom_ignore_filename(".dvcignore").add_custom_ignore_filename(".clinpipeignore");
    let mut found: Vec<RelPath> = walk
        .build()
        .flatten()
        .filter(|entry| PIPELINE_FILES.iter().any(|name| entry.file_name() == *name) && entry.path().is_file())
        .filter_map(|entry| RelPath::parse(entry.path().strip_prefix(root).ok()?.to_str()?))
        .filter(|file| file.parent() != main.parent())
        .collect();
    // `pipeline.yaml` sorts behind `dvc.yaml` and replaces it.
    found.sort();
    let mut files: Vec<RelPath> = Vec::new();
    for file in found {
        files.retain(|earlier| earlier.parent() != file.parent());
        files.push(file);
    }
    files
}
