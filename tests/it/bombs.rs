//! Small files that ask for much: refused with a message, within little memory.

#![expect(clippy::format_push_string, clippy::format_collect, reason = "short texts, and easier to read so")]

use std::process::Command;

use crate::project::{CLINPIPE, Project, Run};

/// Runs with an address space of 1.5 GB, half of which the program's own threads and libraries may take.
fn run_confined(project: &Project) -> Run {
    let script = "ulimit -v 1500000; exec \"$0\" status";
    Command::new("/bin/sh").args(["-c", script, CLINPIPE]).current_dir(project.path("")).output().unwrap().into()
}

#[track_caller]
fn refused(files: &[(&str, &str)], words: &str) {
    let project = Project::new("stages: {s: {cmd: ls, params: [a]}}\n");
    for (name, text) in files {
        project.write(name, text);
    }
    let run = run_confined(&project).exits(2);
    assert!(run.stderr.contains(words), "{}", &run.stderr[..run.stderr.len().min(2000)]);
}

#[test]
fn aliases_do_not_multiply_without_end() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let alias = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{alias}]\n");
    }
    refused(&[("params.yaml", &text)], "more than 1000000 values");
}

#[test]
fn nesting_has_an_end_in_every_format() {
    for open in ["[", "{a: ", "- "] {
        refused(&[("params.yaml", &open.repeat(100_000))], "recursion limit");
    }
    let block: String = (1..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    refused(&[("params.yaml", &block)], "recursion limit");
    let pipeline = |file: &str| format!("stages: {{s: {{cmd: ls, params: [{file}: [a]]}}}}\n");
    refused(&[("pipeline.yaml", &pipeline("p.json")), ("p.json", &"[".repeat(100_000))], "recursion limit");
    refused(&[("pipeline.yaml", &pipeline("p.toml")), ("p.toml", &format!("a = {}", "[".repeat(100_000)))], "recurs");
    let key = vec!["a"; 100_000].join(".");
    refused(&[("pipeline.yaml", &pipeline("p.toml")), ("p.toml", &format!("[{key}]\n"))], "recursion limit");
}

#[test]
fn templates_cannot_ask_for_endless_stages_or_texts() {
    let axes: String = (0..8).map(|axis| format!("      k{axis}: [1, 2, 3, 4, 5, 6, 7, 8]\n")).collect();
    refused(
        &[("pipeline.yaml", &format!("stages:\n  s:\n    matrix:\n{axes}    cmd: ls\n"))],
        "more than 10000 stages",
    );
    let items: String = (0..20_000).map(|item| format!("    - {item}\n")).collect();
    refused(&[("pipeline.yaml", &format!("stages:\n  s:\n    foreach:\n{items}    do: {{cmd: ls}}\n"))], "stages");
    let flags: String = (0..5_000).map(|flag| format!("  k{flag}: {flag}\n")).collect();
    let command = format!("stages:\n  s:\n    cmd: {}\n", "${d} ".repeat(5_000));
    refused(&[("pipeline.yaml", &command), ("params.yaml", &format!("d:\n{flags}"))], "more than 1 MiB");
}

#[test]
fn enormous_numbers_and_keys_are_read_or_refused() {
    let project = Project::new("stages: {s: {cmd: ls, params: [n]}}\n");
    for params in [
        format!("n: 1e{}\n", "9".repeat(10_000)),
        format!("n: {}\n", "9".repeat(100_000)),
        format!("n: 0.{}1\n", "0".repeat(100_000)),
    ] {
        project.write("params.yaml", &params);
        let run = run_confined(&project);
        assert!(matches!(run.code, Some(0 | 2)), "{:?}", run.code);
    }
    project.write("params.yaml", &format!("n: 1\n{}: 1\n", "k".repeat(1000)));
    run_confined(&project).exits(0);
}
