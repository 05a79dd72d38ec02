//! Every way to write a wrong pipeline has a message with file, line, column, the line, and what to do.

use super::{PARAMS, faults, faults_of};

#[test]
fn an_unknown_key_names_the_nearest() {
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: x\n    dep: [b]\n"), @r"
    error: unknown key `dep` in stage `a`
     --> pipeline.yaml:4:5
      |
    4 |     dep: [b]
      |     ^^^
      |
    help: did you mean `deps`?
    ");
    insta::assert_snapshot!(faults("stage:\n  a: {cmd: x}\n"), @r"
    error: unknown key `stage` in the pipeline file
     --> pipeline.yaml:1:1
      |
    1 | stage:
      | ^^^^^
      |
    help: did you mean `stages`?
    ");
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: x\n    outs:\n      - b: {cached: false}\n"), @r"
    error: unknown key `cached` in output `b` of stage `a`
     --> pipeline.yaml:5:13
      |
    5 |       - b: {cached: false}
      |             ^^^^^^
      |
    help: did you mean `cache`?
    ");
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: x\n    deps: b.csv\n    frozen: \"no\"\n    retries: -1\n"), @r#"
    error: `deps` of stage `a` must be a list of paths, found text
     --> pipeline.yaml:4:11
      |
    4 |     deps: b.csv
      |           ^^^^^

    error: `frozen` of stage `a` must be true or false, found text
     --> pipeline.yaml:5:13
      |
    5 |     frozen: "no"
      |             ^^^^

    error: `retries` of stage `a` must be a whole number from 0 to 100, found -1
     --> pipeline.yaml:6:14
      |
    6 |     retries: -1
      |              ^^
    "#);
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: 5\n    outs: [2021]\n"), @r"
    error: `cmd` of stage `a` must be text or a list of texts, found a number
     --> pipeline.yaml:3:10
      |
    3 |     cmd: 5
      |          ^
      |
    help: put it in quotes if text is meant
    ");
    insta::assert_snapshot!(faults("stages: [a, b]\n"), @r"
    error: `stages` must be a mapping of names to stages, found a list
     --> pipeline.yaml:1:9
      |
    1 | stages: [a, b]
      |         ^
    ");
    insta::assert_snapshot!(faults("stages:\n  a: run me\n"), @r"
    error: stage `a` must be a mapping, found text
     --> pipeline.yaml:2:6
      |
    2 |   a: run me
      |      ^^^^^^
    ");
    insta::assert_snapshot!(faults("- a\n"), @r"
    error: the pipeline file must be a mapping, found a list
     --> pipeline.yaml:1:1
      |
    1 | - a
      | ^^^
    ");
}

#[test]
fn a_stage_is_a_command_or_a_built_in() {
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: x\n    uses: train\n  b:\n    deps: [c]\n"), @r"
    error: stage `a` has both `cmd` and `uses`
     --> pipeline.yaml:4:5
      |
    4 |     uses: train
      |     ^^^^
      |
    help: a stage is a command or a built-in; remove one of them

    error: stage `b` does nothing: it has neither `cmd` nor `uses`
     --> pipeline.yaml:5:3
      |
    5 |   b:
      |   ^
      |
    help: add `cmd: <shell command>` or `uses: <built-in stage>`
    ");
    insta::assert_snapshot!(faults("stages:\n  a: {uses: trian}\n"), @r"
    error: stage `a` uses `trian`, which is not a built-in stage
     --> pipeline.yaml:2:13
      |
    2 |   a: {uses: trian}
      |             ^^^^^
      |
    help: did you mean `train`?
    ");
}

#[test]
fn roles_and_parameters_of_a_built_in_are_checked() {
    let text = "stages:\n  a:\n    uses: train\n    deps: {tabel: t.parquet}\n    params: [seed, trian]\n    outs: {model: m/}\n";
    insta::assert_snapshot!(faults(text), @r"
    error: stage `a` does not bind the role `table` of `train` under `deps` (the table)
     --> pipeline.yaml:2:3
      |
    2 |   a:
      |   ^
      |
    help: add `table: <path>` under `deps`

    error: stage `a` does not list the parameter `train` that `train` reads
     --> pipeline.yaml:2:3
      |
    2 |   a:
      |   ^
      |
    help: add `train` to `params`

    error: `train` has no role `tabel` under `deps` (stage `a`)
     --> pipeline.yaml:4:12
      |
    4 |     deps: {tabel: t.parquet}
      |            ^^^^^
      |
    help: did you mean `table`?

    error: `train` reads no parameter `trian` (stage `a`)
     --> pipeline.yaml:5:20
      |
    5 |     params: [seed, trian]
      |                    ^^^^^
      |
    help: did you mean `train`?
    ");
    insta::assert_snapshot!(faults("stages:\n  a:\n    uses: train\n    deps: [t.parquet]\n"), @r"
    error: `deps` of stage `a` must be a mapping of roles to paths, found a list
     --> pipeline.yaml:4:11
      |
    4 |     deps: [t.parquet]
      |           ^
      |
    help: a built-in stage binds roles: `deps: {role: path}`
    ");
}

#[test]
fn two_stages_with_one_output() {
    let text = "stages:\n  a:\n    cmd: x\n    outs: [o.csv]\n  b:\n    cmd: y\n    outs:\n      - o.csv\n";
    insta::assert_snapshot!(faults(text), @r"
    error: `o.csv` is written by two stages, `a` and `b`
     --> pipeline.yaml:8:9
      |
    8 |       - o.csv
      |         ^^^^^
      |
    help: give it a path of its own; the other is declared in line 4
    ");
    let text = "stages:\n  a:\n    cmd: x\n    outs: [dir/o.csv]\n  b:\n    cmd: y\n    outs: [dir/]\n";
    insta::assert_snapshot!(faults(text), @r"
    error: output `dir/o.csv` of stage `a` lies within output `dir` of stage `b`
     --> pipeline.yaml:7:12
      |
    7 |     outs: [dir/]
      |            ^^^^
      |
    help: give it a path of its own; the other is declared in line 4
    ");
}

#[test]
fn an_output_may_not_be_read_by_its_stage_or_lie_over_other_files() {
    insta::assert_snapshot!(faults("stages:\n  a: {cmd: x, deps: [d], outs: [d/o]}\n"), @r"
    error: stage `a` reads `d` and writes `d/o`, which overlap
     --> pipeline.yaml:2:33
      |
    2 |   a: {cmd: x, deps: [d], outs: [d/o]}
      |                                 ^^^
      |
    help: write to another path
    ");
    insta::assert_snapshot!(faults("stages:\n  a: {cmd: x, outs: [pipeline.yaml, .git/x, lockfiles/y, .]}\n"), @r"
    error: output `pipeline.yaml` of stage `a` would overwrite the pipeline file `pipeline.yaml`
     --> pipeline.yaml:2:22
      |
    2 |   a: {cmd: x, outs: [pipeline.yaml, .git/x, lockfiles/y, .]}
      |                      ^^^^^^^^^^^^^
      |
    help: write below a directory of its own, such as `artifacts/`

    error: output `.git/x` of stage `a` lies in `.git`, which no stage may write
     --> pipeline.yaml:2:37
      |
    2 |   a: {cmd: x, outs: [pipeline.yaml, .git/x, lockfiles/y, .]}
      |                                     ^^^^^^
      |
    help: write below a directory of its own, such as `artifacts/`

    error: output `lockfiles/y` of stage `a` lies in `lockfiles`, which no stage may write
     --> pipeline.yaml:2:45
      |
    2 |   a: {cmd: x, outs: [pipeline.yaml, .git/x, lockfiles/y, .]}
      |                                             ^^^^^^^^^^^
      |
    help: write below a directory of its own, such as `artifacts/`

    error: output `.` of stage `a` is the project itself
     --> pipeline.yaml:2:58
      |
    2 |   a: {cmd: x, outs: [pipeline.yaml, .git/x, lockfiles/y, .]}
      |                                                          ^
      |
    help: write below a directory of its own, such as `artifacts/`
    ");
}

#[test]
fn paths_stay_in_the_project() {
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: x\n    deps: [../b, /etc/passwd, \"s3://b/c\"]\n"), @r#"
    error: `../b` lies outside the project
     --> pipeline.yaml:4:12
      |
    4 |     deps: [../b, /etc/passwd, "s3://b/c"]
      |            ^^^^
      |
    help: copy the file into the project, or start clinpipe with `-C` at a directory that holds both

    error: `/etc/passwd` is an absolute path
     --> pipeline.yaml:4:18
      |
    4 |     deps: [../b, /etc/passwd, "s3://b/c"]
      |                  ^^^^^^^^^^^
      |
    help: name it relative to the project, so that it is the same everywhere

    error: `s3://b/c` is a URL; only files of the project can be named here
     --> pipeline.yaml:4:31
      |
    4 |     deps: [../b, /etc/passwd, "s3://b/c"]
      |                               ^^^^^^^^^^
      |
    help: fetch it in a stage of its own and depend on the file
    "#);
}

#[test]
fn a_cycle_names_its_stages_in_order() {
    let text = "stages:\n  z: {cmd: x, outs: [z]}\n  a: {cmd: x, deps: [c.csv, z], outs: [a.csv]}\n  \
                b: {cmd: x, deps: [a.csv], outs: [b.csv]}\n  c: {cmd: x, deps: [b.csv], outs: [c.csv]}\n  \
                d: {cmd: x, deps: [c.csv]}\n";
    insta::assert_snapshot!(faults(text), @r"
    error: these stages wait for each other: a -> b -> c -> a
     --> pipeline.yaml:3:22
      |
    3 |   a: {cmd: x, deps: [c.csv, z], outs: [a.csv]}
      |                      ^^^^^
      |
    help: remove a dependency, or split a stage so that its first part waits for nobody
    ");
}

#[test]
fn a_parameter_that_does_not_exist() {
    let text = "stages:\n  a:\n    uses: train\n    deps: {table: t}\n    outs: {model: m}\n    params: [sed, train]\n";
    insta::assert_snapshot!(faults_of(&[("pipeline.yaml", &text.replace("sed", "seed")), ("params.yaml", "sede: 1\ntrain: {}\n")], &[]), @r"
    error: `params.yaml` has no parameter `seed` (stage `a`)
     --> pipeline.yaml:6:14
      |
    6 |     params: [seed, train]
      |              ^^^^
      |
    help: did you mean `sede`?
    ");
    let text = text.replace("[sed, train]", "[{other.yaml: [seed, train]}]");
    insta::assert_snapshot!(faults(&text), @r"
    error: stage `a` reads parameters of `other.yaml`, which does not exist
     --> pipeline.yaml:6:15
      |
    6 |     params: [{other.yaml: [seed, train]}]
      |               ^^^^^^^^^^
      |
    help: create other.yaml
    ");
}

#[test]
fn a_value_that_a_built_in_refuses_points_into_params() {
    let pipeline = "stages:\n  a: {uses: train, deps: {table: t}, params: [seed, train], outs: {model: m}}\n  \
                    b: {uses: train, deps: {table: t}, params: [seed, train], outs: {model: n}}\n";
    let params = "seed: 42\ntrain:\n  models:\n    - logistic\n    - gbtd\n";
    insta::assert_snapshot!(faults_of(&[("pipeline.yaml", pipeline), ("params.yaml", params)], &[]), @r#"
    error: parameter `train.models.1`: unknown model "gbtd"
     --> params.yaml:5:7
      |
    5 |     - gbtd
      |       ^^^^
    "#);
    let files = [("pipeline.yaml", pipeline), ("params.yaml", PARAMS)];
    insta::assert_snapshot!(faults_of(&files, &[("train.models", "[gbdt, tree]")]), @r#"
    error: parameter `train.models.1`: unknown model "tree"
     --> --set:1:21
      |
    1 | train.models=[gbdt, tree]
      |                     ^^^^
    "#);
    insta::assert_snapshot!(faults_of(&files, &[("train.modles", "[gbdt]")]), @r"
    error: `train.modles` is not a key of params.yaml
     --> --set:1:1
      |
    1 | train.modles=[gbdt]
      | ^^^^^^^^^^^^^^^^^^
      |
    help: did you mean `train.models`?
    ");
    insta::assert_snapshot!(faults_of(&files, &[("train.depth", "[1")]), @r"
    error: this is not YAML: unclosed bracket '['
     --> --set:1:13
      |
    1 | train.depth=[1
      |             ^
    ");
}

#[test]
fn broken_parameter_files_have_places_too() {
    let pipeline = "stages:\n  a: {cmd: x, params: [{p.json: [a]}, {p.toml: [a]}, seed]}\n";
    let files = [
        ("pipeline.yaml", pipeline),
        ("params.yaml", PARAMS),
        ("p.json", "{\n \"a\": 1,\n}"),
        ("p.toml", "a = 1\nb =\n"),
    ];
    insta::assert_snapshot!(faults_of(&files, &[]), @r"
    error: this is not JSON: trailing comma
     --> p.json:3:1
      |
    3 | }
      | ^

    error: this is not TOML: string values must be quoted, expected literal string
     --> p.toml:2:4
      |
    2 | b =
      |    ^
    ");
    let files = [("pipeline.yaml", pipeline), ("params.yaml", "- 1\n")];
    insta::assert_snapshot!(faults_of(&files, &[]), @r"
    error: the file must hold a mapping of parameter names to values
     --> params.yaml:1:1
      |
    1 | - 1
      | ^^^
    ");
}

#[test]
fn shapes_that_dvc_refuses_are_refused() {
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: x\n    deps: {b: c}\n"), @r"
    error: `deps` of stage `a` must be a list of paths, found a mapping
     --> pipeline.yaml:4:11
      |
    4 |     deps: {b: c}
      |           ^
      |
    help: write `- path`, or `- path: {…}` to say more about one
    ");
    insta::assert_snapshot!(faults("stages:\n  a:\n    cmd: x\n    outs:\n      - b:\n"), @r"
    error: output `b` of stage `a` must be a mapping, found nothing
     --> pipeline.yaml:5:10
      |
    5 |       - b:
      |          ^
    ");
    insta::assert_snapshot!(faults("stages:\n  a:\n    foreach: [1]\n    cmd: x\n"), @r"
    error: stage `a` with `foreach` has no `do`
     --> pipeline.yaml:2:3
      |
    2 |   a:
      |   ^
      |
    help: put the stage's fields below `do:`

    error: unknown key `cmd` in stage `a` with `foreach`
     --> pipeline.yaml:4:5
      |
    4 |     cmd: x
      |     ^^^
      |
    help: known keys are foreach, do
    ");
}

#[test]
fn limits_and_pools() {
    let text = "pools: {gpu: 0}\nstages:\n  a:\n    cmd: x\n    pool: gpu\n    timeout: 30\n    \
                resources: {threads: 0, memory: big}\n    env: [A=1]\n";
    insta::assert_snapshot!(faults(text), @r"
    error: pool `gpu` must be a whole number from 1 to 4096, found 0
     --> pipeline.yaml:1:14
      |
    1 | pools: {gpu: 0}
      |              ^

    error: stage `a` names the pool `gpu`, which `pools` does not have
     --> pipeline.yaml:5:11
      |
    5 |     pool: gpu
      |           ^^^
      |
    help: add `pools: {gpu: 1}` at the top level

    error: `timeout` of stage `a` must be a time like `30m`, `2h` or `45s`, found `30`
     --> pipeline.yaml:6:14
      |
    6 |     timeout: 30
      |              ^^

    error: `threads` in `resources` of stage `a` must be a whole number from 1 to 4096, found 0
     --> pipeline.yaml:7:26
      |
    7 |     resources: {threads: 0, memory: big}
      |                          ^

    error: `memory` in `resources` of stage `a` must be a size like `2GiB` or `512MiB`, found `big`
     --> pipeline.yaml:7:37
      |
    7 |     resources: {threads: 0, memory: big}
      |                                     ^^^

    error: `A=1` is not the name of an environment variable
     --> pipeline.yaml:8:11
      |
    8 |     env: [A=1]
      |           ^^^
      |
    help: list names only; values come from the environment
    ");
    insta::assert_snapshot!(faults("pools: {gpu: 1}\nstages:\n  a: {cmd: x, pool: gpus}\n"), @r"
    error: stage `a` names the pool `gpus`, which `pools` does not have
     --> pipeline.yaml:3:21
      |
    3 |   a: {cmd: x, pool: gpus}
      |                     ^^^^
      |
    help: did you mean `gpu`?
    ");
}

#[test]
fn names_that_lead_nowhere() {
    let text = "stages:\n  a:\n    cmd: run ${train.dept} ${HOME}\n    deps: [\"${train}\", \"${x[}\"]\n";
    insta::assert_snapshot!(faults(text), @r#"
    error: `${train.dept}` in `cmd` of stage `a` names no parameter or variable
     --> pipeline.yaml:3:14
      |
    3 |     cmd: run ${train.dept} ${HOME}
      |              ^^^^^^^^^^^^^
      |
    help: did you mean `train.depth`?

    error: `${HOME}` in `cmd` of stage `a` names no parameter or variable
     --> pipeline.yaml:3:28
      |
    3 |     cmd: run ${train.dept} ${HOME}
      |                            ^^^^^^^
      |
    help: write `\${HOME}` for a shell variable

    error: `${train}` in `deps` of stage `a` is a mapping, which only `cmd` can take
     --> pipeline.yaml:4:13
      |
    4 |     deps: ["${train}", "${x[}"]
      |             ^^^^^^^^

    error: `${x[}` is not a name like `${a.b}` or `${a[0]}` (in `deps` of stage `a`)
     --> pipeline.yaml:4:24
      |
    4 |     deps: ["${train}", "${x[}"]
      |                        ^^^^^^^
      |
    help: write `\${` for a literal `${`
    "#);
}

#[test]
fn variables_are_set_once() {
    let text = "vars:\n  - v.yaml\n  - {train: {depth: 4}}\n  - v.yaml:a\n  - none.yaml\nstages: {}\n";
    let files = [("pipeline.yaml", text), ("params.yaml", PARAMS), ("v.yaml", "a: 1\n")];
    insta::assert_snapshot!(faults_of(&files, &[]), @r"
    error: `train.depth` is set by params.yaml and again by `vars` in line 3; a name is given its value once
     --> pipeline.yaml:3:5
      |
    3 |   - {train: {depth: 4}}
      |     ^

    error: `v.yaml:a` cannot be partially loaded: `v.yaml` is already loaded whole
     --> pipeline.yaml:4:5
      |
    4 |   - v.yaml:a
      |     ^^^^^^^^

    error: `none.yaml` does not exist
     --> pipeline.yaml:5:5
      |
    5 |   - none.yaml
      |     ^^^^^^^^^
    ");
    let text = "stages:\n  a:\n    foreach: [1]\n    do: {cmd: x, vars: [{item: 2}]}\n";
    insta::assert_snapshot!(faults(text), @r"
    error: `item` is reserved in foreach and matrix stages; `vars` in line 4 sets it
     --> pipeline.yaml:4:25
      |
    4 |     do: {cmd: x, vars: [{item: 2}]}
      |                         ^
    ");
}

#[test]
fn a_missing_or_unreadable_file() {
    insta::assert_snapshot!(faults_of(&[], &[]), @r"
    error: the pipeline file does not exist
    --> pipeline.yaml
    ");
    let dir = tempfile::tempdir().expect("a directory");
    insta::assert_snapshot!(super::super::discover(dir.path()).expect_err("nothing there"), @r"
    error: there is neither pipeline.yaml nor dvc.yaml in this directory
    --> pipeline.yaml
     |
    help: start a project with `clinpipe init`, or name the file with `--file`
    ");
    std::fs::write(dir.path().join("pipeline.yaml"), b"stages:\n  a: {cmd: x\xff}\n").expect("a file");
    let below = super::super::discover(&dir.path().join("src/lib")).expect_err("nothing there").to_string();
    assert!(below.contains("help: the nearest is ../../pipeline.yaml: "), "{below}");
    let file = super::super::discover(dir.path()).expect("found");
    let error = super::super::load(dir.path(), &file, &[], &super::Catalog).expect_err("not text");
    insta::assert_snapshot!(error, @r"
    error: this byte is not UTF-8 text
     --> pipeline.yaml:2:13
      |
    2 |   a: {cmd: x
      |             ^
      |
    help: save the file as UTF-8
    ");
}
