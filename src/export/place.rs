//! Where exports are written: whole or not at all.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::util::atomic_write;

/// The file beside a model file that describes its columns: `model.json` has `model.columns.json`.
pub fn companion(path: &Path) -> PathBuf {
    path.with_extension("columns.json")
}

/// Writes a model file and its companion. The companion comes first: where the model is, its description is. A link
/// keeps leading to what it leads to; what is no regular file is left alone.
pub fn write_pair(path: &Path, model: &[u8], columns: &[u8]) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    atomic_write::deliver(&companion(&path), columns)?;
    atomic_write::deliver(&path, model)
}

/// Fills a directory beside `target` and moves it there. An earlier one, which the caller must have found replaceable,
/// gives way only then.
pub fn write_directory<E: From<io::Error>>(target: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let target = std::path::absolute(target)?;
    // A link keeps leading to what it leads to.
    let target = target.canonicalize().unwrap_or(target);
    let parent = target.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(parent)?;
    let staging = tempfile::Builder::new().prefix(".tmp-").tempdir_in(parent)?;
    let (new, old) = (staging.path().join("new"), staging.path().join("old"));
    fs::create_dir(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    fill(&new)?;
    atomic_write::sync_file_system(&new)?;
    match fs::rename(&target, &old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        moved => moved?,
    }
    if let Err(error) = fs::rename(&new, &target) {
        // What stood there comes back; that it was there at all is the only thing to lose.
        drop(fs::rename(&old, &target));
        return Err(error.into());
    }
    atomic_write::sync_dir(parent)?;
    Ok(())
}

/// The names in a directory; nothing when there is none.
pub fn names_in(directory: &Path) -> io::Result<Vec<OsString>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.file_name())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = dir.path().join("below/model");
        let failed = write_directory(&target, |new| {
            fs::write(new.join("a"), "1")?;
            Err(io::Error::other("no"))
        });
        assert!(failed.is_err());
        assert_eq!(names_in(&dir.path().join("below")).expect("listed"), Vec::<OsString>::new());
        for text in ["1", "2"] {
            write_directory(&target, |new| fs::write(new.join(text), text)).expect("written");
            assert_eq!(names_in(&target).expect("listed"), [text]);
        }
        let failed = write_directory(&target, |_| Err(io::Error::other("no")));
        assert!(failed.is_err());
        assert_eq!(names_in(&target).expect("listed"), ["2"]);
        assert_eq!(names_in(&dir.path().join("below")).expect("listed"), ["model"]);
    }

    #[test]
    fn links_are_followed_and_what_is_no_file_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("real"), "old").expect("written");
        std::os::unix::fs::symlink(at("real"), at("link")).expect("linked");
        write_pair(&at("link"), b"new", b"columns").expect("written");
        assert!(at("link").is_symlink());
        assert_eq!(fs::read_to_string(at("real")).expect("read"), "new");
        fs::create_dir(at("directory")).expect("made");
        assert!(write_pair(&at("directory"), b"new", b"columns").is_err());
        assert!(write_pair(Path::new("/dev/null"), b"new", b"columns").is_err());
        assert!(!companion(Path::new("/dev/null")).exists());
        atomic_write::deliver(Path::new("/dev/null"), b"new").expect("swallowed");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }

    #[test]
    fn a_model_has_its_columns_beside_it() {
        assert_eq!(companion(Path::new("a/m.json")), Path::new("a/m.columns.json"));
        assert_eq!(companion(Path::new("m")), Path::new("m.columns.json"));
    }
}
