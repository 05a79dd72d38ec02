//! What cohorts share: the table of texts that becomes a CSV file, and draws that several of them need.

use std::path::Path;

use crate::StageError;
use crate::common::csv_file;
use crate::common::rng::Stream;

/// A raw table before it is written: texts as they will stand in the file.
#[derive(Debug, Clone)]
pub(super) struct Cohort {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Cohort {
    /// An empty cohort with these columns.
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has one text per column.
    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// One column, for tests.
    #[cfg(test)]
    pub fn column(&self, name: &str) -> Vec<&str> {
        let index = self.header.iter().position(|column| *column == name).expect("a column of the cohort");
        self.rows.iter().map(|row| row[index].as_str()).collect()
    }

    /// Writes the cohort as CSV with a header and `\n` line ends.
    pub fn write(&self, path: &Path) -> Result<(), StageError> {
        csv_file::write(path, &self.header, self.rows.iter())
    }
}

/// One of `options`, each with its weight; weights need not add up to 1.
pub(super) fn choose<'a>(stream: &mut Stream, options: &[(&'a str, f64)]) -> &'a str {
    let total: f64 = options.iter().map(|(_, weight)| weight).sum();
    let mut draw = stream.uniform() * total;
    for (option, weight) in options {
        if draw < *weight {
            return option;
        }
        draw -= weight;
    }
    options.last().map_or("", |(option, _)| option)
}

/// Which `count` rows have the event when row i's log-odds are `logits[i]`: those with the largest logit plus standard
/// logistic noise. It is a logistic model given its total, so prevalence is exact whatever the seed.
pub(super) fn exactly(stream: &mut Stream, logits: &[f64], count: usize) -> Vec<bool> {
    let mut ranked: Vec<(f64, usize)> = logits
        .iter()
        .enumerate()
        .map(|(row, logit)| {
            let u = stream.uniform().max(f64::EPSILON);
            (logit + libm::log(u / (1.0 - u).max(f64::EPSILON)), row)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen = vec![false; logits.len()];
    for (_, row) in ranked.into_iter().take(count) {
        chosen[row] = true;
    }
    chosen
}

/// A share as a parameter: within [0, 1].
pub(super) fn check_share(key: &'static str, share: f64) -> Result<(), (&'static str, String)> {
    if (0.0..=1.0).contains(&share) { Ok(()) } else { Err((key, format!("{share} is not a share between 0 and 1"))) }
}

/// The number of rows as a parameter.
pub(super) fn check_rows(n: usize) -> Result<(), (&'static str, String)> {
    let most = 10_000_000;
    if (1..=most).contains(&n) { Ok(()) } else { Err(("n", format!("{n} is not between 1 and {most}"))) }
}

/// A standard deviation as a parameter: finite, not negative.
pub(super) fn check_deviation(key: &'static str, value: f64) -> Result<(), (&'static str, String)> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err((key, format!("{value} is not a standard deviation"))) }
}
