//! Fits the candidates and baselines on the training rows, compares them on the outer folds and keeps one.
//!
//! Every fit sees training rows only; what is fitted before a learner (imputation, scaling, levels) is fitted on the
//! same rows as the learner. The kept candidate's out-of-fold predictions are what calibration and the threshold are
//! built on. Settings are searched for in inner folds, on the training rows of each outer fold, so that comparing the
//! candidates on the outer folds is the only other selection; test rows play no part in either.

mod alone;
mod balance;
mod choose;
mod comparison;
mod cv;
mod feature_selection;
mod files;
mod learner;
mod model;
mod monotone;
mod new_rows;
mod out_of_fold;
mod params;
mod preprocess;
mod recipe;
mod refit;
mod study;
#[cfg(test)]
pub(crate) mod test_study;
mod tuning;

use std::collections::BTreeMap;
use std::path::Path;

pub use alone::{AloneError, fit_alone};
pub use comparison::{CandidateComparison, ComparisonParams, Contestant, Difference, Pair};
pub use files::{BaselineConstant, BaselineLinear, Card};
pub use learner::LearnError;
pub use model::{Model, ModelFile, ModelMember, PreprocessorFile};
pub use new_rows::{RefitRecipe, RefitRows};
pub use params::{Imbalance, LearnerName, TrainParams};
pub use preprocess::{
    Block, CombinationsFile, DropReason, Dropped, Encoding, Fingerprint, Matrix, Preprocessor, SeenCombinations, Step,
};
pub(crate) use refit::{FoundSettings, Refitter};
pub use tuning::{Pruner, Range, TuneMethod, TuneParams};

use crate::common::canonical_json;
use crate::common::target::Task;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};
use choose::{CvReport, Summary};
use cv::{Candidate, Comparison, Counter, CvResult};
use recipe::{Recipe, Trained};
use study::Study;
pub(crate) use study::training_rows;
use tuning::{Found, Tuned};

/// The file of the seen combinations, in `models/` and in a bundle.
pub const COMBINATIONS: &str = "combinations.json";

/// The stage `train`.
pub struct Train;

impl Stage for Train {
    fn name(&self) -> &'static str {
        "train"
    }

    fn version(&self) -> u32 {
        6
    }

    fn about(&self) -> &'static str {
        "fits candidates and baselines by cross-validation and keeps one"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "the feature table"),
                Role::required("spec", "how the features are computed"),
                Role::required("split", "parts and folds"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("models", "directory of the kept model, the baselines and the model's card"),
                Role::required("oof", "out-of-fold predictions of the kept model"),
                Role::required("cv", "every fold's scores and the choice"),
                Role::optional("trials", "every trial of the search for settings"),
                Role::optional("candidates", "out-of-fold predictions of every candidate and baseline"),
                Role::optional("comparison", "every pair of candidates and baselines, tested on the same rows"),
            ]
        }
    }

    fn params(&self) -> &'static [Role] {
        const { &[Role::required("seed", "the study's seed"), Role::required("train", "learners and selection")] }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let params = parse(context.params())?;
        let study = Study::load(context)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
        let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
        pool.install(|| train(context, &params, &study))
    }
}

fn parse(params: &ParamSet) -> Result<TrainParams, ParamError> {
    let parsed: TrainParams = params.parse("train")?;
    parsed.check()?;
    Ok(parsed)
}

fn train(context: &StageContext, params: &TrainParams, study: &Study) -> Result<(), StageError> {
    let field = Field::enter(params, study)?;
    monotone::check(&params.gbdt.monotone, &study.features)?;
    let (metric, seed) = (params.deciding(study.task)?, context.seed()?);
    params.tuning_metric(study.task)?;
    let counter = Counter::new(context, field.fits(study.folds.count()));
    let comparison = Comparison { study, metric, seed, counter: &counter };
    let results = comparison.cross_validate(&field.contestants)?;
    let entries = field.entries(&comparison, &results)?;
    let summaries: Vec<(LearnerName, Summary)> =
        entries.iter().map(|(name, result)| (*name, Summary::new(result))).collect();
    let (chosen, reason) = choose::choose(&summaries, &metric, params.one_standard_error)?;
    let name = entries[chosen].0;
    let fit = |place: usize| {
        let rounds = Summary::new(&results[place]).rounds;
        comparison.fit_all(&field.contestants[place], rounds, context.threads())
    };
    let places = field.members(name);
    let fitted: Vec<(Trained, Option<Found>)> = places.iter().map(|&place| fit(place)).collect::<Result<_, _>>()?;
    let (kept, found): (Vec<Trained>, Vec<Option<Found>>) = fitted.into_iter().unzip();
    let linear = fit(LINEAR)?.0;
    field.log(context, &results);
    let rounds = if let [only] = kept.as_slice() { only.rounds } else { None };
    let imbalance = balanced(params, &results, &places, &found);
    let card = Card {
        schema_version: 2,
        model: name,
        reason: reason.clone(),
        training_rows: study.fingerprint(),
        events: study.events().map(|events| events as u64),
        columns: kept.iter().map(|trained| trained.member.columns.len()).sum(),
        rounds,
        imbalance,
    };
    let models = context.output("models")?;
    files::write_models(models, study, kept, linear, &card)?;
    combinations(study, params, models)?;
    out_of_fold::table(study, name.as_str(), imbalance, &entries[chosen].1)?.write(context.output("oof")?)?;
    let baselines_of = [&results[LINEAR], &results[CONSTANT]];
    out_of_fold::side_by_side(context, study, params, &entries, baselines_of, name)?;
    if let Some(path) = context.output_opt("trials") {
        write_trials(path, &results, &places, &found)?;
    }
    let report = CvReport {
        schema_version: 2,
        metric,
        one_standard_error: params.one_standard_error,
        folds: study.folds.count(),
        n: study.rows(),
        events: study.events(),
        baselines: baselines(study.task, &results),
        chosen: name,
        reason,
        tuning: field.tuning(&places, found),
        candidates: summaries.into_iter().map(|(name, summary)| (name.as_str().to_owned(), summary)).collect(),
    };
    canonical_json::write(context.output("cv")?, &report)
}

/// Learns the seen combinations from all training rows, when there are rules. No model depends on them.
fn combinations(study: &Study, params: &TrainParams, models: &Path) -> Result<(), StageError> {
    let rules = &params.preprocess.combinations;
    if rules.is_empty() {
        return Ok(());
    }
    let learn = |(at, rule)| SeenCombinations::fit(rule, at, &study.features, |name| study.raw.contains(name));
    let rules = rules.iter().enumerate().map(learn).collect::<Result<_, _>>();
    let rules = rules.map_err(|error| StageError::failed(error.to_string()))?;
    let file = CombinationsFile { schema_version: 1, rules, fitted_on: study.fingerprint() };
    canonical_json::write(&models.join(COMBINATIONS), &file)
}

/// Places of the baselines among the contestants; the candidates follow.
const LINEAR: usize = 0;
const CONSTANT: usize = 1;
const FIRST_CANDIDATE: usize = 2;

/// Everything that is fitted on every fold: the baselines, then the candidates in the order of the parameters.
struct Field {
    /// The candidates, the ensemble included.
    names: Vec<LearnerName>,
    contestants: Vec<Candidate>,
}

impl Field {
    fn enter(params: &TrainParams, study: &Study) -> Result<Self, StageError> {
        let names = params.candidates(study.task)?;
        let linear = LearnerName::linear(study.task);
        let baseline = |learner: LearnerName| Candidate {
            name: format!("baseline {}", learner.as_str()),
            recipe: Recipe::plain(learner),
        };
        let mut contestants = vec![baseline(linear), baseline(LearnerName::Constant)];
        let fitted = names.iter().filter(|&&name| name != LearnerName::Ensemble);
        contestants.extend(fitted.map(|&learner| Candidate {
            name: learner.as_str().to_owned(),
            recipe: Recipe { learner, params: params.clone() },
        }));
        Ok(Self { names, contestants })
    }

    /// The places of the contestants that a candidate is made of.
    fn members(&self, name: LearnerName) -> Vec<usize> {
        let places = FIRST_CANDIDATE..self.contestants.len();
        places.filter(|&at| name == LearnerName::Ensemble || self.contestants[at].recipe.learner == name).collect()
    }

    /// Every candidate's results, in the order of the parameters.
    fn entries(
        &self,
        comparison: &Comparison,
        results: &[CvResult],
    ) -> Result<Vec<(LearnerName, CvResult)>, StageError> {
        let entries = self.names.iter().map(|&name| {
            let members: Vec<&CvResult> = self.members(name).into_iter().map(|at| &results[at]).collect();
            let result = match members.as_slice() {
                [only] => (*only).clone(),
                several => comparison.average(several)?,
            };
            Ok((name, result))
        });
        entries.collect()
    }

    /// Most fits there can be: those on the folds, those on all rows, and those of every search.
    fn fits(&self, folds: usize) -> usize {
        let searched: usize = self.contestants.iter().map(|candidate| tuning::fits(&candidate.recipe)).sum();
        (self.contestants.len() + searched) * folds + self.names.len() + 1 + searched
    }

    /// What the searches on all training rows found, by contestant.
    fn tuning(&self, kept: &[usize], found: Vec<Option<Found>>) -> BTreeMap<String, Tuned> {
        let named =
            |(&place, found): (&usize, Option<Found>)| Some((self.contestants[place].name.clone(), found?.tuned));
        kept.iter().zip(found).filter_map(named).collect()
    }

    /// Tells the log what each candidate's fits and predictions took. Times are in no artifact: they never repeat.
    fn log(&self, context: &StageContext, results: &[CvResult]) {
        for (candidate, result) in self.contestants.iter().zip(results) {
            let (fit, predict) = (result.took.fit.as_secs_f64(), result.took.predict.as_secs_f64());
            let folds = result.folds.len();
            context
                .log(&format!("{}: {folds} folds fitted in {fit:.3} s, predicted in {predict:.3} s", candidate.name));
        }
    }
}

/// How the rows behind any of the kept predictions were balanced; a search may have found different ways.
fn balanced(params: &TrainParams, results: &[CvResult], kept: &[usize], found: &[Option<Found>]) -> Option<Imbalance> {
    kept.iter().zip(found).find_map(|(&place, found)| match found {
        None => params.imbalance.marked(),
        Some(found) => {
            let folds = results[place].folds.iter().filter_map(|fold| fold.tuning.as_ref());
            folds.chain([&found.tuned]).find_map(Tuned::balanced)
        }
    })
}

/// Every search of every contestant, that on all training rows (of the kept ones) after those of the folds.
fn write_trials(path: &Path, results: &[CvResult], kept: &[usize], found: &[Option<Found>]) -> Result<(), StageError> {
    let searches = results.iter().enumerate().flat_map(|(place, result)| {
        let last = kept.iter().zip(found).filter(move |(kept, _)| **kept == place);
        result.searches.iter().chain(last.filter_map(|(_, found)| found.as_ref()).map(|found| &found.searched))
    });
    tuning::write(path, searches)
}

/// The baselines' scores by name.
fn baselines(task: Task, results: &[CvResult]) -> BTreeMap<String, Summary> {
    let constant = match task {
        Task::Binary => "prevalence",
        Task::Continuous => "mean",
    };
    BTreeMap::from([
        (LearnerName::linear(task).as_str().to_owned(), Summary::new(&results[LINEAR])),
        (constant.to_owned(), Summary::new(&results[CONSTANT])),
    ])
}

#[cfg(test)]
mod bad_data_tests;
#[cfg(test)]
mod tests;
