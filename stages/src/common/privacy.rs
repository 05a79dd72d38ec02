//! Small cells: which counts may be published, so that no table tells something about a handful of patients.
//!
//! A count from 1 to `min_cell` − 1 is suppressed, and so is every rate made of it. Where published sums would give it
//! away, further counts are suppressed with it, the smallest first. Zero may be published: it is a statement about
//! nobody. What is suppressed is null for one reason, whichever it was, because telling them apart would tell more.
//!
//! Invariants, as long as a sum holds enough to hide in: in each of them the suppressed counts are none, or at least
//! two that come to `min_cell` or more; no small count follows from the published ones by adding and subtracting, nor
//! lies in a range narrower than `min_cell`. Equal counts give equal decisions. Nothing here may round or perturb: a
//! published count is exact.

mod attack;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ParamError, ParamSet};

/// The parameter's name, for the `params` of stages.
pub const KEY: &str = "privacy";

/// `privacy` in params.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// The smallest count of patients that is published. Counts from 1 up to it are left out of reports, with the rates
    /// made of them; 0 or 1 publishes all.
    pub min_cell: u64,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { min_cell: 10 }
    }
}

/// A count as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// It is shown.
    Known(u64),
    /// It is small, or would reveal one that is.
    Suppressed,
}

impl Cell {
    /// The count, if it is shown.
    pub fn known(self) -> Option<u64> {
        match self {
            Self::Known(count) => Some(count),
            Self::Suppressed => None,
        }
    }

    /// Whether it is not shown.
    pub fn is_suppressed(self) -> bool {
        self == Self::Suppressed
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Known(count) => count.fmt(formatter),
            Self::Suppressed => formatter.write_str("suppressed"),
        }
    }
}

/// A number, or null when suppressed.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map_or(Self::Suppressed, Self::Known))
    }
}

/// Counts that add up to another count that readers may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The places of the counts that are added.
    pub parts: Vec<usize>,
    /// What they come to.
    pub total: Total,
}

/// What a [`Sum`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// It is published in any case, here or in another artifact.
    Published,
    /// It is the count at this place, which may be suppressed itself.
    Cell(usize),
}

impl Sum {
    /// Parts whose total is published in any case.
    pub fn published(parts: impl IntoIterator<Item = usize>) -> Self {
        Self { parts: parts.into_iter().collect(), total: Total::Published }
    }

    /// Parts that come to the count at `total`.
    pub fn of(total: usize, parts: impl IntoIterator<Item = usize>) -> Self {
        Self { parts: parts.into_iter().collect(), total: Total::Cell(total) }
    }

    /// All counts that it ties together, the parts with 1 and a total that is a count with −1.
    fn signed(&self) -> impl Iterator<Item = (usize, i8)> {
        let total = match self.total {
            Total::Published => None,
            Total::Cell(place) => Some((place, -1)),
        };
        self.parts.iter().map(|&place| (place, 1)).chain(total)
    }
}

impl Privacy {
    /// Reads `privacy` of the declared parameters; absent, the default holds.
    pub fn parse(params: &ParamSet) -> Result<Self, ParamError> {
        let privacy: Self = params.parse_or_default(KEY)?;
        if privacy.min_cell > 1_000_000 {
            let message = format!("{} would leave no table to show; give at most 1000000", privacy.min_cell);
            return Err(ParamError::new("privacy.min_cell", message));
        }
        Ok(privacy)
    }

    /// Whether a count is too small to be shown.
    pub fn hides(self, count: u64) -> bool {
        count > 0 && count < self.min_cell
    }

    /// A count that stands alone: no sum that holds it is published.
    pub fn cell(self, count: u64) -> Cell {
        if self.hides(count) { Cell::Suppressed } else { Cell::Known(count) }
    }

    /// Why something is null.
    pub fn reason(self) -> String {
        format!("fewer than {}, or would reveal a count that is", self.min_cell)
    }

    /// Which of `counts` are shown when readers know these sums of them. Places in `sums` must lie within `counts`.
    pub fn suppress(self, counts: &[u64], sums: &[Sum]) -> Vec<Cell> {
        self.suppress_rows(counts, counts, sums)
    }

    /// The same for counts of rows that belong to `people` patients each: it is the patients who must not be few.
    pub fn suppress_rows(self, counts: &[u64], people: &[u64], sums: &[Sum]) -> Vec<Cell> {
        self.judge(&Counts { counts, people, printed: &vec![true; counts.len()], sums })
    }

    /// Judges counts of which some are not printed whatever they are. Those are suppressed in the answer.
    pub fn judge(self, all: &Counts) -> Vec<Cell> {
        let small = all.people.iter().map(|&people| self.hides(people));
        // What is large and merely not printed needs no protection, and gives some.
        let mut state: Vec<State> = small
            .zip(all.printed)
            .map(|(small, printed)| match (small, printed) {
                (true, _) => State::Hidden,
                (false, true) => State::Shown,
                (false, false) => State::Unprinted,
            })
            .collect();
        while let Some(more) = self.to_hide(all, &state) {
            state[more] = State::Hidden;
        }
        let cell = |(&count, state): (&u64, &State)| match state {
            State::Shown => Cell::Known(count),
            State::Hidden | State::Unprinted => Cell::Suppressed,
        };
        all.counts.iter().zip(&state).map(cell).collect()
    }

    /// Counts of one group whose total is published.
    pub fn suppress_group(self, counts: &[u64]) -> Vec<Cell> {
        self.suppress(counts, &[Sum::published(0..counts.len())])
    }

    /// A table of rows of equal length; the totals of rows and columns are published.
    pub fn suppress_table(self, rows: &[Vec<u64>]) -> Vec<Vec<Cell>> {
        let width = rows.first().map_or(0, Vec::len);
        let counts: Vec<u64> = rows.iter().flatten().copied().collect();
        let across = (0..rows.len()).map(|row| Sum::published(row * width..(row + 1) * width));
        let down = (0..width).map(|column| Sum::published((0..rows.len()).map(move |row| row * width + column)));
        let cells = self.suppress(&counts, &across.chain(down).collect::<Vec<_>>());
        cells.chunks(width.max(1)).map(<[Cell]>::to_vec).collect()
    }

    /// A further count to hide, if one is needed and there is one left.
    fn to_hide(self, all: &Counts, state: &[State]) -> Option<usize> {
        let mut thin = all.sums.iter().filter(|sum| self.is_thin(sum, all, state));
        if let Some(place) = thin.find_map(|sum| nearest(sum.parts.iter().copied(), all.counts, state)) {
            return Some(place);
        }
        let around = |cell: usize| {
            let tied = all.sums.iter().filter(move |sum| sum.signed().any(|(place, _)| place == cell));
            nearest(tied.flat_map(Sum::signed).map(|(place, _)| place), all.counts, state)
        };
        attack::exposed(all, state, self.min_cell).into_iter().find_map(around)
    }

    /// Whether the hidden parts of a sum with a visible total are one alone, or few people together although the sum
    /// itself is of many.
    fn is_thin(self, sum: &Sum, all: &Counts, state: &[State]) -> bool {
        let open = match sum.total {
            Total::Published => true,
            Total::Cell(place) => state[place] == State::Shown,
        };
        let closed: Vec<usize> = sum.parts.iter().copied().filter(|&place| state[place] != State::Shown).collect();
        let people = |parts: &[usize]| parts.iter().map(|&place| all.people[place]).sum::<u64>();
        let matters = closed.iter().any(|&place| state[place] == State::Hidden);
        open && matters && (closed.len() < 2 || people(&closed) < self.min_cell.min(people(&sum.parts)))
    }
}

/// Counts that are judged together.
#[derive(Debug, Clone, Copy)]
pub struct Counts<'a> {
    /// The counts, of rows.
    pub counts: &'a [u64],
    /// The patients behind each.
    pub people: &'a [u64],
    /// Whether each is printed, if it may be.
    pub printed: &'a [bool],
    /// What readers know of their sums.
    pub sums: &'a [Sum],
}

/// What becomes of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Shown,
    /// It is small, or keeps company to one that is.
    Hidden,
    /// It is large and not printed anyway.
    Unprinted,
}

/// The smallest count that is still shown; zeros only when there is nothing else. Ties go to the first.
fn nearest(places: impl Iterator<Item = usize>, counts: &[u64], state: &[State]) -> Option<usize> {
    places.filter(|&place| state[place] == State::Shown).min_by_key(|&place| (counts[place] == 0, counts[place], place))
}

#[cfg(test)]
mod tests;
