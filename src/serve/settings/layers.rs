//! Where settings come from, and which of two wins: a flag over `CLINPIPE_…`, that over an alias, that over the
//! settings file, that over params.yaml, and that over the default.
//!
//! Nothing here reads the environment or a file: the command line brings both as data.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::table::{KEY_ALIAS, KEY_VARIABLE, Kind, LEVEL_ALIAS, LOG_KEY_VARIABLE, TABLE, setting_of};
use super::{ServeParams, SettingsError};
use crate::util::nearest;

/// Values by key, each with the name of its source.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    values: Map<String, Value>,
    origins: BTreeMap<String, String>,
}

impl Layers {
    /// What a file holds. `place` names it in messages; relative paths start at `base`.
    ///
    /// # Errors
    /// For an unknown key, with the nearest known one.
    pub fn file(content: &Value, place: &str, base: &Path) -> Result<Self, SettingsError> {
        let Value::Object(content) = content else {
            return Err(SettingsError::Value(place.to_owned(), "must be a mapping of settings to values".to_owned()));
        };
        let mut layer = Self::default();
        for (key, value) in flat(content) {
            let Some(setting) = setting_of(&key) else {
                let near = nearest(&key, TABLE.iter().map(|setting| setting.key));
                return Err(SettingsError::Unknown(format!("{place}: {key}"), near.unwrap_or_default().to_owned()));
            };
            let value = match (setting.kind, value) {
                (Kind::Path, Value::String(path)) => Value::from(base.join(path).to_string_lossy()),
                (Kind::Bounds, Value::Object(bounds)) => {
                    Value::Object(bounds.iter().map(|(name, bound)| (level_name(name), bound.clone())).collect())
                }
                (_, value) => value.clone(),
            };
            let origin = format!("{key} in {place}");
            layer.set(&key, value, origin);
        }
        Ok(layer)
    }

    /// Sets a flag's value, if it was given.
    pub fn flag(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            let flag = setting_of(key).and_then(|setting| setting.flag).unwrap_or(key);
            self.set(key, value, flag.to_owned());
        }
    }

    fn set(&mut self, key: &str, value: Value, origin: String) {
        match (self.values.get_mut(key), value) {
            // Levels are set one by one, so those that the higher source leaves out stay.
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (_, value) => {
                self.values.insert(key.to_owned(), value);
            }
        }
        self.origins.insert(key.to_owned(), origin);
    }

    /// Takes what `higher` has over this.
    pub fn under(mut self, higher: Self) -> Self {
        for (key, value) in higher.values {
            let origin = higher.origins.get(&key).cloned().unwrap_or_default();
            self.set(&key, value, origin);
        }
        self
    }

    /// The typed settings.
    ///
    /// # Errors
    /// For a value of the wrong type, with its source.
    pub fn params(&self) -> Result<ServeParams, SettingsError> {
        let mut nested = Map::new();
        for (key, value) in &self.values {
            match key.split_once('.') {
                None => nested.insert(key.clone(), value.clone()),
                Some((section, name)) => {
                    let section = nested.entry(section).or_insert_with(|| Value::Object(Map::new()));
                    section.as_object_mut().and_then(|section| section.insert(name.to_owned(), value.clone()))
                }
            };
        }
        serde_path_to_error::deserialize(Value::Object(nested)).map_err(|error| {
            let path = error.path().to_string();
            let is_it = |key: &&String| path == **key || path.strip_prefix(key.as_str()).is_some_and(below);
            let origin = self.origins.keys().find(is_it).and_then(|key| self.origins.get(key)).cloned();
            SettingsError::Value(origin.unwrap_or_else(|| format!("serve.{path}")), error.inner().to_string())
        })
    }

    /// Every setting that does not keep its default: key, value and source, in the order of the table.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, &Value, &str)> {
        TABLE.iter().filter_map(|setting| {
            let origin = self.origins.get(setting.key)?;
            Some((setting.key, self.values.get(setting.key)?, origin.as_str()))
        })
    }
}

fn below(rest: &str) -> bool {
    rest.starts_with(['.', '['])
}

/// The values of a file by dotted keys; what is null or empty is not set.
fn flat(content: &Map<String, Value>) -> Vec<(String, Value)> {
    let is_section =
        |key: &str| TABLE.iter().any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == key));
    let mut found = Vec::new();
    for (key, value) in content.iter().filter(|(_, value)| !value.is_null()) {
        match value {
            Value::Object(section) if is_section(key) => {
                let inner = section.iter().filter(|(_, value)| !value.is_null());
                found.extend(inner.map(|(name, value)| (format!("{key}.{name}"), value.clone())));
            }
            _ => found.push((key.clone(), value.clone())),
        }
    }
    found
}

/// What the environment says.
#[derive(Debug, Default)]
pub struct Variables {
    /// From the aliases.
    pub aliases: Layers,
    /// From `CLINPIPE_…`.
    pub own: Layers,
    /// The API key with the name of its variable.
    pub key: Option<(&'static str, String)>,
    /// Variables that look like settings and are none, each with the nearest known one.
    pub unknown: Vec<(String, Option<String>)>,
}

/// `CLINPIPE_…` variables of other commands and of the tests.
const OTHERS: [&str; 11] = [
    "ACTOR",
    "BLESS",
    "BROWSER",
    "CRASH_KILLS",
    "CRASH_SEED",
    "CRASH_SYSCALLS",
    "FUZZ_SECONDS",
    "FUZZ_SEED",
    "SOURCES",
    "STRICT",
    "TOGETHER",
];

impl Variables {
    /// Sorts variables into layers; an empty one counts as not set.
    ///
    /// # Errors
    /// For a value of the wrong type, with the variable's name.
    pub fn read(variables: impl Iterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        let variables: BTreeMap<String, String> = variables.collect();
        let mut read = Self::default();
        for setting in TABLE.iter().filter(|setting| setting.kind != Kind::Bounds) {
            let own = setting.variable();
            if let Some(value) = value_of(&variables, &own, setting.kind)? {
                read.own.set(setting.key, value, own);
            }
            for alias in setting.aliases {
                if let Some(value) = value_of(&variables, alias, setting.kind)? {
                    read.aliases.set(setting.key, value, (*alias).to_owned());
                    break;
                }
            }
        }
        read.levels(&variables)?;
        let key = |name: &'static str| variables.get(name).map(|text| (name, text.clone()));
        read.key = key(KEY_VARIABLE).or_else(|| key(KEY_ALIAS).filter(|(_, text)| !text.trim().is_empty()));
        read.unknown = unknown(variables.keys().map(String::as_str));
        Ok(read)
    }

    fn levels(&mut self, variables: &BTreeMap<String, String>) -> Result<(), SettingsError> {
        let own = format!("CLINPIPE_{LEVEL_ALIAS}");
        for name in variables.keys() {
            let (layer, level) = match (name.strip_prefix(&own), name.strip_prefix(LEVEL_ALIAS)) {
                (Some(level), _) => (&mut self.own, level),
                (_, Some(level)) => (&mut self.aliases, level),
                _ => continue,
            };
            if let Some(bound) = value_of(variables, name, Kind::Number)? {
                let bounds = Map::from_iter([(level_name(level), bound)]);
                layer.set("risk_levels", Value::Object(bounds), name.clone());
            }
        }
        Ok(())
    }
}

/// A level's name as a variable can spell it: capitals, digits and underscores.
pub fn level_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn value_of(variables: &BTreeMap<String, String>, name: &str, kind: Kind) -> Result<Option<Value>, SettingsError> {
    let Some(text) = variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let fault = |what: &str| SettingsError::Value(name.to_owned(), format!("`{text}` is not {what}"));
    Ok(match kind {
        // The habit of asking for all processors.
        Kind::Integer if text == "-1" && (name == "N_JOBS" || name.ends_with("THREADS")) => None,
        Kind::Text | Kind::Path => Some(Value::from(text)),
        Kind::Integer => Some(Value::from(text.parse::<u64>().map_err(|_| fault("a whole number"))?)),
        Kind::Number | Kind::Bounds => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            Some(Value::from(number.ok_or_else(|| fault("a number"))?))
        }
        Kind::Switch => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(Value::Bool(true)),
            "false" | "0" | "no" | "off" => Some(Value::Bool(false)),
            _ => return Err(fault("true or false")),
        },
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(items.map(Value::from).collect())
        }
    })
}

fn unknown<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, Option<String>)> {
    let mut known: Vec<String> = TABLE.iter().map(super::Setting::variable).collect();
    known.extend([KEY_VARIABLE, LOG_KEY_VARIABLE].map(str::to_owned));
    known.extend(OTHERS.map(|name| format!("CLINPIPE_{name}")));
    let is_known = |name: &str| {
        known.iter().any(|known| name == known || (known.ends_with('_') && name.starts_with(known.as_str())))
    };
    let ours = names.filter(|name| name.starts_with("CLINPIPE_") && !is_known(name));
    ours.map(|name| (name.to_owned(), nearest(name, known.iter().map(String::as_str)).map(str::to_owned))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Result<Variables, SettingsError> {
        Variables::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn each_source_wins_over_those_below_it() {
        let base = Path::new("/srv");
        let params = Layers::file(&json!({"port": 1, "host": "::1", "drain": 1, "keys": "k"}), "params.yaml", base);
        let file = Layers::file(&json!({"port": 2, "drain": 2, "body_limit": 2}), "s.yaml", base).expect("sound");
        let pairs = [("API_PORT", "3"), ("CLINPIPE_PORT", "4"), ("LOG_LEVEL", "error"), ("MODEL_PATH", "b")];
        let read = variables(&pairs).expect("sound");
        let mut flags = Layers::default();
        flags.flag("port", Some(json!(5)));
        flags.flag("host", None);
        let all = params.expect("sound").under(file).under(read.aliases).under(read.own);
        assert_eq!(all.params().expect("sound").port, Some(4));
        let all = all.under(flags);
        let told: Vec<_> = all.told().map(|(key, value, origin)| format!("{key}={value} {origin}")).collect();
        assert_eq!(
            told,
            [
                "bundle=\"b\" MODEL_PATH",
                "host=\"::1\" host in params.yaml",
                "port=5 --port",
                "keys=\"/srv/k\" keys in params.yaml",
                "body_limit=2 body_limit in s.yaml",
                "drain=2 drain in s.yaml",
                "log_level=\"error\" LOG_LEVEL",
            ]
        );
    }

    #[test]
    fn levels_are_set_one_by_one_whatever_their_spelling() {
        let file = Layers::file(&json!({"risk_levels": {"Very High": 0.7, "High": 0.4}}), "s.yaml", Path::new("."));
        let read = variables(&[("RISK_THRESHOLD_HIGH", "0.5"), ("CLINPIPE_RISK_THRESHOLD_VERY_HIGH", "0.8")]);
        let read = read.expect("sound");
        let params = file.expect("sound").under(read.aliases).under(read.own).params().expect("sound");
        let levels = params.risk_levels.expect("set");
        assert_eq!(levels.into_iter().collect::<Vec<_>>(), [("HIGH".to_owned(), 0.5), ("VERY_HIGH".to_owned(), 0.8)]);
    }

    #[test]
    fn faults_name_their_source_and_the_nearest_word() {
        for (pairs, words) in [
            ([("CLINPIPE_PORT", "70000")], ["CLINPIPE_PORT", "u16"]),
            ([("API_PORT", "x")], ["API_PORT", "whole number"]),
            ([("CLINPIPE_DRAIN", "NaN")], ["CLINPIPE_DRAIN", "not a number"]),
            ([("CLINPIPE_DEBUG", "perhaps")], ["CLINPIPE_DEBUG", "true or false"]),
            ([("RISK_THRESHOLD_HIGH", "much")], ["RISK_THRESHOLD_HIGH", "not a number"]),
        ] {
            let read = variables(&pairs).and_then(|read| read.own.params());
            let fault = read.expect_err("must be refused").to_string();
            assert!(words.iter().all(|word| fault.contains(word)), "{fault}");
        }
        let fault = Layers::file(&json!({"prot": 1}), "s.yaml", Path::new(".")).expect_err("refused").to_string();
        assert!(fault.contains("s.yaml") && fault.contains("`port`"), "{fault}");
        for (content, word) in [
            (json!({"port": "x"}), "port in s.yaml"),
            (json!({"predictions": {"file": "p", "keep": -1}}), "predictions.keep in s.yaml"),
            (json!({"allowed_hosts": ["a", 1]}), "allowed_hosts in s.yaml"),
            (json!({"predictions": {"keep": 1}}), "file"),
        ] {
            let layer = Layers::file(&content, "s.yaml", Path::new(".")).expect("known keys");
            let fault = layer.params().expect_err("refused").to_string();
            assert!(fault.contains(word), "{fault}");
        }
        let nested = Layers::file(&json!({"canary": {"shar": 1}}), "s.yaml", Path::new(".")).expect_err("refused");
        assert!(nested.to_string().contains("canary.shar is no setting; did you mean `canary.share`?"), "{nested}");
        assert!(Layers::file(&json!([]), "s.yaml", Path::new(".")).is_err());
    }

    #[test]
    fn a_section_is_put_together_from_several_sources() {
        let file =
            Layers::file(&json!({"canary": {"bundle": "next"}, "predictions": null}), "s.yaml", Path::new("/srv"));
        let read = variables(&[("CLINPIPE_CANARY_SHARE", "0.1"), ("CLINPIPE_PREDICTIONS_FILE", "p.jsonl")]);
        let params = file.expect("sound").under(read.expect("sound").own).params().expect("sound");
        let canary = params.canary.expect("set");
        assert_eq!((canary.bundle, canary.share), ("/srv/next".into(), 0.1));
        assert_eq!(params.predictions.expect("set").file, Path::new("p.jsonl"));
    }

    #[test]
    fn unknown_variables_are_told_and_those_of_others_are_not() {
        let read = variables(&[("CLINPIPE_PROT", "1"), ("CLINPIPE_STRICT", "1"), ("CLINPIPE_HOST", ""), ("PATH", "x")]);
        let read = read.expect("sound");
        assert_eq!(read.unknown, [("CLINPIPE_PROT".to_owned(), Some("CLINPIPE_PORT".to_owned()))]);
        assert_eq!(read.own.told().count(), 0);
    }

    #[test]
    fn a_key_comes_from_its_variable_then_from_its_alias() {
        let key = |pairs: &[(&str, &str)]| variables(pairs).expect("sound").key;
        assert_eq!(key(&[("API_KEY", "a"), ("CLINPIPE_API_KEY", "b")]), Some(("CLINPIPE_API_KEY", "b".to_owned())));
        assert_eq!(key(&[("API_KEY", "a")]), Some(("API_KEY", "a".to_owned())));
        assert_eq!(key(&[("API_KEY", " ")]), None);
        // Whoever sets the variable wants a key; an empty one is refused later, not taken for none.
        assert_eq!(key(&[("CLINPIPE_API_KEY", "")]), Some(("CLINPIPE_API_KEY", String::new())));
        assert_eq!(variables(&[("N_JOBS", "-1")]).expect("sound").aliases.params().expect("sound").threads, None);
    }
}
