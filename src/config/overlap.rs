//! Which outputs touch a path: the only notion of "belongs together" in a pipeline.
//!
//! A path touches an output when they are equal or one lies within the other. Found by sorted lookup, so that
//! thousands of stages stay cheap.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::pipeline::{Output, Pipeline, StageDef, StageName};
use crate::util::RelPath;

/// All outputs of a pipeline by path.
#[derive(Debug)]
pub struct OutputIndex<'a> {
    by_path: BTreeMap<&'a str, Vec<(&'a StageDef, &'a Output)>>,
}

impl<'a> OutputIndex<'a> {
    /// Indexes the outputs, in file order where paths are equal.
    pub fn new(pipeline: &'a Pipeline) -> Self {
        let mut by_path: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for stage in pipeline.order.iter().filter_map(|name| pipeline.stages.get(name)) {
            for output in &stage.outs {
                by_path.entry(output.path.as_str()).or_default().push((stage, output));
            }
        }
        Self { by_path }
    }

    /// Every output that is `path`, contains it or lies within it.
    pub fn touching(&self, path: &RelPath) -> Vec<(&'a StageDef, &'a Output)> {
        let text = path.as_str();
        let mut found = Vec::new();
        let mut above = text;
        while let Some((parent, _)) = above.rsplit_once('/') {
            found.extend(self.by_path.get(parent).into_iter().flatten().copied());
            above = parent;
        }
        if !text.is_empty() {
            found.extend(self.by_path.get("").into_iter().flatten().copied());
        }
        found.extend(self.by_path.get(text).into_iter().flatten().copied());
        let below = if text.is_empty() { String::new() } else { format!("{text}/") };
        let inside = self.by_path.range(below.as_str()..).take_while(|(at, _)| at.starts_with(&below));
        found.extend(inside.filter(|(at, _)| **at != text).flat_map(|(_, outputs)| outputs).copied());
        found
    }

    /// The stages that write what `path` names, a part of it, or something around it.
    pub fn producers(&self, path: &RelPath) -> BTreeSet<&'a StageName> {
        self.touching(path).into_iter().map(|(stage, _)| &stage.name).collect()
    }
}

/// Everything a stage reads: dependencies and parameter files.
pub fn reads(stage: &StageDef) -> impl Iterator<Item = &RelPath> {
    stage.deps.iter().map(|dep| &dep.path).chain(stage.params.iter().map(|source| &source.file))
}

/// All (producer, consumer) pairs, without a stage's own, by their places in `pipeline.order`; in order of consumer, then
/// producer.
pub fn edges(pipeline: &Pipeline) -> Vec<(usize, usize)> {
    let index = OutputIndex::new(pipeline);
    let places: HashMap<&StageName, usize> = pipeline.order.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let mut edges = Vec::new();
    for (consumer, stage) in
        pipeline.order.iter().enumerate().filter_map(|(at, name)| Some((at, pipeline.stages.get(name)?)))
    {
        let touched = reads(stage).flat_map(|path| index.touching(path));
        let mut producers: Vec<usize> =
            touched.filter_map(|(producer, _)| places.get(&producer.name).copied()).collect();
        producers.sort_unstable();
        producers.dedup();
        edges.extend(
            producers.into_iter().filter(|producer| *producer != consumer).map(|producer| (producer, consumer)),
        );
    }
    edges
}
