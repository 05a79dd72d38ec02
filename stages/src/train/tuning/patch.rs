//! Settings put into the parameters: by dotted key into their JSON form, which is then read and checked like any other
//! `train`. So every setting can be searched, and none escapes a check.

use serde_json::{Map, Value};

use super::params::TuneParams;
use super::space::{Dimension, Settings, Space};
use crate::train::params::{LearnerName, TrainParams};
use crate::{ParamError, ParamSet};

/// Keys that every candidate uses, beside those of its own learner.
const SHARED: [&str; 3] = ["preprocess", "select", "imbalance"];

/// The settings that a candidate searches, in the order of their keys; none when nothing in the space concerns it.
pub(super) fn space_of(tune: &TuneParams, learner: LearnerName) -> Result<Space, ParamError> {
    let concerns = |key: &str| {
        let section = key.split('.').next().unwrap_or(key);
        section == learner.as_str() || SHARED.contains(&section)
    };
    let own = tune.space.iter().filter(|(key, _)| concerns(key));
    let dimension = |(key, range): (&String, &super::params::Range)| {
        let wrong = |(at, message): (&str, String)| ParamError::new(format!("train.tune.space.{key}.{at}"), message);
        Ok(Dimension { key: key.clone(), domain: range.domain().map_err(wrong)? })
    };
    Ok(Space { dimensions: own.map(dimension).collect::<Result<_, _>>()? })
}

/// The parameters with these settings in place of their own.
pub(in crate::train) fn patched(params: &TrainParams, settings: &Settings) -> Result<TrainParams, ParamError> {
    let base = TrainParams { tune: TuneParams::default(), ..params.clone() };
    let unwritten = |error: serde_json::Error| ParamError::new("train", error.to_string());
    let mut value = serde_json::to_value(base).map_err(unwritten)?;
    for (key, setting) in settings {
        set(&mut value, key, setting);
    }
    let patched: TrainParams = ParamSet::new(Map::from_iter([("train".to_owned(), value)])).parse("train")?;
    patched.check()?;
    Ok(patched)
}

/// Checks the whole of `train.tune` against the other parameters: every key must name a setting, and every end of a
/// range and listed value must be one that the setting may have on its own.
pub(in crate::train) fn check(params: &TrainParams) -> Result<(), ParamError> {
    let tune = &params.tune;
    tune.check_numbers()?;
    for (key, range) in &tune.space {
        let place = format!("train.tune.space.{key}");
        let at = |below: &str, message: String| {
            let dot = if below.is_empty() { "" } else { "." };
            ParamError::new(format!("{place}{dot}{below}"), message)
        };
        let section = key.split('.').next().unwrap_or(key);
        let learner = serde_json::from_value::<LearnerName>(Value::from(section)).is_ok();
        let known = learner || SHARED.contains(&section);
        if !known || section == key {
            let text = "is not a setting that can be searched; name one below a learner, `preprocess`, `select` or \
                        `imbalance`, such as `gbdt.learning_rate`";
            return Err(at("", text.to_owned()));
        }
        let domain = range.domain().map_err(|(below, message)| at(below, message))?;
        if tune.method == super::params::TuneMethod::Grid && domain.count().is_none() {
            return Err(at("low", "has no step: a grid needs `step`, `integer: true` or `values`".to_owned()));
        }
        for (below, value) in domain.probes() {
            let shown = value.to_string();
            patched(params, &Settings::from([(key.clone(), value)]))
                .map_err(|error| at(&below, format!("{shown} cannot be `{}`: {}", error.path, error.message)))?;
        }
    }
    Ok(())
}

/// Sets the value at a dotted key; what is missing or no mapping on the way becomes one.
fn set(root: &mut Value, key: &str, setting: &Value) {
    let mut node = root;
    for step in key.split('.') {
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        let Value::Object(map) = node else { return };
        node = map.entry(step).or_insert(Value::Null);
    }
    *node = setting.clone();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(space: Value) -> TrainParams {
        serde_json::from_value(json!({"tune": {"method": "random", "space": space}})).expect("parameters")
    }

    fn path(space: Value) -> String {
        check(&params(space)).expect_err("refused").path
    }

    #[test]
    fn settings_of_any_type_reach_the_parameters() {
        let settings = Settings::from([
            ("gbdt.leaves".to_owned(), json!(31)),
            ("gbdt.depth".to_owned(), json!(4)),
            ("preprocess.scale".to_owned(), json!("robust")),
            ("preprocess.impute.missing_flag".to_owned(), json!(false)),
        ]);
        let patched = patched(&params(json!({"gbdt.leaves": {"values": [7]}})), &settings).expect("sound");
        assert_eq!((patched.gbdt.leaves, patched.gbdt.depth), (31, Some(4)));
        assert!(!patched.preprocess.impute.missing_flag && !patched.tune.is_on());
    }

    #[test]
    fn a_candidate_searches_its_own_keys_and_the_shared_ones() {
        let params = params(json!({
            "gbdt.leaves": {"low": 7, "high": 63, "integer": true}, "logistic.l2": {"values": [0.1, 1]},
            "preprocess.scale": {"values": ["none", "standard"]},
        }));
        assert_eq!(check(&params), Ok(()));
        let keys = |learner| -> Vec<String> {
            let space = space_of(&params.tune, learner).expect("sound");
            space.dimensions.into_iter().map(|dimension| dimension.key).collect()
        };
        assert_eq!(keys(LearnerName::Gbdt), ["gbdt.leaves", "preprocess.scale"]);
        assert_eq!(keys(LearnerName::Forest), ["preprocess.scale"]);
    }

    #[test]
    fn what_no_trial_could_use_is_refused_before_anything_runs() {
        let base = "train.tune.space";
        for (space, place) in [
            (json!({}), ""),
            (json!({"gbdt.leafs": {"low": 7, "high": 63}}), ".gbdt.leafs.low"),
            (json!({"gbdt": {"values": [1]}}), ".gbdt"),
            (json!({"metric": {"values": ["auroc"]}}), ".metric"),
            (json!({"tune.trials": {"values": [1]}}), ".tune.trials"),
            (json!({"gbdt.leaves": {"low": 7, "high": 63}}), ".gbdt.leaves.low"),
            (json!({"gbdt.learning_rate": {"low": 0.1, "high": 1.5}}), ".gbdt.learning_rate.high"),
            (json!({"gbdt.l2": {"high": 1.5}}), ".gbdt.l2.low"),
            (json!({"preprocess.scale": {"values": ["robust", "huge"]}}), ".preprocess.scale.values.1"),
        ] {
            assert_eq!(path(space.clone()), format!("{base}{place}"), "{space}");
        }
        let mut grid = params(json!({"gbdt.l2": {"low": 0, "high": 1}}));
        grid.tune.method = super::super::params::TuneMethod::Grid;
        assert_eq!(check(&grid).expect_err("endless").path, "train.tune.space.gbdt.l2.low");
        let unsound = json!({"tune": {"metric": {"fbeta": -1}, "inner_folds": 3}});
        let unsound: TrainParams = serde_json::from_value(unsound).expect("parameters");
        assert_eq!(check(&unsound).expect_err("beta").path, "train.tune.metric.fbeta");
    }
}
