//! Parameter files of each format to one tree that keeps the written order.
//!
//! YAML (also for unknown extensions) and TOML give every value its place; JSON is read without places. The top must
//! be a mapping; an empty file is an empty one.

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::diagnostic::{ConfigError, ConfigErrors, Source};
use crate::config::pipeline::Span;
use crate::config::yaml::{self, Entry, Kind, Node};

const START: Span = Span { line: 1, column: 1 };

/// Parses by extension.
pub(super) fn parse(source: &Source) -> Result<Node, ConfigErrors> {
    let extension = source.name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    let tree = match extension.as_str() {
        "json" => json(source)?,
        "toml" => toml(source)?,
        "py" => {
            let fault = ConfigError::of_file(&source.name, "parameters cannot be read from a Python file");
            return Err(fault.help("write them as YAML, JSON or TOML").into());
        }
        _ => yaml::parse(source)?,
    };
    match tree.kind {
        Kind::Null => Ok(Node::new(tree.span, Kind::Map(Vec::new()))),
        Kind::Map(_) => Ok(tree),
        _ => Err(source.error(tree.span, "the file must hold a mapping of parameter names to values").into()),
    }
}

fn json(source: &Source) -> Result<Node, ConfigError> {
    if source.text.trim().is_empty() {
        return Ok(Node::new(START, Kind::Null));
    }
    let mut reader = serde_json::Deserializer::from_str(&source.text);
    let tree = Tree.deserialize(&mut reader).and_then(|tree| reader.end().map(|()| tree));
    tree.map_err(|error| {
        let span = Span { line: error.line().max(1), column: error.column().max(1) };
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default();
        source.error(span, format!("this is not JSON: {message}"))
    })
}

/// Builds a tree from what a deserializer offers, in its order.
struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self).map(|kind| Node::new(START, kind))
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Kind;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value).map(Kind::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("key `{key}` is written twice")));
            }
            entries.push(Entry { key, key_span: START, value: map.next_value_seed(Self)? });
        }
        Ok(Kind::Map(entries))
    }
}

fn toml(source: &Source) -> Result<Node, ConfigError> {
    let lines = Lines::new(&source.text);
    let table = DeTable::parse(&source.text).map_err(|error| {
        let at = error.span().map_or(0, |range| range.start);
        source.error(lines.place(at), format!("this is not TOML: {}", error.message()))
    })?;
    from_table(table.get_ref(), START, &lines).map_err(|(span, message)| source.error(span, message))
}

fn from_table(table: &DeTable<'_>, span: Span, lines: &Lines<'_>) -> Result<Node, (Span, &'static str)> {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    let entries = pairs.into_iter().map(|(key, value)| {
        let value = from_toml(value, lines)?;
        Ok(Entry { key: key.get_ref().to_string(), key_span: lines.place(key.span().start), value })
    });
    Ok(Node::new(span, Kind::Map(entries.collect::<Result<_, _>>()?)))
}

fn from_toml(value: &Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Result<Node, (Span, &'static str)> {
    let span = lines.place(value.span().start);
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(time) => Kind::Text(time.to_string()),
        DeValue::Integer(number) => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            Kind::Number(value.map_err(|_| (span, "the number does not fit 64 bits"))?.into())
        }
        DeValue::Float(number) => {
            let value = number.as_str().parse().ok().and_then(Number::from_f64);
            Kind::Number(value.ok_or((span, "a parameter is not a finite number"))?)
        }
        DeValue::Array(items) => Kind::List(items.iter().map(|item| from_toml(item, lines)).collect::<Result<_, _>>()?),
        DeValue::Table(table) => return from_table(table, span, lines),
    };
    Ok(Node::new(span, kind))
}

/// Byte offsets to places.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn place(&self, offset: usize) -> Span {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        Span { line, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(tree: &Node) -> Vec<&str> {
        tree.entries().iter().map(|entry| entry.key.as_str()).collect()
    }

    #[test]
    fn every_format_keeps_order_and_types() {
        let expected = json!({"z": 1, "a": [1.5, "x", true], "m": {"y": 0, "b": "t"}});
        for (name, text) in [
            ("p.yaml", "z: 1\na: [1.5, x, true]\nm: {y: 0, b: t}\n"),
            ("p.json", r#"{"z": 1, "a": [1.5, "x", true], "m": {"y": 0, "b": "t"}}"#),
            ("p.toml", "z = 1\na = [1.5, 'x', true]\n[m]\ny = 0\nb = 't'\n"),
        ] {
            let tree = parse(&Source::new(name, text)).expect("valid");
            assert_eq!(tree.to_json(), expected, "{name}");
            assert_eq!(keys(&tree), ["z", "a", "m"], "{name}");
            assert_eq!(keys(tree.get("m").expect("is there")), ["y", "b"], "{name}");
        }
    }

    #[test]
    fn toml_values_have_places() {
        let tree = parse(&Source::new("p.toml", "a = 1\n\n[t]\n'é' = 'x'\nb = 2\n")).expect("valid");
        assert_eq!(tree.place("t.b"), Span { line: 5, column: 5 });
        let fault = parse(&Source::new("p.toml", "a = 1\nb = inf\n")).expect_err("must be refused").to_string();
        assert!(fault.contains("p.toml:2:5"), "{fault}");
    }

    #[test]
    fn json_refuses_what_is_ambiguous_or_broken() {
        for text in [r#"{"a": 1, "a": 2}"#, "[1]", "{", r#"{"a": 1} x"#, "{\"a\": 1e999}"] {
            assert!(parse(&Source::new("p.json", text)).is_err(), "{text}");
        }
        assert!(parse(&Source::new("p.json", &"[".repeat(100_000))).is_err());
        assert_eq!(parse(&Source::new("p.json", " ")).expect("valid").to_json(), json!({}));
    }
}
