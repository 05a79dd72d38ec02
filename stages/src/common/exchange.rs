//! The exchange rates of net benefit: what a false positive weighs where rows are flagged by thresholds of their own.
//!
//! Net benefit takes the threshold probability for the opinion that one found event is worth (1 − t)/t false positives.
//! Whoever flags some patients from another threshold on holds another opinion about them, so each false positive weighs
//! the odds of the threshold of its own row: NB = TP/n − Σ t/(1 − t) over the false positives / n. With one threshold
//! that is the definition of Vickers and Elkin.

use super::decision::Counts;

/// The thresholds of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Those that occur, ascending; at least one.
    thresholds: Vec<f64>,
    /// The place of each row's; empty where there is one for all.
    of_row: Vec<usize>,
}

impl Exchange {
    /// The same threshold for every row.
    pub fn one(threshold: f64) -> Self {
        Self { thresholds: vec![threshold], of_row: Vec::new() }
    }

    /// The threshold of each row; `overall` where there are no rows.
    pub fn of_rows(rows: &[f64], overall: f64) -> Self {
        let mut thresholds = rows.to_vec();
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        match thresholds[..] {
            [] => Self::one(overall),
            [threshold] => Self::one(threshold),
            _ => {
                let place = |row: &f64| thresholds.partition_point(|threshold| threshold < row);
                Self { of_row: rows.iter().map(place).collect(), thresholds }
            }
        }
    }

    /// The threshold, where there is one for all rows.
    pub fn single(&self) -> Option<f64> {
        if self.of_row.is_empty() { self.thresholds.first().copied() } else { None }
    }

    /// Net benefit per row. `None` without rows, and where a false positive has a threshold of 1 or more: its weight is
    /// infinite. `counts` are those of all rows; slices as for [`Counts::of`].
    pub fn net_benefit(&self, counts: &Counts, flagged: &[bool], y: &[bool], weights: &[u32]) -> Option<f64> {
        if let Some(threshold) = self.single() {
            return counts.net_benefit(threshold);
        }
        let rows = counts.rows() as f64;
        let harm = self.harm(flagged, y, weights)?;
        (rows > 0.0).then(|| counts.true_positive as f64 / rows - harm / rows)
    }

    /// The mean weight of a false positive, 0 without any. `None` where it is infinite.
    pub fn mean_odds(&self, counts: &Counts, flagged: &[bool], y: &[bool]) -> Option<f64> {
        if counts.false_positive == 0 {
            return Some(0.0);
        }
        match self.single() {
            Some(threshold) => odds(threshold),
            None => Some(self.harm(flagged, y, &vec![1; y.len()])? / counts.false_positive as f64),
        }
    }

    /// What all false positives weigh together.
    fn harm(&self, flagged: &[bool], y: &[bool], weights: &[u32]) -> Option<f64> {
        let mut alarms = vec![0_u64; self.thresholds.len()];
        for (((&place, &flagged), &event), &weight) in self.of_row.iter().zip(flagged).zip(y).zip(weights) {
            alarms[place] += if flagged && !event { u64::from(weight) } else { 0 };
        }
        let harm = |(&alarms, &threshold): (&u64, &f64)| {
            if alarms == 0 { Some(0.0) } else { odds(threshold).map(|odds| alarms as f64 * odds) }
        };
        alarms.iter().zip(&self.thresholds).map(harm).sum()
    }
}

fn odds(threshold: f64) -> Option<f64> {
    (threshold < 1.0).then(|| threshold / (1.0 - threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    const Y: [bool; 6] = [true, false, false, true, false, false];
    const P: [f64; 6] = [0.9, 0.6, 0.2, 0.3, 0.3, 0.1];

    fn worth(thresholds: &[f64], flagged: &[bool]) -> Option<f64> {
        let weights = [1; 6];
        let counts = Counts::of(flagged, &Y, &weights);
        Exchange::of_rows(thresholds, 0.5).net_benefit(&counts, flagged, &Y, &weights)
    }

    fn reached(thresholds: &[f64]) -> Vec<bool> {
        P.iter().zip(thresholds).map(|(p, threshold)| p >= threshold).collect()
    }

    #[test]
    fn one_threshold_is_the_definition_of_net_benefit() {
        let flagged = reached(&[0.25; 6]);
        let counts = Counts::of(&flagged, &Y, &[1; 6]);
        assert_eq!(worth(&[0.25; 6], &flagged), counts.net_benefit(0.25));
        assert_eq!(Exchange::of_rows(&[], 0.3).single(), Some(0.3));
    }

    /// By hand: 2 of 6 rows are found, with one false positive at ½ (weight 1) and one at ¼ (weight ⅓).
    #[test]
    fn a_false_positive_weighs_the_odds_of_its_own_threshold() {
        let thresholds = [0.5, 0.5, 0.5, 0.25, 0.25, 0.25];
        let own = worth(&thresholds, &reached(&thresholds)).expect("finite");
        assert!((own - (2.0 - 1.0 - 1.0 / 3.0) / 6.0).abs() < 1e-15, "{own}");
        let counts = Counts::of(&reached(&thresholds), &Y, &[1; 6]);
        let odds = Exchange::of_rows(&thresholds, 0.5).mean_odds(&counts, &reached(&thresholds), &Y).expect("finite");
        assert!((odds - 2.0 / 3.0).abs() < 1e-15, "{odds}");
    }

    #[test]
    fn a_threshold_of_one_flags_nobody_or_weighs_without_bound() {
        let thresholds = [0.5, 0.5, 0.5, 1.1, 1.1, 1.1];
        assert!(worth(&thresholds, &reached(&thresholds)).is_some());
        assert_eq!(worth(&thresholds, &[true; 6]), None);
    }
}
