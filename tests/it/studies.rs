//! The studies that clinpipe ships, end to end on the real program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clinpipe_stages::StageFile;
use clinpipe_stages::common::table::Table;

use crate::project::Project;

const STUDIES: [&str; 5] = ["dropout", "dropout-visits", "outcome", "stroke", "patient-year"];

/// The folder of a study in this repository.
fn folder(study: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if study == "dropout" { root.to_owned() } else { root.join("studies").join(study) }
}

#[test]
fn init_writes_what_the_repository_has() {
    for study in STUDIES {
        let project = Project::init(study);
        let written = project.files("study");
        for (name, bytes) in &written {
            if name != ".gitignore" {
                assert!(fs::read(folder(study).join(name)).unwrap() == *bytes, "{study}: {name} differs");
            }
        }
        // The root has the program beside the study; elsewhere everything under version control is the study's.
        if study != "dropout" {
            let mut listing = Command::new("git");
            listing.args(["ls-files", "."]).current_dir(folder(study));
            let listing = String::from_utf8(listing.output().unwrap().stdout).unwrap();
            for name in listing.lines().filter(|name| *name != "artifacts/metrics.json") {
                assert!(written.contains_key(name), "`clinpipe init --study {study}` leaves {name} out");
            }
        }
    }
}

#[test]
fn commands_in_readmes_are_understood() {
    let mut commands = 0;
    for study in STUDIES {
        let project = Project::init(study);
        let texts = ["README.md", "variants/README.md"].map(|name| format!("study/{name}"));
        for text in texts.iter().filter(|name| project.exists(name)).map(|name| project.read(name)) {
            let whole = text.split("```").step_by(2).collect::<Vec<_>>().concat();
            for command in whole.split('`').filter(|span| span.starts_with("clinpipe repro")) {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{command} --dry-run").replacen("clinpipe", crate::project::CLINPIPE, 1)]);
                let run: crate::project::Run = shell.current_dir(project.path("study")).output().unwrap().into();
                assert_eq!(run.code, Some(0), "{study}: `{command}`: {}", run.stderr);
                commands += 1;
            }
        }
    }
    assert!(commands >= 8, "{commands} commands were found");
}

/// Every artifact and the lock of a study, run in a directory of this name with these settings.
fn bytes(study: &str, directory: &str, args: &[&str], env: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let project = Project::empty();
    project.run(&["init", directory, "--study", study]).succeeds();
    project.remove(&format!("{directory}/lockfiles/pipeline.lock"));
    let mut command = project.command(&[&["-C", directory, "repro", "-q"], args].concat());
    command.envs(env.iter().copied());
    crate::project::Run::from(command.output().unwrap()).succeeds();
    let mut files = project.files(&format!("{directory}/artifacts"));
    files
        .insert("pipeline.lock".to_owned(), project.read(&format!("{directory}/lockfiles/pipeline.lock")).into_bytes());
    files
}

#[test]
fn bytes_do_not_depend_on_directory_threads_day_or_locale() {
    for study in STUDIES {
        let here = bytes(study, "here", &["-j1"], &[]);
        let far = [("TZ", "Asia/Tokyo"), ("LANG", "C"), ("RAYON_NUM_THREADS", "2"), ("POLARS_MAX_THREADS", "1")];
        let there = bytes(study, "some where/else", &["-j2"], &far);
        assert!(here.len() > 10, "{study}: {:?}", here.keys());
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
        for (name, bytes) in &here {
            assert!(bytes == &there[name], "{study}: {name} differs");
        }
        let committed = Project::init(study).read("study/lockfiles/pipeline.lock");
        assert!(
            committed.as_bytes() == here["pipeline.lock"],
            "{study}: the committed lock is not what the code gives"
        );
    }
}

#[test]
fn a_tuned_study_gives_the_same_trials_on_any_number_of_threads() {
    let run = |jobs: &str, threads: &str| {
        let project = Project::init("dropout");
        let params = project.read("study/params.yaml").replace("n: 10000", "n: 800");
        let tuned = "train:\n  tune:\n    method: tpe\n    trials: 10\n    metric: f2\n    inner_folds: 2\n    space:\n\
                     \x20     gbdt.leaves: {low: 4, high: 32, integer: true}\n      preprocess.scale: {values: [standard, robust]}\n\
                     \x20     forest.min_leaf: {low: 2, high: 50, log: true, integer: true}\n  forest: {trees: 20}\n";
        project.write("study/params.yaml", &params.replace("train:\n", tuned));
        let pipeline = project.read("study/pipeline.yaml");
        let (without, with) =
            ("oof: artifacts/oof.parquet\n", "oof: artifacts/oof.parquet\n      trials: artifacts/trials.csv\n");
        assert!(pipeline.contains(without));
        project.write("study/pipeline.yaml", &pipeline.replacen(without, with, 1));
        let mut command = project.command(&["-C", "study", "repro", "-q", jobs]);
        command.env("RAYON_NUM_THREADS", threads);
        crate::project::Run::from(command.output().unwrap()).succeeds();
        project.files("study/artifacts")
    };
    let (one, two) = (run("-j1", "1"), run("-j2", "2"));
    let trials = String::from_utf8(one["trials.csv"].clone()).unwrap();
    for scope in ["forest,fold-0,0,", "gbdt,fold-4,9,", ",final,0,"] {
        assert!(trials.contains(scope), "no {scope} in:\n{trials}");
    }
    for (name, bytes) in &one {
        assert!(bytes == &two[name], "{name} differs");
    }
}

#[test]
fn several_models_together_are_a_candidate_that_predicts_their_mean() {
    let project = Project::init("dropout");
    let mut args = vec!["-C", "study", "repro", "-q", "train"];
    for set in ["generate.n=1500", "train={models: [logistic, forest, ensemble], forest: {trees: 30}}"] {
        args.extend(["--set", set]);
    }
    project.run(&args).succeeds();
    let cv: serde_json::Value = serde_json::from_str(&project.read("study/artifacts/cv.json")).unwrap();
    assert_eq!(cv["candidates"]["ensemble"]["folds"].as_array().map(Vec::len), Some(5));
    let name = "study/artifacts/candidates.parquet";
    let table = Table::read(&StageFile { path: project.path(name), name: name.to_owned() }).unwrap();
    let [logistic, forest, both] = ["logistic", "forest", "ensemble"].map(|name| table.floats(name).unwrap());
    assert!(logistic.iter().zip(&forest).any(|(one, other)| (one - other).abs() > 0.01));
    for (row, mean) in both.iter().enumerate() {
        assert!((f64::midpoint(logistic[row], forest[row]) - mean).abs() < 1e-12, "row {row}");
    }
}

#[test]
fn verify_agrees_and_finds_a_changed_lock() {
    let project = Project::init("stroke");
    project.run(&["-C", "study", "repro", "-q"]).succeeds();
    let run = project.run(&["-C", "study", "verify"]).succeeds();
    assert!(run.stdout.contains("Verified"), "{}", run.stdout);
    let lock = project.read("study/lockfiles/pipeline.lock");
    let digest = |text: &str| text.split("metrics.json\"").nth(1).unwrap().split('"').nth(3).unwrap().to_owned();
    let old = digest(&lock);
    let new = format!("{}{}", if old.starts_with('0') { '1' } else { '0' }, &old[1..]);
    project.write("study/lockfiles/pipeline.lock", &lock.replace(&old, &new));
    let run = project.run(&["-C", "study", "verify"]).exits(1);
    assert!(run.stdout.contains("artifacts/metrics.json"), "{}", run.stdout);
}

#[test]
fn a_null_run_of_the_default_study_writes_nothing() {
    let project = Project::init("dropout");
    project.run(&["-C", "study", "repro", "-q"]).succeeds();
    let before = project.files("study");
    let document = project.run(&["-C", "study", "repro", "--json"]).succeeds().json();
    for (stage, report) in document["stages"].as_object().unwrap() {
        assert_eq!(report["outcome"], "fresh", "{stage}");
    }
    assert!(project.files("study") == before);
}

#[test]
fn the_final_table_tells_the_numbers_and_the_verdict() {
    let project = Project::init("dropout");
    let run = project.run(&["-C", "study", "repro"]).succeeds();
    for word in ["AUROC", "calib. slope", "net benefit", "Brier", "synthetic", "1,000", "flags everyone"] {
        assert!(run.stdout.contains(word), "no {word:?} in:\n{}", run.stdout);
    }
    let metrics = project.run(&["-C", "study", "metrics", "show", "--json"]).succeeds().json();
    assert!(metrics["artifacts/metrics.json"]["auroc"]["value"].as_f64().unwrap() > 0.5);
}

#[test]
fn a_real_file_wins_over_the_synthetic_cohort() {
    let project = Project::init("stroke");
    project.run(&["-C", "study", "repro", "-q", "ingest"]).succeeds();
    let synthetic = project.read("study/data/synthetic.csv");
    assert!(project.read("study/artifacts/ingest.json").contains("synthetic"));
    project.write("study/data/stroke.csv", &synthetic);
    project.run(&["-C", "study", "repro", "-q", "ingest"]).succeeds();
    let report: serde_json::Value = serde_json::from_str(&project.read("study/artifacts/ingest.json")).unwrap();
    assert_eq!(report["source"], "real");
    project.write("study/data/stroke.csv", &synthetic.replacen(",Yes,", ",Maybe so", 1));
    let run = project.run(&["-C", "study", "repro", "ingest"]).exits(3);
    assert!(run.stderr.contains("data/stroke.csv: row "), "{}", run.stderr);
    assert_eq!(run.stderr.matches("data/stroke.csv: row ").count(), 1, "said once: {}", run.stderr);
    let run = project.run(&["-C", "study", "repro"]).exits(3);
    assert!(!run.stdout.contains("AUROC"), "numbers of another run under a failed one: {}", run.stdout);
}

#[test]
fn predict_scores_a_table_with_the_bundle() {
    let project = Project::init("stroke");
    project.run(&["-C", "study", "repro", "-q"]).succeeds();
    let score = |name: &str| {
        project.run(&["-C", "study", "predict", "data/synthetic.csv", "-o", name]).succeeds();
        project.read(&format!("study/{name}"))
    };
    let first = score("one.csv");
    assert_eq!(first, score("two.csv"));
    assert_eq!(first.lines().count(), project.read("study/data/synthetic.csv").lines().count());
}

#[test]
fn intervals_stand_beside_every_prediction_on_request() {
    let project = Project::init("stroke");
    let at = |args: &[&str]| project.run(&[&["-C", "study"], args].concat()).succeeds();
    let on = "calibrate={method: auto, venn_abers: true}";
    at(&["repro", "-q", "--set", on, "--set", "train.models=[logistic]"]);
    let text = at(&["predict", "data/synthetic.csv"]).stdout;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (raw, low, high) = (column("p_raw"), column("p_low"), column("p_high"));
    let mut rows: Vec<[f64; 3]> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            [raw, low, high].map(|at| cells[at].parse().unwrap())
        })
        .collect();
    assert!(rows.len() > 1000 && rows.iter().all(|[_, low, high]| 0.0 <= *low && low < high && *high <= 1.0));
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    assert!(
        rows.windows(2).all(|pair| pair[0][1] <= pair[1][1] && pair[0][2] <= pair[1][2]),
        "ends rise with the score"
    );
    let widths: Vec<f64> = rows.iter().map(|[_, low, high]| high - low).collect();
    assert!(widths.iter().any(|width| *width < 0.1), "many rows make a narrow interval");
}

#[test]
fn predict_says_why_and_contributions_add_up_to_the_margin() {
    let project = Project::init("stroke");
    project.run(&["-C", "study", "repro", "-q", "--set", "train.models=[gbdt]", "explain"]).succeeds();
    let explained = |more: &[&str], threads: &str| {
        let args = [&["-C", "study", "predict", "data/synthetic.csv", "--explain"], more].concat();
        let mut command = project.command(&args);
        command.env("RAYON_NUM_THREADS", threads);
        crate::project::Run::from(command.output().unwrap()).succeeds()
    };
    let run = explained(&["--top", "3"], "1");
    assert!(run.stderr.contains("gbdt (log odds)"), "{}", run.stderr);
    assert_eq!(run.stdout, explained(&["--top", "3"], "3").stdout);
    let header: Vec<&str> = run.stdout.lines().next().unwrap().split(',').collect();
    let first = header.iter().position(|name| *name == "margin").unwrap();
    assert_eq!((header[first + 1], header[first + 5], header.len()), ("shap_base", "shap_other", first + 6));
    assert!(header[first + 2..first + 5].iter().all(|name| name.starts_with("shap:")), "{header:?}");
    for line in run.stdout.lines().skip(1).take(100) {
        let numbers: Vec<f64> = line.split(',').skip(first).map(|cell| cell.parse().unwrap()).collect();
        assert!((numbers[1..].iter().sum::<f64>() - numbers[0]).abs() < 1e-9, "{line}");
    }
    let all = explained(&[], "2").stdout;
    let report: serde_json::Value = serde_json::from_str(&project.read("study/artifacts/explain.json")).unwrap();
    for one in report["members"][0]["top"].as_array().unwrap() {
        assert!(all.lines().next().unwrap().contains(&format!("shap:{}", one["feature"].as_str().unwrap())));
    }
    project.run(&["-C", "study", "predict", "data/synthetic.csv", "--top", "3"]).exits(2);
}

/// Nulls that mean "not asked for" or "not given", as docs/formats.md says of each; all others have a reason.
const NOT_ASKED: [&str; 17] = [
    "artifacts/bundle/features.json/id",
    "artifacts/features.json/id",
    "artifacts/bundle/features.json/group",
    "artifacts/features.json/group",
    "artifacts/bundle/tiers.json/levels/*/cost",
    "artifacts/cohort.json/follow_up",
    "artifacts/cohort.json/sample_size/outcome",
    "artifacts/cohort.json/study/*",
    "artifacts/explain.json/members/*/top/*/correlation",
    "artifacts/explain.json/members/*/top/*/direction",
    "artifacts/leakage.json/checks/*/level",
    "artifacts/leakage.json/checks/*/tests/*/interval",
    "artifacts/leakage.json/checks/*/tests/*/p_value",
    "artifacts/leakage.json/findings/*/waived",
    "artifacts/leakage.json/warnings/*/waived",
    "artifacts/leakage.json/warnings/*/p_value",
    "artifacts/slices.json/over_time",
];

/// What a study of a number has no value for: nobody has an event, and nothing is decided.
const OF_NUMBERS: [&str; 13] = [
    "artifacts/cohort.json/attrition/*/events",
    "artifacts/cohort.json/sample_size/assumed_r2/maximum",
    "artifacts/cohort.json/sample_size/assumed_r2/source",
    "artifacts/cohort.json/sample_size/assumed_r2/value",
    "artifacts/cohort.json/sample_size/enough",
    "artifacts/cohort.json/sample_size/events",
    "artifacts/cohort.json/sample_size/prevalence",
    "artifacts/cohort.json/sample_size/required_events",
    "artifacts/slices.json/events",
    "artifacts/slices.json/profiles",
    "artifacts/slices.json/slices/*/levels/*/events",
    "artifacts/slices.json/threshold",
    "artifacts/validation.json/events",
];

/// Walks a document; `reasoned` says whether an object around, not the document itself, has a reason.
fn nulls(value: &serde_json::Value, path: &str, depth: usize, reasoned: bool, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Null if !reasoned => found.push(path.to_owned()),
        serde_json::Value::Object(map) => {
            let own = ["reason", "law"].iter().any(|key| map.get(*key).is_some_and(serde_json::Value::is_string));
            for (key, inner) in map {
                let number = key.parse::<u32>().is_ok();
                let key = if number { "*" } else { key };
                let covered = own && (depth > 0 || inner.is_null()) || depth > 0 && reasoned;
                nulls(inner, &format!("{path}/{key}"), depth + 1, covered, found);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                nulls(item, &format!("{path}/*"), depth + 1, reasoned, found);
            }
        }
        _ => {}
    }
}

/// Whether a path is one of a list, whose `*` stands for any one part.
fn listed(path: &str, list: &[&str]) -> bool {
    let same = |one: &&str| {
        let (one, path) = (one.split('/').collect::<Vec<_>>(), path.split('/').collect::<Vec<_>>());
        one.len() == path.len() && one.iter().zip(&path).all(|(one, part)| *one == "*" || one == part)
    };
    list.iter().any(same)
}

/// Pages that are handed on, and the element around their numbers.
const PAGES: [(&str, &str); 2] = [("report.html", "span"), ("model_card.md", "")];

/// Whether a page prints this share, to three decimals, as a number of its own.
fn tells(page: &str, share: f64, element: &str) -> bool {
    let exact = format!("{share:.3}");
    [format!("{exact} ("), format!(">{exact}</{element}")].iter().any(|text| page.contains(text.as_str()))
}

#[test]
fn every_null_has_its_reason_and_ranges_hide_the_decisions_on_all_rows() {
    let mut with_small_cells = 0;
    for study in STUDIES {
        let project = Project::init(study);
        project.run(&["-C", "study", "repro", "-q"]).succeeds();
        let mut found = Vec::new();
        for (name, bytes) in project.files("study/artifacts") {
            let json = std::path::Path::new(&name).extension().is_some_and(|ending| ending == "json");
            if json
                && !name.contains("models/")
                && !name.contains("bundle/model")
                && !name.contains("bundle/preprocessor")
            {
                let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                nulls(&document, &format!("artifacts/{name}"), 0, false, &mut found);
            }
        }
        let number = study == "outcome";
        found.retain(|path| !(listed(path, &NOT_ASKED) || number && listed(path, &OF_NUMBERS)));
        found.dedup();
        assert!(found.is_empty(), "{study}: null without a reason: {found:#?}");
        if number {
            continue;
        }
        let metrics: serde_json::Value = serde_json::from_str(&project.read("study/artifacts/metrics.json")).unwrap();
        let small = metrics["small_cells"].as_array().is_some_and(|cells| !cells.is_empty());
        let counts = metrics["at_threshold"]["counts"].as_object().unwrap();
        let few = counts.values().any(|count| (1..10).contains(&count.as_u64().unwrap()));
        assert_eq!(small, few, "{study}: {counts:?}");
        with_small_cells += usize::from(few);
        for (page, at) in PAGES {
            let text = project.read(&format!("study/artifacts/{page}"));
            assert!(!text.contains("between 0."), "{study}: {page} tells ranges without being asked to");
            let sensitivity = metrics["at_threshold"]["sensitivity"]["value"].as_f64().unwrap();
            assert!(tells(&text, sensitivity, at), "{study}: {page} tells no sensitivity");
        }
        project.run(&["-C", "study", "repro", "-q", "--set", "privacy={min_cell: 10, decisions: ranges}"]).succeeds();
        for (name, at) in PAGES {
            let page = project.read(&format!("study/artifacts/{name}"));
            for key in ["sensitivity", "specificity", "ppv", "npv"] {
                let value = metrics["at_threshold"][key]["value"].as_f64();
                let Some(value) = value.filter(|_| small) else { continue };
                assert!(!tells(&page, value, at), "{name} tells the {key}");
            }
            assert_eq!(page.contains("between 0."), small, "{study}: {name} tells ranges where a cell is small");
        }
    }
    assert!(with_small_cells > 0, "no study shows what becomes of small cells");
}
