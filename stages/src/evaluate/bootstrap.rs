//! The patient bootstrap: patients are drawn with replacement, each with all rows.
//!
//! Every resample has its own random stream, so which thread computes it cannot matter; results are kept in the order
//! of the resamples.

use rayon::prelude::*;

use crate::common::rng::Stream;
use crate::{StageContext, StageError};

/// Resamples between two progress messages.
const CHUNK: usize = 100;

/// The patient of each row, as a dense index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    of_row: Vec<usize>,
    count: usize,
}

impl Clusters {
    /// Numbers the patients in the order in which they first appear.
    pub fn new(patients: &[String]) -> Self {
        let mut known = std::collections::BTreeMap::new();
        let of_row = patients
            .iter()
            .map(|patient| {
                let next = known.len();
                *known.entry(patient.as_str()).or_insert(next)
            })
            .collect();
        Self { of_row, count: known.len() }
    }

    /// How many patients there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether every patient has one row.
    pub fn single_rows(&self) -> bool {
        self.count == self.of_row.len()
    }

    /// How often each row is in resample `index`.
    pub fn draw(&self, seed: u64, index: usize) -> Vec<u32> {
        let mut stream = Stream::new(seed, &format!("evaluate/bootstrap/{index}"));
        let mut drawn = vec![0_u32; self.count];
        for _ in 0..self.count {
            drawn[stream.below(self.count as u64) as usize] += 1;
        }
        self.of_row.iter().map(|&cluster| drawn[cluster]).collect()
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
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(context.threads())
        .build()
        .map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
    let mut results = Vec::with_capacity(resamples);
    for start in (0..resamples).step_by(CHUNK) {
        let chunk = start..(start + CHUNK).min(resamples);
        let part: Vec<T> =
            pool.install(|| chunk.into_par_iter().map(|index| measure(&clusters.draw(seed, index))).collect());
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

    #[test]
    fn a_patient_comes_with_all_rows_or_none() {
        let clusters = clusters(&["a", "b", "a", "c", "b"]);
        assert_eq!((clusters.count(), clusters.single_rows()), (3, false));
        for index in 0..50 {
            let drawn = clusters.draw(7, index);
            assert_eq!((drawn[0], drawn[1]), (drawn[2], drawn[4]));
            assert_eq!(drawn[0] + drawn[1] + drawn[3], 3);
        }
    }

    #[test]
    fn resamples_differ_and_repeat() {
        let clusters = clusters(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(clusters.draw(1, 0), clusters.draw(1, 0));
        assert_ne!(clusters.draw(1, 0), clusters.draw(1, 1));
        assert_ne!(clusters.draw(1, 0), clusters.draw(2, 0));
    }
}
