//! A YAML tree with places.

use serde_json::{Map, Number, Value};

use crate::config::pipeline::Span;

/// A value and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its first character. For an alias, that of the anchored value.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of 64 bits or a finite float.
    Number(Number),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in written order; keys are unique.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, as text whatever it looks like.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// A node at a place.
    pub fn new(span: Span, kind: Kind) -> Self {
        Self { span, kind }
    }

    /// A copy in which everything stands at `span`.
    pub fn moved(&self, span: Span) -> Self {
        let kind = match &self.kind {
            Kind::List(items) => Kind::List(items.iter().map(|item| item.moved(span)).collect()),
            Kind::Map(entries) => Kind::Map(
                entries
                    .iter()
                    .map(|entry| Entry { key: entry.key.clone(), key_span: span, value: entry.value.moved(span) })
                    .collect(),
            ),
            kind => kind.clone(),
        };
        Self { span, kind }
    }

    /// A scalar as Python writes it, which is how DVC puts it into commands, paths and stage names: `None`, `true`,
    /// `1e-05`. Nothing for a list or mapping.
    pub fn inline(&self) -> Option<String> {
        match &self.kind {
            Kind::Null => Some("None".to_owned()),
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Number(number) => Some(super::scalar::number_text(number)),
            Kind::Text(text) => Some(text.clone()),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Whether it is a list or a mapping.
    pub fn is_composite(&self) -> bool {
        matches!(self.kind, Kind::List(_) | Kind::Map(_))
    }

    /// What one step leads to: a key of a mapping, an index of a list.
    pub fn child(&self, step: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(_) => self.get(step),
            Kind::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The value under a dotted path (list items by index).
    pub fn at_mut(&mut self, path: &str) -> Option<&mut Self> {
        path.split('.').try_fold(self, |node, step| match &mut node.kind {
            Kind::Map(entries) => entries.iter_mut().find(|entry| entry.key == step).map(|entry| &mut entry.value),
            Kind::List(items) => items.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The tree without places. Integers stay integers.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a mapping.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// What it is, for messages: `a list`.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The place of a dotted path (list items by index), or of the deepest part of it that exists: a key for a
    /// collection, the value for anything else. A key may hold dots itself, as those of a search space do.
    pub fn place(&self, path: &str) -> Span {
        let (mut node, mut span, mut rest) = (self, self.span, path);
        while !rest.is_empty() {
            let (next, collection, part) = match &node.kind {
                Kind::Map(entries) => {
                    let Some(entry) = entries.iter().find(|entry| opens(rest, &entry.key)) else { return span };
                    (&entry.value, entry.key_span, entry.key.as_str())
                }
                Kind::List(items) => {
                    let part = rest.split('.').next().unwrap_or(rest);
                    let Some(item) = part.parse().ok().and_then(|index: usize| items.get(index)) else { return span };
                    (item, item.span, part)
                }
                _ => return span,
            };
            let is_collection = matches!(next.kind, Kind::Map(_) | Kind::List(_) | Kind::Null);
            span = if is_collection { collection } else { next.span };
            node = next;
            rest = rest[part.len()..].trim_start_matches('.');
        }
        span
    }
}

/// Whether a dotted path starts with a key.
fn opens(path: &str, key: &str) -> bool {
    !key.is_empty() && path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
