//! Which model answers: the champion, or for a share of the patients a challenger on trial.
//!
//! Invariants: a request keeps the model it got, so replacing one disturbs no request; a patient always meets the same
//! one of two bundles, in every copy of the service and after every restart.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderValue};
use clinpipe_stages::common::pseudonym::spelled;
use serde_json::{Map, Value, json};

use super::errors::{ApiError, FieldProblem};
use super::metrics::{Metrics, ModelMeter};
use super::{Model, ModelInfo};

/// The header by which a client asks for a model, and by which an answer tells which one it got.
pub(super) const VERSION_HEADER: &str = "x-model-version";

/// Where a model can be read again.
pub trait Source: Send + Sync {
    /// Reads the model as it is now.
    ///
    /// # Errors
    /// What is wrong with it, for the log; it names no value of a patient.
    fn load(&self) -> Result<Loaded, String>;
    /// A text that differs once what [`Source::load`] reads has changed; none when it cannot be looked at.
    fn stamp(&self) -> Option<String>;
}

/// A model and what an operator should know of it.
pub struct Loaded {
    /// The model.
    pub model: Arc<dyn Model>,
    /// A remark, such as that the gate did not pass it.
    pub remark: Option<String>,
}

/// A model at its place in the service.
pub struct Seat {
    /// The model that answers first.
    pub model: Arc<dyn Model>,
    /// Where its successors come from; none for a model that stays.
    pub source: Option<Arc<dyn Source>>,
}

/// What the service starts with.
pub struct Lineup {
    /// The model that answers.
    pub champion: Seat,
    /// A model on trial, and the share of the patients that it answers for, from 0 to 1.
    pub challenger: Option<(Seat, f64)>,
}

impl Lineup {
    /// One model that stays.
    pub fn fixed(model: Arc<dyn Model>) -> Self {
        Self { champion: Seat { model, source: None }, challenger: None }
    }
}

/// The places of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Champion,
    Challenger,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Challenger => "challenger",
        }
    }
}

/// A model in service, with the headers that all its answers carry.
pub(super) struct Served {
    pub role: Role,
    pub model: Arc<dyn Model>,
    pub meter: Arc<ModelMeter>,
    version: Option<HeaderValue>,
    threshold: Option<HeaderValue>,
}

impl Served {
    fn new(role: Role, model: Arc<dyn Model>, metrics: &Metrics) -> Arc<Self> {
        let info = model.info();
        let version = HeaderValue::from_str(info.version()).ok();
        let threshold = info.decision.as_ref().map(|decision| decision.threshold_version.as_str());
        let threshold = threshold.and_then(|version| HeaderValue::from_str(version).ok());
        let meter = metrics.model(role.as_str(), info);
        Arc::new(Self { role, model, meter, version, threshold })
    }

    /// Says which model and which threshold answered, whatever the answer's profile tells.
    pub fn stamp(&self, headers: &mut HeaderMap) {
        for (name, value) in [(VERSION_HEADER, &self.version), ("x-threshold-version", &self.threshold)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }

    fn answers_to(&self, name: &str) -> bool {
        let info = self.model.info();
        name == self.role.as_str() || name == info.version() || name == info.bundle
    }
}

impl Deref for Served {
    type Target = dyn Model;

    fn deref(&self) -> &Self::Target {
        self.model.as_ref()
    }
}

/// A place whose model can be replaced.
struct Place {
    served: RwLock<Arc<Served>>,
    source: Option<Arc<dyn Source>>,
    /// How the source looked when the service was put together.
    stamp: Option<String>,
}

impl Place {
    fn new(role: Role, seat: Seat, metrics: &Metrics) -> Self {
        let stamp = seat.source.as_ref().and_then(|source| source.stamp());
        Self { served: RwLock::new(Served::new(role, seat.model, metrics)), source: seat.source, stamp }
    }

    fn get(&self) -> Arc<Served> {
        // The lock is held for a pointer's copy only, which cannot panic half-way.
        self.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The challenger's place and its share.
struct Trial {
    place: Place,
    /// Patients whose point in 0..2^64 lies below it meet the challenger.
    below: u128,
    /// Counts the requests that name no patient.
    turn: AtomicU64,
}

/// The models in service.
pub(super) struct Models {
    champion: Place,
    trial: Option<Trial>,
}

impl Models {
    pub fn new(lineup: Lineup, metrics: &Metrics) -> Self {
        let trial = lineup.challenger.map(|(seat, share)| Trial {
            place: Place::new(Role::Challenger, seat, metrics),
            below: (share.clamp(0.0, 1.0) * 2f64.powi(64)) as u128,
            turn: AtomicU64::new(0),
        });
        Self { champion: Place::new(Role::Champion, lineup.champion, metrics), trial }
    }

    /// The champion as it is now.
    pub fn current(&self) -> Arc<Served> {
        self.champion.get()
    }

    /// Every model in service, the champion first.
    pub fn all(&self) -> Vec<Arc<Served>> {
        std::iter::once(self.current()).chain(self.trial.as_ref().map(|trial| trial.place.get())).collect()
    }

    /// The model that a record's patient is drawn to.
    pub fn draw(&self, record: &Map<String, Value>) -> Arc<Served> {
        let champion = self.current();
        let Some(trial) = &self.trial else { return champion };
        let challenger = trial.place.get();
        let id = champion.info().patient.as_ref().and_then(|field| record.get(field)).filter(|id| !id.is_null());
        let point = match id {
            Some(id) => point_of(id, challenger.info()),
            // Multiples of the golden ratio spread evenly, so the share holds over any run of requests.
            None => trial.turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        if u128::from(point) < trial.below { challenger } else { champion }
    }

    /// The model that a request asks for by its header, if it does.
    pub fn named(&self, headers: &HeaderMap) -> Result<Option<Arc<Served>>, ApiError> {
        let Some(name) = headers.get(VERSION_HEADER) else { return Ok(None) };
        let name = name.to_str().unwrap_or_default();
        let all = self.all();
        if let Some(served) = all.iter().find(|served| served.answers_to(name)) {
            return Ok(Some(served.clone()));
        }
        let named = |served: &Arc<Served>| format!("{} ({})", served.role.as_str(), served.info().version());
        let message =
            format!("is not in service; there is {}", all.iter().map(named).collect::<Vec<_>>().join(" and "));
        Err(ApiError::invalid(vec![FieldProblem { field: VERSION_HEADER.to_owned(), message, kind: "level" }]))
    }

    /// The places that can be read again, and how their sources looked at the start.
    pub fn sources(&self) -> Vec<(Role, Arc<dyn Source>, Option<String>)> {
        let places = std::iter::once((Role::Champion, &self.champion));
        let places = places.chain(self.trial.as_ref().map(|trial| (Role::Challenger, &trial.place)));
        places.filter_map(|(role, place)| Some((role, place.source.clone()?, place.stamp.clone()))).collect()
    }

    fn place(&self, role: Role) -> Option<&Place> {
        match role {
            Role::Champion => Some(&self.champion),
            Role::Challenger => self.trial.as_ref().map(|trial| &trial.place),
        }
    }

    /// The model at a place.
    pub fn at(&self, role: Role) -> Option<Arc<Served>> {
        Some(self.place(role)?.served.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Puts a model at a place and returns its predecessor's digest.
    pub fn replace(&self, role: Role, model: Arc<dyn Model>, metrics: &Metrics) -> Option<String> {
        let place = self.place(role)?;
        let next = Served::new(role, model, metrics);
        let before =
            std::mem::replace(&mut *place.served.write().unwrap_or_else(PoisonError::into_inner), next.clone());
        let (before, after) = (before.info(), next.info());
        if (&before.name, before.version(), &before.data) != (&after.name, after.version(), &after.data) {
            metrics.retired(role.as_str(), before);
        }
        Some(before.bundle.clone())
    }

    /// What `/health` lists.
    pub fn describe(&self) -> Value {
        let one = |served: &Arc<Served>| {
            let info = served.info();
            json!({"role": served.role.as_str(), "model_version": info.version(), "bundle": info.bundle, "model": info.name})
        };
        self.all().iter().map(one).collect()
    }
}

/// Whether a model answers the same question as another one, so that it may take its place or stand beside it.
///
/// # Errors
/// What it predicts instead.
pub fn same_question(served: &ModelInfo, next: &ModelInfo) -> Result<(), String> {
    if (&served.outcome, served.decision.is_some()) == (&next.outcome, next.decision.is_some()) {
        return Ok(());
    }
    Err(format!(
        "the bundle predicts `{}`, the service `{}`; that needs a service of its own",
        next.outcome, served.outcome
    ))
}

/// Where a patient lies among all. Keyed with the challenger, so that each trial draws its own patients; no secret is
/// needed, since nothing of it leaves the service.
fn point_of(id: &Value, challenger: &ModelInfo) -> u64 {
    let key = blake3::derive_key("clinpipe 2026 share of a challenger", challenger.bundle.as_bytes());
    let hash = blake3::keyed_hash(&key, spelled(id).as_bytes());
    let (first, _) = hash.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*first)
}
