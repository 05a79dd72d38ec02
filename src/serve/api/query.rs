//! The one question that a query may ask: in which shape the answer shall come.

use clinpipe_stages::bundle::AnswerProfile;

use crate::serve::errors::{ApiError, FieldProblem};
use crate::serve::model::ModelInfo;

/// Which fields an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Those of the study's profile.
    Profile,
    /// All there are.
    Full,
}

impl Shape {
    /// Reads `answer=profile` or `answer=full`; other parameters are none of the service's.
    pub fn of(query: Option<&str>) -> Result<Self, ApiError> {
        let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        match pairs.find(|(name, _)| *name == "answer").map(|(_, value)| value) {
            None | Some("profile") => Ok(Self::Profile),
            Some("full") => Ok(Self::Full),
            Some(_) => Err(ApiError::invalid(vec![FieldProblem {
                field: "answer".to_owned(),
                message: "must be profile or full".to_owned(),
                kind: "level".to_owned(),
            }])),
        }
    }

    /// The profile that gives an answer this shape.
    pub fn profile(self, info: &ModelInfo) -> &AnswerProfile {
        match self {
            Self::Profile => &info.profile,
            Self::Full => &info.full,
        }
    }
}
