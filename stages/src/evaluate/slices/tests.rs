//! Slices, profiles and periods as a whole: against reference values, on planted differences, and through the stage.

use serde_json::{Value, json};

use super::levels::of_slice;
use super::part::OF_EVENTS;
use super::*;
use crate::common::frame::Column;
use crate::common::link::sigmoid;
use crate::common::privacy::Cell;
use crate::common::rng::Stream;
use crate::common::schema::Schema;
use crate::common::scores;
use crate::train::test_study::{run, write_clean};
use crate::{ParamSet, Stage, StageRequest};

/// Two sites, of which the second has risks twice what is predicted and is hard to rank; a third is tiny.
fn cohort(n: usize) -> (Answers, Frame) {
    let mut stream = Stream::new(9, "slices/tests");
    let site: Vec<usize> = (0..n).map(|row| if row % 100 == 99 { 2 } else { row % 3 / 2 }).collect();
    let margin: Vec<f64> = (0..n).map(|_| -0.5 + 1.2 * stream.normal()).collect();
    let truth = |row: usize| if site[row] == 1 { 0.6 + 0.3 * margin[row] } else { margin[row] };
    let y: Vec<bool> = (0..n).map(|row| stream.chance(sigmoid(truth(row)))).collect();
    let p: Vec<f64> = margin.iter().map(|&margin| sigmoid(margin)).collect();
    let flagged = p.iter().map(|&p| p >= 0.4).collect();
    let mut raw = Frame::with_rows(n);
    let names = ["north", "south", "islet"];
    raw.insert("site", Column::Text(site.iter().map(|&site| Some(names[site].to_owned())).collect()));
    raw.insert("year", Column::Number((0..n).map(|row| 2000.0 + (row * 5 / n) as f64).collect()));
    raw.insert("margin", Column::Number(margin));
    (Answers::Events { y, p, flagged }, raw)
}

fn schema() -> Schema {
    let columns = json!({
        "site": {"type": "category", "levels": ["south", "north", "islet", "moon"]},
        "year": {"type": "integer"},
        "margin": {"type": "number", "unit": "log odds"},
        "event": {"type": "integer", "levels": [0, 1], "available_at": "post"},
    });
    let schema = json!({"target": {"column": "event", "event": "ends"}, "columns": columns});
    serde_json::from_value(schema).expect("a schema")
}

fn context(threads: usize) -> StageContext<'static> {
    let request = StageRequest {
        uses: "evaluate".to_owned(),
        inputs: std::collections::BTreeMap::default(),
        outputs: std::collections::BTreeMap::default(),
        params: serde_json::Map::default(),
        threads,
    };
    StageContext::new(request, &|_| {})
}

/// The slices of a column, adjusted, with one row a patient or several.
fn sliced(
    answers: &Answers,
    raw: &Frame,
    slice: Value,
    per_patient: usize,
    min_cell: u64,
) -> (SlicedColumn, TestFamily) {
    let names: Vec<String> = (0..raw.rows()).map(|row| format!("p{}", row / per_patient)).collect();
    let (clusters, patient) = (Clusters::new(&names), number(names.iter().map(String::as_str)));
    let setting = Setting {
        answers,
        privacy: Privacy { min_cell, ..Privacy::default() },
        confidence: 0.95,
        single_rows: clusters.single_rows(),
        patient: &patient,
    };
    let slice: SliceBy = serde_json::from_value(slice).expect("a slice");
    let cut = Cut::new(&setting, of_slice(&slice, 0, &schema(), raw).expect("levels"), true);
    let draws = resample(&context(2), &clusters, 42, 400, |weights| cut.draw(weights)).expect("threads");
    let draws: Vec<&[Draw]> = draws.iter().map(Vec::as_slice).collect();
    let column = SlicedColumn {
        column: slice.column().to_owned(),
        used_by_model: false,
        bins: None,
        levels: cut.report(&setting, &draws),
    };
    let mut columns = [column];
    let tests = gaps::adjust(&mut columns, &[cut.mirrored]);
    let [column] = columns;
    (column, tests)
}

#[test]
fn levels_keep_their_order_and_small_ones_say_nothing() {
    let (answers, raw) = cohort(900);
    let (column, tests) = sliced(&answers, &raw, json!("site"), 1, 10);
    let names: Vec<&str> = column.levels.iter().map(|level| level.level.as_str()).collect();
    assert_eq!(names, ["south", "north", "islet", "moon"]);
    let islet = &column.levels[2];
    assert_eq!((islet.status, islet.n, islet.events), (Status::Insufficient, Cell::Suppressed, Cell::Suppressed));
    assert!(islet.measures.is_empty() && islet.gaps.is_empty() && islet.counts.is_none());
    assert!(islet.reason.as_deref().is_some_and(|reason| reason.starts_with("fewer than 20 events")));
    // The islet's 9 rows may not follow from those of the others.
    assert!(column.levels[..2].iter().any(|level| level.n.is_suppressed()));
    assert_eq!(column.levels[3].n, Cell::Known(0));
    let tested = column.levels.iter().flat_map(|level| level.gaps.values()).filter(|gap| gap.p.is_some());
    assert_eq!(tests.count, tested.count());
}

#[test]
fn a_planted_gap_is_found_and_its_mirror_is_the_same_test() {
    let (answers, raw) = cohort(3000);
    let (column, tests) = sliced(&answers, &raw, json!({"column": "year", "bins": [2001.5]}), 1, 10);
    assert_eq!(column.levels.len(), 2);
    // Sites are spread evenly over the years: nothing to find.
    assert!(column.levels[0].gaps.values().all(|gap| gap.p_holm.expect("tested") > 0.05));
    assert_eq!(tests.count, 5);
    for measure in [Measure::Auroc, Measure::Sensitivity] {
        let [one, two] = [0, 1].map(|level| column.levels[level].gaps[&measure].clone());
        assert!((one.difference.value.expect("a gap") + two.difference.value.expect("a gap")).abs() < 1e-12);
        assert_eq!((one.p, one.p_holm), (two.p, two.p_holm));
    }
    let (column, _) = sliced(&answers, &raw, json!("site"), 1, 10);
    let south = &column.levels[0].gaps;
    for measure in [Measure::Auroc, Measure::Intercept] {
        let gap = &south[&measure];
        assert!(gap.p_holm.expect("tested") < 0.05 && gap.p_holm >= gap.p, "{measure:?} {gap:?}");
    }
    assert!(
        south[&Measure::Auroc].difference.high < Some(0.0) && south[&Measure::Intercept].difference.low > Some(0.5)
    );
}

#[test]
fn measures_are_those_of_the_rows_alone_and_intervals_follow_the_patients() {
    let (answers, raw) = cohort(2000);
    let Answers::Events { y, p, .. } = &answers else { unreachable!() };
    for (per_patient, methods) in [(1, ["delong", "wilson"]), (2, ["patient-bootstrap"; 2])] {
        let (column, _) = sliced(&answers, &raw, json!("site"), per_patient, 0);
        let north: Vec<usize> = (0..2000).filter(|row| row % 100 != 99 && row % 3 < 2).collect();
        let pick = |row: &usize| (y[*row], p[*row]);
        let (y, p): (Vec<bool>, Vec<f64>) = north.iter().map(pick).unzip();
        let measures = &column.levels[1].measures;
        assert_eq!(measures.len(), OF_EVENTS.len());
        assert_eq!(measures[&Measure::Auroc].value, scores::auroc(&y, &p));
        assert_eq!(measures[&Measure::Auroc].method.as_deref(), Some(methods[0]));
        let flagged = &measures[&Measure::FlaggedPer1000];
        assert_eq!(flagged.method.as_deref(), Some(methods[1]));
        let share = p.iter().filter(|&&p| p >= 0.4).count() as f64 / p.len() as f64;
        assert!((flagged.value.expect("a rate") - 1000.0 * share).abs() < 1e-9);
        let (low, high) = (measures[&Measure::Slope].low, measures[&Measure::Slope].high);
        assert!(low < Some(1.0) && high > Some(1.0), "{:?}", measures[&Measure::Slope]);
    }
}

#[test]
fn calibration_and_trend_are_those_of_statsmodels() {
    let text = include_str!("../../../fixtures/slices.json");
    let fixture: Value = serde_json::from_str(text).expect("a fixture");
    let list = |key: &str| serde_json::from_value::<Vec<f64>>(fixture["trend"][key].clone()).expect("numbers");
    let (y, p): (Vec<bool>, Vec<f64>) = (list("y").iter().map(|&y| y > 0.5).collect(), list("p"));
    let answers = Answers::Events { flagged: vec![true; y.len()], y, p };
    let n = answers.rows();
    let values = part::Part::new(&answers, (0..n).collect(), true).measure(&vec![1; n]);
    let near = |own: f64, key: &str, at: usize| {
        let reference = if at == 9 { fixture["trend"][key].as_f64().expect("a number") } else { list(key)[at] };
        assert!((own - reference).abs() < 1e-6, "{key}: {own} {reference}");
    };
    near(values[1], "intercept", 9);
    near(values[2] - 1.0, "line", 1);
    near(values[3], "observed_expected", 9);
    let mut raw = Frame::with_rows(n);
    raw.insert("time", Column::Number(list("time")));
    let patient: Vec<usize> = (0..n).collect();
    let setting = Setting {
        answers: &answers,
        privacy: Privacy::default(),
        confidence: 0.95,
        single_rows: true,
        patient: &patient,
    };
    let time = serde_json::from_value(json!({"column": "time", "bins": [2003, 2007]})).expect("a time column");
    let periods = Periods::new(&setting, &time, &raw).expect("periods");
    near(periods.trend(&vec![1; n]), "trend", 1);
}

/// Evaluates the test study with slices; the table holds a column that the model does not use.
fn evaluate(threads: usize, evaluate: Value) -> Result<(tempfile::TempDir, SliceReport), StageError> {
    let directory = crate::bundle::tests::assemble("gbdt");
    let at = directory.path();
    write_clean(at)?;
    let inputs = [("bundle", "bundle/"), ("table", "clean.parquet"), ("split", "split.parquet")];
    let outputs = [("metrics", "metrics.json"), ("predictions", "predictions.parquet"), ("slices", "slices.json")];
    let policy = json!({"policy": "fbeta", "beta": 2});
    let params = json!({"seed": 42, "evaluate": evaluate, "tune_threshold": policy, "privacy": {"min_cell": 3}});
    run(&crate::evaluate::Evaluate, at, &inputs, &outputs, params, threads)?;
    let report = canonical_json::read(&at.join("slices.json"), "slices.json")?;
    Ok((directory, report))
}

fn asked() -> Value {
    json!({
        "bootstrap": 100,
        "slices": ["sex", {"column": "age", "bins": [50]}, "site"],
        "over_time": {"column": "age", "bins": [40, 65]},
    })
}

#[test]
fn the_stage_writes_one_file_whatever_the_threads() {
    let (one, report) = evaluate(1, asked()).expect("evaluated");
    let (four, _) = evaluate(4, asked()).expect("evaluated");
    let bytes = |directory: &tempfile::TempDir| std::fs::read(directory.path().join("slices.json")).expect("a file");
    assert!(bytes(&one) == bytes(&four));
    assert_eq!(blake3::hash(&bytes(&one)).to_hex()[..16].to_owned(), "6ff7f8196107b18b", "bytes moved: raise VERSION");
    let text = canonical_json::to_string(&report).expect("JSON");
    assert_eq!(text.as_bytes(), bytes(&one), "what is read is what was written");
    assert!(!text.contains("NaN"));
    assert_eq!(report.slices.len(), 3);
    let profiles = report.profiles.expect("an event");
    let known: Vec<&str> = profiles.columns.iter().map(|column| column.column.as_str()).collect();
    assert_eq!(known, ["age", "lab", "sex", "site"]);
    assert_eq!(report.over_time.expect("asked for").periods.len(), 3);
}

#[test]
fn wrong_columns_are_named_with_the_nearest() {
    let path = |change: Value| {
        let error = evaluate(1, change).expect_err("a wrong column");
        let StageError::Params(error) = error else { panic!("{error}") };
        (error.path.clone(), error.to_string())
    };
    let (at, text) = path(json!({"slices": ["sex", "sitte"]}));
    assert!(at == "evaluate.slices.1" && text.contains("did you mean `site`?"), "{text}");
    assert_eq!(path(json!({"slices": ["event"]})).0, "evaluate.slices.0");
    assert_eq!(path(json!({"slices": [{"column": "sex", "bins": [1]}]})).0, "evaluate.slices.0.bins");
    assert_eq!(path(json!({"over_time": {"column": "sex"}})).0, "evaluate.over_time");
    assert_eq!(path(json!({"over_time": {"column": "agee"}})).0, "evaluate.over_time.column");
    let check = |evaluate: Value| {
        let Value::Object(map) = json!({"seed": 1, "evaluate": evaluate}) else { unreachable!() };
        crate::evaluate::Evaluate.check(&ParamSet::new(map)).expect_err("unsound").path
    };
    assert_eq!(check(json!({"slices": ["a", "a"]})), "evaluate.slices.1");
    assert_eq!(check(json!({"slices": [{"column": "a", "bins": [2, 1]}]})), "evaluate.slices.0.bins");
    assert_eq!(check(json!({"slices": [{"column": "a", "bin": [2]}]})), "evaluate.slices.0");
    assert_eq!(check(json!({"over_time": {"column": "a", "bins": []}})), "evaluate.over_time.bins");
}

#[test]
fn profiles_describe_who_is_missed() {
    let (answers, raw) = cohort(2000);
    let patient: Vec<usize> = (0..2000).collect();
    let setting = Setting {
        answers: &answers,
        privacy: Privacy::default(),
        confidence: 0.95,
        single_rows: true,
        patient: &patient,
    };
    let profiles = profiles::of(&setting, &schema(), &raw, &[]).expect("an event");
    let margin = profiles.columns.iter().find(|column| column.column == "margin").expect("a column");
    // Events are missed because their margin is low.
    assert!(margin.difference.fn_vs_tp < Some(-1.5) && margin.difference.fp_vs_tn > Some(1.5), "{margin:?}");
    assert_eq!(margin.unit.as_deref(), Some("log odds"));
    assert_eq!(profiles.most_different.fn_vs_tp[0], "margin");
    let counts: u64 = profiles.groups.values().filter_map(|cell| cell.known()).sum();
    assert_eq!(counts, 2000);
    let site = profiles.columns.iter().find(|column| column.column == "site").expect("a column");
    // Among twenty rows of the islet some kind of decision is rare: then no difference of shares may tell it.
    assert!(site.reason.is_some() && site.difference.fn_vs_tp.is_none(), "{site:?}");
}
