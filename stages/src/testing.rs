//! For tests: a temporary directory in which stages are run by name, as the engine would run them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::common::table::Table;
use crate::{Stage, StageContext, StageError, StageFile, StageRequest};

/// A directory with files.
pub(crate) struct Lab(tempfile::TempDir);

impl Lab {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn file(&self, name: &str) -> StageFile {
        StageFile { path: self.path(name), name: name.to_owned() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("written");
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a text file")
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).expect("JSON")
    }

    pub fn table(&self, name: &str) -> Table {
        Table::read(&self.file(name)).expect("a table")
    }

    /// The first 16 hex digits of the BLAKE3 of several files together.
    pub fn digest(&self, names: &[&str]) -> String {
        let mut hasher = blake3::Hasher::new();
        for name in names {
            hasher.update(&fs::read(self.path(name)).expect("a file"));
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    /// Runs a stage: role and file name of its inputs and outputs.
    pub fn run(
        &self,
        stage: &dyn Stage,
        inputs: &[(&str, &str)],
        outputs: &[(&str, &str)],
        params: &Value,
    ) -> Result<(), StageError> {
        let bind = |pairs: &[(&str, &str)]| -> BTreeMap<String, StageFile> {
            pairs.iter().map(|(role, name)| ((*role).to_owned(), self.file(name))).collect()
        };
        let keys: Vec<&str> = stage.params().iter().map(|role| role.name).collect();
        let params: Map<String, Value> = params
            .as_object()
            .expect("an object of parameters")
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let request = StageRequest {
            uses: stage.name().to_owned(),
            inputs: bind(inputs),
            outputs: bind(outputs),
            params,
            threads: 1,
        };
        let context = StageContext::new(request, &|_| {});
        stage.check(context.params())?;
        stage.run(&context)
    }
}
