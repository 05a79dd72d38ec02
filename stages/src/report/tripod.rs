//! tripod_ai.md: which items of TRIPOD+AI (Collins et al., BMJ 2024;385:e078378) the files of this run answer, which
//! their authors have answered, and which nobody has.
//!
//! An item is `auto` only where a file holds the answer, and then the file and its digest are named. Rationale,
//! funding, ethics, patient involvement and every other thing that no file can know are `declared` or `missing`. There
//! is no score and no verdict: whether an answer is good is for a reader to say. Items are described in own words.

use super::markdown;
use super::params::ReportParams;
use super::sources::Sources;

/// One item.
struct Item {
    id: &'static str,
    topic: &'static str,
    /// What the files of a run can answer: the input role of the report, and what its file has.
    files: &'static [(&'static str, &'static str)],
    /// What only people can answer.
    people: Option<&'static str>,
}

const fn item(
    id: &'static str,
    topic: &'static str,
    files: &'static [(&'static str, &'static str)],
    people: Option<&'static str>,
) -> Item {
    Item { id, topic, files, people }
}

/// The 27 items with their parts, in order.
const ITEMS: &[Item] = &[
    item(
        "1",
        "Title",
        &[],
        Some("a title that says whether a model is developed or evaluated, for whom and for which outcome"),
    ),
    item("2", "Abstract", &[], Some("an abstract (TRIPOD+AI has a list of its own for it)")),
    item("3a", "Context and rationale", &[], Some("the care context, why the model is needed, which models exist")),
    item(
        "3b",
        "Population, purpose, users",
        &[],
        Some("for whom, for which decision on the care path, and by whom it is meant to be used"),
    ),
    item(
        "3c",
        "Known inequalities",
        &[],
        Some("health inequalities between groups that are known for this population"),
    ),
    item("4", "Objectives", &[], Some("whether the study develops a model, evaluates one, or both")),
    item(
        "5a",
        "Source of data",
        &[("ingest", "source, file and digest of the raw data")],
        Some("why these data, and whom they represent"),
    ),
    item(
        "5b",
        "Dates",
        &[("split", "earliest and latest time of each part, where time is declared")],
        Some("dates of enrolment and of the end of follow-up"),
    ),
    item("6a", "Setting", &[], Some("kind, number and place of the centres")),
    item(
        "6b",
        "Eligibility",
        &[("validation", "rules that rows had to keep, and how many were set aside")],
        Some("criteria for taking part"),
    ),
    item("6c", "Treatments", &[], Some("treatments received, and how they were handled")),
    item(
        "7",
        "Data preparation",
        &[
            ("validation", "every rule by column with counts; rates of setting aside by outcome"),
            ("bundle", "the fitted preprocessing, as members of the bundle"),
        ],
        None,
    ),
    item(
        "8a",
        "Outcome",
        &[("bundle", "column, coding and meaning of the outcome (schema.json of the bundle)")],
        Some("time horizon, how the outcome is assessed, and why this one"),
    ),
    item("8b", "Outcome assessors", &[], Some("who assesses the outcome, where that takes judgement")),
    item(
        "8c",
        "Blinding of the outcome",
        &[],
        Some("what kept the assessment of the outcome apart from the predictors"),
    ),
    item(
        "9a",
        "Choice of predictors",
        &[("bundle", "the predictors (features.json of the bundle)")],
        Some("why these predictors were considered"),
    ),
    item(
        "9b",
        "Definition of predictors",
        &[("bundle", "type, unit, range and time of each column (schema.json), derivations (features.json)")],
        Some("how predictors are measured"),
    ),
    item("9c", "Predictor assessors", &[], Some("who assesses predictors, where that takes judgement")),
    item(
        "10",
        "Sample size",
        &[("cohort", "events per candidate parameter and the size that the criteria of Riley et al. ask for")],
        Some("how the size was arrived at"),
    ),
    item(
        "11",
        "Missing data",
        &[("ingest", "missing values by column"), ("bundle", "how gaps are filled (preprocessor.json of the bundle)")],
        Some("why values are missing"),
    ),
    item(
        "12a",
        "Use of the data",
        &[("split", "how rows were divided, with sizes and events of each part and fold")],
        None,
    ),
    item(
        "12b",
        "Handling of predictors",
        &[("bundle", "encoding, scaling and derivations (preprocessor.json, features.json)")],
        None,
    ),
    item(
        "12c",
        "Type of model and building",
        &[("cv", "candidates, folds, scores, the rule of choice and its outcome")],
        Some("why these kinds of models"),
    ),
    item(
        "12d",
        "Heterogeneity: methods",
        &[("slices", "the slices that were declared and how they are compared")],
        None,
    ),
    item(
        "12e",
        "Measures of performance",
        &[("metrics", "measures with their intervals and how these were made")],
        Some("why these measures"),
    ),
    item(
        "12f",
        "Updating: methods",
        &[
            ("threshold", "that the threshold was chosen on calibrated, cross-fitted training predictions"),
            ("external", "updates on external data, cross-fitted"),
        ],
        None,
    ),
    item(
        "12g",
        "How predictions are made",
        &[("bundle", "the bundle, which `clinpipe predict` and `clinpipe serve` load")],
        None,
    ),
    item(
        "13",
        "Class imbalance",
        &[("bundle", "whether rows were weighted or synthesised in training (card of the bundle's model)")],
        Some("why, where it was done"),
    ),
    item(
        "14",
        "Fairness",
        &[("slices", "performance by declared groups, with gaps and intervals")],
        Some("what was done about fairness, and why"),
    ),
    item(
        "15",
        "Output of the model",
        &[("threshold", "the output is a calibrated risk; the threshold, its policy and how it was chosen")],
        Some("why this policy and these costs"),
    ),
    item(
        "16",
        "Training and evaluation data compared",
        &[("split", "sizes, events and times of both parts")],
        Some("differences in setting, eligibility, outcome or predictors"),
    ),
    item("17", "Ethics", &[], Some("approval and consent, or why they were not needed")),
    item("18a", "Funding", &[], Some("who paid, and their role")),
    item("18b", "Conflicts of interest", &[], Some("interests of the authors")),
    item("18c", "Protocol", &[], Some("where the protocol is, or that there is none")),
    item("18d", "Registration", &[], Some("register and number, or that it was not registered")),
    item("18e", "Sharing of data", &[], Some("whether and how the data can be had")),
    item(
        "18f",
        "Sharing of code",
        &[("bundle", "version of clinpipe; the pipeline file and parameters are the analysis code")],
        Some("where the code can be had"),
    ),
    item("19", "Patients and the public", &[], Some("how patients or the public were involved, or that they were not")),
    item(
        "20a",
        "Flow of participants",
        &[("cohort", "rows, patients and events after each step"), ("split", "rows and events of each part")],
        None,
    ),
    item(
        "20b",
        "Characteristics",
        &[("ingest", "ranges, levels and missing values of each column")],
        Some("characteristics by group or source, follow-up time"),
    ),
    item(
        "20c",
        "Development compared",
        &[("external", "distribution of predictors and risks beside those of training")],
        None,
    ),
    item(
        "21",
        "Numbers per analysis",
        &[("metrics", "rows, events and patients behind every number"), ("cv", "the same for development")],
        None,
    ),
    item(
        "22",
        "The full model",
        &[(
            "bundle",
            "everything needed to predict for a new person; `clinpipe export` writes ONNX, XGBoost or MLflow",
        )],
        Some("restrictions of use"),
    ),
    item(
        "23a",
        "Performance",
        &[
            ("metrics", "estimates with intervals beside naive alternatives"),
            ("curves", "calibration plot, decision curve, ROC and precision-recall curves"),
            ("slices", "the same by group"),
        ],
        None,
    ),
    item("23b", "Heterogeneity: results", &[("slices", "gaps between groups with intervals")], None),
    item("24", "Updating: results", &[("external", "performance as is, recalibrated and refitted")], None),
    item("25", "Interpretation", &[], Some("what the results mean, with fairness, beside earlier studies")),
    item("26", "Limitations", &[], Some("limitations and what they do to the results")),
    item(
        "27a",
        "Poor or missing input",
        &[("bundle", "what is refused, filled or remarked on when a row is scored (schema.json, intake.json)")],
        Some("what to do in care when inputs are poor or missing"),
    ),
    item("27b", "Interaction and expertise", &[], Some("what users must do, and what they must know")),
    item("27c", "Next steps", &[], Some("what research comes next")),
];

/// The items that can be answered under `report.tripod`.
pub(super) fn declarable() -> Vec<&'static str> {
    ITEMS.iter().filter(|item| item.people.is_some()).map(|item| item.id).collect()
}

/// The whole file. `declared` has what other parameters say of an item: where it is declared, and the text.
pub(super) fn render(
    sources: &Sources,
    params: &ReportParams,
    declared: &dyn Fn(&str) -> Option<(&'static str, String)>,
) -> String {
    let mut rows = Vec::new();
    let mut counts = [0_usize; 3];
    for item in ITEMS {
        for (status, content) in answers(item, sources, params, declared) {
            counts[status as usize] += 1;
            rows.push(vec![item.id.to_owned(), item.topic.to_owned(), status.as_str().to_owned(), content]);
        }
    }
    let [auto, said, missing] = counts;
    format!(
        "# TRIPOD+AI: where each item is answered\n\n\
         After Collins et al., BMJ 2024;385:e078378, in own words. `auto`: a file of this run holds the answer; its \
         BLAKE3 digest is given. `declared`: the authors say so in params.yaml; clinpipe has not checked it. `missing`: \
         nobody has said it yet. An item can have several parts. This is an index and no verdict: it does not say that \
         an answer is sufficient, and takes no account of the published text.\n\n\
         {auto} parts auto, {said} declared, {missing} missing.\n\n{}",
        markdown::table(&["Item", "About", "Status", "Answer"], rows)
    )
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Auto,
    Declared,
    Missing,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Declared => "declared",
            Self::Missing => "missing",
        }
    }
}

fn answers(
    item: &Item,
    sources: &Sources,
    params: &ReportParams,
    declared: &dyn Fn(&str) -> Option<(&'static str, String)>,
) -> Vec<(Status, String)> {
    let mut answers = Vec::new();
    let bound = item.files.iter().filter_map(|(role, what)| {
        let digest = sources.digest(role)?;
        Some(format!(
            "{}: {}, BLAKE3 {}",
            markdown::text(what),
            markdown::code(&digest.name),
            markdown::code(&digest.blake3)
        ))
    });
    let bound: Vec<String> = bound.collect();
    if !bound.is_empty() {
        answers.push((Status::Auto, bound.join("; ")));
    } else if let Some((role, what)) = item.files.first() {
        let text =
            format!("No file: {}. Bind the role {} of the stage report.", markdown::text(what), markdown::code(role));
        answers.push((Status::Missing, text));
    }
    if let Some(what) = item.people {
        let own = params.tripod.get(item.id).map(|text| (format!("report.tripod.{}", item.id), text.clone()));
        let elsewhere = || declared(item.id).map(|(key, text)| (key.to_owned(), text));
        if let Some((key, text)) = own.or_else(elsewhere) {
            answers.push((Status::Declared, format!("{} ({})", markdown::text(&text), markdown::code(&key))));
        } else {
            let key = markdown::code(&format!("report.tripod.{}", item.id));
            let text = format!("Not declared: {}. Add {key} to params.yaml.", markdown::text(what));
            answers.push((Status::Missing, text));
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_27_items_and_every_one_asks_for_something() {
        let number = |item: &Item| item.id.trim_end_matches(char::is_alphabetic).parse::<usize>().expect("a number");
        let numbers: BTreeSet<usize> = ITEMS.iter().map(number).collect();
        assert_eq!(numbers, (1..=27).collect());
        let ids: BTreeSet<&str> = ITEMS.iter().map(|item| item.id).collect();
        assert_eq!(ids.len(), ITEMS.len());
        assert!(ITEMS.iter().all(|item| !item.files.is_empty() || item.people.is_some()));
        let roles: BTreeSet<&str> = super::super::INPUTS.iter().map(|role| role.name).collect();
        let unknown: Vec<&str> = ITEMS
            .iter()
            .flat_map(|item| item.files)
            .map(|(role, _)| *role)
            .filter(|role| !roles.contains(role))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn what_no_file_can_know_is_never_filled_in() {
        for id in ["3a", "17", "18a", "18b", "19", "25"] {
            let item = ITEMS.iter().find(|item| item.id == id).expect(id);
            assert!(item.files.is_empty() && item.people.is_some(), "{id}");
        }
    }
}
