//! `foreach` and `matrix`: one written stage to several, named `stage@key`.

use serde_json::{Map, Value};

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
    let members: Vec<(String, Value, Option<Value>)> = match collection(source, context, &place, report) {
        Some(Value::Array(items)) => {
            let is_flat = items.iter().all(|item| !item.is_object() && !item.is_array());
            let name = |at: usize, item: &Value| if is_flat { plain(item) } else { at.to_string() };
            items.into_iter().enumerate().map(|(at, item)| (name(at, &item), item, None)).collect()
        }
        Some(Value::Object(map)) => {
            map.into_iter().map(|(key, item)| (key.clone(), item, Some(Value::String(key)))).collect()
        }
        Some(_) => {
            report.expected(source, &place, "a list or a mapping");
            Vec::new()
        }
        None => Vec::new(),
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
    let mut members: Vec<(Vec<String>, Map<String, Value>)> = vec![(Vec::new(), Map::new())];
    for axis in axes {
        let Some(Value::Array(values)) = collection(&axis.value, context, &place, report) else {
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
                let composite = value.is_object() || value.is_array();
                let name = if composite { format!("{}{at}", axis.key) } else { plain(value) };
                let mut items = items.clone();
                items.insert(axis.key.clone(), value.clone());
                next.push((names.iter().cloned().chain([name]).collect(), items));
            }
        }
        members = next;
    }
    let members = members.into_iter().map(|(names, items)| {
        let key = names.join("-");
        (key.clone(), Value::Object(items), Some(Value::String(key)))
    });
    members_of(entry, &entry.value, members.collect(), context, around, report)
}

fn members_of(
    entry: &Entry,
    body: &Node,
    members: Vec<(String, Value, Option<Value>)>,
    context: &Context,
    around: &mut Surroundings,
    report: &mut Report,
) -> Vec<Expanded> {
    if members.len() > MAX_MEMBERS {
        report.fault(entry.key_span, format!("stage `{}` stands for more than {MAX_MEMBERS} stages", entry.key));
        return Vec::new();
    }
    let mut expanded = Vec::new();
    for (suffix, item, key) in members {
        let context = context.with_locals(item, key);
        expanded.extend(resolve(format!("{}@{suffix}", entry.key), entry, body, &context, around, report));
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
fn collection(node: &Node, context: &Context, place: &str, report: &mut Report) -> Option<Value> {
    if let Kind::Text(text) = &node.kind
        && let Ok(pieces) = split(text)
        && let [Piece::Name(steps)] = pieces.as_slice()
    {
        let value = context.get(steps).cloned();
        if value.is_none() {
            super::context::missing(context, steps, node.span, place, report);
        }
        return value;
    }
    Some(fill(node, context, place, report).to_json())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        value => value.to_string(),
    }
}
