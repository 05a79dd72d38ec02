//! Measures one of clinpipe's learners once, for `benches/learners/run`: `learners NAME FILE THREADS` prints one JSON
//! line. Training time includes reading the Parquet, prediction is of 200,000 rows, SHAP of 10,000; peak memory is that
//! of the whole process up to the end of training.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clinpipe_stages::StageFile;
use clinpipe_stages::common::frame::Frame;
use clinpipe_stages::common::scores;
use clinpipe_stages::common::shap;
use clinpipe_stages::common::table::Table;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::train::{LearnerName, Model, Preprocessor, TrainParams, fit_alone};

const BATCH: usize = 200_000;
const EXPLAINED: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, engine, file, threads] = &arguments[..] else {
        return Err("usage: learners logistic|forest|gbdt FILE THREADS".into());
    };
    let name: LearnerName = serde_json::from_value(engine.as_str().into())?;
    let threads: usize = threads.parse()?;
    let line =
        rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| measure(name, file, threads))?;
    #[expect(clippy::print_stdout, reason = "the result")]
    {
        println!("{line}");
    }
    Ok(())
}

fn measure(name: LearnerName, file: &str, threads: usize) -> Result<serde_json::Value, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let clock = Instant::now();
    let (features, y) = read(file).map_err(|error| text(&error))?;
    let read_s = clock.elapsed().as_secs_f64();
    let cut = y.len() * 4 / 5;
    let rows: Vec<usize> = (0..cut).collect();
    let (preprocessor, model) =
        fit_alone(name, &params(), &features, &rows, Task::Binary, &y, threads).map_err(|error| text(&error))?;
    let train_s = clock.elapsed().as_secs_f64();
    let peak_rss_mib = peak().ok_or("this system does not tell peak memory")?;
    let train_cpu_s = processor_seconds().ok_or("this system does not tell processor time")?;
    let test: Vec<usize> = (cut..y.len()).collect();
    let batch: Vec<usize> = (0..BATCH).map(|row| test[row % test.len()]).collect();
    let batch = features.take(&batch);
    let clock = Instant::now();
    let answers = predict(&preprocessor, &model, &batch)?;
    let predict_s = clock.elapsed().as_secs_f64();
    let explained =
        preprocessor.transform(&features, Some(&test[..test.len().min(EXPLAINED)])).map_err(|error| text(&error))?;
    let clock = Instant::now();
    let shap_s = match &model {
        Model::Forest(trees) | Model::Gbdt(trees) => {
            shap::trees(trees, &explained.values, explained.cols).map_err(|error| text(&error))?;
            Some(clock.elapsed().as_secs_f64())
        }
        _ => None,
    };
    let p = &answers[..test.len().min(BATCH)];
    let truth: Vec<bool> = y[cut..cut + p.len()].iter().map(|&y| y > 0.5).collect();
    Ok(serde_json::json!({
        "engine": format!("clinpipe-{}", name.as_str()), "rows": y.len(), "threads": threads, "train_s": train_s,
        "read_s": read_s, "train_cpu_s": train_cpu_s, "predict_s": predict_s, "shap_s": shap_s,
        "auroc": scores::auroc(&truth, p), "log_loss": scores::log_loss(&truth, p), "peak_rss_mib": peak_rss_mib,
    }))
}

/// As much work as the Python engines are given: 100 trees of 31 leaves, every row, every column.
fn params() -> TrainParams {
    let mut params = TrainParams::default();
    params.gbdt.rounds = 100;
    params.gbdt.leaves = 31;
    params.gbdt.learning_rate = 0.1;
    params.gbdt.min_child = 1.3;
    params.gbdt.l2 = 0.0;
    params.gbdt.max_bins = 255;
    params.gbdt.subsample = 1.0;
    params.gbdt.colsample = 1.0;
    params.forest.trees = 100;
    params.forest.min_leaf = 20;
    params
}

fn read(file: &str) -> Result<(Frame, Vec<f64>), clinpipe_stages::StageError> {
    let table = Table::read(&StageFile { path: PathBuf::from(file), name: file.to_owned() })?;
    let names: Vec<&str> = table.names().into_iter().filter(|name| *name != "y").collect();
    let y = table.floats("y")?;
    Ok((table.frame_of(names)?, y))
}

fn predict(preprocessor: &Preprocessor, model: &Model, rows: &Frame) -> Result<Vec<f64>, String> {
    let x = preprocessor.transform(rows, None).map_err(|error| error.to_string())?;
    Ok(model.predict_all(&x, Task::Binary))
}

/// Peak resident memory of this process in MiB.
fn peak() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// Processor time of this process and its threads, at the 100 Hz of Linux.
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}
