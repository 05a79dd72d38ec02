//! Whether rows of some patients were set aside more often than those of others: that is bias, not cleaning.
//!
//! The test looks at all rows; what is published of them follows `privacy.min_cell`.

use std::collections::BTreeMap;

use super::document::{LevelCount, Selection};
use crate::common::contingency::{chi_square, fisher, smallest_expected};
use crate::common::privacy::{Privacy, Sum};
use crate::common::texts::Texts;

/// Below this expected count a cell needs the exact test.
const ENOUGH: f64 = 5.0;
/// Both are needed for a warning: a difference that is not chance, and one that matters.
const LEVEL: f64 = 0.01;
const GAP: f64 = 0.02;

/// What a row without a usable value counts as.
const MISSING: &str = "missing or unusable";

/// Rows of each level that stay and that are set aside; those without a level under `None`.
pub(super) type Counts = BTreeMap<Option<String>, [u64; 2]>;

/// Counts the levels of a column. `unusable` are the rows whose own value here set them aside, ascending: they count as
/// having none, for they would make any comparison by the column a circle.
pub(super) fn counts(labels: &Texts, aside: &[bool], unusable: &[usize]) -> Counts {
    let mut known = vec![[0_u64; 2]; labels.levels().len()];
    let mut absent = [0_u64; 2];
    let mut unusable = unusable.iter().peekable();
    for (row, (code, &aside)) in labels.codes().zip(aside).enumerate() {
        let own = unusable.next_if_eq(&&row).is_some();
        let count = code.filter(|_| !own).map_or(&mut absent, |code| &mut known[code]);
        count[usize::from(aside)] += 1;
    }
    let named = labels.levels().iter().map(|level| Some(level.to_string())).zip(known);
    named.chain([(None, absent)]).filter(|(_, [kept, aside])| kept + aside > 0).collect()
}

/// Compares the levels of a column.
pub(super) fn selection(column: &str, counts: &Counts, privacy: Privacy) -> Selection {
    // A row may be set aside for having no value here; that says nothing of a difference between values.
    let absent = counts.get(&None).copied();
    let known: Vec<(&str, [u64; 2])> =
        counts.iter().filter_map(|(level, &count)| Some((level.as_deref()?, count))).collect();
    let table: Vec<Vec<u64>> = known.iter().map(|(_, count)| count.to_vec()).collect();
    let tested = test(&table);
    let gap = gap(&table, privacy);
    let selective = tested.is_some_and(|(p, _)| p < LEVEL) && gap.is_some_and(|gap| gap > GAP);
    let all: Vec<(&str, [u64; 2])> = known.into_iter().chain(absent.map(|count| (MISSING, count))).collect();
    let levels = levels(&all, privacy);
    // A difference between shares, and its p-value, are told where the shares are: with all its digits a p-value leaves
    // few tables.
    let told = levels.iter().filter(|level| level.level != MISSING).all(|level| level.rate.is_some());
    let reason = if tested.is_none() {
        Some("there is nothing to compare: one level, or no row set aside".to_owned())
    } else if !told {
        Some(privacy.reason())
    } else {
        gap.is_none().then(|| "gap: fewer than two levels are large enough to be told".to_owned())
    };
    let shown = tested.filter(|_| told);
    Selection {
        column: column.to_owned(),
        levels,
        gap: gap.filter(|_| told),
        p_value: shown.map(|(p, _)| p),
        method: shown.map(|(_, method)| method.to_owned()),
        reason,
        selective,
    }
}

/// The sentence of a selection that needs one.
pub(super) fn warning(selection: &Selection) -> Option<String> {
    let Selection { column, gap, p_value, .. } = selection;
    let gap = match gap {
        Some(gap) => format!("{:.1}", 100.0 * gap),
        None => format!("more than {:.0}", 100.0 * GAP),
    };
    let p = match p_value {
        Some(p) if *p >= 0.0001 => format!("{p:.4}"),
        Some(_) => "< 0.0001".to_owned(),
        None => format!("< {LEVEL}"),
    };
    selection.selective.then(|| {
        format!(
            "rows are set aside unequally by {column}: the shares lie {gap} points apart (p {p}); what is learned \
             from the rest may not hold for all"
        )
    })
}

fn test(table: &[Vec<u64>]) -> Option<(f64, &'static str)> {
    if smallest_expected(table)? >= ENOUGH {
        return Some((chi_square(table)?, "chi-square"));
    }
    let filled: Vec<[u64; 2]> = table.iter().map(|row| [row[0], row[1]]).filter(|row| row[0] + row[1] > 0).collect();
    if let [first, second] = filled.as_slice() {
        return Some((fisher([*first, *second])?, "fisher"));
    }
    let sum = |side: usize| filled.iter().map(|row| row[side]).sum::<u64>();
    let all = [sum(0), sum(1)];
    let each = filled.iter().filter_map(|row| fisher([*row, [all[0] - row[0], all[1] - row[1]]]));
    let least = each.min_by(f64::total_cmp)?;
    Some(((least * filled.len() as f64).min(1.0), "fisher-bonferroni"))
}

/// Highest less lowest share set aside among levels that are large enough to be told.
fn gap(table: &[Vec<u64>], privacy: Privacy) -> Option<f64> {
    let large = table.iter().filter(|row| row[0] + row[1] >= privacy.min_cell.max(1));
    let mut shares: Vec<f64> = large.map(|row| row[1] as f64 / (row[0] + row[1]) as f64).collect();
    shares.sort_by(f64::total_cmp);
    Some(shares.last()? - shares.first()?).filter(|_| shares.len() > 1)
}

/// The levels as they may be told: passed, set aside and both of each level, and their totals, are tied together.
fn levels(all: &[(&str, [u64; 2])], privacy: Privacy) -> Vec<LevelCount> {
    let counts: Vec<u64> = all.iter().flat_map(|(_, [kept, aside])| [*kept, *aside, kept + aside]).collect();
    let of_levels = (0..all.len()).map(|level| Sum::of(3 * level + 2, [3 * level, 3 * level + 1]));
    let of_sides = (0..3).map(|side| Sum::published((0..all.len()).map(move |level| 3 * level + side)));
    let cells = privacy.suppress(&counts, &of_levels.chain(of_sides).collect::<Vec<_>>());
    let told = |(level, (name, _)): (usize, &(&str, [u64; 2]))| {
        let (aside, read) = (cells[3 * level + 1], cells[3 * level + 2]);
        let rate = aside.known().zip(read.known()).filter(|(_, read)| *read > 0);
        LevelCount {
            level: (*name).to_owned(),
            read,
            quarantined: aside,
            rate: rate.map(|(aside, read)| aside as f64 / read as f64),
            reason: match rate {
                Some(_) => None,
                None if read.known() == Some(0) => Some("no row has this level".to_owned()),
                None => Some(privacy.reason()),
            },
        }
    };
    all.iter().enumerate().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(levels: &[(&str, u64, u64)]) -> Counts {
        let (mut labels, mut aside) = (Vec::new(), Vec::new());
        for (level, kept, set_aside) in levels {
            labels.extend(vec![(!level.is_empty()).then_some(*level); (kept + set_aside) as usize]);
            aside.extend((0..kept + set_aside).map(|row| row < *set_aside));
        }
        counts(&labels.into(), &aside, &[])
    }

    fn select(levels: &[(&str, u64, u64)]) -> Selection {
        selection("sex", &rows(levels), Privacy { min_cell: 10, ..Privacy::default() })
    }

    #[test]
    fn a_row_that_its_own_value_sets_aside_has_none() {
        let labels = vec![Some("F"), Some("X"), Some("M"), None, Some("X"), Some("F")].into();
        let counts = counts(&labels, &[true, true, false, false, true, false], &[1, 4]);
        let expected = [(None, [1, 2]), (Some("F".to_owned()), [1, 1]), (Some("M".to_owned()), [1, 0])];
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_difference_needs_both_chance_and_size() {
        let apart = select(&[("F", 900, 100), ("M", 990, 20)]);
        assert!(apart.selective && apart.method.as_deref() == Some("chi-square"), "{apart:?}");
        assert!(warning(&apart).expect("selective").contains("by sex: the shares lie 8.0 points apart (p < 0.0001)"));
        // Significant, but only a point apart.
        let small = select(&[("F", 98_000, 2000), ("M", 99_000, 1000)]);
        assert!(!small.selective && small.p_value.is_some_and(|p| p < 0.01), "{small:?}");
        // Far apart, but by chance.
        let counts = rows(&[("F", 18, 2), ("M", 20, 0)]);
        let chance = selection("sex", &counts, Privacy { min_cell: 0, ..Privacy::default() });
        assert!(!chance.selective && chance.method.as_deref() == Some("fisher"), "{chance:?}");
        // A single row of a rare level would be highly significant to chi-square, which must not be asked here.
        let counts = rows(&[("F", 5000, 5), ("M", 5000, 5), ("X", 0, 1)]);
        let rare = selection("sex", &counts, Privacy { min_cell: 0, ..Privacy::default() });
        assert_eq!(rare.method.as_deref(), Some("fisher-bonferroni"));
        let rare = selection("sex", &counts, Privacy { min_cell: 10, ..Privacy::default() });
        assert!(!rare.selective && rare.method.is_none(), "one row is no gap: {rare:?}");
        let none = select(&[("F", 10, 0), ("M", 10, 0)]);
        assert!(none.p_value.is_none() && none.reason.is_some());
    }

    #[test]
    fn small_counts_are_not_told_nor_to_be_computed() {
        let told = select(&[("F", 500, 3), ("M", 400, 40), ("", 0, 12)]);
        assert!(told.selective && told.gap.is_none(), "a difference of shares that are not told: {told:?}");
        assert!(warning(&told).expect("selective").contains("more than 2 points apart (p < 0.01)"));
        assert!(told.p_value.is_none() && told.method.is_none() && told.reason.is_some());
        let level = |name: &str| told.levels.iter().find(|level| level.level == name).expect("a level");
        assert!(level("F").quarantined.is_suppressed() && level("F").rate.is_none());
        // 55 were set aside in all: with both others told, the three would follow.
        assert!(level("M").quarantined.is_suppressed() || level(MISSING).quarantined.is_suppressed());
    }

    #[test]
    fn missing_values_take_no_part_in_the_test() {
        let with = select(&[("F", 900, 100), ("M", 990, 20), ("", 0, 50)]);
        let without = select(&[("F", 900, 100), ("M", 990, 20)]);
        assert_eq!((with.p_value, with.gap), (without.p_value, without.gap));
    }
}
