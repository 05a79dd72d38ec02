//! External validation, end to end on the real program: the dropout model meets patients of another cohort who leave
//! less often.

use serde_json::Value;

use crate::project::Project;

const ELSEWHERE: &str = "
  ingest_elsewhere:
    uses: ingest
    deps: {table: data/elsewhere.csv}
    params: [schema, ingest]
    outs: {table: elsewhere/ingested.parquet, report: elsewhere/ingest.json}
  validate_elsewhere:
    uses: validate
    deps: {table: elsewhere/ingested.parquet}
    params: [schema, validate]
    outs:
      table: elsewhere/clean.parquet
      quarantine: elsewhere/quarantine.csv
      report: elsewhere/validation.json
  elsewhere:
    uses: evaluate
    deps:
      bundle: artifacts/bundle/
      table: elsewhere/clean.parquet
      ingest: elsewhere/ingest.json
      training: artifacts/clean.parquet
      training_split: artifacts/split.parquet
    params: [seed, schema, evaluate, tune_threshold, privacy, train]
    outs: {predictions: elsewhere/predictions.parquet, external: elsewhere/external.json, slices: elsewhere/slices.json}
    metrics: {metrics: elsewhere/metrics.json}
";

/// The dropout study, small, with a second cohort whose patients are called `prefix` and their number.
fn project(prefix: &str) -> Project {
    let project = Project::init("dropout");
    let params = project.read("study/params.yaml");
    let small = params
        .replace("n: 10000", "n: 2500")
        .replace("models: [logistic, forest, gbdt]", "models: [logistic]")
        .replace("bootstrap: 2000", "bootstrap: 200");
    assert_ne!(small, params);
    project.write("study/params.yaml", &small);
    // The other cohort comes from another seed. Two of five who left are made to stay, which moves the intercept.
    project.write("other/params.yaml", &small.replace("seed: 42", "seed: 7"));
    project.write("other/pipeline.yaml", &project.read("study/pipeline.yaml"));
    project.run(&["-C", "other", "repro", "-q", "generate"]).succeeds();
    let mut left = 0;
    let csv: Vec<String> = project
        .read("other/data/synthetic.csv")
        .lines()
        .map(|line| {
            let mut cells: Vec<String> = line.replace("P-", prefix).split(',').map(str::to_owned).collect();
            if cells[9] == "1" {
                left += 1;
                if left % 5 < 2 {
                    (cells[9], cells[10]) = ("0".to_owned(), String::new());
                }
            }
            cells.join(",")
        })
        .collect();
    project.write("study/data/elsewhere.csv", &(csv.join("\n") + "\n"));
    let pipeline = project.read("study/pipeline.yaml");
    project.write("study/pipeline.yaml", &(pipeline + ELSEWHERE));
    project
}

fn json(project: &Project, name: &str) -> Value {
    serde_json::from_str(&project.read(name)).unwrap()
}

#[test]
fn a_new_intercept_mends_a_model_that_meets_other_patients() {
    let project = project("P-9");
    project.run(&["-C", "study", "repro", "-q", "elsewhere"]).succeeds();
    let report = json(&project, "study/elsewhere/external.json");
    let rung = |at: usize, measure: &str| report["ladder"][at][measure]["value"].as_f64().unwrap();
    assert!(rung(0, "intercept") < -0.5, "{}", rung(0, "intercept"));
    let updated = &report["ladder"][1]["intercept"];
    assert!(updated["value"].as_f64().unwrap().abs() < 0.02, "{updated}");
    assert!(updated["low"].as_f64().unwrap() < 0.0 && updated["high"].as_f64().unwrap() > 0.0, "{updated}");
    assert!(rung(1, "ici") < rung(0, "ici") && rung(1, "brier") < rung(0, "brier"));
    assert!(report["ladder"][1]["coefficients"]["intercept"].as_f64().unwrap() < -0.5);
    assert_eq!(report["ladder"][3]["about"], "refitted on these rows: logistic, as declared under `train`");
    assert_eq!(report["unseen"]["checked"], serde_json::json!(["raw_file", "schema", "patients", "rows"]));
    assert_eq!(report["n"], 2500);
    let metrics = json(&project, "study/elsewhere/metrics.json");
    assert_eq!(metrics["calibration"]["intercept"]["value"], report["ladder"][0]["intercept"]["value"]);
    assert_eq!(metrics["n"], 2500);
    assert_eq!(json(&project, "study/elsewhere/slices.json")["n"], 2500);
}

/// The other cohort cut down to rows that `keep` wants, by number and outcome.
fn cut_down(project: &Project, keep: impl Fn(usize, bool) -> bool) {
    let csv = project.read("study/data/elsewhere.csv");
    let mut lines = csv.lines();
    let head = lines.next().unwrap();
    let kept = lines.enumerate().filter(|(at, line)| keep(*at, line.split(',').nth(9) == Some("1")));
    let text: Vec<&str> = std::iter::once(head).chain(kept.map(|(_, line)| line)).collect();
    project.write("study/data/elsewhere.csv", &(text.join("\n") + "\n"));
}

/// Every interval of metrics.json and of the ladder that is made by resampling or by DeLong.
fn intervals(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let method = map.get("method").and_then(Value::as_str).filter(|method| *method != "wilson");
            found.extend(method.map(str::to_owned));
            map.values().for_each(|value| intervals(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| intervals(value, found)),
        _ => {}
    }
}

#[test]
fn few_patients_or_one_class_give_values_without_intervals_and_no_verdict() {
    let project = project("P-9");
    let full = project.read("study/data/elsewhere.csv");
    let cases = [
        ("one row", "fewer than 20 patients"),
        ("no event", "fewer than 10 patients have the event"),
        ("only events", "fewer than 10 patients are without the event"),
    ];
    for (name, reason) in cases {
        project.write("study/data/elsewhere.csv", &full);
        cut_down(&project, |at, event| match name {
            "one row" => at == 0,
            "no event" => !event,
            _ => event,
        });
        project.run(&["-C", "study", "repro", "-q", "elsewhere"]).succeeds();
        let metrics = json(&project, "study/elsewhere/metrics.json");
        let report = json(&project, "study/elsewhere/external.json");
        let mut found = Vec::new();
        intervals(&metrics, &mut found);
        intervals(&report, &mut found);
        assert_eq!(found, Vec::<String>::new(), "{name}");
        assert_eq!(metrics["brier"]["reason"], *reason, "{name}");
        let verdict = &metrics["verdict"];
        assert_eq!(verdict["text"], format!("No verdict: {reason}."), "{name}");
        assert!(verdict["beats_flag_none"].is_null() && verdict["beats_logistic"].is_null(), "{name}");
        let slope = &report["ladder"][0]["slope"];
        assert_eq!(
            (&slope["value"], &slope["reason"]),
            (&Value::Null, &"the rows hold only one class".into()),
            "{name}"
        );
        assert_eq!(metrics["calibration"]["slope"]["reason"], "the rows hold only one class", "{name}");
    }
}

#[test]
fn patients_of_the_development_study_are_refused() {
    let project = project("P-");
    let run = project.run(&["-C", "study", "repro", "-q", "elsewhere"]).exits(3);
    assert!(run.stderr.contains("patients of the new data are in artifacts/clean.parquet"), "{}", run.stderr);
    assert!(run.stderr.contains("rename them"), "{}", run.stderr);
}
