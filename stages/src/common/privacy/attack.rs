//! What a reader can work out about suppressed counts from the published ones.
//!
//! Two attacks. By equations: every sum with a known side is a linear equation over the hidden counts, and elimination
//! finds those with one solution. By bounds: no count is negative, so every sum narrows the range of its parts, over
//! and over. Neither needs the hidden counts themselves; those only give the known sides.

use super::{Counts, State, Sum, Total};

/// Rounds of narrowing; each can only shrink a range, and few are needed.
const ROUNDS: usize = 64;
/// Coefficients start as 0, 1 and −1, so anything nearer to 0 is rounding.
const ZERO: f64 = 1e-9;

/// Hidden counts that a reader can work out, and small ones whose range is narrower than `least`, by place. Where a sum
/// that is known anyway is smaller than `least`, the range can be no wider than that sum.
pub(super) fn exposed(all: &Counts, state: &[State], least: u64) -> Vec<usize> {
    let places: Vec<usize> = (0..state.len()).filter(|&place| state[place] != State::Shown).collect();
    let mut index = vec![None; state.len()];
    for (at, &place) in places.iter().enumerate() {
        index[place] = Some(at);
    }
    let equations: Vec<Equation> = all.sums.iter().map(|sum| Equation::new(sum, all.counts, &index)).collect();
    let mut found = determined(&equations, places.len());
    for (at, (low, high)) in ranges(&equations, places.len()).into_iter().enumerate() {
        let small = all.people[places[at]] < least;
        let width = least.min(bound(places[at], all));
        found[at] |= small && high.is_some_and(|high| high - low < i128::from(width));
    }
    let hidden = |place: &usize| state[*place] == State::Hidden;
    places.into_iter().zip(found).filter_map(|(place, found)| found.then_some(place)).filter(hidden).collect()
}

/// The least known sum that a count is part of.
fn bound(place: usize, all: &Counts) -> u64 {
    let known = all.sums.iter().filter(|sum| sum.total == Total::Published && sum.parts.contains(&place));
    known.map(|sum| sum.parts.iter().map(|&part| all.counts[part]).sum()).min().unwrap_or(u64::MAX)
}

/// Hidden counts with coefficients 1 and −1 that come to a known number.
struct Equation {
    terms: Vec<(usize, i8)>,
    known: i128,
}

impl Equation {
    fn new(sum: &Sum, counts: &[u64], index: &[Option<usize>]) -> Self {
        let mut equation = Self { terms: Vec::new(), known: 0 };
        for (place, sign) in sum.signed() {
            if let Some(at) = index[place] {
                equation.terms.push((at, sign));
                equation.known += i128::from(sign) * i128::from(counts[place]);
            }
        }
        equation
    }
}

/// Which unknowns have one solution: those alone in a row of the reduced echelon form.
fn determined(equations: &[Equation], unknowns: usize) -> Vec<bool> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for equation in equations.iter().filter(|equation| !equation.terms.is_empty()) {
        let mut row = vec![0.0; unknowns];
        for &(at, sign) in &equation.terms {
            row[at] += f64::from(sign);
        }
        rows.push(row);
    }
    let mut rank = 0;
    for column in 0..unknowns {
        let largest = (rank..rows.len()).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        let Some(pivot) = largest.filter(|&row| rows[row][column].abs() > ZERO) else { continue };
        rows.swap(rank, pivot);
        let lead = rows[rank][column];
        rows[rank].iter_mut().for_each(|value| *value /= lead);
        let head = rows[rank].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, row)| *at != rank && row[column].abs() > ZERO) {
            let factor = row[column];
            row.iter_mut().zip(&head).for_each(|(value, head)| *value -= factor * head);
        }
        rank += 1;
    }
    let mut found = vec![false; unknowns];
    for row in rows.iter().take(rank) {
        let mut present = (0..unknowns).filter(|&at| row[at].abs() > ZERO);
        if let (Some(only), None) = (present.next(), present.next()) {
            found[only] = true;
        }
    }
    found
}

/// The least and the greatest value that each unknown can have, as far as single equations tell; no greatest: none.
fn ranges(equations: &[Equation], unknowns: usize) -> Vec<(i128, Option<i128>)> {
    let mut ranges = vec![(0, None); unknowns];
    for _ in 0..ROUNDS {
        let before = ranges.clone();
        for equation in equations {
            for &(at, sign) in &equation.terms {
                narrow(equation, at, sign, &mut ranges);
            }
        }
        if ranges == before {
            break;
        }
    }
    ranges
}

/// Narrows one unknown: sign · x = known − Σ of the others.
fn narrow(equation: &Equation, at: usize, sign: i8, ranges: &mut [(i128, Option<i128>)]) {
    let (mut least, mut most) = (Some(equation.known), Some(equation.known));
    for &(other, sign) in equation.terms.iter().filter(|(other, _)| *other != at) {
        let (low, high) = ranges[other];
        let (low, high) = if sign > 0 { (Some(low), high) } else { (high.map(|high| -high), Some(-low)) };
        least = least.zip(high).map(|(least, high)| least - high);
        most = most.zip(low).map(|(most, low)| most - low);
    }
    if sign < 0 {
        (least, most) = (most.map(|most| -most), least.map(|least| -least));
    }
    let (low, high) = &mut ranges[at];
    *low = least.map_or(*low, |least| least.max(*low));
    *high = match (*high, most) {
        (Some(high), Some(most)) => Some(high.min(most)),
        (high, most) => high.or(most),
    };
}
