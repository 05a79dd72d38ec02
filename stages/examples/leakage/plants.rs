//! Leaks put into a clean cohort, each kind in several strengths, and the check that should find it.

use clinpipe_stages::common::frame::Column;
use clinpipe_stages::common::rng::Stream;
use clinpipe_stages::leakage::Check;

use super::cohorts::{Cohort, Fault, PERMUTATIONS, base, findings, panel};

/// A kind of leak.
pub struct Plant {
    /// What it is, in the words of the table.
    pub name: &'static str,
    /// The unit of its strengths.
    pub unit: &'static str,
    /// The checks of which any should find it.
    pub checks: &'static [Check],
    /// From weak to strong.
    pub strengths: &'static [f64],
    /// Plants it at a strength and runs the stage; whether one of the checks found it.
    pub run: fn(seed: u64, strength: f64, checks: &[Check]) -> Result<bool, Fault>,
}

/// The standard normal quantile, by bisection.
fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-9.0_f64, 9.0_f64);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2) < p { low = middle } else { high = middle }
    }
    low
}

/// Permuting takes most of the time; it is left out where another check is asked for.
fn permutations(checks: &[Check]) -> usize {
    if checks.contains(&Check::PermutedTarget) { PERMUTATIONS } else { 0 }
}

fn judged(cohort: &Cohort, seed: u64, checks: &[Check]) -> Result<bool, Fault> {
    let found = findings(cohort, seed, permutations(checks), |_, _| {})?;
    Ok(found.iter().any(|finding| checks.contains(&finding.check)))
}

/// The usual cohort and a stream for what is planted.
fn start(seed: u64) -> (Cohort, Stream) {
    (base(seed, 1000, 0.2), Stream::new(seed, "plant"))
}

fn with_column(seed: u64, checks: &[Check], n: usize, value: impl Fn(&mut Stream, bool) -> f64) -> Result<bool, Fault> {
    let (mut cohort, mut stream) = (base(seed, n, 0.2), Stream::new(seed, "plant"));
    let values = cohort.y.iter().map(|&y| value(&mut stream, y)).collect();
    cohort.columns.push(("planted".to_owned(), Column::Number(values)));
    judged(&cohort, seed, checks)
}

fn post(seed: u64, auroc: f64, checks: &[Check], n: usize) -> Result<bool, Fault> {
    let shift = if auroc < 1.0 { std::f64::consts::SQRT_2 * quantile(auroc) } else { 20.0 };
    with_column(seed, checks, n, |stream, y| stream.normal() + if y { shift } else { 0.0 })
}

/// A share of the rows, at random, changes places so that their outcomes ascend.
fn sorted_share(cohort: &Cohort, share: f64, stream: &mut Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cohort.rows()).collect();
    let mut chosen = order.clone();
    stream.shuffle(&mut chosen);
    chosen.truncate((share * cohort.rows() as f64).round() as usize);
    chosen.sort_unstable();
    let mut ranked = chosen.clone();
    ranked.sort_by_key(|&row| (cohort.y[row], row));
    for (place, row) in chosen.into_iter().zip(ranked) {
        order[place] = row;
    }
    order
}

/// Rows appended as copies of others under new names, put at random places.
fn copied(seed: u64, share: f64, noise: f64, checks: &[Check]) -> Result<bool, Fault> {
    let (cohort, mut stream) = start(seed);
    let n = cohort.rows();
    let copies = (share * n as f64).round() as usize;
    let mut order: Vec<usize> = (0..n).chain((0..copies).map(|_| stream.below(n as u64) as usize)).collect();
    let mut blurred: Vec<bool> = (0..n + copies).map(|row| row >= n).collect();
    let mut places: Vec<usize> = (0..n + copies).collect();
    stream.shuffle(&mut places);
    order = places.iter().map(|&place| order[place]).collect();
    blurred = places.iter().map(|&place| blurred[place]).collect();
    let mut mixed = cohort.take(&order);
    for (_, column) in &mut mixed.columns {
        if let Column::Number(values) = column {
            for (value, _) in values.iter_mut().zip(&blurred).filter(|(_, blurred)| **blurred && noise > 0.0) {
                *value += noise * stream.normal();
            }
        }
    }
    let renamed = Cohort::new(mixed.columns, mixed.y);
    judged(&renamed, seed, checks)
}

/// Patients of a panel with several rows, one of which is moved to the other side by `move_row(part, fold, row)`.
fn straddling(
    seed: u64,
    patients: usize,
    checks: &[Check],
    move_row: impl Fn(&mut Vec<Option<String>>, &mut Vec<Option<i64>>, usize),
) -> Result<bool, Fault> {
    let cohort = panel(seed);
    let several: Vec<usize> =
        (1..cohort.rows()).filter(|&row| cohort.patients[row] == cohort.patients[row - 1]).collect();
    let found = findings(&cohort, seed, permutations(checks), |part, fold| {
        let mut moved = Vec::new();
        for &row in &several {
            let trained = part[row].as_deref() == Some("train") && part[row - 1].as_deref() == Some("train");
            if trained && moved.len() < patients && !moved.contains(&cohort.patients[row]) {
                move_row(part, fold, row);
                moved.push(cohort.patients[row].clone());
            }
        }
    })?;
    Ok(found.iter().any(|finding| checks.contains(&finding.check)))
}

/// A column measured later: a count that events raise by `lift`.
fn later(seed: u64, lift: f64, checks: &[Check]) -> Result<bool, Fault> {
    with_column(seed, checks, 1000, |stream, y| stream.poisson(1.0 + if y { lift } else { 0.0 }) as f64)
}

/// All kinds.
pub const PLANTS: [Plant; 12] = [
    Plant {
        name: "post column, noisy number, n 1,000",
        unit: "AUROC",
        checks: &[Check::FeatureAuroc],
        strengths: &[0.90, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0],
        run: |seed, auroc, checks| post(seed, auroc, checks, 1000),
    },
    Plant {
        name: "the same, n 300",
        unit: "AUROC",
        checks: &[Check::FeatureAuroc],
        strengths: &[0.90, 0.95, 0.97, 0.98, 0.99, 1.0],
        run: |seed, auroc, checks| post(seed, auroc, checks, 300),
    },
    Plant {
        name: "post column, band (no trend)",
        unit: "share right",
        checks: &[Check::FeatureAuroc],
        strengths: &[0.90, 0.95, 0.97, 0.99, 1.0],
        run: |seed, right, checks| {
            with_column(seed, checks, 1000, |stream, y| {
                let inside = y == stream.chance(right);
                // Events lie between 0.4 and 0.6, others below or above.
                let u = stream.uniform();
                if inside {
                    0.4 + 0.2 * u
                } else if u < 0.5 {
                    0.8 * u
                } else {
                    0.2 + 0.8 * u
                }
            })
        },
    },
    Plant {
        name: "future count among the features",
        unit: "events added",
        checks: &[Check::FeatureAuroc],
        strengths: &[2.0, 4.0, 6.0, 8.0, 12.0],
        run: later,
    },
    Plant {
        name: "missing by outcome",
        unit: "AUROC",
        checks: &[Check::Missingness],
        strengths: &[0.70, 0.75, 0.80, 0.85, 0.90, 1.0],
        run: |seed, auroc, checks| {
            let apart = 2.0 * auroc - 1.0;
            with_column(seed, checks, 1000, |stream, y| {
                let gone = stream.chance(if y { 0.5 - apart / 2.0 } else { 0.5 + apart / 2.0 });
                let value = stream.normal();
                if gone { f64::NAN } else { value }
            })
        },
    },
    Plant {
        name: "labels follow the rows",
        unit: "share of rows sorted",
        checks: &[Check::RowOrder],
        strengths: &[0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0],
        run: |seed, share, checks| {
            let (cohort, mut stream) = start(seed);
            // The outcomes move, the rows and their ids stay.
            let order = sorted_share(&cohort, share, &mut stream);
            let y = cohort.take(&order).y;
            judged(&Cohort { y, ..cohort }, seed, checks)
        },
    },
    Plant {
        name: "labels come in blocks of rows",
        unit: "rows a block",
        checks: &[Check::RowOrder],
        strengths: &[2.0, 3.0, 5.0, 10.0, 50.0],
        run: |seed, size, checks| {
            let (cohort, mut stream) = start(seed);
            let blocks: Vec<bool> = (0..cohort.rows()).map(|_| stream.chance(0.2)).collect();
            let y = (0..cohort.rows()).map(|row| blocks[(row as f64 / size) as usize]).collect();
            judged(&Cohort { y, ..cohort }, seed, checks)
        },
    },
    Plant {
        name: "ids follow the labels, rows do not",
        unit: "share of ids sorted",
        checks: &[Check::IdOrder],
        strengths: &[0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0],
        run: |seed, share, checks| {
            let (cohort, mut stream) = start(seed);
            let order = sorted_share(&cohort, share, &mut stream);
            let sorted = cohort.take(&order);
            let mut renamed = Cohort::new(sorted.columns, sorted.y);
            let mut places: Vec<usize> = (0..renamed.rows()).collect();
            stream.shuffle(&mut places);
            renamed = renamed.take(&places);
            judged(&renamed, seed, checks)
        },
    },
    Plant {
        name: "copies of rows under new ids",
        unit: "share of rows",
        checks: &[Check::Duplicates],
        strengths: &[0.001, 0.002, 0.005, 0.01, 0.05, 0.1],
        run: |seed, share, checks| copied(seed, share, 0.0, checks),
    },
    Plant {
        name: "copies with noise of 0.005 sd",
        unit: "share of rows",
        checks: &[Check::NearDuplicates],
        strengths: &[0.001, 0.002, 0.005, 0.01, 0.05, 0.1],
        run: |seed, share, checks| copied(seed, share, 0.005, checks),
    },
    Plant {
        name: "patients in train and test",
        unit: "patients",
        checks: &[Check::PatientOverlap],
        strengths: &[1.0, 5.0, 20.0],
        run: |seed, patients, checks| {
            straddling(seed, patients as usize, checks, |part, fold, row| {
                part[row] = Some("test".to_owned());
                fold[row] = None;
            })
        },
    },
    Plant {
        name: "patients in several folds, by the permuted target alone",
        unit: "patients of 200",
        checks: &[Check::PermutedTarget],
        strengths: &[10.0, 20.0, 40.0, 80.0, 160.0],
        run: |seed, patients, checks| {
            straddling(seed, patients as usize, checks, |_, fold, row| {
                fold[row] = fold[row].map(|fold| (fold + 1) % 5);
            })
        },
    },
];
