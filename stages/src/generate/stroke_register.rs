//! A register of people with socio-economic status and diabetes: the columns of the 10,000-row stroke file, in which
//! three in ten have had a stroke.
//!
//! The share with a stroke is met exactly. Log-odds grow with age, glucose, diabetes, hypertension, heart disease,
//! smoking and low status; the noiseless risk ranks with an AUROC of about 0.8.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cohort::{Cohort, check_rows, check_share, choose, exactly};
use crate::common::rng::Stream;

/// `generate` for `kind: stroke_register`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StrokeRegisterParams {
    /// People.
    pub n: usize,
    /// Instead of the study's seed.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Share with a stroke; met exactly, up to rounding.
    #[serde(default = "default_prevalence")]
    pub prevalence: f64,
}

fn default_prevalence() -> f64 {
    0.298
}

const HEADER: &[&str] = &[
    "Age",
    "Gender",
    "SES",
    "Hypertension",
    "Heart_Disease",
    "BMI",
    "Avg_Glucose",
    "Diabetes",
    "Smoking_Status",
    "Stroke",
];

impl StrokeRegisterParams {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        check_rows(self.n)?;
        check_share("prevalence", self.prevalence)
    }
}

pub(super) fn generate(params: &StrokeRegisterParams, seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "generate stroke_register");
    let people: Vec<(f64, Vec<String>)> = (0..params.n).map(|_| person(&mut stream)).collect();
    let logits: Vec<f64> = people.iter().map(|(logit, _)| *logit).collect();
    let count = libm::round(params.prevalence * params.n as f64) as usize;
    let cases = exactly(&mut stream, &logits, count);
    let mut cohort = Cohort::new(HEADER);
    for ((_, mut row), case) in people.into_iter().zip(cases) {
        row.push(u8::from(case).to_string());
        cohort.push(row);
    }
    cohort
}

/// Log-odds of a stroke, and the row without it.
fn person(stream: &mut Stream) -> (f64, Vec<String>) {
    let age = stream.integer(18, 90);
    let gender = choose(stream, &[("Male", 0.48), ("Female", 0.52)]);
    let status = choose(stream, &[("Low", 0.3), ("Medium", 0.5), ("High", 0.2)]);
    let smoking = choose(stream, &[("Never", 0.5), ("Former", 0.3), ("Current", 0.2)]);
    let years = (age - 18) as f64 / 72.0;
    let bmi = (27.0 + 2.0 * years + 5.0 * stream.normal()).clamp(14.0, 60.0);
    let diabetes = stream.chance((0.03 + 0.15 * years + 0.012 * (bmi - 27.0)).clamp(0.01, 0.9));
    let glucose = if diabetes { 165.0 + 35.0 * stream.normal() } else { 95.0 + 15.0 * stream.normal() };
    let hypertension = stream.chance(0.08 + 0.4 * years);
    let heart = stream.chance(0.02 + 0.18 * years);
    let logit = 3.2 * years
        + if diabetes { 0.8 } else { 0.0 }
        + if hypertension { 0.7 } else { 0.0 }
        + if heart { 0.8 } else { 0.0 }
        + match smoking {
            "Current" => 0.6,
            "Former" => 0.2,
            _ => 0.0,
        }
        + match status {
            "Low" => 0.4,
            "Medium" => 0.1,
            _ => 0.0,
        };
    let flag = |value: bool| u8::from(value).to_string();
    let row = vec![
        age.to_string(),
        gender.to_owned(),
        status.to_owned(),
        flag(hypertension),
        flag(heart),
        format!("{bmi:.1}"),
        format!("{:.1}", glucose.clamp(55.0, 350.0)),
        flag(diabetes),
        smoking.to_owned(),
    ];
    (logit, row)
}
