//! Order, reach, targets and drawings of small and arbitrary graphs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;

use super::{Drawing, Format, Graph, GraphError, Matching, Selection, render, to_json};
use crate::config::{Dep, OutClass, Output, Pipeline, Resources, Span, StageDef, StageName, Work};
use crate::util::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("inside")
}

fn name(text: &str) -> StageName {
    StageName(text.to_owned())
}

/// A pipeline of `(name, deps, outs)`, paths separated by spaces.
fn pipeline(stages: &[(&str, &str, &str)]) -> Pipeline {
    let stage = |(stage, deps, outs): &(&str, &str, &str)| {
        let dep = |text: &str| Dep { role: None, path: path(text), optional: false, span: Span::default() };
        let output = |text: &str| Output {
            role: None,
            path: path(text),
            directory: false,
            class: OutClass::Out,
            cache: true,
            persist: false,
            push: true,
            plots: Vec::new(),
            span: Span::default(),
        };
        StageDef {
            name: name(stage),
            file: path("pipeline.yaml"),
            local: (*stage).to_owned(),
            span: Span::default(),
            work: Work::Command(vec!["true".to_owned()]),
            wdir: RelPath::default(),
            deps: deps.split_whitespace().map(dep).collect(),
            params: Vec::new(),
            outs: outs.split_whitespace().map(output).collect(),
            env: None,
            resources: Resources::default(),
            timeout: None,
            retries: 0,
            pool: None,
            frozen: false,
            always_changed: false,
            service: false,
            desc: None,
        }
    };
    Pipeline {
        root: PathBuf::from("/nowhere"),
        file: path("pipeline.yaml"),
        others: Vec::new(),
        order: stages.iter().map(|(stage, ..)| name(stage)).collect(),
        stages: stages.iter().map(|entry| (name(entry.0), stage(entry))).collect(),
        pools: BTreeMap::new(),
        metrics: Vec::new(),
        store: crate::config::StoreSettings::default(),
        params: Vec::new(),
        plots: Vec::new(),
    }
}

fn study() -> Pipeline {
    pipeline(&[
        ("generate", "", "data/synthetic.csv"),
        ("ingest", "data/synthetic.csv", "a/ingested a/ingest.json"),
        ("validate", "a/ingested", "a/clean"),
        ("split", "a/clean", "a/split"),
        ("featurize", "a/clean", "a/features a/spec"),
        ("train", "a/features a/spec a/split", "a/models a/oof"),
        ("calibrate", "a/oof", "a/calibrator a/calibrated"),
        ("tune_threshold", "a/calibrated", "a/threshold"),
        ("bundle", "a/models/model.json a/spec a/calibrator a/threshold a/features a/split a/ingest.json", "a/bundle"),
        ("evaluate", "a/bundle a/clean a/split", "a/metrics.json"),
        ("gate", "a/metrics.json", "a/verdict"),
        ("serve", "a/bundle", ""),
    ])
}

fn diamond() -> Pipeline {
    pipeline(&[("e", "d", "e"), ("d", "b c", "d"), ("c", "a", "c"), ("b", "a/x", "b"), ("a", "", "a"), ("f", "", "f")])
}

fn select(graph: &Graph, targets: &[&str], selection: Selection) -> String {
    let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
    match graph.select(&targets, selection, Matching::Exact) {
        Ok(stages) => stages.iter().map(|stage| stage.0.as_str()).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn producers_come_first_and_ties_keep_the_order_of_the_file() {
    let graph = Graph::build(&diamond()).expect("no cycle");
    assert_eq!(select(&graph, &[], Selection::Upstream), "a c b d e f");
    assert_eq!(graph.producers(&name("d")), [&name("c"), &name("b")]);
    assert_eq!(graph.consumers(&name("a")), [&name("c"), &name("b")]);
}

#[test]
fn targets_are_stages_groups_or_outputs() {
    let graph = Graph::build(&diamond()).expect("no cycle");
    assert_eq!(select(&graph, &["d"], Selection::Upstream), "a c b d");
    assert_eq!(select(&graph, &["d", "a"], Selection::Single), "d a");
    assert_eq!(select(&graph, &["b"], Selection::Downstream), "b d e");
    assert_eq!(select(&graph, &["b"], Selection::Component), "a c b d e");
    assert_eq!(select(&graph, &["a/x/y"], Selection::Single), "a");
    let group = Graph::build(&pipeline(&[("g@1", "", "o1"), ("g@2", "", "o2"), ("h", "o1", "")])).expect("no cycle");
    assert_eq!(select(&group, &["g"], Selection::Upstream), "g@1 g@2");
    assert_eq!(select(&group, &["h"], Selection::Upstream), "g@1 h");
    let study = Graph::build(&study()).expect("no cycle");
    let message = "no stage or output is called `trian`; did you mean `train`?";
    assert_eq!(select(&study, &["trian"], Selection::Upstream), message);
}

#[test]
fn overlap_makes_edges_and_common_prefixes_do_not() {
    let graph = Graph::build(&pipeline(&[("a", "", "x/y"), ("b", "x", ""), ("c", "x/y/z", ""), ("d", "x/yy", "")]));
    let graph = graph.expect("no cycle");
    assert_eq!(graph.edges(), [(&name("a"), &name("b")), (&name("a"), &name("c"))]);
    assert_eq!(Graph::producers_of(&diamond(), &path(".")).len(), 6);
}

#[test]
fn a_cycle_is_an_error() {
    let error = Graph::build(&pipeline(&[("a", "y", "x"), ("b", "x", "y"), ("c", "", "z")])).expect_err("a cycle");
    assert_eq!(error, GraphError::Cycle(vec![name("a"), name("b")]));
}

#[test]
fn drawings_are_readable() {
    let pipeline = study();
    let graph = Graph::build(&pipeline).expect("no cycle");
    let draw = |format| render(&Drawing::of_stages(&graph, graph.order()), format);
    insta::assert_snapshot!(draw(Format::Ascii), @r"
    ●             generate
    ●             ingest  ← generate
    ├─●           validate  ← ingest
    │ ├─●         split  ← validate
    │ ├─│─●       featurize  ← validate
    │ │ ├─├─●     train  ← split, featurize
    │ │ │ │ ├─●   calibrate  ← train
    │ │ │ │ │ ├─● tune_threshold  ← calibrate
    ●─│─┤─┴─┴─┴─╯ bundle  ← ingest, split, featurize, train, calibrate, tune_threshold
    ├─●─╯         evaluate  ← validate, split, bundle
    │ ●           gate  ← evaluate
    ●             serve  ← bundle
    ");
    let text = render(&Drawing::of_stages(&graph, &graph.order()[..3]), Format::Dot);
    insta::assert_snapshot!(text, @r#"
    strict digraph {
      "generate";
      "ingest";
      "validate";
      "generate" -> "ingest";
      "ingest" -> "validate";
    }
    "#);
    let text = render(&Drawing::of_stages(&graph, &graph.order()[..3]), Format::Mermaid);
    insta::assert_snapshot!(text, @r#"
    flowchart TD
      node1["generate"]
      node2["ingest"]
      node3["validate"]
      node1 --> node2
      node2 --> node3
    "#);
    insta::assert_snapshot!(to_json(&pipeline, &graph, &graph.order()[..2]), @r#"{"edges":[["generate","ingest"]],"stages":[{"deps":[],"name":"generate","outs":["data/synthetic.csv"]},{"deps":["data/synthetic.csv"],"name":"ingest","outs":["a/ingested","a/ingest.json"]}]}"#);
}

proptest! {
    /// Stage `i` reads outputs of earlier stages only, so there is no cycle, whatever the order in the file.
    #[test]
    fn any_acyclic_pipeline_is_ordered_selected_and_drawn(
        reads in proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 1..20),
        seed in any::<u64>(),
    ) {
        let named: Vec<(String, String, String)> = reads
            .iter()
            .enumerate()
            .map(|(at, deps)| {
                let deps: Vec<String> =
                    if at == 0 { Vec::new() } else { deps.iter().map(|dep| format!("o{}", dep.index(at))).collect() };
                (format!("s{at}"), deps.join(" "), format!("o{at}"))
            })
            .collect();
        let mut stages: Vec<(&str, &str, &str)> =
            named.iter().map(|(name, deps, out)| (name.as_str(), deps.as_str(), out.as_str())).collect();
        let turn = usize::try_from(seed % 20).unwrap_or(0) % stages.len();
        stages.rotate_left(turn);
        let pipeline = pipeline(&stages);
        let graph = Graph::build(&pipeline).expect("no cycle");
        let rank: BTreeMap<_, _> = graph.order().iter().enumerate().map(|(at, name)| (name, at)).collect();
        prop_assert_eq!(rank.len(), stages.len());
        for (from, to) in graph.edges() {
            prop_assert!(rank[from] < rank[to]);
        }
        for stage in graph.order() {
            let up = graph.upstream(stage);
            for other in graph.order() {
                prop_assert_eq!(up.contains(other), graph.downstream(other).contains(stage));
            }
            let selected: BTreeSet<_> =
                graph.select(std::slice::from_ref(&stage.0), Selection::Upstream, Matching::Exact).expect("known").into_iter().collect();
            prop_assert_eq!(selected.len(), up.len() + 1);
        }
        for format in [Format::Ascii, Format::Json, Format::Dot, Format::Mermaid] {
            prop_assert!(render(&Drawing::of_stages(&graph, graph.order()), format).lines().count() >= stages.len());
        }
    }
}
