//! How predictions are recorded, as people write it.

use super::SettingsError;
use super::params::PredictionParams;
use crate::serve::records::{Recording, Rotation, WhenFull};

/// What `serve.predictions` comes to.
pub(super) fn recording(params: &PredictionParams) -> Result<Recording, SettingsError> {
    let rotation = match params.rotate.as_deref() {
        None | Some("daily") => Rotation::Daily,
        Some("never") => Rotation::Never,
        Some(text) => {
            let size = size(text).filter(|&size| size > 0);
            let range = SettingsError::Range("predictions.rotate", "daily, never or a size such as 100MB");
            Rotation::Size(size.ok_or(range)?)
        }
    };
    let when_full = match params.when_full.as_deref() {
        None | Some("refuse") => WhenFull::Refuse,
        Some("drop") => WhenFull::Drop,
        Some(_) => return Err(SettingsError::Range("predictions.when_full", "refuse or drop")),
    };
    if params.file.as_os_str().is_empty() {
        return Err(SettingsError::Range("predictions.file", "the name of a file"));
    }
    let PredictionParams { file, inputs, keep, .. } = params.clone();
    Ok(Recording { file, inputs, rotation, keep, when_full })
}

/// Bytes as people write them: `500000`, `64KB`, `100MB`, `2GB`.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::serve::{ServeParams, Settings};

    #[test]
    fn how_predictions_are_recorded_is_read() {
        let read = |value: Value| {
            let params: ServeParams = serde_json::from_value(json!({"predictions": value})).expect("of that shape");
            Settings::from_params(&params)
        };
        let plain = read(json!({"file": "p.jsonl"})).expect("the file is enough").predictions.expect("a recording");
        assert_eq!((plain.rotation, plain.keep, plain.inputs), (Rotation::Daily, None, false));
        assert_eq!(plain.when_full, WhenFull::Refuse, "the safe way is the default");
        let set = json!({"file": "p", "rotate": "100MB", "keep": 7, "when_full": "drop", "inputs": true});
        let set = read(set).expect("good").predictions.expect("a recording");
        assert_eq!((set.rotation, set.keep, set.when_full), (Rotation::Size(100_000_000), Some(7), WhenFull::Drop));
        for (key, value) in
            [("rotate", "weekly"), ("rotate", "0MB"), ("rotate", "99999999999GB"), ("when_full", "wait")]
        {
            let error = read(json!({"file": "p", key: value})).expect_err("no such way");
            assert!(error.to_string().contains(&format!("serve.predictions.{key} must be")), "{error}");
        }
    }

    #[test]
    fn shares_levels_and_periods_have_their_ranges() {
        for (params, word) in [
            (json!({"canary": {"bundle": "b", "share": 1.5}}), "serve.canary.share"),
            (json!({"canary": {"bundle": "b", "share": -0.1}}), "serve.canary.share"),
            (json!({"log_level": "chatty"}), "serve.log_level"),
            (json!({"reload_poll": 0}), "serve.reload_poll"),
        ] {
            let params: ServeParams = serde_json::from_value(params).expect("of that shape");
            let error = Settings::from_params(&params).expect_err("out of range").to_string();
            assert!(error.starts_with(word), "{error}");
        }
    }
}
