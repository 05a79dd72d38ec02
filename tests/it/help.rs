//! What the program says of itself: `dag`, `completions`, `man`.

use std::process::Command;

use crate::project::Project;

const PIPELINE: &str = r#"
stages:
  raw: {cmd: 'echo 1 > raw.csv', outs: [raw.csv]}
  fit:
    foreach: [a, b]
    do: {cmd: 'cp raw.csv ${item}.m; cp raw.csv ${item}.log', deps: [raw.csv], outs: ['${item}.m', '${item}.log']}
  say "hi" <b>#1;: {cmd: 'cat a.m b.m > all', deps: [a.m, b.m], outs: [all]}
  other: {cmd: 'echo 2 > other', outs: [other]}
"#;

#[test]
fn the_graph_is_drawn_in_every_way() {
    let project = Project::new(PIPELINE);
    let dag = |args: &[&str]| project.run(&[&["dag"], args].concat()).succeeds().stdout;
    insta::assert_snapshot!("dag_outs", dag(&["--outs"]));
    insta::assert_snapshot!("dag_outs_dot", dag(&["--outs", "--dot", "all"]));
    insta::assert_snapshot!("dag_collapse", dag(&["--collapse"]));
    insta::assert_snapshot!("dag_collapse_md", dag(&["--collapse", "--md"]));
    insta::assert_snapshot!("dag_target_mermaid", dag(&["fit@a", "--mermaid"]));
    assert_eq!(dag(&["fit@a", "--dot"]), "strict digraph {\n  \"fit@a\";\n  \"raw\";\n  \"raw\" -> \"fit@a\";\n}\n");
    assert_eq!(dag(&["fit@a", "--full", "--format", "json"]).matches("\"name\"").count(), 4);
    let groups: serde_json::Value = serde_json::from_str(&dag(&["--collapse", "--format", "json", "fit"])).unwrap();
    assert_eq!(groups, serde_json::json!({"nodes": ["raw", "fit@* (2)"], "edges": [["raw", "fit@* (2)"]]}));
    let run = project.run(&["dag", "nosuch"]).exits(2);
    assert!(run.stderr.contains("nosuch"), "{}", run.stderr);
}

#[test]
fn completions_know_every_command_and_shells_accept_them() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project.run(&["completions", shell]).succeeds().stdout;
        assert_eq!(script, project.run(&["completions", shell]).succeeds().stdout);
        for word in ["repro", "metrics", "--dry-run", "completions"] {
            assert!(script.contains(word.trim_start_matches("--")), "{shell}: {word}");
        }
    }
    project.run(&["completions", "nosuch"]).exits(2);
    project.write("c.bash", &project.run(&["completions", "bash"]).succeeds().stdout);
    let words =
        "source ./c.bash; COMP_WORDS=(clinpipe rep); COMP_CWORD=1; _clinpipe clinpipe rep clinpipe; echo $COMPREPLY";
    let output = Command::new("bash").args(["--norc", "-c", words]).current_dir(project.path(".")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "repro", "{output:?}");
}

#[test]
fn every_command_has_a_manual_page_and_pages_have_no_date() {
    let project = Project::empty();
    project.run(&["man", "-o", "man/pages"]).succeeds();
    project.run(&["man", "-o", "again"]).succeeds();
    let pages = project.files("man/pages");
    assert_eq!(pages, project.files("again"));
    let help = project.run(&["--help"]).succeeds().stdout;
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let commands: Vec<&str> =
        listed.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect();
    for command in commands.iter().filter(|command| **command != "help") {
        let page = pages.get(&format!("clinpipe-{command}.1"));
        assert!(page.is_some_and(|page| page.starts_with(b".ie")), "{command}: {:?}", pages.keys());
    }
    assert!(pages.contains_key("clinpipe-metrics-diff.1") && pages.contains_key("clinpipe.1"), "{:?}", pages.keys());
    assert!(pages.keys().all(|name| !name.contains("__")), "{:?}", pages.keys());
    let main = project.run(&["man"]).succeeds().stdout;
    assert_eq!(main.as_bytes(), pages["clinpipe.1"]);
    assert!(main.contains(".TH clinpipe 1  \"clinpipe "), "{main}");
}
