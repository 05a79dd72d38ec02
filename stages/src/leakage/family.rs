//! From what the checks measured to what is a finding: one family of tests, Holm's procedure, and a bound on strength.
//!
//! A test is a finding when its effect reaches its bound *and* chance alone would hardly give it, at a level that all
//! tests of the study share. Either alone would not do: in a large table everything is significant, and in a small one
//! strong effects are often chance. Counts that cannot be chance (a patient on both sides) need no test.

use super::report::{Check, CheckRecord, Finding, Measure, Tested};

/// Something measured.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub subject: String,
    pub measure: Measure,
    pub effect: f64,
    pub interval: Option<[f64; 2]>,
    pub bound: f64,
    pub p_value: Option<f64>,
    pub expected: Option<f64>,
    /// What a finding would mean.
    pub text: String,
    /// Rows that would show it.
    pub examples: Vec<i64>,
    /// Whether it is only ever a warning.
    pub warning: bool,
}

impl Probe {
    /// A count that must be zero.
    pub fn count(subject: &str, measure: Measure, count: usize, text: String) -> Self {
        Self {
            subject: subject.to_owned(),
            measure,
            effect: count as f64,
            interval: None,
            bound: 1.0,
            p_value: None,
            expected: None,
            text,
            examples: Vec::new(),
            warning: false,
        }
    }

    /// Adds rows that show it.
    pub fn shown_by(mut self, examples: Vec<i64>) -> Self {
        self.examples = examples;
        self
    }
}

/// What one check measured.
#[derive(Debug, Clone)]
pub(super) struct Examined {
    pub check: Check,
    /// What there was to look at.
    pub subjects: usize,
    /// What could be looked at.
    pub tested: usize,
    pub probes: Vec<Probe>,
    pub reason: Option<String>,
}

impl Examined {
    /// A check of all its subjects.
    pub fn new(check: Check, subjects: usize, probes: Vec<Probe>) -> Self {
        Self { check, subjects, tested: subjects, probes, reason: None }
    }

    /// A check that could not look at anything.
    pub fn skipped(check: Check, subjects: usize, reason: impl Into<String>) -> Self {
        Self { check, subjects, tested: 0, probes: Vec::new(), reason: Some(reason.into()) }
    }
}

/// The records of all checks, the findings and the warnings.
pub(super) fn judge(examined: &[Examined], level: f64) -> (Vec<CheckRecord>, Vec<Finding>, Vec<Finding>) {
    let all: Vec<f64> = examined.iter().flat_map(|check| &check.probes).filter_map(|probe| probe.p_value).collect();
    let mut adjusted = holm(&all).into_iter();
    let (mut records, mut findings, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for check in examined {
        for probe in &check.probes {
            let p_value = if probe.p_value.is_some() { adjusted.next() } else { None };
            if probe.effect < probe.bound || p_value.is_some_and(|p| p > level) {
                continue;
            }
            let list = if probe.warning { &mut warnings } else { &mut findings };
            add(list, check.check, probe, p_value);
        }
        let tests: Vec<Tested> = check.probes.iter().map(tested).collect();
        let has_test = check.probes.iter().any(|probe| probe.p_value.is_some());
        records.push(CheckRecord {
            check: check.check,
            subjects: check.subjects,
            tested: check.tested,
            level: has_test.then_some(level),
            tests,
            reason: check.reason.clone(),
        });
    }
    (records, findings, warnings)
}

/// Several measures of one subject make one finding: the strongest beyond its bound.
fn add(list: &mut Vec<Finding>, check: Check, probe: &Probe, p_value: Option<f64>) {
    let mut example_row_ids = probe.examples.clone();
    example_row_ids.sort_unstable();
    let finding = Finding {
        check,
        subject: probe.subject.clone(),
        measure: probe.measure,
        effect: probe.effect,
        bound: probe.bound,
        p_value,
        example_row_ids,
        text: probe.text.clone(),
        waived: None,
    };
    match list.iter_mut().find(|other| other.check == check && other.subject == probe.subject) {
        Some(other) if other.effect - other.bound < finding.effect - finding.bound => *other = finding,
        Some(_) => {}
        None => list.push(finding),
    }
}

fn tested(probe: &Probe) -> Tested {
    Tested {
        subject: probe.subject.clone(),
        measure: probe.measure,
        effect: probe.effect,
        interval: probe.interval,
        bound: probe.bound,
        p_value: probe.p_value,
        expected: probe.expected,
    }
}

/// Holm's step-down adjustment (1979): comparing each with the level controls the chance of any false finding, however
/// the tests depend on each other.
fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[at]).min(1.0);
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(effect: f64, p_value: f64) -> Probe {
        Probe { bound: 0.9, effect, p_value: Some(p_value), ..Probe::count("x", Measure::AurocRanks, 0, String::new()) }
    }

    #[test]
    fn holm_is_the_textbook_example() {
        // statsmodels.stats.multitest.multipletests([.01, .04, .03, .005], method="holm")
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{adjusted:?}");
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn a_finding_needs_strength_and_evidence() {
        let found = |effect, p| {
            let check = Examined::new(Check::FeatureAuroc, 1, vec![probe(effect, p)]);
            judge(&[check], 0.01).1.len()
        };
        assert_eq!((found(0.95, 0.001), found(0.85, 0.001), found(0.95, 0.02)), (1, 0, 0));
    }

    #[test]
    fn two_measures_of_a_column_are_one_finding() {
        let check =
            Examined::new(Check::FeatureAuroc, 1, vec![probe(0.93, 1e-9), probe(0.99, 1e-9), probe(0.95, 1e-9)]);
        let (records, findings, _) = judge(&[check], 0.01);
        assert_eq!((findings.len(), findings[0].effect, records[0].tests.len()), (1, 0.99, 3));
    }
}
