//! Puts values in the place of templates.

use serde_json::Value;

use super::context::{Context, missing};
use super::syntax::{Piece, split};
use crate::config::pipeline::Span;
use crate::config::report::Report;
use crate::config::yaml::{Entry, Kind, Node};

/// Bytes that a text may have once its templates are filled; no system takes a longer command. Without a bound, a few
/// kilobytes of templates could ask for all memory.
const LONGEST: usize = 1 << 20;

/// A copy of `node` without templates; `place` names it in faults. A text that is exactly one template takes the type
/// of its value; a mapping or list may only be inserted as command-line flags, below `cmd`.
pub(in crate::config) fn fill(node: &Node, context: &Context, place: &str, report: &mut Report) -> Node {
    let kind = match &node.kind {
        Kind::Text(text) if text.contains("${") => return fill_text(text, node.span, context, place, report),
        Kind::List(items) => Kind::List(items.iter().map(|item| fill(item, context, place, report)).collect()),
        Kind::Map(entries) => {
            Kind::Map(entries.iter().map(|entry| fill_entry(entry, context, place, report)).collect())
        }
        kind => kind.clone(),
    };
    Node::new(node.span, kind)
}

fn fill_entry(entry: &Entry, context: &Context, place: &str, report: &mut Report) -> Entry {
    let key = if entry.key.contains("${") {
        match fill_text(&entry.key, entry.key_span, context, place, report).kind {
            Kind::Text(text) => text,
            Kind::Number(number) => number.to_string(),
            _ => entry.key.clone(),
        }
    } else {
        entry.key.clone()
    };
    Entry { key, key_span: entry.key_span, value: fill(&entry.value, context, place, report) }
}

fn fill_text(text: &str, span: Span, context: &Context, place: &str, report: &mut Report) -> Node {
    let keep = Node::new(span, Kind::Text(text.to_owned()));
    let pieces = match split(text) {
        Ok(pieces) => pieces,
        Err(message) => {
            report.fault_with_help(span, format!("{message} (in {place})"), "write `\\${` for a literal `${`");
            return keep;
        }
    };
    let is_cmd = place.starts_with("`cmd`");
    if let [Piece::Name(steps)] = pieces.as_slice() {
        let Some(value) = context.get(steps) else {
            missing(context, steps, span, place, report);
            return keep;
        };
        if !value.is_array() && !value.is_object() {
            return Node::from_json(value, span);
        }
    }
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.push_str(&text),
            Piece::Name(steps) => match context.get(&steps) {
                None => missing(context, &steps, span, place, report),
                Some(value) => match inline(value, is_cmd) {
                    Ok(text) => filled.push_str(&text),
                    Err(message) => {
                        let name = format!("${{{}}}", steps.join("."));
                        report.fault(report.within(span, &name), format!("`{name}` in {place} {message}"));
                        filled.push_str(&name);
                    }
                },
            },
        }
        if filled.len() > LONGEST {
            report.fault(span, format!("the templates in {place} make a text of more than 1 MiB"));
            return keep;
        }
    }
    Node::new(span, Kind::Text(filled))
}

/// A value as part of a text.
fn inline(value: &Value, is_cmd: bool) -> Result<String, &'static str> {
    match value {
        Value::Null => Ok("None".to_owned()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Object(_) if is_cmd => flags(value, ""),
        Value::Object(_) => Err("is a mapping, which only `cmd` can take"),
        Value::Array(_) => Err("is a list, which cannot be inserted"),
    }
}

/// A mapping as command-line flags: `{a: 1, b: {c: true}, d: [x, y], e: false}` is `--a 1 --b.c --d x y`.
fn flags(value: &Value, prefix: &str) -> Result<String, &'static str> {
    let Value::Object(map) = value else { return Ok(String::new()) };
    let mut words = Vec::new();
    for (key, value) in map {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(_) => words.push(flags(value, &format!("{name}."))?),
            Value::Bool(true) => words.push(format!("--{name}")),
            Value::Bool(false) => {}
            Value::Array(items) => {
                let items = items.iter().map(|item| match item {
                    Value::Array(_) | Value::Object(_) => Err("holds a list within a list"),
                    item => Ok(argument(item)),
                });
                let items: Vec<String> = items.collect::<Result<_, _>>()?;
                words.push(format!("--{name} {}", items.join(" ")));
            }
            value => words.push(format!("--{name} {}", argument(value))),
        }
    }
    words.retain(|word| !word.is_empty());
    Ok(words.join(" "))
}

/// A scalar as one shell word.
fn argument(value: &Value) -> String {
    let text = inline(value, false).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\"'\"'")) }
}
