//! The MLflow flavour: a model directory whose Python module calls clinpipe on the bundle inside it.
//!
//! No time, no host, no random id: the model's uuid is the start of the bundle's digest.

mod example;

use std::fs;
use std::io;
use std::path::Path;

use clinpipe_stages::bundle::{Bundle, BundleError};
use clinpipe_stages::common::schema::{ColumnSchema, ColumnType};
use clinpipe_stages::common::target::Task;
use serde::Serialize;
use serde_json::{Value, json};

use super::place::names_in;

/// The file that makes a directory an MLflow model.
pub const MODEL_FILE: &str = "MLmodel";
const MODULE: &str = include_str!("clinpipe_pyfunc.py");
/// The Python for which the environment is described; the module itself runs on any that its requirements run on.
const PYTHON: &str = "3.11";
const REQUIREMENTS: [&str; 2] = ["mlflow-skinny>=3", "pandas>=2"];
const EXAMPLE_FILE: &str = "input_example.json";

/// A bundle about to be written as an MLflow model.
#[derive(Debug, Clone, Copy)]
pub struct Flavour<'a> {
    bundle: &'a Bundle,
    source: &'a Path,
}

/// Why the directory could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FlavourError {
    /// The file system refused.
    #[error("cannot write the model directory: {0}")]
    Io(#[from] io::Error),
    /// The bundle is no longer the one that was loaded.
    #[error("the bundle changed while it was copied: {0}")]
    Changed(String),
}

#[derive(Serialize)]
struct ColumnSpec<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
}

impl<'a> Flavour<'a> {
    /// The flavour of a bundle that was loaded from `source`.
    pub fn new(bundle: &'a Bundle, source: &'a Path) -> Self {
        Self { bundle, source }
    }

    /// Writes every file into an empty directory.
    pub fn write(&self, directory: &Path) -> Result<(), FlavourError> {
        let inside = directory.join("bundle");
        fs::create_dir(&inside)?;
        for name in names_in(self.source)? {
            fs::write(inside.join(&name), fs::read(self.source.join(&name))?)?;
        }
        let changed = |error: BundleError| FlavourError::Changed(error.to_string());
        if Bundle::load(&inside).map_err(changed)?.digest() != self.bundle.digest() {
            return Err(FlavourError::Changed("its digest is another".to_owned()));
        }
        fs::create_dir(directory.join("code"))?;
        fs::write(directory.join("code/clinpipe_pyfunc.py"), MODULE)?;
        let example = example::record(self.bundle);
        if let Some(record) = &example {
            let (columns, data): (Vec<&String>, Vec<&Value>) = record.iter().unzip();
            fs::write(directory.join(EXAMPLE_FILE), format!("{}\n", json!({"columns": columns, "data": [data]})))?;
        }
        fs::write(directory.join("requirements.txt"), REQUIREMENTS.map(|line| format!("{line}\n")).concat())?;
        fs::write(directory.join("python_env.yaml"), python_env())?;
        fs::write(directory.join("conda.yaml"), conda())?;
        fs::write(directory.join(MODEL_FILE), self.model_file(example.is_some()))?;
        Ok(())
    }

    /// The text of MLmodel. JSON texts are YAML's double-quoted scalars.
    fn model_file(&self, has_example: bool) -> String {
        let digest = self.bundle.digest();
        let outputs = self.outputs();
        let names: Vec<&str> = outputs.iter().map(|column| column.name).collect();
        let quoted = |value: &str| Value::from(value).to_string();
        let example = if has_example {
            format!(
                "saved_input_example_info:\n  artifact_path: {EXAMPLE_FILE}\n  pandas_orient: split\n  type: dataframe\n"
            )
        } else {
            String::new()
        };
        format!(
            "flavors:\n  python_function:\n    code: code\n    config:\n      answers: {}\n    data: bundle\n    env:\n      conda: conda.yaml\n      \
             virtualenv: python_env.yaml\n    loader_module: clinpipe_pyfunc\n    python_version: {}\n\
             metadata:\n  clinpipe: {}\n  clinpipe_bundle: {}\n  clinpipe_model: {}\nmodel_uuid: {}\n{example}\
             signature:\n  inputs: {}\n  outputs: {}\n  params: null\n",
            json!(names),
            quoted(PYTHON),
            quoted(env!("CARGO_PKG_VERSION")),
            quoted(digest),
            quoted(&self.bundle.manifest().model),
            quoted(digest.get(..32).unwrap_or(digest)),
            quoted(&self.inputs()),
            quoted(&json!(outputs).to_string()),
        )
    }

    /// The signature's inputs as JSON: what the model reads, what its rules compare, and the id.
    fn inputs(&self) -> String {
        let (schema, records) = (self.bundle.schema(), self.bundle.records());
        let (required, compared) = (records.required(), records.compared());
        let wanted = |name: &String| {
            self.bundle.inputs().contains(name) || compared.contains(name) || schema.id.as_ref() == Some(name)
        };
        let specs: Vec<ColumnSpec<'_>> = schema
            .columns
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, column)| ColumnSpec { name, kind: input_type(column), required: required.contains(name) })
            .collect();
        json!(specs).to_string()
    }

    /// The signature's outputs: the columns of `clinpipe predict`.
    fn outputs(&self) -> Vec<ColumnSpec<'static>> {
        let spec = |name, kind| ColumnSpec { name, kind, required: true };
        if self.bundle.task() == Task::Continuous {
            return vec![spec("prediction", "double")];
        }
        let mut specs = vec![spec("p_raw", "double"), spec("p", "double")];
        if self.bundle.has_intervals() {
            specs.extend([spec("p_low", "double"), spec("p_high", "double")]);
        }
        specs.push(spec("flagged", "boolean"));
        if self.bundle.tiers().is_some() {
            specs.push(spec("risk_level", "string"));
        }
        specs
    }
}

/// MLflow's type of a column. pandas holds whole numbers as integers or, beside missing ones, as floats, and MLflow
/// takes neither for the other; so where both can occur the type is left open, and clinpipe judges the cells.
fn input_type(column: &ColumnSchema) -> &'static str {
    match column.kind {
        ColumnType::Integer if !column.nullable => "long",
        ColumnType::Integer | ColumnType::Number => "any",
        ColumnType::Category | ColumnType::Text => "string",
    }
}

fn python_env() -> String {
    format!(
        "python: \"{PYTHON}\"\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n"
    )
}

fn conda() -> String {
    let pip = REQUIREMENTS.map(|line| format!("  - {line}\n")).concat();
    format!("name: clinpipe\nchannels:\n- conda-forge\ndependencies:\n- python={PYTHON}\n- pip\n- pip:\n{pip}")
}
