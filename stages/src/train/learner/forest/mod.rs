//! A random forest: trees on bootstrap samples whose leaves are mean outcomes, averaged. For events it is a probability
//! forest: its margin is the probability.
//!
//! Own code, because the forest of smartcore knows neither missing values nor sample weights nor threads.
//!
//! A leaf's event share is moved slightly towards the event rate of the training rows, so that a leaf whose rows all
//! agree does not answer 0 or 1: one such answer that turns out wrong would decide every comparison by log loss.
//!
//! Missing values are split as they are: in cross-validation that scored as imputation with a flag did, or better. One-hot
//! categories are the default because sets of levels did better only where many levels mattered.
//!
//! Columns are binned once (`bins`); every tree has a random stream of its own and is grown by one thread (`grow`), so
//! any number of threads gives the same bytes. Groups, rounds and monotone constraints are not for forests.

mod bins;
mod grow;
mod split;
mod target;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use self::bins::Bins;
use self::grow::{Limits, grow};
use self::target::{Counted, Summed, Target, mean_of};
use super::{FitRequest, Fitted, LearnError, Learner};
use crate::common::rng::Stream;
use crate::common::target::Task;
use crate::common::tree::{Tree, TreeEnsemble};
use crate::train::model::Model;
use crate::train::params::ForestParams;
use crate::train::preprocess::Dialect;

/// A random forest.
pub struct Forest(pub ForestParams);

impl Learner for Forest {
    fn dialect(&self) -> Dialect {
        self.0.categories.dialect()
    }

    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError> {
        if request.x.cols() == 0 {
            return Err(LearnError::NoColumns);
        }
        if request.x.rows() == 0 {
            return Err(LearnError::NoRows);
        }
        let bins = Bins::new(request.x, request.coded, request.threads)?;
        let (y, weights) = (request.y, request.weights);
        let trees = match request.task {
            Task::Binary if weights.is_none() && y.iter().all(|&y| y == 0.0 || y == 1.0) => {
                self.grow_all(&bins, &Counted(y.iter().map(|&y| y == 1.0).collect()), request)?
            }
            Task::Binary => self.grow_all(&bins, &Summed::shares(y, weights), request)?,
            Task::Continuous => self.grow_all(&bins, &Summed::numbers(y, weights), request)?,
        };
        let mut ensemble = TreeEnsemble { base: 0.0, trees };
        if request.task == Task::Binary {
            ensemble.shrink_leaves(mean_of(y, weights));
        }
        let ensemble = ensemble.settle(1.0 / self.0.trees as f64);
        Ok(Fitted { model: Model::Forest(ensemble), rounds: None })
    }
}

impl Forest {
    fn grow_all<T: Target>(&self, bins: &Bins, target: &T, request: &FitRequest) -> Result<Vec<Tree>, LearnError> {
        let columns = bins.columns.len();
        let usual = match request.task {
            Task::Binary => libm::sqrt(columns as f64) as usize,
            Task::Continuous => columns / 3,
        };
        let features = self.0.features.unwrap_or(usual).clamp(1, columns);
        let limits = Limits { depth: self.0.depth, min_leaf: self.0.min_leaf, features };
        let done = AtomicUsize::new(0);
        let grow = |at: usize| {
            let stream = Stream::new(request.seed, &format!("{}/tree-{at}", request.label));
            let tree = grow(bins, target, limits, stream)?;
            (request.progress)(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(tree)
        };
        if request.threads > 1 {
            (0..self.0.trees).into_par_iter().map(grow).collect()
        } else {
            (0..self.0.trees).map(grow).collect()
        }
    }
}

#[cfg(test)]
mod tests;
