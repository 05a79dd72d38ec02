//! Patients under drug treatment with an improvement score from 0 to 10: the columns and value sets of the public
//! 1,000-row treatment file.
//!
//! In the public file the score is independent of every column. Here it depends on drug, dose, duration, age and side
//! effect, so that a model has something to find; the normal deviate `noise` stands for what nobody measured, and with
//! its default no model can explain more than about half of the variance.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cohort::{Cohort, check_deviation, check_rows, choose};
use crate::common::rng::Stream;

/// `generate` for `kind: treatment_outcome`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TreatmentParams {
    /// Patients.
    pub n: usize,
    /// Instead of the study's seed.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Standard deviation of the unmeasured part of the score, in points.
    #[serde(default = "default_noise")]
    pub noise: f64,
}

fn default_noise() -> f64 {
    1.0
}

const HEADER: &[&str] = &[
    "Patient_ID",
    "Age",
    "Gender",
    "Condition",
    "Drug_Name",
    "Dosage_mg",
    "Treatment_Duration_days",
    "Side_Effects",
    "Improvement_Score",
];

/// A drug: what it treats, its mean effect in points, and its side effects with the points that each takes away.
struct Drug {
    name: &'static str,
    condition: &'static str,
    effect: f64,
    side_effects: [(&'static str, f64); 3],
}

const fn drug(
    condition: &'static str,
    name: &'static str,
    effect: f64,
    side_effects: [(&'static str, f64); 3],
) -> Drug {
    Drug { name, condition, effect, side_effects }
}

const DRUGS: [Drug; 15] = [
    drug("Infection", "Amoxicillin", 1.2, [("Rash", 0.6), ("Allergy", 1.2), ("Diarrhea", 0.4)]),
    drug("Infection", "Azithromycin", 0.9, [("Headache", 0.1), ("Nausea", 0.3), ("Abdominal pain", 0.6)]),
    drug("Infection", "Ciprofloxacin", 0.7, [("Joint pain", 1.0), ("Dizziness", 0.4), ("Nausea", 0.3)]),
    drug("Hypertension", "Amlodipine", 0.6, [("Fatigue", 0.3), ("Dizziness", 0.4), ("Swelling", 0.8)]),
    drug("Hypertension", "Losartan", 0.4, [("Cough", 0.3), ("Back pain", 0.4), ("Headache", 0.1)]),
    drug("Hypertension", "Metoprolol", 0.1, [("Tiredness", 0.4), ("Dizziness", 0.4), ("Slow heartbeat", 1.1)]),
    drug("Depression", "Bupropion", -0.5, [("Anxiety", 1.2), ("Dry mouth", 0.1), ("Headache", 0.1)]),
    drug("Depression", "Escitalopram", -0.1, [("Sleep issues", 0.7), ("Nausea", 0.3), ("Sweating", 0.2)]),
    drug("Depression", "Sertraline", -0.3, [("Insomnia", 0.8), ("Drowsiness", 0.3), ("Dry mouth", 0.1)]),
    drug("Diabetes", "Glipizide", -0.4, [("Skin rash", 0.6), ("Nausea", 0.3), ("Low blood sugar", 1.3)]),
    drug("Diabetes", "Insulin Glargine", 0.8, [("Injection site pain", 0.2), ("Weight gain", 0.6), ("Low sugar", 1.2)]),
    drug("Diabetes", "Metformin", 0.3, [("Stomach upset", 0.5), ("Nausea", 0.3), ("Diarrhea", 0.4)]),
    drug("Pain Relief", "Ibuprofen", 0.2, [("Heartburn", 0.5), ("Stomach pain", 0.9), ("Nausea", 0.3)]),
    drug("Pain Relief", "Paracetamol", -0.6, [("Fatigue", 0.3), ("Rash", 0.6), ("Liver issues", 1.6)]),
    drug("Pain Relief", "Tramadol", 0.9, [("Dizziness", 0.4), ("Nausea", 0.3), ("Constipation", 0.7)]),
];

/// Doses on the market, in mg.
const DOSES: [i64; 5] = [50, 100, 250, 500, 850];

impl TreatmentParams {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        check_rows(self.n)?;
        check_deviation("noise", self.noise)
    }
}

pub(super) fn generate(params: &TreatmentParams, seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "generate treatment_outcome");
    let mut cohort = Cohort::new(HEADER);
    for number in 1..=params.n {
        cohort.push(patient(&mut stream, number, params.noise));
    }
    cohort
}

fn patient(stream: &mut Stream, number: usize, noise: f64) -> Vec<String> {
    let age = stream.integer(18, 79);
    let gender = choose(stream, &[("Male", 1.0), ("Female", 1.0)]);
    let drug = &DRUGS[stream.below(DRUGS.len() as u64) as usize];
    let dose = DOSES[stream.below(DOSES.len() as u64) as usize];
    let days = stream.integer(5, 59);
    let (side_effect, burden) = drug.side_effects[stream.below(3) as usize];
    let score = expected_score(age, drug, dose, days, burden) + noise * stream.normal();
    vec![
        format!("P{number:04}"),
        age.to_string(),
        gender.to_owned(),
        drug.condition.to_owned(),
        drug.name.to_owned(),
        dose.to_string(),
        days.to_string(),
        side_effect.to_owned(),
        format!("{:.1}", score.clamp(0.0, 10.0)),
    ]
}

/// Points before noise. Effects saturate: half of what a dose can do is reached at 150 mg, half of what time can do
/// after 14 days. Above 65 years a high dose costs more than it brings.
fn expected_score(age: i64, drug: &Drug, dose: i64, days: i64, burden: f64) -> f64 {
    let dose = dose as f64;
    let days = days as f64;
    let gain = 2.0 * dose / (dose + 150.0) + 2.0 * days / (days + 14.0);
    let frail = if age > 65 && dose >= 500.0 { 0.9 } else { 0.0 };
    5.0 + drug.effect + gain - burden - 0.012 * (age - 48) as f64 - frail
}
