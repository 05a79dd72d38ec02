//! Parser events to a tree: anchors, aliases, merges, duplicate keys, limits.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::node::{Entry, Kind, Node};
use super::scalar;
use crate::config::diagnostic::{ConfigError, ConfigErrors, Source};
use crate::config::pipeline::Span;

/// Nodes of one file, aliases counted as often as they are used.
const MAX_NODES: usize = 1_000_000;
/// Nested collections, through aliases too.
const MAX_DEPTH: usize = 100;

/// Parses a file. An empty file is [`Kind::Null`].
pub fn parse(source: &Source) -> Result<Node, ConfigErrors> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder =
        Builder { source, stack: Vec::new(), anchors: BTreeMap::new(), root: None, errors: Vec::new(), nodes: 0 };
    for event in Parser::new_from_str_with_options(&source.text, options) {
        let step = event.map_err(|error| builder.syntax(&error)).and_then(|(event, at)| builder.event(event, at));
        if let Err(error) = step {
            builder.errors.push(error);
            break;
        }
    }
    if builder.errors.is_empty() {
        let start = Span { line: 1, column: 1 };
        Ok(builder.root.map_or_else(|| Node::new(start, Kind::Null), |built| built.node))
    } else {
        Err(ConfigErrors(builder.errors))
    }
}

/// A finished node with what the limits need.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    depth: usize,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: BTreeMap<String, Span>, merges: Vec<Node>, key: Option<Key> },
}

struct Key {
    text: String,
    span: Span,
    merge: bool,
}

struct Frame {
    span: Span,
    anchor: usize,
    items: Items,
    nodes: usize,
    depth: usize,
}

struct Builder<'a> {
    source: &'a Source,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Built>,
    root: Option<Built>,
    errors: Vec<ConfigError>,
    /// Values so far, aliases and the copies kept for anchors counted in full.
    nodes: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: granit_parser::Span) -> Result<(), ConfigError> {
        let span = place(at.start);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                return Err(self.source.error(span, "the file holds a second YAML document").help("remove the `---`"));
            }
            Event::Scalar(text, style, anchor, tag) => return self.scalar(&text, style, anchor, tag.as_deref(), span),
            Event::SequenceStart(_, anchor, tag) => {
                self.open(span, anchor, tag.as_deref(), Items::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let items = Items::Map { entries: Vec::new(), seen: BTreeMap::new(), merges: Vec::new(), key: None };
                self.open(span, anchor, tag.as_deref(), items)?;
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(),
            Event::Alias(id) => {
                let Some(built) = self.anchors.get(&id).cloned() else {
                    return Err(self.source.error(span, "the alias stands inside the value it refers to"));
                };
                self.count(built.nodes, span)?;
                if self.expects_key() {
                    let Kind::Text(text) = built.node.kind else {
                        return Err(self.source.error(span, "a key must be text"));
                    };
                    self.key(Key { text, span, merge: false });
                    return Ok(());
                }
                return self.attach(built, span);
            }
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), ConfigError> {
        self.check_tag(tag, span)?;
        let is_plain = style == ScalarStyle::Plain;
        if self.expects_key() {
            if anchor > 0 {
                let node = Node::new(span, Kind::Text(text.to_owned()));
                self.anchors.insert(anchor, Built { node, nodes: 1, depth: 1 });
            }
            self.key(Key { text: key_text(text, is_plain), span, merge: is_plain && text == "<<" });
            return self.count(1, span);
        }
        let as_text = !is_plain || tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
        let kind = if as_text {
            Kind::Text(text.to_owned())
        } else {
            scalar::plain(text).unwrap_or_else(|refused| {
                self.errors.push(self.source.error(span, refused.message).help(refused.help));
                Kind::Null
            })
        };
        self.finish(Built { node: Node::new(span, kind), nodes: 1, depth: 1 }, anchor)
    }

    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { items: Items::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, new: Key) {
        let Some(Frame { items: Items::Map { key, seen, .. }, .. }) = self.stack.last_mut() else { return };
        if let Some(first) = seen.insert(new.text.clone(), new.span) {
            let message =
                format!("key `{}` is written twice: in line {} and in line {}", new.text, first.line, new.span.line);
            self.errors.push(self.source.error(new.span, message).help("remove or rename one of them"));
        }
        *key = Some(new);
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), ConfigError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!("the file holds more than {MAX_NODES} values, aliases expanded");
            return Err(self.source.error(span, message));
        }
        Ok(())
    }

    fn check_tag(&self, tag: Option<&Tag>, span: Span) -> Result<(), ConfigError> {
        match tag {
            Some(tag) if tag.is_custom() && tag.suffix() != "!" => Err(self
                .source
                .error(span, format!("the tag `{}` has no meaning here", tag.original()))
                .help("remove the tag")),
            _ => Ok(()),
        }
    }

    fn open(&mut self, span: Span, anchor: usize, tag: Option<&Tag>, items: Items) -> Result<(), ConfigError> {
        self.check_tag(tag, span)?;
        if self.expects_key() {
            return Err(self.source.error(span, "a key must be text").help("quote it if it holds `[`, `{` or `?`"));
        }
        self.stack.push(Frame { span, anchor, items, nodes: 1, depth: 1 });
        Ok(())
    }

    fn close(&mut self) -> Result<(), ConfigError> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let kind = match frame.items {
            Items::List(items) => Kind::List(items),
            Items::Map { mut entries, seen, merges, .. } => {
                self.merge(&mut entries, &seen, merges)?;
                Kind::Map(entries)
            }
        };
        let built = Built { node: Node::new(frame.span, kind), nodes: frame.nodes, depth: frame.depth };
        self.finish(built, frame.anchor)
    }

    /// Adds the keys of `<<: *base` that are not written out; of several bases the first wins.
    fn merge(
        &self,
        entries: &mut Vec<Entry>,
        seen: &BTreeMap<String, Span>,
        merges: Vec<Node>,
    ) -> Result<(), ConfigError> {
        let mut known: BTreeSet<String> = seen.keys().cloned().collect();
        for merge in merges {
            let span = merge.span;
            let bases = match merge.kind {
                Kind::List(bases) => bases,
                kind => vec![Node::new(span, kind)],
            };
            for base in bases {
                let Kind::Map(inherited) = base.kind else {
                    return Err(self.source.error(base.span, "`<<` must be given a mapping or a list of mappings"));
                };
                entries.extend(inherited.into_iter().filter(|entry| known.insert(entry.key.clone())));
            }
        }
        Ok(())
    }

    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), ConfigError> {
        let span = built.node.span;
        self.count(1, span)?;
        if anchor > 0 {
            self.count(built.nodes, span)?;
            self.anchors.insert(anchor, built.clone());
        }
        self.attach(built, span)
    }

    /// Puts a node where the parser stands; `used` is where it is used, which for an alias is not where it is written.
    fn attach(&mut self, built: Built, used: Span) -> Result<(), ConfigError> {
        let source = self.source;
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        frame.nodes = frame.nodes.saturating_add(built.nodes);
        frame.depth = frame.depth.max(built.depth + 1);
        if frame.depth > MAX_DEPTH {
            return Err(source.error(used, format!("values are nested more than {MAX_DEPTH} deep")));
        }
        match &mut frame.items {
            Items::List(items) => items.push(built.node),
            Items::Map { entries, seen, merges, key } => match key.take() {
                Some(key) if key.merge => {
                    seen.remove("<<");
                    merges.push(built.node);
                }
                Some(key) => entries.push(Entry { key: key.text, key_span: key.span, value: built.node }),
                None => return Err(source.error(used, "a key must be text")),
            },
        }
        Ok(())
    }

    fn syntax(&self, error: &ScanError) -> ConfigError {
        let message = error.info().lines().next().unwrap_or_default().to_owned();
        let fault = self.source.error(place(*error.marker()), format!("this is not YAML: {message}"));
        if self.source.text.contains('\t') { fault.help("indent with spaces, not tabs") } else { fault }
    }
}

fn place(marker: granit_parser::Marker) -> Span {
    Span { line: marker.line(), column: marker.col() + 1 }
}

/// A key as text. What is no text is written one way, so that `1e3` and `1000.0` are one key.
fn key_text(text: &str, is_plain: bool) -> String {
    let kind = if is_plain { scalar::plain(text).unwrap_or(Kind::Null) } else { Kind::Null };
    match kind {
        Kind::Bool(_) | Kind::Number(_) => Node::new(Span::default(), kind).inline().unwrap_or_default(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use serde_json::{Value, json};

    fn json(text: &str) -> Value {
        parse(&Source::new("t.yaml", text)).expect("valid").to_json()
    }

    fn fault(text: &str) -> String {
        parse(&Source::new("t.yaml", text)).expect_err("must be refused").to_string()
    }

    #[test]
    fn values_keep_their_types_and_keys_are_text() {
        let text = "a: 1\nb: [1.0, yes, \"1\", null]\n2021: {x: true}\nc: |\n  one\n  two\n";
        let expected = json!({"a": 1, "b": [1.0, "yes", "1", null], "2021": {"x": true}, "c": "one\ntwo\n"});
        assert_eq!(json(text), expected);
        assert_eq!(json(""), Value::Null);
        assert_eq!(json("\u{feff}a: 1"), json!({"a": 1}));
    }

    #[test]
    fn anchors_and_merges_work_and_written_keys_win() {
        let text = "base: &base {cmd: x, deps: [a]}\nother: &o {cmd: y, desc: d}\n\
                    s:\n  <<: [*base, *o]\n  deps: [b]\nt: *base\n";
        assert_eq!(json(text)["s"], json!({"cmd": "x", "desc": "d", "deps": ["b"]}));
        assert_eq!(json(text)["t"], json!({"cmd": "x", "deps": ["a"]}));
    }

    #[test]
    fn places_are_those_of_keys_and_values() {
        let source = Source::new("t.yaml", "train:\n  models: [logistic, é, gbdt]\n  depth: 3\n");
        let node = parse(&source).expect("valid");
        assert_eq!(node.place("train.models.2"), Span { line: 2, column: 25 });
        assert_eq!(node.place("train.depth"), Span { line: 3, column: 10 });
        assert_eq!(node.place("train.models"), Span { line: 2, column: 3 });
        assert_eq!(node.place("train.nothing.x"), Span { line: 1, column: 1 });
        let source = Source::new("t.yaml", "space:\n  gbdt.l2: {low: 1, high: 2}\n  gbdt.l: 3\n");
        let node = parse(&source).expect("valid");
        assert_eq!(node.place("space.gbdt.l2.high"), Span { line: 2, column: 27 });
        assert_eq!(node.place("space.gbdt.l2"), Span { line: 2, column: 3 });
        assert_eq!(node.place("space.gbdt.l"), Span { line: 3, column: 11 });
        assert_eq!(node.place("space.gbdt"), Span { line: 1, column: 1 });
    }

    #[test]
    fn a_duplicate_key_names_both_lines() {
        insta::assert_snapshot!(fault("stages:\n  a: {}\n  b: {}\n  a: {}\n"), @r"
        error: key `a` is written twice: in line 2 and in line 4
         --> t.yaml:4:3
          |
        4 |   a: {}
          |   ^
          |
        help: remove or rename one of them
        ");
    }

    #[test]
    fn an_ambiguous_number_says_what_to_write() {
        insta::assert_snapshot!(fault("seed: 042\nn: 1_000\n"), @r#"
        error: `042` is read as an octal, a decimal number or text by different YAML readers
         --> t.yaml:1:7
          |
        1 | seed: 042
          |       ^^^
          |
        help: write 42 for the number or "042" for the text

        error: `1_000` is read as a number by some YAML readers and as text by others
         --> t.yaml:2:4
          |
        2 | n: 1_000
          |    ^^^^^
          |
        help: write 1000 for the number or "1_000" for the text
        "#);
    }

    #[test]
    fn broken_syntax_has_a_place() {
        insta::assert_snapshot!(fault("stages:\n  a: [x\nb: 1\n"), @r"
        error: this is not YAML: illegal placement of ':' indicator
         --> t.yaml:3:2
          |
        3 | b: 1
          |  ^
        ");
        insta::assert_snapshot!(fault("a: 1\n---\nb: 2\n"), @r"
        error: the file holds a second YAML document
         --> t.yaml:2:1
          |
        2 | ---
          | ^^^
          |
        help: remove the `---`
        ");
    }

    #[test]
    fn bombs_are_refused_in_bounded_time() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            let _ = writeln!(bomb, "a{level}: &a{level} [{aliases}]");
        }
        assert!(fault(&bomb).contains("more than 1000000 values"));
        assert!(fault(&"[".repeat(100_000)).contains("error: "));
        let mut deep = String::from("a0: &a0 [x]\n");
        for level in 1..200 {
            let _ = writeln!(deep, "a{level}: &a{level} [*a{}]", level - 1);
        }
        assert!(fault(&deep).contains("nested more than 100 deep"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[-a-z0-9:{}\\[\\]&*!|>'\"%@`#,?~<. \n\t\u{feff}é]{0,120}") {
            let _ = parse(&Source::new("t.yaml", &text));
        }
    }
}
