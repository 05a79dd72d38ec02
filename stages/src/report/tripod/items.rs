//! The 27 items of TRIPOD+AI with their parts: what files can answer, and what only people can.

/// One item.
pub(super) struct Item {
    pub id: &'static str,
    pub topic: &'static str,
    /// What the files of a run can answer: the input role of the report, and what its file has.
    pub files: &'static [(&'static str, &'static str)],
    /// What only people can answer.
    pub people: Option<&'static str>,
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
pub(super) const ITEMS: &[Item] = &[
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
        &[("models", "whether events were weighted or synthesised in training")],
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
