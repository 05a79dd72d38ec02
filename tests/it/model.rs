//! Random pipelines under random edits, against a model that knows nothing of keys, locks and hints: it remembers what
//! each stage read and wrote, as bytes. `PROPTEST_CASES` sets how many are tried.

#![expect(clippy::format_collect, reason = "short texts, and easier to read so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::project::Project;

/// Values whose spellings are close and whose types differ.
const VALUES: [&str; 6] = ["1", "1.0", "true", "'1'", "2", "[1]"];
const INPUTS: usize = 3;

#[derive(Debug, Clone)]
struct Stage {
    /// What tells this command from others.
    salt: u8,
    /// A command that looks at nothing, so that equal bytes stop the wave.
    constant: bool,
    /// Its output is a directory.
    directory: bool,
    second_out: bool,
    frozen: bool,
    inputs: BTreeSet<usize>,
    /// Stages before it that it reads.
    stages: BTreeSet<usize>,
    param: Option<usize>,
    /// The order in which deps are written down.
    backwards: bool,
}

/// What a stage did: command, inputs with bytes, parameter; and what it wrote.
type Work = (String, BTreeMap<String, String>, Option<&'static str>, BTreeSet<String>);
type Written = BTreeMap<String, String>;

/// The project as it should be.
#[derive(Debug, Clone, Default)]
struct Model {
    stages: BTreeMap<usize, Stage>,
    /// Files by path, inputs and outputs.
    files: BTreeMap<String, String>,
    params: [usize; 3],
    last: BTreeMap<usize, (Work, Written)>,
    ever: Vec<(Work, Written)>,
}

impl Stage {
    fn new(number: usize, seed: [u8; 4]) -> Self {
        let bits = |byte: u8| (0..8_usize).filter(move |bit| byte >> bit & 1 == 1);
        let back = bits(seed[1]).filter_map(|bit| number.checked_sub(bit + 1)).collect();
        Self {
            salt: 0,
            constant: seed[0].is_multiple_of(4),
            directory: (seed[0] / 4).is_multiple_of(4),
            second_out: (seed[0] / 16).is_multiple_of(3),
            frozen: false,
            inputs: bits(seed[2]).filter(|input| *input < INPUTS).collect(),
            stages: back,
            param: (seed[3] % 4).checked_sub(1).map(usize::from),
            backwards: false,
        }
    }

    /// The file in which the first output's bytes stand.
    fn file(&self, number: usize) -> String {
        if self.directory { format!("o{number}/x") } else { format!("o{number}") }
    }

    fn outs(&self, number: usize) -> BTreeSet<String> {
        BTreeSet::from([self.file(number)]).into_iter().chain(self.second_out.then(|| format!("q{number}"))).collect()
    }
}

impl Model {
    /// Declared path and file of each dependency.
    fn deps(&self, stage: &Stage) -> Vec<(String, String)> {
        let inputs = stage.inputs.iter().map(|input| (format!("in{input}"), format!("in{input}")));
        let stages = stage.stages.iter().map(|number| (format!("o{number}"), self.stages[number].file(*number)));
        inputs.chain(stages).collect()
    }

    fn command(&self, number: usize, stage: &Stage) -> String {
        let files: Vec<String> = self.deps(stage).into_iter().map(|(_, file)| file).collect();
        let (out, salt) = (stage.file(number), stage.salt);
        let mut command = if stage.directory { format!("mkdir -p o{number}; ") } else { String::new() };
        let read = if stage.constant { String::new() } else { format!("cat /dev/null {} >> {out}; ", files.join(" ")) };
        // Writing cannot fail.
        let _ = write!(command, "echo {salt} > {out}; {read}");
        if stage.second_out {
            let _ = write!(command, "echo {salt} > q{number}");
        }
        command
    }

    fn pipeline(&self) -> String {
        let mut text = String::from("stages:\n");
        for (number, stage) in &self.stages {
            let mut deps: Vec<String> = self.deps(stage).into_iter().map(|(path, _)| path).collect();
            if stage.backwards {
                deps.reverse();
            }
            let outs = [Some(format!("o{number}")), stage.second_out.then(|| format!("q{number}"))];
            let outs: Vec<String> = outs.into_iter().flatten().collect();
            let param = stage.param.map(|param| format!("p{param}")).unwrap_or_default();
            let _ = write!(
                text,
                "  s{number}:\n    cmd: \"{}\"\n    deps: [{}]\n    outs: [{}]\n    params: [{param}]\n    frozen: {}\n",
                self.command(number.to_owned(), stage),
                deps.join(", "),
                outs.join(", "),
                stage.frozen,
            );
        }
        if self.stages.is_empty() { "stages: {}\n".to_owned() } else { text }
    }

    fn write(&self, project: &Project) {
        project.write("pipeline.yaml", &self.pipeline());
        let params: String =
            self.params.iter().enumerate().map(|(i, value)| format!("p{i}: {}\n", VALUES[*value])).collect();
        project.write("params.yaml", &params);
        for input in 0..INPUTS {
            project.write(&format!("in{input}"), &self.files[&format!("in{input}")]);
        }
    }

    /// Does what a run should do; gives the stages whose commands should be executed.
    fn run(&mut self) -> BTreeSet<String> {
        let mut ran = BTreeSet::new();
        for (number, stage) in self.stages.clone() {
            if stage.frozen {
                continue;
            }
            let reads = self.deps(&stage).into_iter().map(|(_, file)| (file.clone(), self.files[&file].clone()));
            let work: Work = (
                self.command(number, &stage),
                reads.collect(),
                stage.param.map(|param| VALUES[self.params[param]]),
                stage.outs(number),
            );
            let as_written =
                |written: &Written| written.iter().all(|(file, bytes)| self.files.get(file) == Some(bytes));
            if self.last.get(&number).is_some_and(|(last, written)| *last == work && as_written(written)) {
                continue;
            }
            let known = self.ever.iter().find(|(done, _)| *done == work).map(|(_, written)| written.clone());
            let written = known.unwrap_or_else(|| {
                ran.insert(format!("s{number}"));
                self.execute(number, &stage, &work)
            });
            // What stood there under the other kind of name is gone.
            let other = if stage.directory { format!("o{number}") } else { format!("o{number}/x") };
            self.files.remove(&other);
            self.files.extend(written.clone());
            self.ever.push((work.clone(), written.clone()));
            self.last.insert(number, (work, written));
        }
        ran
    }

    fn execute(&self, number: usize, stage: &Stage, work: &Work) -> Written {
        let salt = format!("{}\n", stage.salt);
        let read: String = if stage.constant {
            String::new()
        } else {
            self.deps(stage).iter().map(|(_, file)| work.1[file].as_str()).collect()
        };
        let first = (stage.file(number), format!("{salt}{read}"));
        [first].into_iter().chain(stage.second_out.then(|| (format!("q{number}"), salt))).collect()
    }

    /// Changes something, here and in the projects.
    fn edit(&mut self, [kind, which, how]: [u8; 3], projects: &[Project]) {
        let numbers: Vec<usize> = self.stages.keys().copied().collect();
        let number = numbers[usize::from(which) % numbers.len()];
        match kind % 11 {
            0 | 1 => drop(self.files.insert(format!("in{}", usize::from(which) % INPUTS), format!("{}\n", how % 3))),
            2 => self.params[usize::from(which) % 3] = usize::from(how) % VALUES.len(),
            3 => self.change(number, |stage| stage.salt = how % 3),
            4 => self.change(number, |stage| stage.backwards = !stage.backwards),
            5 => self.touch_output(number, how, None, projects),
            6 => self.touch_output(number, how, Some(format!("edit {}\n", how % 2)), projects),
            7 => self.remove(number),
            8 => {
                let new = numbers.last().map_or(0, |last| last + 1);
                let mut stage = Stage::new(new, [which, how, which, how]);
                stage.stages.retain(|before| self.stages.contains_key(before));
                self.stages.insert(new, stage);
            }
            9 => {
                // Only what has been written can be taken as it is.
                let is_whole = self.stages[&number].outs(number).iter().all(|file| self.files.contains_key(file));
                self.change(number, |stage| stage.frozen = is_whole && !stage.frozen);
            }
            _ => self.change(number, |stage| {
                let input = usize::from(how) % INPUTS;
                if !stage.inputs.remove(&input) {
                    stage.inputs.insert(input);
                }
            }),
        }
    }

    fn change(&mut self, number: usize, change: impl FnOnce(&mut Stage)) {
        self.stages.entry(number).and_modify(change);
    }

    /// Rewrites or removes an output by hand. What a frozen stage wrote is not removed: nothing would bring it back.
    fn touch_output(&mut self, number: usize, how: u8, bytes: Option<String>, projects: &[Project]) {
        let stage = &self.stages[&number];
        let outs: Vec<String> = stage.outs(number).into_iter().collect();
        let file = &outs[usize::from(how) % outs.len()];
        if !self.files.contains_key(file) || stage.frozen && bytes.is_none() {
            return;
        }
        for project in projects {
            match &bytes {
                Some(bytes) => project.write(file, bytes),
                None => project.remove(file),
            }
        }
        match bytes {
            Some(bytes) => drop(self.files.insert(file.clone(), bytes)),
            None => drop(self.files.remove(file)),
        }
    }

    fn remove(&mut self, number: usize) {
        if self.stages.len() > 1 {
            self.stages.remove(&number);
            for stage in self.stages.values_mut() {
                stage.stages.remove(&number);
            }
        }
    }
}

/// Runs a project and compares with what should have been executed; gives the lock's bytes.
fn check(project: &Project, jobs: &str, model: &Model, ran: &BTreeSet<String>) -> Result<String, TestCaseError> {
    model.write(project);
    let forecast = project.run(&["repro", "--dry-run", "--json"]).succeeds().json();
    let run = project.run(&["repro", "--json", jobs]).succeeds();
    let outcomes = run.json()["stages"].clone();
    let outcomes = outcomes.as_object().unwrap();
    let executed: BTreeSet<String> =
        outcomes.iter().filter(|(_, o)| o["outcome"] == "ran").map(|(name, _)| name.clone()).collect();
    prop_assert_eq!(&executed, ran, "{}\n{}", model.pipeline(), forecast);
    for (name, outcome) in outcomes {
        let forecast = forecast["stages"][name]["forecast"].as_str().unwrap();
        let possible: &[&str] = match outcome["outcome"].as_str().unwrap() {
            "ran" => &["run", "may_run"],
            "restored" => &["restore", "run", "may_run"],
            _ => &["fresh", "frozen", "may_run", "run"],
        };
        prop_assert!(possible.contains(&forecast), "{}: forecast {}, but {}", name, forecast, outcome);
    }
    for (number, stage) in &model.stages {
        for file in stage.outs(*number) {
            let bytes = model.files.get(&file);
            prop_assert_eq!(Some(&project.read(&file)), bytes, "{} of\n{}", file, model.pipeline());
        }
    }
    Ok(project.read("lockfiles/pipeline.lock"))
}

fn follow(seeds: &[[u8; 4]], edits: &[Vec<[u8; 3]>]) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    (0..INPUTS).for_each(|input| drop(model.files.insert(format!("in{input}"), "0\n".to_owned())));
    model.stages = seeds.iter().enumerate().map(|(number, seed)| (number, Stage::new(number, *seed))).collect();
    let projects = [Project::empty(), Project::empty()];
    for round in std::iter::once(&Vec::new()).chain(edits) {
        for edit in round {
            model.edit(*edit, &projects);
        }
        let ran = model.run();
        let locks = [check(&projects[0], "-j1", &model, &ran)?, check(&projects[1], "-j4", &model, &ran)?];
        prop_assert_eq!(&locks[0], &locks[1], "the lock depends on the number of jobs");
    }
    Ok(())
}

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(10, |text| text.parse().unwrap());
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_runs_is_what_a_simple_model_says(
        seeds in proptest::collection::vec(any::<[u8; 4]>(), 1..12),
        edits in proptest::collection::vec(proptest::collection::vec(any::<[u8; 3]>(), 1..4), 1..5),
    ) {
        follow(&seeds, &edits)?;
    }
}
