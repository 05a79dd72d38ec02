//! Strict mode: a command sees the workspace files it declares and no others, or nothing runs at all.

use std::os::unix::fs::symlink;
use std::process::Command;

use clinpipe::exec::check_strict;

use crate::project::{Project, Run, outcomes};

/// A project of one stage `s` with these declarations, and files to be read or not.
fn project(stage: &str) -> Project {
    let project = Project::new(&format!("stages:\n  s:\n{stage}"));
    project.write("in.csv", "declared\n");
    project.write("secret.csv", "secret\n");
    project.write("private/a.csv", "a\n");
    project.write("params.yaml", "seed: 42\n");
    project
}

/// Runs strictly; `None` where the system cannot, having asserted that it refuses to run anything.
fn strict(project: &Project) -> Option<Run> {
    let run = project.run(&["repro", "--strict"]);
    if check_strict().is_ok() {
        return Some(run);
    }
    let run = run.exits(4);
    assert!(run.stderr.contains("Landlock") && run.stderr.contains("nothing was run"), "{}", run.stderr);
    assert!(!project.exists("out"));
    None
}

/// Runs strictly what must fail, and gives what was said.
fn refused(project: &Project) -> Option<String> {
    let run = strict(project)?.exits(3);
    assert!(run.stderr.contains("strict mode: of the workspace the stage declares"), "{}", run.stderr);
    assert!(!project.exists("out"), "a failed stage leaves no output");
    Some(run.stderr)
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn what_is_declared_can_be_read_and_written() {
    for cmd in [
        "cat in.csv params.yaml > out",
        "cat in.csv > out.tmp && mv out.tmp out",
        "mkdir out && cp in.csv out/x",
        "cat in.csv > $TMPDIR/x && mv $TMPDIR/x out && echo done > /dev/stderr",
        "awk '{print $1}' in.csv > out",
        "cat < src/sub/lib.txt > out; ls src > /dev/null",
    ] {
        let project =
            project(&format!("    cmd: {cmd:?}\n    deps: [in.csv, src/]\n    params: [seed]\n    outs: [out]\n"));
        project.write("src/sub/lib.txt", "lib\n");
        let Some(run) = strict(&project) else { return };
        let run = run.succeeds();
        assert!(project.exists("out"), "{cmd}: {}", run.stderr);
    }
}

#[test]
fn an_undeclared_file_is_refused_and_named() {
    let link = "cat linked.csv > out";
    for (cmd, named) in [
        ("cat secret.csv > out", "secret.csv"),
        ("sh -c 'read line < secret.csv && echo $line' > out", "secret.csv"),
        ("awk '{print}' secret.csv > out", "secret.csv"),
        ("cat private/a.csv > out", "private/a.csv"),
        ("ls private > out", "private"),
        ("find . -name '*.csv' > out", ""),
        (link, "linked.csv"),
        ("cd private && cat ../secret.csv > ../out", ""),
        ("cat ./secret.csv > out", "secret.csv"),
    ] {
        let project = project(&format!("    cmd: {cmd:?}\n    deps: [in.csv]\n    outs: [out]\n"));
        symlink(project.path("secret.csv"), project.path("linked.csv")).unwrap();
        let Some(said) = refused(&project) else { return };
        assert!(said.contains("the stage declares in.csv, out\n"), "{cmd}: {said}");
        if !named.is_empty() {
            assert!(said.contains(&format!("it was probably refused {named};")), "{cmd}: {said}");
        }
        project.run(&["repro"]).succeeds();
    }
}

#[test]
fn python_imports_what_is_declared_and_nothing_else() {
    if !has("python3") {
        return;
    }
    let cmd = "python3 src/main.py";
    let declared =
        project(&format!("    cmd: {cmd}\n    deps: [src/main.py, src/helper.py, in.csv]\n    outs: [out/m.npz]\n"));
    declared.write(
        "src/main.py",
        "import helper, zipfile\nwith zipfile.ZipFile('out/m.npz', 'w') as z: z.writestr('x', helper.text())\n",
    );
    declared.write("src/helper.py", "def text(): return open('in.csv').read()\n");
    let Some(run) = strict(&declared) else { return };
    run.succeeds();

    let undeclared = project(&format!("    cmd: {cmd}\n    deps: [src/main.py]\n    outs: [out]\n"));
    undeclared.write("src/main.py", "import helper\n");
    undeclared.write("src/helper.py", "open('out', 'w').write('x')\n");
    let Some(said) = refused(&undeclared) else { return };
    assert!(said.contains("src/helper.py"), "{said}");
}

#[test]
fn what_is_written_elsewhere_is_refused() {
    for cmd in ["echo x > other/new.txt", "echo x >> other/old.txt", "rm other/old.txt", "echo x > ../clinpipe-strict"]
    {
        let line = format!("{cmd} && echo y > results/out.txt");
        let project = project(&format!("    cmd: {line:?}\n    outs: [results/out.txt]\n"));
        project.write("other/old.txt", "old\n");
        let Some(_) = refused(&project) else { return };
        assert_eq!(project.read("other/old.txt"), "old\n", "{cmd}");
        assert!(!project.exists("other/new.txt") && !project.exists("results/out.txt"), "{cmd}");
    }
}

#[test]
fn outputs_can_be_read_back_where_they_can_be_told_from_others() {
    // Beside the output of another stage: by its name with an extension, as a directory, in a directory of its own.
    for (out, cmd) in [
        ("shared/db.bin", "exec 3<> shared/db.bin && echo x >&3 && cat shared/db.bin"),
        ("shared/dir/", "echo x > shared/dir/x && cat shared/dir/x"),
        ("own/model", "echo x > own/model && cat own/model"),
    ] {
        let project = Project::new(&format!(
            "stages:\n  first: {{cmd: echo 1 > shared/one, outs: [shared/one]}}\n  s: {{cmd: {cmd:?}, deps: [shared/one], outs: [{out}]}}\n"
        ));
        let Some(run) = strict(&project) else { return };
        run.succeeds();
    }
    let project = project("    cmd: cat in.csv\n    deps: [in.csv]\n    outs: [out.csv]\n");
    let Some(run) = strict(&project) else { return };
    assert!(run.exits(3).stderr.contains("without writing its output out.csv"));
    assert!(!project.exists("out.csv"), "what was put there for the permission is gone");
}

#[test]
fn the_environment_is_bare() {
    let project = project("    cmd: /usr/bin/env > out\n    deps: [in.csv]\n    outs: [out]\n");
    let run =
        project.command(&["repro", "--strict"]).env("UNDECLARED", "1").env("SHELL", "/bin/false").output().unwrap();
    if check_strict().is_err() {
        return;
    }
    Run::from(run).succeeds();
    let env = project.read("out");
    assert!(env.contains("LC_ALL=C\n") && env.contains("CLINPIPE_STRICT=1\n"), "{env}");
    assert!(!env.contains("UNDECLARED") && !env.contains("DVC_ROOT"), "{env}");
}

#[test]
fn a_result_made_without_strict_mode_never_passes_for_a_strict_one() {
    for env in ["", "    env: [STUDY]\n"] {
        let project = project(&format!(
            "    cmd: cat in.csv > out; cat secret.csv || true\n    deps: [in.csv]\n    outs: [out]\n{env}"
        ));
        assert_eq!(project.outcomes(&[]), outcomes([("s", "ran")]));
        if check_strict().is_err() {
            return;
        }
        assert_eq!(project.outcomes(&["--strict"]), outcomes([("s", "ran")]), "neither fresh nor restored");
        assert_eq!(project.outcomes(&["--strict"]), outcomes([("s", "fresh")]));
        assert_eq!(project.outcomes(&[]), outcomes([("s", "fresh")]), "a strict result is good for everyone");
        project.run(&["status", "--check"]).succeeds();
        project.write("in.csv", "changed\n");
        assert_eq!(project.outcomes(&[]), outcomes([("s", "ran")]));
        assert_eq!(project.outcomes(&["--strict"]), outcomes([("s", "ran")]));
    }
}
