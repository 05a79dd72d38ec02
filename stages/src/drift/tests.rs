//! The stage on the test study: what alarms, what does not, and that tables and logs say the same.

mod refused;
mod small;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bundle::tests::{assemble, bundle_as};
use crate::common::pseudonym::PseudonymKey;
use crate::common::rng::Stream;
use crate::common::table::Table;
use crate::train::test_study::{ROWS, TRAIN, outcomes, raw, run, schema, write_clean};
use crate::{StageFile, common::texts::Texts};

/// How the test study writes a gap.
const GAP: &str = "-";

/// The test study with an id, bundled with the profiles of its raw columns and scores.
pub(crate) fn study() -> tempfile::TempDir {
    let directory = assemble("logistic");
    let at = directory.path();
    fs::remove_dir_all(at.join("bundle")).expect("removed");
    write_clean(at).expect("written");
    let mut schema = schema();
    schema["id"] = json!("patient");
    schema["columns"]["patient"] = json!({"type": "text"});
    bundle_as(at, &schema, &[("clean", "clean.parquet"), ("oof", "oof.parquet")]).expect("a bundle");
    directory
}

/// Rows of the study as a CSV file with ids and months, after `change`.
fn write_table(at: &Path, name: &str, rows: std::ops::Range<usize>, change: impl Fn(usize, &mut [String; 4])) {
    let (frame, y) = (raw(), outcomes(&raw()));
    let mut text = "patient,age,lab,sex,site,event,month\n".to_owned();
    for row in rows {
        let number = |name: &str| {
            let value = frame.get(name).and_then(Column::numbers).map_or(f64::NAN, |values| values[row]);
            if value.is_nan() { GAP.to_owned() } else { value.to_string() }
        };
        let word = |name: &str| {
            let texts = frame.get(name).and_then(Column::texts);
            texts.and_then(|texts| texts.get(row)).unwrap_or(GAP).to_owned()
        };
        let mut cells = [number("age"), number("lab"), word("sex"), word("site")];
        change(row, &mut cells);
        writeln!(text, "P-{row},{},{},{}", cells.join(","), y[row], row % 12 + 1).expect("a line");
    }
    fs::write(at.join(name), text).expect("written");
}

fn drift(at: &Path, more: &[(&str, &str)], params: Value, threads: usize) -> Result<DriftReport, StageError> {
    let given = more.iter().any(|(role, _)| *role == "current");
    let current = [("current", "current.csv")];
    let inputs = [&[("bundle", "bundle/")][..], if given { &[] } else { &current }, more].concat();
    let outputs = [("drift", "drift.json"), ("html", "drift.html")];
    run(&Drift, at, &inputs, &outputs, params, threads)?;
    Ok(serde_json::from_str(&fs::read_to_string(at.join("drift.json")).expect("a report")).expect("its own JSON"))
}

fn of<'a>(report: &'a DriftReport, name: &str) -> &'a ColumnDrift {
    report.columns.iter().find(|column| column.name == name).expect("a column")
}

#[test]
fn the_training_rows_do_not_drift_and_bytes_do_not_depend_on_threads() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..TRAIN, |_, _| {});
    let report = drift(at, &[], json!({"seed": 1}), 1).expect("compared");
    let first = ["drift.json", "drift.html"].map(|name| fs::read_to_string(at.join(name)).expect("an output"));
    drift(at, &[], json!({"seed": 1}), 2).expect("compared again");
    assert!(first == ["drift.json", "drift.html"].map(|name| fs::read_to_string(at.join(name)).expect("an output")));
    assert!(report.columns.iter().all(|column| column.verdict == Verdict::Stable), "{:?}", report.columns);
    assert_eq!((report.dataset.compared, report.dataset.drifted, report.alert.triggered), (4, 0, false));
    assert_eq!((report.alert.severity, &report.alert.escalation), (Severity::None, &None));
    assert_eq!(report.reference, Reference { columns: ReferenceKind::Bundle, n: TRAIN as u64 });
    assert_eq!(report.performance.status, PerformanceStatus::Unknown);
    let estimated = report.performance.estimated.expect("from probabilities");
    assert!(estimated.auroc.is_some_and(|auroc| (0.6..1.0).contains(&auroc)));
    assert!(first[1].contains("No alarm") && first[1].contains("Performance is unknown"));
    assert!(first[1].len() < 300_000 && !first.concat().contains("NaN"));
    let digest = blake3::hash(first.concat().as_bytes()).to_hex();
    assert_eq!(&digest[..16], "81a50f614a3f2d1a", "the stage writes other bytes; raise its version, then this digest");
}

#[test]
fn what_moved_is_named_with_its_reason_and_escalated() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..TRAIN, |row, cells| {
        cells[0] = cells[0].parse::<u32>().map_or_else(|_| String::new(), |age| (age + 12).to_string());
        if row % 3 == 0 {
            GAP.clone_into(&mut cells[1]);
        }
        if row % 20 == 0 {
            "elsewhere".clone_into(&mut cells[3]);
        }
    });
    let params = json!({"seed": 1, "drift": {"critical": ["age"], "as_of": "2026-03-01", "alpha": 0.05}});
    let report = drift(at, &[], params, 1).expect("compared");
    let age = of(&report, "age");
    assert_eq!((age.verdict, age.critical), (Verdict::Drifted, true));
    let distribution = age.distribution.as_ref().expect("compared");
    assert!(distribution.wasserstein.is_some_and(|moved| (0.4..0.8).contains(&moved)), "{distribution:?}");
    assert_eq!((distribution.test.method.as_deref(), distribution.ks_resolution.is_some()), (Some("ks-exact"), true));
    let lab = of(&report, "lab");
    assert_eq!(lab.verdict, Verdict::Drifted);
    assert!(lab.reasons[0].starts_with("missing: "), "{:?}", lab.reasons);
    let site = of(&report, "site").unseen.as_ref().expect("a category");
    assert_eq!((site.levels.known(), site.named.get("elsewhere")), (Some(1), Some(&20)));
    assert_eq!(of(&report, "site").verdict, Verdict::Drifted);
    assert_eq!(of(&report, "sex").verdict, Verdict::Stable);
    assert_eq!((report.alert.triggered, report.alert.severity), (true, Severity::Critical));
    assert_eq!(report.alert.alerts[0].rule, "critical_column");
    assert!(report.alert.alerts.iter().any(|alarm| alarm.rule == "dataset"));
    assert_eq!(report.alert.escalation.as_ref().map(|entry| entry.within_hours), Some(1));
    let page = fs::read_to_string(at.join("drift.html")).expect("a page");
    for text in ["Something has drifted", "severity critical", "as of 2026-03-01", "<code>age</code> (critical)"] {
        assert!(page.to_lowercase().contains(&text.to_lowercase()), "no {text}");
    }
}

#[test]
fn a_few_rows_never_alarm_and_a_level_of_few_is_not_named() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..60, |row, cells| {
        "90".clone_into(&mut cells[0]);
        if row < 5 {
            "elsewhere".clone_into(&mut cells[3]);
        }
    });
    let report = drift(at, &[], json!({"seed": 1}), 1).expect("compared");
    assert_eq!((of(&report, "age").verdict, report.alert.triggered), (Verdict::TooFew, false));
    assert!(of(&report, "age").reasons[0].contains("fewer than 100 rows"), "{:?}", of(&report, "age").reasons);
    let site = of(&report, "site").unseen.as_ref().expect("a category");
    assert!(site.named.is_empty() && site.rows.is_suppressed() && site.share.is_none());
    assert!(!fs::read_to_string(at.join("drift.json")).expect("a report").contains("elsewhere"));
}

#[test]
fn a_table_as_reference_is_exact_and_a_window_chooses_rows() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", TRAIN..ROWS, |_, _| {});
    write_table(at, "training.csv", 0..TRAIN, |_, _| {});
    let window = json!({"seed": 1, "drift": {"window": {"column": "month", "from": 2, "to": 4}, "min_rows": 10}});
    let frozen = drift(at, &[], window.clone(), 1).expect("compared");
    let exact = drift(at, &[("reference", "training.csv")], window, 1).expect("compared");
    assert_eq!((exact.current.read, exact.current.n), (80, 18));
    assert_eq!(exact.reference, Reference { columns: ReferenceKind::Table, n: TRAIN as u64 });
    for name in ["age", "lab"] {
        let [told, whole] = [&frozen, &exact].map(|report| of(report, name).distribution.clone().expect("compared"));
        let (short, slack) = (told.ks.expect("D") - whole.ks.expect("D"), told.ks_resolution.expect("told"));
        assert!(
            whole.ks_resolution == Some(0.0) && slack < 0.05 && short <= 1e-12 + 0.025 && short >= -slack,
            "{short}"
        );
        let apart = told.wasserstein.expect("W") - whole.wasserstein.expect("W");
        assert!(apart.abs() < 0.03 && told.bins == whole.bins, "{apart}");
    }
    let other = json!({"seed": 1, "drift": {"window": {"column": "mont", "from": 2, "to": 4}}});
    assert!(drift(at, &[], other, 1).expect_err("no such column").to_string().contains("mont"));
}

#[test]
fn outcomes_are_joined_by_id_and_measured_as_evaluate_does() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..ROWS, |_, _| {});
    // Half of the outcomes have come in; one is told twice, differently.
    write_table(at, "labels.csv", 0..ROWS / 2, |_, _| {});
    let mut labels = fs::read_to_string(at.join("labels.csv")).expect("labels");
    let other = 1 - outcomes(&raw())[7];
    writeln!(labels, "P-7,50,5,F,north,{other},1\nP-x,50,5,F,north,1,1").expect("lines");
    fs::write(at.join("labels.csv"), labels).expect("written");
    let report = drift(at, &[("labels", "labels.csv")], json!({"seed": 1}), 1).expect("compared");
    assert!(report.notes.iter().any(|note| note.contains("twice and differently")), "{:?}", report.notes);
    let performance = &report.performance;
    assert_eq!((performance.status, performance.predictions), (PerformanceStatus::Measured, 480));
    assert_eq!((performance.labelled, performance.unlabelled, performance.patients), (239, 241, 239));
    let measured = performance.measured.as_ref().expect("measured");
    assert!(measured.auroc.low.is_some_and(|low| low > 0.5), "{:?}", measured.auroc);
    assert!(measured.net_benefit.value.is_some() && measured.calibration_slope.high.is_some());
    // Too few for an interval is unknown, and so is none at all.
    write_table(at, "labels.csv", 0..15, |_, _| {});
    let few = drift(at, &[("labels", "labels.csv")], json!({"seed": 1}), 1).expect("compared").performance;
    assert_eq!((few.status, few.labelled), (PerformanceStatus::Unknown, 15));
    assert!(few.reason.is_some_and(|reason| reason.contains("fewer than")));
    fs::write(at.join("labels.csv"), "patient,event\nP-x,1\nP-3,-\n").expect("written");
    let none = drift(at, &[("labels", "labels.csv")], json!({"seed": 1}), 1).expect("compared").performance;
    assert_eq!((none.status, none.labelled, none.measured), (PerformanceStatus::Unknown, 0, None));
}

/// The rows of a table as the service would have logged them.
fn write_log(at: &Path, key: &PseudonymKey, bundle: &Bundle) -> Vec<f64> {
    let frame = raw();
    let predicted = bundle.predict(&frame).expect("scores");
    let mut text = String::new();
    for (row, one) in predicted.iter().enumerate() {
        let number = |name: &str| frame.get(name).and_then(Column::numbers).map(|values| values[row]);
        let word = |name: &str| frame.get(name).and_then(Column::texts).and_then(|texts| texts.get(row));
        let line = json!({
            "record": "prediction", "bundle": bundle.digest(), "timestamp": format!("2026-03-{:02}T08:00:00.000Z", row % 28 + 1),
            "patient_id": key.pseudonym(&json!(format!("P-{row}"))), "prediction": u8::from(one.flagged),
            "probability": one.p, "request_id": "r",
            "inputs": {"age": number("age"), "lab": number("lab").filter(|lab| !lab.is_nan()), "sex": word("sex"), "site": word("site")},
        });
        writeln!(text, "{line}").expect("a line");
    }
    let (first, second) = text.split_at(text[..text.len() / 2].rfind('\n').expect("a line") + 1);
    fs::create_dir_all(at.join("log")).expect("a directory");
    fs::write(at.join("log/predictions.2026-03-10.jsonl"), first).expect("written");
    let error = json!({"record": "error", "bundle": bundle.digest(), "timestamp": "", "error_type": "invalid_request"});
    let other = json!({"record": "prediction", "bundle": "00", "probability": 0.5, "prediction": 1});
    fs::write(at.join("log/predictions.jsonl"), format!("{second}{error}\n{other}\n{{\"record\": \"pre"))
        .expect("written");
    predicted.iter().map(|one| one.p).collect()
}

#[test]
fn a_log_says_what_its_table_says_and_outcomes_find_it_by_the_key_alone() {
    let directory = study();
    let at = directory.path();
    let key = PseudonymKey::new(b"0123456789abcdef").expect("a key");
    let bundle = Bundle::load(&at.join("bundle")).expect("a bundle");
    let scores = write_log(at, &key, &bundle);
    write_table(at, "current.csv", 0..ROWS, |_, _| {});
    let table = drift(at, &[], json!({"seed": 1}), 1).expect("compared");
    let log = drift(at, &[("current", "log")], json!({"seed": 1}), 1).expect("compared");
    assert_eq!((log.columns, log.scores, log.dataset), (table.columns, table.scores, table.dataset));
    assert_eq!((log.current.kind, log.current.read, log.current.n), (CurrentKind::Log, 483, 480));
    let aside: Vec<(&str, u64)> = log.current.left_aside.iter().map(|(what, lines)| (what.as_str(), *lines)).collect();
    assert_eq!(aside, [("prediction of another bundle", 1), ("refused", 1), ("unfinished line", 1)]);
    let days =
        json!({"seed": 1, "drift": {"window": {"column": "timestamp", "from": "2026-03-02", "to": "2026-03-03"}}});
    assert_eq!(drift(at, &[("current", "log")], days, 1).expect("compared").current.n, 36);

    let file = |name: &str| StageFile { path: at.join(name), name: name.to_owned() };
    write_table(at, "labels.csv", 0..ROWS, |_, _| {});
    let files = log::files(&file("log")).expect("readable").expect("a log");
    let current = Current::of_log(&files, &bundle, None).expect("read");
    assert_eq!(current.scores, scores);
    let joined = labels::join(&file("labels.csv"), &bundle, &current, || Ok(key.clone())).expect("joined");
    let expected: Vec<Option<bool>> = outcomes(&raw()).iter().map(|y| Some(*y == 1)).collect();
    assert!(joined.outcomes == expected && !joined.contradictory);
    let other = || Ok(PseudonymKey::new(b"another key of a log").expect("a key"));
    let error = labels::join(&file("labels.csv"), &bundle, &current, other).expect_err("another key");
    assert!(error.to_string().contains("none of its 480 patients"), "{error}");
}

#[test]
fn a_table_of_the_right_types_says_what_its_text_says() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..ROWS, |_, _| {});
    let text = drift(at, &[], json!({"seed": 1}), 1).expect("compared");
    let typed = |columns: &[&str], marker: &str| {
        let mut table = Table::with_rows(ROWS);
        table.push_texts("patient", (0..ROWS).map(|row| Some(format!("P-{row}")))).expect("a column");
        for (name, column) in raw().columns().filter(|(name, _)| columns.contains(name)) {
            let column = match column {
                Column::Text(texts) => Column::Text(texts.iter().map(|text| text.or(Some(marker))).collect()),
                number @ Column::Number(_) => number.clone(),
            };
            table.push_column(name, &column).expect("a column");
        }
        table.write(&at.join("current.parquet")).expect("written");
        drift(at, &[("current", "current.parquet")], json!({"seed": 1}), 1)
    };
    // The marker of a gap in a text asks for every cell to be read as one.
    for report in [typed(&["age", "lab", "sex", "site"], GAP), typed(&["age", "lab", "sex", "site"], "north")] {
        let report = report.expect("compared");
        let same = |name: &str| of(&report, name) == of(&text, name);
        assert!(same("age") && same("lab") && same("sex"));
        assert_eq!(same("site"), report.scores == text.scores);
    }
    assert!(typed(&["age", "lab", "sex"], GAP).is_ok(), "a column that may be missing may be absent");
    assert!(typed(&["lab", "sex", "site"], GAP).expect_err("no age").to_string().contains("`age`"));
}

#[test]
fn importance_is_traced_to_raw_columns() {
    let directory = study();
    let at = directory.path();
    write_table(at, "current.csv", 0..TRAIN, |_, cells| "80".clone_into(&mut cells[0]));
    let rows = "member,rank,feature,mean_abs_contribution\nlogistic,1,age,3\nlogistic,2,lab,1\n";
    fs::write(at.join("importance.csv"), rows).expect("written");
    let report = drift(at, &[("importance", "importance.csv")], json!({"seed": 1}), 1).expect("compared");
    assert_eq!((of(&report, "age").importance, of(&report, "sex").importance), (Some(0.75), Some(0.0)));
    assert_eq!(report.dataset.weighted_share, Some(0.75));
    assert!(report.alert.alerts.iter().any(|alarm| alarm.rule == "attention"));
    fs::write(at.join("importance.csv"), "a,b\n1,2\n").expect("written");
    let error = drift(at, &[("importance", "importance.csv")], json!({"seed": 1}), 1).expect_err("another file");
    assert!(error.to_string().contains("no column `member`"), "{error}");
}

#[test]
fn nonsense_names_its_path() {
    let check = |drift: Value| {
        let params = json!({"seed": 1, "drift": drift});
        Drift.check(&ParamSet::new(params.as_object().cloned().expect("an object"))).map_err(|error| error.path)
    };
    assert_eq!(check(json!({})), Ok(()));
    for (drift, path) in [
        (json!({"alpha": 0}), "drift.alpha"),
        (json!({"limits": {"psi": -1}}), "drift.limits.psi"),
        (json!({"min_rows": 0}), "drift.min_rows"),
        (json!({"window": {"column": "m", "from": 2, "to": 1}}), "drift.window"),
        (json!({"window": {"column": "m", "from": 2, "to": "b"}}), "drift.window"),
        (json!({"escalation": {"dire": {}}}), "drift.escalation.dire"),
    ] {
        assert_eq!(check(drift), Err(path.to_owned()));
    }
    let directory = study();
    write_table(directory.path(), "current.csv", 0..TRAIN, |_, _| {});
    let params = json!({"seed": 1, "drift": {"critical": ["aeg"]}});
    let error = drift(directory.path(), &[], params, 1).expect_err("no such column").to_string();
    assert!(error.contains("did you mean `age`"), "{error}");
}

/// What is said of values beside those of the reference alone.
fn judged(then: &[f64], now: &[f64]) -> Compared {
    let sketch = NumberSketch::new(then, Privacy::default());
    let moved = compare::number(&NumberReference::Sketch(&sketch), now);
    let rows = now.len() as u64;
    let mut all = [Compared { column: blank("x"), rows, moved: Some(moved), gaps: None, unseen: None }];
    judge::adjust(&mut all, None);
    let [mut compared] = all;
    told::column(&mut compared, Privacy::default());
    judge::column(&mut compared, &DriftParams::default());
    compared
}

proptest! {
    #[test]
    fn equal_samples_never_drift_and_the_order_of_rows_does_not_matter(
        values in prop::collection::vec(-40..40_i32, 100..400),
        seed in 0_u64..1000,
    ) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let same = judged(&values, &values).column;
        prop_assert_eq!(same.verdict, Verdict::Stable);
        let mut mixed = values.clone();
        Stream::new(seed, "order").shuffle(&mut mixed);
        prop_assert_eq!(&judged(&mixed, &values).column, &same);
        prop_assert_eq!(&judged(&values, &mixed).column, &same);
        let far: Vec<f64> = values.iter().map(|value| value + 100.0).collect();
        prop_assert_eq!(judged(&values, &far).column.verdict, Verdict::Drifted);
    }

    #[test]
    fn equal_levels_never_drift(codes in prop::collection::vec(0..6_u8, 100..300)) {
        let texts: Texts = codes.iter().map(|code| (*code > 0).then(|| format!("l{code}"))).collect();
        let InputProfile::Category(counts) = InputProfile::new(&Column::Text(texts.clone()), Privacy::default()) else {
            unreachable!()
        };
        let levels = CurrentLevels::new(&texts);
        let found = compare::category(&counts, &levels);
        prop_assert!(found.psi.is_none_or(|psi| psi == 0.0) && found.test.p.is_none_or(|p| p > 0.99));
        let unseen = compare::unseen(&counts, &levels).expect("rows");
        prop_assert!(unseen.rows() <= counts.rare && unseen.change() == 0.0);
    }
}
