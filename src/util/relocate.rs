//! Moving files and directories, also to another file system.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Moves `from` to `to`, replacing a file that stands there. Between file systems the content is copied beside `to`
/// first, so that `to` is never seen half written.
pub fn relocate(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        moved => return moved,
    }
    let staged = staging_name(to);
    // What a killed process left under this name is no one's.
    remove(&staged)?;
    let moved = copy_tree(from, &staged).and_then(|()| fs::rename(&staged, to));
    if moved.is_err() {
        // The first failure is the one to tell.
        drop(remove(&staged));
    }
    moved?;
    remove(from)
}

/// Removes a file, a link or a whole directory; nothing there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(error),
        _ => Ok(()),
    }
}

/// A hidden name beside `to`, the same every time, so that the next move of the same file clears it. It is made of a
/// digest because the name itself may be as long as a name can be.
fn staging_name(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default();
    let digest = blake3::hash(name.as_encoded_bytes()).to_hex();
    to.with_file_name(format!(".clinpipe-moving-{}", &digest[..16]))
}

/// Copies a file or directory with its permissions; links are copied as links.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if metadata.is_file() {
        return fs::copy(from, to).map(drop);
    }
    if !metadata.is_dir() {
        // Reading a pipe would wait for ever.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, socket or device"));
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    fs::set_permissions(to, metadata.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("from/below")).expect("created");
        fs::write(dir.path().join("from/below/a"), "1").expect("written");
        symlink("below/a", dir.path().join("from/link")).expect("linked");
        dir
    }

    #[test]
    fn a_tree_arrives_whole_and_leaves_nothing_behind() {
        let dir = tree();
        let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
        let to = elsewhere.path().join("to");
        relocate(&dir.path().join("from"), &to).expect("moved");
        assert_eq!(fs::read(to.join("below/a")).expect("there"), b"1");
        assert_eq!(fs::read_link(to.join("link")).expect("a link"), Path::new("below/a"));
        assert!(!dir.path().join("from").exists());
        assert_eq!(fs::read_dir(elsewhere.path()).expect("listed").count(), 1, "no staging name stays");
    }

    #[test]
    fn a_move_that_fails_keeps_the_source() {
        let dir = tree();
        let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
        let to = elsewhere.path().join("full/sub");
        relocate(&dir.path().join("from"), &to).expect_err("there is no such parent");
        assert!(dir.path().join("from/below/a").exists());
    }
}
