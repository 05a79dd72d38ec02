//! The stage `leakage` on the real program: a table whose labels follow its rows fails, with rows to look at; a waiver
//! lets it pass and stays on record up to the bundle.

use std::fmt::Write as _;

use crate::project::Project;

const PATIENTS: usize = 240;
const EVENTS: usize = 24;

/// Patients seen in up to three years. The labels were ranked by a risk that missing values had spoilt, so the last
/// patients have them all.
fn table() -> String {
    let mut text = "patient,year,age,sbp,glucose,target\n".to_owned();
    // A linear congruential generator: the values mean nothing.
    let mut state = 7_u64;
    let mut draw = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for patient in 0..PATIENTS {
        let age = 30 + draw(50);
        for year in 0..=draw(3) {
            let (sbp, glucose) = (100 + draw(600) / 10, 70 + draw(900) / 10);
            let label = u8::from(patient >= PATIENTS - EVENTS);
            writeln!(
                text,
                "P{patient:06},{},{},{sbp}.{},{glucose}.{},{label}",
                2015 + year,
                age + year,
                draw(10),
                draw(10)
            )
            .unwrap();
        }
    }
    text
}

/// The shipped study of the stroke cohort, its schema and features replaced.
fn project() -> Project {
    let project = Project::init("stroke");
    let params = project.read("study/params.yaml");
    let after = |key: &str| params.find(&format!("\n{key}:")).unwrap();
    let (from, to) = (after("schema"), after("generate"));
    let schema = "
schema:
  group: patient
  target: {column: target, event: falls ill}
  columns:
    patient: {type: text}
    year: {type: integer}
    age: {type: integer, range: [0, 120]}
    sbp: {type: number}
    glucose: {type: number}
    target: {type: integer, levels: [0, 1], available_at: post}
";
    let featurize = "\nfeaturize: {features: [age, sbp, glucose]}\n";
    let (features, leakage) = (after("featurize"), params.find("\n# Findings that are no leak").unwrap());
    let middle = params[to..features].replace("kind: stratified", "kind: group");
    let text = [&params[..from], schema, "\nstudy: {}\n", &middle, featurize, &params[leakage..]].concat();
    let text = text.replace("models: [logistic, forest, gbdt]", "models: [logistic]").replace("ignoring_id", "exact");
    let text = text
        .replace("subgroups: [gender, Residence_type]", "subgroups: []")
        .replace("slices: [gender, Residence_type, smoking_status, {", "slices: [{");
    project.write("study/params.yaml", &text);
    project.write("study/data/stroke.csv", &table());
    project
}

#[test]
fn labels_that_follow_the_rows_fail_the_run_with_rows_to_look_at() {
    let project = project();
    let run = project.run(&["-C", "study", "repro"]).exits(3);
    for word in ["row_order position", "id_order patient", "row_id ", "waivers: [{check: row_order"] {
        assert!(run.stderr.contains(word), "no {word:?} in:\n{}", run.stderr);
    }
    assert!(!project.exists("study/artifacts/leakage.json") && !project.exists("study/artifacts/bundle/bundle.json"));
    let log = project.run(&["-C", "study", "log", "leakage"]).succeeds().stdout;
    assert!(log.contains("auroc_trend 1.000") && log.contains("finding: id_order patient"), "{log}");
}

#[test]
fn who_answers_for_a_finding_is_on_record_up_to_the_bundle() {
    let project = project();
    let waivers = "leakage={waivers: [{check: row_order, who: Dr. Roe, why: known defect}, \
                   {check: id_order, column: patient, who: Dr. Roe, why: the same}]}";
    project.run(&["-C", "study", "repro", "-q", "--set", waivers, "bundle"]).succeeds();
    let read = |name: &str| -> serde_json::Value { serde_json::from_str(&project.read(name)).unwrap() };
    let report = read("study/artifacts/leakage.json");
    assert_eq!(report["clean"], true);
    assert!(report["findings"].as_array().unwrap().iter().all(|found| found["waived"]["who"] == "Dr. Roe"));
    let bundle = read("study/artifacts/bundle/bundle.json");
    let waived = bundle["leakage"]["waived"].as_array().unwrap();
    assert_eq!((waived.len(), &waived[1]["waived"]["why"]), (2, &serde_json::json!("the same")));
    assert_eq!(bundle["leakage"]["blake3"].as_str().unwrap().len(), 64);
    let log = project.run(&["-C", "study", "log", "leakage"]).succeeds().stdout;
    assert!(log.contains("waived by Dr. Roe: known defect"), "{log}");
    let shown = project.run(&["-C", "study", "audit", "show", "--json", "--action", "waiver"]).succeeds().json();
    let told: Vec<_> =
        shown["records"].as_array().unwrap().iter().map(|r| (&r["details"]["who"], &r["reason"])).collect();
    let (who, why) = (serde_json::json!("Dr. Roe"), [serde_json::json!("known defect"), serde_json::json!("the same")]);
    assert_eq!(told, [(&who, &why[0]), (&who, &why[1])]);
}
