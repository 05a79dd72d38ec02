//! One patient: what it is, its years, its risk, what of it was written down.
//!
//! Three streams a patient: of values, of what is left out, and of noise and mistakes in recording. So asking for other
//! gaps, noise or mistakes changes no value and no outcome.

use super::PatientYearParams;
use crate::common::rng::Stream;
use crate::generate::cohort::choose;

/// A patient with the complete values of its years.
pub(super) struct Patient {
    number: usize,
    seed: u64,
    years: Vec<Row>,
}

/// Which values of a row are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Blank {
    pub bmi: bool,
    pub cholesterol: bool,
    pub glucose: bool,
    pub pressure: bool,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// From 0.
    pub index: usize,
    pub year: i32,
    pub birth_year: i32,
    pub gender: &'static str,
    pub bmi: f64,
    pub systolic: f64,
    pub diastolic: f64,
    pub cholesterol: f64,
    pub glucose: f64,
    pub smoking: &'static str,
    pub visits: i64,
    pub medications: i64,
    pub lab_abnormal: bool,
    pub diagnosis: &'static str,
    pub others: Vec<&'static str>,
    /// Everything that raises the risk, known or not.
    risk: f64,
    pub blank: Blank,
    pub noise: Vec<f64>,
    /// The event as it was recorded.
    pub event: bool,
    /// The event as it would have been recorded without a mistake in the year.
    pub event_in_time: bool,
}

/// ICD-10 codes of diagnoses.
const DIAGNOSES: [&str; 15] =
    ["I10", "E11", "I25", "J44", "N18", "F17", "Z51", "I48", "E78", "K21", "M79", "I50", "G47", "E03", "M25"];
/// Diagnoses twice as frequent above 65 years.
const OF_AGE: [&str; 5] = ["I10", "I25", "J44", "F17", "I48"];
/// Diagnoses that raise the risk.
const GRAVE: [&str; 5] = ["I10", "E11", "I25", "J44", "I50"];

impl Patient {
    /// Draws a patient and its complete years.
    pub fn draw(params: &PatientYearParams, seed: u64, number: usize) -> Self {
        let mut stream = Stream::new(seed, &format!("generate patient_year {number}"));
        let gender = if stream.chance(0.48) { "M" } else { "F" };
        let male = gender == "M";
        let birth_year = stream.integer(1940, 1999) as i32 + (params.start_year - 2015);
        let (mean, deviation, smokers) = if male { (27.5, 4.5, 0.25) } else { (26.8, 5.2, 0.18) };
        let mut bmi = mean + deviation * stream.normal();
        let smoking = match (stream.chance(smokers), stream.chance(0.6)) {
            (false, _) => "Never",
            (true, true) => "Former",
            (true, false) => "Current",
        };
        let mut years = Vec::with_capacity(usize::from(params.years));
        for index in 0..usize::from(params.years) {
            if index > 0 {
                bmi += 0.1 + 0.8 * stream.normal();
            }
            let year = params.start_year + index as i32;
            let seen = !stream.chance(params.unseen);
            if seen && (18..=90).contains(&(year - birth_year)) {
                let body = Body { birth_year, male, smoking, bmi: tenths(bmi, 16.0, 50.0) };
                years.push(body.year(&mut stream, index, year, params.yearly_risk));
            }
        }
        Self { number, seed, years }
    }

    /// The risk of each row.
    pub fn risks(self) -> impl Iterator<Item = f64> {
        self.years.into_iter().map(|year| year.risk)
    }

    /// The rows, with what is left out and with noise; outcomes are still to be recorded.
    pub fn rows(mut self, params: &PatientYearParams) -> Vec<Row> {
        let stream = |what: &str| Stream::new(self.seed, &format!("generate patient_year {} {what}", self.number));
        let (mut gaps, mut noise) = (stream("missing"), stream("noise"));
        let [bmi, cholesterol, glucose, pressure] = params.missing.rates();
        for year in &mut self.years {
            year.blank = Blank {
                bmi: gaps.chance(bmi),
                cholesterol: gaps.chance(cholesterol),
                glucose: gaps.chance(glucose),
                pressure: gaps.chance(pressure),
            };
            year.noise = (0..params.noise_features).map(|_| rounded(noise.normal(), 1e4)).collect();
        }
        self.years
    }
}

/// Records the events of a patient's rows, some of them in a neighbouring row.
pub(super) fn record(rows: &mut [Row], events: &[bool], params: &PatientYearParams, seed: u64, number: usize) {
    let mut stream = Stream::new(seed, &format!("generate patient_year {number} recording"));
    for (at, _) in events.iter().enumerate().filter(|(_, event)| **event) {
        rows[at].event_in_time = true;
        let mistaken = stream.chance(params.uncertain_diagnosis);
        let late = stream.chance(0.5);
        let there = match (mistaken, late) {
            (false, _) => at,
            (true, true) if at + 1 < rows.len() => at + 1,
            (true, false) if at > 0 => at - 1,
            // There is no year on that side: it falls on the other, if there is one.
            (true, true) => at.saturating_sub(1),
            (true, false) => (at + 1).min(rows.len() - 1),
        };
        rows[there].event = true;
    }
}

/// What a patient brings into a year.
struct Body {
    birth_year: i32,
    male: bool,
    smoking: &'static str,
    bmi: f64,
}

impl Body {
    fn year(&self, stream: &mut Stream, index: usize, year: i32, yearly_risk: f64) -> Row {
        let (age, bmi) = (f64::from(year - self.birth_year), self.bmi);
        let strain = [0.3 * above(age, 40.0), 0.8 * above(bmi, 25.0)];
        let systolic = tenths(120.0 + strain[0] + strain[1] + 15.0 * stream.normal(), 80.0, 220.0);
        let diastolic = tenths(80.0 + 0.5 * (strain[0] + strain[1]) + 10.0 * stream.normal(), 50.0, 120.0);
        // A pulse pressure below 10 is no measurement.
        let diastolic = diastolic.min(tenths(systolic - 10.0, 50.0, 120.0));
        let usual = if self.male { 200.0 } else { 195.0 };
        let cholesterol = tenths(usual + 0.5 * age + 35.0 * stream.normal(), 120.0, 400.0);
        let glucose = 95.0 + 1.2 * (bmi - 25.0) + 0.3 * (age - 50.0) + 15.0 * stream.normal();
        let glucose = tenths(glucose, 70.0, 300.0);
        let visits = (stream.poisson((3.0 + 0.02 * (age - 50.0)).max(0.0)) as i64).min(50);
        let medications = (stream.poisson(0.1 * above(age, 60.0)) as i64).min(20);
        let is = |condition: bool| f64::from(u8::from(condition));
        let signs = [is(systolic > 140.0), is(cholesterol > 240.0), is(glucose > 126.0), is(bmi > 30.0)];
        let lab_abnormal = stream.chance(0.3 * signs[0] + 0.2 * signs[1] + 0.4 * signs[2] + 0.1 * signs[3]);
        let diagnosis = self.diagnosis(stream, age);
        let others = others(stream, age, diagnosis);
        let smoked = match self.smoking {
            "Never" => 0.0,
            "Former" => 0.3,
            _ => 0.6,
        };
        let risk = 0.15 * above(age, 40.0) / 60.0
            + 0.12 * above(bmi, 25.0) / 15.0
            + 0.18 * 0.5 * is(systolic > 140.0 || diastolic > 90.0)
            + 0.20 * 0.7 * is(glucose > 126.0)
            + 0.08 * 0.3 * is(cholesterol > 240.0)
            + 0.10 * smoked
            + 0.05 * 0.2 * is(visits > 5)
            + 0.07 * 0.4 * is(lab_abnormal)
            + 0.05 * 0.5 * is(GRAVE.contains(&diagnosis))
            + yearly_risk * index as f64
            + 0.1 * stream.normal();
        Row {
            index,
            year,
            birth_year: self.birth_year,
            gender: if self.male { "M" } else { "F" },
            bmi,
            systolic,
            diastolic,
            cholesterol,
            glucose,
            smoking: self.smoking,
            visits,
            medications,
            lab_abnormal,
            diagnosis,
            others,
            risk,
            blank: Blank::default(),
            noise: Vec::new(),
            event: false,
            event_in_time: false,
        }
    }

    fn diagnosis(&self, stream: &mut Stream, age: f64) -> &'static str {
        let weight = |code: &'static str| {
            let old = if age > 65.0 && OF_AGE.contains(&code) { 2.0 } else { 1.0 };
            let heavy = if self.bmi > 30.0 && code == "E11" { 3.0 } else { 1.0 };
            let smoker = if self.smoking == "Current" && ["J44", "F17"].contains(&code) { 2.0 } else { 1.0 };
            (code, old * heavy * smoker)
        };
        choose(stream, &DIAGNOSES.map(weight))
    }
}

/// Up to three further diagnoses.
fn others(stream: &mut Stream, age: f64, primary: &'static str) -> Vec<&'static str> {
    let count = stream.poisson(0.05 * above(age, 60.0)).min(3);
    let mut others: Vec<&'static str> = Vec::new();
    while (others.len() as u64) < count {
        let code = DIAGNOSES[stream.below(DIAGNOSES.len() as u64) as usize];
        if code != primary && !others.contains(&code) {
            others.push(code);
        }
    }
    others
}

fn above(value: f64, from: f64) -> f64 {
    (value - from).max(0.0)
}

/// Within bounds, to one decimal.
fn tenths(value: f64, low: f64, high: f64) -> f64 {
    rounded(value.clamp(low, high), 10.0)
}

fn rounded(value: f64, units: f64) -> f64 {
    libm::round(value * units) / units
}
