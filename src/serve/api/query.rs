//! The one question that a query may ask: in which shape the answer shall come.

use axum::extract::Query;
use axum::http::Uri;
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
    /// Reads `answer=profile` or `answer=full`, once at most; other parameters are none of the service's.
    pub fn of(uri: &Uri) -> Result<Self, ApiError> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Err(refused("the query cannot be read as name=value pairs"));
        };
        let mut asked = pairs.iter().filter(|(name, _)| name == "answer").map(|(_, value)| value.as_str());
        match (asked.next(), asked.next()) {
            (_, Some(_)) => Err(refused("is given twice")),
            (None | Some("profile"), None) => Ok(Self::Profile),
            (Some("full"), None) => Ok(Self::Full),
            (Some(_), None) => Err(refused("must be profile or full")),
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

fn refused(message: &str) -> ApiError {
    let problem = FieldProblem { field: "answer".to_owned(), message: message.to_owned(), kind: "level" };
    ApiError::invalid(vec![problem])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_asked_for_once_and_in_full_words() {
        let of = |query: &str| Shape::of(&format!("/predict?{query}").parse().expect("an address")).ok();
        for query in ["", "answer=profile", "x=1&y", "answers=no"] {
            assert_eq!(of(query), Some(Shape::Profile), "{query}");
        }
        for query in ["answer=full", "a=b&answer=%66ull"] {
            assert_eq!(of(query), Some(Shape::Full), "{query}");
        }
        for query in ["answer", "answer=", "answer=Full", "answer=full&answer=full", "answer=profile&answer=x"] {
            assert_eq!(of(query), None, "{query}");
        }
    }
}
