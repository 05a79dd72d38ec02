//! Findings that somebody answers for, and waivers that answer for nothing.
//!
//! Invariants: a waived finding stays in the report; a waiver without a finding is an error, so that none outlives its
//! leak, and the error says what became of the test that it was written for.

use super::params::Waiver;
use super::report::{Report, Waived};
use crate::StageError;
use crate::common::text::{list, suggestion};

impl Report {
    /// Marks what is waived and says whether all findings are; waivers that match nothing are an error.
    pub(super) fn waive(&mut self, waivers: &[Waiver]) -> Result<(), StageError> {
        let mut unused = Vec::new();
        for waiver in waivers {
            let all = self.findings.iter_mut().chain(&mut self.warnings);
            let matching = all.filter(|found| {
                found.check == waiver.check && waiver.column.as_ref().is_none_or(|column| *column == found.subject)
            });
            let mut matched = false;
            for found in matching {
                found.waived = Some(Waived { who: waiver.who.clone(), why: waiver.why.clone() });
                matched = true;
            }
            if !matched {
                unused.push(waiver);
            }
        }
        self.clean = self.findings.iter().all(|finding| finding.waived.is_some());
        if unused.is_empty() {
            return Ok(());
        }
        let lines = unused.iter().map(|waiver| {
            let (what, who) = (waiver.describe(), &waiver.who);
            format!("the waiver of {what} by {who} matches no finding{}", self.instead(waiver))
        });
        let mut message = lines.collect::<Vec<_>>().join("\n");
        let open = self.findings.iter().filter(|finding| finding.waived.is_none()).count();
        if open > 0 {
            let many = if open == 1 { "1 finding has".to_owned() } else { format!("{open} findings have") };
            message.push_str("\nbesides, ");
            message.push_str(&many);
            message.push_str(" no waiver; `clinpipe log` of this stage lists what was found");
        }
        Err(StageError::failed(message).with_hint(
            "remove a waiver from `leakage.waivers` when its leak is mended, or correct its check and column",
        ))
    }

    /// What there is instead of the finding that a waiver was written for.
    fn instead(&self, waiver: &Waiver) -> String {
        let found = self.findings.iter().chain(&self.warnings);
        let subjects = found.clone().filter(|found| found.check == waiver.check).map(|found| found.subject.as_str());
        let near = suggestion(waiver.column.as_deref().unwrap_or_default(), subjects);
        let record = self.checks.iter().find(|record| record.check == waiver.check);
        let is_tested =
            |column: &String| record.is_some_and(|one| one.tests.iter().any(|test| test.subject == *column));
        if !near.is_empty() && !waiver.column.as_ref().is_some_and(is_tested) {
            return near;
        }
        if let Some(record) = record {
            let is_meant = |subject: &str| waiver.column.as_deref().is_none_or(|column| column == subject);
            let tests = record.tests.iter().filter(|test| is_meant(&test.subject));
            if let Some(test) = tests.max_by(|a, b| a.effect.total_cmp(&b.effect)) {
                let (subject, measure) = (&test.subject, test.measure.as_str());
                return if test.effect < test.bound {
                    format!("; `{subject}` was tested: {measure} {:.3}, below the bound of {}", test.effect, test.bound)
                } else {
                    format!(
                        "; `{subject}` was tested: {measure} {:.3}, beyond the bound of {}, but it can be chance",
                        test.effect, test.bound
                    )
                };
            }
            if let Some(reason) = record.reason.as_ref().filter(|_| record.tested < record.subjects) {
                return format!("; {} of {} were tested: {reason}", record.tested, record.subjects);
            }
        }
        let all: Vec<String> = found.map(|found| format!("{} of {}", found.check.as_str(), found.subject)).collect();
        if all.is_empty() {
            return "; nothing was found at all".to_owned();
        }
        format!("; found: {}", list(all.iter().map(String::as_str), 10))
    }
}
