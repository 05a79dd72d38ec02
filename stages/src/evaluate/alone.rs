//! An evaluation of outcomes and predictions without files and baselines: the door through which measurements reach the
//! code of `evaluate`, and by which `drift` measures predictions whose outcome has come in.

use std::collections::BTreeMap;

use super::assemble::Evidence;
use super::bootstrap::{Clusters, resample_with};
use super::document::{Evaluated, FrozenThreshold, Metrics};
use super::measures::{Buffers, Sample};
use crate::common::privacy::Privacy;
use crate::common::scores::Ranking;
use crate::train::Fingerprint;
use crate::tune_threshold::{Decision, PolicyKind};
use crate::{StageContext, StageError, StageRequest};

/// Predicted rows of patients.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Whether the event happened.
    pub y: Vec<bool>,
    /// Probabilities.
    pub p: Vec<f64>,
    /// The patient of each row.
    pub patients: Vec<String>,
}

impl Predicted {
    /// The rows in ascending order of their predictions, as `evaluate` arranges them.
    fn arranged(&self, threshold: f64) -> (Sample, Clusters) {
        let order = Ranking::new(&self.p).order().to_vec();
        let p = super::pick(&self.p, &order);
        let sample = Sample::new(super::pick(&self.y, &order), p, Vec::new(), threshold, 1.0, None);
        (sample, Clusters::new(&super::pick(&self.patients, &order)))
    }

    /// metrics.json of these rows, as far as it needs no baselines.
    pub fn metrics(&self, threshold: f64, resamples: usize, seed: u64, threads: usize) -> Result<Metrics, StageError> {
        let (sample, clusters) = self.arranged(threshold);
        let measure = |buffers: &mut Buffers, weights: &[u32]| sample.measure(buffers, weights);
        let resamples = resample_with(&context(threads), &clusters, seed, resamples, Buffers::default, measure)?;
        let evidence = Evidence {
            data: "synthetic".to_owned(),
            model: String::new(),
            evaluated: Evaluated { bundle: String::new(), rows: Fingerprint::new([]), content: String::new() },
            frozen: FrozenThreshold {
                value: threshold,
                policy: PolicyKind::Fbeta,
                decision: Decision::Cutoff,
                by_level: None,
            },
            sample: &sample,
            clusters: &clusters,
            point: &sample.plain(),
            resamples: &resamples,
            too_few: super::enough::too_few(&clusters, Some(&sample.y)),
            confidence: 0.95,
            privacy: Privacy::default(),
        };
        Ok(evidence.metrics())
    }

    /// AUROC, average precision and Brier score of every resample, and of nothing else.
    pub fn headline(&self, resamples: usize, seed: u64, threads: usize) -> Result<Vec<[f64; 3]>, StageError> {
        let (sample, clusters) = self.arranged(0.5);
        resample_with(&context(threads), &clusters, seed, resamples, Buffers::default, |buffers, weights| {
            let (found, brier) = sample.headline(buffers, weights);
            [found.auroc, found.auprc, brier]
        })
    }
}

fn context(threads: usize) -> StageContext<'static> {
    let request = StageRequest {
        uses: "evaluate".to_owned(),
        inputs: BTreeMap::default(),
        outputs: BTreeMap::default(),
        params: serde_json::Map::default(),
        threads,
    };
    StageContext::new(request, &|_| {})
}
