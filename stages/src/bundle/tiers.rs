//! Risk levels: which level a calibrated probability falls into, what to do there and what that costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ParamError;

/// `tiers` in params.yaml, and tiers.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// The site's version of this table.
    pub version: Value,
    /// The levels, highest first; the last starts at 0.
    pub levels: Vec<Level>,
}

/// One risk level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// The lowest calibrated probability in it: a number from 0 to 1, or the text `threshold`.
    pub from: Value,
    /// What to do.
    #[serde(default)]
    pub action: Option<String>,
    /// What that costs, in the currency of the decision costs.
    #[serde(default)]
    pub cost: Option<f64>,
}

impl Tiers {
    /// Checks everything that does not depend on the threshold.
    pub fn check(&self) -> Result<(), ParamError> {
        let at = |index: usize, key: &str, message: &str| {
            Err(ParamError::new(format!("tiers.levels.{index}.{key}"), message.to_owned()))
        };
        if !(self.version.is_number() || self.version.is_string()) {
            return Err(ParamError::new("tiers.version", "must be a number or a text"));
        }
        for (index, level) in self.levels.iter().enumerate() {
            if self.levels[..index].iter().any(|other| other.name == level.name) {
                return at(index, "name", "is used by two levels");
            }
            let number = level.from.as_f64().is_some_and(|from| (0.0..=1.0).contains(&from));
            if !number && level.from.as_str() != Some("threshold") {
                return at(index, "from", "must be a number from 0 to 1, or the text `threshold`");
            }
        }
        match self.levels.last() {
            None => return Err(ParamError::new("tiers.levels", "names no level")),
            Some(last) if last.from.as_f64() != Some(0.0) => {
                return at(
                    self.levels.len() - 1,
                    "from",
                    "the last level must start at 0, so that every probability has a level",
                );
            }
            Some(_) => {}
        }
        let fixed = self.levels.iter().enumerate().filter_map(|(index, level)| Some((index, level.from.as_f64()?)));
        let fixed: Vec<(usize, f64)> = fixed.collect();
        match fixed.windows(2).find(|pair| pair[0].1 <= pair[1].1) {
            Some(pair) => at(pair[1].0, "from", "must be below the level before it: the highest level comes first"),
            None => Ok(()),
        }
    }

    /// The lower bounds of the levels, in their order, with the threshold put in. A threshold outside the bounds
    /// around it leaves one of the levels empty.
    pub fn bounds(&self, threshold: f64) -> Vec<f64> {
        self.levels.iter().map(|level| level.from.as_f64().unwrap_or(threshold)).collect()
    }
}

/// The index of the level of a calibrated probability: the first whose bound it reaches.
pub fn level_of(bounds: &[f64], p: f64) -> Option<usize> {
    bounds.iter().position(|&from| p >= from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tiers(froms: &[Value]) -> Tiers {
        let level = |(index, from): (usize, &Value)| Level {
            name: index.to_string(),
            from: from.clone(),
            action: None,
            cost: None,
        };
        Tiers { version: json!(1), levels: froms.iter().enumerate().map(level).collect() }
    }

    #[test]
    fn a_probability_falls_into_the_highest_level_it_reaches() {
        let tiers = tiers(&[json!(0.4), json!("threshold"), json!(0)]);
        assert_eq!(tiers.check(), Ok(()));
        let bounds = tiers.bounds(0.1);
        assert_eq!([0.4, 0.39, 0.1, 0.0].map(|p| level_of(&bounds, p)), [Some(0), Some(1), Some(1), Some(2)]);
        // A threshold above the level before it leaves its own level empty.
        assert_eq!(level_of(&tiers.bounds(0.5), 0.6), Some(0));
    }

    #[test]
    fn gaps_and_nonsense_are_refused_by_path() {
        assert_eq!(tiers(&[json!(0.4), json!(0.1)]).check().expect_err("no level at 0").path, "tiers.levels.1.from");
        assert_eq!(
            tiers(&[json!(0.1), json!(0.4), json!(0)]).check().expect_err("ascends").path,
            "tiers.levels.1.from"
        );
        assert_eq!(tiers(&[json!("high"), json!(0)]).check().expect_err("a word").path, "tiers.levels.0.from");
        assert_eq!(tiers(&[]).check().expect_err("nothing").path, "tiers.levels");
    }
}
