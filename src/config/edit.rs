//! Changing one key of a pipeline file while every other byte stays: `frozen`.
//!
//! The edit is made in the text, at the place the parser gives, and is believed only when reading the new text gives
//! the old tree with that one key changed. Whatever would change more (a value shared through an anchor, an unusual
//! notation) is refused. Writes nothing.

use serde_json::Value;

use super::diagnostic::{ConfigError, ConfigErrors, Source};
use super::pipeline::Span;
use super::yaml::{self, Kind, Node};

const KEY: &str = "frozen";

/// The entry of `stages` that a stage of this name comes from: its own, or that of its group.
pub fn entry_name<'n>(source: &Source, stage: &'n str) -> Result<Option<&'n str>, ConfigErrors> {
    let tree = yaml::parse(source)?;
    let group = stage.split_once('@').map_or(stage, |(group, _)| group);
    Ok([stage, group].into_iter().find(|name| tree.get("stages").is_some_and(|stages| stages.get(name).is_some())))
}

/// The text with an entry of `stages` frozen or not, or nothing when it already is so.
pub fn set_frozen(source: &Source, entry: &str, frozen: bool) -> Result<Option<String>, ConfigErrors> {
    let tree = yaml::parse(source)?;
    let Some(written) = tree.get("stages").and_then(|stages| stages.entry(entry)) else {
        return Err(ConfigError::of_file(&source.name, format!("there is no stage `{entry}`")).into());
    };
    // Of `foreach`, what its members are made of.
    let path: &[&str] = if written.value.get("foreach").is_some() { &["do"] } else { &[] };
    let Some(body) = path.iter().try_fold(&written.value, |node, key| node.get(key)) else {
        return Err(source.error(written.key_span, format!("stage `{entry}` has no `do` to freeze")).into());
    };
    let refuse = |why: &str| -> ConfigErrors {
        let help = if frozen { "add `frozen: true` to it by hand" } else { "remove its `frozen: true` by hand" };
        let message = format!("stage `{entry}` cannot be changed without changing more: {why}");
        source.error(written.key_span, message).help(help).into()
    };
    let edited = match body.get(KEY).map(|node| (&node.kind, node)) {
        Some((Kind::Bool(now), _)) if *now == frozen => return Ok(None),
        None if !frozen => return Ok(None),
        Some((Kind::Bool(_), _)) => replace(source, body, frozen),
        Some(_) => return Err(refuse("its `frozen` is neither true nor false as written")),
        None => insert(source, body),
    };
    let pointer = ["stages", entry].iter().chain(path).chain([&KEY]).copied().collect::<Vec<_>>();
    let is_exact = |text: &String| {
        yaml::parse(&Source::new(source.name.clone(), text))
            .is_ok_and(|new| differs_only_at(&tree, &new, &pointer, frozen))
    };
    match edited.filter(is_exact) {
        Some(text) => Ok(Some(text)),
        None => Err(refuse("it shares its text with other values through an anchor, or is written in an unusual way")),
    }
}

/// Whether `new` is `old` but for the boolean at `path`, which now is `value` (or, when false, absent).
fn differs_only_at(old: &Node, new: &Node, path: &[&str], value: bool) -> bool {
    let (mut old, mut new) = (old.to_json(), new.to_json());
    let now = take(&mut new, path);
    take(&mut old, path);
    old == new && now.unwrap_or(Value::Bool(false)) == Value::Bool(value)
}

fn take(tree: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(tree, |node, key| node.get_mut(*key))?;
    parent.as_object_mut()?.remove(*last)
}

/// Replaces the value of the key; what [`insert`] wrote is taken out whole, so that freezing and unfreezing cancel.
fn replace(source: &Source, body: &Node, frozen: bool) -> Option<String> {
    let text = &source.text;
    let entry = body.entry(KEY)?;
    let (key, value) = (offset(text, entry.key_span)?, offset(text, entry.value.span)?);
    let end = value + text[value..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len() - value);
    let is_inserted = !frozen && text.get(key..end)? == "frozen: true";
    let line = text[..key].rfind('\n').map_or(0, |at| at + 1);
    let rest = &text[end..];
    let line_end = ["\r\n", "\n"].into_iter().find(|newline| rest.starts_with(newline));
    if let Some(newline) = line_end.filter(|_| is_inserted && text[line..key].bytes().all(|byte| byte == b' ')) {
        return Some(format!("{}{}", &text[..line], &rest[newline.len()..]));
    }
    if let Some(rest) = rest.strip_prefix(", ").filter(|_| is_inserted && text[..key].ends_with('{')) {
        return Some(format!("{}{rest}", &text[..key]));
    }
    let word = if frozen { "true" } else { "false" };
    Some(format!("{}{word}{rest}", &text[..value]))
}

/// Writes the key as the first of its mapping.
fn insert(source: &Source, body: &Node) -> Option<String> {
    let text = &source.text;
    let start = offset(text, body.span)?;
    if text[start..].starts_with('{') {
        let (before, after) = text.split_at(start + 1);
        return Some(format!("{before}frozen: true, {after}"));
    }
    // In the block style, the first key stands on a line of its own.
    let first = body.entries().iter().map(|entry| entry.key_span).filter(|span| span.line >= body.span.line);
    let first = offset(text, first.min_by_key(|span| (span.line, span.column))?)?.max(start);
    let line = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let indent = &text[line..first];
    if indent.is_empty() || !indent.bytes().all(|byte| byte == b' ') {
        return None;
    }
    let end = text[first..].find('\n').map_or(text.len(), |at| first + at);
    let newline = if text[..end].ends_with('\r') { "\r\n" } else { "\n" };
    Some(format!("{}{indent}frozen: true{newline}{}", &text[..line], &text[line..]))
}

/// The byte at which a place begins.
fn offset(text: &str, span: Span) -> Option<usize> {
    let line_start = match span.line.checked_sub(2) {
        None => 0,
        Some(skip) => text.match_indices('\n').nth(skip)?.0 + 1,
    };
    let line = &text[line_start..];
    let column = line.char_indices().nth(span.column.checked_sub(1)?).map_or(line.len(), |(at, _)| at);
    Some(line_start + column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, entry: &str, frozen: bool) -> Result<Option<String>, ConfigErrors> {
        set_frozen(&Source::new("pipeline.yaml", text), entry, frozen)
    }

    /// Freezes, expects `frozen`, unfreezes and expects the first text again.
    fn there_and_back(text: &str, entry: &str, frozen: &str) {
        assert_eq!(edit(text, entry, true).expect("editable").as_deref(), Some(frozen));
        assert_eq!(edit(frozen, entry, true).expect("editable"), None, "it is frozen already");
        assert_eq!(edit(frozen, entry, false).expect("editable").as_deref(), Some(text));
        assert_eq!(edit(text, entry, false).expect("editable"), None, "it is not frozen");
    }

    #[test]
    fn comments_and_layout_stay() {
        let text =
            "# é head\nstages:\n  a:  # first\n    # why\n    cmd:   x   # run\n\n    deps: [in]\n  b:\n    cmd: y\n";
        let frozen = "# é head\nstages:\n  a:  # first\n    # why\n    frozen: true\n    cmd:   x   # run\n\n    deps: [in]\n  b:\n    cmd: y\n";
        there_and_back(text, "a", frozen);
        there_and_back(
            "stages:\r\n  a:\r\n    cmd: x\r\n",
            "a",
            "stages:\r\n  a:\r\n    frozen: true\r\n    cmd: x\r\n",
        );
        there_and_back("stages:\n  a:\n    cmd: x", "a", "stages:\n  a:\n    frozen: true\n    cmd: x");
    }

    #[test]
    fn flow_style_and_groups_work_too() {
        there_and_back(
            "stages: {é: {cmd: x}, b: {cmd: y}}\n",
            "é",
            "stages: {é: {frozen: true, cmd: x}, b: {cmd: y}}\n",
        );
        let each = "stages:\n  a:\n    foreach: [1, 2]\n    do:\n      cmd: echo ${item}\n";
        there_and_back(
            each,
            "a",
            "stages:\n  a:\n    foreach: [1, 2]\n    do:\n      frozen: true\n      cmd: echo ${item}\n",
        );
        let matrix = "stages:\n  a: {matrix: {m: [1]}, cmd: x}\n";
        there_and_back(matrix, "a", "stages:\n  a: {frozen: true, matrix: {m: [1]}, cmd: x}\n");
    }

    #[test]
    fn a_value_with_a_remark_keeps_it() {
        let text = "stages:\n  a:\n    cmd: x\n    frozen: true  # until the data is in\n";
        let unfrozen = "stages:\n  a:\n    cmd: x\n    frozen: false  # until the data is in\n";
        assert_eq!(edit(text, "a", false).expect("editable").as_deref(), Some(unfrozen));
        assert_eq!(edit(unfrozen, "a", true).expect("editable").as_deref(), Some(text));
    }

    #[test]
    fn a_merged_stage_gets_a_key_of_its_own_and_a_shared_one_is_refused() {
        let merged =
            "vars:\n  - base: &base {cmd: x}\nstages:\n  a:\n    <<: *base\n    deps: [d]\n  b:\n    <<: *base\n";
        let text = edit(merged, "a", true).expect("editable").expect("changed");
        assert!(text.contains("    frozen: true\n    deps: [d]\n"), "{text}");
        let shared = "stages:\n  a: &a\n    cmd: x\n  b: *a\n";
        for entry in ["a", "b"] {
            let error = edit(shared, entry, true).expect_err("refused").to_string();
            assert!(error.contains("cannot be changed without changing more"), "{error}");
        }
        let template = "stages:\n  a:\n    cmd: x\n    frozen: ${f}\n";
        assert!(edit(template, "a", true).expect_err("refused").to_string().contains("neither true nor false"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_frozen_is_frozen_and_back_again(body in "[-a-z:{}\\[\\]&*#'\"<, \n]{0,60}") {
            let block = format!("stages:\n  a:\n    cmd: x\n{body}\n");
            let flow = format!("stages: {{a: {{cmd: x{body}}}}}");
            for text in [block, flow] {
                let Ok(Some(frozen)) = edit(&text, "a", true) else { continue };
                let thawed = edit(&frozen, "a", false);
                proptest::prop_assert!(thawed.is_ok_and(|thawed| thawed.is_some()), "{}", frozen);
            }
        }
    }
}
