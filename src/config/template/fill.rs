//! Puts values in the place of templates.

use super::context::{Context, missing};
use super::syntax::{Piece, split};
use crate::config::dvc_config::FlagStyle;
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
        fill_text(&entry.key, entry.key_span, context, place, report).inline().unwrap_or_else(|| entry.key.clone())
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
        if !value.is_composite() {
            return value.moved(span);
        }
    }
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.push_str(&text),
            Piece::Name(steps) => match context.get(&steps) {
                None => missing(context, &steps, span, place, report),
                Some(value) => match inline(value, is_cmd, context.flags) {
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
fn inline(value: &Node, is_cmd: bool, style: FlagStyle) -> Result<String, &'static str> {
    match &value.kind {
        Kind::Map(_) if is_cmd => {
            let mut words = Vec::new();
            flags(value, "", style, &mut words)?;
            Ok(words.join(" "))
        }
        Kind::Map(_) => Err("is a mapping, which only `cmd` can take"),
        Kind::List(_) => Err("is a list, which cannot be inserted"),
        _ => Ok(value.inline().unwrap_or_default()),
    }
}

/// A mapping as command-line flags: `{a: 1, b: {c: true}, d: [x, y], e: false}` is `--a 1 --b.c --d x y`.
fn flags(value: &Node, prefix: &str, style: FlagStyle, words: &mut Vec<String>) -> Result<(), &'static str> {
    for Entry { key, value, .. } in value.entries() {
        let name = format!("{prefix}{key}");
        match &value.kind {
            Kind::Map(_) => flags(value, &format!("{name}."), style, words)?,
            Kind::Bool(true) => words.push(format!("--{name}")),
            Kind::Bool(false) if style.negate => words.push(format!("--no-{name}")),
            Kind::Bool(false) => {}
            Kind::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    let item = match &item.kind {
                        Kind::List(_) | Kind::Map(_) => return Err("holds a list within a list"),
                        // Within a list DVC leaves the spelling to Python.
                        Kind::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
                        _ => argument(item),
                    };
                    let flag = if at == 0 || style.repeat { format!("--{name} {item}") } else { item };
                    words.push(flag);
                }
            }
            _ => words.push(format!("--{name} {}", argument(value))),
        }
    }
    Ok(())
}

/// A scalar as one shell word.
fn argument(value: &Node) -> String {
    let text = value.inline().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\"'\"'")) }
}
