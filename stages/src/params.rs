//! The parameters a stage sees: exactly the top-level keys that its pipeline entry declares.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::common::tagged;

/// The declared parameters of one stage, keyed by their top-level name in params.yaml.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParamSet(Map<String, Value>);

/// A parameter of the wrong type or value. The engine turns `path` into file:line:column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter `{path}`: {message}")]
pub struct ParamError {
    /// Dotted path from the top of params.yaml, list items by index: `train.models.1`.
    pub path: String,
    /// What is wrong with the value there.
    pub message: String,
}

impl ParamError {
    /// An error at a dotted path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl ParamSet {
    /// Wraps a JSON object of top-level keys.
    pub fn new(values: Map<String, Value>) -> Self {
        Self(values)
    }

    /// The value under a top-level key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Parses the value under a top-level key; a key that is absent is an error.
    pub fn parse<T: DeserializeOwned>(&self, key: &str) -> Result<T, ParamError> {
        let value = self.0.get(key).ok_or_else(|| ParamError::new(key, "is missing"))?;
        parse_at(key, value)
    }

    /// Parses the value under a top-level key; an absent key gives the type's default.
    pub fn parse_or_default<T: DeserializeOwned + Default>(&self, key: &str) -> Result<T, ParamError> {
        self.0.get(key).map_or_else(|| Ok(T::default()), |value| parse_at(key, value))
    }
}

fn parse_at<T: DeserializeOwned>(key: &str, value: &Value) -> Result<T, ParamError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let outer = error.path().to_string();
        let message = error.into_inner().to_string();
        let (inner, message) = tagged::place(&message).unwrap_or(("", &message));
        let steps = format!("{key}.{outer}.{inner}").replace('[', ".").replace(']', "");
        let steps: Vec<&str> = steps.split('.').filter(|step| !step.is_empty()).collect();
        ParamError { path: steps.join("."), message: message.to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Model {
        #[expect(dead_code, reason = "only parsed")]
        depth: Vec<u32>,
    }

    #[test]
    fn an_error_names_the_dotted_path() {
        let Value::Object(map) = json!({"train": {"depth": [1, "x"]}}) else { unreachable!() };
        let error = ParamSet::new(map).parse::<Model>("train").expect_err("a string is no depth");
        assert_eq!(error.path, "train.depth.1");
    }

    #[test]
    fn a_missing_key_is_an_error_unless_it_has_a_default() {
        let params = ParamSet::default();
        assert_eq!(params.parse::<u64>("seed").expect_err("absent").message, "is missing");
        assert_eq!(params.parse_or_default::<u64>("seed"), Ok(0));
    }

    /// A study's parameters, into which a test puts one fault.
    fn study() -> Value {
        json!({
            "seed": 1,
            "schema": {
                "id": "id",
                "target": {"column": "y", "event": "ends"},
                "columns": {
                    "id": {"type": "text"},
                    "x": {"type": "number"},
                    "y": {"type": "integer"},
                },
            },
            "generate": {"kind": "stroke", "n": 10},
            "ingest": {},
            "validate": {"rules": [{"name": "r", "check": "x > 0"}]},
            "split": {"kind": "stratified"},
            "featurize": {"derive": [
                {"name": "a", "op": "linear", "of": "x"},
                {"name": "b", "op": "bins", "of": "x", "edges": [0, 1], "labels": ["l"]},
            ]},
            "train": {"gbdt": {}},
            "calibrate": {},
            "tune_threshold": {"policy": "fbeta", "beta": 2},
            "tiers": {"version": 1, "levels": [{"name": "all", "from": 0}]},
            "evaluate": {},
            "gate": {"rules": [{"metric": "auroc.low", "min": 0.5}]},
        })
    }

    fn declared(uses: &str, study: &Value) -> ParamSet {
        let stage = crate::find(uses).expect("a stage");
        let declared =
            stage.params().iter().filter_map(|key| Some((key.name.to_owned(), study.get(key.name)?.clone())));
        ParamSet::new(declared.collect())
    }

    #[test]
    fn every_stage_places_a_wrong_value_on_its_own_key() {
        let unsound = json!({"no": "such value"});
        for (uses, path) in [
            ("generate", "seed"),
            ("generate", "generate.kind"),
            ("generate", "generate.n"),
            ("generate", "generate.nn"),
            ("ingest", "schema.columns.x.range"),
            ("ingest", "schema.columns.x.nonsense"),
            ("ingest", "ingest.na"),
            ("ingest", "ingest.dedupe"),
            ("validate", "validate.rules.0.level"),
            ("validate", "validate.columns"),
            ("split", "split.kind"),
            ("split", "split.folds"),
            ("featurize", "featurize.derive.0.op"),
            ("featurize", "featurize.derive.0.factor"),
            ("featurize", "featurize.derive.0.faktor"),
            ("featurize", "featurize.derive.1.edges.1"),
            ("train", "train.models"),
            ("train", "train.gbdt.rounds"),
            ("calibrate", "calibrate.method"),
            ("tune_threshold", "tune_threshold.policy"),
            ("tune_threshold", "tune_threshold.beta"),
            ("bundle", "tiers.levels.0.from"),
            ("bundle", "tiers.levels.0.cost"),
            ("evaluate", "evaluate.bootstrap"),
            ("gate", "gate.mode"),
            ("gate", "gate.rules.0.min"),
        ] {
            let mut study = study();
            let stage = crate::find(uses).expect("a stage");
            assert_eq!(stage.check(&declared(uses, &study)), Ok(()), "{uses}");
            let (parent, key) = path.rsplit_once('.').map_or(("", path), |(parent, key)| (parent, key));
            let pointer: String =
                parent.split('.').filter(|step| !step.is_empty()).fold(String::new(), |path, step| path + "/" + step);
            match study.pointer_mut(&pointer).expect(path) {
                Value::Array(items) => items[key.parse::<usize>().expect("an index")] = unsound.clone(),
                other => other[key] = unsound.clone(),
            }
            let error = stage.check(&declared(uses, &study)).expect_err(path);
            // `columns` is a map of known names: its fault lies one step further in.
            assert!(error.path == path || error.path == format!("{path}.no"), "{uses}: {path}, found {error}");
        }
    }
}
