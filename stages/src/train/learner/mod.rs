//! The learners behind one trait.
//!
//! A learner gets encoded rows and returns a [`Model`]; it never sees raw columns, folds or test rows. Its bytes
//! depend on the rows, its parameters and the seed, not on the number of threads.

mod constant;
mod forest;
mod gbdt;
mod logistic;
mod ridge;

pub use constant::Constant;
pub use forest::Forest;
pub use gbdt::Gbdt;
pub use logistic::Logistic;
pub use ridge::Ridge;

use super::model::Model;
use super::params::{LearnerName, TrainParams, TreeCategories};
use super::preprocess::Dialect;
use crate::common::glm::GlmError;
use crate::common::rows::Rows;
use crate::common::target::Task;
use crate::common::tree::TreeError;

/// What a learner is given.
pub struct FitRequest<'a> {
    /// Encoded training rows.
    pub x: &'a dyn Rows,
    /// Which columns hold category codes.
    pub coded: &'a [bool],
    /// The kind of the outcome.
    pub task: Task,
    /// The outcome of each row; 0 or 1 when it is an event.
    pub y: &'a [f64],
    /// What each row counts; absent: 1.
    pub weights: Option<&'a [f64]>,
    /// The patient of each row, as an index.
    pub groups: &'a [usize],
    /// Per column −1 when predictions may only fall with it, 1 when they may only rise, else 0; empty: all 0.
    pub monotone: &'a [i8],
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

impl FitRequest<'_> {
    /// What a row counts.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }
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
    /// No row counts.
    #[error("there is no row to learn from")]
    NoRows,
    /// A linear model without a unique solution.
    #[error("column {0} depends on those before it; raise l2")]
    Dependent(usize),
    /// More cells than a forest takes.
    #[error(
        "{rows} rows of {columns} encoded columns are too many for a forest (8 GiB of cells, 4 billion rows); \
             leave out categories of many levels, or select features"
    )]
    TooLarge {
        /// Training rows.
        rows: usize,
        /// Encoded columns.
        columns: usize,
    },
    /// A category code that is no code.
    #[error("column {column} is said to hold category codes, but has a value that is none")]
    BadCode {
        /// Which.
        column: usize,
    },
    /// Outcomes beyond what single precision can square and add.
    #[error("an outcome of {0:e} is too large to learn from; give it in another unit")]
    LargeOutcome(f64),
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

/// The learner of that name, set up as the parameters say; none for the ensemble, which is made of others.
pub fn learner(name: LearnerName, params: &TrainParams) -> Option<Box<dyn Learner>> {
    match name {
        LearnerName::Constant => Some(Box::new(Constant)),
        LearnerName::Logistic => Some(Box::new(Logistic(params.logistic.clone()))),
        LearnerName::Ridge => Some(Box::new(Ridge(params.ridge.clone()))),
        LearnerName::Forest => Some(Box::new(Forest(params.forest.clone()))),
        LearnerName::Gbdt => Some(Box::new(Gbdt(params.gbdt.clone()))),
        LearnerName::Ensemble => None,
    }
}

impl TreeCategories {
    /// The encoding of a learner that takes missing values as they are.
    fn dialect(self) -> Dialect {
        match self {
            Self::Native => Dialect::Native,
            Self::Onehot => Dialect::NativeOnehot,
        }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
