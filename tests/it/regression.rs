//! Odd situations that once went wrong, one test each.

use crate::project::Project;

const COPY: &str = "stages:\n  a: {cmd: cat in > out, deps: [in], outs: [out]}\n";

/// The only file below a directory of the store.
fn only_file(project: &Project, below: &str) -> String {
    let files = project.files(below);
    assert_eq!(files.len(), 1, "{:?}", files.keys());
    format!("{below}/{}", files.keys().next().unwrap())
}

#[test]
fn a_forged_action_record_restores_nothing_but_the_stages_own_outputs() {
    let project = Project::empty();
    project.write("p/pipeline.yaml", COPY);
    project.write("p/in", "1");
    project.write("victim", "precious");
    project.run(&["-C", "p", "-q", "repro"]).succeeds();
    let action = only_file(&project, "p/.clinpipe/ac");
    let record = project.read(&action);
    let absolute = project.path("victim").display().to_string();
    for hostile in ["../victim", "x/../../victim", &absolute, "in", "pipeline.yaml", ""] {
        project.write(&action, &record.replace("\"out\"", &format!("\"{hostile}\"")));
        project.remove("p/out");
        let run = project.run(&["-C", "p", "repro", "--json"]).succeeds();
        assert_eq!(run.json()["stages"]["a"]["outcome"], "ran", "{hostile}");
        assert_eq!(project.read("victim"), "precious");
        assert_eq!((project.read("p/in"), project.read("p/pipeline.yaml")), ("1".to_owned(), COPY.to_owned()));
        assert_eq!(project.read(&action), record, "the forged record is replaced");
    }
}

#[test]
fn a_lock_that_names_a_place_outside_the_project_is_refused() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    let lock = project.read("lockfiles/pipeline.lock");
    project.write("lockfiles/pipeline.lock", &lock.replace("\"out\": {", "\"../out\": {"));
    let run = project.run(&["repro"]).exits(4);
    assert!(run.stderr.contains("\"../out\" is not a path inside the project"), "{}", run.stderr);
}

#[test]
fn pipeline_files_below_one_root_keep_apart() {
    let project = Project::empty();
    for (file, text) in [("x.one.yaml", "1"), ("x.two.yaml", "2"), ("sub/x.one.yaml", "3")] {
        project.write(file, &format!("stages:\n  a: {{cmd: echo {text} > a{text}, outs: [a{text}]}}\n"));
        project.run(&["-q", "-C", ".", "--file", file, "repro"]).succeeds();
    }
    for file in ["x.one.yaml", "x.two.yaml", "sub/x.one.yaml"] {
        project.run(&["-C", ".", "--file", file, "status", "--check"]).succeeds();
    }
    let logs = project.files(".clinpipe/log");
    assert_eq!(logs.keys().filter(|name| name.ends_with("a.log")).count(), 3, "{:?}", logs.keys());
}
