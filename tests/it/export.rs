//! `export` on a real bundle: equal bytes, refusals, nothing half-written. What other libraries make of the files is
//! shown in `tests/python/`.

use crate::project::Project;

/// A study with one learner, run up to its bundle, below `study`.
fn bundled(study: &str, learner: &str) -> Project {
    let project = Project::init(study);
    let params = project.read("study/params.yaml").replace("\ntrain:", "\ntrain:\n  gbdt: {rounds: 20}");
    project.write("study/params.yaml", &params);
    let learner = format!("train.models=[{learner}]");
    project.run(&["-C", "study", "repro", "-q", "bundle", "--set", &learner, "--set", "generate.n=1000"]).succeeds();
    project
}

fn export(project: &Project, args: &[&str]) -> crate::project::Run {
    project.run(&[&["-C", "study", "export"], args].concat())
}

#[test]
fn equal_bundles_give_equal_bytes_and_a_matrix_scores_as_it_was_scored() {
    let project = bundled("stroke", "gbdt");
    for place in ["a", "elsewhere/b"] {
        export(&project, &["xgboost", "-o", &format!("{place}/m.json")]).succeeds();
        export(&project, &["onnx", "-o", &format!("{place}/m.onnx.onnx")]).succeeds();
        export(&project, &["mlflow", "-o", &format!("{place}/flow")]).succeeds();
        export(&project, &["matrix", "data/synthetic.csv", "-o", &format!("{place}/x.parquet")]).succeeds();
    }
    let files = project.files("study/a");
    assert_eq!(files, project.files("study/elsewhere/b"));
    let names: Vec<&str> = files.keys().map(String::as_str).filter(|name| !name.contains("bundle/")).collect();
    let expected = [
        "flow/MLmodel",
        "flow/code/clinpipe_pyfunc.py",
        "flow/conda.yaml",
        "flow/input_example.json",
        "flow/python_env.yaml",
        "flow/requirements.txt",
        "m.columns.json",
        "m.json",
        "m.onnx.columns.json",
        "m.onnx.onnx",
        "x.parquet",
    ];
    assert_eq!(names, expected);
    assert_eq!(project.files("study/a/flow/bundle"), project.files("study/artifacts/bundle"));
    export(&project, &["matrix", "a/x.parquet", "--encoded", "-o", "again.parquet"]).succeeds();
    assert_eq!(files["x.parquet"], project.files("study")["again.parquet"]);
    let columns: serde_json::Value = serde_json::from_slice(&files["m.columns.json"]).unwrap();
    let member = &columns["members"][0];
    let coded = member["columns"].as_array().unwrap().iter().filter(|column| column["levels"].is_array()).count();
    assert!(coded > 0 && member["model"] == "gbdt", "{columns}");
}

#[test]
fn what_would_destroy_or_mislead_is_refused() {
    let project = bundled("dropout", "logistic");
    let before = project.files("study/artifacts/bundle");
    let refused = |args: &[&str], text: &str| {
        let run = export(&project, args).exits(2);
        assert!(run.stderr.contains(text) && run.stderr.contains("help:"), "{}", run.stderr);
    };
    refused(&["xgboost", "-o", "m.json"], "XGBoost has no exact form of a logistic model");
    refused(&["onnx", "-o", "m.onnx", "--member", "3"], "no member 3; it has 0 (logistic)");
    refused(&["onnx", "-o", "m.onnx", "--bundle", "nowhere"], "nowhere is not a bundle");
    for place in ["artifacts/bundle/model.json", "artifacts/bundle", "artifacts/bundle/new/model"] {
        refused(&["onnx", "-o", place], "lies inside the bundle");
        refused(&["mlflow", "--force", "-o", place], "lies inside the bundle");
    }
    refused(&["matrix", "data/synthetic.csv", "-o", "x.csv"], "would not be a Parquet file");
    refused(&["matrix", "artifacts/oof.parquet", "--encoded", "-o", "x.parquet"], "artifacts/oof.parquet");
    assert_eq!(project.files("study/artifacts/bundle"), before);
    for name in ["m.json", "m.columns.json", "m.onnx", "x.csv", "x.parquet"] {
        assert!(!project.exists(&format!("study/{name}")), "{name}");
    }
}

#[test]
fn only_an_earlier_model_gives_way_and_only_when_asked() {
    let project = bundled("dropout", "logistic");
    let mlflow = |args: &[&str]| export(&project, &[&["mlflow", "-o", "flow"], args].concat());
    project.write("study/flow/notes.txt", "mine");
    let run = mlflow(&["--force"]).exits(2);
    assert!(run.stderr.contains("is not empty, and no MLflow model either"), "{}", run.stderr);
    assert_eq!(project.files("study/flow").len(), 1);
    project.remove("study/flow/notes.txt");
    mlflow(&[]).succeeds();
    let written = project.files("study/flow");
    project.write("study/flow/MLmodel", "old");
    let run = mlflow(&[]).exits(2);
    assert!(run.stderr.contains("--force"), "{}", run.stderr);
    assert_eq!(project.read("study/flow/MLmodel"), "old");
    mlflow(&["--force"]).succeeds();
    assert_eq!(project.files("study/flow"), written);
    project.write("study/file", "mine");
    export(&project, &["mlflow", "-o", "file", "--force"]).exits(2);
    assert_eq!(project.read("study/file"), "mine");
}

#[test]
fn a_damaged_bundle_is_not_exported() {
    let project = bundled("dropout", "logistic");
    project.make_writable("study/artifacts/bundle");
    let model = project.read("study/artifacts/bundle/model.json");
    project.write("study/artifacts/bundle/model.json", &model.replacen("intercept", "Intercept", 1));
    for args in [&["onnx", "-o", "m.onnx"][..], &["mlflow", "-o", "flow"]] {
        let run = export(&project, args).exits(4);
        assert!(run.stderr.contains("model.json"), "{}", run.stderr);
    }
    assert!(!project.exists("study/m.onnx") && !project.exists("study/flow"));
}

/// The directory of the program first on the PATH, as the commands of an exported project need it.
fn with_program(project: &Project, args: &[&str]) -> crate::project::Run {
    let program = std::path::Path::new(crate::project::CLINPIPE);
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(program.parent().unwrap().to_owned()).chain(std::env::split_paths(&inherited));
    let mut command = project.command(args);
    command.env("PATH", std::env::join_paths(places).unwrap()).output().unwrap().into()
}

#[test]
fn a_dvc_project_gives_the_same_bytes_and_knows_its_inputs() {
    let project = Project::init("stroke");
    let params = project.read("study/params.yaml").replace("\ntrain:", "\ntrain:\n  models: [logistic]");
    let params = params.replacen("  models: [logistic, forest, gbdt]\n", "", 1);
    project.write("study/params.yaml", &params);
    project.run(&["-C", "study", "repro", "-q", "evaluate"]).succeeds();
    let run = project.run(&["-C", "study", "export", "dvc", "-o", "../moved"]).succeeds();
    assert!(run.stderr.contains("data/stroke.csv is not there: stage ingest will not notice"), "{}", run.stderr);
    assert_eq!(project.files("moved").keys().collect::<Vec<_>>(), ["dvc.yaml", "params.yaml", "pipeline.yaml"]);
    let text = project.read("moved/dvc.yaml");
    assert!(
        text.contains("clinpipe -q --file pipeline.yaml repro --single-item --no-commit train  # train@"),
        "{text}"
    );
    assert!(!text.contains("serve"), "{text}");
    // clinpipe reads a dvc.yaml as DVC does; tests/nightly/dvc shows the same with DVC itself.
    let repro = ["-C", "moved", "--file", "dvc.yaml", "repro", "-j1", "evaluate"];
    with_program(&project, &repro).succeeds();
    assert_eq!(project.read("moved/artifacts/metrics.json"), project.read("study/artifacts/metrics.json"));
    project.write(
        "moved/params.yaml",
        &params.replace("\nevaluate:", "\nevaluate:\n  confidence: 0.9").replacen("  confidence: 0.95\n", "", 1),
    );
    let outcomes = with_program(&project, &[&repro[..], &["--json"]].concat()).succeeds().json();
    assert_eq!(
        (&outcomes["stages"]["train"]["outcome"], &outcomes["stages"]["evaluate"]["outcome"]),
        (&"fresh".into(), &"ran".into())
    );
}

#[test]
fn a_dvc_project_keeps_what_dvc_can_say_and_tells_the_rest() {
    let project = Project::new(
        "stages:\n  list:\n    foreach: [a.b, c]\n    do:\n      cmd: echo '\\${HOME}' ${item} > ${item}.txt\n      deps: [in.csv]\n      outs: [{\"${item}.txt\": {cache: false}}]\n  \
         strict:\n    cmd: ['true', date > when]\n    env: [HOME]\n    wdir: sub\n    deps: [../c.txt]\n    outs: [when]\n    params: [seed, more.yaml: [x]]\n    frozen: true\n  \
         later: {cmd: cp in.csv out, deps: [in.csv, {more.csv: {optional: true}}], outs: [out], always_changed: true}\n",
    );
    let pipeline = project.read("pipeline.yaml")
        + "  made: {cmd: echo > 'out dir/b c.txt', outs: [out dir/b c.txt]}\n  \
           next: {cmd: ['cp \"$1\" x', 'true'], wdir: sub, deps: [\"../out dir/b c.txt\"], outs: [../out dir/d, e/f/g, ../h/i, here]}\n";
    project.write("pipeline.yaml", &pipeline);
    project.write("params.yaml", "seed: 1\n");
    project.write("sub/more.yaml", "x: 1\n");
    project.write("in.csv", "");
    let run = project.run(&["export", "dvc", "-o", "."]).succeeds();
    for note in ["stage list@a.b is called list-a-b", "more.csv is not there"] {
        assert!(run.stderr.contains(note), "{}", run.stderr);
    }
    let text = project.read("dvc.yaml");
    for line in [
        r#"  "list-c":"#,
        r#"    cmd: "echo '\\${HOME}' c > c.txt""#,
        r#"    - {"c.txt":{"cache":false}}"#,
        r#"    cmd: "clinpipe -C .. -q --file pipeline.yaml repro --single-item --no-commit strict""#,
        r#"    wdir: "sub""#,
        r#"    - "../c.txt""#,
        "    frozen: true",
        "    always_changed: true",
        // DVC makes no directories; where a dependency lies in one, nobody need.
        r#"    - "mkdir -p 'out dir'""#,
        r#"    - "mkdir -p ../h e/f""#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    assert_eq!(text.matches("mkdir").count(), 2, "{text}");
    project.run(&["--file", "dvc.yaml", "status"]).succeeds();
    project.run(&["export", "dvc", "-o", "."]).succeeds();
    project.write("dvc.yaml", "mine: 1\n");
    let run = project.run(&["export", "dvc", "-o", "."]).exits(2);
    assert!(run.stderr.contains("--force"), "{}", run.stderr);
    assert_eq!(project.read("dvc.yaml"), "mine: 1\n");
    project.run(&["export", "dvc", "-o", ".", "--force"]).succeeds();
    let run = project.run(&["export", "dvc", "-o", "inside/it"]).exits(2);
    assert!(run.stderr.contains("lies inside the project"), "{}", run.stderr);
    assert!(!project.exists("inside"));
    project.run(&["--file", "dvc.yaml", "export", "dvc", "-o", "."]).exits(2);
}
