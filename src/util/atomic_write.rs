//! Writing a file so that a reader, a crash or a full disk sees the old content or the new one, never a part.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path` through a temporary file beside it: write, fsync, rename, fsync of the directory.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_through(directory_of(path), path, bytes)
}

/// Writes what a command was asked to write to `path`: a regular file whole, through a link to what it leads to, and into
/// a pipe or a device, which cannot be replaced, as it comes.
pub fn deliver(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&target) {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            fs::OpenOptions::new().write(true).open(&target)?.write_all(bytes)
        }
        _ => write(&target, bytes),
    }
}

/// [`write`] through a temporary file in `staging`, for places where what a killed process leaves would be in the way.
/// When `staging` is on another file system, the temporary file stands beside `path` after all.
pub fn write_through(staging: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    stage(staging, path, bytes, true)
}

/// [`write_through`] without waiting for the disk. Safe whenever this process dies; to outlive a power cut, the file
/// needs a later [`sync_file_system`].
pub fn write_soon(staging: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    stage(staging, path, bytes, false)
}

/// The directory a file is in; a bare name is in the current one.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn stage(staging: &Path, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let parent = directory_of(path);
    fs::create_dir_all(parent)?;
    fs::create_dir_all(staging)?;
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(staging)?;
    file.write_all(bytes)?;
    if durable {
        file.as_file().sync_all()?;
    }
    set_default_mode(file.as_file())?;
    match file.persist(path) {
        Err(error) if error.error.kind() == io::ErrorKind::CrossesDevices && staging != parent => {
            return stage(parent, path, bytes, durable);
        }
        persisted => drop(persisted?),
    }
    if durable { sync_dir(parent) } else { Ok(()) }
}

/// Makes everything written so far to the file system that holds `dir` durable: one wait instead of one for each file.
pub fn sync_file_system(dir: &Path) -> io::Result<()> {
    let dir = File::open(dir)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&dir)?;
    #[cfg(not(target_os = "linux"))]
    {
        dir.sync_all()?;
        rustix::fs::sync();
    }
    Ok(())
}

/// Replaces the content of an existing file of the user's: its permissions stay, and a link keeps leading to it.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = path.canonicalize()?;
    let permissions = fs::metadata(&path)?.permissions();
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    sync_dir(parent)
}

/// Makes renames in a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Temporary files are private (0600); what is kept is readable like any other file of the project.
fn set_default_mode(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_content_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("below/file");
        write(&path, b"one").expect("written");
        write(&path, b"two").expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"two");
        assert_eq!(fs::read_dir(dir.path().join("below")).expect("listed").count(), 1);
    }

    #[test]
    fn a_staged_write_leaves_nothing_beside_the_file_even_when_it_fails() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (staging, path) = (dir.path().join("staging"), dir.path().join("kept/file"));
        fs::write(&staging, "in the way").expect("written");
        write_through(&staging, &path, b"one").expect_err("there is nowhere to stage");
        assert_eq!(fs::read_dir(dir.path().join("kept")).expect("listed").count(), 0);
        fs::remove_file(&staging).expect("removed");
        write_through(&staging, &path, b"one").expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"one");
        assert_eq!(fs::read_dir(&staging).expect("listed").count(), 0);
    }
}
