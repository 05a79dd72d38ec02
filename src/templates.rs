//! The studies that `clinpipe init` writes: the files of this repository, embedded.

/// A study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Trial dropout; the repository's root.
    Dropout,
    /// Stroke; `studies/stroke`.
    Stroke,
    /// One command, to start from.
    Empty,
}

const DROPOUT: &[(&str, &str)] = &[
    ("pipeline.yaml", include_str!("../pipeline.yaml")),
    ("params.yaml", include_str!("../params.yaml")),
    ("data/README.md", include_str!("../data/README.md")),
    ("lockfiles/pipeline.lock", include_str!("../lockfiles/pipeline.lock")),
    (".gitignore", GITIGNORE),
];

const STROKE: &[(&str, &str)] = &[
    ("pipeline.yaml", include_str!("../studies/stroke/pipeline.yaml")),
    ("params.yaml", include_str!("../studies/stroke/params.yaml")),
    ("data/README.md", include_str!("../studies/stroke/data/README.md")),
    ("lockfiles/pipeline.lock", include_str!("../studies/stroke/lockfiles/pipeline.lock")),
    (".gitignore", GITIGNORE),
];

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
        Template::Stroke => STROKE,
        Template::Empty => EMPTY,
    }
}
