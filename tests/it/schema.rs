//! The JSON Schemas against the files that the loader accepts and refuses.

use std::collections::BTreeSet;
use std::path::Path;

use clinpipe::config::parse_value;
use regex::Regex;
use serde_json::{Value, json};

use crate::project::Project;

/// The keywords that the schemas use, and no others: one that it does not know fails the test.
struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn accepts(&self, schema: &Value, value: &Value) -> bool {
        let Value::Object(keywords) = schema else { return schema == &json!(true) };
        keywords.iter().all(|(keyword, rule)| self.keyword(keyword, rule, schema, value))
    }

    fn keyword(&self, keyword: &str, rule: &Value, schema: &Value, value: &Value) -> bool {
        let all = |rule: &Value| rule.as_array().unwrap().iter().filter(|one| self.accepts(one, value)).count();
        match keyword {
            "$schema" | "$defs" | "$comment" | "title" | "description" | "default" | "format" | "then" | "x-stages" => {
                true
            }
            "$ref" => self.accepts(self.root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(), value),
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_type(value, one.as_str().unwrap())),
                one => is_type(value, one.as_str().unwrap()),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "oneOf" => all(rule) == 1,
            "anyOf" => all(rule) > 0,
            "allOf" => all(rule) == rule.as_array().unwrap().len(),
            "if" => !self.accepts(rule, value) || self.accepts(&schema["then"], value),
            "required" => {
                let names = rule.as_array().unwrap().iter();
                value.as_object().is_none_or(|map| names.clone().all(|name| map.contains_key(name.as_str().unwrap())))
            }
            "properties" => value.as_object().is_none_or(|map| {
                map.iter().all(|(key, value)| rule.get(key).is_none_or(|schema| self.accepts(schema, value)))
            }),
            "additionalProperties" => value.as_object().is_none_or(|map| {
                let known = |key: &String| schema.get("properties").is_some_and(|known| known.get(key).is_some());
                map.iter()
                    .filter(|(key, _)| !known(key))
                    .all(|(_, value)| rule != &json!(false) && self.accepts(rule, value))
            }),
            "items" => value.as_array().is_none_or(|items| items.iter().all(|item| self.accepts(rule, item))),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
            other => panic!("the checker does not know `{other}`"),
        }
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("unknown type {other}"),
    }
}

fn schema(of: &str) -> Value {
    Project::empty().run(&["schema", of]).succeeds().json()
}

fn accepted(schema: &Value, text: &str) -> bool {
    Checker { root: schema }.accepts(schema, &parse_value(text, "t.yaml").unwrap())
}

#[test]
fn every_committed_file_has_the_shape_that_its_schema_says() {
    let (pipeline, params) = (schema("pipeline"), schema("params"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dirs = vec![root.to_owned()];
    dirs.extend(std::fs::read_dir(root.join("studies")).unwrap().map(|entry| entry.unwrap().path()));
    let mut read = 0;
    for dir in dirs {
        for (name, schema) in [("pipeline.yaml", &pipeline), ("params.yaml", &params)] {
            let Ok(text) = std::fs::read_to_string(dir.join(name)) else { continue };
            assert!(accepted(schema, &text), "{}", dir.join(name).display());
            read += 1;
        }
    }
    assert!(read >= 4, "{read}");
}

#[test]
fn the_schema_accepts_what_a_dvc_yaml_may_say() {
    let text = r#"
vars: [a.yaml, "b.json:x,y", {k: 1}]
params: [p.toml]
metrics: [m.json]
plots:
  - img.png
  - roc.csv: {x: fpr, y: [tpr, base], title: ROC, header: false}
  - both: {x: {a.csv: s}, y: {a.csv: u, b.csv: [v, w]}}
artifacts: {m: {path: m}}
pools: {gpu: 1}
store: {link: copy, remote: r, remotes: {r: ../r}}
stages:
  one: {cmd: echo, wdir: sub, deps: [a, {b: {optional: true}}], params: [x, {f.json: [y]}, {g.toml: null}], frozen: true}
  two: {cmd: [a, b], outs: [o, {p: {cache: false, persist: true}}], metrics: [{m: {cache: false}}], plots: [{c.csv: [{x: a}, {x: b}]}]}
  each: {foreach: "${list}", do: {cmd: "echo ${item}", always_changed: "${flag}"}}
  every: {matrix: {m: [a, b], n: "${list}"}, cmd: x, env: [OMP_NUM_THREADS], timeout: 30m, retries: 1, pool: gpu}
  built: {uses: split, deps: {table: {path: t.parquet}}, params: [seed, schema, split], outs: {split: s, report: r}}
  run: {cmd: x, resources: {threads: 2, memory: 2GiB}, desc: text, meta: {any: thing}, vars: [{q: 1}]}
"#;
    assert!(accepted(&schema("pipeline"), text));
    assert!(accepted(&schema("pipeline"), ""));
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    let schema = schema("pipeline");
    for text in [
        "stage: {}",
        "stages: {a: {}}",
        "stages: {a: {cmd: x, uses: split}}",
        "stages: {a: {cmd: x, dep: [b]}}",
        "stages: {a: {cmd: []}}",
        "stages: {a: {foreach: [1]}}",
        "stages: {a: {cmd: x, retries: -1}}",
        "stages: {a: {cmd: x, env: [A-B]}}",
        "stages: {a: {uses: split, deps: {tabel: t}, outs: {split: s, report: r}}}",
        "stages: {a: {uses: split, outs: {split: s, report: r}}}",
        "pools: {gpu: 0}",
        "store: {link: symlink}",
        "plots: [{a.csv: {colour: red}}]",
    ] {
        assert!(!accepted(&schema, text), "{text}");
        let project = Project::new(text);
        project.run(&["status"]).exits(2);
    }
}

#[test]
fn parameters_have_the_types_of_the_stages() {
    let schema = schema("params");
    for text in [
        "seed: x",
        "train: {models: [tree]}",
        "train: {gbdt: {roundz: 3}}",
        "validate: {rules: [{name: n}]}",
        "featurize: {derive: [{op: rate, name: n}]}",
        "featurize: {derive: [{op: root, name: n, of: m}]}",
        "generate: {kind: nothing}",
        "split: {kind: sometimes}",
    ] {
        assert!(!accepted(&schema, text), "{text}");
    }
    assert!(accepted(&schema, "seed: 1\nown: {anything: [1]}\nfeaturize: {derive: [{op: missing, name: n, of: m}]}\n"));
    assert!(accepted(&schema, "generate: {kind: dropout_causal, n: 10}\n"));
}

/// The loader names the keys it knows when one is far from all of them.
#[test]
fn loader_and_schema_know_the_same_keys() {
    let schema = schema("pipeline");
    let known = |text: &str| -> BTreeSet<String> {
        let run = Project::new(text).run(&["status"]).exits(2);
        let (_, list) = run.stderr.split_once("known keys are ").unwrap_or_else(|| panic!("{}", run.stderr));
        let words: String = list.lines().take_while(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" ");
        words.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let described = |pointer: &str| -> BTreeSet<String> {
        schema.pointer(pointer).and_then(Value::as_object).unwrap().keys().cloned().collect()
    };
    let unknown = "qqqqqqqqqqqqqqqqqqqqqqqq";
    assert_eq!(known(&format!("{unknown}: 1\n")), described("/properties"));
    let mut stage = described("/$defs/plain/properties");
    stage.extend(described("/$defs/foreach/properties"));
    assert_eq!(known(&format!("stages: {{a: {{cmd: x, {unknown}: 1}}}}\n")), stage);
}

/// The examples in the documentation are what they show, and what the program takes.
#[test]
fn files_of_the_registry_have_schemas_and_the_documented_ones_are_sound() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/registry.md")).unwrap();
    for (of, file, wrong) in [
        ("promotion", "promotion.yaml", "{rule: best}"),
        ("promotion", "promotion.yaml", "{guards: {auprc: 1}}"),
        ("pccp", "pccp.yaml", "{name: x, allowed: {param: []}}"),
        ("pccp", "pccp.yaml", "{allowed: {}}"),
    ] {
        let start = page.find(&format!("# {file}\n")).unwrap();
        let text = &page[start..start + page[start..].find("```").unwrap()];
        let schema = schema(of);
        assert!(accepted(&schema, text), "{file}");
        assert!(!accepted(&schema, wrong), "{wrong}");
        let project = Project::new("stages: {}\n");
        project.write(file, text);
        let told = project.run(&["promote", "--reason", "x", "--bundle", "none"]).exits(2).stderr;
        assert!(told.contains("none is not a bundle"), "{told}");
        project.write(file, wrong);
        let told = project.run(&["promote", "--reason", "x", "--bundle", "none"]).exits(2).stderr;
        assert!(told.contains(file), "{told}");
    }
}
