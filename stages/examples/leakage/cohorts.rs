//! Cohorts without a leak, of many shapes, and how one is brought before the stage.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use clinpipe_stages::common::frame::Column;
use clinpipe_stages::common::rng::Stream;
use clinpipe_stages::common::table::Table;
use clinpipe_stages::leakage::{Finding, Report};
use clinpipe_stages::{StageContext, StageError, StageFile, StageRequest};
use serde_json::{Map, Value, json};

/// What can go wrong here.
pub type Fault = Box<dyn Error>;

/// A raw table with its outcome.
#[derive(Clone)]
pub struct Cohort {
    /// One name per row; unique.
    pub ids: Vec<String>,
    /// The patient of each row.
    pub patients: Vec<String>,
    /// The outcome.
    pub y: Vec<bool>,
    /// Everything else.
    pub columns: Vec<(String, Column)>,
    /// Declared for the split, when it follows time.
    pub year: Option<Vec<f64>>,
}

impl Cohort {
    /// A cohort whose rows are patients, numbered in the order of the file.
    pub fn new(columns: Vec<(String, Column)>, y: Vec<bool>) -> Self {
        let ids: Vec<String> = (1..=y.len()).map(|number| format!("P{number:05}")).collect();
        Self { patients: ids.clone(), ids, y, columns, year: None }
    }

    /// The rows at `index`, in that order.
    pub fn take(&self, index: &[usize]) -> Self {
        let texts = |all: &[String]| index.iter().map(|&row| all[row].clone()).collect();
        Self {
            ids: texts(&self.ids),
            patients: texts(&self.patients),
            y: index.iter().map(|&row| self.y[row]).collect(),
            columns: self.columns.iter().map(|(name, column)| (name.clone(), column.take(index))).collect(),
            year: self.year.as_ref().map(|year| index.iter().map(|&row| year[row]).collect()),
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.y.len()
    }
}

/// Outcomes of a logistic model with this linear predictor, shifted so that about `prevalence` of the rows have one.
pub fn outcomes(stream: &mut Stream, eta: &[f64], prevalence: f64) -> Vec<bool> {
    let logistic = |x: f64| 1.0 / (1.0 + libm::exp(-x));
    let (mut low, mut high) = (-50.0, 50.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let mean = eta.iter().map(|eta| logistic(eta + middle)).sum::<f64>() / eta.len() as f64;
        if mean < prevalence { low = middle } else { high = middle }
    }
    eta.iter().map(|eta| stream.chance(logistic(eta + low))).collect()
}

fn normals(stream: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| stream.normal()).collect()
}

fn number(name: impl Into<String>, values: Vec<f64>) -> (String, Column) {
    (name.into(), Column::Number(values))
}

/// Six numbers, two categories, gaps; an honest model reaches an AUROC of about 0.78.
pub fn base(seed: u64, n: usize, prevalence: f64) -> Cohort {
    let mut stream = Stream::new(seed, "base");
    let mut columns: Vec<(String, Column)> =
        (0..6).map(|at| number(format!("lab_{at}"), normals(&mut stream, n))).collect();
    let texts = |stream: &mut Stream, levels: &[&str]| -> Column {
        Column::Text((0..n).map(|_| Some(levels[stream.below(levels.len() as u64) as usize].to_owned())).collect())
    };
    columns.push(("sex".to_owned(), texts(&mut stream, &["F", "M"])));
    columns.push(("site".to_owned(), texts(&mut stream, &["a", "b", "c", "d", "e", "f", "g", "h"])));
    let eta: Vec<f64> = (0..n)
        .map(|row| {
            let lab = |at: usize| columns[at].1.numbers().map_or(0.0, |values| values[row]);
            0.9 * lab(0) - 0.6 * lab(1) + 0.5 * lab(2)
        })
        .collect();
    if let Column::Number(values) = &mut columns[3].1 {
        values.iter_mut().filter(|_| stream.chance(0.1)).for_each(|value| *value = f64::NAN);
    }
    let y = outcomes(&mut stream, &eta, prevalence);
    Cohort::new(columns, y)
}

/// One feature that honestly reaches an AUROC of 0.9, beside the others.
fn strong(seed: u64) -> Cohort {
    let mut cohort = base(seed, 1000, 0.2);
    let mut stream = Stream::new(seed, "strong");
    let values = cohort.y.iter().map(|&y| stream.normal() + if y { 1.812 } else { 0.0 }).collect();
    cohort.columns.push(number("strong", values));
    cohort
}

/// Thirty related answers of yes and no: many patients answer alike.
fn binary(seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "binary");
    let n = 1000;
    let trait_ = normals(&mut stream, n);
    let columns: Vec<(String, Column)> = (0..30)
        .map(|at| {
            let cut = 0.5 + 0.05 * f64::from(at);
            let answers = trait_.iter().map(|common| f64::from(u8::from(0.8 * common + 0.6 * stream.normal() > cut)));
            number(format!("item_{at}"), answers.collect())
        })
        .collect();
    let y = outcomes(&mut stream, &trait_.iter().map(|common| 1.2 * common).collect::<Vec<_>>(), 0.25);
    Cohort::new(columns, y)
}

/// Twelve items scored 0 to 4, mostly 0, so that one answer sheet is common.
fn questionnaire(seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "questionnaire");
    let n = 800;
    let burden: Vec<f64> = (0..n).map(|_| (stream.normal() - 0.4).max(0.0)).collect();
    let columns = (0..12)
        .map(|at| {
            let scores = burden.iter().map(|burden| stream.poisson(0.05 + 0.6 * burden).min(4) as f64).collect();
            number(format!("item_{at}"), scores)
        })
        .collect();
    let y = outcomes(&mut stream, &burden, 0.3);
    Cohort::new(columns, y)
}

/// 250 patients with one to six rows, in blocks, with fixed and changing columns and a patient effect.
pub fn panel(seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "panel");
    let mut patients = Vec::new();
    let (mut fixed, mut changing, mut sex, mut eta) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for patient in 0..250 {
        let (own, effect, female) = (stream.normal(), stream.normal(), stream.chance(0.5));
        for _ in 0..stream.integer(1, 6) {
            let lab = 0.7 * own + 0.7 * stream.normal();
            patients.push(format!("P{patient:04}"));
            fixed.push(own);
            changing.push(lab);
            sex.push(Some(if female { "F" } else { "M" }.to_owned()));
            eta.push(0.8 * lab + effect);
        }
    }
    let noise = normals(&mut stream, eta.len());
    let y = outcomes(&mut stream, &eta, 0.15);
    let columns = vec![
        number("fixed", fixed),
        number("lab", changing),
        number("noise", noise),
        ("sex".to_owned(), Column::Text(sex.into())),
    ];
    let mut cohort = Cohort::new(columns, y);
    cohort.patients = patients;
    cohort
}

/// Patients enrolled over six years, in the order of enrolment, while the risk triples; the split follows time.
fn drifting(seed: u64) -> Cohort {
    let mut cohort = base(seed, 1200, 0.2);
    let mut stream = Stream::new(seed, "drifting");
    let year: Vec<f64> = (0..1200).map(|row| 2015.0 + f64::from(row / 200)).collect();
    let eta: Vec<f64> = (0..1200)
        .map(|row| 0.25 * (year[row] - 2015.0) + cohort.columns[0].1.numbers().map_or(0.0, |values| values[row]))
        .collect();
    cohort.y = outcomes(&mut stream, &eta, 0.15);
    cohort.year = Some(year);
    cohort
}

/// What the stage `generate` writes, with its columns typed by their values; `late` and unused columns are left out.
fn generated(seed: u64, generate: &Value, id: &str, target: &str, left_out: &[&str]) -> Result<Cohort, Fault> {
    let directory = tempfile::tempdir()?;
    let stage = Lab(directory.path());
    stage.run("generate", &[], &[("table", "raw.csv")], &json!({"seed": seed, "generate": generate}))?;
    let mut reader = csv::Reader::from_path(directory.path().join("raw.csv"))?;
    let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    let cells = |at: usize| records.iter().map(move |record| record.get(at).unwrap_or_default());
    let (mut cohort, mut columns) = (Cohort::new(Vec::new(), vec![false; records.len()]), Vec::new());
    for (at, name) in header.iter().enumerate() {
        let parsed: Option<Vec<f64>> =
            cells(at).map(|cell| if matches!(cell, "" | "N/A") { Some(f64::NAN) } else { cell.parse().ok() }).collect();
        if name == id {
            cohort.ids = cells(at).map(str::to_owned).collect();
            cohort.patients.clone_from(&cohort.ids);
        } else if name == target {
            cohort.y = cells(at).map(|cell| cell == "1").collect();
        } else if !left_out.contains(&name.as_str()) {
            let texts = || Column::Text(cells(at).map(|cell| Some(cell.to_owned())).collect());
            columns.push((name.clone(), parsed.map_or_else(texts, Column::Number)));
        }
    }
    cohort.columns = columns;
    Ok(cohort)
}

fn dropout(seed: u64, n: usize) -> Result<Cohort, Fault> {
    let late = ["dropout_day", "early_dropout", "late_dropout", "dropout_30_days", "gender"];
    generated(seed, &json!({"kind": "dropout_causal", "n": n}), "patient_id", "dropout", &late)
}

/// A shape without a leak.
pub type Shape = (&'static str, fn(u64) -> Result<Cohort, Fault>);

/// All shapes.
pub const SHAPES: [Shape; 10] = [
    ("`dropout_causal`, n 1,000", |seed| dropout(seed, 1000)),
    ("`dropout_causal`, n 10,000", |seed| dropout(seed, 10_000)),
    ("`stroke`, n 5,110, 5 % events", |seed| {
        generated(seed, &json!({"kind": "stroke", "n": 5110}), "id", "stroke", &[])
    }),
    ("numbers and categories, n 1,000", |seed| Ok(base(seed, 1000, 0.2))),
    ("the same, n 300", |seed| Ok(base(seed, 300, 0.25))),
    ("a predictor of AUROC 0.90, n 1,000", |seed| Ok(strong(seed))),
    ("30 related binary columns, n 1,000", |seed| Ok(binary(seed))),
    ("questionnaire, mostly zeros, n 800", |seed| Ok(questionnaire(seed))),
    ("panel, 250 patients of 1 to 6 rows", |seed| Ok(panel(seed))),
    ("risk triples over six years, split in time", |seed| Ok(drifting(seed))),
];

/// A directory in which stages run.
pub struct Lab<'a>(pub &'a Path);

impl Lab<'_> {
    fn file(&self, name: &str) -> StageFile {
        StageFile { path: self.0.join(name), name: name.to_owned() }
    }

    /// Runs a stage by its name.
    pub fn run(
        &self,
        uses: &str,
        inputs: &[(&str, &str)],
        outputs: &[(&str, &str)],
        params: &Value,
    ) -> Result<(), StageError> {
        let stage = clinpipe_stages::find(uses).ok_or_else(|| StageError::failed(format!("no stage {uses}")))?;
        let bind =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(role, name)| ((*role).to_owned(), self.file(name))).collect();
        let declared = |name: &str| stage.params().iter().any(|role| role.name == name);
        let params: Map<String, Value> = params
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| declared(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let request =
            StageRequest { uses: uses.to_owned(), inputs: bind(inputs), outputs: bind(outputs), params, threads: 2 };
        let context = StageContext::new(request, &|_| {});
        stage.check(context.params())?;
        stage.run(&context)
    }
}

/// How often outcomes are permuted when the stage is left to itself.
pub const PERMUTATIONS: usize = 10;

/// Splits and featurizes a cohort, lets `tamper` at the split, and gives the findings of the stage `leakage`.
pub fn findings(
    cohort: &Cohort,
    seed: u64,
    permutations: usize,
    tamper: impl Fn(&mut Vec<Option<String>>, &mut Vec<Option<i64>>),
) -> Result<Vec<Finding>, Fault> {
    let directory = tempfile::tempdir()?;
    let lab = Lab(directory.path());
    write(cohort, &directory.path().join("clean.parquet"))?;
    let mut params = params(cohort, seed);
    params["leakage"] = json!({"permutations": permutations});
    lab.run("split", &[("table", "clean.parquet")], &[("split", "split.parquet"), ("report", "split.json")], &params)?;
    lab.run(
        "featurize",
        &[("table", "clean.parquet")],
        &[("table", "features.parquet"), ("spec", "features.json")],
        &params,
    )?;
    if cohort.year.is_none() {
        let split = Table::read(&lab.file("split.parquet"))?;
        let (mut part, mut fold) = (split.texts("part")?.to_vec(), split.ints("fold")?);
        tamper(&mut part, &mut fold);
        let mut table = Table::with_rows(cohort.rows());
        table.push_ints("row_id", split.ints("row_id")?)?.push_texts("part", part)?.push_ints("fold", fold)?;
        table.write(&directory.path().join("split.parquet"))?;
    }
    let inputs = [
        ("table", "clean.parquet"),
        ("features", "features.parquet"),
        ("spec", "features.json"),
        ("split", "split.parquet"),
    ];
    // A finding fails the stage after the report is written.
    let verdict = lab.run("leakage", &inputs, &[("report", "leakage.json")], &params);
    let Ok(text) = std::fs::read_to_string(directory.path().join("leakage.json")) else {
        return Err(verdict.err().map_or_else(|| "no report".into(), Into::into));
    };
    let report: Report = serde_json::from_str(&text)?;
    Ok(report.findings)
}

fn write(cohort: &Cohort, path: &Path) -> Result<(), StageError> {
    let n = cohort.rows();
    let texts = |all: &[String]| all.iter().cloned().map(Some).collect::<Vec<_>>();
    let mut table = Table::with_rows(n);
    table.push_ints("row_id", (0..n as i64).map(Some).collect())?;
    table.push_texts("id", texts(&cohort.ids))?.push_texts("patient", texts(&cohort.patients))?;
    table.push_ints("y", cohort.y.iter().map(|&y| Some(i64::from(y))).collect())?;
    if let Some(year) = &cohort.year {
        table.push_floats("year", year.clone())?;
    }
    for (name, column) in &cohort.columns {
        table.push_column(name, column)?;
    }
    table.write(path)
}

fn params(cohort: &Cohort, seed: u64) -> Value {
    let mut columns: BTreeMap<String, Value> = BTreeMap::from([
        ("id".to_owned(), json!({"type": "text"})),
        ("patient".to_owned(), json!({"type": "text"})),
        ("y".to_owned(), json!({"type": "integer", "available_at": "post"})),
    ]);
    for (name, column) in &cohort.columns {
        let schema = match column {
            Column::Number(_) => json!({"type": "number", "nullable": true}),
            Column::Text(texts) => {
                let levels: BTreeSet<&str> = texts.iter().flatten().collect();
                json!({"type": "category", "levels": levels, "nullable": true})
            }
        };
        columns.insert(name.clone(), schema);
    }
    let names: Vec<&String> = cohort.columns.iter().map(|(name, _)| name).collect();
    let mut split = json!({"kind": "group", "test": 0.2, "folds": 5});
    if cohort.year.is_some() {
        columns.insert("year".to_owned(), json!({"type": "number"}));
        split = json!({"kind": "temporal", "time": "year", "test": 0.2, "folds": 3});
    }
    json!({
        "seed": seed,
        "schema": {"id": "id", "group": "patient", "target": {"column": "y", "event": "happens"}, "columns": columns},
        "split": split,
        "featurize": {"features": names},
        "leakage": {},
    })
}
