//! Parameters and metrics as MLflow takes them: one level of names, texts of limited length, finite numbers.

use std::collections::BTreeMap;

use serde_json::Value;

/// Most characters of a name, and of a parameter's text.
const NAME: usize = 250;
const TEXT: usize = 500;

/// Every leaf of a tree of parameters by its dotted path; a list is one text. What is longer than the server takes is cut,
/// which its end says.
pub fn params(tree: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(tree, "", &mut |path, leaf| {
        let text = leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned);
        found.insert(name(path), cut(&text, TEXT));
    });
    found
}

/// Every number of a metrics file by its dotted path. What is `null` there has no number, and none is made up.
pub fn metrics(tree: &Value) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    numbers(tree, "", &mut found);
    found
}

fn numbers(tree: &Value, path: &str, found: &mut BTreeMap<String, f64>) {
    walk(tree, path, &mut |path, leaf| match leaf {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| numbers(item, &joined(path, &at.to_string()), found));
        }
        leaf => found.extend(leaf.as_f64().filter(|number| number.is_finite()).map(|number| (name(path), number))),
    });
}

/// Calls `leaf` with the path of everything that is no mapping.
fn walk(tree: &Value, path: &str, leaf: &mut dyn FnMut(&str, &Value)) {
    match tree.as_object() {
        Some(mapping) => mapping.iter().for_each(|(key, value)| walk(value, &joined(path, key), leaf)),
        None => leaf(path, tree),
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A name that the server takes. One that had to be changed ends in a digest, so that two never become one.
fn name(path: &str) -> String {
    let taken = |letter: char| letter.is_ascii_alphanumeric() || "_-./ ".contains(letter);
    let plain: String = path.chars().map(|letter| if taken(letter) { letter } else { '_' }).collect();
    // Such a name would be taken for a path that leaves its place.
    let risky = plain.starts_with('/') || plain.split('/').any(|part| matches!(part, "" | "." | ".."));
    if plain == path && plain.len() <= NAME && !risky {
        return plain;
    }
    let digest = blake3::hash(path.as_bytes()).to_hex();
    let kept: String = plain.replace('/', "_").chars().take(NAME - 9).collect();
    format!("{kept}-{}", &digest[..8])
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_have_dotted_paths() {
        let tree =
            json!({"seed": 42, "train": {"models": ["a", "b"], "gbdt": {"rate": 0.1, "note": "x"}}, "none": null});
        let expected = [
            ("none", "null"),
            ("seed", "42"),
            ("train.gbdt.note", "x"),
            ("train.gbdt.rate", "0.1"),
            ("train.models", "[\"a\",\"b\"]"),
        ];
        assert_eq!(params(&tree), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn metrics_are_numbers_and_nothing_else() {
        let tree = json!({"auroc": {"value": 0.8, "method": "delong", "low": null}, "n": 3, "ok": true, "list": [1, {"b": 2}, "x"]});
        let expected = [("auroc.value", 0.8), ("list.0", 1.0), ("list.1.b", 2.0), ("n", 3.0)];
        assert_eq!(metrics(&tree), expected.map(|(key, value)| (key.to_owned(), value)).into());
    }

    #[test]
    fn long_texts_say_that_they_were_cut() {
        let cut = &params(&json!({"a": "é".repeat(501)}))["a"];
        assert_eq!((cut.chars().count(), cut.ends_with("é…")), (500, true));
        assert_eq!(params(&json!({"a": "é".repeat(500)}))["a"], "é".repeat(500));
    }

    proptest! {
        #[test]
        fn names_are_taken_and_stay_apart(one in "\\PC{0,300}", two in "\\PC{0,300}") {
            for path in [&one, &two] {
                let name = name(path);
                prop_assert!(!name.is_empty() && name.len() <= NAME, "{}", name);
                prop_assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./ ".contains(letter)), "{}", name);
                prop_assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{}", name);
            }
            prop_assert!(one == two || name(&one) != name(&two));
        }
    }
}
