//! How much of the machine running stages take: threads, memory, places in pools.
//!
//! A stage takes the threads it declares (else one) of `-j`, the memory it declares, and one place in its pool. One
//! that asks for more than there is runs alone instead of never.

use std::collections::BTreeMap;

use crate::config::{Pool, StageDef};

/// What is free and what is taken.
#[derive(Debug)]
pub(super) struct Capacity<'a> {
    jobs: usize,
    /// Bytes; `None` = not known, so memory bounds nothing.
    memory: Option<u64>,
    pools: &'a BTreeMap<String, Pool>,
    stages: usize,
    threads: usize,
    bytes: u64,
    in_pool: BTreeMap<&'a str, u32>,
}

impl<'a> Capacity<'a> {
    pub(super) fn new(jobs: usize, memory: Option<u64>, pools: &'a BTreeMap<String, Pool>) -> Self {
        Self { jobs: jobs.max(1), memory, pools, stages: 0, threads: 0, bytes: 0, in_pool: BTreeMap::new() }
    }

    /// Whether no further stage can start, whatever it needs.
    pub(super) fn is_exhausted(&self) -> bool {
        self.threads >= self.jobs
    }

    /// Whether a stage can start now.
    pub(super) fn has_room(&self, stage: &StageDef) -> bool {
        let in_pool = |pool: &String| {
            let slots = self.pools.get(pool).map_or(1, |pool| pool.slots);
            self.in_pool.get(pool.as_str()).copied().unwrap_or(0) < slots
        };
        let fits = self.threads + threads(stage) <= self.jobs
            && self.memory.is_none_or(|memory| self.bytes.saturating_add(bytes(stage)) <= memory);
        stage.pool.as_ref().is_none_or(in_pool) && (fits || self.stages == 0)
    }

    /// A stage starts.
    pub(super) fn take(&mut self, stage: &'a StageDef) {
        self.stages += 1;
        self.threads += threads(stage);
        self.bytes = self.bytes.saturating_add(bytes(stage));
        if let Some(pool) = &stage.pool {
            *self.in_pool.entry(pool).or_default() += 1;
        }
    }

    /// A stage that started has ended.
    pub(super) fn give_back(&mut self, stage: &StageDef) {
        self.stages = self.stages.saturating_sub(1);
        self.threads = self.threads.saturating_sub(threads(stage));
        self.bytes = self.bytes.saturating_sub(bytes(stage));
        if let Some(taken) = stage.pool.as_ref().and_then(|pool| self.in_pool.get_mut(pool.as_str())) {
            *taken = taken.saturating_sub(1);
        }
    }
}

fn threads(stage: &StageDef) -> usize {
    stage.resources.threads.unwrap_or(1)
}

fn bytes(stage: &StageDef) -> u64 {
    stage.resources.memory.unwrap_or(0)
}
