//! Why a model cannot be handed over.

/// A hand-over that would not be exact, or that was asked for wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// One model is needed, the bundle averages several.
    #[error("the bundle averages {} models: {}", .0.len(), listed(.0))]
    Several(Vec<&'static str>),
    /// There is no such member.
    #[error("the bundle has no member {given}; it has {}", listed(.members))]
    NoMember {
        /// The number asked for.
        given: usize,
        /// The learners of the members.
        members: Vec<&'static str>,
    },
    /// The format has no exact form of this learner.
    #[error("{format} has no exact form of a {learner} model; it takes {takes}")]
    Learner {
        /// The format.
        format: &'static str,
        /// The model's learner.
        learner: &'static str,
        /// Learners that it takes.
        takes: &'static str,
    },
    /// A number would change on the way.
    #[error("tree {tree} has {what} that a 32-bit float cannot hold")]
    Unrepresentable {
        /// Which tree, from 0.
        tree: usize,
        /// `a leaf` or `a threshold`.
        what: &'static str,
    },
    /// More than the format can count.
    #[error("the model has more {0} than the format can count")]
    TooLarge(&'static str),
    /// A value that cannot be written as JSON.
    #[error("cannot be written as JSON: {0}")]
    Json(String),
}

impl ExportError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Several(_) | Self::NoMember { .. } => {
                "choose one with --member N; `clinpipe export onnx` and `export mlflow` take the whole average"
            }
            Self::Learner { .. } => "use `clinpipe export onnx` or `clinpipe export mlflow`",
            Self::Unrepresentable { .. } => "train the model again with this clinpipe",
            Self::TooLarge(_) | Self::Json(_) => "use `clinpipe export mlflow`, which hands over the bundle itself",
        }
    }
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

fn listed(members: &[&str]) -> String {
    let members = members.iter().enumerate().map(|(index, learner)| format!("{index} ({learner})"));
    members.collect::<Vec<_>>().join(", ")
}
