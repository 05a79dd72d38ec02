//! Laws, against a reference that is as slow and plain as the definitions, and the keys of the parameters.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ParamError;
use crate::common::schema::Schema;
use crate::featurize::{FeatureSpec, FeaturizeParams};

/// A row of a panel.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    patient: u8,
    time: f64,
    x: f64,
    z: f64,
}

fn spec(same_time: SameTime) -> HistorySpec {
    let mut columns = Vec::new();
    for of in ["x", "z"] {
        for (length, gap, min_values) in [(3.0, 0.0, 1), (2.0, 1.0, 1), (2.5, 0.5, 2)] {
            for stat in
                [Statistic::Mean, Statistic::Std, Statistic::Min, Statistic::Max, Statistic::Trend, Statistic::Count]
            {
                let name = format!("{of} {} {length} {gap}", stat.as_str());
                columns.push(HistoryColumn::Rolling { name, of: of.to_owned(), stat, length, gap, min_values });
            }
        }
        for by in [1.0, 0.5] {
            columns.push(HistoryColumn::Lag { name: format!("{of} lag {by}"), of: of.to_owned(), by });
        }
        columns.push(HistoryColumn::LastKnown { name: format!("{of} last"), of: of.to_owned() });
    }
    columns.push(HistoryColumn::EarlierRows { name: "earlier".to_owned() });
    columns.push(HistoryColumn::SincePrevious { name: "since".to_owned() });
    HistorySpec { entity: "patient".to_owned(), time: "time".to_owned(), same_time, columns }
}

fn frame(rows: &[Row]) -> Frame {
    let mut frame = Frame::with_rows(rows.len());
    frame.insert("patient", Column::Text(rows.iter().map(|row| Some(format!("P{}", row.patient))).collect()));
    frame.insert("time", Column::Number(rows.iter().map(|row| row.time).collect()));
    frame.insert("x", Column::Number(rows.iter().map(|row| row.x).collect()));
    frame.insert("z", Column::Number(rows.iter().map(|row| row.z).collect()));
    frame
}

fn computed(spec: &HistorySpec, rows: &[Row], of: &[usize]) -> BTreeMap<String, Vec<f64>> {
    let columns = spec.of_panel(&frame(rows), of).expect("a panel in order");
    columns.into_iter().map(|(name, column)| (name, column.numbers().expect("numbers").to_vec())).collect()
}

fn bits(columns: &BTreeMap<String, Vec<f64>>) -> Vec<Vec<u64>> {
    columns.values().map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
}

/// The definition of a column, row by row, by looking at every row of the table.
fn by_definition(column: &HistoryColumn, rows: &[Row], at: usize) -> f64 {
    let now = &rows[at];
    let value = |row: &Row| if column.source() == Some("x") { row.x } else { row.z };
    let mine: Vec<&Row> = rows.iter().filter(|row| row.patient == now.patient && row.time < now.time).collect();
    match column {
        HistoryColumn::Rolling { stat, length, gap, min_values, .. } => {
            let seen = mine.iter().copied().chain([now]);
            let within = seen.filter(|row| row.time > now.time - gap - length && row.time <= now.time - gap);
            let known: Vec<(f64, f64)> =
                within.map(|row| (row.time, value(row))).filter(|(_, value)| !value.is_nan()).collect();
            if *stat == Statistic::Count {
                return known.len() as f64;
            }
            if known.len() < *min_values as usize { f64::NAN } else { statistic(*stat, &known) }
        }
        HistoryColumn::Lag { by, .. } => {
            mine.iter().rev().find(|row| row.time == now.time - by).map_or(f64::NAN, |row| value(row))
        }
        HistoryColumn::LastKnown { .. } => {
            let known = mine.iter().filter(|row| !value(row).is_nan());
            // `max_by` gives the last of several: the row further down.
            known.max_by(|a, b| a.time.total_cmp(&b.time)).map_or(f64::NAN, |row| value(row))
        }
        HistoryColumn::EarlierRows { .. } => mine.len() as f64,
        HistoryColumn::SincePrevious { .. } => {
            mine.iter().map(|row| now.time - row.time).min_by(f64::total_cmp).unwrap_or(f64::NAN)
        }
    }
}

fn statistic(stat: Statistic, known: &[(f64, f64)]) -> f64 {
    let n = known.len() as f64;
    let values = || known.iter().map(|(_, value)| *value);
    let mean = values().sum::<f64>() / n;
    match stat {
        Statistic::Mean => mean,
        Statistic::Min => values().min_by(f64::total_cmp).unwrap_or(f64::NAN),
        Statistic::Max => values().max_by(f64::total_cmp).unwrap_or(f64::NAN),
        Statistic::Std if n < 2.0 => f64::NAN,
        Statistic::Std => (values().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt(),
        Statistic::Trend => {
            let (t, v): (f64, f64) = (known.iter().map(|k| k.0).sum(), values().sum());
            let (tt, tv): (f64, f64) = (known.iter().map(|k| k.0 * k.0).sum(), known.iter().map(|k| k.0 * k.1).sum());
            let spread = n * tt - t * t;
            if spread.abs() < 1e-9 { f64::NAN } else { (n * tv - t * v) / spread }
        }
        Statistic::Count => n,
    }
}

fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![2 => Just(f64::NAN), 1 => Just(0.0), 6 => -50.0..50.0f64]
}

/// Few patients and few half units of time, so that gaps, single rows and repeated times all happen; in any order.
fn panel() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..5_u8, 0..14_u8, cell(), cell());
    let row = row.prop_map(|(patient, time, x, z)| Row { patient, time: f64::from(time) / 2.0, x, z });
    prop::collection::vec(row, 1..40)
}

/// The same without repeated times.
fn distinct() -> impl Strategy<Value = Vec<Row>> {
    panel().prop_map(|rows| {
        let mut seen = Vec::new();
        let fresh = |row: &Row| {
            let key = (row.patient, row.time.to_bits());
            let fresh = !seen.contains(&key);
            seen.push(key);
            fresh
        };
        rows.into_iter().filter(fresh).collect()
    })
}

fn check_definitions(spec: &HistorySpec, rows: &[Row]) -> Result<(), TestCaseError> {
    let found = computed(spec, rows, &(0..rows.len()).collect::<Vec<_>>());
    for column in &spec.columns {
        for (at, found) in found[column.name()].iter().enumerate() {
            let expected = by_definition(column, rows, at);
            let close = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
            let same = close || (found.is_nan() && expected.is_nan());
            prop_assert!(same, "{} of row {at}: {found}, by definition {expected}", column.name());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn values_are_those_of_the_definitions(rows in distinct()) {
        check_definitions(&spec(SameTime::Refuse), &rows)?;
    }

    #[test]
    fn rows_at_the_same_time_do_not_see_each_other(rows in panel()) {
        check_definitions(&spec(SameTime::Apart), &rows)?;
    }

    /// The order of a table, where it is cut, and how many threads there are reach no bit.
    #[test]
    fn bits_depend_on_the_past_alone(rows in distinct(), seed in any::<u64>(), cut in any::<prop::sample::Index>()) {
        let spec = spec(SameTime::Refuse);
        let all: Vec<usize> = (0..rows.len()).collect();
        let whole = computed(&spec, &rows, &all);
        let (head, tail) = all.split_at(cut.index(rows.len()));
        let (head, tail) = (computed(&spec, &rows, head), computed(&spec, &rows, tail));
        for (name, values) in &whole {
            let joined: Vec<u64> = head[name].iter().chain(&tail[name]).map(|value| value.to_bits()).collect();
            prop_assert_eq!(values.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), joined, "{}", name);
        }
        let mut order = all.clone();
        crate::common::rng::Stream::new(seed, "order").shuffle(&mut order);
        let shuffled: Vec<Row> = order.iter().map(|&row| rows[row].clone()).collect();
        let back: Vec<usize> =
            all.iter().map(|row| order.iter().position(|at| at == row).expect("a permutation")).collect();
        prop_assert_eq!(bits(&whole), bits(&computed(&spec, &shuffled, &back)));
    }

    /// A patient scored with its earlier rows, in any order, gets what it had in the table; later rows change nothing.
    #[test]
    fn a_patient_alone_has_the_values_of_the_table(
        rows in distinct(), pick in any::<prop::sample::Index>(), seed in any::<u64>(),
    ) {
        let spec = spec(SameTime::Refuse);
        let at = pick.index(rows.len());
        let table = computed(&spec, &rows, &[at]);
        let mut history: Vec<Row> = rows
            .iter()
            .filter(|row| row.patient == rows[at].patient && row.time < rows[at].time)
            .cloned()
            .collect();
        crate::common::rng::Stream::new(seed, "history").shuffle(&mut history);
        history.push(rows[at].clone());
        let alone = spec.of_patient(&frame(&history), history.len() - 1).expect("in order");
        let alone = alone.into_iter().map(|(name, column)| (name, column.numbers().expect("numbers").to_vec()));
        prop_assert_eq!(bits(&table), bits(&alone.collect()));
    }
}

#[test]
fn threads_reach_no_bit() {
    let mut stream = crate::common::rng::Stream::new(5, "panel");
    let rows: Vec<Row> = (0..9000_u32)
        .map(|row| Row {
            patient: (row % 251) as u8,
            time: f64::from(row / 251),
            x: if stream.chance(0.2) { f64::NAN } else { stream.normal() },
            z: stream.normal(),
        })
        .collect();
    let all: Vec<usize> = (0..rows.len()).collect();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| bits(&computed(&spec(SameTime::Refuse), &rows, &all)))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn a_first_row_has_no_past_and_nothing_is_made_up() {
    let rows = [Row { patient: 1, time: 2015.0, x: 4.0, z: f64::NAN }];
    let found = computed(&spec(SameTime::Refuse), &rows, &[0]);
    let value = |name: &str| found[name][0];
    assert_eq!((value("x mean 3 0"), value("x min 3 0"), value("x count 3 0")), (4.0, 4.0, 1.0));
    assert_eq!((value("z count 3 0"), value("x count 2 1"), value("earlier")), (0.0, 0.0, 0.0));
    for name in ["x std 3 0", "x trend 3 0", "z mean 3 0", "x mean 2 1", "x lag 1", "x last", "since", "x mean 2.5 0.5"]
    {
        assert!(value(name).is_nan(), "{name}: {}", value(name));
    }
}

#[test]
fn sums_beyond_a_float_are_missing() {
    let row = |time: f64| Row { patient: 0, time, x: f64::MAX, z: 0.0 };
    let found = computed(&spec(SameTime::Refuse), &[row(0.0), row(1.0)], &[1]);
    assert!(found["x mean 3 0"][0].is_nan() && found["x std 3 0"][0].is_nan());
    assert_eq!(found["x max 3 0"][0], f64::MAX);
}

#[test]
fn faulty_rows_are_named() {
    let row = |patient: u8, time: f64| Row { patient, time, x: 0.0, z: 0.0 };
    let fault =
        |rows: &[Row], same_time| spec(same_time).of_panel(&frame(rows), &[0]).expect_err("no order").to_string();
    let twice = [row(1, 2.0), row(2, 2.0), row(1, 2.0), row(1, 3.0)];
    let text = fault(&twice, SameTime::Refuse);
    assert!(text.contains("row 1 (the first is 1) and row 3"), "{text}");
    let many: Vec<Row> = (0..9).map(|_| row(1, 1.0)).collect();
    assert!(fault(&many, SameTime::Refuse).ends_with("and 3 more"), "{}", fault(&many, SameTime::Refuse));
    let timeless = [row(1, 2.0), row(1, f64::NAN)];
    assert!(fault(&timeless, SameTime::Apart).contains("no time in row 2"));
}

#[test]
fn rows_without_a_patient_have_no_past() {
    let mut frame =
        frame(&[Row { patient: 1, time: 1.0, x: 1.0, z: 1.0 }, Row { patient: 1, time: 1.0, x: 2.0, z: 2.0 }]);
    frame.insert("patient", Column::Text(vec![None::<&str>, None].into()));
    let found = spec(SameTime::Refuse).of_panel(&frame, &[0, 1]).expect("two entities");
    let earlier = found.iter().find(|(name, _)| name == "earlier").expect("a column");
    assert_eq!(earlier.1, Column::Number(vec![0.0, 0.0]));
    // A patient may be a number, too.
    frame.insert("patient", Column::Number(vec![7.0, 7.0]));
    assert!(spec(SameTime::Refuse).of_panel(&frame, &[0]).is_err());
}

fn params() -> Value {
    json!({
        "history": {
            "time": "year", "unit": "y",
            "rolling": [
                {"of": ["bmi"], "length": 3},
                {"of": ["bmi"], "length": 2.5, "gap": 1, "stats": ["count"], "min_values": 2},
            ],
            "lags": [{"of": ["bmi", "visits"], "by": [1, 2]}],
            "last_known": ["bmi"],
            "earlier_rows": true,
            "since_previous": true,
        },
        "derive": [{"name": "change", "op": "difference", "of": "bmi", "minus": "bmi_lag_1y"}],
    })
}

fn resolve(params: &Value, change: impl Fn(&mut Value)) -> Result<FeatureSpec, ParamError> {
    let mut schema = json!({
        "group": "patient",
        "target": {"column": "y", "event": "falls ill"},
        "columns": {
            "patient": {"type": "text"},
            "year": {"type": "integer"},
            "day": {"type": "number", "nullable": true},
            "bmi": {"type": "number", "nullable": true},
            "visits": {"type": "integer"},
            "sex": {"type": "category", "levels": ["M", "F"]},
            "later": {"type": "number", "available_at": "post"},
            "y": {"type": "integer", "levels": [0, 1], "available_at": "post"},
        },
    });
    change(&mut schema);
    let schema: Schema = serde_json::from_value(schema).expect("a schema");
    let params: FeaturizeParams = serde_json::from_value(params.clone()).expect("parameters");
    params.resolve(&schema)
}

#[test]
fn columns_are_named_by_what_they_are() {
    let spec = resolve(&params(), |_| {}).expect("valid");
    let names: Vec<&str> = spec.features.iter().map(|feature| feature.name.as_str()).collect();
    let expected = [
        "bmi",
        "day",
        "sex",
        "visits",
        "year",
        "bmi_rolling_mean_3y",
        "bmi_rolling_std_3y",
        "bmi_rolling_min_3y",
        "bmi_rolling_max_3y",
        "bmi_rolling_trend_3y",
        "bmi_rolling_count_2.5y_gap_1y",
        "bmi_lag_1y",
        "bmi_lag_2y",
        "visits_lag_1y",
        "visits_lag_2y",
        "bmi_last_known",
        "earlier_rows",
        "since_previous",
        "change",
    ];
    assert_eq!(names, expected);
    assert_eq!(spec.inputs, ["bmi", "day", "sex", "visits", "year"]);
    assert_eq!(spec.reads(), ["bmi", "day", "patient", "sex", "visits", "year"]);
    let text = serde_json::to_value(&spec).expect("JSON");
    assert_eq!(text["history"]["columns"][5]["op"], "rolling");
    assert_eq!(serde_json::from_value::<FeatureSpec>(text).expect("reads back"), spec);
}

#[test]
fn only_the_past_that_a_feature_needs_is_kept() {
    let mut wanted = params();
    wanted["features"] = json!(["change"]);
    let spec = resolve(&wanted, |_| {}).expect("valid");
    let columns = spec.history.as_ref().expect("a history").columns.iter().map(HistoryColumn::name);
    assert_eq!(columns.collect::<Vec<_>>(), ["bmi_lag_1y"]);
    assert_eq!((spec.inputs.len(), spec.reads().len()), (1, 3));
    wanted["features"] = json!(["bmi"]);
    let spec = resolve(&wanted, |_| {}).expect("valid");
    assert!(spec.history.is_none() && !serde_json::to_string(&spec).expect("JSON").contains("history"));
}

#[test]
fn contradictions_are_found_by_path() {
    let fails = |change: fn(&mut Value)| {
        let mut params = params();
        change(&mut params["history"]);
        let error = resolve(&params, |_| {}).expect_err("refused");
        (error.path.strip_prefix("featurize.history.").unwrap_or(&error.path).to_owned(), error.message)
    };
    let at = |change| fails(change).0;
    assert_eq!(at(|h| h["time"] = json!("yeer")), "time");
    assert!(fails(|h| h["time"] = json!("yeer")).1.contains("did you mean `year`"));
    assert_eq!(at(|h| h["time"] = json!("day")), "time");
    assert_eq!(at(|h| h["time"] = json!("sex")), "time");
    assert_eq!(at(|h| h["entity"] = json!("person")), "entity");
    assert_eq!(at(|h| h["rolling"][0]["length"] = json!(0)), "rolling.0.length");
    assert_eq!(at(|h| h["rolling"][1]["gap"] = json!(-1)), "rolling.1.gap");
    assert_eq!(at(|h| h["rolling"][1]["min_values"] = json!(0)), "rolling.1.min_values");
    assert_eq!(at(|h| h["rolling"][0]["stats"] = json!([])), "rolling.0.stats");
    assert_eq!(at(|h| h["rolling"][0]["of"] = json!(["sex"])), "rolling.0.of.0");
    assert_eq!(at(|h| h["lags"][0]["by"] = json!([1, 0])), "lags.0.by.1");
    assert_eq!(at(|h| h["lags"][0]["of"] = json!(["bmi", "later"])), "lags.0.of.1");
    assert!(fails(|h| h["lags"][0]["of"] = json!(["y"])).1.contains("outcome"));
    assert_eq!(at(|h| h["lags"][0]["by"] = json!([1, 1])), "lags.0.of.0");
    assert_eq!(at(|h| h["last_known"] = json!(["bmj"])), "last_known.0");
    let nothing = json!({"history": {"time": "year"}});
    assert_eq!(resolve(&nothing, |_| {}).expect_err("nothing asked for").path, "featurize.history");
    let ungrouped = resolve(&params(), |schema| schema["group"] = Value::Null).expect_err("no patients");
    assert!(ungrouped.message.contains("schema.group"), "{ungrouped}");
    let taken = |schema: &mut Value| schema["columns"]["history"] = json!({"type": "number"});
    assert_eq!(resolve(&params(), taken).expect_err("taken").path, "schema.columns.history");
}
