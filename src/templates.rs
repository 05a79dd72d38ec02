//! The studies that `clinpipe init` writes: the files of this repository, embedded.

/// A study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Trial dropout; the repository's root.
    Dropout,
    /// Trial dropout from dated events; `studies/dropout-visits`.
    DropoutVisits,
    /// Treatment outcome, a number; `studies/outcome`.
    Outcome,
    /// Stroke; `studies/stroke`.
    Stroke,
    /// Yearly risk of patients with a past; `studies/patient-year`.
    PatientYear,
    /// One command, to start from.
    Empty,
}

/// The files of a study of this repository, relative to its folder.
macro_rules! study {
    ($folder:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!($folder, $file)))),+, (".gitignore", GITIGNORE)]
    };
}

const DROPOUT: &[(&str, &str)] = study!(
    "../": "pipeline.yaml", "params.yaml", "monitor.yaml", "variants/README.md", "variants/drift.yaml", "variants/retrain.sh",
    "variants/trial.yaml", "data/README.md", "lockfiles/pipeline.lock",
);

const DROPOUT_VISITS: &[(&str, &str)] = study!(
    "../studies/dropout-visits/": "README.md", "pipeline.yaml", "params.yaml", "data/README.md",
    "lockfiles/pipeline.lock",
);

const OUTCOME: &[(&str, &str)] = study!(
    "../studies/outcome/": "README.md", "pipeline.yaml", "params.yaml", "data/README.md", "lockfiles/pipeline.lock",
);

const STROKE: &[(&str, &str)] = study!(
    "../studies/stroke/": "README.md", "pipeline.yaml", "params.yaml", "variants/register.yaml", "data/README.md",
    "lockfiles/pipeline.lock",
);

const PATIENT_YEAR: &[(&str, &str)] = study!(
    "../studies/patient-year/": "README.md", "pipeline.yaml", "params.yaml", "variants/scale.yaml",
    "variants/small-host.yaml", "variants/tuned.yaml", "data/README.md", "lockfiles/pipeline.lock",
);

const EMPTY: &[(&str, &str)] = &[
    (
        "pipeline.yaml",
        "stages:\n  count:\n    cmd: wc -l < data/input.csv > artifacts/rows.txt\n    deps: [data/input.csv]\n    outs: [artifacts/rows.txt]\n",
    ),
    ("params.yaml", "seed: 42\n"),
    ("data/input.csv", "patient_id,age\nP-0001,54\n"),
    (".gitignore", GITIGNORE),
];

/// What stages write stays out of git, but for the metrics that CI compares.
const GITIGNORE: &str =
    ".clinpipe/\n/data/*\n!/data/README.md\n/artifacts/*\n!/artifacts/metrics.json\nlockfiles/audit.jsonl\n";

/// The files of a study: path and text.
pub fn files(template: Template) -> &'static [(&'static str, &'static str)] {
    match template {
        Template::Dropout => DROPOUT,
        Template::DropoutVisits => DROPOUT_VISITS,
        Template::Outcome => OUTCOME,
        Template::Stroke => STROKE,
        Template::PatientYear => PATIENT_YEAR,
        Template::Empty => EMPTY,
    }
}
