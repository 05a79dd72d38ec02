//! The interval of an AUROC by DeLong, DeLong and Clarke-Pearson (1988), for rows that are independent.
//!
//! Above 0.95 the interval is made on the logit scale, where it cannot leave (0, 1). Rows of one patient are not
//! independent: such data get the patient bootstrap instead.

use crate::common::interval::{Estimate, normal_quantile};
use crate::common::link;
use crate::common::scores::{Ranking, class_weights};

/// From here on the plain interval tends to leave [0, 1].
const LOGIT_FROM: f64 = 0.95;

/// An AUROC with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeLong {
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Its standard error.
    pub se: f64,
}

/// AUROC and standard error from the placements of each event among the non-events and the reverse:
/// var = S₁₀/m + S₀₁/k with sample variances. `None` with fewer than two rows of either class.
pub fn delong(ranking: &Ranking, y: &[bool]) -> Option<DeLong> {
    let ones = vec![1; y.len()];
    let (events, others) = class_weights(0..y.len(), y, &ones);
    if events < 2 || others < 2 {
        return None;
    }
    let (mut events_below, mut others_below) = (0_u64, 0_u64);
    let (mut of_events, mut of_others) = (Vec::new(), Vec::new());
    for group in ranking.groups() {
        let (positive, negative) = class_weights(group.iter().copied(), y, &ones);
        let of_event = (others_below as f64 + 0.5 * negative as f64) / others as f64;
        let of_other = 1.0 - (events_below as f64 + 0.5 * positive as f64) / events as f64;
        of_events.extend(std::iter::repeat_n(of_event, positive as usize));
        of_others.extend(std::iter::repeat_n(of_other, negative as usize));
        events_below += positive;
        others_below += negative;
    }
    let (auroc, event_variance) = moments(&of_events);
    let (_, other_variance) = moments(&of_others);
    Some(DeLong { auroc, se: (event_variance / events as f64 + other_variance / others as f64).sqrt() })
}

/// Mean and sample variance; the caller gives at least two values.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0))
}

impl DeLong {
    /// AUROC ± z·SE, cut to [0, 1].
    pub fn plain(self, confidence: f64) -> (f64, f64) {
        let half = normal_quantile(confidence) * self.se;
        ((self.auroc - half).max(0.0), (self.auroc + half).min(1.0))
    }

    /// The interval on the logit scale, with the standard error by the delta method.
    pub fn logit(self, confidence: f64) -> (f64, f64) {
        let centre = link::logit(self.auroc);
        let half = normal_quantile(confidence) * self.se / (self.auroc * (1.0 - self.auroc));
        (link::sigmoid(centre - half), link::sigmoid(centre + half))
    }
}

/// The AUROC as reports give it.
pub fn estimate(ranking: &Ranking, y: &[bool], auroc: Option<f64>, confidence: f64) -> Estimate {
    let Some(value) = auroc else {
        return Estimate::undefined("the rows hold only one class");
    };
    match delong(ranking, y) {
        None => Estimate::without_interval(value, "DeLong needs two events and two non-events"),
        Some(fit) if fit.se == 0.0 => {
            Estimate::without_interval(value, "the classes do not overlap, so the standard error is 0")
        }
        Some(fit) if value > LOGIT_FROM => Estimate::new(value, fit.logit(confidence), "logit-delong"),
        Some(fit) => Estimate::new(value, fit.plain(confidence), "delong"),
    }
}
