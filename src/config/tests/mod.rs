//! Whole files in, faults or typed pipelines out.

mod faults;
mod files;
mod templates;

use serde_json::{Map, Value};

use super::{BuiltinCatalog, BuiltinRole, BuiltinSpec, ConfigErrors, Project, load};
use crate::util::RelPath;

/// Two built-ins: `train` (table, spec? -> model; seed, train) and the service `serve`.
struct Catalog;

fn role(name: &str, required: bool) -> BuiltinRole {
    BuiltinRole { name: name.to_owned(), required, about: format!("the {name}") }
}

impl BuiltinCatalog for Catalog {
    fn names(&self) -> Vec<String> {
        vec!["train".to_owned(), "serve".to_owned()]
    }

    fn spec(&self, uses: &str) -> Option<BuiltinSpec> {
        let spec = |inputs, outputs, params, service| BuiltinSpec { version: 1, inputs, outputs, params, service };
        match uses {
            "train" => Some(spec(
                vec![role("table", true), role("spec", false)],
                vec![role("model", true), role("cv", false)],
                vec![role("seed", true), role("train", true), role("tiers", false)],
                false,
            )),
            "serve" => Some(spec(vec![role("bundle", true)], vec![], vec![], true)),
            _ => None,
        }
    }

    fn check_params(&self, _uses: &str, params: &Map<String, Value>) -> Result<(), (String, String)> {
        let models = params.get("train").and_then(|train| train.get("models")).and_then(Value::as_array);
        let known = ["logistic", "forest", "gbdt"];
        for (at, model) in models.into_iter().flatten().enumerate() {
            if !model.as_str().is_some_and(|model| known.contains(&model)) {
                return Err((format!("train.models.{at}"), format!("unknown model {model}")));
            }
        }
        Ok(())
    }
}

const PARAMS: &str = "seed: 42\ntrain:\n  models: [logistic, gbdt]\n  depth: 3\n";

fn load_files(files: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Project, ConfigErrors> {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let set: Vec<_> = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    load(dir.path(), &RelPath::parse("pipeline.yaml").expect("inside"), &set, &Catalog)
}

fn project(pipeline: &str) -> Project {
    load_files(&[("pipeline.yaml", pipeline), ("params.yaml", PARAMS)], &[]).expect("valid")
}

fn faults(pipeline: &str) -> String {
    faults_of(&[("pipeline.yaml", pipeline), ("params.yaml", PARAMS)], &[])
}

fn faults_of(files: &[(&str, &str)], set: &[(&str, &str)]) -> String {
    load_files(files, set).expect_err("must be refused").to_string()
}
