//! Folds: which rows train and which are held out, for the outer folds of `split` and the inner ones of tuning.
//!
//! Two kinds. A *partition* holds every row out once and trains on all others; patients are whole. A *rolling origin*
//! holds out one period after another and trains only on what was known before it: on rows earlier by more than the
//! gap. When patients return, each also belongs to one fold, is held out there only, and never trains that fold.
//!
//! Invariants: a row is held out at most once; no row trains the fold that holds it; with the same design, rows and
//! stream the folds are the same. Nothing here reads a model or a feature.

mod rolling;
#[cfg(test)]
mod tests;
mod units;

use std::collections::BTreeMap;

pub(crate) use rolling::{Periods, distinct};
pub(crate) use units::Units;

use super::rng::Stream;

/// The part of one row in all folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The fold that holds the row out.
    pub held_in: Option<usize>,
    /// The first fold that may train on it.
    pub from: usize,
    /// The fold that must not train on it: its patient's own.
    pub apart: Option<usize>,
}

/// Folds over rows 0, 1, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    count: usize,
    places: Vec<Stored>,
}

/// A place in twelve bytes, for there is one for every row. [`NONE`] stands for no fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored {
    held_in: u32,
    from: u32,
    apart: u32,
}

/// More than any number of folds.
const NONE: u32 = u32::MAX;

impl From<Place> for Stored {
    fn from(place: Place) -> Self {
        let fold = |fold: usize| u32::try_from(fold).unwrap_or(NONE);
        Self {
            held_in: place.held_in.map_or(NONE, fold),
            from: fold(place.from),
            apart: place.apart.map_or(NONE, fold),
        }
    }
}

impl From<Stored> for Place {
    fn from(stored: Stored) -> Self {
        let fold = |fold: u32| (fold != NONE).then_some(fold as usize);
        Self { held_in: fold(stored.held_in), from: fold(stored.from).unwrap_or(usize::MAX), apart: fold(stored.apart) }
    }
}

/// Why rows cannot be folded, and what to change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FoldError {
    /// Fewer points in time than the folds need.
    #[error(
        "{folds} folds in time need as many points in time later than the first by more than the gap of {gap}; there are {late} \
         (of {distinct} in all)"
    )]
    Times {
        /// Folds asked for.
        folds: usize,
        /// The gap, in the unit of the time column.
        gap: f64,
        /// Distinct points in time before which something is known.
        late: usize,
        /// Distinct points in time.
        distinct: usize,
    },
    /// A part without rows.
    #[error("fold {fold} {} no row", if *held { "holds out" } else { "trains on" })]
    Empty {
        /// The fold, from 0.
        fold: usize,
        /// Whether it is the held-out part.
        held: bool,
    },
    /// A part in which every outcome is the same.
    #[error("the rows that fold {fold} {} all have the same outcome ({rows} rows)", if *held { "holds out" } else { "trains on" })]
    OneOutcome {
        /// The fold, from 0.
        fold: usize,
        /// Whether it is the held-out part.
        held: bool,
        /// Rows of the part.
        rows: usize,
    },
}

impl FoldError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Times { .. } => "take fewer folds, a smaller gap, or a finer time column",
            Self::Empty { held: false, .. } => "take fewer folds or a smaller gap",
            Self::Empty { held: true, .. } => "take fewer folds",
            Self::OneOutcome { .. } => "take fewer folds or a kind of split that keeps the outcome in proportion",
        }
    }
}

impl Folds {
    /// Folds from the place of each row. Folds named in a place must lie below `count`.
    pub fn new(count: usize, places: impl IntoIterator<Item = Place>) -> Self {
        Self { count, places: places.into_iter().map(Stored::from).collect() }
    }

    /// A partition: row `r` is held out in fold `fold_of[r]` and trains all others.
    pub fn partition(count: usize, fold_of: Vec<usize>) -> Self {
        let place = |fold| Place { held_in: Some(fold), from: 0, apart: Some(fold) };
        Self::new(count, fold_of.into_iter().map(place))
    }

    /// Number of folds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// The part of a row in all folds.
    pub fn place(&self, row: usize) -> Place {
        self.places[row].into()
    }

    /// The rows that a fold trains on and those it holds out, each in row order.
    pub fn parts(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        let rows = || self.places.iter().map(|&place| Place::from(place)).enumerate();
        let fit = rows().filter(|(_, place)| place.trains(fold)).map(|(row, _)| row).collect();
        let held = rows().filter(|(_, place)| place.held_in == Some(fold)).map(|(row, _)| row).collect();
        (fit, held)
    }

    /// The same parts as members of `rows`, when the folds were made of those: `rows[position]` for each position.
    pub fn parts_of(&self, fold: usize, rows: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let (fit, held) = self.parts(fold);
        let named = |part: Vec<usize>| part.into_iter().map(|position| rows[position]).collect();
        (named(fit), named(held))
    }

    /// Whether every fold has rows to train on and rows to hold out.
    pub fn check(&self) -> Result<(), FoldError> {
        for fold in 0..self.count {
            let (fit, held) = self.parts(fold);
            if let Some(held) = [(fit, false), (held, true)].iter().find(|(part, _)| part.is_empty()).map(|p| p.1) {
                return Err(FoldError::Empty { fold, held });
            }
        }
        Ok(())
    }

    /// Whether the outcomes differ in both parts of every fold, as scores of a binary outcome need.
    pub fn check_outcomes(&self, y: &[f64]) -> Result<(), FoldError> {
        self.check()?;
        for fold in 0..self.count {
            let (fit, held) = self.parts(fold);
            for (part, held) in [(fit, false), (held, true)] {
                if part.iter().all(|&row| y[row] == y[part[0]]) {
                    return Err(FoldError::OneOutcome { fold, held, rows: part.len() });
                }
            }
        }
        Ok(())
    }
}

impl Place {
    /// Whether a fold trains on the row.
    pub fn trains(self, fold: usize) -> bool {
        self.from <= fold && self.apart != Some(fold)
    }
}

/// Time in a design.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// When each row was observed, in the unit of its column.
    pub times: Vec<f64>,
    /// A row is known when more than this has passed.
    pub gap: f64,
    /// Whether patients return, so that each belongs to one fold.
    pub returning: bool,
}

/// All that decides how rows may be folded; one entry a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The patient's number.
    pub groups: Vec<usize>,
    /// The outcome's stratum, kept in proportion; a patient has the highest of its rows.
    pub strata: Vec<usize>,
    /// Given for a rolling origin, absent for a partition.
    pub time: Option<Timeline>,
}

impl Design {
    /// Folds over some of its rows: row `i` of the folds is `rows[i]` (see [`Folds::parts_of`]). Every fold of the
    /// result trains on something and holds something out.
    pub fn folds(&self, rows: &[usize], count: usize, stream: &mut Stream) -> Result<Folds, FoldError> {
        let Some(line) = &self.time else { return self.folds_by_patient(rows, count, stream) };
        let times: Vec<f64> = rows.iter().map(|&row| line.times[row]).collect();
        let own = line.returning.then(|| self.units(rows).partition(count, stream));
        let folds = Periods::new(&times, count, line.gap)?.folds(&times, own.as_deref());
        folds.check().map(|()| folds)
    }

    /// The same as a partition: patients whole, the outcome in proportion, whatever the time of their rows.
    pub fn folds_by_patient(&self, rows: &[usize], count: usize, stream: &mut Stream) -> Result<Folds, FoldError> {
        let folds = Folds::partition(count, self.units(rows).partition(count, stream));
        folds.check().map(|()| folds)
    }

    fn units(&self, rows: &[usize]) -> Units {
        let pick = |all: &[usize]| rows.iter().map(|&row| all[row]).collect::<Vec<_>>();
        Units::new(&pick(&self.groups), &pick(&self.strata))
    }
}

/// Numbers names in the order of their first appearance.
pub fn number<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let mut known = BTreeMap::new();
    let numbered = names.into_iter().map(|name| {
        let next = known.len();
        *known.entry(name).or_insert(next)
    });
    numbered.collect()
}

/// Numbers what has codes in the order of its first appearance.
pub fn number_codes(codes: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let (mut known, mut next) = (Vec::new(), 0);
    let numbered = codes.into_iter().map(|code| {
        if known.len() <= code {
            known.resize(code + 1, usize::MAX);
        }
        if known[code] == usize::MAX {
            known[code] = next;
            next += 1;
        }
        known[code]
    });
    numbered.collect()
}

/// Strata of a continuous outcome: `bins` bins of about equally many rows, equal values together. 0 = lowest.
pub fn quantile_strata(y: &[f64], bins: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..y.len()).collect();
    order.sort_by(|&a, &b| y[a].total_cmp(&y[b]));
    let mut strata = vec![0; y.len()];
    let mut first = 0;
    for (rank, &row) in order.iter().enumerate() {
        if y[row] != y[order[first]] {
            first = rank;
        }
        strata[row] = first * bins / y.len();
    }
    strata
}
