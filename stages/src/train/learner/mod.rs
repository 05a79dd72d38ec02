//! The learners behind one trait.
//!
//! A learner gets an encoded matrix and returns a [`Model`]; it never sees raw columns, folds or test rows. Its bytes
//! depend on the matrix, its parameters and the seed, not on the number of threads.

mod forest;
mod gbdt;
mod logistic;

pub use forest::Forest;
pub use gbdt::Gbdt;
pub use logistic::Logistic;

use super::model::Model;
use super::params::{GbdtCategories, LearnerName, TrainParams};
use super::preprocess::{Dialect, Matrix};
use crate::common::glm::GlmError;
use crate::common::tree::TreeError;

/// What a learner is given.
pub struct FitRequest<'a> {
    /// Encoded training rows.
    pub x: &'a Matrix,
    /// Which columns hold category codes.
    pub coded: &'a [bool],
    /// The outcome of each row.
    pub y: &'a [bool],
    /// The patient of each row, as an index.
    pub groups: &'a [usize],
    /// Boosting rounds; absent: the learner finds them by early stopping.
    pub rounds: Option<usize>,
    /// The study's seed.
    pub seed: u64,
    /// Names the random stream, so that every fit has its own.
    pub label: &'a str,
    /// How many threads this fit may use.
    pub threads: usize,
    /// Called with the rounds or trees done so far.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

/// What a learner returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// The rounds it was boosted for.
    pub rounds: Option<usize>,
}

/// Why a learner failed.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The logistic regression has no solution.
    #[error(transparent)]
    Glm(#[from] GlmError),
    /// The logistic regression did not settle.
    #[error("the coefficients still move after {0} Newton steps; raise l2")]
    NotConverged(usize),
    /// A tree cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// There is nothing to learn from.
    #[error("there is no column to learn from")]
    NoColumns,
    /// The library behind the learner refused.
    #[error("{0}")]
    Library(String),
}

/// A way to fit a model.
pub trait Learner: Sync {
    /// How its matrix must be encoded.
    fn dialect(&self) -> Dialect;
    /// Fits.
    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError>;
}

/// The learner of that name, set up as the parameters say.
pub fn learner(name: LearnerName, params: &TrainParams) -> Box<dyn Learner> {
    match name {
        LearnerName::Logistic => Box::new(Logistic(params.logistic.clone())),
        LearnerName::Forest => Box::new(Forest(params.forest.clone())),
        LearnerName::Gbdt => Box::new(Gbdt(params.gbdt.clone())),
    }
}

impl GbdtCategories {
    fn dialect(self) -> Dialect {
        match self {
            Self::Native => Dialect::Native,
            Self::Onehot => Dialect::NativeOnehot,
        }
    }
}

#[cfg(test)]
mod tests;
