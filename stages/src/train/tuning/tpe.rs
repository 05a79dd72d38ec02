//! Tree-structured Parzen estimators (Bergstra and others 2011): proposals where earlier trials were good.
//!
//! The trials are divided into the best ⌈n/10⌉ (at most 25) and the rest. Both groups are described by a density over
//! all settings together: l for the best, g for the rest. 24 points are drawn from l, and the one with the highest l/g
//! is proposed. A density is a mixture with one part for each trial and one for what is known beforehand, all of
//! weight 1; of more than 25 trials the older ones fade. Within a part the settings are independent:
//!
//! - A number is normally distributed around the trial's, cut off at the range's ends, as wide as the distance to the
//!   farther neighbour among the trials, but not narrower than range / min(100, 1 + parts) and not wider than the
//!   range. Beforehand it lies around the middle of the range, as wide as the range.
//! - A listed value is the trial's with weight 1 and any with weight 1/parts. Beforehand all are equally likely.
//!
//! These are the definitions of Optuna's default sampler. Logarithms and error functions come from `libm`.

use super::space::{Choice, Domain, NumberRange, Point, Space};
use crate::common::rng::Stream;

/// Points drawn from the density of the best.
const DRAWS: usize = 24;
/// Trials beyond this number fade with age, and no more than this many are called the best.
const KEPT: usize = 25;
/// Draws from a cut-off normal distribution before its centre is taken; each succeeds with probability above 0.3.
const ATTEMPTS: usize = 200;

/// Proposes a point. Both groups are in the order of their trials.
pub(super) fn propose(space: &Space, best: &[&Point], rest: &[&Point], stream: &mut Stream) -> Option<Point> {
    let (l, g) = (Density::new(space, best), Density::new(space, rest));
    let mut proposed: Option<(Point, f64)> = None;
    for _ in 0..DRAWS {
        let point = l.draw(stream);
        let ratio = l.log(&point) - g.log(&point);
        if proposed.as_ref().is_none_or(|(_, highest)| ratio > *highest) {
            proposed = Some((point, ratio));
        }
    }
    proposed.map(|(point, _)| point)
}

/// How many of n trials are called the best.
pub(super) fn best_count(n: usize) -> usize {
    n.div_ceil(10).min(KEPT)
}

/// A density over points: its last part is the one known beforehand.
struct Density {
    /// One per part, summing to 1.
    weights: Vec<f64>,
    /// One per dimension.
    axes: Vec<Axis>,
}

/// One dimension of every part.
enum Axis {
    /// Centres and widths on the range's line.
    Number { range: NumberRange, centres: Vec<f64>, widths: Vec<f64> },
    /// The number of values, and the one that each part prefers.
    Choice { count: usize, preferred: Vec<Option<usize>> },
}

impl Density {
    fn new(space: &Space, points: &[&Point]) -> Self {
        let mut weights = weights(points.len());
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= total;
        }
        let axes = space.dimensions.iter().enumerate().map(|(at, dimension)| {
            let choices = || points.iter().filter_map(move |point| point.get(at));
            match &dimension.domain {
                Domain::Number(range) => Axis::numbers(range, choices()),
                Domain::Choice(values) => {
                    let preferred = choices().map(|choice| match choice {
                        Choice::Listed(place) => Some(*place),
                        Choice::Number(_) => None,
                    });
                    Axis::Choice { count: values.len(), preferred: preferred.chain([None]).collect() }
                }
            }
        });
        Self { weights, axes: axes.collect() }
    }

    fn draw(&self, stream: &mut Stream) -> Point {
        let part = pick(self.weights.iter().copied(), stream);
        self.axes.iter().map(|axis| axis.draw(part, stream)).collect()
    }

    /// The logarithm at a point. The part known beforehand is positive everywhere, so it exists.
    fn log(&self, point: &Point) -> f64 {
        let parts = self.weights.iter().enumerate().map(|(part, weight)| {
            self.axes.iter().zip(point).fold(libm::log(*weight), |log, (axis, choice)| log + axis.log(part, *choice))
        });
        let parts: Vec<f64> = parts.collect();
        let highest = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        highest + libm::log(parts.iter().map(|log| libm::exp(log - highest)).sum())
    }
}

impl Axis {
    fn numbers<'a>(range: &NumberRange, choices: impl Iterator<Item = &'a Choice>) -> Self {
        let (from, to) = range.line();
        let place = |choice: &Choice| match choice {
            Choice::Number(number) => range.place(*number),
            Choice::Listed(_) => f64::midpoint(from, to),
        };
        let mut centres: Vec<f64> = choices.map(place).collect();
        let mut widths = widths(&centres, from, to);
        centres.push(f64::midpoint(from, to));
        widths.push(to - from);
        Self::Number { range: *range, centres, widths }
    }

    fn draw(&self, part: usize, stream: &mut Stream) -> Choice {
        match self {
            Self::Number { range, centres, widths } => {
                let (from, to) = range.line();
                let (centre, width) = (centres[part], widths[part]);
                let mut draws = (0..ATTEMPTS).map(|_| centre + width * stream.normal());
                Choice::Number(range.at(draws.find(|place| (from..=to).contains(place)).unwrap_or(centre)))
            }
            Self::Choice { count, preferred } => {
                let shares = (0..*count).map(|value| share(*count, preferred.len(), preferred[part], value));
                Choice::Listed(pick(shares, stream))
            }
        }
    }

    /// The logarithm of a part's density; for numbers with steps, of the mass of the number's cell.
    fn log(&self, part: usize, choice: Choice) -> f64 {
        match (self, choice) {
            (Self::Number { range, centres, widths }, Choice::Number(number)) => {
                let (from, to) = range.line();
                let standard = |place: f64| (place - centres[part]) / widths[part];
                let inside = log_mass(standard(from), standard(to));
                let here = match range.cell(number) {
                    Some((left, right)) => log_mass(standard(left.max(from)), standard(right.min(to))),
                    None => log_normal(standard(range.place(number))) - libm::log(widths[part]),
                };
                here - inside
            }
            (Self::Choice { count, preferred }, Choice::Listed(value)) => {
                libm::log(share(*count, preferred.len(), preferred[part], value))
            }
            _ => 0.0,
        }
    }
}

/// The weights of n trials, oldest first: 1, but of more than 25 the older rise evenly from 1/n to 1.
fn weights(n: usize) -> Vec<f64> {
    let fading = n.saturating_sub(KEPT);
    let oldest = 1.0 / n.max(1) as f64;
    let weight = |index: usize| match fading {
        _ if index >= fading => 1.0,
        1 => oldest,
        _ => oldest + (1.0 - oldest) * index as f64 / (fading - 1) as f64,
    };
    (0..n).map(weight).collect()
}

/// The distance of each centre from its farther neighbour, of a lone one from the farther end of the line; kept between
/// the narrowest and the widest that are useful.
fn widths(centres: &[f64], from: f64, to: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..centres.len()).collect();
    order.sort_by(|&a, &b| centres[a].total_cmp(&centres[b]).then(a.cmp(&b)));
    let narrowest = (to - from) / (2.0 + centres.len() as f64).min(100.0);
    let mut widths = vec![to - from; centres.len()];
    for (rank, &index) in order.iter().enumerate() {
        let left = rank.checked_sub(1).map(|rank| centres[index] - centres[order[rank]]);
        let right = order.get(rank + 1).map(|&next| centres[next] - centres[index]);
        let lone = (centres[index] - from).max(to - centres[index]);
        let farther = left.into_iter().chain(right).max_by(f64::total_cmp).unwrap_or(lone);
        widths[index] = farther.clamp(narrowest, to - from);
    }
    widths
}

/// The probability of a listed value in one of `parts` parts.
fn share(count: usize, parts: usize, preferred: Option<usize>, value: usize) -> f64 {
    let (count, parts) = (count as f64, parts as f64);
    match preferred {
        None => 1.0 / count,
        Some(place) => (f64::from(u8::from(place == value)) + 1.0 / parts) / (1.0 + count / parts),
    }
}

/// The logarithm of the standard normal density.
fn log_normal(z: f64) -> f64 {
    -0.5 * (z * z + libm::log(2.0 * std::f64::consts::PI))
}

/// The logarithm of the standard normal distribution's mass between two places, from the tail that keeps more digits.
/// Parts are at most 100 widths apart, where the mass may be too small for a number: then it counts as the smallest.
fn log_mass(from: f64, to: f64) -> f64 {
    let root = std::f64::consts::SQRT_2;
    let (near, far) = if from > 0.0 { (from, to) } else { (-to, -from) };
    let mass = 0.5 * (libm::erfc(near / root) - libm::erfc(far / root));
    libm::log(mass.max(f64::MIN_POSITIVE))
}

/// The place of a draw by share; shares sum to 1.
fn pick(shares: impl ExactSizeIterator<Item = f64>, stream: &mut Stream) -> usize {
    let last = shares.len().saturating_sub(1);
    let mut left = stream.uniform();
    for (index, share) in shares.enumerate() {
        left -= share;
        if left < 0.0 {
            return index;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::super::space::tests::space;
    use super::*;
    use serde_json::Value;
    use serde_json::json;

    #[test]
    fn densities_are_those_of_optunas_parzen_estimator() {
        let reference: Value = serde_json::from_str(include_str!("../../../fixtures/tuning.json")).expect("JSON");
        for case in reference["cases"].as_array().expect("cases") {
            let space = space(case["space"].clone());
            let points = |key: &str| -> Vec<Point> {
                let rows: Vec<Vec<f64>> = serde_json::from_value(case[key].clone()).expect("rows");
                let choice = |(value, dimension): (f64, &super::super::space::Dimension)| match dimension.domain {
                    Domain::Number(_) => Choice::Number(value),
                    Domain::Choice(_) => Choice::Listed(value as usize),
                };
                rows.into_iter().map(|row| row.into_iter().zip(&space.dimensions).map(choice).collect()).collect()
            };
            let observed = points("observed");
            let density = Density::new(&space, &observed.iter().collect::<Vec<_>>());
            let wanted: Vec<f64> = serde_json::from_value(case["log_density"].clone()).expect("numbers");
            for (point, wanted) in points("at").iter().zip(wanted) {
                let log = density.log(point);
                assert!((log - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{point:?}: {log} for {wanted}, {case}");
            }
        }
    }

    #[test]
    fn proposals_gather_where_the_best_are() {
        let space = space(json!({"c": {"values": [1, 2, 3]}, "x": {"low": 0, "high": 1}}));
        let point = |place, x| vec![Choice::Listed(place), Choice::Number(x)];
        let best = [point(2, 0.8), point(2, 0.82)];
        let rest: Vec<Point> = (0..20).map(|index| point(index % 2, f64::from(index as u8) / 30.0)).collect();
        let (best, rest): (Vec<&Point>, Vec<&Point>) = (best.iter().collect(), rest.iter().collect());
        let mut stream = Stream::new(1, "tpe");
        for _ in 0..50 {
            let proposed = propose(&space, &best, &rest, &mut stream).expect("a point");
            let [Choice::Listed(2), Choice::Number(x)] = proposed[..] else { panic!("{proposed:?}") };
            assert!((0.6..=1.0).contains(&x), "{x}");
        }
    }
}
