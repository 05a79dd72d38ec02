//! The hints file: `.clinpipe/stat`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{SCHEMA_VERSION, StoreError};
use crate::key::{HintTable, StatHint};
use crate::util::atomic_write;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatFile {
    schema_version: u32,
    hints: BTreeMap<String, StatHint>,
}

pub(super) fn read(path: &Path) -> HintTable {
    let file = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<StatFile>(&bytes).ok());
    file.filter(|file| file.schema_version == SCHEMA_VERSION)
        .map_or_else(HintTable::default, |file| HintTable::new(file.hints))
}

pub(super) fn write(staging: &Path, path: &Path, hints: &HintTable) -> Result<(), StoreError> {
    let Some(hints) = hints.changed() else { return Ok(()) };
    let file = StatFile { schema_version: SCHEMA_VERSION, hints };
    let bytes = serde_json::to_vec(&file).map_err(|error| StoreError::io("write", path, io::Error::other(error)))?;
    atomic_write::write_through(staging, path, &bytes).map_err(|error| StoreError::io("write", path, error))
}
