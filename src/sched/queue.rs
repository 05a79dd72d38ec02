//! The stages of a run: which wait, which may start, which have ended.
//!
//! A stage becomes ready when the last of the selected stages it reads from has settled. That is counted, not searched
//! for: a run of many stages must not look at all of them each time one ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::events::{Event, EventSink, Outcome};
use super::run::{RunError, StageReport};
use crate::config::StageName;
use crate::graph::Graph;

/// The state of the loop.
pub(super) struct Queue<'a> {
    graph: &'a Graph,
    /// The selected stages in the order in which they were selected; a stage's position is its number below.
    selected: &'a [StageName],
    numbers: HashMap<&'a StageName, usize>,
    /// How many selected producers of a stage have not settled.
    unsettled: Vec<usize>,
    waiting: BTreeSet<usize>,
    /// Those waiting stages that wait for no other.
    ready: BTreeSet<usize>,
    running: BTreeSet<usize>,
    /// Stages that depend on a failed one and are tried all the same.
    pub(super) tainted: BTreeSet<StageName>,
    pub(super) reports: BTreeMap<StageName, StageReport>,
    pub(super) error: Option<RunError>,
    /// No further stage is started.
    pub(super) stopped: bool,
}

impl<'a> Queue<'a> {
    pub(super) fn new(graph: &'a Graph, selected: &'a [StageName]) -> Self {
        let numbers: HashMap<_, _> = selected.iter().enumerate().map(|(number, name)| (name, number)).collect();
        let count = |name| graph.producers(name).into_iter().filter(|producer| numbers.contains_key(producer)).count();
        let unsettled: Vec<usize> = selected.iter().map(count).collect();
        let ready = (0..selected.len()).filter(|number| unsettled[*number] == 0).collect();
        Self {
            graph,
            selected,
            numbers,
            unsettled,
            waiting: (0..selected.len()).collect(),
            ready,
            running: BTreeSet::new(),
            tainted: BTreeSet::new(),
            reports: BTreeMap::new(),
            error: None,
            stopped: false,
        }
    }

    /// Whether no stage waits.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many stages run.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// The waiting stages that wait for no other, in the order of the selection.
    pub(super) fn ready(&self) -> impl Iterator<Item = &'a StageName> {
        self.ready.iter().map(|number| &self.selected[*number])
    }

    /// Whether a stage waits for no other.
    pub(super) fn is_ready(&self, name: &StageName) -> bool {
        self.numbers.get(name).is_some_and(|number| self.ready.contains(number))
    }

    /// The first waiting stage, ready or not.
    pub(super) fn first(&self) -> Option<&'a StageName> {
        self.waiting.first().map(|number| &self.selected[*number])
    }

    /// Marks a stage as running.
    pub(super) fn start(&mut self, name: &StageName) {
        if let Some(number) = self.take(name) {
            self.running.insert(number);
        }
    }

    /// Records how a stage ended.
    pub(super) fn finish(
        &mut self,
        name: &StageName,
        outcome: Outcome,
        seconds: f64,
        detail: String,
        sink: &mut dyn EventSink,
    ) {
        if let Some(number) = self.numbers.get(name) {
            self.running.remove(number);
        }
        self.take(name);
        if matches!(outcome, Outcome::Ran | Outcome::Fresh | Outcome::Restored) {
            self.settle(name);
        }
        sink.event(&Event::StageFinished { stage: name.clone(), outcome, seconds, detail: detail.clone() });
        self.reports.insert(name.clone(), StageReport { outcome, seconds, detail });
    }

    /// What reads from this stage waits for it no longer.
    pub(super) fn settle(&mut self, name: &StageName) {
        for consumer in self.graph.consumers(name) {
            let Some(number) = self.numbers.get(consumer).copied() else { continue };
            self.unsettled[number] = self.unsettled[number].saturating_sub(1);
            if self.unsettled[number] == 0 && self.waiting.contains(&number) {
                self.ready.insert(number);
            }
        }
    }

    /// Takes those waiting stages out of the queue that `which` names, in the order of the selection.
    pub(super) fn drain(&mut self, which: impl Fn(&StageName) -> bool) -> Vec<StageName> {
        let names = self.waiting.iter().map(|number| &self.selected[*number]).filter(|name| which(name));
        let names: Vec<StageName> = names.cloned().collect();
        for name in &names {
            self.take(name);
        }
        names
    }

    /// Removes a stage from those that wait.
    fn take(&mut self, name: &StageName) -> Option<usize> {
        let number = self.numbers.get(name).copied()?;
        self.ready.remove(&number);
        self.waiting.remove(&number).then_some(number)
    }
}
