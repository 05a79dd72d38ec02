//! Pairs beside a paired test in numpy, on single rows and on patients with several.

use super::*;
use crate::StageFile;
use crate::common::canonical_json;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::train::Train;
use crate::train::test_study::{TRAIN, run, write_inputs};

fn entrants<'a>(y: &[u8], patients: &'a [String], predictions: &[(&str, Vec<f64>)]) -> Entrants<'a> {
    Entrants {
        task: Task::Binary,
        y: y.iter().map(|&y| f64::from(y)).collect(),
        patients: patients.iter().map(String::as_str).collect(),
        predictions: predictions.iter().map(|(name, p)| ((*name).to_owned(), p.clone())).collect(),
        chosen: "a",
    }
}

fn names(n: usize, rows: usize) -> Vec<String> {
    (0..n).map(|row| format!("P{}", row / rows)).collect()
}

#[test]
fn the_paired_case_of_the_reference() {
    let p = [
        0.02, 0.03, 0.05, 0.05, 0.08, 0.10, 0.12, 0.15, 0.15, 0.18, 0.20, 0.22, 0.25, 0.30, 0.30, 0.35, 0.40, 0.45,
        0.50, 0.55, 0.60, 0.70, 0.80, 0.90,
    ];
    let y = [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1];
    let second: Vec<f64> = (0..24).map(|row| (p[row] / 2.0 + 0.1 * f64::from(y[23 - row])).clamp(0.0, 1.0)).collect();
    let patients = names(24, 1);
    let same = p.to_vec();
    let entrants = entrants(&y, &patients, &[("a", p.to_vec()), ("b", second), ("c", same)]);
    let report = entrants.compare(&ComparisonParams { bootstrap: 200, confidence: 0.95 }, 42);
    assert_eq!((report.n, report.events, report.patients, report.one_row_per_patient), (24, Some(9), 24, true));
    let pair = &report.pairs[0];
    assert_eq!((pair.a.as_str(), pair.b.as_str()), ("a", "b"));
    let auroc = &pair.differences["auroc"];
    assert!((auroc.z.expect("a test") - 0.860_663_0).abs() < 1e-7);
    assert!((auroc.p_value.expect("a test") - 0.389_423_7).abs() < 1e-7);
    assert_eq!(auroc.estimate.method.as_deref(), Some("paired-delong"));
    // The pair a, c predicts alike, so two tests are left, with equal p-values.
    let alike = &report.pairs[1].differences["auroc"];
    assert!(alike.p_value.is_none() && alike.reason.is_some() && alike.estimate.value == Some(0.0));
    assert!((auroc.p_holm.expect("adjusted") - 2.0 * 0.389_423_7).abs() < 2e-7);
    let brier = report.contestants[0].scores["brier"].expect("defined");
    assert!((brier - 0.173_454_166_7).abs() < 1e-10);
}

#[test]
fn resamples_of_single_rows_agree_with_the_formulas_for_means_and_with_delong() {
    let mut stream = Stream::new(9, "train/comparison/tests");
    let (mut y, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..800 {
        let risk = stream.uniform();
        y.push(u8::from(stream.chance(risk)));
        a.push((risk + 0.1 * stream.normal()).clamp(0.01, 0.99));
        b.push((risk + 0.3 * stream.normal()).clamp(0.01, 0.99));
    }
    let single = names(800, 1);
    let params = ComparisonParams { bootstrap: 2000, confidence: 0.95 };
    let report = entrants(&y, &single, &[("a", a.clone()), ("b", b.clone())]).compare(&params, 1);
    let brier = &report.pairs[0].differences["brier"];
    let losses = |p: &[f64]| squared_errors(&y.iter().map(|&y| y == 1).collect::<Vec<_>>(), p);
    let gaps: Vec<f64> = losses(&a).iter().zip(losses(&b)).map(|(a, b)| a - b).collect();
    let mean = gaps.iter().sum::<f64>() / 800.0;
    let se = (gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / 799.0 / 800.0).sqrt();
    assert!((brier.estimate.value.expect("defined") - mean).abs() < 1e-12);
    assert!((brier.se.expect("resampled") / se - 1.0).abs() < 0.06, "{:?} for {se}", brier.se);
    let delong = report.pairs[0].differences["auroc"].se.expect("DeLong");
    // Pairs of rows as patients of their own are resampled; the standard error stays of that size.
    let twice = names(800, 2);
    let report = entrants(&y, &twice, &[("a", a), ("b", b)]).compare(&params, 1);
    assert!(!report.one_row_per_patient && report.patients == 400);
    let resampled = &report.pairs[0].differences["auroc"];
    assert_eq!(resampled.estimate.method.as_deref(), Some("patient-bootstrap"));
    assert!((resampled.se.expect("resampled") / delong - 1.0).abs() < 0.15, "{:?} for {delong}", resampled.se);
}

#[test]
fn numbers_are_compared_by_rmse() {
    let patients = names(40, 2);
    let y: Vec<f64> = (0..40).map(f64::from).collect();
    let near = y.iter().map(|y| y + if *y as i64 % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let far = y.iter().map(|y| y + 2.0 + y / 100.0).collect();
    let entrants = Entrants {
        task: Task::Continuous,
        y,
        patients: patients.iter().map(String::as_str).collect(),
        predictions: vec![("ridge".to_owned(), near), ("forest".to_owned(), far)],
        chosen: "ridge",
    };
    let report = entrants.compare(&ComparisonParams::default(), 3);
    let rmse = &report.pairs[0].differences["rmse"];
    assert!(rmse.estimate.high.expect("an end") < 0.0 && rmse.p_holm.expect("a test") < 1e-6);
    assert_eq!((report.contestants[0].scores["rmse"], report.events), (Some(1.0), None));
}

#[test]
fn train_writes_every_candidate_side_by_side_when_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    write_inputs(dir.path()).expect("inputs");
    let inputs = [("table", "features.parquet"), ("spec", "features.json"), ("split", "split.parquet")];
    let outputs = [
        ("models", "models/"),
        ("oof", "oof.parquet"),
        ("cv", "cv.json"),
        ("candidates", "candidates.parquet"),
        ("comparison", "comparison.json"),
    ];
    let train = serde_json::json!({
        "models": ["logistic", "forest"], "forest": {"trees": 10}, "comparison": {"bootstrap": 100},
    });
    let params = serde_json::json!({"seed": 42, "train": train});
    run(&Train, dir.path(), &inputs, &outputs, params, 2).expect("trained");
    let read =
        |name: &str| Table::read(&StageFile { path: dir.path().join(name), name: name.to_owned() }).expect("a table");
    let (candidates, oof) = (read("candidates.parquet"), read("oof.parquet"));
    let known = ["row_id", "group", "fold", "y", "logistic", "forest", "baseline_logistic", "baseline_prevalence"];
    assert_eq!(candidates.names(), known);
    let report: CandidateComparison =
        canonical_json::read(&dir.path().join("comparison.json"), "comparison.json").expect("a report");
    assert_eq!((report.n, report.patients, report.pairs.len()), (TRAIN as u64, TRAIN as u64 / 2, 6));
    // The kept candidate's column is what calibration reads.
    let kept = candidates.floats(&report.chosen).expect("a column");
    assert_eq!(kept, oof.floats("p_raw").expect("predictions"));
    let pair = |a: &str, b: &str| report.pairs.iter().find(|pair| pair.a == a && pair.b == b).expect("a pair");
    // The rate of each fold's other rows says nothing: any model is better.
    let naive = &pair("logistic", "baseline_prevalence").differences["log_loss"];
    assert!(naive.estimate.high.expect("an end") < 0.0 && naive.p_holm.expect("tested") < 0.05, "{naive:?}");
}
