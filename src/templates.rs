//! The studies that `clinpipe init` writes: the files of this repository, embedded.

/// A study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// One command, to start from.
    Empty,
}

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
        Template::Empty => EMPTY,
    }
}
