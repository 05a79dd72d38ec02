//! In which form a batch comes and is answered.

use axum::http::{HeaderMap, header};

use super::{Answered, arrow, csv, json};
use crate::serve::api::body::{is_json, media_type};
use crate::serve::errors::{ApiError, FieldProblem};
use crate::serve::model::TableForm;
use crate::serve::record_json::{self, Item};

/// A form of many records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv,
    Arrow,
}

impl Form {
    const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Arrow];

    /// The form of the body, and that of the answer: the first in `accept` that there is, else the body's own.
    pub fn of(headers: &HeaderMap) -> Result<(Self, Self), ApiError> {
        let named = |media: &str| Self::ALL.into_iter().find(|form| form.name() == media);
        let media = media_type(headers);
        let given = if is_json(headers) { Some(Self::Json) } else { media.as_deref().and_then(named) };
        let given = given.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            ApiError::unsupported(format!("the body must be sent as one of the content types {names}"))
        })?;
        let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut asked = accepted.split(',').filter_map(|part| {
            let (media, rest) = part.split_once(';').unwrap_or((part, ""));
            let refused = rest.split(';').any(|one| matches!(one.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (!refused).then_some(media.trim())
        });
        Ok((given, asked.find_map(named).unwrap_or(given)))
    }

    /// The media type without parameters.
    fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The content type of an answer.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            other => other.name(),
        }
    }

    /// The records of a body; a table's are not read beyond one more than `most`.
    pub fn read(self, table: &TableForm, body: &[u8], most: usize) -> Result<Vec<Item>, Vec<FieldProblem>> {
        match self {
            Self::Json => record_json::parse_list(body),
            Self::Csv => csv::read(table, body, most),
            Self::Arrow => arrow::read(table, body, most),
        }
    }

    /// The answer's bytes.
    pub fn write(self, answered: &Answered) -> Result<Vec<u8>, ApiError> {
        match self {
            Self::Json => json::write(answered),
            Self::Csv => csv::write(answered),
            Self::Arrow => arrow::write(answered),
        }
    }
}
