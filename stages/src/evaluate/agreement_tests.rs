//! Every measure against its reference implementation on 200 random score/label sets (`fixtures/measures_random.py`):
//! ties, a handful of rows, one class, probabilities of exactly 0 and 1, all predictions equal. The table of the largest
//! differences stands in docs/evidence.md, and must be what this test finds.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use crate::common::calibration::{CalibrationData, Smooth};
use crate::common::decision::Counts;
use crate::common::delong::{Paired, delong, paired};
use crate::common::interval::{finite, wilson};
use crate::common::scores::Ranking;

use super::measures::{Measures, Sample};

#[derive(Deserialize)]
struct Fixture {
    thresholds: [f64; 3],
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    y: String,
    p: Vec<f64>,
    other: Vec<f64>,
    expected: Expected,
}

/// Null where the reference has no value.
#[derive(Deserialize)]
struct Expected {
    auroc: Option<f64>,
    average_precision: Option<f64>,
    brier: f64,
    scaled_brier: Option<f64>,
    log_loss: f64,
    #[serde(rename = "observed_expected")]
    ratio: Option<f64>,
    delong_se: Option<f64>,
    paired_z: Option<f64>,
    paired_p: Option<f64>,
    fbeta: [Option<f64>; 3],
    sensitivity: Option<f64>,
    ppv: Option<f64>,
    wilson: [f64; 2],
    net_benefit: Option<[f64; 3]>,
    net_benefit_all: Option<[f64; 3]>,
    spiegelhalter_z: Option<f64>,
    spiegelhalter_p: Option<f64>,
    intercept: Option<f64>,
    slope: Option<f64>,
    weak_intercept: Option<f64>,
    ici: Option<f64>,
    e50: Option<f64>,
    e90: Option<f64>,
    emax: Option<f64>,
}

/// Whether a measure is a formula, or the end of a search.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Closed,
    Iterative,
}

/// What the references and clinpipe said of each measure.
#[derive(Default)]
struct Table(BTreeMap<(usize, &'static str, &'static str), Found>);

#[derive(Default)]
struct Found {
    cases: usize,
    undefined: usize,
    largest: f64,
}

impl Table {
    /// One value. Where the reference has none, clinpipe must have none.
    #[track_caller]
    fn add(
        &mut self,
        (row, name, reference): (usize, &'static str, &'static str),
        kind: Kind,
        ours: Option<f64>,
        theirs: Option<f64>,
    ) {
        let found = self.0.entry((row, name, reference)).or_default();
        let (Some(ours), Some(theirs)) = (ours, theirs) else {
            assert_eq!(ours, theirs, "{name}");
            found.undefined += 1;
            return;
        };
        let difference = (ours - theirs).abs() / theirs.abs().max(1.0);
        let tolerance = if kind == Kind::Closed { 1e-9 } else { 1e-6 };
        assert!(difference <= tolerance, "{name}: {ours} is not {theirs}");
        found.cases += 1;
        found.largest = found.largest.max(difference);
    }

    fn text(&self) -> String {
        let mut text = String::from("| measure | reference | compared | no reference value | largest difference |\n");
        text.push_str("| --- | --- | --- | --- | --- |\n");
        for ((_, name, reference), Found { cases, undefined, largest }) in &self.0 {
            // Differences of rounding are of no interest.
            let bound = [1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6].into_iter().find(|bound| largest <= bound);
            let largest = bound.map_or_else(|| "above 1e-6".to_owned(), |bound| format!("below {bound:e}"));
            writeln!(text, "| {name} | {reference} | {cases} | {undefined} | {largest} |").expect("memory");
        }
        text
    }
}

/// One set with what is computed of it.
struct Set<'a> {
    p: &'a [f64],
    other: &'a [f64],
    expected: &'a Expected,
    sample: Sample,
    found: Measures,
}

impl<'a> Set<'a> {
    fn new(case: &'a Case, threshold: f64) -> Self {
        let y: Vec<bool> = case.y.chars().map(|label| label == '1').collect();
        let sample = Sample::new(y, case.p.clone(), Vec::new(), threshold, 2.0, None);
        Self { p: &case.p, other: &case.other, expected: &case.expected, found: sample.plain(), sample }
    }

    fn compare(&self, thresholds: &[f64; 3], table: &mut Table) {
        self.discrimination(table);
        self.decisions(table);
        self.net_benefit(thresholds, table);
        self.calibration(table);
    }

    fn discrimination(&self, table: &mut Table) {
        let Self { expected, found, sample, .. } = self;
        let mut add = |row, name, theirs, ours, value| table.add((row, name, theirs), Kind::Closed, ours, value);
        add(0, "AUROC", "scikit-learn `roc_auc_score`", finite(found.model.auroc), expected.auroc);
        let reference = "scikit-learn `average_precision_score`";
        add(1, "average precision", reference, finite(found.auprc), expected.average_precision);
        add(2, "Brier score", "scikit-learn `brier_score_loss`", finite(found.model.brier), Some(expected.brier));
        add(3, "scaled Brier score", "scikit-learn, numpy", finite(found.scaled_brier), expected.scaled_brier);
        add(4, "log loss", "scikit-learn `log_loss`", finite(found.log_loss), Some(expected.log_loss));
        let se = delong(&sample.ranking, &sample.y).map(|fit| fit.se);
        add(5, "DeLong standard error", "numpy, pairs written out", se, expected.delong_se);
        // Where both rank alike the reference has no value; a standard error of rounding is none either.
        let pair = paired(&sample.ranking, &Ranking::new(self.other), &sample.y).filter(|fit| fit.se > 1e-7);
        let z = pair.and_then(Paired::z);
        add(6, "paired DeLong z", "numpy, covariance written out", z, expected.paired_z);
        add(7, "paired DeLong p", "scipy `norm.sf`", pair.and_then(Paired::p_value), expected.paired_p);
    }

    fn decisions(&self, table: &mut Table) {
        let (expected, counts) = (self.expected, self.found.counts);
        let mut add = |row, name, theirs, ours, value| table.add((row, name, theirs), Kind::Closed, ours, value);
        for (beta, theirs) in [0.5, 1.0, 2.0].into_iter().zip(expected.fbeta) {
            add(8, "F-beta (0.5, 1, 2)", "scikit-learn `fbeta_score`", counts.fbeta(beta), theirs);
        }
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        add(9, "sensitivity", "numpy", share(counts.true_positive, counts.events()), expected.sensitivity);
        add(10, "PPV", "numpy", share(counts.true_positive, counts.flagged()), expected.ppv);
        let (low, high) = wilson(counts.flagged(), counts.rows(), 0.95).expect("rows");
        for (ours, theirs) in [low, high].into_iter().zip(expected.wilson) {
            add(11, "Wilson interval", "statsmodels `proportion_confint`", Some(ours), Some(theirs));
        }
    }

    /// dcurves has no value without both classes; clinpipe's then needs no reference.
    fn net_benefit(&self, thresholds: &[f64; 3], table: &mut Table) {
        let (Some(of_model), Some(of_all)) = (self.expected.net_benefit, self.expected.net_benefit_all) else {
            return;
        };
        let (y, n) = (&self.sample.y, self.sample.y.len());
        let everyone = Counts::of(&vec![true; n], y, &vec![1; n]);
        for (index, &t) in thresholds.iter().enumerate() {
            let ours = self.sample.counts_at(t).net_benefit(t);
            let mut add = |row, name, ours, theirs| table.add((row, name, "dcurves `dca`"), Kind::Closed, ours, theirs);
            add(12, "net benefit (0.1, 0.3, 0.5)", ours, Some(of_model[index]));
            add(13, "net benefit of flagging all", everyone.net_benefit(t), Some(of_all[index]));
            let grid = (t * 100.0).round() as usize - 1;
            assert!((self.found.decision[grid] - of_model[index]).abs() < 1e-9, "the decision curve at {t}");
        }
    }

    fn calibration(&self, table: &mut Table) {
        let Self { expected, found, sample, p, .. } = self;
        let ones = vec![1; sample.y.len()];
        let observed = CalibrationData::new(&sample.y, p).observed(&ones);
        let mut closed = |row, name, theirs, ours, value| table.add((row, name, theirs), Kind::Closed, ours, value);
        closed(14, "observed : expected", "numpy", finite(found.observed_expected), expected.ratio);
        let test = observed.spiegelhalter();
        closed(15, "Spiegelhalter z", "numpy", test.map(|test| test.0), expected.spiegelhalter_z);
        closed(16, "Spiegelhalter p", "scipy `norm.sf`", test.map(|test| test.1), expected.spiegelhalter_p);

        let mut search = |row, name, theirs, ours, value| table.add((row, name, theirs), Kind::Iterative, ours, value);
        let large = "scipy `brentq`, statsmodels `GLM`";
        search(17, "calibration in the large", large, finite(found.intercept), expected.intercept);
        let weak = "statsmodels `GLM`, scipy `root`";
        search(18, "calibration slope", weak, finite(found.slope), expected.slope);
        let intercept = observed.weak().map(|line| line.intercept);
        search(19, "intercept beside the slope", weak, intercept, expected.weak_intercept);
        // The reference has no value for two rows, nor where tied rows fill a neighbourhood; clinpipe has.
        let distances = Smooth::new(&sample.y, p, &ones).distances().filter(|_| expected.ici.is_some());
        let smoother = "statsmodels `lowess`, numpy `quantile`";
        search(20, "ICI", smoother, distances.map(|d| d.ici), expected.ici);
        search(21, "E50", smoother, distances.map(|d| d.e50), expected.e50);
        search(22, "E90", smoother, distances.map(|d| d.e90), expected.e90);
        search(23, "Emax", smoother, distances.map(|d| d.emax), expected.emax);
    }
}

#[test]
fn two_hundred_random_sets_agree_with_the_reference_implementations() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../fixtures/measures_random.json")).expect("the fixture parses");
    assert_eq!(fixture.cases.len(), 200);
    let mut table = Table::default();
    for case in &fixture.cases {
        Set::new(case, fixture.thresholds[1]).compare(&fixture.thresholds, &mut table);
    }
    let text = table.text();
    let page = include_str!("../../../docs/evidence.md");
    assert!(page.contains(&text), "docs/evidence.md does not have this table:\n{text}");
}
