//! SMOTE (Chawla et al. 2002): a synthetic event lies at a random place between an event and one of its nearest events.
//!
//! Distances are Euclidean over columns divided by their standard deviation, so that units do not matter; a level or a
//! flag that differs adds 1, about what SMOTE-NC does. Numbers are interpolated; levels and flags are those of the
//! nearer of the two events, so that no value arises that no patient could have. Random draws come first and in order;
//! neighbours are then found in parallel, which cannot change them.

use rayon::prelude::*;

use super::{BalanceError, Sample};
use crate::common::rng::Stream;
use crate::train::params::ImbalanceParams;
use crate::train::preprocess::{Block, Matrix, Preprocessor, to_single};

const DEFAULT_RATIO: f64 = 1.0;
const DEFAULT_NEIGHBOURS: usize = 5;

/// Adds synthetic events until there are `ratio` per non-event.
pub(super) fn add_events(
    sample: Sample<Matrix>,
    preprocessor: &Preprocessor,
    params: &ImbalanceParams,
    stream: &mut Stream,
) -> Result<Sample<Matrix>, BalanceError> {
    let (ratio, k) = (params.ratio.unwrap_or(DEFAULT_RATIO), params.k.unwrap_or(DEFAULT_NEIGHBOURS));
    let events: Vec<usize> = (0..sample.y.len()).filter(|&row| sample.y[row] > 0.5).collect();
    let others = sample.y.len() - events.len();
    let wanted = libm::round(ratio * others as f64) as usize;
    let count = wanted.checked_sub(events.len()).ok_or(BalanceError::Below {
        ratio,
        events: events.len(),
        others,
        present: events.len() as f64 / others.max(1) as f64,
    })?;
    if events.len() <= k {
        return Err(BalanceError::TooFew { k, events: events.len() });
    }
    let blocks = preprocessor.blocks();
    if let Some(column) = first_gap(&sample.x, &blocks) {
        let name = preprocessor.columns().swap_remove(column);
        return Err(BalanceError::Gaps(name));
    }
    let draws: Vec<Draw> = (0..count).map(|_| Draw::new(stream, events.len(), k)).collect();
    let neighbours = Space::new(&sample.x, &blocks, &events).neighbours(&draws, k);
    let mut grown = sample;
    for draw in &draws {
        let partner = neighbours[draw.base].as_ref().and_then(|near| near.get(draw.pick)).copied().unwrap_or(draw.base);
        let (base, partner) = (events[draw.base], events[partner]);
        let row = between(grown.x.row(base), grown.x.row(partner), draw.place, &blocks, preprocessor.single);
        grown.x.values.extend(row);
        grown.x.rows += 1;
        grown.y.push(1.0);
        grown.groups.push(grown.groups[base]);
    }
    Ok(grown)
}

/// One synthetic row to be made: from which event, towards which of its neighbours, how far.
struct Draw {
    base: usize,
    pick: usize,
    place: f64,
}

impl Draw {
    fn new(stream: &mut Stream, events: usize, k: usize) -> Self {
        let base = stream.below(events as u64) as usize;
        let pick = stream.below(k as u64) as usize;
        Self { base, pick, place: stream.uniform() }
    }
}

/// The first column of numbers that has a missing value.
fn first_gap(x: &Matrix, blocks: &[Block]) -> Option<usize> {
    let numbers = blocks.iter().filter(|block| !block.nominal).flat_map(|block| block.start..block.end);
    numbers.into_iter().find(|&column| (0..x.rows).any(|row| x.row(row)[column].is_nan()))
}

fn between(base: &[f64], partner: &[f64], place: f64, blocks: &[Block], single: bool) -> Vec<f64> {
    let nearer = if place < 0.5 { base } else { partner };
    let mut row = nearer.to_vec();
    for column in blocks.iter().filter(|block| !block.nominal).flat_map(|block| block.start..block.end) {
        let (a, b) = (base[column], partner[column]);
        let value = (a + place * (b - a)).clamp(a.min(b), a.max(b));
        row[column] = if single { to_single(value) } else { value };
    }
    row
}

/// The events as points.
struct Space<'a> {
    blocks: &'a [Block],
    /// Row-major: numbers in standard deviations, levels and flags as they are.
    points: Matrix,
}

impl<'a> Space<'a> {
    fn new(x: &Matrix, blocks: &'a [Block], events: &[usize]) -> Self {
        let mut points = x.take(events);
        for column in blocks.iter().filter(|block| !block.nominal).flat_map(|block| block.start..block.end) {
            let spread = deviation(x, column);
            for row in 0..points.rows {
                points.values[row * points.cols + column] /= spread;
            }
        }
        Self { blocks, points }
    }

    /// The `k` nearest other points of each base that was drawn; ties go to the first.
    fn neighbours(&self, draws: &[Draw], k: usize) -> Vec<Option<Vec<usize>>> {
        let mut drawn = vec![false; self.points.rows];
        for draw in draws {
            drawn[draw.base] = true;
        }
        let near = |base: usize| drawn[base].then(|| self.nearest(base, k));
        (0..self.points.rows).into_par_iter().map(near).collect()
    }

    fn nearest(&self, base: usize, k: usize) -> Vec<usize> {
        let others = (0..self.points.rows).filter(|&other| other != base);
        let mut near: Vec<(f64, usize)> = others.map(|other| (self.distance(base, other), other)).collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if near.len() > k {
            near.select_nth_unstable_by(k, order);
            near.truncate(k);
        }
        near.sort_unstable_by(order);
        near.into_iter().map(|(_, other)| other).collect()
    }

    fn distance(&self, a: usize, b: usize) -> f64 {
        let (a, b) = (self.points.row(a), self.points.row(b));
        let of = |block: &Block| {
            let cells = a[block.start..block.end].iter().zip(&b[block.start..block.end]);
            if block.nominal {
                // A missing level, NaN, is a level of its own here.
                f64::from(u8::from(cells.into_iter().any(|(a, b)| a.to_bits() != b.to_bits())))
            } else {
                cells.map(|(a, b)| (a - b) * (a - b)).sum()
            }
        };
        self.blocks.iter().map(of).sum()
    }
}

/// The standard deviation of a column over all rows; 1 without any.
fn deviation(x: &Matrix, column: usize) -> f64 {
    let n = x.rows.max(1) as f64;
    let cells = || (0..x.rows).map(|row| x.row(row)[column]);
    let mean = cells().map(|cell| cell / n).sum::<f64>();
    let spread = libm::sqrt(cells().map(|cell| (cell - mean) * (cell - mean)).sum::<f64>() / n);
    if spread > 0.0 && spread.is_finite() { spread } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn neighbours_are_those_of_scikit_learn() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../../fixtures/preprocess.json")).expect("the fixture is JSON");
        let list = |value: &Value| -> Vec<f64> {
            value.as_array().expect("a list").iter().map(|cell| cell.as_f64().expect("a number")).collect()
        };
        let places = |value: &Value| -> Vec<usize> { list(value).into_iter().map(|place| place as usize).collect() };
        let case = &fixture["neighbours"];
        let x = Matrix { rows: 40, cols: 3, values: list(&case["rows"]) };
        let number = |step| Block { step, start: step, end: step + 1, nominal: false };
        let blocks = [number(0), number(1), number(2)];
        let space = Space::new(&x, &blocks, &places(&case["events"]));
        for (base, nearest) in case["nearest"].as_array().expect("a list").iter().enumerate() {
            assert_eq!(space.nearest(base, 6), places(nearest), "event {base}");
        }
    }
}
