//! How often 95 % intervals hold the true value, for benches/README.md: `coverage STUDIES RESAMPLES THREADS` simulates
//! studies from known models, evaluates each with the code of `evaluate`, and prints one JSON line a design.
//!
//! The true values are those of one very large sample of the same model.

use std::collections::BTreeMap;
use std::error::Error;

use clinpipe_stages::common::calibration::CalibrationData;
use clinpipe_stages::common::decision::Counts;
use clinpipe_stages::common::interval::{Estimate, finite};
use clinpipe_stages::common::link::{logit, sigmoid};
use clinpipe_stages::common::rng::Stream;
use clinpipe_stages::common::scores;
use clinpipe_stages::evaluate::{Metrics, Predicted};

/// Rows of the sample that gives the true values.
const TRUTH: usize = 4_000_000;

/// How patients, their risks and what the model says of them come about.
struct Design {
    name: &'static str,
    /// Rows of a study.
    n: usize,
    /// Rows of a patient, who share a part of their risk.
    rows_per_patient: usize,
    /// Mean and standard deviation of the log odds of the event.
    centre: f64,
    spread: f64,
    /// The model says intercept + slope · log odds.
    intercept: f64,
    slope: f64,
    threshold: f64,
}

const DESIGNS: [Design; 4] = [
    Design {
        name: "calibrated, 500 rows, 20 % events",
        n: 500,
        rows_per_patient: 1,
        centre: -1.7,
        spread: 1.2,
        intercept: 0.0,
        slope: 1.0,
        threshold: 0.2,
    },
    Design {
        name: "too extreme and too high, 500 rows, 30 % events",
        n: 500,
        rows_per_patient: 1,
        centre: -1.2,
        spread: 1.8,
        intercept: 0.4,
        slope: 1.4,
        threshold: 0.3,
    },
    Design {
        name: "rare, 1,000 rows, 8 % events",
        n: 1000,
        rows_per_patient: 1,
        centre: -3.2,
        spread: 1.4,
        intercept: -0.2,
        slope: 0.9,
        threshold: 0.1,
    },
    Design {
        name: "three rows a patient, 900 rows, 20 % events",
        n: 900,
        rows_per_patient: 3,
        centre: -1.7,
        spread: 1.2,
        intercept: 0.0,
        slope: 1.0,
        threshold: 0.2,
    },
];

impl Design {
    fn study(&self, stream: &mut Stream, n: usize) -> Predicted {
        let (mut y, mut p, mut patients) = (Vec::new(), Vec::new(), Vec::new());
        let mut own = 0.0;
        for row in 0..n {
            if row % self.rows_per_patient == 0 {
                own = stream.normal();
            }
            // Of one patient's rows, three quarters of the variance are shared.
            let share = if self.rows_per_patient > 1 { 0.75 } else { 1.0 };
            let risk = libm::sqrt(share) * own + libm::sqrt(1.0 - share) * stream.normal();
            let odds = self.centre + self.spread * risk;
            y.push(stream.chance(sigmoid(odds)));
            p.push(sigmoid(self.intercept + self.slope * odds));
            patients.push((row / self.rows_per_patient).to_string());
        }
        Predicted { y, p, patients }
    }

    /// The true values.
    fn truth(&self) -> BTreeMap<&'static str, f64> {
        let Predicted { y, p, .. } = self.study(&mut Stream::new(1, &format!("truth/{}", self.name)), TRUTH);
        let ones = vec![1; y.len()];
        let observed = CalibrationData::new(&y, &p).observed(&ones);
        let flagged: Vec<bool> = p.iter().map(|&p| p >= self.threshold).collect();
        let counts = Counts::of(&flagged, &y, &ones);
        let share = |part: u64, whole: u64| Some(part as f64 / whole as f64);
        let values = [
            ("AUROC", scores::auroc(&y, &p)),
            ("average precision", scores::average_precision(&y, &p)),
            ("Brier score", scores::brier(&y, &p)),
            ("log loss", scores::log_loss(&y, &p)),
            ("calibration in the large", observed.intercept()),
            ("calibration slope", observed.slope()),
            ("observed : expected", observed.ratio()),
            ("net benefit", counts.net_benefit(self.threshold)),
            ("sensitivity", share(counts.true_positive, counts.events())),
            ("PPV", share(counts.true_positive, counts.flagged())),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, finite(value?)?))).collect()
    }
}

fn estimates(metrics: &Metrics) -> [(&'static str, &Estimate); 10] {
    [
        ("AUROC", &metrics.auroc),
        ("average precision", &metrics.auprc),
        ("Brier score", &metrics.brier),
        ("log loss", &metrics.log_loss),
        ("calibration in the large", &metrics.calibration.intercept),
        ("calibration slope", &metrics.calibration.slope),
        ("observed : expected", &metrics.calibration.observed_expected),
        ("net benefit", &metrics.net_benefit),
        ("sensitivity", &metrics.at_threshold.sensitivity),
        ("PPV", &metrics.at_threshold.ppv),
    ]
}

/// For each measure of a study: below, held, above.
type Judged = Vec<(&'static str, [u32; 3])>;

/// Of one study: whether the interval is below the truth, holds it, or is above it.
fn judge(metrics: &Metrics, truth: &BTreeMap<&'static str, f64>) -> Judged {
    let side = |(name, estimate): (&'static str, &Estimate)| {
        let (low, high, value) = (estimate.low?, estimate.high?, *truth.get(name)?);
        Some((name, [u32::from(high < value), u32::from(low <= value && value <= high), u32::from(low > value)]))
    };
    estimates(metrics).into_iter().filter_map(side).collect()
}

/// Events and judgements of every study. Plain threads: `evaluate` has a pool of its own, and may not wait inside another.
fn simulate(
    design: &Design,
    truth: &BTreeMap<&'static str, f64>,
    studies: usize,
    resamples: usize,
    threads: usize,
) -> Result<Vec<(usize, Judged)>, Box<dyn Error>> {
    let one = |study: usize| -> Result<(usize, Judged), String> {
        let rows = design.study(&mut Stream::new(study as u64, &format!("study/{}", design.name)), design.n);
        let events = rows.y.iter().filter(|&&y| y).count();
        let metrics = rows.metrics(design.threshold, resamples, study as u64, 1).map_err(|error| error.to_string())?;
        Ok((events, judge(&metrics, truth)))
    };
    let parts = std::thread::scope(|scope| {
        let part = |first: usize| scope.spawn(move || (first..studies).step_by(threads).map(one).collect());
        let started: Vec<_> = (0..threads).map(part).collect();
        started.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut judged = Vec::new();
    for part in parts {
        let part: Result<Vec<_>, String> = part.map_err(|_| "a thread panicked")?;
        judged.extend(part?);
    }
    Ok(judged)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, studies, resamples, threads] = &arguments[..] else {
        return Err("usage: coverage STUDIES RESAMPLES THREADS".into());
    };
    let (studies, resamples, threads): (usize, usize, usize) = (studies.parse()?, resamples.parse()?, threads.parse()?);
    for design in &DESIGNS {
        let truth = design.truth();
        let judged = simulate(design, &truth, studies, resamples, threads.max(1))?;
        let mut sides: BTreeMap<&str, [u32; 3]> = BTreeMap::new();
        for (name, found) in judged.iter().flat_map(|(_, judged)| judged) {
            let total = sides.entry(name).or_default();
            (0..3).for_each(|side| total[side] += found[side]);
        }
        let share = |[below, held, above]: [u32; 3]| {
            let n = f64::from(below + held + above);
            serde_json::json!({"studies": n, "held": f64::from(held) / n,
                "interval_too_low": f64::from(below) / n, "interval_too_high": f64::from(above) / n})
        };
        let coverage: BTreeMap<&str, _> = sides.into_iter().map(|(name, total)| (name, share(total))).collect();
        let events = judged.iter().map(|(events, _)| events);
        let line = serde_json::json!({"design": design.name, "rows": design.n, "studies": studies,
            "resamples": resamples, "fewest_events": events.clone().min(), "truth": truth, "coverage": coverage,
            "mean_log_odds": logit(events.sum::<usize>() as f64 / (studies * design.n) as f64)});
        #[expect(clippy::print_stdout, reason = "the result")]
        {
            println!("{line}");
        }
    }
    Ok(())
}
