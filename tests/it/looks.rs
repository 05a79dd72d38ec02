//! The ledger of looks at the test part: none is lost with a killed run or a torn record, none is counted twice.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::project::{Project, Run};

const CHAIN: &str = "study/lockfiles/audit.jsonl";

/// The arguments that bring a small study with this model up to date.
fn repro<'a>(model: &'a str, target: &'a str) -> [&'a str; 10] {
    let small = ["--set", "generate.n=1000", "--set", "evaluate.bootstrap=200", "--set"];
    let [a, b, c, d, e] = small;
    ["-C", "study", "repro", target, a, b, c, d, e, model]
}

fn evaluate(project: &Project, model: &str) -> Run {
    project.run(&repro(model, "evaluate")).succeeds()
}

/// How many models met each set of test rows.
fn models(project: &Project) -> Vec<u64> {
    let shown = project.run(&["-C", "study", "audit", "show", "--json"]).succeeds().json();
    shown["tests"].as_array().unwrap().iter().map(|test| test["models"].as_u64().unwrap()).collect()
}

/// The records that are sound JSON, in order.
fn records(project: &Project) -> Vec<Value> {
    let chain = fs::read(project.path(CHAIN)).unwrap();
    chain.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn looks(project: &Project) -> Vec<Value> {
    records(project).into_iter().filter(|record| record["action"] == json!("test_evaluation")).collect()
}

#[test]
fn a_model_is_counted_although_its_run_was_killed_and_another_took_its_place() {
    let project = Project::init("dropout");
    let (go, study) = (project.path("go"), project.path("study"));
    let (go, study) = (go.display(), study.display());
    // Keeps a run from its end; ends with the study, should the run be killed.
    let wait = format!(
        "\n  wait:\n    cmd: while [ -d {study} ] && [ ! -e {go} ] && kill -0 $PPID; do sleep 0.05; done; touch done\n    \
         deps: [artifacts/metrics.json]\n    outs: [done]\n"
    );
    project.write("study/pipeline.yaml", &(project.read("study/pipeline.yaml") + &wait));
    for model in ["train.models=[logistic]", "train.models=[gbdt]"] {
        let before = evaluated_results(&project);
        let mut run = project.command(&repro(model, "wait"));
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while evaluated_results(&project) == before {
            assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
            sleep(Duration::from_millis(20));
        }
        run.kill().unwrap();
        run.wait().unwrap();
    }
    assert!(!project.exists(CHAIN), "neither run has left a record");
    project.write("go", "");
    let run = project.run(&repro("train.models=[forest]", "wait")).succeeds();
    assert!(run.stdout.contains("used for 3 models"), "{}", run.stdout);
    assert_eq!(models(&project), [3]);
    let recovered: Vec<bool> = looks(&project).iter().map(|look| look["details"]["recovered"].is_string()).collect();
    assert_eq!(recovered, [true, true, false]);
    // Told once.
    evaluate(&project, "train.models=[gbdt]");
    assert_eq!((models(&project), looks(&project).len()), (vec![3], 3));
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
}

/// How many results of `evaluate` the journal has.
fn evaluated_results(project: &Project) -> usize {
    let journal = fs::read_to_string(project.path("study/.clinpipe/journal/pipeline.jsonl")).unwrap_or_default();
    journal.lines().filter(|line| line.contains("\"stage\":\"evaluate\"")).count()
}

#[test]
fn a_look_whose_record_was_torn_or_cut_off_is_recorded_again_or_said_to_be_lost() {
    let project = Project::init("dropout");
    evaluate(&project, "train.models=[logistic]");
    let whole = fs::read(project.path(CHAIN)).unwrap();
    let torn = &whole[..whole.len() - 20];
    fs::write(project.path(CHAIN), torn).unwrap();
    assert!(models(&project).is_empty());
    evaluate(&project, "train.models=[gbdt]");
    assert_eq!(models(&project), [2]);
    let actions: Vec<Value> = records(&project).into_iter().map(|record| record["action"].clone()).collect();
    assert_eq!(actions, ["run", "recovery", "run", "test_evaluation", "test_evaluation"]);
    assert!(fs::read(project.path(CHAIN)).unwrap().starts_with(torn), "the torn bytes stay");
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
    // A record that was cut off as a whole leaves no trace but the result itself.
    let whole = fs::read(project.path(CHAIN)).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(project.path(CHAIN), &whole[..last]).unwrap();
    assert_eq!(models(&project), [1]);
    evaluate(&project, "train.models=[forest]");
    assert_eq!(models(&project), [3]);
    // Without the bytes nobody can say which model it was.
    let whole = fs::read(project.path(CHAIN)).unwrap();
    fs::write(project.path(CHAIN), &whole[..whole.len() - 20]).unwrap();
    let lock: Value = serde_json::from_str(&project.read("study/lockfiles/pipeline.lock")).unwrap();
    for gone in [".clinpipe", "artifacts"] {
        project.make_writable(&format!("study/{gone}"));
        project.remove(&format!("study/{gone}"));
    }
    evaluate(&project, "train.models=[logistic]");
    let run = records(&project).into_iter().rfind(|record| record["action"] == json!("run")).unwrap();
    assert_eq!(run["details"]["evaluations_lost"], json!({"evaluate": [lock["stages"]["evaluate"]["key"]]}));
    assert_eq!(models(&project), [2]);
    let shown = project.run(&["-C", "study", "audit", "show"]).succeeds().stdout;
    assert!(shown.contains("evaluations_lost evaluate"), "{shown}");
}

#[test]
fn what_changes_no_answer_makes_no_other_model() {
    let project = Project::init("dropout");
    let bundle = || {
        let metrics: Value = serde_json::from_str(&project.read("study/artifacts/metrics.json")).unwrap();
        metrics["evaluated"]["bundle"].as_str().unwrap().to_owned()
    };
    let edit = |file: &str, from: &str, to: &str| {
        let text = project.read(file);
        assert!(text.contains(from), "{file} has no {from}");
        project.write(file, &text.replace(from, to));
    };
    evaluate(&project, "train.models=[logistic]");
    let first = bundle();
    edit("study/params.yaml", "standard_protocol", "usual_care");
    evaluate(&project, "train.models=[logistic]");
    let second = bundle();
    assert_ne!(first, second);
    assert_eq!(models(&project), [1]);
    edit("study/pipeline.yaml", "data/synthetic.csv", "data/renamed.csv");
    evaluate(&project, "train.models=[logistic]");
    assert_ne!(second, bundle());
    assert_eq!(models(&project), [1]);
    evaluate(&project, "train.models=[gbdt]");
    assert_eq!(models(&project), [2]);
}
