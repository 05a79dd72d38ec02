//! Scores of predicted probabilities against a binary outcome: AUROC, average precision, Brier, log loss.
//!
//! Every score takes row weights, which are whole numbers: 1 for a plain score, the number of times a row was drawn for
//! a bootstrap resample. Tied predictions count as one, so no score depends on the order of the rows. Sums run in row
//! or rank order. A score that the data do not define is `None`, never NaN.

/// The rows of a prediction vector in ascending order, tied values grouped. Sorted once, used for every resample.
#[derive(Debug, Clone)]
pub struct Ranking {
    order: Vec<usize>,
    ends: Vec<usize>,
}

impl Ranking {
    /// Ranks predictions; equal values share a group, rows of a group stay in row order.
    pub fn new(p: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..p.len()).collect();
        // Adding 0.0 turns -0.0 into 0.0, which the total order would otherwise put apart.
        order.sort_by(|&a, &b| (p[a] + 0.0).total_cmp(&(p[b] + 0.0)).then(a.cmp(&b)));
        let ends = (1..=order.len()).filter(|&end| end == order.len() || p[order[end]] != p[order[end - 1]]).collect();
        Self { order, ends }
    }

    /// All rows, ascending.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The groups of tied rows, ascending.
    pub fn groups(&self) -> impl DoubleEndedIterator<Item = &[usize]> {
        (0..self.ends.len()).map(|group| {
            let start = if group == 0 { 0 } else { self.ends[group - 1] };
            &self.order[start..self.ends[group]]
        })
    }
}

/// The summed weights of the events and of the non-events among `rows`.
pub fn class_weights(rows: impl Iterator<Item = usize>, y: &[bool], weights: &[u32]) -> (u64, u64) {
    rows.fold((0, 0), |(events, others), row| {
        let weight = u64::from(weights[row]);
        if y[row] { (events + weight, others) } else { (events, others + weight) }
    })
}

/// Area under the ROC curve: the share of (event, non-event) pairs in which the event has the higher prediction, ties
/// counting one half. Computed on integers, so it is exact up to the last division. `None` without both classes.
pub fn weighted_auroc(ranking: &Ranking, y: &[bool], weights: &[u32]) -> Option<f64> {
    let (mut events, mut below, mut twice) = (0_u64, 0_u64, 0_u64);
    for group in ranking.groups() {
        let (positive, negative) = class_weights(group.iter().copied(), y, weights);
        twice += positive * (2 * below + negative);
        below += negative;
        events += positive;
    }
    (events > 0 && below > 0).then(|| twice as f64 / (2 * events * below) as f64)
}

/// Average precision: the sum over distinct predictions of the step in recall times the precision there, as
/// scikit-learn's `average_precision_score`. `None` without events.
pub fn weighted_average_precision(ranking: &Ranking, y: &[bool], weights: &[u32]) -> Option<f64> {
    let (mut hits, mut flagged, mut sum) = (0_u64, 0_u64, 0.0);
    for group in ranking.groups().rev() {
        let (positive, negative) = class_weights(group.iter().copied(), y, weights);
        hits += positive;
        flagged += positive + negative;
        if positive > 0 {
            sum += positive as f64 * (hits as f64 / flagged as f64);
        }
    }
    (hits > 0).then(|| sum / hits as f64)
}

/// The weighted mean of per-row values; `None` when all weights are 0.
pub fn weighted_mean(values: &[f64], weights: &[u32]) -> Option<f64> {
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let sum: f64 = values.iter().zip(weights).map(|(value, &weight)| f64::from(weight) * value).sum();
    (total > 0).then(|| sum / total as f64)
}

/// Per-row squared error (p − y)².
pub fn squared_errors(y: &[bool], p: &[f64]) -> Vec<f64> {
    let square = |x: f64| x * x;
    y.iter().zip(p).map(|(&y, p)| square(p - f64::from(u8::from(y)))).collect()
}

/// Per-row log loss, in nats. Predictions are clipped to [ε, 1 − ε] with ε = 2⁻⁵², as scikit-learn's `log_loss` does.
pub fn log_losses(y: &[bool], p: &[f64]) -> Vec<f64> {
    let clip = |p: f64| p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    y.iter().zip(p).map(|(&y, &p)| if y { -libm::log(clip(p)) } else { -libm::log(1.0 - clip(p)) }).collect()
}

/// AUROC of unweighted rows.
pub fn auroc(y: &[bool], p: &[f64]) -> Option<f64> {
    weighted_auroc(&Ranking::new(p), y, &vec![1; y.len()])
}

/// Average precision of unweighted rows.
pub fn average_precision(y: &[bool], p: &[f64]) -> Option<f64> {
    weighted_average_precision(&Ranking::new(p), y, &vec![1; y.len()])
}

/// Brier score: the mean squared error of the probabilities. `None` without rows.
pub fn brier(y: &[bool], p: &[f64]) -> Option<f64> {
    weighted_mean(&squared_errors(y, p), &vec![1; y.len()])
}

/// Scaled Brier score: 1 − Brier / (ȳ(1 − ȳ)); 0 is what predicting the prevalence would score. `None` without both
/// classes.
pub fn scaled_brier(y: &[bool], p: &[f64]) -> Option<f64> {
    let events = y.iter().filter(|&&y| y).count();
    brier(y, p).and_then(|brier| scale_brier(brier, events as u64, (y.len() - events) as u64))
}

/// Scales a Brier score by the score of predicting the prevalence.
pub fn scale_brier(brier: f64, events: u64, others: u64) -> Option<f64> {
    let share = events as f64 / (events + others) as f64;
    (events > 0 && others > 0).then(|| 1.0 - brier / (share * (1.0 - share)))
}

/// Mean log loss in nats, with scikit-learn's clipping. `None` without rows.
pub fn log_loss(y: &[bool], p: &[f64]) -> Option<f64> {
    weighted_mean(&log_losses(y, p), &vec![1; y.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_and_signed_zeros_share_a_group() {
        let ranking = Ranking::new(&[0.5, 0.0, 0.5, -0.0]);
        let groups: Vec<&[usize]> = ranking.groups().collect();
        assert_eq!(groups, [&[1, 3][..], &[0, 2][..]]);
    }

    #[test]
    fn undefined_scores_are_none() {
        assert_eq!(auroc(&[true, true], &[0.1, 0.2]), None);
        assert_eq!(average_precision(&[false], &[0.1]), None);
        assert_eq!(brier(&[], &[]), None);
        assert_eq!(scaled_brier(&[false, false], &[0.1, 0.2]), None);
        assert_eq!(log_loss(&[], &[]), None);
    }

    #[test]
    fn a_certain_mistake_has_a_finite_log_loss() {
        let loss = log_loss(&[true], &[0.0]).expect("one row");
        assert!((loss - 36.043_653_389_117_15).abs() < 1e-12);
    }

    fn labelled() -> impl Strategy<Value = (Vec<bool>, Vec<f64>, Vec<u32>)> {
        (2_usize..40).prop_flat_map(|n| {
            let p = proptest::collection::vec((0_u8..12).prop_map(|level| f64::from(level) / 11.0), n);
            (proptest::collection::vec(any::<bool>(), n), p, proptest::collection::vec(0_u32..4, n))
        })
    }

    fn repeat<T: Copy>(values: &[T], weights: &[u32]) -> Vec<T> {
        values.iter().zip(weights).flat_map(|(&value, &weight)| std::iter::repeat_n(value, weight as usize)).collect()
    }

    proptest! {
        #[test]
        fn a_weight_is_a_repetition((y, p, w) in labelled()) {
            let ranking = Ranking::new(&p);
            let (long_y, long_p) = (repeat(&y, &w), repeat(&p, &w));
            prop_assert_eq!(weighted_auroc(&ranking, &y, &w), auroc(&long_y, &long_p));
            let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            prop_assert!(near(
                weighted_average_precision(&ranking, &y, &w),
                average_precision(&long_y, &long_p)
            ));
            prop_assert!(near(weighted_mean(&log_losses(&y, &p), &w), log_loss(&long_y, &long_p)));
        }

        #[test]
        fn auroc_is_its_definition_by_pairs((y, p, _) in labelled()) {
            let pairs: Vec<f64> = (0..y.len()).filter(|&i| y[i])
                .flat_map(|i| (0..y.len()).filter(|&j| !y[j]).map(move |j| (i, j)))
                .map(|(i, j)| if p[i] > p[j] { 1.0 } else if p[i] == p[j] { 0.5 } else { 0.0 })
                .collect();
            match auroc(&y, &p) {
                None => prop_assert!(pairs.is_empty()),
                Some(value) => {
                    let mean = pairs.iter().sum::<f64>() / pairs.len() as f64;
                    prop_assert!((value - mean).abs() < 1e-12);
                    let flipped: Vec<bool> = y.iter().map(|y| !y).collect();
                    prop_assert!((value + auroc(&flipped, &p).unwrap_or(f64::NAN) - 1.0).abs() < 1e-12);
                }
            }
        }
    }
}
