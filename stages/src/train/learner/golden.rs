//! The bytes of every learner, frozen: model and predictions must be these for any number of threads, in debug and
//! release builds, and on processors with and without AVX2 (`benches/bytes_across_cpus.sh` runs these tests on an
//! emulated old one).
//!
//! When a digest moves on purpose, raise the version of `train`.

use super::*;
use crate::common::link::sigmoid;
use crate::common::rng::Stream;
use crate::train::preprocess::Matrix;

/// Enough rows that every library behind a learner divides them among its threads.
const ROWS: usize = 20_000;

/// Numbers, a column with gaps where the dialect has them, and a code; an event and a number that follow them.
fn data(dialect: Dialect) -> (Matrix, Vec<f64>, Vec<f64>) {
    let gaps = matches!(dialect, Dialect::Native | Dialect::NativeOnehot);
    let mut stream = Stream::new(11, "golden");
    let (mut values, mut events, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROWS {
        let [a, b, c] = [(); 3].map(|()| f64::from(stream.normal() as f32));
        let code = stream.below(5) as f64;
        let margin = -1.5 + a - 0.5 * b * c + if code > 2.0 { 0.7 } else { 0.0 };
        let gap = stream.chance(0.15) && gaps;
        values.extend([a, if gap { f64::NAN } else { b }, c, code]);
        events.push(f64::from(u8::from(stream.chance(sigmoid(margin)))));
        numbers.push(20.0 + 3.0 * margin + stream.normal());
    }
    (Matrix { rows: ROWS, cols: 4, values }, events, numbers)
}

/// A digest of the model's JSON and the bits of its predictions, for each of several thread counts.
fn digests(name: LearnerName, task: Task) -> Vec<String> {
    let mut params = TrainParams::default();
    params.gbdt.rounds = 30;
    params.forest.trees = 12;
    let learner = learner(name, &params).expect("no ensemble");
    let (x, events, numbers) = data(learner.dialect());
    let groups: Vec<usize> = (0..ROWS).map(|row| row / 2).collect();
    let weights: Vec<f64> = (0..ROWS).map(|row| 0.5 + (row % 4) as f64).collect();
    let digest = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let fit = || {
            learner.fit(&FitRequest {
                x: &x,
                coded: &[false, false, false, true],
                task,
                y: if task == Task::Binary { &events } else { &numbers },
                weights: Some(&weights),
                groups: &groups,
                monotone: &[],
                rounds: None,
                seed: 42,
                label: "golden",
                threads,
                progress: &|_| {},
            })
        };
        let model = pool.install(fit).expect("it fits").model;
        let mut hasher = blake3::Hasher::new();
        hasher.update(serde_json::to_string(&model).expect("JSON").as_bytes());
        for prediction in pool.install(|| model.predict_all(&x, task)) {
            hasher.update(&prediction.to_bits().to_le_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    };
    [1, 2, 4].into_iter().map(digest).collect()
}

#[test]
fn golden_logistic_of_events() {
    assert_eq!(digests(LearnerName::Logistic, Task::Binary), ["d8f78c72bad40b90"; 3]);
}

#[test]
fn golden_ridge_of_numbers() {
    assert_eq!(digests(LearnerName::Ridge, Task::Continuous), ["8a8a0ad470c160f5"; 3]);
}

#[test]
fn golden_forest_of_events() {
    assert_eq!(digests(LearnerName::Forest, Task::Binary), ["eacd3c9b2461503d"; 3]);
}

#[test]
fn golden_forest_of_numbers() {
    assert_eq!(digests(LearnerName::Forest, Task::Continuous), ["cedd97ce0c33cd4e"; 3]);
}

#[test]
fn golden_gbdt_of_events() {
    assert_eq!(digests(LearnerName::Gbdt, Task::Binary), ["8e07bda2fad6819b"; 3]);
}

#[test]
fn golden_gbdt_of_numbers() {
    assert_eq!(digests(LearnerName::Gbdt, Task::Continuous), ["88da490d310bd58e"; 3]);
}
