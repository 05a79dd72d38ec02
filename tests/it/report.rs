//! The report as its readers get it: named at the end of a run, and made anew without training when only its words
//! change.

use crate::project::Project;

fn study() -> Project {
    let project = Project::init("dropout");
    let params = project.read("study/params.yaml").replace("n: 10000", "n: 800");
    project.write("study/params.yaml", &params.replace("models: [logistic, forest, gbdt]", "models: [logistic]"));
    project
}

#[test]
fn a_run_ends_with_the_report_and_its_words_cost_no_training() {
    let project = study();
    let run = project.run(&["-C", "study", "repro"]).succeeds();
    assert!(run.stdout.contains("\nreport     artifacts/report.html\n"), "{}", run.stdout);
    let page = project.read("study/artifacts/report.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<h1>Who leaves the trial early?</h1>"));
    let tripod = project.read("study/artifacts/tripod_ai.md");
    assert!(tripod.contains("| 18a | Funding | missing | Not declared"), "{tripod}");

    let params = project.read("study/params.yaml");
    let said = "report:\n  tripod: {18a: nobody paid}\n  title: Leaving <early>\n";
    let from = params.find("\nreport:").unwrap() + 1;
    let to = from + params[from..].find('\n').unwrap() + 1;
    project.write("study/params.yaml", &format!("{}{said}{}", &params[..from], &params[to..]));
    let outcomes = project.outcomes(&["-C", "study"]);
    let ran: Vec<&String> = outcomes.iter().filter(|(_, outcome)| *outcome == "ran").map(|(stage, _)| stage).collect();
    assert_eq!(ran, ["report"]);
    assert!(project.read("study/artifacts/report.html").contains("<h1>Leaving &lt;early&gt;</h1>"));
    assert!(project.read("study/artifacts/tripod_ai.md").contains("| 18a | Funding | declared | nobody paid"));
}

#[test]
fn what_nobody_can_declare_is_refused_with_its_place() {
    let project = study();
    let params = project.read("study/params.yaml").replace("\nreport: {", "\nreport: {tripod: {12a: by us}, ");
    project.write("study/params.yaml", &params);
    let run = project.run(&["-C", "study", "repro"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("params.yaml") && run.stderr.contains("is no item that can be declared"),
        "{}",
        run.stderr
    );
}
