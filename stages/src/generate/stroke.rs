//! People at risk of stroke: the columns, value sets, marginals and quirks of the public 5,110-row stroke file.
//!
//! Quirks kept on purpose: missing BMI written `N/A` (more often in cases), ages of infants as decimals in steps of
//! 0.08, one single `Other`, children who all work as `children`, two glucose populations, cases standing first in the
//! file. Distribution parameters were read off the public file's marginals by ten-year age band; no row is taken from it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cohort::{Cohort, check_rows, check_share, choose, exactly};
use crate::common::rng::Stream;

/// `generate` for `kind: stroke`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StrokeParams {
    /// People.
    pub n: usize,
    /// Instead of the study's seed.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Share with a stroke; met exactly, up to rounding.
    #[serde(default = "default_prevalence")]
    pub prevalence: f64,
    /// Share without BMI; met exactly, up to rounding.
    #[serde(default = "default_missing_bmi")]
    pub missing_bmi: f64,
}

fn default_prevalence() -> f64 {
    249.0 / 5110.0
}

fn default_missing_bmi() -> f64 {
    201.0 / 5110.0
}

const HEADER: &[&str] = &[
    "id",
    "gender",
    "age",
    "hypertension",
    "heart_disease",
    "ever_married",
    "work_type",
    "Residence_type",
    "avg_glucose_level",
    "bmi",
    "smoking_status",
    "stroke",
];

/// Ages at which the cumulative share of people is 0, 0.05, …, 1.
const AGE_QUANTILES: [f64; 21] = [
    0.08, 5.0, 11.0, 16.0, 20.0, 25.0, 30.0, 34.0, 38.0, 41.0, 45.0, 48.0, 51.0, 54.0, 57.0, 61.0, 65.0, 69.0, 75.0,
    79.0, 82.0,
];

/// What an age band looks like.
struct Band {
    /// First age above the band.
    below: f64,
    female: f64,
    hypertension: f64,
    heart_disease: f64,
    married: f64,
    /// Private, Self-employed, `Govt_job`, children, `Never_worked`.
    work: [f64; 5],
    /// never smoked, formerly smoked, smokes, Unknown.
    smoking: [f64; 4],
    /// Mean and standard deviation of BMI.
    bmi: [f64; 2],
    /// Share in the upper glucose population.
    high_glucose: f64,
}

const fn band(below: f64, shares: [f64; 4], work: [f64; 5], smoking: [f64; 4], bmi: [f64; 2], high: f64) -> Band {
    let [female, hypertension, heart_disease, married] = shares;
    Band { below, female, hypertension, heart_disease, married, work, smoking, bmi, high_glucose: high }
}

const BANDS: [Band; 9] = [
    band(13.0, [0.47, 0.0, 0.002, 0.0], [0.002, 0.001, 0.0, 0.997, 0.0], [0.05, 0.02, 0.0, 0.93], [19.4, 4.0], 0.04),
    band(16.0, [0.49, 0.0, 0.0, 0.0], [0.31, 0.05, 0.01, 0.58, 0.05], [0.37, 0.06, 0.01, 0.56], [24.6, 6.0], 0.05),
    band(20.0, [0.58, 0.01, 0.0, 0.01], [0.82, 0.04, 0.04, 0.05, 0.06], [0.45, 0.04, 0.07, 0.43], [27.0, 7.5], 0.03),
    band(30.0, [0.68, 0.016, 0.002, 0.30], [0.86, 0.05, 0.09, 0.0, 0.0], [0.47, 0.12, 0.20, 0.21], [28.1, 7.4], 0.05),
    band(40.0, [0.64, 0.04, 0.002, 0.77], [0.75, 0.10, 0.15, 0.0, 0.0], [0.44, 0.14, 0.22, 0.20], [31.2, 7.9], 0.08),
    band(50.0, [0.62, 0.07, 0.016, 0.88], [0.67, 0.14, 0.19, 0.0, 0.0], [0.41, 0.17, 0.22, 0.20], [31.4, 7.8], 0.10),
    band(60.0, [0.57, 0.14, 0.056, 0.92], [0.62, 0.18, 0.20, 0.0, 0.0], [0.39, 0.23, 0.20, 0.18], [31.8, 7.3], 0.19),
    band(70.0, [0.57, 0.18, 0.106, 0.94], [0.58, 0.25, 0.17, 0.0, 0.0], [0.37, 0.27, 0.18, 0.18], [31.0, 6.4], 0.24),
    band(999.0, [0.60, 0.25, 0.196, 0.91], [0.48, 0.40, 0.12, 0.0, 0.0], [0.41, 0.29, 0.11, 0.19], [29.1, 5.5], 0.28),
];

impl StrokeParams {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        check_rows(self.n)?;
        check_share("prevalence", self.prevalence)?;
        check_share("missing_bmi", self.missing_bmi)
    }
}

struct Person {
    id: u64,
    gender: &'static str,
    age: f64,
    hypertension: bool,
    heart_disease: bool,
    married: bool,
    work: &'static str,
    residence: &'static str,
    glucose: f64,
    bmi: f64,
    smoking: &'static str,
}

pub(super) fn generate(params: &StrokeParams, seed: u64) -> Cohort {
    let mut stream = Stream::new(seed, "generate stroke");
    let ids = ids(&mut stream, params.n);
    let mut people: Vec<Person> = ids.into_iter().map(|id| person(&mut stream, id)).collect();
    let single = stream.below(params.n as u64) as usize;
    if let Some(person) = people.get_mut(single) {
        person.gender = "Other";
    }
    let share = |share: f64| libm::round(share * params.n as f64) as usize;
    let logits: Vec<f64> = people.iter().map(log_odds).collect();
    let cases = exactly(&mut stream, &logits, share(params.prevalence));
    // In the public file BMI is missing in 16 % of cases and 3.3 % of the others: log-odds apart by 1.72.
    let gaps: Vec<f64> = cases.iter().map(|&case| if case { 1.72 } else { 0.0 }).collect();
    let gaps = exactly(&mut stream, &gaps, share(params.missing_bmi));
    let mut cohort = Cohort::new(HEADER);
    for wanted in [true, false] {
        for (row, person) in people.iter().enumerate().filter(|(row, _)| cases[*row] == wanted) {
            cohort.push(texts(person, gaps[row], wanted));
        }
    }
    cohort
}

/// Distinct numbers in random order, sparse like those of a register.
fn ids(stream: &mut Stream, n: usize) -> Vec<u64> {
    let mut next = 66;
    let mut ids: Vec<u64> = (0..n)
        .map(|_| {
            next += 1 + stream.below(27);
            next
        })
        .collect();
    stream.shuffle(&mut ids);
    ids
}

fn person(stream: &mut Stream, id: u64) -> Person {
    let age = age(stream);
    let [.., oldest] = &BANDS;
    let band = BANDS.iter().find(|band| age < band.below).unwrap_or(oldest);
    let [private, own, government, children, never_worked] = band.work;
    let work = choose(
        stream,
        &[
            ("Private", private),
            ("Self-employed", own),
            ("Govt_job", government),
            ("children", children),
            ("Never_worked", never_worked),
        ],
    );
    let [never, formerly, smokes, unknown] = band.smoking;
    let smoking = choose(
        stream,
        &[("never smoked", never), ("formerly smoked", formerly), ("smokes", smokes), ("Unknown", unknown)],
    );
    let gender = if stream.chance(band.female) { "Female" } else { "Male" };
    let hypertension = stream.chance(band.hypertension);
    let heart_disease = stream.chance(band.heart_disease);
    let married = stream.chance(band.married);
    let residence = if stream.chance(0.508) { "Urban" } else { "Rural" };
    let bmi = bmi(stream, band);
    let glucose = glucose(stream, band, bmi, hypertension);
    Person { id, gender, age, hypertension, heart_disease, married, work, residence, glucose, bmi, smoking }
}

fn age(stream: &mut Stream) -> f64 {
    let place = stream.uniform() * 20.0;
    let index = (place as usize).min(19);
    let (low, high) = (AGE_QUANTILES[index], AGE_QUANTILES[index + 1]);
    let age = low + (high - low) * (place - index as f64);
    if age < 2.0 { libm::round((age / 0.08).max(1.0)) * 0.08 } else { libm::round(age) }
}

/// Log-normal with the band's mean and standard deviation: skewed to the right.
fn bmi(stream: &mut Stream, band: &Band) -> f64 {
    let [mean, sd] = band.bmi;
    let variance = libm::log1p((sd / mean) * (sd / mean));
    let draw = libm::exp(libm::log(mean) - variance / 2.0 + libm::sqrt(variance) * stream.normal());
    draw.clamp(10.3, 97.6)
}

/// Two populations: a log-normal one around 87 mg/dL and a normal one around 204 mg/dL, the latter more likely with
/// age, weight and hypertension.
fn glucose(stream: &mut Stream, band: &Band, bmi: f64, hypertension: bool) -> f64 {
    let odds = band.high_glucose / (1.0 - band.high_glucose);
    let odds = odds * libm::exp(0.05 * (bmi - band.bmi[0]) + if hypertension { 0.6 } else { -0.1 });
    let draw = if stream.chance(odds / (1.0 + odds)) {
        204.0 + 26.8 * stream.normal()
    } else {
        libm::exp(4.473 + 0.2236 * stream.normal()).clamp(55.12, 167.0)
    };
    draw.clamp(55.12, 271.74)
}

/// Age dominates; the other effects are of the size that a logistic regression finds in the public file.
fn log_odds(person: &Person) -> f64 {
    0.072 * person.age
        + 0.40 * f64::from(person.hypertension)
        + 0.30 * f64::from(person.heart_disease)
        + 0.0040 * (person.glucose - 100.0)
        + 0.15 * f64::from(person.smoking == "smokes")
}

fn texts(person: &Person, bmi_missing: bool, case: bool) -> Vec<String> {
    let flag = |value: bool| u8::from(value).to_string();
    let age = if person.age < 2.0 { format!("{:.2}", person.age) } else { format!("{:.0}", person.age) };
    vec![
        person.id.to_string(),
        person.gender.to_owned(),
        age,
        flag(person.hypertension),
        flag(person.heart_disease),
        if person.married { "Yes" } else { "No" }.to_owned(),
        person.work.to_owned(),
        person.residence.to_owned(),
        format!("{:.2}", person.glucose),
        if bmi_missing { "N/A".to_owned() } else { format!("{:.1}", person.bmi) },
        person.smoking.to_owned(),
        flag(case),
    ]
}
