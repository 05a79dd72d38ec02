//! From point estimates and resamples to metrics.json.

use crate::common::calibration::{Distances, Observed};
use crate::common::decision::Counts;
use crate::common::delong;
use crate::common::interval::{Estimate, centred, finite, percentile, wilson};
use crate::common::privacy::Privacy;
use crate::common::scores::{self, Ranking};

use super::bootstrap::Clusters;
use super::document::{
    AtThreshold, Baseline, Baselines, Calibration, Difference, Evaluated, ExpectedCost, FrozenThreshold, Intervals,
    Metrics, ZTest,
};
use super::enough::{self, limited, varied};
use super::measures::{Measures, Rival, Sample, Worth};
use super::verdict;
use crate::common::calibration::CalibrationData;

/// Costs are stated per this many rows.
const PER: u32 = 1000;

/// Where the plain logistic regression stands among the rivals.
pub(super) const LOGISTIC: usize = 3;
/// What metrics.json has that is made of its confusion matrix.
const OF_LOGISTIC: [&str; 4] = [
    "baselines.logistic.difference.expected_cost",
    "baselines.logistic.difference.net_benefit",
    "baselines.logistic.expected_cost",
    "baselines.logistic.net_benefit",
];

// Why a measure can be undefined.
const NO_ROWS: &str = "there are no rows";
const NO_EVENT: &str = "there are no events";
pub(super) const ONE_CLASS: &str = "the rows hold only one class";
pub(super) const SEPARATED: &str = "the predictions separate the classes";
pub(super) const EQUAL: &str = "all predictions are equal";
pub(super) const NO_ODDS: &str = "the threshold is at or above 1, where a false positive has no finite weight";
const NO_EXPECTED: &str = "no events are expected: every prediction is 0";
const NO_VARIANCE: &str = "every prediction is 0, one half or 1";
const DEPENDENT: &str = "rows of one patient are not independent";
pub(super) const NO_COST: &str = "the study declares no cost table (tune_threshold.cost)";
pub(super) const NOTHING: &str = "nothing is flagged and nothing happened";

/// Everything the report is made of.
pub struct Evidence<'a> {
    /// `real` or `synthetic`.
    pub data: String,
    /// The chosen candidate.
    pub model: String,
    /// Which model was evaluated on which rows.
    pub evaluated: Evaluated,
    /// The frozen threshold.
    pub frozen: FrozenThreshold,
    /// The test rows.
    pub sample: &'a Sample,
    /// The patients they belong to.
    pub clusters: &'a Clusters,
    /// Measures of the rows as they are.
    pub point: &'a Measures,
    /// Measures of the resamples.
    pub resamples: &'a [Measures],
    /// Why the rows are too few for intervals and a verdict, if they are.
    pub too_few: Option<String>,
    /// Level of the intervals.
    pub confidence: f64,
    /// Which counts are too small to be published.
    pub privacy: Privacy,
}

impl Evidence<'_> {
    /// The whole report.
    pub fn metrics(&self) -> Metrics {
        let (n, events) = (self.point.counts.rows(), self.point.counts.events());
        let baselines = self.baselines();
        Metrics {
            schema_version: 2,
            data: self.data.clone(),
            model: self.model.clone(),
            evaluated: self.evaluated.clone(),
            n,
            events,
            patients: self.clusters.count() as u64,
            prevalence: events as f64 / n as f64,
            intervals: self.intervals(),
            auroc: self.auroc(),
            auprc: self.interval(NO_EVENT, |m| m.auprc),
            brier: self.interval(NO_ROWS, |m| m.model.brier),
            scaled_brier: self.interval(ONE_CLASS, |m| m.scaled_brier),
            log_loss: self.interval(NO_ROWS, |m| m.log_loss),
            calibration: self.calibration(),
            threshold: self.frozen.clone(),
            at_threshold: self.at_threshold(),
            small_cells: self.small_cells(),
            net_benefit: self.interval(NO_ODDS, |m| m.model.net_benefit),
            expected_cost: self.expected_cost(),
            verdict: verdict::judge(&baselines, self.sample.cost.is_some(), &self.model, self.withheld()),
            baselines,
        }
    }

    /// The patients of some rows, without and with the event.
    pub(super) fn people(&self, rows: &[usize]) -> [u64; 2] {
        let (with, without): (Vec<usize>, Vec<usize>) = rows.iter().partition(|&&row| self.sample.y[row]);
        [without, with].map(|rows| self.clusters.patients_of(&rows))
    }

    /// Which cells of a confusion matrix few patients are in, by the name they have in the documents.
    pub(super) fn small(&self, flagged: &[bool]) -> Vec<&'static str> {
        let rows = |flag: bool| (0..flagged.len()).filter(|&row| flagged[row] == flag).collect::<Vec<_>>();
        let ([fp, tp], [tn, missed]) = (self.people(&rows(true)), self.people(&rows(false)));
        let cells = [("fn", missed), ("fp", fp), ("tn", tn), ("tp", tp)];
        cells.into_iter().filter(|&(_, people)| self.privacy.hides(people)).map(|(name, _)| name).collect()
    }

    /// The numbers of metrics.json that tell of few patients: cells, and what is made of those of the plain logistic
    /// regression, whose cells are not in it.
    fn small_cells(&self) -> Vec<String> {
        let own = self.small(&self.sample.flagged).into_iter().map(|cell| format!("at_threshold.counts.{cell}"));
        let few = |rival: &Rival| !self.small(&rival.flagged).is_empty();
        let logistic = if self.sample.rivals.get(LOGISTIC).is_some_and(few) { &OF_LOGISTIC[..] } else { &[] };
        own.chain(logistic.iter().map(|&name| name.to_owned())).collect()
    }

    /// The percentile interval of one measure.
    pub fn interval(&self, undefined: &str, of: impl Fn(&Measures) -> f64) -> Estimate {
        varied(self.band(undefined, of))
    }

    /// The same at one point of a curve, where the band may close: below every prediction everyone is flagged.
    pub fn band(&self, undefined: &str, of: impl Fn(&Measures) -> f64) -> Estimate {
        let draws = self.resamples.iter().map(&of);
        limited(percentile(finite(of(self.point)), draws, self.confidence, undefined), self.too_few.as_ref())
    }

    fn withheld(&self) -> Option<String> {
        enough::withheld(self.too_few.as_ref(), &self.sample.p)
    }

    /// Why there is no calibration slope.
    fn no_slope(&self, varies: bool) -> &'static str {
        let counts = self.point.counts;
        match () {
            () if counts.events() == 0 || counts.events() == counts.rows() => ONE_CLASS,
            () if !varies => EQUAL,
            () => SEPARATED,
        }
    }

    pub(super) fn intervals(&self) -> Intervals {
        Intervals {
            confidence: self.confidence,
            resamples: self.resamples.len(),
            one_row_per_patient: self.clusters.single_rows(),
        }
    }

    fn calibration(&self) -> Calibration {
        let distance = |of: fn(&Distances) -> f64| {
            let resamples = self.resamples.iter().map(|m| of(&m.distances));
            let estimate = centred(finite(of(&self.point.distances)), resamples, self.confidence, NO_ROWS);
            varied(limited(estimate, self.too_few.as_ref()))
        };
        Calibration {
            intercept: self.interval(ONE_CLASS, |m| m.intercept),
            slope: self.interval(self.no_slope(self.sample.varies()), |m| m.slope),
            observed_expected: self.interval(NO_EXPECTED, |m| m.observed_expected),
            ici: distance(|d| d.ici),
            e50: distance(|d| d.e50),
            e90: distance(|d| d.e90),
            emax: distance(|d| d.emax),
            spiegelhalter: self.spiegelhalter(&self.sample.calibration.observed(&vec![1; self.sample.y.len()])),
            clipped: self.sample.calibration.clipped,
        }
    }

    /// Its distribution is known for independent rows only.
    fn spiegelhalter(&self, observed: &Observed) -> ZTest {
        if !self.clusters.single_rows() {
            return ZTest::undefined(DEPENDENT);
        }
        observed.spiegelhalter().map_or_else(|| ZTest::undefined(NO_VARIANCE), |(z, _)| ZTest::new(z))
    }

    fn auroc(&self) -> Estimate {
        let value = finite(self.point.model.auroc);
        let estimate = if self.clusters.single_rows() {
            delong::estimate(&self.sample.ranking, &self.sample.y, value, self.confidence)
        } else {
            let rarer = enough::rarer(self.clusters, &self.sample.y);
            delong::resampled(value, self.resamples.iter().map(|m| m.model.auroc), rarer, self.confidence)
        };
        varied(limited(estimate, self.too_few.as_ref()))
    }

    pub(super) fn at_threshold(&self) -> AtThreshold {
        let counts = self.point.counts;
        AtThreshold {
            n: counts.rows(),
            events: counts.events(),
            counts,
            sensitivity: self.proportion(|c| (c.true_positive, c.events()), "there are no events"),
            specificity: self.proportion(|c| (c.true_negative, c.rows() - c.events()), "there are only events"),
            ppv: self.proportion(|c| (c.true_positive, c.flagged()), "no row is flagged"),
            npv: self.proportion(|c| (c.true_negative, c.rows() - c.flagged()), "every row is flagged"),
            fbeta: self.interval(NOTHING, |m| m.fbeta),
            beta: self.sample.beta,
            flagged_per_1000: self.proportion(|c| (c.flagged(), c.rows()), "there are no rows").scaled(1000.0),
        }
    }

    /// A proportion of the confusion matrix: Wilson when rows are independent, else resampled.
    pub(super) fn proportion(&self, of: impl Fn(&Counts) -> (u64, u64), empty: &str) -> Estimate {
        let (hits, n) = of(&self.point.counts);
        let Some(ends) = wilson(hits, n, self.confidence) else {
            return Estimate::undefined(empty);
        };
        if self.clusters.single_rows() {
            return Estimate::new(hits as f64 / n as f64, ends, "wilson");
        }
        self.interval(empty, |measures| {
            let (hits, n) = of(&measures.counts);
            if n == 0 { f64::NAN } else { hits as f64 / n as f64 }
        })
    }

    fn expected_cost(&self) -> ExpectedCost {
        let cost = if self.sample.cost.is_some() {
            self.interval(NO_ROWS, |m| m.model.cost).scaled(f64::from(PER))
        } else {
            Estimate::undefined(NO_COST)
        };
        let Estimate { value, low, high, method, reason, .. } = cost;
        ExpectedCost { value, low, high, method, reason, per: PER }
    }

    fn baselines(&self) -> Baselines {
        let [flag_all, flag_none, prevalence, logistic] = std::array::from_fn(|index| self.baseline(index));
        Baselines { flag_all, flag_none, prevalence, logistic }
    }

    fn baseline(&self, index: usize) -> Baseline {
        let point = self.point.rivals.get(index).copied().unwrap_or(Worth::UNDEFINED);
        let p = self.sample.rivals.get(index).map_or(&[][..], |rival| &rival.p);
        let varies = self.sample.rivals.get(index).is_some_and(Rival::varies);
        let slope = varies.then(|| CalibrationData::new(&self.sample.y, p).slope(&vec![1; p.len()])).flatten();
        let auroc = scores::auroc(&self.sample.y, p);
        let mut missing = Vec::new();
        if auroc.is_none() {
            missing.push(format!("auroc: {ONE_CLASS}"));
        }
        if self.sample.cost.is_none() {
            missing.push(format!("expected_cost: {NO_COST}"));
        }
        if !varies {
            missing.push("calibration_slope: everyone gets the same prediction".to_owned());
        } else if slope.is_none() {
            missing.push(format!("calibration_slope: {}", self.no_slope(varies)));
        }
        if point.net_benefit.is_nan() {
            missing.push(format!("net_benefit: {NO_ODDS}"));
        }
        Baseline {
            n: self.point.counts.rows(),
            events: self.point.counts.events(),
            auroc,
            calibration_slope: slope,
            brier: finite(point.brier),
            net_benefit: finite(point.net_benefit),
            expected_cost: finite(point.cost * f64::from(PER)),
            difference: self.difference(index),
            reason: (!missing.is_empty()).then(|| missing.join("; ")),
        }
    }

    /// The model minus a rival, on the same resamples.
    pub(super) fn difference(&self, index: usize) -> Difference {
        let worth = |measures: &Measures| measures.rivals.get(index).copied().unwrap_or(Worth::UNDEFINED);
        let minus = |why: &str, of: fn(&Worth) -> f64| self.interval(why, move |m| of(&m.model) - of(&worth(m)));
        Difference {
            auroc: self.auroc_difference(index),
            brier: minus(NO_ROWS, |worth| worth.brier),
            net_benefit: minus(NO_ODDS, |worth| worth.net_benefit),
            expected_cost: minus(NO_COST, |worth| worth.cost).scaled(f64::from(PER)),
        }
    }

    /// The model's AUROC minus that of a rival: DeLong's paired test when rows are independent, else resampled.
    fn auroc_difference(&self, index: usize) -> Estimate {
        let resampled = self.interval(ONE_CLASS, |m| m.model.auroc - m.rivals.get(index).map_or(f64::NAN, |w| w.auroc));
        let (true, Some(_)) = (self.clusters.single_rows(), resampled.value) else {
            return resampled;
        };
        match self.paired(index) {
            Some(fit) => varied(limited(fit.estimate(self.confidence), self.too_few.as_ref())),
            None => Estimate { reason: Some(delong::TOO_FEW.to_owned()), ..without_ends(resampled) },
        }
    }

    /// DeLong's comparison with a rival.
    pub(super) fn paired(&self, index: usize) -> Option<delong::Paired> {
        let rival = self.sample.rivals.get(index)?;
        delong::paired(&self.sample.ranking, &Ranking::new(&rival.p), &self.sample.y)
    }
}

fn without_ends(estimate: Estimate) -> Estimate {
    Estimate { value: estimate.value, ..Estimate::default() }
}
