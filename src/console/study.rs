//! The numbers of a study for the final table, read leniently from what the stages wrote.
//!
//! A file that is missing or has another shape leaves gaps, never an error: the run is over, and a table with a gap
//! is better than none. Nothing is computed here that a stage computes; a gap stays a gap.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::util::human;

/// The naive models beside the real one: name in metrics.json, name in the table.
const BASELINES: [(&str, &str); 6] = [
    ("flag_all", "flag all"),
    ("flag_none", "flag none"),
    ("prevalence", "prevalence"),
    ("logistic", "plain logistic"),
    ("mean", "training mean"),
    ("ridge", "plain ridge"),
];

/// Where the numbers are. Absent files are allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudyFiles {
    /// metrics.json of `evaluate`; without it there is no study.
    pub metrics: PathBuf,
    /// verdict.json of `gate`.
    pub verdict: Option<PathBuf>,
    /// threshold.json of `tune_threshold`.
    pub threshold: Option<PathBuf>,
    /// cv.json of `train`.
    pub cv: Option<PathBuf>,
    /// validation.json of `validate`.
    pub validation: Option<PathBuf>,
    /// The report to open, as the user would name it; shown when it exists below `root`.
    pub report: Option<PathBuf>,
}

/// What the final table says of a study.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudySummary {
    /// `real` or `synthetic`.
    pub data: Option<String>,
    /// The chosen model.
    pub model: Option<String>,
    /// Why it was chosen.
    pub why: Option<String>,
    /// Test rows.
    pub rows: Option<u64>,
    /// Events among them.
    pub events: Option<u64>,
    /// Names of the baselines, in the order of [`Headline::baselines`].
    pub baselines: Vec<String>,
    /// The headline numbers.
    pub headlines: Vec<Headline>,
    /// Rows at or above it are flagged.
    pub threshold: Option<f64>,
    /// How it was chosen.
    pub policy: Option<String>,
    /// What it amounts to, where it treats everyone alike: `flags everyone`, `flags no one`.
    pub decision: Option<String>,
    /// Where the threshold depends on the level of a column: its name, and the lowest and highest threshold.
    pub levels: Option<(String, f64, f64)>,
    /// Of 1,000 rows like the test rows.
    pub flagged_per_1000: Estimate,
    /// Level of the intervals, 0.95 for example.
    pub confidence: Option<f64>,
    /// Baselines that the model does not beat, with what that means.
    pub not_beaten: Vec<String>,
    /// What the evaluation says in its own words.
    pub verdict: Option<String>,
    /// Rows that were not learned from, in a sentence; nothing when all were.
    pub set_aside: Option<String>,
    /// What the gate says.
    pub gate: Option<GateResult>,
    /// The report to open.
    pub report: Option<String>,
    /// How often the test rows have been used, in words.
    pub test_use: Option<String>,
    /// The last record of the audit chain, in words.
    pub audit: Option<String>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline {
    /// What it is.
    pub name: String,
    /// The model's.
    pub model: Estimate,
    /// The baselines'; a gap where it has no meaning.
    pub baselines: Vec<Option<f64>>,
}

/// A number with its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    /// The point estimate.
    pub value: Option<f64>,
    /// Lower and upper end.
    pub interval: Option<(f64, f64)>,
}

/// What the gate says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateResult {
    /// Whether the model may be promoted.
    pub passed: bool,
    /// Why not, one line a rule.
    pub failures: Vec<String>,
}

impl StudySummary {
    /// Reads the files, which may be relative to `root`. Nothing when there is no metrics file with a model in it.
    pub fn read(root: &Path, files: &StudyFiles) -> Option<Self> {
        let load = |path: &PathBuf| serde_json::from_slice::<Value>(&fs::read(root.join(path)).ok()?).ok();
        let load_opt = |path: &Option<PathBuf>| path.as_ref().and_then(load).unwrap_or(Value::Null);
        let metrics = load(&files.metrics)?;
        let mut study =
            Self::from_json(&metrics, &load_opt(&files.threshold), &load_opt(&files.verdict), &load_opt(&files.cv))?;
        study.set_aside = set_aside(&load_opt(&files.validation), files.validation.as_ref());
        study.report =
            files.report.as_ref().filter(|path| root.join(path).is_file()).map(|path| path.display().to_string());
        Some(study)
    }

    /// The same from documents; `Null` stands for an absent one.
    pub fn from_json(metrics: &Value, threshold: &Value, verdict: &Value, cv: &Value) -> Option<Self> {
        // Any JSON object may be a metrics file; one without these is not of `evaluate`.
        // Other programs write an `rmse` as well; `evaluate` writes it with its interval.
        let number = metrics.get("rmse").filter(|rmse| rmse.is_object());
        metrics.get("auroc").or_else(|| metrics.get("brier")).or(number)?;
        let known: Vec<_> = BASELINES.iter().filter(|(key, _)| metrics["baselines"].get(key).is_some()).collect();
        let at = &metrics["at_threshold"];
        Some(Self {
            data: text(&metrics["data"]),
            model: text(&metrics["model"]).or_else(|| text(&cv["chosen"])),
            why: text(&cv["reason"]),
            rows: metrics["n"].as_u64(),
            events: metrics["events"].as_u64(),
            baselines: known.iter().map(|(_, shown)| (*shown).to_owned()).collect(),
            headlines: headlines(metrics, &known),
            threshold: value(&metrics["threshold"]).or_else(|| value(&threshold["value"])),
            policy: policy(&threshold["policy"]),
            decision: match threshold["decision"].as_str() {
                Some("flag_all") => Some("flags everyone".to_owned()),
                Some("flag_none") => Some("flags no one".to_owned()),
                _ => None,
            },
            levels: levels(threshold),
            flagged_per_1000: estimate(&at["flagged_per_1000"]),
            confidence: metrics["intervals"]["confidence"].as_f64(),
            not_beaten: not_beaten(metrics, threshold["decision"].as_str()),
            verdict: text(&metrics["verdict"]["text"]),
            set_aside: None,
            gate: gate(verdict),
            report: None,
            test_use: None,
            audit: None,
        })
    }
}

/// The column that thresholds depend on, with the lowest and highest of them; the overall one, which rows of other
/// levels get, is among them.
fn levels(threshold: &Value) -> Option<(String, f64, f64)> {
    let strata = &threshold["strata"];
    let own = strata["levels"].as_object()?.values().filter_map(|level| level["value"].as_f64());
    let all: Vec<f64> = own.chain(threshold["value"].as_f64()).collect();
    let ends = (all.iter().copied().reduce(f64::min)?, all.iter().copied().reduce(f64::max)?);
    Some((text(&strata["column"])?, ends.0, ends.1))
}

/// How many rows `validate` set aside, and where that is explained.
fn set_aside(validation: &Value, file: Option<&PathBuf>) -> Option<String> {
    let (read, aside) = (validation["read"].as_u64()?, validation["quarantined"].as_u64()?);
    let file = file?.display();
    (aside > 0).then(|| format!("{aside} of {read} rows break a rule and were set aside; {file} says which"))
}

/// A row of the table: name, the model's place, the names under a baseline.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// The rows of a study of events.
const EVENTS: &[Row] = &[
    ("AUROC", "/auroc", &["auroc"]),
    ("calib. slope", "/calibration/slope", &["calibration_slope"]),
    ("net benefit", "/net_benefit", &["net_benefit"]),
    ("Brier score", "/brier", &["brier"]),
    ("cost / 1,000", "/expected_cost", &["expected_cost", "cost"]),
];

/// The rows of a study of a number.
const NUMBERS: &[Row] = &[("RMSE", "/rmse", &["rmse"]), ("MAE", "/mae", &["mae"]), ("R²", "/r2", &["r2"])];

fn headlines(metrics: &Value, known: &[&(&str, &str)]) -> Vec<Headline> {
    let rows = if metrics.get("rmse").is_some() { NUMBERS } else { EVENTS };
    let mut headlines = Vec::new();
    for (name, pointer, keys) in rows.iter().copied() {
        let model = metrics.pointer(pointer).or_else(|| metrics["at_threshold"].pointer(pointer));
        let model = model.map(estimate).unwrap_or_default();
        let baseline = |key: &str| keys.iter().find_map(|name| value(&metrics["baselines"][key][*name]));
        let baselines: Vec<_> = known.iter().map(|(key, _)| baseline(key)).collect();
        // The cost exists only where the study names one; the other four are always shown.
        if model.value.is_some() || baselines.iter().any(Option::is_some) || pointer != "/expected_cost" {
            headlines.push(Headline { name: name.to_owned(), model, baselines });
        }
    }
    headlines
}

/// What the threshold optimises, as people say it.
fn policy(policy: &Value) -> Option<String> {
    Some(match text(policy).or_else(|| text(&policy["policy"]))?.as_str() {
        "cost" => "lowest cost".to_owned(),
        "fbeta" => match policy["beta"].as_f64() {
            Some(beta) => format!("best F-beta, beta {beta}"),
            None => "best F-beta".to_owned(),
        },
        "f1" => "best F1".to_owned(),
        "youden" => "best sensitivity + specificity".to_owned(),
        "recall_floor" => match policy["recall"].as_f64() {
            Some(recall) => format!("finds {recall} of the events"),
            None => "recall floor".to_owned(),
        },
        "net_benefit" => "best net benefit".to_owned(),
        "capacity" => match policy["max_flagged_per_1000"].as_f64() {
            Some(most) => format!("at most {most} flagged of 1,000"),
            None => "capacity".to_owned(),
        },
        other => other.to_owned(),
    })
}

/// Who is at least as good as the model, with the numbers of the criterion that says so: decisions are compared by
/// cost (or net benefit), models by Brier score.
fn not_beaten(metrics: &Value, decision: Option<&str>) -> Vec<String> {
    let cost = value(&metrics["expected_cost"]).is_some();
    let model = metrics["model"].as_str();
    let own_kind = model == Some("logistic");
    let mut lines = Vec::new();
    for (key, _) in BASELINES {
        if metrics["verdict"][format!("beats_{key}")] != Value::Bool(false) {
            continue;
        }
        // A plain ridge regression is no rival of a ridge regression.
        if key == "ridge" && model == Some("ridge") {
            continue;
        }
        let baseline = &metrics["baselines"][key];
        let what = match key {
            // The threshold itself is this baseline: there is nothing to compare.
            "flag_all" | "flag_none" if decision == Some(key) => {
                let who = if key == "flag_all" { "everyone" } else { "no one" };
                lines.push(format!(
                    "the best threshold on the training rows flags {who}, so the model changes no decision"
                ));
                continue;
            }
            "flag_all" => "flagging everyone is at least as good as this model",
            "flag_none" => "flagging no one is at least as good as this model",
            "prevalence" => "giving everyone the training prevalence is at least as good as this model",
            "mean" => "giving everyone the mean of the training rows is at least as good as this model",
            "ridge" => "a plain ridge regression is at least as good as this model",
            _ if own_kind => "the model is itself a logistic regression, and the plain, uncalibrated one does as well",
            _ => "a plain logistic regression is at least as good as this model",
        };
        let numbers = match key {
            "flag_all" | "flag_none" if cost => {
                let theirs = value(&baseline["expected_cost"]).or_else(|| value(&baseline["cost"]));
                theirs.zip(value(&metrics["expected_cost"])).map(|pair| ("cost per 1,000", pair))
            }
            "flag_all" | "flag_none" => {
                value(&baseline["net_benefit"]).zip(value(&metrics["net_benefit"])).map(|pair| ("net benefit", pair))
            }
            "mean" | "ridge" => value(&baseline["rmse"]).zip(value(&metrics["rmse"])).map(|pair| ("RMSE", pair)),
            _ => value(&baseline["brier"]).zip(value(&metrics["brier"])).map(|pair| ("Brier score", pair)),
        };
        lines.push(match numbers {
            Some((name, (theirs, ours))) => {
                format!("{what}: {name} {}, the model's {}", precise(theirs), precise(ours))
            }
            None => what.to_owned(),
        });
    }
    lines
}

/// A number with a digit more than the table has, so that a comparison lost by little can be seen.
fn precise(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.4}") } else { human::number(value) }
}

fn gate(verdict: &Value) -> Option<GateResult> {
    let passed = verdict.get("promotable").or_else(|| verdict.get("passed"))?.as_bool()?;
    let rules = verdict["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failures = rules.iter().filter(|rule| rule["passed"] == Value::Bool(false)).map(failure).collect();
    Some(GateResult { passed, failures })
}

fn failure(rule: &Value) -> String {
    let name = text(&rule["rule"]["metric"]).or_else(|| text(&rule["metric"])).or_else(|| text(&rule["rule"]));
    match (name, text(&rule["reason"])) {
        // The reason usually opens with the metric; it need not be said twice.
        (Some(name), Some(reason)) if !reason.contains(&name) => format!("{name}: {reason}"),
        (_, Some(reason)) => reason,
        (Some(name), None) => name,
        (None, None) => "a rule without a name".to_owned(),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A number, bare or as `{value: …}`.
fn value(json: &Value) -> Option<f64> {
    json.as_f64().or_else(|| json["value"].as_f64())
}

fn estimate(json: &Value) -> Estimate {
    let interval = json["low"].as_f64().zip(json["high"].as_f64());
    Estimate { value: value(json), interval }
}

#[cfg(test)]
pub(super) mod tests;
