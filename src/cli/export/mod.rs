//! `clinpipe export`: a bundle's model for other libraries, and the matrix to compare them on.

mod dvc;
mod mlflow;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clinpipe_stages::StageFile;
use clinpipe_stages::bundle::{Bundle, ScoringModel};
use clinpipe_stages::common::table::Table;
use clinpipe_stages::train::Matrix;

use self::dvc::DvcArgs;
use self::mlflow::MlflowArgs;
use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::predict;
use super::serve::{DEFAULT_BUNDLE, load_bundle, rejection};
use crate::export::{self, ExportError, Format, Handover, MODEL_FILE};
use crate::util::atomic_write;

/// `export`.
#[derive(Debug, clap::Subcommand)]
pub enum ExportCommand {
    /// Write the trees as a JSON file that XGBoost loads; its margins have the same bits as clinpipe's.
    Xgboost(ModelArgs),
    /// Write the model as an ONNX file, in double precision.
    Onnx(ModelArgs),
    /// Write a model directory that MLflow loads, or send it to a tracking server; it scores by calling clinpipe on the
    /// bundle inside it.
    Mlflow(MlflowArgs),
    /// Write a dvc.yaml, for teams that stay with DVC: it decides when a stage runs, clinpipe runs it.
    Dvc(DvcArgs),
    /// Write the encoded matrix of a table, with every row's margin and uncalibrated prediction.
    Matrix(MatrixArgs),
}

/// `export xgboost` and `export onnx`.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// The bundle's directory.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BUNDLE)]
    pub bundle: PathBuf,
    /// The file to write; its columns are described beside it, in a file that ends in .columns.json.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Only that model of a bundle that averages several, from 0; XGBoost needs one.
    #[arg(long, value_name = "N")]
    pub member: Option<usize>,
}

/// `export matrix`.
#[derive(Debug, clap::Args)]
pub struct MatrixArgs {
    /// The table to encode: a .csv or .parquet file with the bundle's input columns.
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// The bundle's directory.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BUNDLE)]
    pub bundle: PathBuf,
    /// Where to write, as .parquet.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which model of a bundle that averages several, from 0.
    #[arg(long, value_name = "N")]
    pub member: Option<usize>,
    /// INPUT holds encoded columns already, as a .parquet file of numbers: rows of your own choosing.
    #[arg(long)]
    pub encoded: bool,
}

/// Exports.
pub fn run(global: &Global, command: &ExportCommand, output: &Output) -> anyhow::Result<Exit> {
    match command {
        ExportCommand::Xgboost(args) => model(args, output, Format::Xgboost),
        ExportCommand::Onnx(args) => model(args, output, Format::Onnx),
        ExportCommand::Mlflow(args) => mlflow::run(global, args, output),
        ExportCommand::Dvc(args) => dvc::run(global, args, output),
        ExportCommand::Matrix(args) => matrix(args, output),
    }
}

fn model(args: &ModelArgs, output: &Output, format: Format) -> anyhow::Result<Exit> {
    let bundle = load_bundle(&args.bundle)?;
    outside(&args.output, &args.bundle)?;
    let handover = Handover::new(&bundle, args.member).map_err(refused)?;
    let (bytes, columns) = handover.write(format).map_err(refused)?;
    let companion = columns.json().map_err(refused)?;
    export::write_pair(&args.output, &bytes, companion.as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    warn(&args.bundle, output);
    let (path, beside) = (args.output.display(), export::companion(&args.output));
    let models: Vec<&str> = columns.members.iter().map(|member| member.model).collect();
    output.talk(&format!("wrote the {} model to {path}, its columns to {}", models.join(" + "), beside.display()));
    Ok(Exit::Done)
}

fn matrix(args: &MatrixArgs, output: &Output) -> anyhow::Result<Exit> {
    if args.output.extension().is_none_or(|extension| extension != "parquet") {
        let message = format!("{} would not be a Parquet file by its name", args.output.display());
        return Err(UsageError::new(message, "let it end in .parquet").into());
    }
    let bundle = load_bundle(&args.bundle)?;
    outside(&args.output, &args.bundle)?;
    let handover = Handover::new(&bundle, args.member).map_err(refused)?;
    let member = handover.only().map_err(refused)?;
    let matrix = if args.encoded { read_encoded(member, &args.input)? } else { encode(&bundle, member, &args.input)? };
    let bytes = scored(member, &matrix, handover.bounds())?;
    let place = std::path::absolute(&args.output)?;
    atomic_write::write(&place, &bytes).with_context(|| format!("cannot write {}", args.output.display()))?;
    output.talk(&format!("wrote {} rows of {} columns to {}", matrix.rows, matrix.cols, args.output.display()));
    Ok(Exit::Done)
}

fn encode(bundle: &Bundle, member: &ScoringModel<'_>, input: &Path) -> anyhow::Result<Matrix> {
    let frame = predict::Input::read(bundle, input)?.frame;
    let features = bundle.features_of(&frame)?;
    Ok(member.preprocessor.transform(&features, None)?)
}

/// The encoded columns of a table as they stand there.
fn read_encoded(member: &ScoringModel<'_>, input: &Path) -> anyhow::Result<Matrix> {
    let file = StageFile { path: input.to_owned(), name: input.display().to_string() };
    let usage = |error: clinpipe_stages::StageError| {
        let help = "the columns are those that `clinpipe export matrix` writes without --encoded";
        UsageError::new(error.to_string(), help)
    };
    let table = Table::read(&file).map_err(usage)?;
    let names = member.preprocessor.columns();
    let columns = names.iter().map(|name| table.floats(name).map_err(usage));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let values = (0..table.rows()).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    Ok(Matrix { rows: table.rows(), cols: names.len(), values })
}

/// The Parquet file of a matrix with its margins and predictions.
fn scored(member: &ScoringModel<'_>, matrix: &Matrix, bounds: Option<[f64; 2]>) -> anyhow::Result<Vec<u8>> {
    let names = member.preprocessor.columns();
    let added = ["row_id", "margin", export::output_name(member.task)];
    if let Some(name) = names.iter().find(|name| added.contains(&name.as_str())) {
        let message = format!("the model has a column `{name}`, which is also the name of one that this adds");
        return Err(UsageError::new(message, "rename the feature under `featurize` and train again").into());
    }
    let rows = 0..matrix.rows;
    let mut table = Table::with_rows(matrix.rows);
    table.push_ints("row_id", rows.clone().map(|row| i64::try_from(row).ok()).collect())?;
    for (at, name) in names.iter().enumerate() {
        table.push_floats(name, rows.clone().map(|row| matrix.row(row)[at]).collect())?;
    }
    table.push_floats("margin", rows.clone().map(|row| member.model.margin(matrix.row(row))).collect())?;
    let [low, high] = bounds.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
    let predicted = rows.map(|row| member.model.predict(matrix.row(row), member.task).clamp(low, high));
    table.push_floats(export::output_name(member.task), predicted.collect())?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("matrix.parquet");
    table.write(&path)?;
    Ok(std::fs::read(&path)?)
}

fn refused(error: ExportError) -> UsageError {
    UsageError::new(error.to_string(), error.hint())
}

fn warn(bundle: &Path, output: &Output) {
    if let Some(warning) = rejection(bundle) {
        output.talk(&warning);
    }
}

/// Refuses a place inside the bundle, which would no longer be one.
fn outside(target: &Path, bundle: &Path) -> anyhow::Result<()> {
    let bundle = bundle.canonicalize()?;
    let target = std::path::absolute(target)?;
    let existing = target.ancestors().find_map(|path| path.canonicalize().ok());
    if existing.is_some_and(|path| path.starts_with(&bundle)) {
        let message = format!("{} lies inside the bundle", target.display());
        return Err(UsageError::new(message, "name a place outside it with --output").into());
    }
    Ok(())
}

/// Only an earlier model makes way, and only when asked; a directory of anything else never does.
fn replaceable(target: &Path, force: bool) -> anyhow::Result<()> {
    let usage = |what: &str, help: &str| Err(UsageError::new(format!("{} {what}", target.display()), help).into());
    let other = "name another place with --output";
    if !target.exists() {
        return Ok(());
    }
    if !target.is_dir() {
        return usage("is not a directory", other);
    }
    let is_empty = std::fs::read_dir(target)?.next().is_none();
    match (is_empty, target.join(MODEL_FILE).is_file(), force) {
        (true, ..) | (false, true, true) => Ok(()),
        (false, true, false) => usage("is an MLflow model already", "replace it with --force, or name another place"),
        (false, false, _) => usage("is not empty, and no MLflow model either", other),
    }
}
