//! Promotion, refusal, rollback: the real program on a small study with a weak and a strong model.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::project::{Project, Run, tell};
use crate::service::Service;

pub(crate) const REGISTRY: &str = "study/artifacts/registry/dropout";
/// Wide limits: three hundred rows prove little of calibration.
const WIDE: &str = "guards: {brier: 0.2, ici: 0.5, net_benefit: 0.5}\nresamples: 200\n";
/// Whatever can be compared may be promoted.
pub(crate) const ANY: &str =
    "rule: non_inferior\nmargin: 1\nresamples: 100\nguards: {auroc: 1, brier: 1, ici: 1, net_benefit: 1}\n";

/// A study of 1,500 patients whose gate asks for little.
fn small(project: &Project) {
    let mut params = project.read("study/params.yaml");
    for (from, to) in [
        ("n: 10000", "n: 1500"),
        ("models: [logistic, forest, gbdt]", "models: [logistic]"),
        ("bootstrap: 2000", "bootstrap: 100"),
        ("{metric: auroc.low, min: 0.58}", "{metric: auroc.value, min: 0.3}"),
    ] {
        assert!(params.contains(from), "{from}");
        params = params.replace(from, to);
    }
    let rules = params.find("    - {metric: calibration.slope").unwrap();
    let end = params.find("\n# What only people").unwrap();
    params.replace_range(rules..end, "");
    project.write("study/params.yaml", &params);
}

/// The features of the weak model.
fn weaken(project: &Project) {
    let params = project.read("study/params.yaml");
    let start = params.find("    - age\n").unwrap();
    let end = params.find("\n# Findings that are no leak").unwrap();
    project.write("study/params.yaml", &format!("{}    - age\n{}", &params[..start], &params[end..]));
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").args(["-a", "--"]).args([from, to]).status().unwrap();
    assert!(status.success());
}

/// A study whose weak model is up to date and whose strong one is in the store; made once.
pub(crate) fn studies() -> Project {
    static MADE: OnceLock<Project> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let project = Project::init("dropout");
        small(&project);
        project.write("strong.yaml", &project.read("study/params.yaml"));
        project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
        weaken(&project);
        project.write("weak.yaml", &project.read("study/params.yaml"));
        project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
        project
    });
    let own = Project::empty();
    for name in ["study", "strong.yaml", "weak.yaml"] {
        copy(&made.path(name), &own.path(name));
    }
    own.write("study/promotion.yaml", WIDE);
    own
}

/// Brings the bundle of other parameters, from the store.
pub(crate) fn bring(project: &Project, params: &str) {
    project.write("study/params.yaml", &project.read(params));
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
}

pub(crate) fn promote(project: &Project, args: &[&str]) -> Run {
    project.run(&[&["-C", "study", "promote", "--reason", "a test", "--json"], args].concat())
}

/// The rules that failed.
pub(crate) fn failed(run: &Run) -> BTreeSet<String> {
    let rules = run.json()["rules"].as_array().unwrap().clone();
    let failed = rules.iter().filter(|rule| rule["passed"] == false);
    failed.map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect()
}

fn champion(project: &Project) -> String {
    let listed = project.run(&["-C", "study", "registry", "show", "--json"]).succeeds().json();
    listed["version"]["bundle"].as_str().unwrap().to_owned()
}

pub(crate) fn bundle(project: &Project) -> String {
    blake3::hash(project.read("study/artifacts/bundle/bundle.json").as_bytes()).to_hex().to_string()
}

pub(crate) fn records(project: &Project, action: &str) -> Vec<Value> {
    let shown = project.run(&["-C", "study", "audit", "show", "--json", "--limit", "100000", "--action", action]);
    shown.succeeds().json()["records"].as_array().unwrap().clone()
}

#[test]
fn a_better_model_takes_the_place_and_a_rollback_gives_it_back() {
    let project = studies();
    let weak = bundle(&project);
    let first = promote(&project, &[]).succeeds().json();
    assert_eq!((&first["promoted"], &first["champion_before"]), (&json!(true), &Value::Null));
    assert_eq!(champion(&project), weak);
    bring(&project, "strong.yaml");
    let strong = bundle(&project);
    let second = promote(&project, &["--author", "ana", "--approver", "bob"]).succeeds().json();
    assert_eq!((second["candidate"].as_str(), second["champion_before"].as_str()), (Some(&*strong), Some(&*weak)));
    let measures = &second["comparison"]["measures"];
    assert!(measures["auroc"]["difference"]["low"].as_f64().unwrap() > 0.0, "{measures}");
    assert_eq!(measures["auroc"]["difference"]["method"], "paired-delong");
    assert_eq!(champion(&project), strong);
    // The weak one does not come back by a comparison.
    bring(&project, "weak.yaml");
    let run = promote(&project, &[]).exits(1);
    assert!(failed(&run).contains("better.auroc"), "{:?}", failed(&run));
    assert!(run.stderr.contains("not promoted: better.auroc"), "{}", run.stderr);
    let rollback = ["-C", "study", "registry", "rollback", "--reason", "it is wrong", "--json"];
    assert_eq!(project.run(&rollback).succeeds().json()["champion"], json!(weak));
    assert_eq!(champion(&project), weak);
    let again = project.run(&rollback).exits(1);
    assert!(again.stderr.contains("no champion came before"), "{}", again.stderr);
    let listed = project.run(&["-C", "study", "registry", "list"]).succeeds().stdout;
    assert!(listed.contains("champion") && listed.contains("archived") && listed.contains("2 models"), "{listed}");
    let shown = project.run(&["-C", "study", "registry", "show", &strong[..12]]).succeeds().stdout;
    assert!(shown.contains("rollback") && shown.contains("it is wrong") && shown.contains("bob"), "{shown}");
    // Every step has its record, and so have the looks at the test rows.
    assert_eq!(records(&project, "promotion").len(), 2);
    let promotion = &records(&project, "promotion")[1];
    assert_eq!((&promotion["before"], &promotion["after"]), (&json!(weak), &json!(strong)));
    assert_eq!((&promotion["details"]["author"], &promotion["reason"]), (&json!("ana"), &json!("a test")));
    assert_eq!((records(&project, "rollback").len(), records(&project, "refusal").len()), (1, 2));
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
}

#[test]
fn what_the_gate_did_not_pass_or_nobody_judged_is_refused() {
    let project = studies();
    let params = project.read("study/params.yaml");
    project.write("study/params.yaml", &params.replace("min: 0.3}", "min: 0.99}"));
    // The verdict is of the rules before.
    assert!(failed(&promote(&project, &[]).exits(1)).contains("up_to_date"));
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    let run = promote(&project, &[]).exits(1);
    assert_eq!(failed(&run), BTreeSet::from(["gate".to_owned()]));
    assert!(run.stderr.contains("auroc.value >= 0.99 does not hold"), "{}", run.stderr);
    for to in ["champion", "challenger"] {
        promote(&project, &["--to", to]).exits(1);
    }
    let pipeline = project.read("study/pipeline.yaml");
    let (start, end) = (pipeline.find("  gate:\n").unwrap(), pipeline.find("  report:\n").unwrap());
    let serve = pipeline.find("  serve:").unwrap();
    project.write("study/pipeline.yaml", &format!("{}{}", &pipeline[..start], &pipeline[serve..]));
    assert!(end < serve);
    let run = promote(&project, &[]).exits(1);
    assert!(run.stderr.contains("there is no verdict"), "{}", run.stderr);
    assert!(!project.exists(&format!("{REGISTRY}/champion/bundle.json")));
    assert_eq!(records(&project, "refusal").len(), 5);
}

#[test]
fn rows_that_the_champion_was_trained_on_are_left_out() {
    let project = studies();
    promote(&project, &[]).succeeds();
    project.write("study/params.yaml", &project.read("strong.yaml").replace("test: 0.2,", "test: 0.4,"));
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    let rows = promote(&project, &[]).succeeds().json()["comparison"]["rows"].clone();
    let of = |name: &str| rows[name].as_u64().unwrap();
    assert_eq!((of("test"), of("seen_by_candidate")), (600, 0));
    assert!(of("seen_by_champion") > 100 && of("used") == 600 - of("seen_by_champion"), "{rows}");
    // A champion that was trained on every row can be compared on none.
    project.write(
        "study/params.yaml",
        &project.read("strong.yaml").replace("kind: group, test: 0.2", "kind: group, test: 0.9"),
    );
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    let less = promote(&project, &["--dry-run", "--policy", "superior"]);
    assert!(less.json()["comparison"]["rows"]["seen_by_champion"].as_u64().unwrap() > 600);
}

#[test]
fn people_and_policies_are_held_to_what_is_configured() {
    let project = studies();
    project.run(&["-C", "study", "promote", "--reason", "  "]).exits(2);
    project.run(&["-C", "study", "promote"]).exits(2);
    project.write("study/promotion.yaml", &format!("{WIDE}four_eyes: true\n"));
    for people in [&["--author", "ana"][..], &["--author", "ana", "--approver", "ana"]] {
        assert_eq!(failed(&promote(&project, people).exits(1)), BTreeSet::from(["four_eyes".to_owned()]));
    }
    for approver in ["Ana", " ana ", "ANA"] {
        assert!(
            failed(&promote(&project, &["--author", "ana", "--approver", approver]).exits(1)).contains("four_eyes")
        );
    }
    for names in [["--author", ""], ["--approver", "an\u{200b}a"], ["--author", "x\n99 bob"]] {
        promote(&project, &names).exits(2);
    }
    // Another policy is another measure, not fewer people.
    assert!(failed(&promote(&project, &["--author", "ana", "--policy", "seed"]).exits(1)).contains("four_eyes"));
    promote(&project, &["--author", "ana", "--approver", "bob"]).succeeds();
    for (text, place) in [
        ("rule: better\n", "promotion.yaml:1:7"),
        ("rule: superior\nguards:\n  brier: -1\n", "promotion.yaml:3:10"),
        ("primary: acuracy\n", "promotion.yaml:1:10"),
        ("signatures: [approval]\n", "signature_keys"),
        ("floors: [{metric: auroc.candidate, max_drop: 1}]\n", "promotion.yaml:1"),
    ] {
        project.write("study/promotion.yaml", text);
        let run = project.run(&["-C", "study", "promote", "--reason", "x"]).exits(2);
        assert!(run.stderr.contains(place), "{text}: {}", run.stderr);
    }
    project.run(&["-C", "study", "promote", "--reason", "x", "--policy", "nonesuch"]).exits(2);
    let floor = "floors: [{metric: sensitivity.candidate, min: 2}]\nfour_eyes: false\n";
    project.write("study/promotion.yaml", &format!("{WIDE}{floor}"));
    bring(&project, "strong.yaml");
    let run = promote(&project, &[]).exits(1);
    assert_eq!(failed(&run), BTreeSet::from(["floor sensitivity.candidate >= 2".to_owned()]));
}

#[test]
fn the_change_control_plan_names_every_change_outside_it() {
    let project = studies();
    promote(&project, &[]).succeeds();
    bring(&project, "strong.yaml");
    std::os::unix::fs::symlink("gone.yaml", project.path("study/pccp.yaml")).unwrap();
    let run = promote(&project, &[]).exits(2);
    assert!(run.stderr.contains("link to gone.yaml, which is not there"), "a lost plan is not no plan: {}", run.stderr);
    project.remove("study/pccp.yaml");
    let plan = "name: yearly update\nallowed:\n  params: [calibrate, tune_threshold]\n";
    project.write("study/pccp.yaml", plan);
    let run = promote(&project, &[]).exits(1);
    assert_eq!(failed(&run), BTreeSet::from(["plan.change".to_owned()]));
    assert!(run.stderr.contains("outside the plan: the parameter featurize.features"), "{}", run.stderr);
    project.write("study/pccp.yaml", &plan.replace("calibrate,", "featurize, calibrate,"));
    let content = promote(&project, &["--dry-run"]).succeeds();
    assert!(content.json()["changes"].as_array().unwrap().iter().any(|change| change["name"] == "featurize.features"));
    // A table that no stage wrote is another input of the stage, and other data.
    let pipeline = project.read("study/pipeline.yaml");
    std::fs::copy(project.path("study/artifacts/features.parquet"), project.path("study/other.parquet")).unwrap();
    let train = pipeline.find("  train:\n").unwrap();
    let other = pipeline[train..].replacen("artifacts/features.parquet", "other.parquet", 1);
    project.write("study/pipeline.yaml", &format!("{}{other}", &pipeline[..train]));
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    let told = promote(&project, &["--dry-run"]).exits(1).stderr;
    assert!(told.contains("the stage train: input other.parquet: nothing → read"), "{told}");
    assert!(told.contains("outside the plan: the raw data other.parquet"), "{told}");
    project.write("study/pipeline.yaml", &pipeline);
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    // Another test part, and a limit on a number.
    let fixed = format!("{}test_data: '{}'\n", plan.replace("calibrate,", "featurize, calibrate,"), "0".repeat(64));
    project.write("study/pccp.yaml", &format!("{fixed}limits: [{{metric: brier.candidate, max: 0.01}}]\n"));
    let run = promote(&project, &[]).exits(1);
    assert_eq!(failed(&run), ["plan.limit brier.candidate <= 0.01", "plan.test_data"].map(str::to_owned).into());
    for (text, place) in [
        ("name: x\nallowd: {}\n", "pccp.yaml:2:1"),
        ("name: x\nallowed: {params: train}\n", "pccp.yaml:2:19"),
        ("name: x\nallowed: {}\ntest_data: abc\n", "pccp.yaml:3:12"),
        ("allowed: {}\n", "missing field `name`"),
    ] {
        project.write("study/pccp.yaml", text);
        let run = project.run(&["-C", "study", "promote", "--reason", "x"]).exits(2);
        assert!(run.stderr.contains(place), "{text}: {}", run.stderr);
    }
    // A recalibration may touch nothing else of the bundle.
    project
        .write("study/pccp.yaml", "name: recalibration\nallowed: {params: [featurize], members: [calibrator.json]}\n");
    let run = promote(&project, &[]).exits(1);
    assert!(run.stderr.contains("the bundle's model.json"), "{}", run.stderr);
}

#[test]
fn a_promotion_can_demand_the_signature_of_somebody_else() {
    let project = studies();
    let key = |name: &str| {
        project.run(&["audit", "key", "new", "--name", name, "-o", &format!("{name}.key")]).succeeds();
    };
    key("ana");
    key("bob");
    key("eve");
    std::fs::create_dir(project.path("study/keys")).unwrap();
    for name in ["ana", "bob"] {
        copy(&project.path(&format!("{name}.key.pub")), &project.path("study/keys"));
    }
    project.write("study/promotion.yaml", &format!("{WIDE}signatures: [approval]\nsignature_keys: keys\n"));
    let sign = |name: &str, meaning: &str| {
        let args = [
            "-C",
            "study",
            "audit",
            "sign",
            "--meaning",
            meaning,
            "--key",
            &format!("../{name}.key"),
            "--object",
            "artifacts/bundle",
        ];
        project.run(&args).succeeds();
    };
    let author = ["--author", "ana"];
    for (name, meaning) in [("ana", "approval"), ("bob", "review"), ("eve", "approval")] {
        sign(name, meaning);
        assert_eq!(failed(&promote(&project, &author).exits(1)), BTreeSet::from(["signature.approval".to_owned()]));
    }
    // The stranger's signature is no fault of the chain, but those who check with keys see it.
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
    let run = project.run(&["-C", "study", "audit", "verify", "--keys", "keys"]).exits(1);
    assert!(run.stderr.contains("eve is not among the known keys"), "{}", run.stderr);
    copy(&project.path("eve.key.pub"), &project.path("study/keys"));
    let shown = project.run(&["-C", "study", "audit", "verify", "--keys", "keys"]).succeeds().stdout;
    assert!(shown.contains("review of artifacts/bundle") && shown.contains("by bob"), "{shown}");
    project.remove("study/keys/eve.key.pub");
    sign("bob", "approval");
    promote(&project, &author).succeeds();
}

#[test]
fn a_promotion_with_the_signature_demanded_goes_through_and_a_broken_chain_stops_it() {
    let project = studies();
    project.run(&["audit", "key", "new", "--name", "bob", "-o", "bob.key"]).succeeds();
    std::fs::create_dir(project.path("study/keys")).unwrap();
    copy(&project.path("bob.key.pub"), &project.path("study/keys"));
    project.write("study/promotion.yaml", &format!("{WIDE}signatures: [approval]\nsignature_keys: keys\n"));
    let sign =
        ["-C", "study", "audit", "sign", "--meaning", "approval", "--key", "../bob.key", "--reason", "read the report"];
    project.run(&[&sign[..], &["--object", "artifacts/bundle"]].concat()).succeeds();
    let chain = project.read("study/lockfiles/audit.jsonl");
    project.write("study/lockfiles/audit.jsonl", &chain.replacen("pipeline.yaml", "pipeline.yuml", 1));
    assert!(failed(&promote(&project, &["--author", "ana"]).exits(1)).contains("audit_chain"));
    project.run(&sign).exits(1);
    project.write("study/lockfiles/audit.jsonl", &chain);
    promote(&project, &["--author", "ana"]).succeeds();
    // The chain itself can be signed as well.
    project.run(&sign).succeeds();
    let json = project.run(&["-C", "study", "audit", "verify", "--keys", "keys", "--json"]).succeeds().json();
    assert_eq!(json["signatures"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_service_follows_the_alias_and_is_on_record() {
    let project = studies();
    let weak = bundle(&project);
    promote(&project, &[]).succeeds();
    let alias = "artifacts/registry/dropout/champion";
    let args = ["--bundle", alias, "--reload-poll", "0.1", "--threshold", "0.3", "--reason", "the ward asked for it"];
    let service = Service::start(&project, &args);
    assert_eq!(service.get("/health")["models"][0]["bundle"], json!(weak));
    bring(&project, "strong.yaml");
    let strong = bundle(&project);
    promote(&project, &[]).succeeds();
    while service.get("/health")["models"][0]["bundle"] != json!(strong) {
        std::thread::sleep(Duration::from_millis(20));
    }
    project.run(&["-C", "study", "registry", "rollback", "--reason", "back"]).succeeds();
    while service.get("/health")["models"][0]["bundle"] != json!(weak) {
        std::thread::sleep(Duration::from_millis(20));
    }
    service.signal(Signal::TERM);
    assert_eq!(service.end().0, Some(0));
    let start = &records(&project, "service_start")[0];
    assert_eq!((&start["object"], &start["after"]), (&json!(alias), &json!(weak)));
    assert_eq!(start["details"]["threshold"], json!(0.3));
    let change = &records(&project, "threshold_change")[0];
    assert_eq!((&change["reason"], &change["details"]["to"]), (&json!("the ward asked for it"), &json!(0.3)));
    let taken: Vec<Value> = records(&project, "service_model").iter().map(|record| record["after"].clone()).collect();
    assert_eq!(taken, [json!(strong), json!(weak)]);
    assert_eq!(records(&project, "service_stop").len(), 1);
    // A batch is scored with the alias as well.
    project.run(&["-C", "study", "predict", "data/synthetic.csv", "--bundle", alias, "-o", "scores.csv"]).succeeds();
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
}

/// A threshold that the pipeline computes anew is a change like one that is set by hand.
#[test]
fn a_threshold_that_a_run_changes_is_on_record() {
    let project = studies();
    let before = records(&project, "threshold_change").len();
    let params = project.read("study/params.yaml");
    project.write("study/params.yaml", &params.replace("false_negative: 5000", "false_negative: 900"));
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    let changes = records(&project, "threshold_change");
    assert_eq!(changes.len(), before + 1);
    let last = &changes[before];
    assert_eq!((&last["object"], &last["details"]["by"]), (&json!("artifacts/threshold.json"), &json!("repro")));
    assert!(last["details"]["to"].as_f64() > last["details"]["from"].as_f64(), "{last}");
}

/// Several versions whose bundles can be promoted by their paths; their names.
fn versions(project: &Project) -> Vec<String> {
    project.write("study/promotion.yaml", ANY);
    let mut versions = Vec::new();
    for params in ["weak.yaml", "strong.yaml"] {
        for cost in ["5000", "2000"] {
            let text = project.read(params).replace("false_negative: 5000", &format!("false_negative: {cost}"));
            project.write("study/params.yaml", &text);
            project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
            promote(project, &["--to", "challenger"]).succeeds();
            versions.push(bundle(project));
        }
    }
    assert_eq!(versions.iter().collect::<BTreeSet<_>>().len(), 4);
    versions
}

fn start(project: &Project, version: &str, more: &[&str]) -> Child {
    let bundle = format!("artifacts/registry/dropout/versions/{version}/bundle");
    let args = [&["-C", "study", "-q", "promote", "--json", "--reason", "a race", "--bundle", &bundle], more].concat();
    project.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Every state must follow the one before it, have been compared with its champion, and lead to a whole bundle; every
/// state has one record.
fn check_history(project: &Project) -> Vec<Value> {
    let history = check_moving(project);
    let manifest = project.read(&format!("{REGISTRY}/champion/bundle.json"));
    let found = blake3::hash(manifest.as_bytes()).to_hex().to_string();
    assert_eq!(json!(found), history.last().unwrap()["champion"]);
    history
}

/// The same while promotions are under way.
fn check_moving(project: &Project) -> Vec<Value> {
    let shown = project.run(&["-C", "study", "registry", "show", "--json"]).succeeds().json();
    let history = shown["history"].as_array().unwrap().clone();
    for pair in history.windows(2) {
        assert_eq!(pair[1]["compared_with"], pair[0]["champion"]);
        if !pair[1]["details"]["comparison"].is_null() {
            assert_eq!(pair[1]["details"]["comparison"]["champion"], pair[0]["champion"]);
        }
    }
    let alias = "artifacts/registry/dropout/champion";
    project.run(&["-C", "study", "predict", "data/synthetic.csv", "--bundle", alias, "-o", "s.csv"]).succeeds();
    history
}

/// Rounds of a race; `CLINPIPE_RACES` asks for more.
fn rounds(few: u64) -> u64 {
    std::env::var("CLINPIPE_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

#[test]
fn of_promotions_at_the_same_time_those_win_whose_comparison_still_holds() {
    let project = studies();
    let versions = versions(&project);
    start(&project, &versions[0], &[]).wait().unwrap();
    let (mut won, mut lost, mut overtaken) = (0, 0, 0);
    for round in 0..rounds(4) {
        let now = champion(&project);
        let others: Vec<&String> = versions.iter().filter(|version| **version != now).collect();
        // Every other round all of them say what they were compared with: then one can win.
        let strict = round % 2 == 0;
        let more: &[&str] = if strict { &["--compared-with", &now] } else { &[] };
        let before = check_history(&project).len();
        let races: Vec<Child> = others.iter().map(|version| start(&project, version, more)).collect();
        check_moving(&project);
        let mut winners = 0;
        for race in races {
            let run = Run::from(race.wait_with_output().unwrap());
            match run.code {
                Some(0) => winners += 1,
                Some(1) => {
                    lost += 1;
                    let why = failed(&run);
                    overtaken += u64::from(why.contains("same_champion"));
                    assert!(why.iter().all(|rule| ["same_champion", "compared_with"].contains(&&**rule)), "{why:?}");
                    assert!(run.stderr.contains("compare again"), "{}", run.stderr);
                }
                code => panic!("{code:?}: {}", run.stderr),
            }
        }
        let after = check_history(&project).len();
        assert!(winners >= 1 && (!strict || winners == 1), "{winners} winners");
        assert_eq!(after - before, winners);
        won += winners;
    }
    tell(&format!("{won} promotions won, {lost} lost, of which {overtaken} were overtaken while they compared"));
    let promotions = records(&project, "promotion");
    let seqs: BTreeSet<u64> = promotions.iter().map(|record| record["details"]["seq"].as_u64().unwrap()).collect();
    assert_eq!((seqs.len(), promotions.len()), (check_history(&project).len(), check_history(&project).len()));
    assert_eq!(records(&project, "refusal").len() as u64, lost);
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
}

#[test]
fn a_promotion_killed_at_any_moment_leaves_one_champion() {
    let project = studies();
    let versions = versions(&project);
    start(&project, &versions[0], &[]).wait().unwrap();
    let mut chance = Chance::new(8);
    let (mut ended, all) = (0, rounds(12));
    for round in 0..all {
        let now = champion(&project);
        let next = versions.iter().find(|version| **version != now).unwrap();
        let mut race = start(&project, next, &[]);
        std::thread::sleep(Duration::from_millis(chance.below(120)));
        race.kill().unwrap();
        ended += u64::from(race.wait().unwrap().success());
        let after = champion(&project);
        assert!(after == now || after == *next, "round {round}");
        check_history(&project);
    }
    tell(&format!("{ended} of {all} promotions ended before they were killed"));
    // The record of a state whose process was killed is written by the next.
    let now = champion(&project);
    let next = versions.iter().find(|version| **version != now).unwrap();
    assert!(start(&project, next, &[]).wait().unwrap().success());
    let states = check_history(&project).len();
    assert_eq!(records(&project, "promotion").len(), states);
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
}
