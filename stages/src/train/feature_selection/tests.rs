//! Selection: what is kept, in which order things go, and that it is decided by the given rows alone.

use serde_json::{Value, json};

use super::*;
use crate::common::frame::{Column, Frame};
use crate::common::rng::Stream;

const ROWS: usize = 300;

struct Data {
    features: Frame,
    names: Vec<String>,
    y: Vec<f64>,
    ids: Vec<i64>,
    groups: Vec<usize>,
}

/// `strong` and `site` decide the outcome, `weak` helps a little, `noise*` and `flat` do not; `copy` is `strong` again.
fn data() -> Data {
    let mut stream = Stream::new(3, "selection data");
    let strong: Vec<f64> = (0..ROWS).map(|_| stream.normal()).collect();
    let weak: Vec<f64> = (0..ROWS).map(|_| 1000.0 * stream.normal()).collect();
    let site: Vec<usize> = (0..ROWS).map(|_| stream.below(3) as usize).collect();
    let y = (0..ROWS).map(|row| {
        let margin = 2.5 * strong[row] + 0.0008 * weak[row] + [-2.0, 0.0, 2.0][site[row]];
        f64::from(u8::from(stream.chance(crate::common::link::sigmoid(margin))))
    });
    let y = y.collect();
    let mut features = Frame::with_rows(ROWS);
    features.insert("copy", Column::Number(strong.clone()));
    features.insert("strong", Column::Number(strong));
    features.insert("weak", Column::Number(weak));
    features.insert("flat", Column::Number(vec![4.0; ROWS]));
    features.insert("site", Column::Text(site.iter().map(|&at| Some(["n", "s", "w"][at].to_owned())).collect()));
    let mut names: Vec<String> = ["flat", "weak", "strong", "site"].map(str::to_owned).to_vec();
    for index in 0..6 {
        names.push(format!("noise{index}"));
        features.insert(&names[names.len() - 1], Column::Number((0..ROWS).map(|_| stream.normal()).collect()));
    }
    Data { features, names, y, ids: (0..ROWS as i64).collect(), groups: (0..ROWS).collect() }
}

fn run(data: &Data, index: &[usize], params: Value, task: Task) -> Vec<Dropped> {
    let rows = FitRows {
        features: &data.features,
        names: &data.names,
        index,
        row_ids: &data.ids,
        y: &data.y,
        groups: &data.groups,
        seed: 42,
        label: "test",
    };
    let params: SelectParams = serde_json::from_value(params).expect("the right types");
    params.check().expect("sound");
    select(&rows, &PreprocessParams::default(), &params, task, 1).expect("it can be selected")
}

fn kept(data: &Data, dropped: &[Dropped]) -> Vec<String> {
    let gone = |name: &&String| !dropped.iter().any(|dropped| dropped.feature == **name);
    data.names.iter().filter(gone).cloned().collect()
}

#[test]
fn what_decides_the_outcome_stays() {
    let data = data();
    let all: Vec<usize> = (0..ROWS).collect();
    for task in [Task::Binary, Task::Continuous] {
        for params in [
            json!({"method": "importance", "max": 2}),
            json!({"method": "importance", "by": "linear", "max": 2}),
            json!({"method": "rfe", "max": 2}),
        ] {
            let dropped = run(&data, &all, params.clone(), task);
            assert_eq!(kept(&data, &dropped), ["strong", "site"], "{params} {task}");
            assert!(dropped.iter().all(|dropped| (0.0..1.0).contains(&dropped.value)), "{dropped:?}");
        }
    }
    assert_eq!(run(&data, &all, json!({"max": 1}), Task::Binary), []);
    assert_eq!(run(&data, &all, json!({"method": "rfe", "max": 10}), Task::Binary), []);
}

#[test]
fn what_does_not_vary_goes_and_the_best_always_stays() {
    let data = data();
    let all: Vec<usize> = (0..ROWS).collect();
    let dropped = run(&data, &all, json!({"method": "variance"}), Task::Binary);
    assert_eq!(dropped, [Dropped { feature: "flat".to_owned(), reason: DropReason::Variance, value: 0.0 }]);
    // Of 0/1 columns of three sites the widest has about ⅓·⅔; no bell curve spreads as far within its range.
    let dropped = run(&data, &all, json!({"method": "variance", "threshold": 0.9}), Task::Binary);
    assert_eq!(kept(&data, &dropped), ["site"]);
    let dropped = run(&data, &all, json!({"method": "importance", "threshold": 0.1}), Task::Binary);
    assert!(kept(&data, &dropped).contains(&"strong".to_owned()) && dropped.len() >= 6, "{dropped:?}");
}

#[test]
fn equal_features_tie_in_favour_of_the_first() {
    let mut data = data();
    data.names = ["copy", "strong"].map(str::to_owned).to_vec();
    let all: Vec<usize> = (0..ROWS).collect();
    let dropped = run(&data, &all, json!({"method": "importance", "by": "linear", "max": 1}), Task::Binary);
    assert_eq!(kept(&data, &dropped), ["copy"]);
}

#[test]
fn rows_that_are_not_given_have_no_say() {
    let data = data();
    let half: Vec<usize> = (0..ROWS / 2).collect();
    let mut other = self::data();
    for row in ROWS / 2..ROWS {
        other.y[row] = 1.0 - other.y[row];
    }
    for params in [json!({"method": "importance", "max": 3}), json!({"method": "rfe", "max": 3, "step": 0.3})] {
        let before = run(&data, &half, params.clone(), Task::Binary);
        assert_eq!(before, run(&other, &half, params, Task::Binary));
        assert_eq!(before.len(), data.names.len() - 3);
    }
}

#[test]
fn features_without_a_value_are_left_to_the_preprocessor() {
    let mut data = data();
    data.features.insert("weak", Column::Number(vec![f64::NAN; ROWS]));
    let all: Vec<usize> = (0..ROWS).collect();
    let dropped = run(&data, &all, json!({"method": "rfe", "max": 2}), Task::Binary);
    assert_eq!(kept(&data, &dropped), ["weak", "strong", "site"]);
    data.names = vec!["weak".to_owned()];
    assert_eq!(run(&data, &all, json!({"method": "importance", "max": 1}), Task::Binary), []);
}
