//! Points of curves.csv and sweep.csv.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::common::figure::Measured;
use crate::{StageError, StageFile};

/// A point of a curve; what is empty in the file is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub n: Option<u64>,
}

/// Curves by name, points in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curves(pub(super) BTreeMap<String, Vec<Point>>);

#[derive(Deserialize)]
struct Row {
    curve: String,
    x: f64,
    y: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    n: Option<u64>,
}

#[derive(Deserialize)]
struct SweepRow {
    threshold: f64,
    candidate: String,
    cost_per_1000: Option<f64>,
    net_benefit: Option<f64>,
}

impl Curves {
    /// Reads curves.csv.
    pub fn read(file: &StageFile) -> Result<Self, StageError> {
        let mut curves: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        for Row { curve, x, y, low, high, n } in rows(file)? {
            curves.entry(curve).or_default().push(Point { x, y, low, high, n });
        }
        Ok(Self(curves))
    }

    /// Reads sweep.csv: the costs and net benefits of thresholds, and what flagging all and none cost.
    pub fn read_sweep(file: &StageFile) -> Result<Self, StageError> {
        let mut curves: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        for row in rows::<SweepRow>(file)? {
            let point = |y| Point { x: row.threshold, y, low: None, high: None, n: None };
            curves.entry("cost".to_owned()).or_default().push(point(row.cost_per_1000));
            curves.entry("net_benefit".to_owned()).or_default().push(point(row.net_benefit));
            if !row.candidate.is_empty() {
                curves.entry(row.candidate).or_default().push(point(row.cost_per_1000));
            }
        }
        for points in curves.values_mut() {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
        }
        Ok(Self(curves))
    }

    /// The points of a curve; none when the file has no such curve.
    pub fn points(&self, curve: &str) -> &[Point] {
        self.0.get(curve).map_or(&[], Vec::as_slice)
    }

    /// Its places.
    pub fn line(&self, curve: &str) -> Vec<(f64, f64)> {
        self.points(curve).iter().filter_map(|point| Some((point.x, point.y?))).collect()
    }

    /// Its band, where there is one.
    pub fn band(&self, curve: &str) -> Vec<(f64, f64, f64)> {
        self.points(curve).iter().filter_map(|point| Some((point.x, point.low?, point.high?))).collect()
    }

    /// Its points with their intervals.
    pub fn measured(&self, curve: &str) -> Vec<Measured> {
        self.points(curve).iter().filter_map(|point| Some((point.x, point.y?, point.low.zip(point.high)))).collect()
    }
}

/// At most `most` of the points, evenly spaced in their order, with the first and the last.
pub(super) fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    if points.len() <= most || most < 2 {
        return points.to_vec();
    }
    (0..most).map(|at| points[at * (points.len() - 1) / (most - 1)]).collect()
}

fn rows<T: serde::de::DeserializeOwned>(file: &StageFile) -> Result<Vec<T>, StageError> {
    let fail = |error: csv::Error| StageError::input(&file.name, error.to_string());
    let mut reader = csv::Reader::from_path(&file.path).map_err(fail)?;
    reader.deserialize().map(|row| row.map_err(fail)).collect()
}
