//! The search itself: proposes trials in batches, runs each batch in parallel, and keeps every trial.
//!
//! Invariants: what a batch proposes and where it stops depend on earlier batches only, and each proposal has a random
//! stream of its own; so the trials are the same on any number of threads. What a trial is worth is the caller's
//! business: nothing here knows rows, learners or parameters.

use rayon::prelude::*;

use super::params::{Pruner, TuneMethod, TuneParams};
use super::pruner::Limits;
use super::space::{Choice, Domain, Point, Settings, Space};
use super::tpe;
use super::trial::{State, Trial};
use crate::common::objective::Objective;
use crate::common::rng::Stream;

/// Proposals that were tried before are drawn again this many times, the second half of them at random.
const REDRAWS: usize = 32;

/// What settings achieve on one inner fold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    /// The score.
    pub score: f64,
    /// Boosting rounds, for learners that have them.
    pub rounds: Option<usize>,
}

/// Scores settings on one inner fold; the error is the reason that trials.csv shows.
pub(super) type Judge<'a> = dyn Fn(&Settings, usize) -> Result<Judged, String> + Sync + 'a;

/// A search.
pub(super) struct Search<'a> {
    /// How it is done.
    pub params: &'a TuneParams,
    /// Among what.
    pub space: &'a Space,
    /// By which score.
    pub objective: Objective,
    /// The study's seed.
    pub seed: u64,
    /// Names the random streams.
    pub label: &'a str,
}

/// The trials of a search in the order of their numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// All of them.
    pub trials: Vec<Trial>,
    /// What a reader of the trials should know.
    pub note: Option<String>,
}

impl Outcome {
    /// The complete trial with the best value; the earlier one of equals.
    pub(super) fn best(&self, objective: &Objective) -> Option<&Trial> {
        let complete = self.trials.iter().filter(|trial| trial.state == State::Complete);
        complete.min_by(|a, b| a.standing(b, objective))
    }
}

impl Search<'_> {
    /// Runs it.
    pub(super) fn run(&self, judge: &Judge) -> Outcome {
        let mut trials: Vec<Trial> = Vec::new();
        while trials.len() < self.params.trials {
            let room = (self.params.trials - trials.len()).min(self.params.batch);
            let batch = self.batch(&trials, room);
            let limits = match self.params.pruner {
                Pruner::None => Limits::none(),
                Pruner::Median => {
                    Limits::median(&trials, self.params.inner_folds, self.params.startup, &self.objective)
                }
            };
            let short = batch.len() < room;
            let first = trials.len();
            let run = |(index, point): (usize, Point)| self.trial(first + index, point, &limits, judge);
            trials.extend(batch.into_par_iter().enumerate().map(run).collect::<Vec<_>>());
            if short {
                break;
            }
        }
        let note = self.note(trials.len());
        Outcome { trials, note }
    }

    /// The next points; fewer than `room` when the space holds nothing new.
    fn batch(&self, earlier: &[Trial], room: usize) -> Vec<Point> {
        let mut batch: Vec<Point> = Vec::with_capacity(room);
        for number in earlier.len()..earlier.len() + room {
            let tried = |point: &Point| batch.contains(point) || earlier.iter().any(|trial| &trial.point == point);
            let Some(point) = self.propose(number, earlier, tried) else { break };
            batch.push(point);
        }
        batch
    }

    fn propose(&self, number: usize, earlier: &[Trial], tried: impl Fn(&Point) -> bool) -> Option<Point> {
        if self.params.method == TuneMethod::Grid {
            return self.space.combination(number as u64);
        }
        let mut stream = Stream::new(self.seed, &format!("{}/trial-{number}", self.label));
        let learns = self.params.method == TuneMethod::Tpe && earlier.len() >= self.params.startup;
        let (best, rest) = if learns { self.groups(earlier) } else { Default::default() };
        let mut draws = (0..REDRAWS).map(|draw| {
            let learned = (learns && draw < REDRAWS / 2).then(|| tpe::propose(self.space, &best, &rest, &mut stream));
            learned.flatten().unwrap_or_else(|| self.anywhere(&mut stream))
        });
        let new = draws.find(|point| !tried(point));
        // A small space may hide its last combinations from any number of draws.
        new.or_else(|| (0..).map_while(|number| self.space.combination(number)).find(|point| !tried(point)))
    }

    /// The best trials and the rest, both in the order of their numbers. Failed trials belong to the rest, so that the
    /// search keeps away from what fails.
    fn groups<'t>(&self, earlier: &'t [Trial]) -> (Vec<&'t Point>, Vec<&'t Point>) {
        let mut order: Vec<&Trial> = earlier.iter().collect();
        order.sort_by(|a, b| a.standing(b, &self.objective));
        let sound = order.iter().filter(|trial| trial.state != State::Failed).count();
        let rest = order.split_off(tpe::best_count(earlier.len()).min(sound));
        let points = |mut group: Vec<&'t Trial>| {
            group.sort_by_key(|trial| trial.number);
            group.into_iter().map(|trial| &trial.point).collect()
        };
        (points(order), points(rest))
    }

    /// A uniform draw.
    fn anywhere(&self, stream: &mut Stream) -> Point {
        let draw = |dimension: &super::space::Dimension| match &dimension.domain {
            Domain::Number(range) => {
                let (from, to) = range.line();
                Choice::Number(range.at(from + stream.uniform() * (to - from)))
            }
            Domain::Choice(values) => Choice::Listed(stream.below(values.len() as u64) as usize),
        };
        self.space.dimensions.iter().map(draw).collect()
    }

    fn trial(&self, number: usize, point: Point, limits: &Limits, judge: &Judge) -> Trial {
        let settings = self.space.settings(&point);
        let (scores, rounds, reason) = (Vec::new(), Vec::new(), String::new());
        let mut trial = Trial { number, point, settings, state: State::Complete, scores, rounds, reason };
        let folds = self.params.inner_folds;
        for fold in 0..folds {
            let judged = match judge(&trial.settings, fold) {
                Ok(judged) => judged,
                Err(reason) => return Trial { state: State::Failed, reason, ..trial },
            };
            trial.scores.push(judged.score);
            trial.rounds.extend(judged.rounds);
            let Some(mean) = trial.mean_of(fold + 1) else { continue };
            if let Some(limit) = limits.exceeded(fold + 1, self.objective.loss(mean)) {
                let reason = format!(
                    "mean {} {mean:.4} after {} of {folds} inner folds; the median of earlier trials is {:.4}",
                    self.objective,
                    fold + 1,
                    self.objective.loss(limit)
                );
                return Trial { state: State::Pruned, reason, ..trial };
            }
        }
        trial
    }

    fn note(&self, done: usize) -> Option<String> {
        let all = self.space.combinations()?;
        if done as u64 >= all {
            return (done < self.params.trials).then(|| format!("all {all} combinations were tried"));
        }
        let grid = self.params.method == TuneMethod::Grid;
        grid.then(|| format!("the grid has {all} combinations; the first {done} were tried"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::tests::space;
    use super::*;
    use serde_json::{Value, json};

    fn toy_space() -> Space {
        space(json!({
            "kind": {"values": ["a", "b", "c"]},
            "rate": {"low": 0.0001, "high": 1, "log": true},
            "size": {"low": 1, "high": 100, "integer": true},
        }))
    }

    /// A valley at rate 0.01, size 70, kind b; half a unit of noise-free difference between inner folds.
    fn toy(settings: &Settings, fold: usize) -> Result<Judged, String> {
        let number = |key: &str| settings[key].as_f64().expect("a number");
        let (rate, size) = (libm::log10(number("rate")) + 2.0, (number("size") - 70.0) / 20.0);
        let kind = if settings["kind"] == "b" { 0.0 } else { 1.0 };
        if number("rate") > 0.5 {
            return Err("the rate is too high".to_owned());
        }
        Ok(Judged { score: rate * rate + size * size + kind + 0.5 * fold as f64, rounds: Some(fold + 1) })
    }

    fn params(method: TuneMethod) -> TuneParams {
        TuneParams { method, trials: 40, inner_folds: 2, ..TuneParams::default() }
    }

    fn run(params: &TuneParams, space: &Space, seed: u64) -> Outcome {
        Search { params, space, objective: Objective::LogLoss, seed, label: "toy" }.run(&toy)
    }

    fn best(method: TuneMethod, seed: u64) -> f64 {
        let outcome = run(&params(method), &toy_space(), seed);
        outcome.best(&Objective::LogLoss).and_then(Trial::value).expect("a complete trial")
    }

    #[test]
    fn learning_from_trials_beats_chance_on_average() {
        let mean = |method| (0..40).map(|seed| best(method, seed)).sum::<f64>() / 40.0;
        let (tpe, random) = (mean(TuneMethod::Tpe), mean(TuneMethod::Random));
        // The best possible value is 0.25.
        assert!(tpe - 0.25 < 0.7 * (random - 0.25), "{tpe} {random}");
    }

    #[test]
    fn threads_do_not_change_a_trial() {
        for method in [TuneMethod::Grid, TuneMethod::Random, TuneMethod::Tpe] {
            let space = match method {
                TuneMethod::Grid => space(json!({
                    "kind": {"values": ["a", "b"]}, "rate": {"values": [0.01, 0.6]},
                    "size": {"low": 10, "high": 90, "step": 20},
                })),
                _ => toy_space(),
            };
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                pool.install(|| run(&params(method), &space, 3))
            };
            let one = on(1);
            assert_eq!((&one, &one), (&on(2), &on(4)));
            for state in [State::Complete, State::Pruned, State::Failed] {
                assert!(one.trials.iter().any(|trial| trial.state == state), "{method:?} {state:?}");
            }
            let given_up = one.trials.iter().filter(|trial| trial.state != State::Complete);
            assert!(given_up.clone().all(|trial| !trial.reason.is_empty() && trial.scores.len() < 2));
        }
    }

    #[test]
    fn a_grid_stops_at_its_trials_and_says_so() {
        let value = json!({"kind": {"values": ["a", "b"]}, "rate": {"values": [0.1, 0.2]}, "size": {"low": 1, "high": 9, "step": 4}});
        let space = space(value);
        let outcome = run(&TuneParams { trials: 5, ..params(TuneMethod::Grid) }, &space, 1);
        assert_eq!(outcome.trials.len(), 5);
        assert_eq!(outcome.note.as_deref(), Some("the grid has 12 combinations; the first 5 were tried"));
        for method in [TuneMethod::Grid, TuneMethod::Random, TuneMethod::Tpe] {
            let all = run(&params(method), &space, 1);
            assert_eq!((all.trials.len(), all.note.as_deref()), (12, Some("all 12 combinations were tried")));
            let distinct: std::collections::BTreeSet<String> =
                all.trials.iter().map(|trial| json!(trial.settings).to_string()).collect();
            assert_eq!(distinct.len(), 12, "{method:?}");
        }
    }

    #[test]
    fn nothing_is_best_when_every_trial_fails() {
        let fail = |_: &Settings, _: usize| Err("no".to_owned());
        let (params, space) = (params(TuneMethod::Tpe), toy_space());
        let search = Search { params: &params, space: &space, objective: Objective::Auroc, seed: 1, label: "toy" };
        let outcome = search.run(&fail);
        assert_eq!((outcome.trials.len(), outcome.best(&Objective::Auroc)), (40, None));
        assert_eq!(outcome.trials[0].settings["rate"].as_f64().map(f64::is_finite), Some(true));
        let _: Value = json!(outcome.trials[0].settings);
    }
}
