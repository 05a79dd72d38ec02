//! Why a bundle scores a row as it does: the contribution of each feature to the margin behind `p_raw`.
//!
//! A feature's contribution is the sum of those of its encoded columns (levels, missing flag). Base plus contributions
//! are the margin. Calibration is not explained: it maps the margin's probability to `p` in one ascending step. An
//! averaged ensemble is explained member by member, each in its own margin, because an average of probabilities is no
//! sum of log odds.

use super::manifest::BundleError;
use super::score::{Bundle, Scorer};
use crate::common::frame::Frame;
use crate::common::shap::{self, Contributions, ShapError, TreeExplainer};
use crate::common::target::Task;
use crate::train::{LearnerName, Matrix, Model, ModelMember, Preprocessor};

/// The explained rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanations {
    /// The features of every row, as the models' preprocessors receive them.
    pub features: Frame,
    /// One for each member of the model; nearly always one.
    pub members: Vec<Explanation>,
}

/// What one model says of every row.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The learner of the model.
    pub learner: LearnerName,
    /// The unit of base, margins and contributions.
    pub scale: Scale,
    /// What the contributions belong to: the bundle's features in their order.
    pub features: Vec<String>,
    /// The margin that no feature is yet counted in: the mean over the training rows for trees, the margin at the
    /// training rows' means for linear models.
    pub base: f64,
    /// The margin of each row.
    pub margins: Vec<f64>,
    /// One value a row and feature, rows together.
    contributions: Vec<f64>,
}

/// The unit of a margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// ln(p / (1 − p)) of the event.
    LogOdds,
    /// Probability of the event.
    Probability,
    /// The unit of a continuous outcome.
    Outcome,
}

impl Scale {
    /// As files and answers name it.
    pub fn key(self) -> &'static str {
        match self {
            Self::LogOdds => "log_odds",
            Self::Probability => "probability",
            Self::Outcome => "outcome",
        }
    }

    /// In words, for axes and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogOdds => "log odds",
            Self::Probability => "probability",
            Self::Outcome => "unit of the outcome",
        }
    }

    fn of(model: &Model, task: Task) -> Self {
        match (model, task) {
            (Model::Ridge { .. }, _) | (_, Task::Continuous) => Self::Outcome,
            (Model::Logistic { .. } | Model::Gbdt(_), Task::Binary) => Self::LogOdds,
            (Model::Constant { .. } | Model::Forest(_), Task::Binary) => Self::Probability,
        }
    }
}

impl Explanation {
    /// The contributions of the row at this place, one a feature.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.contributions[row * self.features.len()..(row + 1) * self.features.len()]
    }

    /// The contributions of the feature at this place, one a row.
    pub fn column(&self, feature: usize) -> impl Iterator<Item = f64> {
        self.contributions.iter().skip(feature).step_by(self.features.len().max(1)).copied()
    }

    /// How far base plus contributions is from the margin in the worst row; rounding only.
    pub fn additivity_error(&self) -> f64 {
        let sums = (0..self.margins.len()).map(|row| self.row(row).iter().fold(self.base, |sum, value| sum + value));
        sums.zip(&self.margins).fold(0.0, |worst, (sum, margin)| worst.max((sum - margin).abs()))
    }

    fn new(
        task: Task,
        features: &Frame,
        names: &[String],
        preprocessor: &Preprocessor,
        member: &ModelMember,
        explainer: Option<&TreeExplainer>,
    ) -> Result<Self, BundleError> {
        let matrix = preprocessor.transform(features, None);
        let matrix = matrix.map_err(|error| BundleError::Features(error.to_string()))?;
        let wrong =
            |error: ShapError| BundleError::Format { member: "model.json".to_owned(), message: error.to_string() };
        let columns = contributions(member, explainer, &matrix).map_err(wrong)?;
        let mut names = names.to_vec();
        let places = preprocessor.sources().into_iter().map(|source| place(&mut names, source)).collect::<Vec<_>>();
        let mut sums = vec![0.0; matrix.rows * names.len()];
        for (row, sums) in sums.chunks_exact_mut(names.len().max(1)).enumerate() {
            for (&place, value) in places.iter().zip(columns.row(row)) {
                sums[place] += value;
            }
        }
        Ok(Self {
            learner: member.learner,
            scale: Scale::of(&member.model, task),
            features: names,
            base: columns.base,
            margins: member.model.margins(&matrix),
            contributions: sums,
        })
    }
}

/// Where a column's feature stands in the list, to which one that the bundle does not list is added.
fn place(names: &mut Vec<String>, source: &str) -> usize {
    names.iter().position(|name| name == source).unwrap_or_else(|| {
        names.push(source.to_owned());
        names.len() - 1
    })
}

fn contributions(
    member: &ModelMember,
    explainer: Option<&TreeExplainer>,
    matrix: &Matrix,
) -> Result<Contributions, ShapError> {
    if let Some(explainer) = explainer {
        return explainer.contributions(&matrix.values, matrix.cols);
    }
    match &member.model {
        Model::Constant { value } => {
            let nothing = vec![0.0; matrix.cols];
            shap::linear(*value, &nothing, &nothing, &matrix.values, matrix.cols)
        }
        Model::Logistic { intercept, coef } | Model::Ridge { intercept, coef } => {
            let means = member.means.as_deref().unwrap_or_default();
            shap::linear(*intercept, coef, means, &matrix.values, matrix.cols)
        }
        Model::Forest(trees) | Model::Gbdt(trees) => shap::trees(trees, &matrix.values, matrix.cols),
    }
}

/// The most nodes of a member that is kept prepared for explaining: some megabytes.
const KEPT_NODES: usize = 20_000;

/// The prepared trees of each member that is small enough to be kept so.
pub(super) type Explainers = Vec<Option<TreeExplainer>>;

fn explainer((_, member): &(Preprocessor, ModelMember)) -> Option<TreeExplainer> {
    let (Model::Forest(trees) | Model::Gbdt(trees)) = &member.model else { return None };
    let nodes: usize = trees.trees.iter().map(|tree| tree.nodes().len()).sum();
    (nodes <= KEPT_NODES).then(|| TreeExplainer::new(trees))
}

impl Bundle {
    /// Explains every row; what the table must hold is what [`Bundle::predict`] needs.
    pub fn explain(&self, raw: &Frame) -> Result<Explanations, BundleError> {
        self.explain_features(self.features_of(raw)?)
    }

    /// Explains rows whose features are known, as [`Bundle::features_of`] gives them.
    pub fn explain_features(&self, features: Frame) -> Result<Explanations, BundleError> {
        let names: Vec<String> = self.features().features.iter().map(|feature| feature.name.clone()).collect();
        let Scorer { task, members } = &self.scorer;
        let explainers = self.explainers.get_or_init(|| members.iter().map(explainer).collect());
        let explain = |((preprocessor, member), explainer): (&(Preprocessor, ModelMember), &Option<TreeExplainer>)| {
            Explanation::new(*task, &features, &names, preprocessor, member, explainer.as_ref())
        };
        let members = members.iter().zip(explainers).map(explain).collect::<Result<_, _>>()?;
        Ok(Explanations { features, members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::bundle::tests::{assemble, bundle_of};
    use crate::common::link::{logit, sigmoid};
    use crate::train::test_study::raw;

    #[test]
    fn every_learner_is_explained_to_its_margin_and_alike_for_one_row() {
        for (model, scale) in [("logistic", Scale::LogOdds), ("forest", Scale::Probability), ("gbdt", Scale::LogOdds)] {
            let directory = assemble(model);
            let bundle = Bundle::load(&directory.path().join("bundle")).expect("its own bundle");
            let table = raw();
            let all = bundle.explain(&table).expect("the same columns");
            let [one] = all.members.as_slice() else { panic!("{model} is one model") };
            assert_eq!((one.learner.as_str(), one.scale), (model, scale));
            assert_eq!(one.features.len(), bundle.features().features.len());
            assert!(one.additivity_error() < 1e-9, "{model}: {}", one.additivity_error());
            for (row, prediction) in bundle.predict(&table).expect("the same columns").iter().enumerate() {
                let p = if scale == Scale::LogOdds { logit(prediction.p_raw) } else { prediction.p_raw };
                assert!((one.margins[row] - p).abs() < 1e-9, "{model}, row {row}: {p} is not {}", one.margins[row]);
            }
            let alone = bundle.explain(&table.take(&[5])).expect("one row");
            assert_eq!(alone.members[0].row(0), one.row(5));
            assert!((0..one.features.len()).any(|feature| one.column(feature).any(|value| value.abs() > 0.05)));
        }
    }

    #[test]
    fn averaged_models_are_explained_each_in_its_own_margin() {
        let (directory, other) = (assemble("logistic"), assemble("forest"));
        for name in ["model.json", "preprocessor.json"] {
            let read = |at: &Path| -> serde_json::Value {
                serde_json::from_str(&std::fs::read_to_string(at.join("models").join(name)).expect("text"))
                    .expect("JSON")
            };
            let (mut one, mut two) = (read(directory.path()), read(other.path()));
            let [members, more] = [&mut one, &mut two].map(|file| file["members"].as_array_mut().expect("members"));
            members.append(more);
            std::fs::write(directory.path().join("models").join(name), one.to_string()).expect("written");
        }
        std::fs::remove_dir_all(directory.path().join("bundle")).expect("removed");
        bundle_of(directory.path());
        let bundle = Bundle::load(&directory.path().join("bundle")).expect("two models");
        let explained = bundle.explain(&raw()).expect("the same columns").members;
        assert_eq!(explained.iter().map(|one| one.scale).collect::<Vec<_>>(), [Scale::LogOdds, Scale::Probability]);
        assert!(explained.iter().all(|one| one.additivity_error() < 1e-9));
        for (row, prediction) in bundle.predict(&raw()).expect("the same columns").iter().enumerate() {
            let mean = f64::midpoint(sigmoid(explained[0].margins[row]), explained[1].margins[row]);
            assert!((prediction.p_raw - mean).abs() < 1e-12, "row {row}: {mean}");
        }
    }

    #[test]
    fn contributions_of_a_linear_model_average_to_nothing_over_its_training_rows() {
        let directory = assemble("logistic");
        let bundle = Bundle::load(&directory.path().join("bundle")).expect("its own bundle");
        let table = raw().take(&(0..crate::train::test_study::TRAIN).collect::<Vec<_>>());
        let all = bundle.explain(&table).expect("the same columns");
        for (feature, name) in all.members[0].features.iter().enumerate() {
            let sum: f64 = all.members[0].column(feature).sum();
            assert!(sum.abs() < 1e-8, "{name}: {sum}");
        }
    }
}
