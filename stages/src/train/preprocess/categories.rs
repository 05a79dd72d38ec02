//! What is learned of a column of categories: its levels, which of them are rare, and which one fills gaps.

use std::collections::BTreeMap;

use crate::common::texts::Texts;
use crate::train::params::{ImputeCategory, LevelParams};

/// The levels of some rows with their counts, in name order, and the number of missing values.
#[derive(Debug)]
pub(super) struct Levels {
    counts: BTreeMap<String, usize>,
    pub missing: usize,
}

impl Levels {
    /// Counts the rows at `index`.
    pub fn count(values: &Texts, index: &[usize]) -> Self {
        let (mut counts, mut missing) = (vec![0; values.levels().len()], 0);
        for &row in index {
            match values.code(row) {
                Some(level) => counts[level] += 1,
                None => missing += 1,
            }
        }
        let counts = values.levels().iter().zip(counts).filter(|&(_, count)| count > 0);
        Self { counts: counts.map(|(text, count)| (String::from(text.as_ref()), count)).collect(), missing }
    }

    /// Lets one level stand in for missing values, which then count as its rows.
    pub fn fill(&mut self, how: ImputeCategory, constant: &str) -> Option<String> {
        let level = match how {
            ImputeCategory::None => None,
            ImputeCategory::Mode => self.mode(),
            ImputeCategory::Constant => Some(constant.to_owned()),
        };
        if let Some(level) = level.as_ref().filter(|_| self.missing > 0) {
            *self.counts.entry(level.clone()).or_default() += self.missing;
        }
        level
    }

    /// The most frequent level, the first by name of several.
    pub fn mode(&self) -> Option<String> {
        let most = self.counts.values().max()?;
        self.counts.iter().find(|(_, count)| *count == most).map(|(level, _)| level.clone())
    }

    /// All levels, sorted.
    pub fn all(&self) -> Vec<String> {
        self.counts.keys().cloned().collect()
    }

    /// The levels that keep a place of their own, sorted, and whether the others share one. The most frequent stay;
    /// of equals the first by name.
    pub fn common(&self, limits: LevelParams) -> (Vec<String>, bool) {
        let mut order: Vec<(&String, usize)> = self.counts.iter().map(|(level, &count)| (level, count)).collect();
        order.retain(|&(_, count)| count >= limits.min_count);
        // Where levels must share a column, one place is lost to it.
        let shared = order.len() < self.counts.len() || order.len() > limits.max;
        order.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        order.truncate(limits.max - usize::from(shared));
        let mut kept: Vec<String> = order.into_iter().map(|(level, _)| level.clone()).collect();
        kept.sort();
        (kept, shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(texts: &str) -> Levels {
        let values: Texts = texts.chars().map(|text| (text != '-').then(|| text.to_string())).collect();
        Levels::count(&values, &(0..values.len()).collect::<Vec<_>>())
    }

    #[test]
    fn rare_levels_give_way_to_frequent_ones() {
        let common = |max, min_count| {
            let (kept, rare) = levels("aaabbbccd").common(LevelParams { max, min_count });
            (kept.concat(), rare)
        };
        assert_eq!(common(4, 1), ("abcd".to_owned(), false));
        assert_eq!(common(3, 1), ("ab".to_owned(), true));
        assert_eq!(common(2, 1), ("a".to_owned(), true));
        assert_eq!(common(4, 2), ("abc".to_owned(), true));
        assert_eq!(common(3, 2), ("ab".to_owned(), true));
        assert_eq!(common(100, 10), (String::new(), true));
    }

    #[test]
    fn a_filled_gap_counts_as_its_level() {
        let mut gaps = levels("ba-b--a");
        assert_eq!((gaps.missing, gaps.mode().as_deref()), (3, Some("a")));
        assert_eq!(gaps.fill(ImputeCategory::None, "x"), None);
        assert_eq!(gaps.fill(ImputeCategory::Constant, "x").as_deref(), Some("x"));
        assert_eq!((gaps.all().concat(), gaps.mode().as_deref()), ("abx".to_owned(), Some("x")));
    }
}
