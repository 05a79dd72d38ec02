//! The claims table of the five systems: `docs/five-systems.yaml` is the data, `docs/five-systems.md` what it renders to.
//!
//! Invariants: every number of the five systems stands there exactly once, with a state; whatever is said to work names
//! tests, and those exist. That a named test fails when the capability is removed is for people to judge.
//! `CLINPIPE_BLESS=1 cargo test --release --test it five_systems` writes the page anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The systems in order, and how many capabilities each one has.
const SYSTEMS: [(&str, usize); 5] = [("S1", 48), ("S2", 44), ("S3", 34), ("S4", 43), ("S5", 59)];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    intro: String,
    systems: Vec<System>,
    headlines_intro: String,
    headlines: Vec<Headline>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct System {
    id: String,
    name: String,
    about: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    what: String,
    state: State,
    #[serde(default)]
    tests: Vec<String>,
    command: Option<String>,
    how: Option<String>,
    why: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum State {
    Works,
    Better,
    Serve,
    Operate,
    NotTaken,
    Missing,
}

impl State {
    const ALL: [Self; 6] = [Self::Works, Self::Better, Self::Serve, Self::Operate, Self::NotTaken, Self::Missing];

    fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Better => "better",
            Self::Serve => "serve",
            Self::Operate => "operate",
            Self::NotTaken => "not taken",
            Self::Missing => "missing",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Works => "shown by the tests named",
            Self::Better => "shown by the tests named, and more than the system had",
            Self::Serve => "comes with, or is completed by, the work on serving",
            Self::Operate => "comes with, or is completed by, the work on operation",
            Self::NotTaken => "left out on purpose",
            Self::Missing => "not there yet",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Headline {
    system: String,
    measure: String,
    published: String,
    measured: Measured,
    data: String,
    why: String,
}

/// A number as measured, with what its two ends are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    value: f64,
    low: f64,
    high: f64,
    ends: String,
    digits: usize,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn claims() -> Claims {
    let text = fs::read_to_string(root().join("docs/five-systems.yaml")).unwrap();
    let value = clinpipe::config::parse_value(&text, "five-systems.yaml").unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_value(value).unwrap()
}

/// The text of the module that a path such as `stages::ingest::tests` names: a file of its own, or the file it is in.
fn module(path: &[&str]) -> Option<String> {
    let (krate, inner) = path.split_first()?;
    let base = match *krate {
        "it" => "tests/it",
        "stages" => "stages/src",
        "clinpipe" => "src",
        _ => return None,
    };
    let read = |parts: &[&str]| {
        let file = root().join(base).join(parts.join("/"));
        fs::read_to_string(file.with_extension("rs")).or_else(|_| fs::read_to_string(file.join("mod.rs"))).ok()
    };
    read(inner).or_else(|| {
        let (last, outer) = inner.split_last()?;
        read(outer).filter(|text| text.contains(&format!("mod {last} {{")))
    })
}

/// Whether `python::module::name` is a test of tests/python, which .ci/run runs.
fn exists_in_python(module: &str, name: &str) -> bool {
    let file = root().join("tests/python").join(module).with_extension("py");
    let head = format!("def {name}(");
    name.starts_with("test_")
        && fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line.starts_with(&head)))
}

/// Whether `crate::module::name` is a test that runs.
fn exists(test: &str) -> bool {
    let path: Vec<&str> = test.split("::").collect();
    if let ["python", module, name] = path[..] {
        return exists_in_python(module, name);
    }
    let Some((name, path)) = path.split_last() else { return false };
    let Some(text) = module(path) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let above = || lines[..at].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
        line.trim_start_matches("async ").starts_with(&head)
            && above().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
            && !above().any(|line| line.starts_with("#[ignore"))
    })
}

/// What is wrong with a row, if anything.
fn fault(row: &Row) -> Option<String> {
    let claimed = matches!(row.state, State::Works | State::Better);
    let needs_how = matches!(row.state, State::Better | State::Serve | State::Operate);
    let needs_why = matches!(row.state, State::NotTaken | State::Missing);
    if let Some(test) = row.tests.iter().find(|test| !exists(test)) {
        return Some(format!("there is no test {test}"));
    }
    if claimed == row.tests.is_empty() {
        return Some("tests are named by what works, and by nothing else".to_owned());
    }
    if (needs_how && row.how.is_none()) || (needs_why && row.how.is_some()) {
        return Some(format!("`how` and the state `{}` do not fit", row.state.name()));
    }
    if needs_why != row.why.is_some() {
        return Some(format!("`why` and the state `{}` do not fit", row.state.name()));
    }
    let known = |command: &str| {
        let first = command.split(' ').next().unwrap_or_default();
        first == "clinpipe" || root().join(first).is_file()
    };
    row.command.as_ref().filter(|command| !claimed || !known(command)).map(|command| format!("`{command}`: no command"))
}

#[test]
fn every_number_has_a_state_and_what_works_has_its_tests() {
    let claims = claims();
    let mut faults = Vec::new();
    for ((id, count), system) in SYSTEMS.iter().zip(&claims.systems) {
        assert_eq!(system.id, *id);
        let wanted: Vec<String> = (1..=*count).map(|number| format!("{id}.{number:02}")).collect();
        let found: Vec<&String> = system.rows.iter().map(|row| &row.id).collect();
        assert_eq!(found, wanted.iter().collect::<Vec<_>>(), "each number once, in order");
        faults.extend(system.rows.iter().filter_map(|row| Some(format!("{}: {}", row.id, fault(row)?))));
    }
    assert_eq!(claims.systems.len(), SYSTEMS.len());
    for headline in &claims.headlines {
        let Measured { value, low, high, .. } = headline.measured;
        let known = SYSTEMS.iter().any(|(id, _)| *id == headline.system);
        if !(known && (low..=high).contains(&value)) {
            faults.push(format!("headline {} of {}", headline.measure, headline.system));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_no_test_is_found_out() {
    for test in [
        "it::studies::bytes",
        "it::studies::nosuch",
        "it::nosuch::bytes",
        "stages::ingest::no_bytes_panic",
        "",
        "python::test_page::page",
    ] {
        assert!(!exists(test), "{test}");
    }
    for test in [
        "it::five_systems::what_is_no_test_is_found_out",
        "it::conformance::graph::case_47_a_cycle_names_its_stages",
        "stages::ingest::tests::no_bytes_panic",
        "stages::bundle::tiers::tests::gaps_and_nonsense_are_refused_by_path",
        "clinpipe::serve::tests::health_is_green_only_while_serving",
        "python::test_page::test_the_keyboard_is_enough",
    ] {
        assert!(exists(test), "{test}");
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.trim().replace('\n', " ").replace('|', "\\|")
}

/// What stands in a row's last column.
fn evidence(row: &Row) -> String {
    let mut parts: Vec<String> = [&row.how, &row.why].into_iter().flatten().map(|text| cell(text)).collect();
    parts.extend(row.command.iter().map(|command| format!("`{}`", cell(command))));
    let tests: Vec<String> = row.tests.iter().map(|test| format!("`{test}`")).collect();
    if !tests.is_empty() {
        parts.push(tests.join(", "));
    }
    parts.join("; ")
}

/// A number with so many digits, thousands set apart.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("−", rest));
    let whole = text.split('.').next().unwrap_or_default();
    let mut out = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + &text[whole.len()..]
}

fn render(claims: &Claims) -> String {
    let mut out = format!("# The five systems\n\n{}\n", claims.intro.trim());
    out.push_str(
        "\n| state | means | S1 | S2 | S3 | S4 | S5 | all |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for state in State::ALL {
        let count = |system: &System| system.rows.iter().filter(|row| row.state == state).count();
        let counts: Vec<usize> = claims.systems.iter().map(count).collect();
        let shown = counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
        let all: usize = counts.iter().sum();
        writeln!(out, "| {} | {} | {shown} | {all} |", state.name(), state.about()).unwrap();
    }
    write!(out, "\n## Headlines\n\n{}\n", claims.headlines_intro.trim()).unwrap();
    out.push_str(
        "\n| system | measure | published | clinpipe | on | why they differ |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for line in &claims.headlines {
        let Measured { value, low, high, ends, digits } = &line.measured;
        let [value, low, high] = [value, low, high].map(|value| number(*value, *digits));
        let (measure, published, data, why) =
            (cell(&line.measure), cell(&line.published), cell(&line.data), cell(&line.why));
        writeln!(
            out,
            "| {} | {measure} | {published} | {value} ({low} to {high}; {ends}) | {data} | {why} |",
            line.system
        )
        .unwrap();
    }
    for system in &claims.systems {
        write!(out, "\n## {} {}\n\n{}\n", system.id, system.name, system.about.trim()).unwrap();
        out.push_str("\n| number | what | state | shown by, how or why |\n| --- | --- | --- | --- |\n");
        for row in &system.rows {
            writeln!(out, "| {} | {} | {} | {} |", row.id, cell(&row.what), row.state.name(), evidence(row)).unwrap();
        }
    }
    out
}

#[test]
fn the_page_is_what_the_data_say() {
    let (page, path) = (render(&claims()), root().join("docs/five-systems.md"));
    if std::env::var_os("CLINPIPE_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs: BTreeMap<usize, &str> =
        page.lines().enumerate().filter(|(at, line)| written.lines().nth(*at) != Some(line)).take(3).collect();
    assert!(page == written, "docs/five-systems.md is not what docs/five-systems.yaml says, from {differs:#?}");
}
