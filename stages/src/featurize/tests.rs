use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::common::frame::{Column, Frame};
use crate::common::table::Table;
use crate::testing::Lab;

fn params() -> Value {
    json!({
        "schema": {
            "id": "name",
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "name": {"type": "text"},
                "a": {"type": "number", "nullable": true},
                "b": {"type": "integer"},
                "c": {"type": "category", "levels": ["low", "high"]},
                "later": {"type": "number", "available_at": "post"},
                "y": {"type": "integer", "levels": [0, 1], "available_at": "post"},
            },
        },
        "featurize": {
            "derive": [
                {"name": "rate", "op": "rate", "of": "a", "per": "b", "scale": 30, "offset": 1},
                {"name": "ratio", "op": "ratio", "of": "a", "by": "b"},
                {"name": "product", "op": "product", "of": ["a", "b"], "scale": 2},
                {"name": "difference", "op": "difference", "of": "a", "minus": "b"},
                {"name": "linear", "op": "linear", "of": "rate", "factor": -1, "offset": 1},
                {"name": "band", "op": "bins", "of": "a", "edges": [0, 10, 20], "labels": ["one", "two"]},
                {"name": "mapped", "op": "map", "of": "c", "values": {"low": 0.2, "high": 0.8}},
                {"name": "a_missing", "op": "missing", "of": "a"},
            ],
        },
    })
}

fn spec() -> FeatureSpec {
    let Value::Object(map) = params() else { unreachable!() };
    parse(&ParamSet::new(map)).expect("valid").1
}

fn frame(a: Vec<f64>, b: Vec<f64>, c: Vec<Option<String>>) -> Frame {
    let mut frame = Frame::with_rows(a.len());
    frame.insert("a", Column::Number(a));
    frame.insert("b", Column::Number(b));
    frame.insert("c", Column::Text(c.into()));
    frame
}

#[test]
fn operations_do_what_their_formulas_say() {
    let raw = frame(
        vec![10.0, f64::NAN, 20.5, 0.0],
        vec![30.0, 30.0, 0.0, 0.0],
        vec![Some("low".into()), None, Some("other".into()), Some("high".into())],
    );
    let features = spec().apply(&raw).expect("all columns are there");
    let numbers = |name: &str| features.get(name).and_then(Column::numbers).expect("numbers").to_vec();
    let same = |name: &str, expected: [f64; 4]| {
        let found = numbers(name);
        let equal = found.iter().zip(&expected).all(|(f, e)| f == e || (f.is_nan() && e.is_nan()));
        assert!(equal, "{name}: {found:?}");
    };
    let missing = f64::NAN;
    same("rate", [5.0, missing, 20.5, 0.0]);
    same("ratio", [10.0 / 30.0, missing, missing, missing]);
    same("product", [150.0, missing, 0.0, 0.0]);
    same("difference", [-20.0, missing, 20.5, 0.0]);
    same("linear", [-4.0, missing, -19.5, 1.0]);
    same("mapped", [0.2, missing, missing, 0.8]);
    same("a_missing", [0.0, 1.0, 0.0, 0.0]);
    // Right-closed: 10 belongs to (0, 10]; 0 and 20.5 lie outside; an unknown level is missing.
    assert_eq!(features.get("band").and_then(Column::texts), Some(&vec![Some("one"), None, None, None].into()));
    let c = features.get("c").and_then(Column::texts).expect("texts");
    assert_eq!(*c, vec![Some("low"), None, None, Some("high")].into());
}

#[test]
fn what_is_not_known_in_time_is_refused_by_path() {
    let fails = |change: fn(&mut Value)| {
        let mut value = params();
        change(&mut value["featurize"]);
        let Value::Object(map) = value else { unreachable!() };
        let error = parse(&ParamSet::new(map)).expect_err("refused");
        (error.path, error.message)
    };
    let (path, message) = fails(|f| f["features"] = json!(["a", "later"]));
    assert_eq!(path, "featurize.features.1");
    assert!(message.contains("post"), "{message}");
    assert_eq!(fails(|f| f["features"] = json!(["y"])).0, "featurize.features.0");
    assert_eq!(fails(|f| f["features"] = json!(["name"])).0, "featurize.features.0");
    assert_eq!(fails(|f| f["derive"][2]["of"] = json!(["a", "later"])).0, "featurize.derive.2.of");
    assert_eq!(fails(|f| f["derive"][0]["per"] = json!("linear")).0, "featurize.derive.0.per");
    assert_eq!(fails(|f| f["derive"][0]["of"] = json!("c")).0, "featurize.derive.0.of");
    assert_eq!(fails(|f| f["derive"][5]["edges"] = json!([0, 20, 10])).0, "featurize.derive.5.edges");
    assert_eq!(fails(|f| f["derive"][6]["values"] = json!({"low": 1})).0, "featurize.derive.6.values");
    assert_eq!(fails(|f| f["derive"][1]["name"] = json!("rate")).0, "featurize.derive.1.name");
    assert!(fails(|f| f["features"] = json!(["rat"])).1.contains("did you mean"));
}

#[test]
fn only_what_a_feature_needs_is_asked_for() {
    let mut value = params();
    value["featurize"]["features"] = json!(["linear"]);
    let Value::Object(map) = value else { unreachable!() };
    let spec = parse(&ParamSet::new(map)).expect("valid").1;
    assert_eq!(spec.inputs, ["a", "b"]);
    assert_eq!(spec.derive.iter().map(Derivation::name).collect::<Vec<_>>(), ["rate", "linear"]);
}

#[test]
fn bytes_are_frozen_and_the_spec_reads_back() {
    let lab = Lab::new();
    let mut table = Table::with_rows(3);
    let texts = |values: [&str; 3]| values.map(|value| Some(value.to_owned())).to_vec();
    table
        .push_ints("row_id", vec![Some(0), Some(2), Some(5)])
        .and_then(|t| t.push_texts("name", texts(["x", "y", "z"])))
        .and_then(|t| t.push_floats("a", vec![1.5, f64::NAN, 12.0]))
        .and_then(|t| t.push_ints("b", vec![Some(3), Some(4), Some(5)]))
        .and_then(|t| t.push_texts("c", texts(["low", "high", "low"])))
        .and_then(|t| t.push_ints("y", vec![Some(0), Some(1), Some(0)]))
        .expect("columns");
    table.write(&lab.path("clean.parquet")).expect("written");
    let outputs = [("table", "features.parquet"), ("spec", "features.json")];
    lab.run(&Featurize, &[("table", "clean.parquet")], &outputs, &params()).expect("runs");
    assert_eq!(lab.digest(&["features.parquet", "features.json"]), "2f2554c21c7018a7", "bytes moved: raise VERSION");
    let read: FeatureSpec = serde_json::from_value(lab.json("features.json")).expect("reads back");
    assert_eq!(read, spec());
    let out = lab.table("features.parquet");
    assert_eq!(out.texts("group").expect("texts"), vec![Some("0"), Some("2"), Some("5")].into());
    assert_eq!(out.texts("id").expect("texts"), texts(["x", "y", "z"]).into());
}

#[test]
fn a_star_in_a_feature_stands_for_any_text() {
    let names = |entries: Value| {
        let mut changed = params();
        changed["featurize"]["features"] = entries;
        let Value::Object(map) = changed else { unreachable!() };
        let spec = parse(&ParamSet::new(map)).map_err(|error| error.path)?.1;
        Ok::<_, String>(spec.features.into_iter().map(|feature| feature.name).collect::<Vec<_>>())
    };
    assert_eq!(names(json!(["b", "r*", "m*p*d"])).expect("valid"), ["b", "rate", "ratio", "mapped"]);
    assert_eq!(names(json!(["rat*e"])).expect("valid"), ["rate"]);
    assert_eq!(names(json!(["a", "x*"])), Err("featurize.features.1".to_owned()));
    assert_eq!(names(json!(["rate", "ra*"])), Err("featurize.features.1".to_owned()), "twice");
    // Neither the outcome nor what is known only afterwards comes in by a star.
    let all = names(json!(["*"])).expect("valid");
    assert!(!all.contains(&"y".to_owned()) && !all.contains(&"later".to_owned()), "{all:?}");
}

fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![Just(f64::NAN), Just(0.0), -50.0..50.0f64]
}

proptest! {
    /// The features of a row do not depend on the rows around it: a request is scored as its row was in the table.
    #[test]
    fn a_row_alone_gives_the_features_it_has_in_the_table(
        rows in prop::collection::vec((cell(), cell(), prop::option::of("low|high|x")), 1..20),
        pick in any::<prop::sample::Index>(),
    ) {
        let unzip = |rows: &[(f64, f64, Option<String>)]| frame(
            rows.iter().map(|row| row.0).collect(),
            rows.iter().map(|row| row.1).collect(),
            rows.iter().map(|row| row.2.clone()).collect(),
        );
        let row = pick.index(rows.len());
        let all = spec().apply(&unzip(&rows)).expect("applies").take(&[row]);
        let alone = spec().apply(&unzip(&rows[row..=row])).expect("applies");
        for ((name, left), (other, right)) in all.columns().zip(alone.columns()) {
            prop_assert_eq!(name, other);
            match (left, right) {
                (Column::Number(l), Column::Number(r)) => prop_assert_eq!(l[0].to_bits(), r[0].to_bits(), "{}", name),
                (l, r) => prop_assert_eq!(l, r),
            }
        }
    }
}
