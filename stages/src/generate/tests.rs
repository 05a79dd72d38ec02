use serde_json::json;

use super::*;
use crate::testing::Lab;

fn shares(values: &[&str], of: &str) -> f64 {
    values.iter().filter(|value| **value == of).count() as f64 / values.len() as f64
}

fn stroke(n: usize, seed: u64) -> cohort::Cohort {
    let params = json!({"n": n});
    stroke::generate(&serde_json::from_value(params).expect("parameters"), seed)
}

fn dropout(n: usize, seed: u64) -> cohort::Cohort {
    let params = json!({"n": n});
    dropout::generate(&serde_json::from_value(params).expect("parameters"), seed)
}

/// Rank statistic: the chance that a case's value lies above a non-case's, ties counted half.
fn auroc(values: &[f64], events: &[bool]) -> f64 {
    let (mut above, mut pairs) = (0.0, 0.0);
    for (value, _) in values.iter().zip(events).filter(|(_, event)| **event) {
        for (other, _) in values.iter().zip(events).filter(|(_, event)| !**event) {
            pairs += 1.0;
            above += if value > other { 1.0 } else { f64::from(value == other) / 2.0 };
        }
    }
    above / pairs
}

fn numbers(values: &[&str]) -> Vec<f64> {
    values.iter().map(|value| value.parse().expect("a number")).collect()
}

#[test]
fn the_stroke_cohort_has_the_counts_of_the_public_file() {
    for seed in [1, 42] {
        let cohort = stroke(5110, seed);
        let count = |column: &str, of: &str| cohort.column(column).iter().filter(|value| **value == of).count();
        assert_eq!((count("stroke", "1"), count("bmi", "N/A"), count("gender", "Other")), (249, 201, 1));
        let ids: std::collections::BTreeSet<_> = cohort.column("id").into_iter().collect();
        assert_eq!(ids.len(), 5110);
        assert_eq!(cohort.column("stroke").iter().rposition(|case| *case == "1"), Some(248), "cases stand first");
    }
}

#[test]
fn the_stroke_cohort_has_the_marginals_of_the_public_file() {
    let cohort = stroke(5110, 7);
    let near = |column: &str, of: &str, share: f64| {
        let found = shares(&cohort.column(column), of);
        assert!((found - share).abs() < 0.025, "{column} {of}: {found} instead of {share}");
    };
    // Shares of the public file.
    near("gender", "Female", 0.586);
    near("hypertension", "1", 0.097);
    near("heart_disease", "1", 0.054);
    near("ever_married", "Yes", 0.656);
    near("work_type", "Private", 0.572);
    near("work_type", "children", 0.134);
    near("work_type", "Self-employed", 0.160);
    near("smoking_status", "Unknown", 0.302);
    near("smoking_status", "never smoked", 0.370);
    near("Residence_type", "Urban", 0.508);
    let glucose = numbers(&cohort.column("avg_glucose_level"));
    let high = glucose.iter().filter(|value| **value > 150.0).count() as f64 / glucose.len() as f64;
    assert!((high - 0.143).abs() < 0.02, "share of high glucose {high}");
    let age = numbers(&cohort.column("age"));
    let events: Vec<bool> = cohort.column("stroke").iter().map(|case| *case == "1").collect();
    let alone = auroc(&age, &events);
    assert!((0.80..0.87).contains(&alone), "age alone ranks with {alone}; 0.834 in the public file");
}

#[test]
fn the_dropout_cohort_follows_its_contract() {
    let cohort = dropout(6000, 3);
    let dropped = cohort.column("dropout");
    // The generator this one follows gave 52.5 % dropouts, 34.8 % early, 12.3 % within 30 days.
    assert!((shares(&dropped, "1") - 0.53).abs() < 0.03);
    assert!((shares(&cohort.column("early_dropout"), "1") - 0.33).abs() < 0.04);
    assert!((shares(&cohort.column("dropout_30_days"), "1") - 0.115).abs() < 0.03);
    let days = numbers(&cohort.column("days_in_trial"));
    let last = numbers(&cohort.column("last_visit_day"));
    assert!(days.iter().zip(&last).all(|(day, last)| (30.0..=364.0).contains(day) && last <= day));
    let visits = numbers(&cohort.column("visits_completed"));
    assert!(visits.iter().zip(&last).all(|(visits, last)| (*visits > 0.0) == (*last > 0.0)));
    let day = cohort.column("dropout_day");
    assert!(day.iter().zip(&dropped).all(|(day, dropped)| day.is_empty() == (*dropped == "0")));
    let both = cohort.column("early_dropout").into_iter().zip(cohort.column("late_dropout"));
    assert!(both.zip(&dropped).all(|((early, late), dropped)| (early == "1" || late == "1") == (*dropped == "1")));
}

#[test]
fn the_trial_cohort_has_the_marginals_of_the_public_file() {
    let params = json!({"n": 6000});
    let cohort = dropout_trial::generate(&serde_json::from_value(params).expect("parameters"), 3);
    let dropped = cohort.column("dropout");
    // Figures of the public file: 43.6 % leave (its standard error is 1.6 points), 26 % never came, 2.75 adverse events.
    assert!((shares(&dropped, "1") - 0.45).abs() < 0.03);
    assert!((shares(&cohort.column("visits_completed"), "0") - 0.26).abs() < 0.04);
    let adverse = numbers(&cohort.column("adverse_events"));
    assert!((adverse.iter().sum::<f64>() / 6000.0 - 2.75).abs() < 0.15);
    let days = numbers(&cohort.column("days_in_trial"));
    let day = numbers(&cohort.column("dropout_day"));
    let stayed = |row: usize| dropped[row] == "0";
    assert!((0..6000).all(|row| if stayed(row) { day[row] == days[row] } else { day[row] <= days[row] }));
}

#[test]
fn the_register_meets_its_share_and_can_be_ranked() {
    let params = json!({"n": 4000});
    let cohort = stroke_register::generate(&serde_json::from_value(params).expect("parameters"), 3);
    let stroke: Vec<bool> = cohort.column("Stroke").iter().map(|case| *case == "1").collect();
    assert_eq!(stroke.iter().filter(|case| **case).count(), 1192, "29.8 %");
    assert!(auroc(&numbers(&cohort.column("Age")), &stroke) > 0.68);
    assert!((0.08..0.2).contains(&shares(&cohort.column("Diabetes"), "1")));
}

#[test]
fn totals_over_the_follow_up_give_leaving_away_and_nothing_happens_after_it() {
    let params = json!({"n": 3000});
    let (patients, events) = dropout_visits::generate(&serde_json::from_value(params).expect("parameters"), 3);
    let left: Vec<bool> = patients.column("dropout_day").iter().map(|day| !day.is_empty()).collect();
    let share = left.iter().filter(|left| **left).count() as f64 / 3000.0;
    assert!((0.35..0.6).contains(&share), "{share} leave");
    let missing: Vec<f64> = numbers(&patients.column("visits_completed")).iter().map(|visits| -visits).collect();
    assert!(auroc(&missing, &left) > 0.8, "totals are outcomes in disguise");
    let last: std::collections::BTreeMap<_, _> =
        patients.column("patient_id").into_iter().zip(numbers(&patients.column("last_day"))).collect();
    let ids = events.column("patient_id");
    let days = numbers(&events.column("day"));
    assert!(ids.iter().zip(&days).all(|(id, day)| *day >= 1.0 && *day <= last[id]));
    let graded = events.column("event").into_iter().zip(events.column("grade"));
    assert!(graded.into_iter().all(|(event, grade)| (event == "adverse_event") != grade.is_empty()));
}

#[test]
fn the_treatment_cohort_has_a_signal_and_the_value_sets_of_the_public_file() {
    let treatment = |noise: f64| {
        let params = json!({"n": 4000, "noise": noise});
        treatment::generate(&serde_json::from_value(params).expect("parameters"), 3)
    };
    let variance = |cohort: &cohort::Cohort| {
        let scores = numbers(&cohort.column("Improvement_Score"));
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        scores.iter().map(|score| (score - mean) * (score - mean)).sum::<f64>() / scores.len() as f64
    };
    let (cohort, noiseless) = (treatment(1.0), treatment(0.0));
    assert_eq!(cohort.column("Side_Effects"), noiseless.column("Side_Effects"), "noise moves no other column");
    let explained = variance(&noiseless) / variance(&cohort);
    assert!((0.45..0.65).contains(&explained), "at most {explained} of the variance can be explained");
    let sets = |column: &str| cohort.column(column).into_iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!((sets("Condition"), sets("Drug_Name"), sets("Dosage_mg"), sets("Side_Effects")), (5, 15, 5, 30));
}

#[test]
fn missing_values_do_not_move_the_patients() {
    let params = json!({"n": 300, "missing_age": 0.2});
    let with = dropout::generate(&serde_json::from_value(params).expect("parameters"), 5);
    let without = dropout(300, 5);
    assert_eq!(with.column("adverse_events"), without.column("adverse_events"));
    let gaps = with.column("age").iter().filter(|age| age.is_empty()).count();
    assert!((30..90).contains(&gaps), "{gaps} gaps");
}

#[test]
fn bytes_are_frozen() {
    let lab = Lab::new();
    for (kind, golden) in [
        ("dropout_causal", "22ab904465484ae3"),
        ("dropout_trial", "4748b9b0c03bc61a"),
        ("dropout_visits", "64af267b023030f6"),
        ("stroke", "28f189a733625d28"),
        ("stroke_register", "7d9ae824f8d16b52"),
        ("treatment_outcome", "3186f61c28e4acaa"),
    ] {
        let params = json!({"seed": 42, "generate": {"kind": kind, "n": 200}});
        let with_events = kind == "dropout_visits";
        let files: &[&str] = if with_events { &["out.csv", "events.csv"] } else { &["out.csv"] };
        let outs: Vec<(&str, &str)> = ["table", "events"].into_iter().zip(files.iter().copied()).collect();
        lab.run(&Generate, &[], &outs, &params).expect("runs");
        assert_eq!(lab.digest(files), golden, "the bytes of `generate` ({kind}) moved: raise VERSION");
    }
}

#[test]
fn parameters_are_checked_by_path() {
    let path = |generate: serde_json::Value| {
        let serde_json::Value::Object(map) = json!({"seed": 1, "generate": generate}) else { unreachable!() };
        Generate.check(&ParamSet::new(map)).expect_err("invalid").path
    };
    assert_eq!(path(json!({"kind": "stroke", "n": 0})), "generate.n");
    assert_eq!(path(json!({"kind": "stroke", "n": 10, "prevalence": 1.5})), "generate.prevalence");
    assert_eq!(path(json!({"kind": "dropout_causal", "n": 10, "noise": -1})), "generate.noise");
    assert!(path(json!({"kind": "dropout_causal", "n": 10, "nose": 1})).starts_with("generate"));
    assert!(path(json!({"kind": "dropped", "n": 10})).starts_with("generate"));
}
