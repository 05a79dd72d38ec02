//! How few rows still allow an interval and a verdict, for every evaluation alike.
//!
//! The bootstrap, and DeLong with it, estimate a spread from the rows themselves, and few rows hold too little of it:
//! measured coverage is in docs/evidence.md. Wilson's interval of a share does without and is always given. Values are
//! shown however few the rows are; it is conclusions that need more.

use crate::common::interval::Estimate;

use super::bootstrap::Clusters;

/// Fewest patients of whom an interval is made.
pub const PATIENTS: usize = 20;
/// Fewest patients with the event, and fewest without.
pub const OF_A_CLASS: usize = 10;

/// Why there is no interval where resampling changes nothing.
const UNVARIED: &str = "the same in every resample";

/// Why the rows of these patients are too few, if they are; `events` where the outcome is an event.
pub fn too_few(clusters: &Clusters, events: Option<&[bool]>) -> Option<String> {
    let class = |events: &[bool], event: bool| clusters.count_where(|row| events[row] == event) < OF_A_CLASS;
    if clusters.count() < PATIENTS {
        return Some(format!("fewer than {PATIENTS} patients"));
    }
    let events = events?;
    if class(events, true) {
        Some(format!("fewer than {OF_A_CLASS} patients have the event"))
    } else if class(events, false) {
        Some(format!("fewer than {OF_A_CLASS} patients are without the event"))
    } else {
        None
    }
}

/// Patients of the rarer class; one with rows of both counts for both.
pub fn rarer(clusters: &Clusters, events: &[bool]) -> usize {
    let class = |event: bool| clusters.count_where(|row| events[row] == event);
    class(true).min(class(false))
}

/// The estimate without its interval where rows are too few.
pub fn limited(estimate: Estimate, too_few: Option<&String>) -> Estimate {
    match (too_few, estimate.value) {
        (Some(reason), Some(value)) => Estimate::without_interval(value, reason.clone()),
        _ => estimate,
    }
}

/// The estimate without its interval where that has no width: no resample held anything that could change it.
pub fn varied(estimate: Estimate) -> Estimate {
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) if low >= high => Estimate::without_interval(value, UNVARIED),
        _ => estimate,
    }
}

/// Whether every row gets the same prediction, which tells no patient from another.
pub fn constant(p: &[f64]) -> bool {
    p.iter().all(|value| Some(value) == p.first())
}

/// Why no verdict is pronounced, if none is.
pub fn withheld(too_few: Option<&String>, p: &[f64]) -> Option<String> {
    let same =
        || constant(p).then(|| "every row gets the same prediction, which tells no patient from another".to_owned());
    too_few.cloned().or_else(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(n: usize, per_patient: usize) -> Clusters {
        Clusters::new(&(0..n).map(|row| (row / per_patient).to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn patients_are_counted_not_rows() {
        let y: Vec<bool> = (0..40).map(|row| row < 20).collect();
        assert_eq!(too_few(&clusters(40, 1), Some(&y)), None);
        assert_eq!(too_few(&clusters(40, 2), Some(&y)), None);
        assert_eq!(too_few(&clusters(40, 4), Some(&y)).as_deref(), Some("fewer than 20 patients"));
        let nine: Vec<bool> = (0..40).map(|row| row < 9).collect();
        let said = too_few(&clusters(40, 1), Some(&nine));
        assert_eq!(said.as_deref(), Some("fewer than 10 patients have the event"));
        let most: Vec<bool> = (0..40).map(|row| row > 8).collect();
        let said = too_few(&clusters(40, 1), Some(&most));
        assert_eq!(said.as_deref(), Some("fewer than 10 patients are without the event"));
        assert_eq!(too_few(&clusters(20, 1), None), None);
    }

    #[test]
    fn what_cannot_vary_has_no_interval() {
        let flat = varied(Estimate::new(0.5, (0.5, 0.5), "patient-bootstrap"));
        assert_eq!((flat.value, flat.low, flat.method.is_none()), (Some(0.5), None, true));
        let fine = Estimate::new(0.5, (0.4, 0.6), "patient-bootstrap");
        assert_eq!(varied(fine.clone()), fine);
        let few = limited(fine.clone(), Some(&"fewer than 20 patients".to_owned()));
        assert_eq!((few.value, few.high, few.reason.as_deref()), (Some(0.5), None, Some("fewer than 20 patients")));
        assert_eq!(limited(fine.clone(), None), fine);
        assert_eq!(withheld(None, &[0.2, 0.2]).map(|text| text.starts_with("every row")), Some(true));
        assert_eq!(withheld(None, &[0.2, 0.3]), None);
    }
}
