//! Small cells: which counts may be published, so that no table tells something about a handful of patients.
//!
//! The rule. A count of 1 to `min_cell` − 1 patients is small. *Documents that are handed on* (pages, pictures, cards,
//! slices, profiles, periods, windows of drift, selective rejection, strata, external validation) hold no small count of
//! patients in a described group, and no number from which one follows with the others printed there:
//!
//! - counts that add up to something known are judged together ([`Privacy::judge`]): the small ones are suppressed, and
//!   further ones with them, the smallest first;
//! - a number made of a suppressed count is suppressed, its p-value, interval and gap with it. The AUROC of a group is a
//!   whole number over twice the product of its events and non-events: with these hidden, it and the calibration fits are
//!   told to two digits ([`Privacy::coarse`]);
//! - of the decisions in a group (right and wrong, flagged and not) all four are suppressed when one is small, with the
//!   rates made of them.
//!
//! How a model decided on *all rows* of a part describes the model and no group of people: who was missed cannot be
//! looked up by what they have in common. So its confusion matrix, curves and tenths are exact everywhere, as reporting
//! guidelines ask, and machine records name the small ones in `small_cells`. A site that must treat them as a table sets
//! `decisions: ranges`: in pages and cards every number made of them is then told as the range that a cell of 0 to
//! `min_cell` allows ([`Privacy::decisions`]), curves are coarsened ([`Privacy::unit`]), and groups of rows in
//! evaluation.json and curves.csv are joined with their neighbours until none is small ([`Privacy::joined`]).
//! Headline numbers of machine records (metrics.json, evaluation.json, threshold.json, sweep.csv) stay exact even then,
//! because gates compare them. How many rows and events a whole part has is always told: every number needs it beside it.
//!
//! Zero may be published: it is a statement about nobody. What is suppressed is null for one reason, whichever it was,
//! because telling them apart would tell more.
//!
//! Invariants, as long as a sum holds enough to hide in: in each of them the suppressed counts are none, or at least
//! two that come to `min_cell` or more; no small count follows from the published ones by adding and subtracting, nor
//! lies in a range narrower than `min_cell`. Equal counts give equal decisions. Nothing here may perturb: a published
//! count is exact.

mod attack;
pub mod decisions;
pub mod levels;

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::common::interval::Estimate;
use crate::{ParamError, ParamSet};

/// The parameter's name, for the `params` of stages.
pub const KEY: &str = "privacy";

/// Steps of coarsened numbers.
const UNITS: [f64; 16] =
    [1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001, 0.000_05, 0.000_02, 0.000_01];

/// `privacy` in params.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// The smallest count of patients that is published. Counts from 1 up to it are left out of reports, with the rates
    /// made of them; 0 or 1 publishes all.
    pub min_cell: u64,
    /// How pages tell the decisions on all rows when one of their cells is small.
    pub decisions: DecisionsTold,
}

/// How pages tell the decisions on all rows of a part when a cell of their confusion matrix is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionsTold {
    /// Exactly: they describe the model, not a group of people.
    #[default]
    Exact,
    /// As the ranges that `min_cell` allows; curves are coarsened.
    Ranges,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { min_cell: 10, decisions: DecisionsTold::Exact }
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

    /// With `decisions: ranges`, joins neighbouring pieces until no group has few patients of a class; a rest at the end joins the group before
    /// it. `people` counts the patients of each class in some of the pieces.
    pub fn joined(self, pieces: usize, people: impl Fn(Range<usize>) -> [u64; 2]) -> Vec<Range<usize>> {
        if self.decisions == DecisionsTold::Exact {
            return (0..pieces).map(|piece| piece..piece + 1).collect();
        }
        let sound = |range: Range<usize>| people(range).iter().all(|&count| !self.hides(count));
        let mut groups: Vec<Range<usize>> = Vec::new();
        let mut start = 0;
        for end in 1..=pieces {
            if sound(start..end) {
                groups.push(start..end);
                start = end;
            }
        }
        while start < pieces {
            start = groups.pop().map_or(0, |last| last.start);
            if start == 0 || sound(start..pieces) {
                groups.push(start..pieces);
                start = pieces;
            }
        }
        groups
    }

    /// The step in which a share of `rows` is told where its exact value would give a small count away: the least of
    /// [`UNITS`] that stands for `min_cell` rows.
    pub fn unit(self, rows: u64) -> f64 {
        let least = self.min_cell as f64 / rows.max(1) as f64;
        UNITS.into_iter().take_while(|&unit| unit >= least).last().unwrap_or(1.0)
    }

    /// An estimate of a group whose counts are hidden, to two digits: so that it fits every count, and is one number
    /// still. In how many resamples it was undefined would tell how few the rarer class has.
    pub fn coarse(self, estimate: Estimate) -> Estimate {
        let round = |value: f64| (100.0 * value).round() / 100.0;
        let Estimate { value, low, high, method, failed_resamples, reason } = estimate;
        let told = || format!("told to two digits: {}", self.reason());
        let reason = reason.filter(|_| failed_resamples.is_none()).or_else(|| value.map(|_| told()));
        let [value, low, high] = [value, low, high].map(|number| number.map(round));
        Estimate { value, low, high, method, failed_resamples: None, reason }
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
