//! A small real bundle for tests: the stages run in-process on a seeded cohort, once per test program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clinpipe_stages::{StageContext, StageFile, StageRequest};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A trained study: `bundle/` and the raw table `synthetic.csv`.
pub(crate) struct Study(TempDir);

impl Study {
    /// The directory of the bundle.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.0.path().join("bundle")
    }

    /// The raw table it was trained on.
    pub(crate) fn raw(&self) -> PathBuf {
        self.0.path().join("synthetic.csv")
    }
}

/// The study, trained at the first call.
pub(crate) fn study() -> &'static Study {
    static STUDY: OnceLock<Study> = OnceLock::new();
    STUDY.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        train(dir.path());
        Study(dir)
    })
}

/// A copy of its bundle that a test may damage.
pub(crate) fn copy_of_bundle() -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(study().bundle()).expect("the bundle") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, copy.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    copy
}

fn train(dir: &Path) {
    let params = params();
    let run = |uses: &str, inputs: &[(&str, &str)], outputs: &[(&str, &str)]| {
        let stage = clinpipe_stages::find(uses).expect("a stage");
        let files = |files: &[(&str, &str)]| -> BTreeMap<String, StageFile> {
            let file = |name: &str| StageFile { path: dir.join(name), name: name.to_owned() };
            files.iter().map(|&(role, name)| (role.to_owned(), file(name))).collect()
        };
        for (_, name) in outputs.iter().filter(|(_, name)| name.ends_with('/')) {
            std::fs::create_dir(dir.join(name)).expect("created");
        }
        let declared =
            stage.params().iter().filter_map(|key| Some((key.name.to_owned(), params.get(key.name)?.clone())));
        let request = StageRequest {
            uses: uses.to_owned(),
            inputs: files(inputs),
            outputs: files(outputs),
            params: declared.collect(),
            threads: 1,
        };
        stage.run(&StageContext::new(request, &|_| {})).unwrap_or_else(|error| panic!("{uses}: {error}"));
    };
    run("generate", &[], &[("table", "synthetic.csv")]);
    run("ingest", &[("synthetic", "synthetic.csv")], &[("table", "ingested.parquet"), ("report", "ingest.json")]);
    run(
        "validate",
        &[("table", "ingested.parquet")],
        &[("table", "clean.parquet"), ("quarantine", "quarantine.csv"), ("report", "validation.json")],
    );
    run("split", &[("table", "clean.parquet")], &[("split", "split.parquet"), ("report", "split.json")]);
    run("featurize", &[("table", "clean.parquet")], &[("table", "features.parquet"), ("spec", "features.json")]);
    let features = [("table", "features.parquet"), ("spec", "features.json"), ("split", "split.parquet")];
    run("train", &features, &[("models", "models/"), ("oof", "oof.parquet"), ("cv", "cv.json")]);
    run(
        "calibrate",
        &[("oof", "oof.parquet")],
        &[("calibrator", "calibrator.json"), ("calibrated", "calibrated.parquet")],
    );
    run(
        "tune_threshold",
        &[("calibrated", "calibrated.parquet")],
        &[("threshold", "threshold.json"), ("sweep", "sweep.csv")],
    );
    let mut parts = features.to_vec();
    parts.extend([("models", "models/"), ("calibrator", "calibrator.json"), ("threshold", "threshold.json")]);
    parts.extend([("ingest", "ingest.json"), ("clean", "clean.parquet")]);
    run("bundle", &parts, &[("bundle", "bundle/")]);
}

fn params() -> Map<String, Value> {
    let number = |low: u32, high: u32| json!({"type": "integer", "range": [low, high]});
    let flag = json!({"type": "integer", "levels": [0, 1], "available_at": "post"});
    let params = json!({
        "seed": 7,
        "generate": {"kind": "dropout_causal", "n": 400},
        "schema": {
            "id": "patient_id",
            "group": "patient_id",
            "target": {"column": "dropout", "event": "leaves"},
            "columns": {
                "patient_id": {"type": "text", "pattern": "P-[0-9]+"},
                "age": number(0, 120),
                "gender": {"type": "category", "levels": ["Male", "Female", "Non-binary"]},
                "treatment_group": {"type": "category", "levels": ["Active", "Control", "Placebo"]},
                "trial_phase": {"type": "category", "levels": ["Phase I", "Phase II", "Phase III"]},
                "days_in_trial": number(1, 1000),
                "visits_completed": number(0, 100),
                "last_visit_day": number(0, 1000),
                "adverse_events": {"type": "integer", "range": [0, 100], "nullable": true},
                "dropout": flag, "early_dropout": flag, "late_dropout": flag, "dropout_30_days": flag,
                "dropout_day": {"type": "integer", "nullable": true, "available_at": "post"},
            },
        },
        "ingest": {"na": ["", "unknown"]},
        "validate": {"rules": [
            {"name": "visits within the trial", "check": "last_visit_day <= days_in_trial"},
            {"name": "few visits", "check": "visits_completed < 99", "level": "warning"},
        ]},
        "split": {"kind": "group", "test": 0.2, "folds": 3},
        "featurize": {
            "derive": [{"name": "visit_rate", "op": "rate", "of": "visits_completed", "per": "days_in_trial", "scale": 30, "offset": 1}],
            "features": ["age", "visit_rate", "adverse_events", "trial_phase"],
        },
        "train": {"models": ["logistic"]},
        "calibrate": {"method": "platt"},
        "tune_threshold": {"policy": "fbeta", "beta": 2},
        "tiers": {"version": 1, "levels": [
            {"name": "High", "from": 0.5, "action": "call"}, {"name": "Low", "from": 0},
        ]},
    });
    params.as_object().cloned().unwrap_or_default()
}
