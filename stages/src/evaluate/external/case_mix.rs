//! How new patients differ from those a model knows: the spread of their predicted risks, and features out of range.
//!
//! A lower AUROC on new data may come from a worse model or from patients who are more alike; the spread of the linear
//! predictor tells the two apart (Debray et al. 2015).

use std::collections::{BTreeMap, BTreeSet};

use super::document::{CaseMix, FeatureShift, Spread};
use crate::bundle::{Bundle, Profile};
use crate::common::frame::{Column, Frame};
use crate::common::interval::quantile;
use crate::common::link::clipped_logit;
use crate::common::privacy::{Cell, Privacy, Sum};

/// The spread of the log odds of probabilities; the caller gives at least one.
pub(super) fn log_odds(p: &[f64]) -> Spread {
    spread(p.iter().map(|&p| clipped_logit(p)).collect())
}

/// The spread of values; the caller gives at least one.
pub(super) fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let quantiles = [0.05, 0.25, 0.5, 0.75, 0.95].map(|q| quantile(&values, q).unwrap_or_default());
    Spread { n: values.len() as u64, mean, sd: libm::sqrt(square / n), quantiles }
}

/// The case mix of rows with these predictions and features.
pub(super) fn case_mix(
    bundle: &Bundle,
    linear_predictor: Spread,
    features: &Frame,
    development: Option<Spread>,
    privacy: Privacy,
) -> CaseMix {
    let reference = bundle.reference();
    let shift = |(name, profile): (&String, &Profile)| {
        let column = features.get(name)?;
        Some((name.clone(), shift(column, profile, reference.n, privacy)))
    };
    let absent = "bind `training` and `training_split` to the development table and its split";
    CaseMix {
        linear_predictor,
        reason: development.is_none().then(|| absent.to_owned()),
        development,
        features: reference.features.iter().filter_map(shift).collect::<BTreeMap<_, _>>(),
    }
}

fn shift(column: &Column, profile: &Profile, training: usize, privacy: Privacy) -> FeatureShift {
    let (mut outside, mut missing) = (0_u64, 0_u64);
    let mut new_levels = BTreeSet::new();
    let known_missing = match (column, profile) {
        (Column::Number(values), Profile::Number { missing: before, min, max, .. }) => {
            for value in values {
                let beyond = min.is_some_and(|min| *value < min) || max.is_some_and(|max| *value > max);
                missing += u64::from(value.is_nan());
                outside += u64::from(beyond);
            }
            *before
        }
        (Column::Text(values), Profile::Category { missing: before, counts }) => {
            for value in values {
                match value {
                    None => missing += 1,
                    Some(level) if !counts.contains_key(level) => {
                        outside += 1;
                        new_levels.insert(level.to_owned());
                    }
                    Some(_) => {}
                }
            }
            *before
        }
        // The features were made by the bundle's own specification: their kinds are those of its profile.
        _ => 0,
    };
    let n = column.len() as u64;
    let counts = [outside, missing, n - outside - missing];
    let cells = privacy.suppress(&counts, &[Sum::published(0..3)]);
    let share = |cell: Cell, of: u64| cell.known().filter(|_| of > 0).map(|count| count as f64 / of as f64);
    let open = !cells[1].is_suppressed();
    let hidden = cells[0].is_suppressed() || !open;
    FeatureShift {
        outside: cells[0],
        outside_share: if open { share(cells[0], n - missing) } else { None },
        new_levels: new_levels.into_iter().collect(),
        missing: cells[1],
        missing_share: share(cells[1], n),
        training_missing_share: (training > 0).then(|| known_missing as f64 / training as f64),
        reason: hidden.then(|| privacy.reason()).or_else(|| (n == missing).then(|| "no row has a value".to_owned())),
    }
}
