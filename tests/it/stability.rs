//! Thresholds by level, candidates side by side and the stability stage, end to end on the real program: the shipped
//! study, made small.

use clinpipe_stages::StageFile;
use clinpipe_stages::common::table::Table;
use serde_json::{Value, json};

use crate::project::Project;

/// The shipped dropout study with fewer patients and quick learners, thresholds by phase, and `stability` behind it.
fn study() -> Project {
    let root = env!("CARGO_MANIFEST_DIR");
    let shipped = |name: &str| std::fs::read_to_string(format!("{root}/{name}")).expect("the shipped study");
    let pipeline = shipped("pipeline.yaml")
        .replace(
            "deps: {calibrated: artifacts/calibrated.parquet}",
            "deps: {calibrated: artifacts/calibrated.parquet, table: artifacts/clean.parquet}",
        )
        .replace("params: [seed, privacy, tune_threshold]", "params: [seed, schema, privacy, tune_threshold]");
    let stability = "
  stability:
    uses: stability
    deps:
      bundle: artifacts/bundle/
      table: artifacts/features.parquet
      spec: artifacts/features.json
      split: artifacts/split.parquet
      raw: artifacts/clean.parquet
      cv: artifacts/cv.json
    params: [seed, train, calibrate, stability]
    outs: {report: artifacts/stability.json}
    plots: {points: artifacts/stability.csv}
";
    let project = Project::new(&format!("{pipeline}{stability}"));
    let params = shipped("params.yaml")
        .replace("n: 10000", "n: 1200")
        .replace("models: [logistic, forest, gbdt]", "models: [logistic, forest]\n  forest: {trees: 10}")
        .replace("  policy: cost\n", "  policy: cost\n  strata: {column: trial_phase, thresholds: {Phase I: 0.9}}\n");
    let own = "\nstability: {refits: 20, learning_curve: {fractions: [0.3, 1], repeats: 2}}\n";
    project.write("params.yaml", &format!("{params}{own}"));
    project
}

fn read(project: &Project, name: &str) -> Value {
    serde_json::from_str(&project.read(name)).expect("JSON")
}

#[test]
fn a_study_with_strata_is_served_by_them_and_shows_how_stable_it_is() {
    let project = study();
    let run = project.run(&["repro", "stability", "report"]).succeeds();
    assert!(run.stdout.contains("\nthreshold  by trial_phase: p ≥ "), "{}", run.stdout);
    let threshold = read(&project, "artifacts/threshold.json");
    let levels = &threshold["strata"]["levels"];
    assert_eq!((&levels["Phase I"]["value"], &levels["Phase I"]["source"]), (&json!(0.9), &json!("given")));
    assert_eq!(levels["Phase II"]["source"], json!("chosen"));
    assert!(threshold["uncertainty"]["threshold"]["low"].is_number(), "{threshold:#}");

    let comparison = read(&project, "artifacts/comparison.json");
    assert_eq!(comparison["pairs"].as_array().map(Vec::len), Some(6));
    let stability = read(&project, "artifacts/stability.json");
    assert_eq!((&stability["refits"], &stability["failed"]), (&json!(20), &json!(0)), "{stability:#}");
    assert!(stability["instability"]["flips"]["mean_share"].is_number());
    let curve = stability["learning_curve"].as_array().expect("a curve");
    assert!(curve[0]["n"].as_f64() < curve[1]["n"].as_f64());

    // The same thresholds judge a table of rows as they judged the test part.
    project.run(&["predict", "data/synthetic.csv", "-o", "scored.csv"]).succeeds();
    let (raw, scored) = (project.read("data/synthetic.csv"), project.read("scored.csv"));
    let place = |text: &str, name: &str| text.lines().next().unwrap_or("").split(',').position(|column| column == name);
    let phase = place(&raw, "trial_phase").expect("a column");
    let [p, t, flagged] = ["p", "threshold", "flagged"].map(|name| place(&scored, name).expect("a column"));
    let mut seen = 0;
    for (raw, scored) in raw.lines().zip(scored.lines()).skip(1) {
        let (raw, scored): (Vec<&str>, Vec<&str>) = (raw.split(',').collect(), scored.split(',').collect());
        let number = |at: usize| scored[at].parse::<f64>().expect("a number");
        assert_eq!(number(t), levels[raw[phase]]["value"].as_f64().expect("a threshold"));
        assert_eq!(scored[flagged] == "1", number(p) >= number(t));
        seen += 1;
    }
    assert_eq!(seen, 1200);
    // And the report counts what these thresholds flag.
    let (path, name) = (project.path("artifacts/predictions.parquet"), "predictions".to_owned());
    let table = Table::read(&StageFile { path, name }).expect("a table");
    let (p, own) = (table.floats("p").expect("numbers"), table.floats("threshold").expect("numbers"));
    assert!(own.contains(&0.9) && own.iter().any(|&threshold| threshold < 0.9));
    let flagged: Vec<bool> = p.iter().zip(&own).map(|(p, threshold)| p >= threshold).collect();
    let written: Vec<bool> = table.bools("flagged").expect("booleans").into_iter().flatten().collect();
    assert_eq!(written, flagged);
    let y = table.ints_full("y").expect("outcomes");
    let count =
        |wanted: bool, event: i64| flagged.iter().zip(&y).filter(|(f, y)| **f == wanted && **y == event).count();
    let counts = read(&project, "artifacts/metrics.json")["at_threshold"]["counts"].clone();
    let cells = json!({"tp": count(true, 1), "fp": count(true, 0), "fn": count(false, 1), "tn": count(false, 0)});
    assert_eq!(counts, cells);
    everything_is_judged_by_these_flags(&project, &own, &flagged, &y);
}

/// Net benefit and cost come from the flags, a false positive weighing the odds of the threshold of its own row; and no
/// text takes the overall threshold for the one that applies.
fn everything_is_judged_by_these_flags(project: &Project, thresholds: &[f64], flagged: &[bool], y: &[i64]) {
    let metrics = read(project, "artifacts/metrics.json");
    let (mut benefit, mut cost) = (0.0, 0.0);
    for ((&threshold, &flagged), &y) in thresholds.iter().zip(flagged).zip(y) {
        let (gain, price) = match (flagged, y == 1) {
            (true, true) => (1.0, 500.0),
            (true, false) => (-threshold / (1.0 - threshold), 500.0),
            (false, true) => (0.0, 5000.0),
            (false, false) => (0.0, 0.0),
        };
        (benefit, cost) = (benefit + gain, cost + price);
    }
    let near = |number: &Value, own: f64| {
        let number = number.as_f64().expect("a number");
        assert!((number - own).abs() < 1e-9 * own.abs().max(1.0), "{number} is not {own}");
    };
    near(&metrics["net_benefit"]["value"], benefit / y.len() as f64);
    near(&metrics["expected_cost"]["value"], 1000.0 * cost / y.len() as f64);
    let frozen = &metrics["threshold"];
    assert_eq!((&frozen["decision"], &frozen["by_level"]["column"]), (&json!("cutoff"), &json!("trial_phase")));
    let detail = read(project, "artifacts/evaluation.json");
    let rows = detail["thresholds"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["frozen"] == true).expect("the frozen one");
    assert_eq!(
        (&row["counts"], &row["net_benefit"]),
        (&metrics["at_threshold"]["counts"], &metrics["net_benefit"]["value"])
    );
    let threshold = read(project, "artifacts/threshold.json");
    assert_eq!(threshold["decision"], "cutoff");
    assert!(threshold["note"].as_str().expect("a note").contains("by the level of `trial_phase`"), "{threshold:#}");
    for name in ["artifacts/report.html", "artifacts/model_card.md"] {
        let text = project.read(name);
        assert!(text.contains("Who is flagged depends on trial"), "{name}");
        assert!(!text.contains("Everyone is flagged") && !text.contains("Flagged when the risk is"), "{name}");
    }
}

#[test]
fn a_level_that_the_schema_does_not_know_is_an_error_at_its_place() {
    let project = study();
    let params = project.read("params.yaml").replace("{Phase I: 0.9}", "{Phase IV: 0.9}");
    project.write("params.yaml", &params);
    let run = project.run(&["repro"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("Phase IV") && run.stderr.contains("params.yaml:"), "{}", run.stderr);
}
