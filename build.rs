//! What only the build knows: which sources the binary was made of.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// `CLINPIPE_SOURCES`: a checksum of all sources. What a binary keeps for itself between runs is read by no other.
/// It tells apart what honest edits make; nobody's safety depends on it.
fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for place in ["build.rs", "Cargo.lock", "Cargo.toml", "src", "stages/src"] {
        println!("cargo::rerun-if-changed={place}");
        collect(Path::new(place), &mut files)?;
    }
    files.sort();
    let mut checksum = DefaultHasher::new();
    for file in files {
        file.hash(&mut checksum);
        fs::read(&file)?.hash(&mut checksum);
    }
    println!("cargo::rustc-env=CLINPIPE_SOURCES={:016x}", checksum.finish());
    Ok(())
}

fn collect(place: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if place.is_file() {
        files.push(place.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(place)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
