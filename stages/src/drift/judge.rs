//! What counts as drift: an effect beyond its limit that chance does not explain, on enough rows.
//!
//! Invariants: every p-value of the report is adjusted together with all others (Benjamini–Hochberg), before anything is
//! judged; significance alone never raises an alarm, an effect alone neither; what is not said to have drifted says why.

use super::compare::{Gaps, Moved, NewLevels};
use super::document::{ColumnDrift, Distribution, ScoreDrift, Test, Verdict};
use super::params::DriftParams;
use crate::common::multiplicity::benjamini_hochberg;

/// A column before it is judged: its entry in the report, and all counts, of which not everything may be told.
pub(super) struct Compared {
    pub column: ColumnDrift,
    /// Rows, with a value or without.
    pub rows: u64,
    pub moved: Option<Moved>,
    pub gaps: Option<Gaps>,
    pub unseen: Option<NewLevels>,
}

/// Adjusts all p-values together; gives how many there are.
pub(super) fn adjust(columns: &mut [Compared], scores: Option<&mut Moved>) -> usize {
    let of_columns = columns.iter_mut().flat_map(|Compared { moved, gaps, unseen, .. }| {
        let tests = [
            moved.as_mut().map(|moved| &mut moved.test),
            gaps.as_mut().map(|gaps| &mut gaps.test),
            unseen.as_mut().map(|unseen| &mut unseen.test),
        ];
        tests.into_iter().flatten()
    });
    let all = of_columns.chain(scores.map(|scores| &mut scores.test));
    let mut tests: Vec<&mut Test> = all.filter(|test| test.p.is_some()).collect();
    let p: Vec<f64> = tests.iter().filter_map(|test| test.p).collect();
    for (test, adjusted) in tests.iter_mut().zip(benjamini_hochberg(&p)) {
        test.adjusted = Some(adjusted);
    }
    p.len()
}

/// One thing that may have moved.
struct Finding {
    what: String,
    large: bool,
    significant: bool,
    enough: bool,
}

impl Finding {
    fn verdict(&self, min_rows: u64) -> Option<(Verdict, String)> {
        let Self { what, large, significant, enough } = self;
        match (large, significant) {
            (false, false) => None,
            _ if !enough => Some((Verdict::TooFew, format!("{what}; fewer than {min_rows} rows"))),
            (true, true) => Some((Verdict::Drifted, what.clone())),
            (false, true) => Some((Verdict::Small, format!("{what}; significant, but within the limit"))),
            (true, false) => {
                Some((Verdict::Uncertain, format!("{what}; beyond the limit, but within what chance does")))
            }
        }
    }
}

fn is_significant(test: &Test, params: &DriftParams) -> bool {
    test.adjusted.is_some_and(|adjusted| adjusted < params.alpha)
}

/// How far values moved, with the measures that their kind is judged by; in words, what may be told of that.
fn of_distribution(found: &Moved, told: &Distribution, params: &DriftParams) -> Finding {
    let limits = &params.limits;
    let measures = [
        ("Wasserstein distance", found.wasserstein, told.wasserstein, limits.wasserstein, " SD"),
        // Bins of a number tell less than its values do; for a category they are all there is.
        (
            "Jensen–Shannon distance",
            found.jensen_shannon.filter(|_| found.ks.is_none()),
            told.jensen_shannon,
            limits.jensen_shannon,
            "",
        ),
        ("PSI", found.psi, told.psi, limits.psi, ""),
    ];
    let is_large = |value: Option<f64>, limit: f64| value.is_some_and(|value| value > limit);
    let large: Vec<_> = measures.iter().filter(|(_, value, _, limit, _)| is_large(*value, *limit)).collect();
    let shown = large.first().copied().or_else(|| measures.iter().find(|(_, value, ..)| value.is_some()));
    let what = shown.map_or_else(String::new, |(name, value, told, limit, unit)| {
        let beyond = is_large(*value, *limit);
        match told.filter(|told| is_large(Some(*told), *limit) == beyond) {
            Some(told) => format!("values: {name} {told:.3}{unit} (limit {limit})"),
            None if beyond => format!("values: {name} beyond {limit}{unit}, made of few rows"),
            None => format!("values: {name} at most {limit}{unit}, made of few rows"),
        }
    });
    Finding {
        what,
        large: !large.is_empty(),
        significant: is_significant(&found.test, params),
        enough: found.current.n >= params.min_rows && found.reference.n >= params.min_rows,
    }
}

/// What is said where nothing was found: whether there was enough to find it in.
fn otherwise(found: &Moved, told: &Distribution, rows: &str, params: &DriftParams) -> (Verdict, String) {
    let few = found.current.n.min(found.reference.n);
    if few >= params.min_rows {
        return (Verdict::Stable, "like the reference".to_owned());
    }
    let is_told = found.reference.n == few || told.current.n.known().is_some();
    let few = if is_told { few.to_string() } else { "too few".to_owned() };
    (Verdict::TooFew, format!("{few} {rows}; {} are wanted", params.min_rows))
}

/// The verdict of findings: the gravest, with all reasons.
fn summed(findings: Vec<Finding>, otherwise: (Verdict, String), params: &DriftParams) -> (Verdict, Vec<String>) {
    let said: Vec<(Verdict, String)> = findings.iter().filter_map(|finding| finding.verdict(params.min_rows)).collect();
    let order = [Verdict::Drifted, Verdict::Uncertain, Verdict::Small, Verdict::TooFew];
    let gravest = order.into_iter().find(|verdict| said.iter().any(|(own, _)| own == verdict));
    match gravest {
        Some(verdict) if verdict != Verdict::TooFew || otherwise.0 == Verdict::TooFew => {
            (verdict, said.into_iter().map(|(_, reason)| reason).collect())
        }
        _ => (otherwise.0, vec![otherwise.1]),
    }
}

/// Judges a column whose p-values are adjusted and whose entry is filled in.
pub(super) fn column(compared: &mut Compared, params: &DriftParams) {
    let Compared { column, rows, moved, gaps, unseen } = compared;
    let Some((moved, told)) = moved.as_ref().zip(column.distribution.as_ref()) else {
        column.verdict = Verdict::NotCompared;
        return;
    };
    let mut findings = vec![of_distribution(moved, told, params)];
    let enough = *rows >= params.min_rows;
    let shares = |what: &str, change: f64, limit: f64, test: &Test| Finding {
        what: format!("{what} (limit {limit})"),
        large: change > limit,
        significant: is_significant(test, params),
        enough,
    };
    if let Some((gaps, told)) = gaps.as_ref().zip(column.missing.as_ref()) {
        let what = match (told.reference, told.current) {
            (Some(then), Some(now)) => format!("missing: {:.1} % instead of {:.1} %", 100.0 * now, 100.0 * then),
            _ => "missing: another share, of few rows".to_owned(),
        };
        findings.push(shares(&what, gaps.change(), params.limits.missing, &gaps.test));
    }
    if let Some((unseen, told)) = unseen.as_ref().zip(column.unseen.as_ref()) {
        let what = match told.share {
            Some(share) => format!("new levels: {:.1} % of rows", 100.0 * share),
            None => "new levels: in few rows".to_owned(),
        };
        findings.push(shares(&what, unseen.change(), params.limits.unseen, &unseen.test));
    }
    let otherwise = otherwise(moved, told, "rows with a value", params);
    (column.verdict, column.reasons) = summed(findings, otherwise, params);
}

/// Judges the scores.
pub(super) fn scores(moved: &Moved, scores: &mut ScoreDrift, params: &DriftParams) {
    let found = of_distribution(moved, &scores.distribution, params);
    let otherwise = otherwise(moved, &scores.distribution, "scores", params);
    (scores.verdict, scores.reasons) = summed(vec![found], otherwise, params);
}
