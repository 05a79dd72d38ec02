//! `clinpipe predict`: scores a table with a bundle.
//!
//! Every row is scored or none: a row that the service would refuse makes the whole file fail, with file, row and
//! column. Equal inputs give equal bytes.

mod numbers;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clinpipe_stages::StageFile;
use clinpipe_stages::bundle::record::CellError;
use clinpipe_stages::bundle::{Bundle, FieldError, Prediction};
use clinpipe_stages::common::frame::Frame;
use clinpipe_stages::common::table::Table;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::ingest::read_for_scoring;

use self::numbers::Numbers;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::serve::{DEFAULT_BUNDLE, load_bundle, rejection};
use crate::util::atomic_write;

/// How many faulty cells one message shows.
const SHOWN: usize = 20;

/// `predict`.
#[derive(Debug, clap::Args)]
pub struct PredictArgs {
    /// The table to score: a .csv or .parquet file. It needs the bundle's input columns; others are ignored.
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// The bundle's directory.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BUNDLE)]
    pub bundle: PathBuf,
    /// Where to write, as .csv or .parquet; otherwise CSV to stdout.
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Option<PathBuf>,
}

/// Scores and writes; without `--output`, CSV to stdout.
pub fn run(args: &PredictArgs, output: &Output) -> anyhow::Result<Exit> {
    let target = args.output.as_ref().map(|path| Ok::<_, UsageError>((path, Format::of(path)?))).transpose()?;
    if let Some((path, _)) = &target
        && path.canonicalize().is_ok_and(|target| args.input.canonicalize().is_ok_and(|input| input == target))
    {
        let message = format!("{} is the input; scores would replace it", path.display());
        return Err(UsageError::new(message, "name another file with --output").into());
    }
    let bundle = load_bundle(&args.bundle)?;
    let input = Input::read(&bundle, &args.input)?;
    let answers = match bundle.task() {
        Task::Binary => Answers::Events(score(&bundle, &input)?),
        Task::Continuous => Answers::Numbers(Numbers::score(&bundle, &input)?),
    };
    for warning in input.warnings.into_iter().chain(rejection(&args.bundle)) {
        output.talk(&warning);
    }
    let Some((path, format)) = target else {
        output.data(&answers.csv())?;
        return Ok(Exit::Done);
    };
    let bytes = match format {
        Format::Csv => answers.csv().into_bytes(),
        Format::Parquet => parquet(&answers.table()?)?,
    };
    // The file is synced with its directory, which a bare file name would not tell.
    let place = std::path::absolute(path)?;
    atomic_write::write(&place, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    output.talk(&format!("scored {} rows into {}", answers.rows(), path.display()));
    Ok(Exit::Done)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Parquet,
}

impl Format {
    fn of(path: &Path) -> Result<Self, UsageError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => {
                let message = format!("the name of {} does not tell its format", path.display());
                Err(UsageError::new(message, "let it end in .csv or .parquet"))
            }
        }
    }
}

/// The answers, by the kind of the outcome.
enum Answers {
    Events(Scores),
    Numbers(Numbers),
}

impl Answers {
    fn rows(&self) -> usize {
        match self {
            Self::Events(scores) => scores.rows.len(),
            Self::Numbers(numbers) => numbers.rows(),
        }
    }

    fn csv(&self) -> String {
        match self {
            Self::Events(scores) => scores.csv(),
            Self::Numbers(numbers) => numbers.csv(),
        }
    }

    fn table(&self) -> anyhow::Result<Table> {
        match self {
            Self::Events(scores) => scores.table(),
            Self::Numbers(numbers) => numbers.table(),
        }
    }
}

/// The table's bytes as a Parquet file.
fn parquet(table: &Table) -> anyhow::Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("scores.parquet");
    table.write(&path)?;
    Ok(std::fs::read(&path)?)
}

/// A table that may be scored.
pub(super) struct Input {
    table: Table,
    /// The columns that the model and the rules read.
    pub(super) frame: Frame,
    /// Rules of the level `warning` that rows break.
    warnings: Vec<String>,
}

/// One scored row.
struct Score {
    id: Option<String>,
    prediction: Prediction,
    risk_level: Option<String>,
}

struct Scores {
    /// Whether the input had the study's id column.
    has_id: bool,
    has_intervals: bool,
    has_tiers: bool,
    rows: Vec<Score>,
}

impl Input {
    /// Reads a table and refuses it when a row is not fit to be scored.
    pub(super) fn read(bundle: &Bundle, input: &Path) -> anyhow::Result<Self> {
        let name = input.display().to_string();
        let table = read(bundle, input)?;
        let compared = bundle.records().compared();
        let wanted = bundle.inputs().iter().chain(&compared).map(String::as_str);
        let frame = table.frame_of(wanted.filter(|column| table.has(column)))?;
        // A CSV file's first row is its second line.
        let first = if Format::of(input)? == Format::Csv { 2 } else { 1 };
        let faults = bundle.records().check_table(&frame, SHOWN + 1);
        if !faults.is_empty() {
            return Err(UsageError::new(
                list(&name, &faults, first),
                "nothing was scored; correct the cells or drop the rows",
            )
            .into());
        }
        let warnings = bundle.records().table_warnings(&frame).into_iter();
        let warnings = warnings.map(|(error, rows)| remark(&name, &error, &rows, first)).collect();
        Ok(Self { table, frame, warnings })
    }

    /// The rows' ids, when the table has the study's id column.
    fn ids(&self, bundle: &Bundle) -> anyhow::Result<Option<Vec<Option<String>>>> {
        let id = bundle.schema().id.as_deref().filter(|id| self.table.has(id));
        Ok(id.map(|id| self.table.labels(id)).transpose()?)
    }
}

fn score(bundle: &Bundle, input: &Input) -> anyhow::Result<Scores> {
    let predictions = bundle.predict(&input.frame)?;
    let ids = input.ids(bundle)?;
    let has_id = ids.is_some();
    let ids = ids.unwrap_or_else(|| vec![None; predictions.len()]);
    let level = |prediction: &Prediction| Some(bundle.tiers()?.levels.get(prediction.tier?)?.name.clone());
    let rows = predictions.into_iter().zip(ids).map(|(prediction, id)| {
        let risk_level = level(&prediction);
        Score { id, prediction, risk_level }
    });
    Ok(Scores {
        has_id,
        has_intervals: bundle.has_intervals(),
        has_tiers: bundle.tiers().is_some(),
        rows: rows.collect(),
    })
}

fn read(bundle: &Bundle, input: &Path) -> anyhow::Result<Table> {
    let file = StageFile { path: input.to_owned(), name: input.display().to_string() };
    Format::of(input)?;
    let (compared, format) = (bundle.records().compared(), &bundle.intake().format);
    let table = read_for_scoring(&file, bundle.schema(), bundle.inputs(), &compared, format);
    // An unreadable or malformed table is the caller's to correct.
    table.map_err(|error| {
        let hint =
            error.hint().unwrap_or("the columns and their types are those of the bundle's schema.json").to_owned();
        UsageError::new(error.to_string(), hint).into()
    })
}

/// A broken rule of the level `warning`; the table's first row is called `first`.
fn remark(name: &str, error: &FieldError, rows: &[usize], first: usize) -> String {
    let (count, first) = (rows.len(), rows.first().map_or(0, |row| row + first));
    let noun = if count == 1 { "row" } else { "rows" };
    format!("warning: {name}: {count} {noun} (the first is row {first}), column {}: {}", error.field, error.message)
}

/// The faulty cells, one a line; the table's first row is called `first`.
fn list(name: &str, faults: &[CellError], first: usize) -> String {
    let mut text = String::from("the table does not fit the bundle's schema");
    for CellError { row, error } in faults.iter().take(SHOWN) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {name}: row {}, column {}: {}", row + first, error.field, error.message);
    }
    if faults.len() > SHOWN {
        text.push_str("\n  … and more");
    }
    text
}

impl Scores {
    fn csv(&self) -> String {
        let mut text = String::from("row_id,");
        text.push_str(if self.has_id { "id," } else { "" });
        text.push_str(if self.has_intervals { "p_raw,p,p_low,p_high,flagged" } else { "p_raw,p,flagged" });
        text.push_str(if self.has_tiers { ",risk_level\n" } else { "\n" });
        for (row, Score { id, prediction, risk_level }) in self.rows.iter().enumerate() {
            let id = if self.has_id { format!("{},", quoted(id.as_deref())) } else { String::new() };
            let level = if self.has_tiers { format!(",{}", quoted(risk_level.as_deref())) } else { String::new() };
            let Prediction { p_raw, p, flagged, interval, .. } = prediction;
            let ends = interval.map(|[low, high]| format!(",{low},{high}")).unwrap_or_default();
            let _ = writeln!(text, "{row},{id}{p_raw},{p}{ends},{}{level}", u8::from(*flagged));
        }
        text
    }

    fn table(&self) -> anyhow::Result<Table> {
        let column = |value: fn(&Score) -> f64| self.rows.iter().map(value).collect::<Vec<_>>();
        let mut table = Table::with_rows(self.rows.len());
        table.push_ints("row_id", (0..self.rows.len()).map(|row| i64::try_from(row).ok()).collect())?;
        if self.has_id {
            table.push_texts("id", self.rows.iter().map(|score| score.id.clone()).collect())?;
        }
        table.push_floats("p_raw", column(|score| score.prediction.p_raw))?;
        table.push_floats("p", column(|score| score.prediction.p))?;
        if self.has_intervals {
            let end = |at: usize| move |score: &Score| score.prediction.interval.map_or(f64::NAN, |ends| ends[at]);
            table.push_floats("p_low", self.rows.iter().map(end(0)).collect())?;
            table.push_floats("p_high", self.rows.iter().map(end(1)).collect())?;
        }
        table.push_bools("flagged", self.rows.iter().map(|score| Some(score.prediction.flagged)).collect())?;
        if self.has_tiers {
            table.push_texts("risk_level", self.rows.iter().map(|score| score.risk_level.clone()).collect())?;
        }
        Ok(table)
    }
}

/// A CSV field; a missing value is empty.
fn quoted(text: Option<&str>) -> String {
    match text {
        None => String::new(),
        Some(text) if text.contains([',', '"', '\n', '\r']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Some(text) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::test_bundle::study;
    use crate::serve::{BundleModel, Model};
    use serde_json::Value;

    fn scores() -> Scores {
        let row = |id: &str, p, flagged| Score {
            id: Some(id.to_owned()),
            prediction: Prediction { p_raw: p, p, interval: None, flagged, tier: None },
            risk_level: None,
        };
        Scores {
            has_id: true,
            has_intervals: false,
            has_tiers: false,
            rows: vec![row("P,\"1\"", 0.1, false), row("P-2", 1e-7, true)],
        }
    }

    #[test]
    fn fields_are_quoted_and_floats_keep_every_bit() {
        assert_eq!(
            scores().csv(),
            "row_id,id,p_raw,p,flagged\n0,\"P,\"\"1\"\"\",0.1,0.1,0\n1,P-2,0.0000001,0.0000001,1\n"
        );
    }

    #[test]
    fn parquet_and_csv_hold_the_same_rows() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("scores.parquet");
        std::fs::write(&path, parquet(&scores().table().expect("a table")).expect("bytes")).expect("written");
        let table = Table::read(&StageFile { path, name: "scores".to_owned() }).expect("a table");
        assert_eq!(table.names(), ["row_id", "id", "p_raw", "p", "flagged"]);
        assert_eq!(table.floats("p").expect("floats"), [0.1, 1e-7]);
        assert_eq!(table.bools("flagged").expect("booleans"), [Some(false), Some(true)]);
    }

    #[test]
    fn intervals_stand_beside_the_probability() {
        let mut scores = scores();
        scores.has_intervals = true;
        for (row, ends) in scores.rows.iter_mut().zip([[0.0, 0.25], [0.125, 1.0]]) {
            row.prediction.interval = Some(ends);
        }
        assert!(
            scores.csv().starts_with("row_id,id,p_raw,p,p_low,p_high,flagged\n0,\"P,\"\"1\"\"\",0.1,0.1,0,0.25,0\n")
        );
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("scores.parquet");
        std::fs::write(&path, parquet(&scores.table().expect("a table")).expect("bytes")).expect("written");
        let table = Table::read(&StageFile { path, name: "scores".to_owned() }).expect("a table");
        assert_eq!(table.floats("p_high").expect("floats"), [0.25, 1.0]);
    }

    /// Reads and scores a table.
    fn score(bundle: &Bundle, path: &Path) -> anyhow::Result<Scores> {
        super::score(bundle, &Input::read(bundle, path)?)
    }

    /// The cells of the study's raw table, header first.
    fn raw_lines() -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(study().raw()).expect("readable");
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    fn written(lines: &[Vec<String>]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raw.csv");
        let lines: Vec<String> = lines.iter().map(|cells| cells.join(",") + "\n").collect();
        std::fs::write(&path, lines.concat()).expect("written");
        (dir, path)
    }

    #[test]
    fn a_table_gets_the_same_bits_as_requests() {
        let bundle = Bundle::load(&study().bundle()).expect("a bundle");
        let model = BundleModel::new(Bundle::load(&study().bundle()).expect("a bundle")).expect("of events");
        let scores = score(&bundle, &study().raw()).expect("scores");
        let lines = raw_lines();
        let column = |name: &str| lines[0].iter().position(|column| column == name).expect("a column");
        let known = ["patient_id", "age", "trial_phase", "days_in_trial", "visits_completed", "adverse_events"];
        assert_eq!(scores.rows.len(), lines.len() - 1);
        for (cells, score) in lines[1..].iter().zip(&scores.rows) {
            let value = |text: &String| match text.parse::<f64>() {
                Ok(number) => Value::from(number),
                Err(_) if text.is_empty() => Value::Null,
                Err(_) => Value::from(text.as_str()),
            };
            let record = known.map(|name| (name.to_owned(), value(&cells[column(name)])));
            let answer = model.score(&record.into_iter().collect()).expect("an answer");
            assert_eq!(answer.probability.to_bits(), score.prediction.p.to_bits());
            assert_eq!(answer.id, score.id.as_deref().map(Value::from));
            assert_eq!(answer.tier.map(|tier| tier.name), score.risk_level);
        }
    }

    #[test]
    fn the_outcome_is_not_needed_and_the_inputs_are() {
        let bundle = Bundle::load(&study().bundle()).expect("a bundle");
        let without = |names: &[&str]| {
            let lines = raw_lines();
            let keep: Vec<bool> = lines[0].iter().map(|name| !names.contains(&name.as_str())).collect();
            let kept =
                |cells: Vec<String>| cells.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(cell, _)| cell);
            let (_dir, path) = written(&lines.into_iter().map(|cells| kept(cells).collect()).collect::<Vec<_>>());
            score(&bundle, &path)
        };
        let all = without(&[]).expect("scores").csv();
        assert_eq!(without(&["dropout", "dropout_day", "gender"]).expect("scores").csv(), all);
        assert!(!without(&["patient_id"]).expect("scores").csv().starts_with("row_id,id"));
        let error = without(&["age"]).err().expect("age is needed");
        assert!(error.is::<UsageError>() && error.to_string().contains("`age`"), "{error}");
    }

    #[test]
    fn a_bad_cell_is_named_by_file_row_and_column() {
        let bundle = Bundle::load(&study().bundle()).expect("a bundle");
        for cell in ["old", "-3", "1000", "", "69.5"] {
            let mut lines = raw_lines();
            let column = lines[0].iter().position(|name| name == "age").expect("a column");
            lines[5][column] = cell.to_owned();
            let (_dir, path) = written(&lines);
            let error = score(&bundle, &path).err().expect("no score");
            assert!(error.is::<UsageError>(), "{error}");
            assert!(error.to_string().contains("raw.csv: row 6, column age"), "{cell}: {error}");
        }
    }

    #[test]
    fn a_table_is_read_and_judged_as_training_did() {
        let bundle = Bundle::load(&study().bundle()).expect("a bundle");
        let mut lines = raw_lines();
        let column = |lines: &[Vec<String>], name: &str| lines[0].iter().position(|c| c == name).expect("a column");
        let (events, visits) = (column(&lines, "adverse_events"), column(&lines, "visits_completed"));
        lines[3][events] = "unknown".to_owned();
        lines[4][visits] = "99".to_owned();
        let (_dir, path) = written(&lines);
        let Input { warnings, .. } = Input::read(&bundle, &path).expect("`unknown` is one of the study's markers");
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("1 row (the first is row 5), column visits_completed"), "{warnings:?}");
        let (days, last) = (column(&lines, "days_in_trial"), column(&lines, "last_visit_day"));
        lines[6][days] = "10".to_owned();
        lines[6][last] = "11".to_owned();
        let (_dir, path) = written(&lines);
        let error = score(&bundle, &path).err().expect("an error-level rule is broken");
        let text = "raw.csv: row 7, column last_visit_day: breaks the rule `visits within the trial`";
        assert!(error.is::<UsageError>() && error.to_string().contains(text), "{error}");
    }

    #[test]
    fn parquet_is_scored_as_csv() {
        let bundle = Bundle::load(&study().bundle()).expect("a bundle");
        let lines = raw_lines();
        let mut table = Table::with_rows(lines.len() - 1);
        for (index, name) in lines[0].iter().enumerate() {
            let cells = lines[1..].iter().map(|cells| Some(cells[index].clone()).filter(|cell| !cell.is_empty()));
            match cells.clone().map(|cell| cell.map_or(Ok(f64::NAN), |cell| cell.parse::<f64>())).collect() {
                Ok(numbers) => table.push_floats(name, numbers).expect("a column"),
                Err(_) => table.push_texts(name, cells.collect()).expect("a column"),
            };
        }
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raw.parquet");
        table.write(&path).expect("written");
        let csv = score(&bundle, &study().raw()).expect("scores").csv();
        assert_eq!(score(&bundle, &path).expect("scores").csv(), csv);
    }

    #[test]
    fn faults_are_listed_up_to_a_limit() {
        let error = FieldError { field: "age".to_owned(), message: "is odd".to_owned(), kind: "range" };
        let faults: Vec<_> = (0..30).map(|row| CellError { row, error: error.clone() }).collect();
        let text = list("in.csv", &faults, 2);
        assert!(text.contains("in.csv: row 2, column age: is odd"), "{text}");
        assert_eq!(text.lines().count(), SHOWN + 2);
    }

    #[test]
    fn the_format_is_that_of_the_name() {
        assert_eq!(Format::of(Path::new("a/b.parquet")).ok(), Some(Format::Parquet));
        assert!(Format::of(Path::new("a/b.xlsx")).is_err());
    }
}
