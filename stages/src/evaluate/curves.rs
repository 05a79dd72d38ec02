//! curves.csv: the points of the ROC, precision-recall, calibration and decision curves and of the risk distribution.
//!
//! Columns: curve, x, y, low, high, n. Points are thinned on the rank, never smoothed away.

use std::ops::Range;
use std::path::Path;

use crate::StageError;
use crate::common::csv_file;
use crate::common::interval::Estimate;
use crate::common::scores::class_weights;

use super::assemble::Evidence;
use super::detail::{CalibrationGroup, groups};
use super::measures::{DECISION_GRID, Sample, decision_threshold};

/// More points than this make a plot no better.
const MAX_POINTS: usize = 500;
/// Bins of the risk distribution.
const RISK_BINS: usize = 20;

struct Point {
    curve: &'static str,
    x: f64,
    estimate: Estimate,
    n: Option<u64>,
}

impl Point {
    fn bare(curve: &'static str, x: f64, y: f64) -> Self {
        Self { curve, x, estimate: Estimate { value: Some(y), ..Estimate::default() }, n: None }
    }
}

/// Writes all curves.
pub fn write(path: &Path, evidence: &Evidence) -> Result<(), StageError> {
    let sample = evidence.sample;
    let mut points = ranking_curves(sample);
    points.extend(smooth_calibration(evidence));
    points.extend(grouped_calibration(evidence));
    points.extend(decision(evidence));
    points.extend(risk_distribution(evidence));
    let rows = points.into_iter().map(|Point { curve, x, estimate, n }| {
        let number = csv_file::number;
        let n = n.map_or_else(String::new, |n| n.to_string());
        let Estimate { value, low, high, .. } = estimate;
        vec![curve.to_owned(), number(Some(x)), number(value), number(low), number(high), n]
    });
    csv_file::write(path, &["curve", "x", "y", "low", "high", "n"], rows)
}

/// ROC (x = 1 − specificity, y = sensitivity) and precision-recall (x = recall, y = precision).
fn ranking_curves(sample: &Sample) -> Vec<Point> {
    let ones = vec![1; sample.y.len()];
    let (events, others) = class_weights(0..sample.y.len(), &sample.y, &ones);
    let (mut roc, mut pr) = (vec![Point::bare("roc", 0.0, 0.0)], Vec::new());
    if events == 0 || others == 0 {
        return Vec::new();
    }
    let (mut hits, mut alarms) = (0, 0);
    for group in sample.ranking.groups().rev() {
        let (positive, negative) = class_weights(group.iter().copied(), &sample.y, &ones);
        hits += positive;
        alarms += negative;
        let recall = hits as f64 / events as f64;
        roc.push(Point::bare("roc", alarms as f64 / others as f64, recall));
        pr.push(Point::bare("pr", recall, hits as f64 / (hits + alarms) as f64));
    }
    let mut points = thin(roc);
    points.extend(thin(pr));
    points
}

/// Every k-th point, and the last.
fn thin(points: Vec<Point>) -> Vec<Point> {
    let step = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    points.into_iter().enumerate().filter(|(i, _)| i % step == 0 || *i == last).map(|(_, point)| point).collect()
}

/// The smooth calibration curve with its bootstrap band.
fn smooth_calibration(evidence: &Evidence) -> Vec<Point> {
    let line = |(k, &x)| Point {
        curve: "calibration",
        x,
        estimate: evidence.band("", |measures| measures.smooth[k]),
        n: None,
    };
    evidence.sample.smooth_grid.iter().enumerate().map(line).collect()
}

/// Mean prediction, observed share with its interval, rows.
fn grouped_calibration(evidence: &Evidence) -> Vec<Point> {
    let point = |CalibrationGroup { n, predicted, observed, .. }| Point {
        curve: "calibration_groups",
        x: predicted,
        estimate: observed,
        n: Some(n),
    };
    groups(evidence).into_iter().map(point).collect()
}

/// Net benefit over thresholds, with bootstrap bands for the model, beside flagging everyone (no one: always 0).
fn decision(evidence: &Evidence) -> Vec<Point> {
    let counts = evidence.point.counts;
    let prevalence = counts.events() as f64 / counts.rows() as f64;
    let model = (0..DECISION_GRID).map(|k| Point {
        curve: "decision",
        x: decision_threshold(k),
        estimate: evidence.band("", |measures| measures.decision[k]),
        n: Some(counts.rows()),
    });
    let all = (0..DECISION_GRID).map(|k| {
        let t = decision_threshold(k);
        Point::bare("decision_flag_all", t, prevalence - (1.0 - prevalence) * t / (1.0 - t))
    });
    model.chain(all).collect()
}

/// Rows in equal bins of the prediction, by outcome: the x is the bin's lower edge, the last bin includes 1. Bins are
/// joined with their neighbours until none has few patients of an outcome; each of them then shows its even part of the
/// share, and the rows of all.
fn risk_distribution(evidence: &Evidence) -> Vec<Point> {
    let sample = evidence.sample;
    let mut bins = vec![Vec::new(); RISK_BINS];
    for (row, &p) in sample.p.iter().enumerate() {
        bins[((p * RISK_BINS as f64) as usize).min(RISK_BINS - 1)].push(row);
    }
    let rows = |range: Range<usize>| bins[range].concat();
    let joined = evidence.privacy.joined(RISK_BINS, |range| evidence.people(&rows(range)));
    let mut points = Vec::new();
    for (curve, event) in [("risk_without_event", false), ("risk_with_event", true)] {
        let total = sample.y.iter().filter(|&&y| y == event).count();
        for range in joined.iter().filter(|_| total > 0) {
            let count = rows(range.clone()).into_iter().filter(|&row| sample.y[row] == event).count();
            let share = count as f64 / total as f64 / range.len() as f64;
            let point = |bin: usize| Point::bare(curve, bin as f64 / RISK_BINS as f64, share);
            points.extend(range.clone().map(|bin| Point { n: Some(count as u64), ..point(bin) }));
        }
    }
    points
}
