//! `foreach` and `matrix`: one written stage to several, named `stage@key`.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, load_vars};
use super::fill;
use super::syntax::{Piece, split};
use crate::config::params::ParamFiles;
use crate::config::pipeline::Span;
use crate::config::report::Report;
use crate::config::yaml::{Entry, Kind, Node};
use crate::util::RelPath;

/// How many stages one entry may become.
const MAX_MEMBERS: usize = 10_000;
/// Fields that are not templates: free text, and what is handled here.
const AS_WRITTEN: [&str; 4] = ["desc", "meta", "vars", "matrix"];

/// A stage without templates.
#[derive(Debug)]
pub(in crate::config) struct Expanded {
    pub(in crate::config) name: String,
    pub(in crate::config) span: Span,
    pub(in crate::config) body: Node,
}

/// One of the stages that an entry stands for.
struct Member {
    /// What follows `@` in the stage's name.
    name: String,
    /// `${item}`.
    item: Node,
    /// `${key}`, if it is set.
    key: Option<Node>,
}

/// Where the file lies and the parameters it sees.
pub(in crate::config) struct Surroundings<'a> {
    pub(in crate::config) root: &'a std::path::Path,
    pub(in crate::config) base: &'a RelPath,
    pub(in crate::config) params: &'a mut ParamFiles,
}

/// The stages that one entry of `stages` stands for.
pub(in crate::config) fn expand(
    entry: &Entry,
    context: &Context,
    around: &mut Surroundings,
    report: &mut Report,
) -> Vec<Expanded> {
    let body = &entry.value;
    if let Some(source) = body.get("foreach") {
        return foreach(entry, source, context, around, report);
    }
    if let Some(lone) = body.entry("do") {
        report.fault_with_help(lone.key_span, "`do` stands without `foreach`", "add `foreach: [...]` beside it");
        return Vec::new();
    }
    if let Some(axes) = body.get("matrix") {
        return matrix(entry, axes, context, around, report);
    }
    resolve(entry.key.clone(), entry, body, context, around, report).into_iter().collect()
}

fn foreach(
    entry: &Entry,
    source: &Node,
    context: &Context,
    around: &mut Surroundings,
    report: &mut Report,
) -> Vec<Expanded> {
    let what = format!("stage `{}` with `foreach`", entry.key);
    report.mapping(&entry.value, &what, &["foreach", "do"]);
    let Some(body) = entry.value.get("do") else {
        report.fault_with_help(entry.key_span, format!("{what} has no `do`"), "put the stage's fields below `do:`");
        return Vec::new();
    };
    let place = format!("`foreach` of stage `{}`", entry.key);
    let Some(collection) = collection(source, context, &place, report) else { return Vec::new() };
    let text = |text: String| Node::new(source.span, Kind::Text(text));
    let members: Vec<Member> = match collection.kind {
        Kind::List(items) => {
            let is_flat = !items.iter().any(Node::is_composite);
            let name = |at: usize, item: &Node| item.inline().filter(|_| is_flat).unwrap_or_else(|| at.to_string());
            let member = |(at, item)| Member { name: name(at, &item), key: None, item };
            items.into_iter().enumerate().map(member).collect()
        }
        Kind::Map(entries) => entries
            .into_iter()
            .map(|Entry { key, value, .. }| Member { key: Some(text(key.clone())), name: key, item: value })
            .collect(),
        _ => {
            report.expected(&collection, &place, "a list or a mapping");
            return Vec::new();
        }
    };
    members_of(entry, body, members, context, around, report)
}

fn matrix(
    entry: &Entry,
    axes: &Node,
    context: &Context,
    around: &mut Surroundings,
    report: &mut Report,
) -> Vec<Expanded> {
    let place = format!("`matrix` of stage `{}`", entry.key);
    let Kind::Map(axes) = &axes.kind else {
        report.expected(axes, &place, "a mapping of lists");
        return Vec::new();
    };
    let mut members: Vec<(Vec<String>, Vec<Entry>)> = vec![(Vec::new(), Vec::new())];
    for axis in axes {
        let Some(Node { kind: Kind::List(values), .. }) = collection(&axis.value, context, &place, report) else {
            report.expected(&axis.value, &format!("`{}` in {place}", axis.key), "a list");
            return Vec::new();
        };
        if members.len().saturating_mul(values.len()) > MAX_MEMBERS {
            report.fault(axis.key_span, format!("{place} gives more than {MAX_MEMBERS} stages"));
            return Vec::new();
        }
        let mut next = Vec::new();
        for (names, items) in &members {
            for (at, value) in values.iter().enumerate() {
                let name = value.inline().unwrap_or_else(|| format!("{}{at}", axis.key));
                let item = Entry { key: axis.key.clone(), key_span: axis.key_span, value: value.clone() };
                let items = items.iter().cloned().chain([item]).collect();
                next.push((names.iter().cloned().chain([name]).collect(), items));
            }
        }
        members = next;
    }
    let members = members.into_iter().map(|(names, items)| {
        let name = names.join("-");
        let key = Node::new(entry.key_span, Kind::Text(name.clone()));
        Member { name, item: Node::new(entry.key_span, Kind::Map(items)), key: Some(key) }
    });
    members_of(entry, &entry.value, members.collect(), context, around, report)
}

fn members_of(
    entry: &Entry,
    body: &Node,
    members: Vec<Member>,
    context: &Context,
    around: &mut Surroundings,
    report: &mut Report,
) -> Vec<Expanded> {
    if members.len() > MAX_MEMBERS {
        report.fault(entry.key_span, format!("stage `{}` stands for more than {MAX_MEMBERS} stages", entry.key));
        return Vec::new();
    }
    // Members of one name are one stage; the last one's value stands, in the place of the first.
    let last: BTreeMap<String, usize> =
        members.iter().enumerate().map(|(at, member)| (member.name.clone(), at)).collect();
    let mut done = BTreeSet::new();
    let mut expanded = Vec::new();
    for Member { name, .. } in &members {
        let Some(member) = last.get(name).and_then(|at| members.get(*at)).filter(|_| done.insert(name)) else {
            continue;
        };
        let context = context.with_locals(member.item.clone(), member.key.clone());
        expanded.extend(resolve(format!("{}@{name}", entry.key), entry, body, &context, around, report));
        if !report.is_clean() {
            break;
        }
    }
    expanded
}

/// One stage: `wdir` first, then the stage's own `vars` relative to it, then the rest.
fn resolve(
    name: String,
    entry: &Entry,
    body: &Node,
    context: &Context,
    around: &mut Surroundings,
    report: &mut Report,
) -> Option<Expanded> {
    let Kind::Map(fields) = &body.kind else {
        report.expected(body, &format!("stage `{name}`"), "a mapping");
        return None;
    };
    let mut own = None;
    if let Some(vars) = body.get("vars") {
        let wdir = body.get("wdir").map(|node| fill(node, context, &format!("`wdir` of stage `{name}`"), report));
        let base = match wdir {
            Some(Node { kind: Kind::Text(text), span }) => report.path(around.base, &text, span)?,
            _ => around.base.clone(),
        };
        let mut extended = context.clone();
        load_vars(&mut extended, vars, (around.root, &base), around.params, report);
        own = Some(extended);
    }
    let context = own.as_ref().unwrap_or(context);
    let mut filled = Vec::with_capacity(fields.len());
    for field in fields.iter().filter(|field| field.key != "vars" && field.key != "matrix") {
        let place = format!("`{}` of stage `{name}`", field.key);
        let value = if AS_WRITTEN.contains(&field.key.as_str()) {
            field.value.clone()
        } else {
            fill(&field.value, context, &place, report)
        };
        filled.push(Entry { key: field.key.clone(), key_span: field.key_span, value });
    }
    Some(Expanded { name, span: entry.key_span, body: Node::new(body.span, Kind::Map(filled)) })
}

/// A list or mapping, written out or named by one template; templates within it are filled.
fn collection(node: &Node, context: &Context, place: &str, report: &mut Report) -> Option<Node> {
    if let Kind::Text(text) = &node.kind
        && let Ok(pieces) = split(text)
        && let [Piece::Name(steps)] = pieces.as_slice()
    {
        let value = context.get(steps).map(|value| value.moved(node.span));
        if value.is_none() {
            super::context::missing(context, steps, node.span, place, report);
        }
        return value;
    }
    Some(fill(node, context, place, report))
}
