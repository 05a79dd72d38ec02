//! What the checks found.

use std::fmt::Write as _;

use serde::Serialize;

use super::stated::Stated;
use super::types::Claims;
use crate::config::Span;

/// The version of the JSON document.
pub const SCHEMA_VERSION: u32 = 2;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No true values round to what is stated.
    Impossible,
    /// Possible, but only under conditions that the source should tell.
    Questionable,
}

/// Numbers that clash.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which check found it.
    pub check: &'static str,
    /// What the numbers are about.
    pub subject: String,
    /// Line of the claims file.
    pub line: usize,
    /// Column of the claims file.
    pub column: usize,
    /// The numbers that clash, as stated.
    pub stated: Vec<String>,
    /// What follows from them.
    pub arithmetic: String,
    /// What would be possible.
    pub possible: String,
}

impl Finding {
    /// A finding without its numbers yet.
    pub(super) fn new(level: Level, check: &'static str, subject: impl Into<String>, span: Span) -> Self {
        Self {
            level,
            check,
            subject: subject.into(),
            line: span.line,
            column: span.column,
            stated: Vec::new(),
            arithmetic: String::new(),
            possible: String::new(),
        }
    }

    /// Adds a number that takes part.
    pub(super) fn number(mut self, name: &str, stated: &Stated) -> Self {
        self.stated.push(format!("{name} {}", stated.text));
        self
    }

    /// Adds a number of something else than the subject.
    pub(super) fn number_of(mut self, name: &str, stated: &Stated, owner: &str) -> Self {
        self.stated.push(format!("{name} {} ({owner})", stated.text));
        self
    }

    /// What follows from the numbers.
    pub(super) fn arithmetic(mut self, text: impl Into<String>) -> Self {
        self.arithmetic = text.into();
        self
    }

    /// What would be possible.
    pub(super) fn possible(mut self, text: impl Into<String>) -> Self {
        self.possible = text.into();
        self
    }
}

/// A check that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unchecked {
    /// Which check.
    pub check: &'static str,
    /// Of what.
    pub subject: String,
    /// Why not.
    pub why: String,
    /// Which number would let it be made; empty when none would.
    pub needed: String,
}

/// The answer about a claims file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of this document.
    pub schema_version: u32,
    /// Where the numbers were published.
    pub source: Option<String>,
    /// How many numbers the file states.
    pub numbers: usize,
    /// What was found, the impossible first.
    pub findings: Vec<Finding>,
    /// What could not be checked.
    pub unchecked: Vec<Unchecked>,
}

impl Report {
    pub(super) fn new(claims: &Claims) -> Self {
        let points = claims.models.iter().flat_map(|model| &model.points);
        let measures: usize = points
            .map(|point| {
                let projected: usize = point.projections.iter().map(|projection| projection.measures.len()).sum();
                point.measures.len() + projected + usize::from(point.threshold.is_some())
            })
            .sum();
        let of_samples: usize = claims
            .samples
            .iter()
            .map(|s| [&s.n, &s.events, &s.prevalence, &s.share].into_iter().flatten().count())
            .sum();
        let of_changes: usize = claims
            .changes
            .iter()
            .map(|c| c.difference.len() + c.relative.len() + [&c.from, &c.to].into_iter().flatten().count())
            .sum();
        let aurocs = claims.models.iter().filter(|model| model.auroc.is_some()).count();
        let costs = claims
            .costs
            .as_ref()
            .map_or(0, |costs| 2 + [&costs.true_positive, &costs.true_negative].into_iter().flatten().count());
        Self {
            schema_version: SCHEMA_VERSION,
            source: claims.source.clone(),
            numbers: measures + of_samples + of_changes + aurocs + costs,
            findings: Vec::new(),
            unchecked: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn finish(mut self) -> Self {
        self.findings.sort_by(|a, b| (a.level, a.line, a.column, a.check).cmp(&(b.level, b.line, b.column, b.check)));
        self
    }

    /// How many findings have this level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let level = match finding.level {
                Level::Impossible => "IMPOSSIBLE",
                Level::Questionable => "questionable",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{level}: {} ({}, line {})", finding.subject, finding.check, finding.line);
            if !finding.stated.is_empty() {
                let _ = writeln!(text, "  stated: {}", finding.stated.join(", "));
            }
            for (word, sentence) in [("so", &finding.arithmetic), ("possible", &finding.possible)] {
                if !sentence.is_empty() {
                    let _ = writeln!(text, "  {word}: {sentence}");
                }
            }
            text.push('\n');
        }
        for unchecked in &self.unchecked {
            let Unchecked { check, subject, why, needed } = unchecked;
            let _ = writeln!(text, "not checked: {subject} ({check})\n  so: {why}");
            if !needed.is_empty() {
                let _ = writeln!(text, "  needed: {needed}");
            }
            text.push('\n');
        }
        let plural = |count: usize, one: &str, more: &str| {
            if count == 1 { format!("1 {one}") } else { format!("{count} {more}") }
        };
        let mut sum = vec![match (self.count(Level::Impossible), self.count(Level::Questionable)) {
            (0, 0) => "no contradiction found".to_owned(),
            (impossible, questionable) => {
                format!("{}, {questionable} questionable", plural(impossible, "contradiction", "contradictions"))
            }
        }];
        if !self.unchecked.is_empty() {
            sum.push(format!("{} not made", plural(self.unchecked.len(), "check", "checks")));
        }
        let _ = writeln!(text, "{}: {}", plural(self.numbers, "number", "numbers"), sum.join(", "));
        text
    }
}

/// The lower end of a range for a sentence: rounded down.
pub(super) fn lower(value: f64) -> String {
    shown(if value.abs() < 10.0 { (value * 1e4 + 1e-9).floor() / 1e4 } else { value })
}

/// The upper end of a range for a sentence: rounded up.
pub(super) fn upper(value: f64) -> String {
    shown(if value.abs() < 10.0 { (value * 1e4 - 1e-9).ceil() / 1e4 } else { value })
}

/// A computed value for a sentence: four decimals below 10, else whole.
pub(super) fn shown(value: f64) -> String {
    if !value.is_finite() {
        return "any".to_owned();
    }
    if value.abs() < 10.0 { format!("{value:.4}") } else { crate::util::human::number(value) }
}
