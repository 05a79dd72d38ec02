//! What the outer folds predicted, as tables: the kept candidate's rows for calibration, and everything side by side.

use super::comparison::Entrants;
use super::cv::CvResult;
use super::params::{Imbalance, LearnerName, TrainParams};
use super::study::Study;
use crate::common::canonical_json;
use crate::common::table::Table;
use crate::common::target::Task;
use crate::{StageContext, StageError};

/// Writes the predictions of everything that was cross-validated, and the comparison of every pair, where asked for.
/// `entries` are the candidates, `baselines` the linear one and the constant.
pub(super) fn side_by_side(
    context: &StageContext,
    study: &Study,
    params: &TrainParams,
    entries: &[(LearnerName, CvResult)],
    baselines: [&CvResult; 2],
    chosen: LearnerName,
) -> Result<(), StageError> {
    let (candidates, comparison) = (context.output_opt("candidates"), context.output_opt("comparison"));
    if candidates.is_none() && comparison.is_none() {
        return Ok(());
    }
    let constant = if study.task == Task::Binary { "prevalence" } else { "mean" };
    let names = [LearnerName::linear(study.task).as_str(), constant];
    let named = entries.iter().map(|(name, result)| (name.as_str().to_owned(), result));
    let baselines = names.into_iter().zip(baselines).map(|(name, result)| (format!("baseline_{name}"), result));
    let rows = held_out(study);
    let pick = |(name, result): (String, &CvResult)| (name, rows.iter().map(|&row| result.predicted[row]).collect());
    let predictions: Vec<(String, Vec<f64>)> = named.chain(baselines).map(pick).collect();
    if let Some(path) = candidates {
        let mut table = held_out_rows(study, &rows)?;
        match study.task {
            Task::Binary => table.push_ints("y", rows.iter().map(|&row| Some(study.y[row] as i64)).collect())?,
            Task::Continuous => table.push_floats("y", rows.iter().map(|&row| study.y[row]).collect())?,
        };
        for (name, values) in &predictions {
            table.push_floats(name, values.clone())?;
        }
        table.write(path)?;
    }
    let Some(path) = comparison else { return Ok(()) };
    let entrants = Entrants {
        task: study.task,
        y: rows.iter().map(|&row| study.y[row]).collect(),
        patients: rows.iter().map(|&row| study.group_names.get(row).unwrap_or_default()).collect(),
        predictions,
        chosen: chosen.as_str(),
    };
    canonical_json::write(path, &entrants.compare(&params.comparison, context.seed()?))
}

/// The rows that a fold holds out.
fn held_out(study: &Study) -> Vec<usize> {
    (0..study.rows()).filter(|&row| study.folds.place(row).held_in.is_some()).collect()
}

/// A table of those rows: `row_id`, `group` and `fold`.
fn held_out_rows(study: &Study, rows: &[usize]) -> Result<Table, StageError> {
    let fold = |row: usize| study.folds.place(row).held_in;
    let mut table = Table::with_rows(rows.len());
    table
        .push_ints("row_id", rows.iter().map(|&row| Some(study.row_ids[row])).collect())?
        .push_texts("group", rows.iter().map(|&row| Some(study.group_names.get(row).unwrap_or_default())))?
        .push_ints("fold", rows.iter().map(|&row| fold(row).map(|fold| fold as i64)).collect())?;
    Ok(table)
}

/// The rows that a fold holds out, with the predictions of the model that has not seen them.
pub(super) fn table(
    study: &Study,
    model: &str,
    imbalance: Option<Imbalance>,
    result: &CvResult,
) -> Result<Table, StageError> {
    let rows = held_out(study);
    let predicted = rows.iter().map(|&row| result.predicted[row]).collect();
    let mut table = held_out_rows(study, &rows)?;
    table.push_texts("model", std::iter::repeat_n(Some(model), rows.len()))?;
    match study.task {
        Task::Binary => table
            .push_ints("y", rows.iter().map(|&row| Some(study.y[row] as i64)).collect())?
            .push_floats("p_raw", predicted)?,
        Task::Continuous => table
            .push_floats("y", rows.iter().map(|&row| study.y[row]).collect())?
            .push_floats("prediction", predicted)?,
    };
    if let Some(imbalance) = imbalance {
        table.push_texts("imbalance", std::iter::repeat_n(Some(imbalance.as_str()), rows.len()))?;
    }
    Ok(table)
}
