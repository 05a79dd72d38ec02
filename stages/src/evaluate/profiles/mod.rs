//! Who is missed, who is flagged in vain: the raw columns of false negatives beside true positives, and of false
//! positives beside true negatives, at the frozen threshold.
//!
//! A description, not a test: the columns that differ most may be named first. Nothing is fitted; a group of few
//! patients shows no statistic, and counts by level are suppressed with all that would reveal them.

mod difference;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::slices::levels::{Level, of_slice};
use super::slices::{Answers, Setting, SliceBy};
use crate::common::frame::{Column, Frame};
use crate::common::interval::quantile;
use crate::common::privacy::levels::distinct;
use crate::common::privacy::{Cell, Counts, DecisionsTold, Privacy, Sum};
use crate::common::schema::{AvailableAt, ColumnType, Schema};

/// How many columns are named as the most different.
const NAMED: usize = 5;

/// The four kinds of decision and what sets them apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// Rows of each kind.
    pub groups: BTreeMap<Group, Cell>,
    /// Raw columns known at the prediction, by name; identifiers and the outcome are left out.
    pub columns: Vec<ColumnProfile>,
    /// The columns that differ most, by absolute standardised difference.
    pub most_different: MostDifferent,
    /// Why `groups` has nulls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A kind of decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// True positives.
    Tp,
    /// False positives.
    Fp,
    /// False negatives.
    Fn,
    /// True negatives.
    Tn,
}

const GROUPS: [Group; 4] = [Group::Tp, Group::Fp, Group::Fn, Group::Tn];

/// One raw column in the four groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    /// Its name.
    pub column: String,
    /// Unit of measure, if declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it holds in each group.
    pub groups: BTreeMap<Group, GroupProfile>,
    /// Standardised differences.
    pub difference: Differences,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A column in one group: quartiles of a number, or the levels of a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum GroupProfile {
    /// Numbers.
    Number {
        /// Rows without a value.
        missing: Cell,
        /// 25 %, 50 % and 75 % quantiles (type 7); null in a group of few patients.
        quartiles: Option<[f64; 3]>,
    },
    /// Levels as in slices, rows without a value among them.
    Category(Vec<LevelShare>),
}

/// Rows of one level in one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelShare {
    /// The level.
    pub level: String,
    /// Rows.
    pub n: Cell,
    /// Their share of the group.
    pub share: Option<f64>,
}

/// Standardised differences. Of numbers: difference of means / √((s₁² + s₂²) / 2), with sign. Of categories: the
/// Mahalanobis distance of the shares (Yang and Dalton 2012), without sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differences {
    /// False negatives minus true positives: what do missed events have that found ones have not?
    pub fn_vs_tp: Option<f64>,
    /// False positives minus true negatives.
    pub fp_vs_tn: Option<f64>,
}

/// The most different columns, the most different first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MostDifferent {
    /// Between false negatives and true positives.
    pub fn_vs_tp: Vec<String>,
    /// Between false positives and true negatives.
    pub fp_vs_tn: Vec<String>,
}

/// The rows of each group, whether they are too few patients to be described, and whether their number is hidden: then
/// nothing is shown that depends on it, quartiles between two rows included.
struct Groups<'a> {
    rows: [Vec<usize>; 4],
    few: [bool; 4],
    hidden: [bool; 4],
    patient: &'a [usize],
    privacy: Privacy,
}

/// The profiles; nothing where the outcome is a number.
pub(super) fn of(setting: &Setting, schema: &Schema, raw: &Frame, slices: &[SliceBy]) -> Option<Profiles> {
    let Answers::Events { y, flagged, .. } = setting.answers else { return None };
    let mut rows: [Vec<usize>; 4] = Default::default();
    for row in 0..y.len() {
        rows[2 * usize::from(!flagged[row]) + usize::from(!y[row])].push(row);
    }
    // Flagged: with the event 0, without 1. Not flagged: with the event 2, without 3.
    let people: Vec<u64> = rows.iter().map(|rows| distinct(rows, setting.patient)).collect();
    let counts: Vec<u64> = rows.iter().map(|rows| rows.len() as u64).collect();
    // Rows, events and flagged rows are known from what is printed beside this.
    let sums = [[0, 2], [1, 3], [0, 1], [2, 3]].map(Sum::published);
    let judged = setting.privacy.suppress_rows(&counts, &people, &sums);
    let few = std::array::from_fn(|group| people[group] < setting.privacy.min_cell);
    let hidden = std::array::from_fn(|group| judged[group].is_suppressed());
    // How many there are of each is told of all rows; what they have in common is not, where they are few.
    let cells = match setting.privacy.decisions {
        DecisionsTold::Exact => counts.iter().map(|&count| Cell::Known(count)).collect(),
        DecisionsTold::Ranges => judged,
    };
    let groups = Groups { rows, few, hidden, patient: setting.patient, privacy: setting.privacy };
    let columns: Vec<ColumnProfile> = schema
        .columns
        .iter()
        .filter(|(name, column)| {
            let identity = [schema.id.as_ref(), schema.group.as_ref(), Some(&schema.target.column)];
            !identity.contains(&Some(*name))
                && column.kind != ColumnType::Text
                && column.available_at != AvailableAt::Post
        })
        .filter_map(|(name, column)| {
            let mut profile = match raw.get(name)? {
                Column::Number(values) if column.levels.is_empty() => groups.numbers(name, values),
                _ => {
                    let levels = of_slice(&SliceBy::Column(name.clone()), 0, schema, raw).ok()?;
                    groups.category(name, &levels, slices.iter().any(|slice| slice.column() == name))
                }
            };
            profile.unit.clone_from(&column.unit);
            Some(profile)
        })
        .collect();
    let most_different = MostDifferent {
        fn_vs_tp: most_different(&columns, |difference| difference.fn_vs_tp),
        fp_vs_tn: most_different(&columns, |difference| difference.fp_vs_tn),
    };
    let hidden = cells.iter().any(|cell| cell.is_suppressed());
    let reason = hidden.then(|| setting.privacy.reason());
    Some(Profiles { groups: GROUPS.into_iter().zip(cells).collect(), columns, most_different, reason })
}

/// The names of the columns that differ most; ties by name.
fn most_different(columns: &[ColumnProfile], of: impl Fn(&Differences) -> Option<f64>) -> Vec<String> {
    let mut found: Vec<(f64, &str)> =
        columns.iter().filter_map(|column| Some((of(&column.difference)?.abs(), column.column.as_str()))).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.into_iter().take(NAMED).map(|(_, name)| name.to_owned()).collect()
}

impl Groups<'_> {
    fn numbers(&self, name: &str, values: &[f64]) -> ColumnProfile {
        let parts = |present: bool| {
            self.rows
                .each_ref()
                .map(|rows| rows.iter().copied().filter(|&row| values[row].is_nan() != present).collect::<Vec<usize>>())
        };
        let (with, without) = (parts(true), parts(false));
        let cells = self.publish(&[with.clone(), without], false);
        let enough = |group: usize| {
            let people = distinct(&with[group], self.patient);
            !self.few[group] && people >= self.privacy.min_cell.max(2)
        };
        let sorted = |group: usize| {
            let mut values: Vec<f64> = with[group].iter().map(|&row| values[row]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let profile = |group: usize| GroupProfile::Number {
            missing: cells[1][group],
            quartiles: (enough(group) && !self.hidden[group])
                .then(|| sorted(group))
                .and_then(|values| Some([quantile(&values, 0.25)?, quantile(&values, 0.5)?, quantile(&values, 0.75)?])),
        };
        let difference = |one: usize, other: usize| {
            if enough(one) && enough(other) { difference::of_numbers(&sorted(one), &sorted(other)) } else { None }
        };
        let difference = Differences { fn_vs_tp: difference(2, 0), fp_vs_tn: difference(1, 3) };
        let few = |group: usize| !with[group].is_empty() && !enough(group);
        let hidden = cells[1].iter().any(|cell| cell.is_suppressed()) || (0..4).any(few) || self.hidden.contains(&true);
        self.column(name, profile, difference, hidden)
    }

    /// `sliced`: whether the rows of each level are published with the slices.
    fn category(&self, name: &str, levels: &[Level], sliced: bool) -> ColumnProfile {
        let within = |level: &Level| {
            let mut inside = std::collections::BTreeSet::new();
            inside.extend(level.rows.iter().copied());
            self.rows.each_ref().map(|rows| rows.iter().copied().filter(|row| inside.contains(row)).collect::<Vec<_>>())
        };
        let table: Vec<[Vec<usize>; 4]> = levels.iter().map(within).collect();
        let cells = self.publish(&table, sliced);
        let size = |group: usize| self.rows[group].len() as f64;
        let profile = |group: usize| {
            let share = |(level, cells): (&Level, &[Cell; 4])| LevelShare {
                level: level.name.clone(),
                n: cells[group],
                share: cells[group].known().filter(|_| size(group) > 0.0).map(|n| n as f64 / size(group)),
            };
            GroupProfile::Category(levels.iter().zip(&cells).map(share).collect())
        };
        // With the shares of one group and the difference, those of the other could be worked out.
        let open = |group: usize| cells.iter().all(|cells| !cells[group].is_suppressed());
        let full = |group: usize| open(group) && size(group) > 0.0;
        let shares = |group: usize| table.iter().map(|rows| rows[group].len() as f64 / size(group)).collect::<Vec<_>>();
        let difference = |one: usize, other: usize| {
            if full(one) && full(other) { difference::of_shares(&shares(one), &shares(other)) } else { None }
        };
        let difference = Differences { fn_vs_tp: difference(2, 0), fp_vs_tn: difference(1, 3) };
        let hidden = !(0..4).all(open);
        self.column(name, profile, difference, hidden)
    }

    fn column(
        &self,
        name: &str,
        profile: impl Fn(usize) -> GroupProfile,
        difference: Differences,
        hidden: bool,
    ) -> ColumnProfile {
        let undefined = difference.fn_vs_tp.is_none() || difference.fp_vs_tn.is_none();
        let reason = match (hidden, undefined) {
            (true, _) => Some(self.privacy.reason()),
            (false, true) => Some("a group is empty, or the column does not vary within it".to_owned()),
            (false, false) => None,
        };
        ColumnProfile {
            column: name.to_owned(),
            unit: None,
            groups: GROUPS.into_iter().enumerate().map(|(at, group)| (group, profile(at))).collect(),
            difference,
            reason,
        }
    }

    /// The published counts of a table: one row a level, one column a group. A group whose rows are hidden shows none. The
    /// rows of a group are known, those of a level when there are slices by it.
    fn publish(&self, table: &[[Vec<usize>; 4]], sliced: bool) -> Vec<[Cell; 4]> {
        let cells = || table.iter().flatten();
        let counts: Vec<u64> = cells().map(|rows| rows.len() as u64).collect();
        let people: Vec<u64> = cells().map(|rows| distinct(rows, self.patient)).collect();
        let printed: Vec<bool> = table.iter().flat_map(|_| self.hidden.map(|hidden| !hidden)).collect();
        let across = (0..table.len()).filter(|_| sliced).map(|level| Sum::published(4 * level..4 * level + 4));
        let down = (0..4).map(|group| Sum::published((0..table.len()).map(move |level| 4 * level + group)));
        let sums: Vec<Sum> = across.chain(down).collect();
        let all = Counts { counts: &counts, people: &people, printed: &printed, sums: &sums };
        let row = |cells: &[Cell]| {
            std::array::from_fn(|group| if self.hidden[group] { Cell::Suppressed } else { cells[group] })
        };
        self.privacy.judge(&all).chunks(4).map(row).collect()
    }
}
