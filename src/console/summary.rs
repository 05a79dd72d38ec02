//! The final table: what was done, and what came of it.
//!
//! Plain text without colour, made for 80 columns and more. It flatters nobody: a baseline that is as good as the
//! model is named right below the numbers.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::study::{Estimate, StudySummary};
use super::text::{one_line, time};
use crate::sched::events::Outcome;
use crate::util::human::{count, number};

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSummary {
    /// All stages of the plan, in its order.
    pub stages: Vec<StageResult>,
    /// Wall time of the run.
    pub seconds: f64,
    /// What is known of the study, if the pipeline evaluates a model.
    pub study: Option<StudySummary>,
}

/// How one stage ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StageResult {
    /// Its name.
    pub name: String,
    /// How.
    pub outcome: Outcome,
    /// Wall time.
    pub seconds: f64,
}

/// The narrowest text that is still made to fit.
const NARROWEST: usize = 40;

impl RunSummary {
    /// The text, at most `width` columns wide where words allow, ending in a newline.
    pub fn render(&self, width: usize) -> String {
        let width = width.max(NARROWEST);
        let mut text = self.stage_lines(width);
        if let Some(study) = &self.study {
            text.push('\n');
            text.push_str(&study_lines(study, width));
        }
        text
    }

    fn stage_lines(&self, width: usize) -> String {
        let total = time(self.seconds);
        if !self.stages.is_empty() && self.stages.iter().all(|stage| stage.outcome == Outcome::Fresh) {
            let stages = if self.stages.len() == 1 { "the stage is" } else { "stages are" };
            let number = if self.stages.len() == 1 { String::new() } else { format!("all {} ", self.stages.len()) };
            return format!("{number}{stages} up to date ({total})\n");
        }
        let groups = [
            ("failed", Outcome::Failed),
            ("interrupted", Outcome::Interrupted),
            ("skipped", Outcome::Skipped),
            ("ran", Outcome::Ran),
            ("restored", Outcome::Restored),
            ("fresh", Outcome::Fresh),
        ];
        let mut rows = Vec::new();
        for (word, outcome) in groups {
            let members: Vec<_> = self.stages.iter().filter(|stage| stage.outcome == outcome).collect();
            if !members.is_empty() {
                let names: Vec<String> = members.iter().map(|stage| stage_text(stage)).collect();
                rows.push(vec![word.to_owned(), members.len().to_string(), names.join(", ")]);
            }
        }
        rows.push(vec!["total".to_owned(), self.stages.len().to_string(), total]);
        layout(None, rows, width, &[CellAlignment::Left; 3])
    }
}

/// The stage, with its time where it did some work.
fn stage_text(stage: &StageResult) -> String {
    let name = one_line(&stage.name);
    match stage.outcome {
        Outcome::Ran | Outcome::Failed | Outcome::Interrupted => format!("{name} {}", time(stage.seconds)),
        Outcome::Fresh | Outcome::Restored | Outcome::Skipped => name,
    }
}

fn study_lines(study: &StudySummary, width: usize) -> String {
    let mut text = layout(None, facts_above(study), width, &[CellAlignment::Left; 2]);
    text.push('\n');
    text.push_str(&numbers(study, width));
    let comments = comments(study, width);
    if !comments.is_empty() {
        text.push('\n');
        text.push_str(&comments);
    }
    let facts = facts_below(study);
    if !facts.is_empty() {
        text.push('\n');
        text.push_str(&layout(None, facts, width, &[CellAlignment::Left; 2]));
    }
    text
}

/// What the numbers mean: which baselines are not beaten, or else what the evaluation says.
fn comments(study: &StudySummary, width: usize) -> String {
    let note = |line: &String| wrap(&format!("NOTE: {}", one_line(line)), width);
    let aside = study.set_aside.as_ref().map(note).unwrap_or_default();
    if study.not_beaten.is_empty() {
        return study.verdict.as_ref().map(|verdict| wrap(&one_line(verdict), width)).unwrap_or_default() + &aside;
    }
    study.not_beaten.iter().map(note).collect::<String>() + &aside
}

fn facts_above(study: &StudySummary) -> Vec<Vec<String>> {
    let mut test = match (study.rows, study.events) {
        (Some(rows), Some(events)) => format!("{} test rows, {} events", count(rows), count(events)),
        (Some(rows), None) => format!("{} test rows", count(rows)),
        _ => String::new(),
    };
    if let Some(data) = &study.data {
        let note = match data.as_str() {
            "synthetic" => "synthetic: says nothing about patients",
            "real" => "real data",
            other => other,
        };
        let _ = write!(test, "{}{}", if test.is_empty() { "" } else { "; " }, one_line(note));
    }
    let model = match (&study.model, &study.why) {
        (Some(model), Some(why)) => format!("{model}: {why}"),
        (Some(model), None) => model.clone(),
        (None, _) => "unknown".to_owned(),
    };
    let mut facts = vec![fact("model", &model)];
    if !test.is_empty() {
        facts.push(fact("data", &test));
    }
    facts
}

fn facts_below(study: &StudySummary) -> Vec<Vec<String>> {
    let mut facts = Vec::new();
    if let Some(threshold) = study.threshold {
        let policy = study.policy.as_ref().map(|policy| format!(" ({policy})")).unwrap_or_default();
        facts.push(fact(
            "threshold",
            &match (&study.decision, &study.levels) {
                // A cutoff that treats everyone alike is no cutoff: its value would only mislead.
                (Some(decision), _) => format!("none: {decision}{policy}"),
                (None, Some((column, low, high))) => {
                    let ends = format!("{} to {}", number(*low), number(*high));
                    format!("by {}: p ≥ {ends}{policy}{}", one_line(column), flagged(study.flagged_per_1000))
                }
                (None, None) => format!("p ≥ {}{policy}{}", number(threshold), flagged(study.flagged_per_1000)),
            },
        ));
    }
    if let Some(gate) = &study.gate {
        facts.push(fact("gate", if gate.passed { "passed" } else { "not passed: the model is not promotable" }));
        facts.extend(gate.failures.iter().map(|failure| fact("", failure)));
    }
    if let Some(test_use) = &study.test_use {
        facts.push(fact("test rows", test_use));
    }
    if let Some(report) = &study.report {
        facts.push(fact("report", report));
    }
    if let Some(audit) = &study.audit {
        facts.push(fact("audit", audit));
    }
    facts
}

/// How many of 1,000 are flagged, with the interval where there is one.
fn flagged(per_1000: Estimate) -> String {
    let Some(value) = per_1000.value else { return String::new() };
    let interval = per_1000.interval.map(|(low, high)| format!(" ({low:.0} to {high:.0})")).unwrap_or_default();
    format!(", flags {value:.0} of 1,000{interval}")
}

fn fact(name: &str, text: &str) -> Vec<String> {
    vec![name.to_owned(), one_line(text)]
}

/// The headline numbers beside the baselines. The words are short: values up to 999,999 fit into 80 columns.
fn numbers(study: &StudySummary, width: usize) -> String {
    let level = study.confidence.map(|level| format!("{}%\n", (1000.0 * level).round() / 10.0)).unwrap_or_default();
    let mut header: Vec<String> = vec![String::new(), "model".to_owned(), format!("{level}interval")];
    header.extend(study.baselines.iter().map(|name| name.replace(' ', "\n")));
    let mut alignment = vec![CellAlignment::Left, CellAlignment::Right, CellAlignment::Left];
    alignment.resize(header.len(), CellAlignment::Right);
    let shown = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let rows = study.headlines.iter().map(|row| {
        let interval = row.model.interval.map(|(low, high)| format!("{} to {}", number(low), number(high)));
        let model = [row.name.clone(), shown(&row.model.value), interval.unwrap_or_default()];
        model.into_iter().chain(row.baselines.iter().map(shown)).collect()
    });
    layout(Some(header), rows.collect(), width, &alignment)
}

/// Columns without borders; cells wrap at words when the line would be wider than `width`.
fn layout(header: Option<Vec<String>>, rows: Vec<Vec<String>>, width: usize, alignments: &[CellAlignment]) -> String {
    let mut table = Table::new();
    let line = LineStyle::none().fill('-').junction('-');
    table.load_style(TableStyle::new().header_separator(line));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    if let Some(header) = header {
        table.set_header(header);
    }
    table.add_rows(rows);
    for (index, (column, alignment)) in table.column_iter_mut().zip(alignments).enumerate() {
        // The style sets one blank between columns. A number is close to the interval that follows it.
        let is_before_left = alignments.get(index + 1) == Some(&CellAlignment::Left);
        let gap = match alignment {
            _ if index + 1 == alignments.len() => 0,
            CellAlignment::Right if is_before_left => 0,
            _ => 1,
        };
        column.set_padding((0, gap));
        column.set_cell_alignment(*alignment);
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A sentence, broken at words.
fn wrap(sentence: &str, width: usize) -> String {
    layout(None, vec![vec![sentence.to_owned()]], width, &[CellAlignment::Left])
}

#[cfg(test)]
mod tests {
    use super::super::study::tests::study;
    use super::*;
    use proptest::prelude::*;

    fn stage(name: &str, outcome: Outcome, seconds: f64) -> StageResult {
        StageResult { name: name.to_owned(), outcome, seconds }
    }

    fn run() -> RunSummary {
        let stages = vec![
            stage("generate", Outcome::Fresh, 0.0),
            stage("ingest", Outcome::Fresh, 0.0),
            stage("split", Outcome::Restored, 0.02),
            stage("train", Outcome::Ran, 12.4),
            stage("evaluate", Outcome::Ran, 1.26),
        ];
        RunSummary { stages, seconds: 13.9, study: None }
    }

    #[test]
    fn a_null_run_is_one_line() {
        let stages = vec![stage("a", Outcome::Fresh, 0.0), stage("b", Outcome::Fresh, 0.0)];
        let summary = RunSummary { stages, seconds: 0.012, study: None };
        assert_eq!(summary.render(80), "all 2 stages are up to date (0.01s)\n");
    }

    #[test]
    fn the_table_says_what_was_done_and_what_came_of_it() {
        let mut report = study();
        report.report = Some("artifacts/report.html".to_owned());
        let text = RunSummary { study: Some(report), ..run() }.render(80);
        insta::assert_snapshot!(text, @r"
        ran       2  train 12s, evaluate 1.3s
        restored  1  split
        fresh     2  generate, ingest
        total     5  14s

        model  gbdt: lowest log loss over 5 folds (0.331)
        data   2,000 test rows, 240 events; synthetic: says nothing about patients

                        model interval               flag     flag  prevalence     plain
                                                      all     none              logistic
        --------------------------------------------------------------------------------
        AUROC           0.712 0.678 to 0.747            -        -           -     0.701
        calib. slope    0.981 0.840 to 1.122            -        -           -         -
        net benefit    -0.012 -0.020 to 0.001       0.020    0.000       0.020     0.018
        Brier score     0.099 0.090 to 0.108        0.880    0.120       0.106     0.100
        cost / 1,000  312,457 290,000 to 330,000  308,000  600,000     308,000   315,000

        NOTE: flagging everyone is at least as good as this model: cost per 1,000
        308,000, the model's 312,457

        threshold  p ≥ 0.087 (lowest cost), flags 412 of 1,000 (390 to 434)
        gate       not passed: the model is not promotable
                   expected_cost.value: 312,457 is not below 308,000
        report     artifacts/report.html
        ");
    }

    #[test]
    fn failures_come_first() {
        let mut summary = run();
        summary.stages[3].outcome = Outcome::Failed;
        summary.stages[4].outcome = Outcome::Skipped;
        insta::assert_snapshot!(summary.render(80), @r"
        failed    1  train 12s
        skipped   1  evaluate
        restored  1  split
        fresh     2  generate, ingest
        total     5  14s
        ");
    }

    proptest! {
        #[test]
        fn any_text_at_any_width_is_survived(text in "\\PC{0,200}", width in 0_usize..200) {
            let mut study = study();
            study.model = Some(text.clone());
            study.not_beaten = vec![text.clone()];
            let stages = vec![stage(&text, Outcome::Ran, 1.0)];
            let summary = RunSummary { stages, seconds: 1.0, study: Some(study) };
            prop_assert!(summary.render(width).ends_with('\n'));
        }
    }
}
