//! `clinpipe predict`: scores a table with a bundle.
//!
//! Every row is scored or none: a row that the service would refuse makes the whole file fail, with file, row and
//! column. Equal inputs give equal bytes.

mod answer;
mod explained;
mod input;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clinpipe_stages::bundle::{Bundle, Prediction};
use clinpipe_stages::common::target::Task;

use self::answer::{Answer, Values};
use self::explained::explain;
pub(super) use self::input::Input;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::serve::{DEFAULT_BUNDLE, load_bundle, rejection};
use crate::util::atomic_write;

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
    /// Add why: the margin behind p_raw, its base value, and what each feature adds to it (SHAP values).
    #[arg(long)]
    pub explain: bool,
    /// Show only the N features that move the margin most on average; `shap_other` is the sum of the rest.
    #[arg(long, value_name = "N", requires = "explain", value_parser = clap::value_parser!(u16).range(1..))]
    pub top: Option<u16>,
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
    let mut answer = score(&bundle, &input)?;
    let mut notes = input.warnings;
    if args.explain {
        notes.push(explain(&bundle, &input.frame, args.top.map(usize::from), &mut answer)?);
    }
    for note in notes.into_iter().chain(rejection(&args.bundle)) {
        output.talk(&note);
    }
    let Some((path, format)) = target else {
        output.exact(answer.csv().as_bytes())?;
        return Ok(Exit::Done);
    };
    let bytes = match format {
        Format::Csv => answer.csv().into_bytes(),
        Format::Parquet => answer.parquet()?,
    };
    // The file is synced with its directory, which a bare file name would not tell.
    let place = std::path::absolute(path)?;
    atomic_write::deliver(&place, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    output.talk(&format!("scored {} rows into {}", answer.rows(), path.display()));
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

/// What the bundle says of every row.
fn score(bundle: &Bundle, input: &Input) -> anyhow::Result<Answer> {
    let mut answer = Answer::new(input.frame.rows());
    if let Some(ids) = input.ids(bundle)? {
        answer.push("id", Values::Texts(ids));
    }
    match bundle.task() {
        Task::Binary => push_risks(bundle, &bundle.predict(&input.frame)?, &mut answer),
        Task::Continuous => {
            let numbers = bundle.predict_numbers(&input.frame)?;
            let decimals = bundle.schema().target.decimals;
            let values = match decimals {
                Some(places) => Values::Rounded(numbers, places),
                None => Values::Numbers(numbers),
            };
            answer.push("prediction", values);
        }
    }
    Ok(answer)
}

fn push_risks(bundle: &Bundle, predictions: &[Prediction], answer: &mut Answer) {
    let numbers = |value: &dyn Fn(&Prediction) -> f64| Values::Numbers(predictions.iter().map(value).collect());
    answer.push("p_raw", numbers(&|prediction| prediction.p_raw));
    answer.push("p", numbers(&|prediction| prediction.p));
    if bundle.has_intervals() {
        let end = |at: usize| move |prediction: &Prediction| prediction.interval.map_or(f64::NAN, |ends| ends[at]);
        answer.push("p_low", numbers(&end(0)));
        answer.push("p_high", numbers(&end(1)));
    }
    if !bundle.strata().is_empty() {
        answer.push("threshold", numbers(&|prediction| prediction.threshold));
    }
    answer.push("flagged", Values::Flags(predictions.iter().map(|prediction| prediction.flagged).collect()));
    if let Some(tiers) = bundle.tiers() {
        let level = |prediction: &Prediction| Some(tiers.levels.get(prediction.tier?)?.name.clone());
        answer.push("risk_level", Values::Texts(predictions.iter().map(level).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clinpipe_stages::bundle::Overrides;

    use crate::serve::test_bundle::study;
    use crate::serve::{BundleModel, Model, Outcome, Papers};
    use clinpipe_stages::common::table::Table;
    use serde_json::Value;

    /// Reads and scores a table.
    fn score(bundle: &Bundle, path: &Path) -> anyhow::Result<Answer> {
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
        let served = Bundle::load(&study().bundle()).expect("a bundle");
        let model = BundleModel::new(served, &Overrides::default(), Papers::default()).expect("its own bounds");
        let input = Input::read(&bundle, &study().raw()).expect("a table");
        let scores = bundle.predict(&input.frame).expect("scores");
        let lines = raw_lines();
        let column = |name: &str| lines[0].iter().position(|column| column == name).expect("a column");
        let known = ["patient_id", "age", "trial_phase", "days_in_trial", "visits_completed", "adverse_events"];
        assert_eq!(scores.len(), lines.len() - 1);
        let csv = score(&bundle, &study().raw()).expect("scores").csv();
        for ((cells, score), line) in lines[1..].iter().zip(&scores).zip(csv.lines().skip(1)) {
            let value = |text: &String| match text.parse::<f64>() {
                Ok(number) => Value::from(number),
                Err(_) if text.is_empty() => Value::Null,
                Err(_) => Value::from(text.as_str()),
            };
            let record = known.map(|name| (name.to_owned(), value(&cells[column(name)])));
            let answer = model.score(&record.into_iter().collect()).expect("an answer");
            let Outcome::Event(event) = answer.outcome else { panic!("the study is of an event") };
            assert_eq!(event.probability.to_bits(), score.p.to_bits());
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(answer.id, Some(Value::from(fields[1])));
            assert_eq!(fields[3].parse::<f64>().map(f64::to_bits), Ok(score.p.to_bits()));
            assert_eq!(event.tier.as_ref().map(|tier| tier.name.as_str()), fields.last().copied());
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
        let error = without(&["age"]).expect_err("age is needed");
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
            let error = score(&bundle, &path).expect_err("no score");
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
        let error = score(&bundle, &path).expect_err("an error-level rule is broken");
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
                Err(_) => table.push_texts(name, cells).expect("a column"),
            };
        }
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raw.parquet");
        table.write(&path).expect("written");
        let csv = score(&bundle, &study().raw()).expect("scores").csv();
        assert_eq!(score(&bundle, &path).expect("scores").csv(), csv);
    }

    #[test]
    fn the_format_is_that_of_the_name() {
        assert_eq!(Format::of(Path::new("a/b.parquet")).ok(), Some(Format::Parquet));
        assert!(Format::of(Path::new("a/b.xlsx")).is_err());
    }
}
