//! What counts as drift: an effect beyond its limit that chance does not explain, on enough rows.
//!
//! Invariants: every p-value of the report is adjusted together with all others (Benjamini–Hochberg), before anything is
//! judged; significance alone never raises an alarm, an effect alone neither; what is not said to have drifted says why.

use super::document::{ColumnDrift, Distribution, Missing, ScoreDrift, Test, Unseen, Verdict};
use super::params::DriftParams;
use crate::common::multiplicity::benjamini_hochberg;

/// A column before it is judged, with the effects that may not be told.
pub(super) struct Compared {
    pub column: ColumnDrift,
    /// Rows, with a value or without.
    pub rows: u64,
    /// Change of the share of gaps.
    pub missing_change: f64,
    /// New levels' share beyond that of rare ones.
    pub unseen_change: f64,
}

/// Adjusts all p-values together; gives how many there are.
pub(super) fn adjust(columns: &mut [Compared], scores: Option<&mut ScoreDrift>) -> usize {
    let of_columns = columns.iter_mut().flat_map(|compared| {
        let ColumnDrift { distribution, missing, unseen, .. } = &mut compared.column;
        let tests = [
            distribution.as_mut().map(|one: &mut Distribution| &mut one.test),
            missing.as_mut().map(|one: &mut Missing| &mut one.test),
            unseen.as_mut().map(|one: &mut Unseen| &mut one.test),
        ];
        tests.into_iter().flatten()
    });
    let all = of_columns.chain(scores.map(|scores| &mut scores.distribution.test));
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

/// How far values moved, with the measures that their kind is judged by.
fn of_distribution(found: &Distribution, params: &DriftParams) -> Finding {
    let limits = &params.limits;
    let measures = [
        ("Wasserstein distance", found.wasserstein, limits.wasserstein, " SD"),
        // Bins of a number tell less than its values do; for a category they are all there is.
        ("Jensen–Shannon distance", found.jensen_shannon.filter(|_| found.ks.is_none()), limits.jensen_shannon, ""),
        ("PSI", found.psi, limits.psi, ""),
    ];
    let beyond = |(_, value, limit, _): &(&str, Option<f64>, f64, &str)| value.is_some_and(|value| value > *limit);
    let large: Vec<_> = measures.iter().filter(|measure| beyond(measure)).collect();
    let shown = large.first().copied().or_else(|| measures.iter().find(|(_, value, ..)| value.is_some()));
    let what = shown.map_or_else(String::new, |(name, value, limit, unit)| {
        format!("values: {name} {:.3}{unit} (limit {limit})", value.unwrap_or(0.0))
    });
    Finding {
        what,
        large: !large.is_empty(),
        significant: is_significant(&found.test, params),
        enough: found.current.n >= params.min_rows && found.reference.n >= params.min_rows,
    }
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

/// Judges a column whose p-values are adjusted.
pub(super) fn column(compared: &mut Compared, params: &DriftParams) {
    let Compared { column, rows, missing_change, unseen_change } = compared;
    let Some(distribution) = &column.distribution else {
        column.verdict = Verdict::NotCompared;
        return;
    };
    let mut findings = vec![of_distribution(distribution, params)];
    let enough = *rows >= params.min_rows;
    let shares = |what: &str, change: f64, limit: f64, test: &Test| Finding {
        what: format!("{what} (limit {limit})"),
        large: change > limit,
        significant: is_significant(test, params),
        enough,
    };
    if let Some(missing) = &column.missing {
        let what = match (missing.reference, missing.current) {
            (Some(then), Some(now)) => format!("missing: {:.1} % instead of {:.1} %", 100.0 * now, 100.0 * then),
            _ => "missing: another share, of few rows".to_owned(),
        };
        findings.push(shares(&what, *missing_change, params.limits.missing, &missing.test));
    }
    if let Some(unseen) = &column.unseen {
        let what = match unseen.share {
            Some(share) => format!("new levels: {:.1} % of rows", 100.0 * share),
            None => "new levels: in few rows".to_owned(),
        };
        findings.push(shares(&what, *unseen_change, params.limits.unseen, &unseen.test));
    }
    let few = distribution.current.n.min(distribution.reference.n);
    let otherwise = if few < params.min_rows {
        (Verdict::TooFew, format!("{few} rows with a value; {} are wanted", params.min_rows))
    } else {
        (Verdict::Stable, "like the reference".to_owned())
    };
    (column.verdict, column.reasons) = summed(findings, otherwise, params);
}

/// Judges the scores.
pub(super) fn scores(scores: &mut ScoreDrift, params: &DriftParams) {
    let found = of_distribution(&scores.distribution, params);
    let few = scores.distribution.current.n.min(scores.distribution.reference.n);
    let otherwise = if few < params.min_rows {
        (Verdict::TooFew, format!("{few} scores; {} are wanted", params.min_rows))
    } else {
        (Verdict::Stable, "like the reference".to_owned())
    };
    (scores.verdict, scores.reasons) = summed(vec![found], otherwise, params);
}
