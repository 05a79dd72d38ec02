//! From what the checks measured to what is a finding: one family of tests, Holm's procedure, and a bound on strength.
//!
//! A test is a finding when its effect reaches its bound *and* chance alone would hardly give it, at a level that all
//! tests of the study share. Either alone would not do: in a large table everything is significant, and in a small one
//! strong effects are often chance. Counts that cannot be chance (a patient on both sides) need no test.

use super::report::{Check, CheckRecord, Finding, Measure, Tested};
use crate::common::multiplicity::holm;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(effect: f64, p_value: f64) -> Probe {
        Probe { bound: 0.9, effect, p_value: Some(p_value), ..Probe::count("x", Measure::AurocRanks, 0, String::new()) }
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
