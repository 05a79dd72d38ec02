//! The report as a whole: what it says of many rows, of one row per patient and of several, of degenerate parts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::assemble::Evidence;
use super::bootstrap::{Clusters, resample_with};
use super::document::{Evaluated, FrozenThreshold, Metrics};
use super::measures::{Buffers, Measures, Rival, Sample};
use crate::common::canonical_json;
use crate::common::decision::CostTable;
use crate::common::privacy::{DecisionsTold, Privacy};
use crate::common::rng::Stream;
use crate::train::test_study::{run, write_clean};
use crate::tune_threshold::{Decision, PolicyKind};
use crate::{StageContext, StageRequest};

pub(super) const COST: CostTable =
    CostTable { false_positive: 500.0, false_negative: 5000.0, true_positive: 500.0, true_negative: 0.0, effect: 1.0 };

/// Calibrated predictions with outcomes drawn from them, `per_patient` rows each.
pub(super) fn rows(n: usize, per_patient: usize) -> Rows {
    let mut stream = Stream::new(11, "evaluate/tests");
    let p: Vec<f64> = (0..n).map(|_| 0.02 + 0.9 * stream.uniform() * stream.uniform()).collect();
    let y = p.iter().map(|&p| stream.chance(p)).collect();
    let patients = (0..n).map(|row| format!("p{}", row / per_patient)).collect();
    (y, p, patients)
}

/// Rows as `rows` makes them: outcomes, predictions, patients.
type Rows = (Vec<bool>, Vec<f64>, Vec<String>);

/// Gives `read` all that the report on these rows is made of.
pub(super) fn with_evidence<T>(
    (y, p, patients): Rows,
    t: f64,
    cost: Option<CostTable>,
    threads: usize,
    read: impl FnOnce(&Evidence) -> T,
) -> T {
    let prevalence = vec![0.3; y.len()];
    let rivals = vec![
        Rival::constant(true, &y),
        Rival::constant(false, &y),
        Rival::scored(prevalence, &y, &vec![t; y.len()]),
        Rival::scored(p.iter().map(|p| 0.5 * p).collect(), &y, &vec![t; y.len()]),
    ];
    let request = StageRequest {
        uses: "evaluate".to_owned(),
        inputs: BTreeMap::default(),
        outputs: BTreeMap::default(),
        params: serde_json::Map::default(),
        threads,
    };
    let sample = Sample::new(y, p, rivals, t, 2.0, cost);
    let clusters = Clusters::new(&patients);
    let context = StageContext::new(request, &|_| {});
    let resamples: Vec<Measures> = resample_with(&context, &clusters, 42, 250, Buffers::default, |buffers, weights| {
        sample.measure(buffers, weights)
    })
    .expect("threads start");
    read(&Evidence {
        data: "synthetic".to_owned(),
        model: "gbdt".to_owned(),
        evaluated: Evaluated {
            bundle: String::new(),
            rows: crate::train::Fingerprint::new([]),
            content: String::new(),
        },
        frozen: FrozenThreshold { value: t, policy: PolicyKind::Fbeta, decision: Decision::Cutoff, by_level: None },
        sample: &sample,
        clusters: &clusters,
        point: &sample.plain(),
        resamples: &resamples,
        too_few: super::enough::too_few(&clusters, Some(&sample.y)),
        confidence: 0.95,
        privacy: Privacy { decisions: DecisionsTold::Ranges, ..Privacy::default() },
    })
}

/// A path to the method would not hold for evidence of every lifetime.
fn metrics(evidence: &Evidence) -> Metrics {
    evidence.metrics()
}

fn report(rows: Rows, t: f64, cost: Option<CostTable>, threads: usize) -> Metrics {
    with_evidence(rows, t, cost, threads, metrics)
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let text = |threads| canonical_json::to_string(&report(rows(300, 3), 0.2, Some(COST), threads)).expect("JSON");
    assert_eq!(text(1), text(4));
}

#[test]
fn one_row_per_patient_uses_delong_and_wilson_and_clusters_use_the_bootstrap() {
    let methods = |metrics: &Metrics| {
        [&metrics.auroc, &metrics.at_threshold.sensitivity, &metrics.brier].map(|estimate| estimate.method.clone())
    };
    let text = |names: [&str; 3]| names.map(|name| Some(name.to_owned()));
    let single = report(rows(300, 1), 0.2, None, 2);
    assert_eq!(methods(&single), text(["delong", "wilson", "patient-bootstrap"]));
    let clustered = report(rows(300, 3), 0.2, None, 2);
    assert_eq!(methods(&clustered), text(["patient-bootstrap"; 3]));
    assert_eq!((clustered.n, clustered.patients), (300, 100));
}

#[test]
fn intervals_hold_their_estimate_and_a_calibrated_model_looks_calibrated() {
    let metrics = report(rows(2000, 1), 0.2, Some(COST), 2);
    let within = |value: f64, estimate: &crate::common::interval::Estimate| {
        let (low, high) = (estimate.low.expect("low"), estimate.high.expect("high"));
        assert!(low <= value && value <= high, "{value} is not in [{low}, {high}]");
    };
    within(0.0, &metrics.calibration.intercept);
    within(1.0, &metrics.calibration.slope);
    for estimate in [
        &metrics.auroc,
        &metrics.auprc,
        &metrics.brier,
        &metrics.log_loss,
        &metrics.net_benefit,
        &metrics.calibration.ici,
    ] {
        within(estimate.value.expect("a value"), estimate);
    }
    assert_eq!(metrics.verdict.beats_flag_none, Some(true));
    assert_eq!(metrics.verdict.beats_prevalence, Some(true));
    assert_eq!(metrics.verdict.beats_logistic, Some(true));
    assert_eq!(metrics.verdict.criterion, "expected_cost");
}

#[test]
fn a_model_that_is_worse_than_flagging_everyone_is_said_to_be() {
    let metrics = report(rows(400, 1), 0.7, Some(COST), 2);
    assert_eq!(metrics.verdict.beats_flag_all, Some(false));
    assert!(metrics.verdict.text.starts_with("The model does not beat flagging everyone (expected cost)"));
    let difference = metrics.baselines.flag_all.difference.expected_cost.value.expect("costs are known");
    let costs = (metrics.expected_cost.value.expect("known"), metrics.baselines.flag_all.expected_cost.expect("known"));
    assert!((costs.0 - costs.1 - difference).abs() < 1e-6);
}

#[test]
fn without_costs_the_cost_is_null_with_a_reason() {
    let metrics = report(rows(200, 1), 0.2, None, 1);
    assert_eq!(metrics.expected_cost.value, None);
    assert!(metrics.expected_cost.reason.expect("a reason").contains("cost table"));
    assert_eq!(metrics.verdict.criterion, "net_benefit");
}

/// Every null below must have a `reason` beside it or above it.
pub(super) fn nulls_are_explained(value: &Value, explained: bool) -> bool {
    match value {
        Value::Null => explained,
        Value::Object(map) => {
            let here = map.get("reason").is_some_and(Value::is_string);
            map.values().all(|child| nulls_are_explained(child, here))
        }
        Value::Array(items) => items.iter().all(|child| nulls_are_explained(child, explained)),
        _ => true,
    }
}

/// One class, two rows, classes that do not overlap.
pub(super) fn degenerate() -> [Rows; 4] {
    let patients = |n: usize| (0..n).map(|row| row.to_string()).collect::<Vec<_>>();
    [
        (vec![false; 20], vec![0.1; 20], patients(20)),
        (vec![true; 20], vec![0.0; 20], patients(20)),
        (vec![true, false], vec![1.0, 0.0], patients(2)),
        ([vec![false; 50], vec![true; 50]].concat(), [vec![0.1; 50], vec![0.9; 50]].concat(), patients(100)),
    ]
}

#[test]
fn degenerate_parts_give_nulls_with_reasons() {
    for (index, part) in degenerate().into_iter().enumerate() {
        for t in [0.0, 0.5, crate::tune_threshold::FLAG_NONE] {
            let metrics = serde_json::to_value(report(part.clone(), t, None, 1)).expect("JSON");
            // A null in the verdict repeats a null difference, whose reason stands with the baseline.
            let Value::Object(mut map) = metrics else { unreachable!() };
            map.remove("verdict");
            let metrics = Value::Object(map);
            assert!(nulls_are_explained(&metrics, false), "part {index}, threshold {t}: {metrics:#}");
        }
    }
}

#[test]
fn equal_predictions_get_no_verdict_and_no_interval_without_width() {
    for per_patient in [1, 2] {
        let (y, _, patients) = rows(400, per_patient);
        let metrics = report((y, vec![0.3; 400], patients), 0.2, Some(COST), 1);
        assert_eq!((metrics.auroc.value, metrics.auroc.low), (Some(0.5), None));
        assert_eq!(metrics.calibration.slope.reason.as_deref(), Some("all predictions are equal"));
        assert_eq!((metrics.verdict.beats_flag_none, metrics.verdict.beats_prevalence), (None, None));
        assert!(metrics.verdict.text.starts_with("No verdict: every row gets the same"), "{}", metrics.verdict.text);
        assert!(metrics.brier.low < metrics.brier.high, "what varies keeps its interval");
    }
}

#[test]
fn few_patients_of_a_class_get_the_logit_scale_or_nothing() {
    let cut = |events: usize, per_patient: usize| {
        let (y, p, patients) = rows(600, per_patient);
        let kept: Vec<usize> =
            (0..600).filter(|&row| !y[row] || y[..row].iter().filter(|&&y| y).count() < events).collect();
        let part = |row: &usize| (y[*row], p[*row], patients[*row].clone());
        let mut cut = (Vec::new(), Vec::new(), Vec::new());
        for (y, p, patient) in kept.iter().map(part) {
            cut.0.push(y);
            cut.1.push(p);
            cut.2.push(patient);
        }
        report(cut, 0.2, None, 1).auroc
    };
    assert_eq!(cut(9, 1).reason.as_deref(), Some("fewer than 10 patients have the event"));
    assert_eq!(cut(12, 1).method.as_deref(), Some("logit-delong"));
    assert_eq!(cut(60, 1).method.as_deref(), Some("delong"));
    assert_eq!(cut(9, 2).low, None);
    assert_eq!(cut(20, 2).method.as_deref(), Some("logit-patient-bootstrap"));
    assert_eq!(cut(90, 2).method.as_deref(), Some("patient-bootstrap"));
}

#[test]
fn a_paired_interval_of_equal_rivals_is_zero() {
    let (y, p, _) = rows(100, 1);
    let sample =
        Sample::new(y.clone(), p.clone(), vec![Rival::scored(p, &y, &vec![0.3; y.len()])], 0.3, 1.0, Some(COST));
    let measures = sample.plain();
    assert_eq!(measures.model, measures.rivals[0]);
}

#[test]
fn bytes_are_frozen() {
    let directory = crate::bundle::tests::assemble("gbdt");
    let at = directory.path();
    write_clean(at).expect("written");
    let inputs = [("bundle", "bundle/"), ("table", "clean.parquet"), ("split", "split.parquet")];
    let outputs = [
        ("metrics", "metrics.json"),
        ("predictions", "predictions.parquet"),
        ("curves", "curves.csv"),
        ("evaluation", "evaluation.json"),
    ];
    let policy = serde_json::json!({"policy": "fbeta", "beta": 2});
    let params = serde_json::json!({"seed": 42, "evaluate": {"bootstrap": 100, "prevalences": [0.05]}, "tune_threshold": policy});
    run(&super::Evaluate, at, &inputs, &outputs, params, 2).expect("evaluated");
    let mut hasher = blake3::Hasher::new();
    for (_, name) in outputs {
        hasher.update(&std::fs::read(at.join(name)).expect("an output"));
    }
    assert_eq!(hasher.finalize().to_hex()[..16].to_owned(), "34de4721d703e2cc", "bytes moved: raise VERSION");
}
