//! Whether two samples of numbers come from one distribution: Kolmogorov–Smirnov and the Wasserstein distance.
//!
//! Invariants: samples are distinct values ascending with the rows that have them, so neither depends on the order of
//! rows; the statistic is a whole number over the product of the sizes, so it is exact; `libm` only.

use super::interval::finite;

/// Products of the two sizes up to which p is exact.
pub const EXACT_UP_TO: u64 = 4_000_000;

/// Distinct values, strictly ascending, each with the rows that have it (at least one).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    values: Vec<f64>,
    rows: Vec<u64>,
    n: u64,
}

/// The outcome of a two-sample Kolmogorov–Smirnov test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// The largest distance between the two distribution functions.
    pub d: f64,
    /// The two-sided p-value.
    pub p: f64,
    /// Whether p is that of the finite samples, or of their limit.
    pub exact: bool,
}

impl Sample {
    /// A sample of values in any order; those that are not finite are left out.
    pub fn new(values: &[f64]) -> Self {
        // Adding 0.0 turns -0.0 into 0.0, which the total order would otherwise put apart.
        let mut sorted: Vec<f64> = values.iter().copied().filter_map(finite).map(|value| value + 0.0).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut sample = Self { n: sorted.len() as u64, ..Self::default() };
        for value in sorted {
            match sample.rows.last_mut() {
                Some(rows) if sample.values.last() == Some(&value) => *rows += 1,
                _ => {
                    sample.values.push(value);
                    sample.rows.push(1);
                }
            }
        }
        sample
    }

    /// A sample of values that are known with their rows: pairs in any order, of which equal values are joined and those
    /// without rows left out.
    pub fn counted(pairs: impl IntoIterator<Item = (f64, u64)>) -> Self {
        let mut pairs: Vec<(f64, u64)> =
            pairs.into_iter().filter(|(value, rows)| value.is_finite() && *rows > 0).collect();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut sample = Self::default();
        for (value, rows) in pairs {
            sample.n += rows;
            match sample.rows.last_mut() {
                Some(last) if sample.values.last() == Some(&value) => *last += rows,
                _ => {
                    sample.values.push(value);
                    sample.rows.push(rows);
                }
            }
        }
        sample
    }

    /// How many rows have a value.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The distinct values, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The rows of each distinct value.
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// The rows in each of the bins that these inner edges make: bin i holds values above edge i − 1 up to and including
    /// edge i. Edges ascend.
    pub fn binned(&self, edges: &[f64]) -> Vec<u64> {
        let mut counts = vec![0; edges.len() + 1];
        let mut bin = 0;
        for (&value, &rows) in self.values.iter().zip(&self.rows) {
            while edges.get(bin).is_some_and(|&edge| edge < value) {
                bin += 1;
            }
            counts[bin] += rows;
        }
        counts
    }

    /// The mean; `None` without rows.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.values.iter().zip(&self.rows).map(|(value, &rows)| value * rows as f64).sum();
        finite(sum / self.n as f64)
    }

    /// The standard deviation with n as divisor; `None` without rows.
    pub fn sd(&self) -> Option<f64> {
        let mean = self.mean()?;
        let squares =
            self.values.iter().zip(&self.rows).map(|(value, &rows)| (value - mean) * (value - mean) * rows as f64);
        finite(libm::sqrt(squares.sum::<f64>() / self.n as f64))
    }
}

/// The test of two samples. With `at`, the distance is looked for at those places (ascending) only, as where one sample
/// is known there alone: it is then at most the true one, and p at least. `None` without rows on either side.
pub fn kolmogorov_smirnov(a: &Sample, b: &Sample, at: Option<&[f64]>) -> Option<KolmogorovSmirnov> {
    let (n, m) = (a.n, b.n);
    if n == 0 || m == 0 {
        return None;
    }
    let apart = match at {
        Some(places) => largest(a, b, places.iter().copied()),
        None => largest(a, b, union(&a.values, &b.values).into_iter()),
    };
    let d = apart as f64 / (n as f64 * m as f64);
    let exact = n.saturating_mul(m) <= EXACT_UP_TO;
    let p = if exact { exact_tail(n, m, apart) } else { limit_tail(d, n as f64 * (m as f64 / (n as f64 + m as f64))) };
    Some(KolmogorovSmirnov { d, p, exact })
}

fn union(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    all
}

/// The largest |i·m − j·n| where i and j rows of the samples lie at or below a place.
fn largest(a: &Sample, b: &Sample, places: impl Iterator<Item = f64>) -> u64 {
    let below = |sample: &Sample, next: &mut usize, sum: &mut u64, place: f64| {
        while sample.values.get(*next).is_some_and(|&value| value <= place) {
            *sum += sample.rows[*next];
            *next += 1;
        }
    };
    let (mut next_a, mut next_b, mut i, mut j, mut most) = (0, 0, 0_u64, 0_u64, 0_u64);
    for place in places {
        below(a, &mut next_a, &mut i, place);
        below(b, &mut next_b, &mut j, place);
        most = most.max((i * b.n).abs_diff(j * a.n));
    }
    most
}

/// The chance that the two distribution functions of n and m rows in random order come at least `apart`/(n·m) apart.
///
/// An order is a way over a lattice from (0, 0) to (n, m) (Hodges 1958); a place (i, j) is reached from the left or from
/// below in proportion to i and j. Chances of having been too far apart are only added, so small ones keep their digits.
fn exact_tail(n: u64, m: u64, apart: u64) -> f64 {
    if apart == 0 {
        return 1.0;
    }
    // Beyond the band of places that are near enough, the chance is 1.
    let mut chance = vec![1.0_f64; m as usize + 2];
    for i in 0..=n {
        let low = if i * m < apart { 0 } else { (i * m - apart) / n + 1 };
        let high = ((i * m + apart - 1) / n).min(m);
        if low > 0 {
            chance[low as usize - 1] = 1.0;
        }
        for j in low..=high {
            let (at, left, below) = (j as usize, i as f64, j as f64);
            let left_chance = if i == 0 { 0.0 } else { left * chance[at] };
            let below_chance = if j == 0 { 0.0 } else { below * chance[at - 1] };
            chance[at] = if i + j == 0 { 0.0 } else { (left_chance + below_chance) / (left + below) };
        }
    }
    chance[m as usize].clamp(0.0, 1.0)
}

/// Kolmogorov's limit for an effective size, with the corrections of Vrbik (2018) for finite ones.
fn limit_tail(d: f64, size: f64) -> f64 {
    let root = libm::sqrt(size);
    let plain = d * root;
    let z = plain + 1.0 / (6.0 * root) + (plain - 1.0) / (4.0 * size);
    if z <= 0.0 {
        return 1.0;
    }
    let square = |x: f64| x * x;
    let pi = std::f64::consts::PI;
    let tail = if z < 1.0 {
        let terms = (0..20).map(|k| libm::exp(-square(f64::from(2 * k + 1) * pi) / (8.0 * z * z)));
        1.0 - libm::sqrt(2.0 * pi) / z * terms.sum::<f64>()
    } else {
        let terms = (1..20).map(|k| {
            let term = 2.0 * libm::exp(-2.0 * square(f64::from(k) * z));
            if k % 2 == 1 { term } else { -term }
        });
        terms.sum()
    };
    tail.clamp(0.0, 1.0)
}

/// The Wasserstein-1 (earth mover's) distance: the area between the two distribution functions. `None` without rows on
/// either side.
pub fn wasserstein(a: &Sample, b: &Sample) -> Option<f64> {
    if a.n == 0 || b.n == 0 {
        return None;
    }
    let (mut next_a, mut next_b, mut i, mut j) = (0, 0, 0_u64, 0_u64);
    let (mut area, mut before): (f64, Option<f64>) = (0.0, None);
    loop {
        let place = match (a.values.get(next_a), b.values.get(next_b)) {
            (Some(&a), Some(&b)) => a.min(b),
            (Some(&one), None) | (None, Some(&one)) => one,
            (None, None) => return finite(area),
        };
        if let Some(before) = before {
            area += (place - before) * (i as f64 / a.n as f64 - j as f64 / b.n as f64).abs();
        }
        if a.values.get(next_a) == Some(&place) {
            i += a.rows[next_a];
            next_a += 1;
        }
        if b.values.get(next_b) == Some(&place) {
            j += b.rows[next_b];
            next_b += 1;
        }
        before = Some(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
    }

    #[test]
    fn distances_and_p_values_are_those_of_scipy() {
        let fixture: Value = serde_json::from_str(include_str!("../../fixtures/drift.json")).expect("a fixture");
        let cases = fixture["numbers"].as_array().expect("cases");
        assert!(cases.len() >= 200);
        for (at, case) in cases.iter().enumerate() {
            let [a, b] = ["a", "b"].map(|side| Sample::new(&numbers(&case[side])));
            let own = kolmogorov_smirnov(&a, &b, None).expect("both have rows");
            let reference = |key: &str| case[key].as_f64().expect("a number");
            assert!((own.d - reference("d")).abs() < 1e-12, "{at}: {} {}", own.d, reference("d"));
            let p = reference("p_exact");
            assert!((own.p - p).abs() <= 1e-9 * p.max(1e-3) && own.exact, "{at}: {} {p}", own.p);
            let near = wasserstein(&a, &b).expect("both have rows");
            assert!((near - reference("wasserstein")).abs() < 1e-9 * reference("wasserstein").max(1.0), "{at}: {near}");
            assert!((a.sd().expect("rows") - reference("sd")).abs() < 1e-9 * reference("sd").max(1.0));
        }
        let large = fixture["limits"].as_array().expect("cases");
        assert!(large.len() >= 50);
        for case in large {
            let [d, size, p] = ["d", "size", "p"].map(|key| case[key].as_f64().expect("a number"));
            let own = limit_tail(d, size);
            assert!((own - p).abs() < 2e-4, "{d} {size}: {own} {p}");
            assert!(size < 2000.0 || (own - p).abs() < 0.02 * p, "{d} {size}: {own} {p}");
        }
    }

    #[test]
    fn samples_without_rows_have_no_distance() {
        let (none, one) = (Sample::new(&[f64::NAN]), Sample::new(&[1.0]));
        assert_eq!((kolmogorov_smirnov(&none, &one, None), wasserstein(&one, &none)), (None, None));
        assert_eq!((none.mean(), none.sd(), one.sd()), (None, None, Some(0.0)));
        assert_eq!(Sample::new(&[0.0, -0.0]).values().len(), 1);
    }

    proptest! {
        #[test]
        fn equal_samples_are_not_apart_and_order_does_not_matter(
            mut a in prop::collection::vec(-9..9_i32, 1..60),
            b in prop::collection::vec(-9..9_i32, 1..60),
        ) {
            let sample = |values: &[i32]| Sample::new(&values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>());
            let (first, other) = (sample(&a), sample(&b));
            let same = kolmogorov_smirnov(&first, &first, None).expect("rows");
            prop_assert_eq!((same.d, same.p, wasserstein(&first, &first)), (0.0, 1.0, Some(0.0)));
            a.reverse();
            prop_assert_eq!(sample(&a), first.clone());
            let [there, back] = [(&first, &other), (&other, &first)].map(|(x, y)| kolmogorov_smirnov(x, y, None).expect("rows"));
            prop_assert!(there.d == back.d && (there.p - back.p).abs() < 1e-12);
            // Looking at fewer places finds no larger distance.
            let places = kolmogorov_smirnov(&first, &other, Some(first.values())).expect("rows");
            prop_assert!(places.d <= there.d && places.p >= there.p);
            prop_assert_eq!(first.binned(&[-3.0, 0.0, 4.0]).iter().sum::<u64>(), first.n());
        }
    }
}
