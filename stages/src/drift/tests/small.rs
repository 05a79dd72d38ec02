//! Counts of few: what is left out, what is told all the same, and that nothing told gives a left-out count away.

use super::*;
use crate::common::divergence::psi;
use crate::common::privacy::Cell;

/// Questions that a report need not have been asked: roles and parameters that are not given, measures that a kind of
/// column has not.
const NOT_ASKED: [&str; 12] = [
    "/as_of",
    "/current/window",
    "/columns/*/importance",
    "/columns/*/unseen",
    "/columns/*/distribution/current/mean",
    "/columns/*/distribution/current/sd",
    "/columns/*/distribution/reference/mean",
    "/columns/*/distribution/reference/sd",
    "/columns/*/distribution/ks",
    "/columns/*/distribution/ks_resolution",
    "/columns/*/distribution/wasserstein",
    "/dataset/weighted_share",
];

/// Nulls with no `reason` beside or above them.
fn unexplained(value: &Value, path: &str, explained: bool, found: &mut Vec<String>) {
    match value {
        Value::Null if !explained => found.push(path.to_owned()),
        Value::Object(map) => {
            for (key, inner) in map.iter().filter(|(key, _)| *key != "reason") {
                let own = ["reason", "reasons", &format!("{key}_reason")]
                    .iter()
                    .any(|name| map.get(*name).is_some_and(|reason| !reason.is_null()));
                unexplained(inner, &format!("{path}/{key}"), explained || own, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| unexplained(item, &format!("{path}/*"), explained, found)),
        _ => {}
    }
}

/// A report whose nulls are all explained.
fn look(at: &Path, more: &[(&str, &str)], params: Value) -> DriftReport {
    let report = drift(at, more, params, 1).expect("compared");
    let document: Value = serde_json::from_slice(&fs::read(at.join("drift.json")).expect("a report")).expect("JSON");
    let mut found = Vec::new();
    unexplained(&document, "", false, &mut found);
    let unasked = |path: &String| !NOT_ASKED.contains(&path.as_str()) && !path.starts_with("/alert/escalation");
    found.retain(unasked);
    // The scores' shift repeats a number of the scores, and `reference` is the role `metrics`.
    found.retain(|path| {
        !["/dataset/prediction_shift", "/dataset/share", "/performance/reference"].contains(&path.as_str())
    });
    assert!(found.is_empty(), "null without a reason: {found:#?}");
    report
}

#[test]
fn values_of_few_rows_are_not_told_in_any_form() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..200, |row, cells| {
        if row >= 4 {
            GAP.clone_into(&mut cells[1]);
        }
    });
    let report = look(at, &[], json!({"seed": 1, "drift": {"min_rows": 1}}));
    let lab = of(&report, "lab");
    let found = lab.distribution.as_ref().expect("compared");
    assert_eq!((found.current.n, found.current.mean, found.current.sd), (Cell::Suppressed, None, None));
    assert!(found.current.shares.iter().all(Option::is_none) && found.reference.mean.is_some());
    assert_eq!((found.ks, found.wasserstein, found.psi, found.jensen_shannon), (None, None, None, None));
    assert_eq!((found.test.p, found.test.adjusted), (None, None));
    let missing = lab.missing.as_ref().expect("gaps");
    assert!(missing.rows.is_suppressed() && missing.current.is_none() && missing.test.p.is_none());
    assert!(lab.reasons.iter().all(|reason| reason.contains("few")), "{:?}", lab.reasons);
    assert!(fs::read_to_string(at.join("drift.html")).expect("a page").contains("few: of so few rows"));

    // A window of few: its size is told, and nothing of who is in it.
    write_table(at, "current.csv", 0..5, |_, _| {});
    let report = look(at, &[], json!({"seed": 1}));
    let scores = report.scores.as_ref().expect("scores");
    assert_eq!((report.current.n, scores.distribution.current.n), (5, Cell::Known(5)));
    assert_eq!((scores.distribution.current.mean, scores.mean_difference, scores.flagged_per_1000), (None, None, None));
    assert_eq!((report.dataset.prediction_shift, report.dataset.compared), (None, 0));
    assert_eq!(report.performance.estimated, None);
    assert!(report.performance.estimated_reason.is_some_and(|reason| reason.starts_with("patients with a score")));
    for column in &report.columns {
        assert_eq!(column.verdict, Verdict::TooFew);
        assert!(column.reasons[0].contains("few"), "{:?}", column.reasons);
    }
}

#[test]
fn the_rows_with_a_value_do_not_give_those_without_away() {
    let directory = study();
    let at = directory.path();
    let told = |gaps: usize| {
        write_table(at, "current.csv", 0..TRAIN, |row, cells| {
            cells[0] = (40 + row % 30).to_string();
            if row < gaps {
                GAP.clone_into(&mut cells[0]);
            }
        });
        let report = look(at, &[], json!({"seed": 1, "privacy": {"min_cell": 10}}));
        of(&report, "age").clone()
    };
    for gaps in [1, 3, 9] {
        let age = told(gaps);
        let found = age.distribution.as_ref().expect("compared");
        let missing = age.missing.as_ref().expect("gaps");
        assert_eq!((found.current.n, missing.rows, missing.current), (Cell::Suppressed, Cell::Suppressed, None));
        assert_eq!((missing.test.p, missing.test.adjusted), (None, None));
        assert!(found.reason.as_ref().is_some_and(|reason| reason.starts_with("n: ")), "{:?}", found.reason);
        // No share has the number of rows as its divisor: each is a whole number of steps of at least ten rows.
        let unit = Privacy::default().unit(TRAIN as u64);
        assert!(unit * TRAIN as f64 >= 10.0);
        for share in found.current.shares.iter().flatten() {
            assert!((share / unit - (share / unit).round()).abs() < 1e-6, "{share}");
        }
        // Neither has the mean: it is one of whole numbers, however many.
        let mean = found.current.mean.expect("a mean");
        for n in (TRAIN - 9..TRAIN).map(|n| n as f64) {
            assert_eq!(format!("{:.1}", (mean * n).round() / n).parse::<f64>(), Ok(mean), "{n}");
        }
        for value in [found.ks, found.wasserstein, found.psi, found.test.p].into_iter().flatten() {
            assert_eq!(format!("{value:.1e}").parse::<f64>(), Ok(value));
        }
    }
    for gaps in [0, 10] {
        let age = told(gaps);
        let (found, missing) = (age.distribution.expect("compared"), age.missing.expect("gaps"));
        assert_eq!(found.current.n, Cell::Known((TRAIN - gaps) as u64));
        assert_eq!((missing.rows, missing.reason), (Cell::Known(gaps as u64), None));
    }
}

#[test]
fn named_levels_and_all_new_ones_do_not_give_the_others_away() {
    let directory = study();
    let at = directory.path();
    let told = |common: &[(&str, usize)], single: usize| {
        write_table(at, "current.csv", 0..TRAIN, |row, cells| {
            let mut from = 0;
            for (name, rows) in common {
                if (from..from + rows).contains(&row) {
                    (*name).clone_into(&mut cells[3]);
                }
                from += rows;
            }
            if (from..from + single).contains(&row) {
                cells[3] = format!("s{row}");
            }
        });
        let report = look(at, &[], json!({"seed": 1}));
        of(&report, "site").unseen.clone().expect("a category")
    };
    let all = told(&[("a", 20), ("b", 30)], 0);
    assert_eq!((all.rows, all.levels, all.named.len()), (Cell::Known(50), Cell::Known(2), 2));
    // Twenty and thirty named of fifty-four are four that are not.
    let one = told(&[("a", 20), ("b", 30)], 4);
    assert_eq!((one.rows, one.named.into_iter().collect::<Vec<_>>()), (Cell::Known(54), vec![("b".to_owned(), 30)]));
    assert!(one.reason.is_some_and(|reason| reason.starts_with("named: ")));
    let alone = told(&[("a", 20)], 4);
    assert!(alone.named.is_empty() && alone.rows == Cell::Known(24), "{alone:?}");
    // Enough singles hide one another.
    let many = told(&[("a", 20)], 12);
    assert_eq!((many.rows, many.named.get("a"), many.levels), (Cell::Known(32), Some(&20), Cell::Known(13)));
    let few = told(&[], 4);
    assert_eq!((few.rows, few.share, few.levels, few.test.p), (Cell::Suppressed, None, Cell::Suppressed, None));
}

#[test]
fn distances_over_bins_follow_from_the_shares_beside_them_and_verdicts_from_all_rows() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..TRAIN, |row, cells| {
        let sex = if row < 5 { "F" } else { "M" };
        sex.clone_into(&mut cells[2]);
        if row % 60 != 0 {
            cells[0] = "90".to_owned();
        }
    });
    let report = look(at, &[], json!({"seed": 1}));
    let age = of(&report, "age").distribution.clone().expect("compared");
    let hidden: Vec<bool> =
        age.current.shares.iter().zip(&age.reference.shares).map(|(a, b)| a.is_none() || b.is_none()).collect();
    assert!(hidden.contains(&true) && hidden.contains(&false), "{:?}", age.current);
    let counts = |shares: &[Option<f64>], n: u64| {
        let shown = |(share, hidden): (&Option<f64>, &bool)| {
            share.filter(|_| !hidden).map(|share| (share * n as f64).round() as u64)
        };
        let mut counts: Vec<u64> = shares.iter().zip(&hidden).filter_map(shown).collect();
        counts.push(n - counts.iter().sum::<u64>());
        counts
    };
    let [then, now] = [&age.reference, &age.current].map(|side| counts(&side.shares, side.n.known().expect("told")));
    assert_eq!(age.psi, psi(&then, &now));
    assert!(age.reason.is_some_and(|reason| reason.contains("count as one")));
    // Of two levels nothing is left to compare, and the alarm is raised all the same.
    let sex = of(&report, "sex");
    let found = sex.distribution.as_ref().expect("compared");
    assert_eq!((found.psi, found.jensen_shannon, found.test.p), (None, None, None));
    assert_eq!(sex.verdict, Verdict::Drifted);
    assert!(sex.reasons[0].ends_with("made of few rows"), "{:?}", sex.reasons);
}

/// Outcomes of so many patients with and without the event.
fn label(at: &Path, events: usize, others: usize) {
    let y = outcomes(&raw());
    let of = |event: i64| (0..ROWS).filter(|row| y[*row] == event).collect::<Vec<_>>();
    let mut text = "patient,event\n".to_owned();
    for row in of(1).iter().take(events).chain(of(0).iter().take(others)) {
        writeln!(text, "P-{row},{}", y[*row]).expect("a line");
    }
    fs::write(at.join("labels.csv"), text).expect("written");
}

#[test]
fn few_events_are_not_told_nor_what_they_follow_from() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..ROWS, |_, _| {});
    let told = |events, others, decisions: &str| {
        label(at, events, others);
        let params = json!({"seed": 1, "privacy": {"min_cell": 10, "decisions": decisions}});
        look(at, &[("labels", "labels.csv")], params)
    };
    for (events, others) in [(4, 60), (60, 4)] {
        let found = told(events, others, "exact").performance;
        assert_eq!((found.status, found.labelled, found.events), (PerformanceStatus::Unknown, 64, None));
        let measured = found.measured.expect("measured");
        for hidden in [&measured.calibration_intercept, &measured.brier, &measured.net_benefit, &measured.sensitivity] {
            assert!(hidden.value.is_none() && hidden.low.is_none() && hidden.reason.is_some(), "{hidden:?}");
        }
        for coarse in [&measured.auroc, &measured.calibration_slope] {
            assert_eq!(coarse.failed_resamples, None, "how many resamples have no event tells how many rows have it");
            assert!(coarse.reason.as_ref().is_some_and(|reason| reason.contains("fewer than 10, or")), "{coarse:?}");
        }
        let auroc = measured.auroc.value.expect("an AUROC");
        assert!((100.0 * auroc - (100.0 * auroc).round()).abs() < 1e-9, "{auroc}");
    }
    let few = told(3, 4, "exact").performance;
    assert_eq!((few.labelled, few.events, few.measured, few.status), (7, None, None, PerformanceStatus::Unknown));
    assert!(few.reason.is_some_and(|reason| reason.starts_with("patients with an outcome")));
    let none = told(0, 60, "exact").performance;
    assert_eq!((none.events, none.status), (Some(0), PerformanceStatus::Unknown));
    // With enough events the decisions on all rows describe the model, unless the site says otherwise.
    let enough = told(12, ROWS, "exact");
    let exact = enough.performance.measured.expect("measured");
    assert_eq!(enough.performance.events, Some(12));
    assert!(exact.sensitivity.value.is_some() && exact.net_benefit.value.is_some());
    let ranges = told(12, ROWS, "ranges");
    let measured = ranges.performance.measured.expect("measured");
    assert_eq!((measured.sensitivity.value, measured.net_benefit.value), (None, None));
    assert_eq!((measured.brier, ranges.performance.events), (exact.brier, Some(12)));
}

#[test]
fn few_decisions_of_a_kind_are_told_unless_a_site_treats_decisions_as_a_table() {
    let directory = study();
    let at = directory.path();
    let bundle = Bundle::load(&at.join("bundle")).expect("a bundle");
    let flagged = bundle.predict(&raw()).expect("scores").iter().filter(|one| one.flagged).count();
    assert!((1..10).contains(&(ROWS - flagged)), "few are left alone: {flagged} of {ROWS}");
    write_table(at, "current.csv", 0..ROWS, |_, _| {});
    let of = |decisions: &str| look(at, &[], json!({"seed": 1, "privacy": {"min_cell": 10, "decisions": decisions}}));
    let (exact, ranges) = (of("exact"), of("ranges"));
    let per_1000 = |report: &DriftReport| report.scores.as_ref().and_then(|scores| scores.flagged_per_1000);
    assert_eq!(per_1000(&exact), Some(1000.0 * flagged as f64 / ROWS as f64));
    assert_eq!(per_1000(&ranges), None);
    let estimated = ranges.performance.estimated.expect("estimated");
    assert_eq!((estimated.sensitivity, estimated.net_benefit), (None, None));
    assert!(estimated.auroc.is_some() && exact.performance.estimated.is_some_and(|one| one.sensitivity.is_some()));
}
