//! Which model answers.

use std::sync::{Arc, PoisonError, RwLock};

use super::Model;

/// The model that is served. A request keeps the one it got, so replacing it disturbs no request.
pub(super) struct Models(RwLock<Arc<dyn Model>>);

impl Models {
    pub fn new(model: Arc<dyn Model>) -> Self {
        Self(RwLock::new(model))
    }

    /// The model for the next request.
    pub fn current(&self) -> Arc<dyn Model> {
        // The lock is held for a pointer's copy only, which cannot panic half-way.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
