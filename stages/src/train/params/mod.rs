//! `train` in params.yaml: which learners compete, how each is set up, how one is chosen.

mod learners;
mod preprocess;
mod select;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use learners::{Direction, ForestParams, GbdtParams, LogisticParams, RidgeParams, TreeCategories};
pub use preprocess::{
    ColumnParams, CombinationRule, Constant, Encode, Impute, ImputeCategory, ImputeNumeric, LevelParams,
    PreprocessParams, Scale, TargetParams,
};
pub use select::{Imbalance, ImbalanceParams, ImportanceOf, SelectMethod, SelectParams};

use super::comparison::ComparisonParams;
use super::tuning::{self, TuneParams};
use crate::ParamError;
use crate::common::objective::Objective;
use crate::common::target::Task;

/// A key below `train`, whether its value holds, and what it must be.
type Rule = (&'static str, bool, &'static str);

/// A candidate, from the simplest to the most complex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LearnerName {
    /// The event rate or the mean, whatever the features say.
    Constant,
    /// Penalised logistic regression, for outcomes of 0 and 1.
    Logistic,
    /// Penalised linear regression, for outcomes that are numbers.
    Ridge,
    /// A forest: of probabilities, or of means.
    Forest,
    /// Gradient boosted trees.
    Gbdt,
    /// The mean of the other candidates' predictions.
    Ensemble,
}

impl LearnerName {
    /// The name in params.yaml and in every report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Logistic => "logistic",
            Self::Ridge => "ridge",
            Self::Forest => "forest",
            Self::Gbdt => "gbdt",
            Self::Ensemble => "ensemble",
        }
    }

    /// The linear model of a task: what every other model must beat.
    pub fn linear(task: Task) -> Self {
        match task {
            Task::Binary => Self::Logistic,
            Task::Continuous => Self::Ridge,
        }
    }

    /// Whether it can learn outcomes of that kind.
    pub fn learns(self, task: Task) -> bool {
        match self {
            Self::Logistic => task == Task::Binary,
            Self::Ridge => task == Task::Continuous,
            Self::Constant | Self::Forest | Self::Gbdt | Self::Ensemble => true,
        }
    }
}

/// All of `train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainParams {
    /// The candidates; absent: the linear model of the outcome's kind (logistic or ridge), forest and gbdt.
    pub models: Option<Vec<LearnerName>>,
    /// What they are compared by on the outer folds; absent: log loss for events, RMSE for numbers.
    pub metric: Option<Objective>,
    /// Whether the simplest candidate within one standard error of the best is taken, instead of the best.
    pub one_standard_error: bool,
    /// What is fitted on the training rows before a learner sees them.
    pub preprocess: PreprocessParams,
    /// Which features the candidates get.
    pub select: SelectParams,
    /// How events and non-events are balanced for the candidates.
    pub imbalance: ImbalanceParams,
    /// The candidate logistic regression.
    pub logistic: LogisticParams,
    /// The candidate ridge regression.
    pub ridge: RidgeParams,
    /// The forest.
    pub forest: ForestParams,
    /// The boosted trees.
    pub gbdt: GbdtParams,
    /// The search for better settings.
    pub tune: TuneParams,
    /// How the candidates are compared with each other.
    pub comparison: ComparisonParams,
}

impl Default for TrainParams {
    fn default() -> Self {
        Self {
            models: None,
            metric: None,
            one_standard_error: true,
            preprocess: PreprocessParams::default(),
            select: SelectParams::default(),
            imbalance: ImbalanceParams::default(),
            logistic: LogisticParams::default(),
            ridge: RidgeParams::default(),
            forest: ForestParams::default(),
            gbdt: GbdtParams::default(),
            tune: TuneParams::default(),
            comparison: ComparisonParams::default(),
        }
    }
}

impl TrainParams {
    /// Checks the values that the types let through.
    pub fn check(&self) -> Result<(), ParamError> {
        if let Some(models) = &self.models {
            check_models(models)?;
        }
        if let Some(metric) = &self.metric {
            let at = |(place, message): (String, String)| ParamError::new(format!("train.metric.{place}"), message);
            metric.check().map_err(at)?;
        }
        let rules = [self.logistic.rules(), self.ridge.rules(), self.forest.rules(), self.gbdt.rules()];
        if let Some((key, _, message)) = rules.into_iter().flatten().find(|(_, holds, _)| !holds) {
            return Err(ParamError::new(format!("train.{key}"), message));
        }
        self.preprocess.check()?;
        self.select.check()?;
        self.imbalance.check()?;
        self.comparison.check()?;
        tuning::check(self)
    }

    /// The candidates for outcomes of that kind.
    ///
    /// # Errors
    /// When one of them cannot learn such outcomes.
    pub fn candidates(&self, task: Task) -> Result<Vec<LearnerName>, ParamError> {
        let Some(models) = &self.models else {
            return Ok(vec![LearnerName::linear(task), LearnerName::Forest, LearnerName::Gbdt]);
        };
        match models.iter().position(|name| !name.learns(task)) {
            Some(index) => {
                let (name, linear) = (models[index].as_str(), LearnerName::linear(task).as_str());
                let message = format!("`{name}` cannot learn an outcome that is {task}; `{linear}` can");
                Err(ParamError::new(format!("train.models.{index}"), message))
            }
            None => Ok(models.clone()),
        }
    }
}

impl TrainParams {
    /// The score that decides between candidates for outcomes of that kind.
    ///
    /// # Errors
    /// When the one that is set does not judge such outcomes.
    pub fn deciding(&self, task: Task) -> Result<Objective, ParamError> {
        let usual = match task {
            Task::Binary => Objective::LogLoss,
            Task::Continuous => Objective::Rmse,
        };
        judging(self.metric.unwrap_or(usual), task, "train.metric")
    }

    /// The score that decides between trials for outcomes of that kind.
    ///
    /// # Errors
    /// When the one that is set does not judge such outcomes.
    pub fn tuning_metric(&self, task: Task) -> Result<Objective, ParamError> {
        match self.tune.metric {
            Some(metric) => judging(metric, task, "train.tune.metric"),
            None => self.deciding(task),
        }
    }
}

fn judging(metric: Objective, task: Task, path: &str) -> Result<Objective, ParamError> {
    let message = || format!("`{}` does not judge an outcome that is {task}", metric.key());
    if metric.judges(task) { Ok(metric) } else { Err(ParamError::new(path, message())) }
}

fn check_models(models: &[LearnerName]) -> Result<(), ParamError> {
    if models.is_empty() {
        let message = "names no candidate; give at least one of logistic, ridge, forest, gbdt";
        return Err(ParamError::new("train.models", message));
    }
    for (index, name) in models.iter().enumerate() {
        if models[..index].contains(name) {
            let message = format!("`{}` is listed twice", name.as_str());
            return Err(ParamError::new(format!("train.models.{index}"), message));
        }
    }
    match models.iter().position(|&name| name == LearnerName::Ensemble) {
        Some(index) if models.len() < 3 => {
            let message = "`ensemble` is the mean of the other candidates; list at least two of them";
            Err(ParamError::new(format!("train.models.{index}"), message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_follow_the_outcome() {
        let params = TrainParams::default();
        assert_eq!(params.candidates(Task::Continuous).expect("defaults")[0], LearnerName::Ridge);
        let models = Some(vec![LearnerName::Gbdt, LearnerName::Logistic]);
        let params = TrainParams { models, ..params };
        assert_eq!(params.candidates(Task::Binary).expect("both learn 0 and 1").len(), 2);
        assert_eq!(params.candidates(Task::Continuous).expect_err("logistic").path, "train.models.1");
        let models = Some(vec![LearnerName::Ensemble, LearnerName::Gbdt]);
        assert_eq!(TrainParams { models, ..params }.check().expect_err("too few").path, "train.models.0");
    }

    #[test]
    fn defaults_are_valid_and_nonsense_names_its_path() {
        assert_eq!(TrainParams::default().check(), Ok(()));
        let twice = vec![LearnerName::Gbdt, LearnerName::Gbdt];
        let mut params = TrainParams { models: Some(twice), ..TrainParams::default() };
        assert_eq!(params.check().expect_err("twice").path, "train.models.1");
        params.models = None;
        params.gbdt.subsample = f64::NAN;
        assert_eq!(params.check().expect_err("NaN").path, "train.gbdt.subsample");
    }
}
