//! A scored batch as columns: the fields of the answer's profile, then `error`.

use clinpipe_stages::bundle::{AnswerField, AnswerValue};
use serde_json::Value;

use super::Answered;
use crate::serve::answer::Answer;
use crate::serve::errors::FieldProblem;
use crate::serve::model::ScoringError;

/// A column of the answer.
pub(super) struct Column {
    pub name: String,
    pub cells: Cells,
}

/// Its cells, one a record.
pub(super) enum Cells {
    Numbers(Vec<Option<f64>>),
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
}

/// The columns of an answer. An interval takes two, `_low` and `_high`; remarks and errors are texts.
pub(super) fn columns(answered: &Answered) -> Vec<Column> {
    let mut columns = Vec::new();
    for field in &answered.shape.profile(answered.info).answer {
        match field.value {
            AnswerValue::Interval => {
                for (end, place) in [("low", 0), ("high", 1)] {
                    let numbers = values(answered, field, &|value| value.get(place)?.as_f64());
                    let name = format!("{}_{end}", field.name);
                    columns.push(Column { name, cells: Cells::Numbers(numbers) });
                }
            }
            value => columns.push(Column { name: field.name.clone(), cells: cells(answered, field, value) }),
        }
    }
    let error = |result: &Result<_, ScoringError>| match result {
        Ok(_) => None,
        Err(ScoringError::Invalid(problems)) => Some(told(problems)),
        Err(ScoringError::Internal(_)) => Some("internal error".to_owned()),
    };
    let errors = answered.results.iter().map(error).collect();
    columns.push(Column { name: "error".to_owned(), cells: Cells::Texts(errors) });
    columns
}

fn cells(answered: &Answered, field: &AnswerField, value: AnswerValue) -> Cells {
    match value {
        AnswerValue::Prediction | AnswerValue::Probability | AnswerValue::Threshold | AnswerValue::Cost => {
            Cells::Numbers(values(answered, field, &Value::as_f64))
        }
        AnswerValue::Flagged => Cells::Integers(values(answered, field, &Value::as_i64)),
        _ => Cells::Texts(values(answered, field, &text)),
    }
}

/// A field of every answer; nothing where there is none.
fn values<T>(answered: &Answered, field: &AnswerField, read: &dyn Fn(&Value) -> Option<T>) -> Vec<Option<T>> {
    let Answered { shape, info, results, time, .. } = answered;
    let value = |result: &Result<_, _>| {
        let scored = result.as_ref().ok()?;
        read(&Answer { profile: shape.profile(info), info, scored, time }.value(field))
    };
    results.iter().map(value).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(problems) => {
            let told = |problem: &Value| format!("{}: {}", plain(&problem["field"]), plain(&problem["message"]));
            Some(problems.iter().map(told).collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
        }
        other => Some(other.to_string()),
    }
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn told(problems: &[FieldProblem]) -> String {
    let told = |problem: &FieldProblem| match problem.field.as_str() {
        "" => problem.message.clone(),
        field => format!("{field}: {}", problem.message),
    };
    problems.iter().map(told).collect::<Vec<_>>().join("; ")
}
