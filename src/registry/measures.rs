//! How two models do on the same rows: each measure of both, and their difference with an interval.
//!
//! AUROC by the paired test of DeLong where each patient has one row; everything else, and the AUROC where patients have
//! several, by resampling patients, with the same resamples for both models. A resample has a random stream of its own
//! and results keep its order, so no byte depends on the threads. A measure that the rows do not define is null with a
//! reason.

use std::collections::{BTreeMap, HashMap};

use clinpipe_stages::common::calibration::CalibrationData;
use clinpipe_stages::common::decision::Counts;
use clinpipe_stages::common::delong::{self, Paired};
use clinpipe_stages::common::gate_rules::Direction;
use clinpipe_stages::common::interval::{Estimate, finite, percentile};
use clinpipe_stages::common::rng::Stream;
use clinpipe_stages::common::scores::{Ranking, squared_errors, weighted_auroc, weighted_mean};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A measure of both models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Which way it improves.
    pub better: Direction,
    /// Of the candidate; null where the rows do not define it.
    pub candidate: Option<f64>,
    /// Of the champion; null where there is none.
    pub champion: Option<f64>,
    /// Candidate minus champion.
    pub difference: Estimate,
    /// Of no difference, where there is a test.
    pub p_value: Option<f64>,
}

/// What a model says of the rows.
pub(super) enum Answers {
    /// Calibrated probabilities and decisions.
    Events { p: Vec<f64>, flagged: Vec<bool> },
    /// Numbers.
    Numbers(Vec<f64>),
}

/// The rows, with what both models say of them.
pub(super) struct Sample<'a> {
    /// 0 and 1 for events.
    pub y: &'a [f64],
    /// The patient of each row.
    pub patients: &'a [String],
    pub candidate: &'a Answers,
    pub champion: Option<&'a Answers>,
    /// The odds by which a net benefit weighs flags without event; none for numbers.
    pub threshold: Option<f64>,
}

/// Measures of an event, in the order of their values.
const EVENTS: [(&str, Direction); 7] = [
    ("auroc", Direction::Higher),
    ("brier", Direction::Lower),
    ("ici", Direction::Lower),
    ("net_benefit", Direction::Higher),
    ("sensitivity", Direction::Higher),
    ("ppv", Direction::Higher),
    ("f1", Direction::Higher),
];
/// Measures of a number.
const NUMBERS: [(&str, Direction); 2] = [("rmse", Direction::Lower), ("mae", Direction::Lower)];

/// Every measure by its name.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Direction)> {
    EVENTS.into_iter().chain(NUMBERS)
}

const NO_CHAMPION: &str = "there is no champion to compare with";
const UNDEFINED: &str = "the rows do not define it for both models";

impl Sample<'_> {
    /// Every measure with its difference.
    pub fn measures(&self, confidence: f64, resamples: usize) -> BTreeMap<String, Measure> {
        let y: Vec<bool> = self.y.iter().map(|y| *y > 0.5).collect();
        let prepare = |answers| Prepared::new(answers, &y, self.y, self.threshold);
        let (candidate, champion) = (prepare(self.candidate), self.champion.map(prepare));
        let clusters = Clusters::new(self.patients);
        let plain = vec![1; self.y.len()];
        let point = (candidate.measure(&y, &plain), champion.as_ref().map(|model| model.measure(&y, &plain)));
        let draws: Vec<Vec<f64>> = match &champion {
            Some(champion) => clusters.resample(resamples, |weights| {
                let pair = candidate.measure(&y, weights).into_iter().zip(champion.measure(&y, weights));
                pair.map(|(candidate, champion)| candidate - champion).collect()
            }),
            None => Vec::new(),
        };
        let paired =
            champion.as_ref().filter(|_| clusters.single_rows()).and_then(|champion| candidate.paired(champion, &y));
        let names: &[(&str, Direction)] =
            if matches!(self.candidate, Answers::Events { .. }) { &EVENTS } else { &NUMBERS };
        let measure = |(at, (name, better)): (usize, &(&str, Direction))| {
            let of = |values: &[f64]| values.get(at).copied().and_then(finite);
            let (candidate, champion) = (of(&point.0), point.1.as_deref().and_then(of));
            let tested = paired.filter(|_| *name == "auroc");
            let value = candidate.zip(champion).map(|(candidate, champion)| candidate - champion);
            let difference = match (tested, &point.1) {
                (_, None) => Estimate::undefined(NO_CHAMPION),
                (Some(paired), _) => paired.estimate(confidence),
                (None, _) => percentile(value, draws.iter().map(|draw| draw[at]), confidence, UNDEFINED),
            };
            let p_value = tested.and_then(Paired::p_value);
            ((*name).to_owned(), Measure { better: *better, candidate, champion, difference, p_value })
        };
        names.iter().enumerate().map(measure).collect()
    }
}

/// A model's answers, arranged for being measured many times.
enum Prepared<'a> {
    Events { ranking: Ranking, errors: Vec<f64>, calibration: CalibrationData, flagged: &'a [bool], threshold: f64 },
    Numbers { squares: Vec<f64>, distances: Vec<f64> },
}

impl<'a> Prepared<'a> {
    fn new(answers: &'a Answers, events: &[bool], y: &[f64], threshold: Option<f64>) -> Self {
        match answers {
            Answers::Events { p, flagged } => Self::Events {
                ranking: Ranking::new(p),
                errors: squared_errors(events, p),
                calibration: CalibrationData::new(events, p),
                flagged,
                threshold: threshold.unwrap_or(f64::NAN),
            },
            Answers::Numbers(values) => {
                let errors = || values.iter().zip(y).map(|(value, y)| value - y);
                Self::Numbers {
                    squares: errors().map(|error| error * error).collect(),
                    distances: errors().map(f64::abs).collect(),
                }
            }
        }
    }

    /// The measures in the order of their names; NaN where the rows do not define one.
    fn measure(&self, y: &[bool], weights: &[u32]) -> Vec<f64> {
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        match self {
            Self::Events { ranking, errors, calibration, flagged, threshold } => {
                let counts = Counts::of(flagged, y, weights);
                let share = |part: u64, whole: u64| if whole == 0 { f64::NAN } else { part as f64 / whole as f64 };
                vec![
                    or_nan(weighted_auroc(ranking, y, weights)),
                    or_nan(weighted_mean(errors, weights)),
                    or_nan(calibration.observed(weights).smooth().ici()),
                    or_nan(counts.net_benefit(*threshold)),
                    share(counts.true_positive, counts.events()),
                    share(counts.true_positive, counts.flagged()),
                    or_nan(counts.fbeta(1.0)),
                ]
            }
            Self::Numbers { squares, distances } => {
                vec![or_nan(weighted_mean(squares, weights)).sqrt(), or_nan(weighted_mean(distances, weights))]
            }
        }
    }

    fn paired(&self, champion: &Self, y: &[bool]) -> Option<Paired> {
        match (self, champion) {
            (Self::Events { ranking, .. }, Self::Events { ranking: other, .. }) => delong::paired(ranking, other, y),
            _ => None,
        }
    }
}

/// The patient of each row as an index.
struct Clusters {
    of_row: Vec<u32>,
    count: u32,
}

impl Clusters {
    fn new(patients: &[String]) -> Self {
        let mut known: HashMap<&str, u32> = HashMap::with_capacity(patients.len());
        let of_row = patients
            .iter()
            .map(|patient| {
                let next = known.len() as u32;
                *known.entry(patient).or_insert(next)
            })
            .collect();
        Self { of_row, count: known.len() as u32 }
    }

    fn single_rows(&self) -> bool {
        self.count as usize == self.of_row.len()
    }

    /// Measures resamples of the patients, in their order.
    fn resample<T: Send>(&self, resamples: usize, measure: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
        let one = |index: usize| {
            let mut drawn = vec![0_u32; self.count as usize];
            let mut stream = Stream::new(0, &format!("registry/compare/{index}"));
            stream.draw_below(self.count, self.count as usize, |patient| drawn[patient] += 1);
            let weights: Vec<u32> = self.of_row.iter().map(|&patient| drawn[patient as usize]).collect();
            measure(&weights)
        };
        (0..resamples).into_par_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(p: &[f64], threshold: f64) -> Answers {
        Answers::Events { p: p.to_vec(), flagged: p.iter().map(|p| *p >= threshold).collect() }
    }

    fn rows(count: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>, Vec<String>) {
        let mut stream = Stream::new(7, "test");
        let score: Vec<f64> = (0..count).map(|_| stream.normal()).collect();
        let link = clinpipe_stages::common::link::sigmoid;
        let y = score.iter().map(|x| f64::from(u8::from(stream.chance(link(*x))))).collect();
        let p = score.iter().map(|x| link(*x)).collect();
        let worse = score.iter().map(|x| link(0.3 * x + stream.normal())).collect();
        (y, p, worse, (0..count).map(|row| format!("row {row}")).collect())
    }

    #[test]
    fn a_better_model_is_better_by_every_paired_measure() {
        let (y, p, worse, patients) = rows(600);
        let (candidate, champion) = (events(&p, 0.5), events(&worse, 0.5));
        let sample = Sample {
            y: &y,
            patients: &patients,
            candidate: &candidate,
            champion: Some(&champion),
            threshold: Some(0.5),
        };
        let measures = sample.measures(0.95, 200);
        let auroc = &measures["auroc"];
        assert_eq!(auroc.difference.method.as_deref(), Some("paired-delong"));
        assert!(auroc.difference.low > Some(0.0) && auroc.p_value < Some(0.001), "{auroc:?}");
        assert!(measures["brier"].difference.high < Some(0.0) && measures["ici"].difference.high < Some(0.0));
        let apart = auroc.candidate.zip(auroc.champion).map(|(candidate, champion)| candidate - champion);
        assert!(apart.zip(auroc.difference.value).is_some_and(|(apart, told)| (apart - told).abs() < 1e-12));
        // One thread gives the same bytes.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
        assert_eq!(pool.install(|| sample.measures(0.95, 200)), measures);
    }

    #[test]
    fn rows_of_one_patient_stay_together() {
        let (y, p, worse, mut patients) = rows(300);
        for row in 0..150 {
            patients[row + 150] = patients[row].clone();
        }
        let (candidate, champion) = (events(&p, 0.5), events(&worse, 0.5));
        let sample = Sample {
            y: &y,
            patients: &patients,
            candidate: &candidate,
            champion: Some(&champion),
            threshold: Some(0.5),
        };
        let measures = sample.measures(0.95, 100);
        assert_eq!(measures["auroc"].difference.method.as_deref(), Some("patient-bootstrap"));
        assert_eq!(measures["auroc"].p_value, None);
    }

    #[test]
    fn without_a_champion_or_without_events_a_reason_stands_for_the_number() {
        let (y, p, ..) = rows(50);
        let patients: Vec<String> = (0..50).map(|row| row.to_string()).collect();
        let candidate = events(&p, 0.5);
        let sample = Sample { y: &y, patients: &patients, candidate: &candidate, champion: None, threshold: Some(0.5) };
        assert_eq!(sample.measures(0.95, 10)["brier"].difference.reason.as_deref(), Some(NO_CHAMPION));
        let none = vec![0.0; 50];
        let sample = Sample {
            y: &none,
            patients: &patients,
            candidate: &candidate,
            champion: Some(&candidate),
            threshold: Some(0.5),
        };
        let measures = sample.measures(0.95, 10);
        assert_eq!(
            (measures["auroc"].candidate, measures["auroc"].difference.reason.as_deref()),
            (None, Some(UNDEFINED))
        );
        assert_eq!(measures["brier"].difference.value, Some(0.0));
    }

    #[test]
    fn numbers_are_compared_by_their_errors() {
        let (y, near, far) = ([1.0, 2.0, 3.0, 4.0], [1.1, 2.1, 2.9, 4.1], [2.0, 3.0, 2.0, 5.0]);
        let patients: Vec<String> = (0..4).map(|row| row.to_string()).collect();
        let (candidate, champion) = (Answers::Numbers(near.to_vec()), Answers::Numbers(far.to_vec()));
        let sample =
            Sample { y: &y, patients: &patients, candidate: &candidate, champion: Some(&champion), threshold: None };
        let measures = sample.measures(0.95, 50);
        assert_eq!(measures["mae"].champion, Some(1.0));
        assert!((measures["rmse"].candidate.expect("defined") - 0.1).abs() < 1e-12);
        assert!(measures["rmse"].difference.high < Some(0.0));
    }
}
