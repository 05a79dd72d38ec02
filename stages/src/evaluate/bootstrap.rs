//! The patient bootstrap: patients are drawn with replacement, each with all rows.
//!
//! Every resample has its own random stream, so which thread computes it cannot matter; results are kept in the order
//! of the resamples. Each thread draws into buffers of its own that it uses again, because a resample of a large table
//! is shorter than what it takes to get fresh memory for it.

use rayon::prelude::*;

use crate::common::rng::Stream;
use crate::{StageContext, StageError};

/// Resamples between two progress messages.
const CHUNK: usize = 100;

/// The patient of each row, as a dense index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    of_row: Vec<u32>,
    count: u32,
}

/// How often each patient and each row were drawn.
#[derive(Debug, Default)]
struct Draw {
    /// A count above 255 has a probability below 10⁻⁵⁰⁰ for any number of patients that allows it; it would stay 255.
    patients: Vec<u8>,
    rows: Vec<u32>,
}

impl Clusters {
    /// Numbers the patients in the order in which they first appear.
    pub fn new(patients: &[String]) -> Self {
        let mut known = std::collections::HashMap::with_capacity(patients.len());
        let mut count = 0;
        let of_row = patients
            .iter()
            .map(|patient| {
                *known.entry(patient.as_str()).or_insert_with(|| {
                    count += 1;
                    count - 1
                })
            })
            .collect();
        Self { of_row, count }
    }

    /// How many patients there are.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// How many patients have a row of a kind.
    pub fn count_where(&self, row: impl Fn(usize) -> bool) -> usize {
        let mut known = vec![false; self.count()];
        let rows = self.of_row.iter().enumerate().filter(|(at, _)| row(*at));
        rows.for_each(|(_, &patient)| known[patient as usize] = true);
        known.into_iter().filter(|known| *known).count()
    }

    /// How many patients these rows belong to.
    pub fn patients_of(&self, rows: &[usize]) -> u64 {
        let patients: std::collections::BTreeSet<u32> = rows.iter().map(|&row| self.of_row[row]).collect();
        patients.len() as u64
    }

    /// Whether every patient has one row.
    pub fn single_rows(&self) -> bool {
        self.count() == self.of_row.len()
    }

    /// Counts how often each row is in resample `index`.
    fn draw_into(&self, seed: u64, index: usize, draw: &mut Draw) {
        let Draw { patients, rows } = draw;
        patients.clear();
        patients.resize(self.count(), 0);
        let mut stream = Stream::new(seed, &format!("evaluate/bootstrap/{index}"));
        stream.draw_below(self.count, self.count(), |patient| patients[patient] = patients[patient].saturating_add(1));
        rows.clear();
        if self.single_rows() {
            // Patients are numbered as their rows are.
            rows.extend(patients.iter().map(|&times| u32::from(times)));
        } else {
            rows.extend(self.of_row.iter().map(|&patient| u32::from(patients[patient as usize])));
        }
    }
}

/// Measures `resamples` resamples on `context`'s threads, telling how many are done.
pub fn resample<T: Send>(
    context: &StageContext,
    clusters: &Clusters,
    seed: u64,
    resamples: usize,
    measure: impl Fn(&[u32]) -> T + Sync,
) -> Result<Vec<T>, StageError> {
    resample_with(context, clusters, seed, resamples, || (), |(), weights| measure(weights))
}

/// The same with a buffer for each thread, whose content must not matter.
pub fn resample_with<S, T: Send>(
    context: &StageContext,
    clusters: &Clusters,
    seed: u64,
    resamples: usize,
    buffer: impl Fn() -> S + Sync + Send,
    measure: impl Fn(&mut S, &[u32]) -> T + Sync,
) -> Result<Vec<T>, StageError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(context.threads())
        .build()
        .map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
    let mut results = Vec::with_capacity(resamples);
    for start in (0..resamples).step_by(CHUNK) {
        let chunk = (start..(start + CHUNK).min(resamples)).into_par_iter();
        let fresh = || (Draw::default(), buffer());
        let one = |(draw, buffer): &mut (Draw, S), index| {
            clusters.draw_into(seed, index, draw);
            measure(buffer, &draw.rows)
        };
        let part: Vec<T> = pool.install(|| chunk.map_init(fresh, one).collect());
        results.extend(part);
        context.progress(results.len() as u64, Some(resamples as u64), "resamples", "resampling patients");
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(patients: &[&str]) -> Clusters {
        Clusters::new(&patients.iter().map(|&patient| patient.to_owned()).collect::<Vec<_>>())
    }

    fn rows(n: usize) -> Clusters {
        Clusters::new(&(0..n).map(|row| row.to_string()).collect::<Vec<_>>())
    }

    fn draw(clusters: &Clusters, seed: u64, index: usize) -> Vec<u32> {
        let mut draw = Draw::default();
        clusters.draw_into(seed, index, &mut draw);
        draw.rows
    }

    #[test]
    fn a_patient_comes_with_all_rows_or_none() {
        let clusters = clusters(&["a", "b", "a", "c", "b"]);
        assert_eq!((clusters.count(), clusters.single_rows()), (3, false));
        for index in 0..50 {
            let drawn = draw(&clusters, 7, index);
            assert_eq!((drawn[0], drawn[1]), (drawn[2], drawn[4]));
            assert_eq!(drawn[0] + drawn[1] + drawn[3], 3);
        }
    }

    #[test]
    fn resamples_differ_and_repeat() {
        let clusters = clusters(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(draw(&clusters, 1, 0), draw(&clusters, 1, 0));
        assert_ne!(draw(&clusters, 1, 0), draw(&clusters, 1, 1));
        assert_ne!(draw(&clusters, 1, 0), draw(&clusters, 2, 0));
        assert_eq!(clusters, rows(8));
    }

    /// Each of n draws falls on a row with probability 1/n: counts have mean 1 and variance 1 − 1/n.
    #[test]
    fn counts_are_those_of_a_bootstrap() {
        let clusters = rows(50);
        let drawn: Vec<u32> = (0..2000).flat_map(|index| draw(&clusters, 5, index)).collect();
        let n = drawn.len() as f64;
        let squares: f64 = drawn.iter().map(|&count| f64::from(count) * f64::from(count)).sum();
        assert_eq!(drawn.iter().sum::<u32>(), 100_000);
        assert!((squares / n - 1.0 - 0.98).abs() < 0.03, "{}", squares / n - 1.0);
    }
}
