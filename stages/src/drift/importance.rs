//! How much of the model's attention each raw column has.
//!
//! A feature's mean |SHAP value| is divided equally among the raw columns that it is made of, a member's by its own sum,
//! and the members count alike. What a column contributes through a feature that others are in cannot be told apart; the
//! shares are a weight for alarms, not an explanation.

use std::collections::{BTreeMap, BTreeSet};

use crate::featurize::FeatureSpec;
use crate::{StageError, StageFile};

/// The share of each raw column, from importance.csv of `explain`.
pub(super) fn read(file: &StageFile, spec: &FeatureSpec) -> Result<BTreeMap<String, f64>, StageError> {
    let fault = |message: String| {
        StageError::input(&file.name, message).with_hint("give the CSV file that `explain` writes as `importance`")
    };
    let mut reader = csv::Reader::from_path(&file.path).map_err(|error| fault(error.to_string()))?;
    let headers = reader.headers().map_err(|error| fault(error.to_string()))?.clone();
    let place = |name: &str| {
        headers.iter().position(|header| header == name).ok_or_else(|| fault(format!("has no column `{name}`")))
    };
    let [member, feature, value] = [place("member")?, place("feature")?, place("mean_abs_contribution")?];
    let mut members: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| fault(error.to_string()))?;
        let cell = |at: usize| row.get(at).unwrap_or_default().to_owned();
        let number: f64 = cell(value)
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| fault(format!("`{}` is no importance", cell(value))))?;
        members.entry(cell(member)).or_default().push((cell(feature), number));
    }
    let mut shares: BTreeMap<String, f64> = spec.inputs.iter().map(|name| (name.clone(), 0.0)).collect();
    for features in members.values() {
        let sum: f64 = features.iter().map(|(_, value)| value).sum();
        for (feature, value) in features.iter().filter(|_| sum > 0.0) {
            let columns = origins(feature, spec);
            for column in &columns {
                *shares.entry(column.clone()).or_insert(0.0) +=
                    value / sum / columns.len() as f64 / members.len() as f64;
            }
        }
    }
    Ok(shares)
}

/// The raw columns that a feature is made of; none for a feature that counts rows only.
fn origins(feature: &str, spec: &FeatureSpec) -> BTreeSet<String> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open = vec![feature.to_owned()];
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        if spec.inputs.contains(&name) && !spec.computes(&name) {
            found.insert(name);
            continue;
        }
        let derived = spec.derive.iter().filter(|step| step.name() == name);
        open.extend(derived.flat_map(|step| step.sources()).map(|(_, source)| source.to_owned()));
        let history = spec.history.iter().flat_map(|history| &history.columns).filter(|column| column.name() == name);
        open.extend(history.filter_map(|column| column.source()).map(str::to_owned));
    }
    found
}
