//! JSON Schemas (draft 2020-12) of the files that people write, for editors and for checks outside clinpipe.
//!
//! The schema of pipeline.yaml says what a pipeline may look like before templates are filled in; what only the loader
//! can know (paths that overlap, stages that wait for each other, roles bound twice) it does not say. Descriptions are
//! what an editor shows.

use serde_json::{Map, Value, json};

use super::pipeline::{BuiltinCatalog, BuiltinRole, BuiltinSpec};
use super::storage::Link;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of pipeline.yaml and dvc.yaml.
pub fn pipeline(catalog: &dyn BuiltinCatalog) -> Value {
    let text = json!({"type": "string"});
    json!({
        "$schema": DRAFT,
        "title": "clinpipe pipeline",
        "description": "pipeline.yaml of clinpipe; every dvc.yaml is one",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "stages": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/stage"}, "description": "Stages by name."},
            "vars": {"$ref": "#/$defs/vars"},
            "params": list(text.clone(), "Parameter files shown by `params diff` besides those of the stages."),
            "metrics": list(text.clone(), "Metric files besides those of the stages."),
            "plots": {"oneOf": [list(json!({"oneOf": [text, {"$ref": "#/$defs/plots"}]}), "Paths, or plots by id."), {"$ref": "#/$defs/plots"}]},
            "artifacts": {"description": "Accepted from DVC; without effect."},
            "datasets": {"description": "Accepted from DVC; without effect."},
            "pools": {
                "type": "object",
                "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 4096},
                "description": "How many stages of a pool may run at once.",
            },
            "store": store(),
        },
        "$defs": definitions(catalog),
    })
}

fn store() -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "link": {"enum": Link::NAMES.map(|(name, _)| name), "description": "How files get from the store into the workspace."},
            "remote": {"type": "string", "description": "The remote that is meant when none is named."},
            "remotes": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Directories by name."},
        },
        "description": "How the store is used, and where its remotes are.",
    })
}

fn definitions(catalog: &dyn BuiltinCatalog) -> Value {
    let bodies: Vec<Value> =
        catalog.names().iter().filter_map(|name| Some(builtin_rule(name, &catalog.spec(name)?))).collect();
    json!({
        "template": {"type": "string", "pattern": r"\$\{"},
        "flag": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/template"}]},
        "vars": {
            "type": ["array", "null"],
            "items": {"type": ["string", "object"]},
            "description": "Mappings, files, or `file:key,key`, whose values `${…}` may name.",
        },
        "paths": {
            "description": "A command lists paths, `- path` or `- path: {flags}`; a built-in binds roles, `role: path`.",
            "type": ["array", "object", "null"],
            "items": {"oneOf": [{"type": "string"}, {"type": "object"}]},
            "additionalProperties": {"oneOf": [
                {"type": "string"},
                {"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}},
            ]},
        },
        "plots": {"type": "object", "additionalProperties": {"oneOf": [
            {"type": "null"},
            {"type": "object", "additionalProperties": false, "properties": plot_properties()},
        ]}},
        "stage": {"oneOf": [{"$ref": "#/$defs/foreach"}, {"$ref": "#/$defs/plain"}]},
        "foreach": {
            "type": "object",
            "required": ["foreach", "do"],
            "additionalProperties": false,
            "properties": {
                "foreach": {"type": ["array", "object", "string"], "description": "One stage for each item."},
                "do": {"$ref": "#/$defs/plain"},
            },
        },
        "plain": {
            "type": "object",
            "additionalProperties": false,
            "properties": stage_properties(),
            "oneOf": [{"required": ["cmd"]}, {"required": ["uses"]}],
            "allOf": bodies,
        },
    })
}

/// Every key of a stage without `foreach`.
fn stage_properties() -> Value {
    let said = |schema: Value, about: &str| {
        let mut schema = schema;
        schema["description"] = about.into();
        schema
    };
    let files = || json!({"$ref": "#/$defs/paths"});
    json!({
        "cmd": {
            "oneOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": "string"}}],
            "description": "Shell commands; each line has a shell of its own.",
        },
        "uses": {"type": "string", "description": "A built-in stage."},
        "wdir": {"type": "string", "description": "Where the command runs; paths of the stage start there."},
        "deps": said(files(), "What it reads."),
        "params": {
            "type": ["array", "null"],
            "items": {"oneOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": {"type": ["array", "null"], "items": {"type": "string"}}},
            ]},
            "description": "Keys of params.yaml, or `{file: [keys]}`; `{file: null}` is the whole file.",
        },
        "outs": said(files(), "What it writes."),
        "metrics": said(files(), "Outputs that `metrics` reads."),
        "plots": said(files(), "Outputs that `plots` draws."),
        "env": list(json!({"type": "string", "pattern": "^([A-Za-z_][A-Za-z0-9_]*|.*\\$\\{.*)$"}), "Variables a command sees, besides a fixed few; part of the key."),
        "timeout": {"type": ["string", "number"], "description": "Killed after this time: 45s, 30m, 2h, 1h30m."},
        "retries": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 100}, {"$ref": "#/$defs/template"}], "description": "How often a failed attempt is repeated."},
        "pool": {"type": "string", "description": "The pool that bounds how many run at once."},
        "resources": {
            "type": ["object", "null"],
            "additionalProperties": false,
            "properties": {
                "threads": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 4096}, {"$ref": "#/$defs/template"}]},
                "memory": {"type": ["string", "number"], "description": "512MiB, 2GiB."},
            },
            "description": "Limits and scheduling; not part of the key.",
        },
        "frozen": {"$ref": "#/$defs/flag", "description": "Never run; its outputs are taken as they are."},
        "always_changed": {"$ref": "#/$defs/flag", "description": "Run every time."},
        "desc": {"type": ["string", "null"], "description": "Free text."},
        "meta": {"description": "Anything; ignored."},
        "vars": {"$ref": "#/$defs/vars"},
        "matrix": {
            "oneOf": [
                {"type": "object", "additionalProperties": {"type": ["array", "string"]}},
                {"$ref": "#/$defs/template"},
            ],
            "description": "One stage for each combination.",
        },
    })
}

/// What one built-in demands of the stage that uses it.
fn builtin_rule(name: &str, spec: &BuiltinSpec) -> Value {
    let roles = |roles: &[BuiltinRole]| -> Map<String, Value> {
        roles.iter().map(|role| (role.name.clone(), json!({"description": role.about}))).collect()
    };
    let required: Vec<&str> = spec.inputs.iter().filter(|role| role.required).map(|role| role.name.as_str()).collect();
    let outputs =
        json!({"type": ["object", "null"], "additionalProperties": false, "properties": roles(&spec.outputs)});
    let inputs = json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": roles(&spec.inputs),
        "required": required,
    });
    let files = json!({"deps": inputs, "outs": outputs.clone(), "metrics": outputs.clone(), "plots": outputs});
    json!({
        "if": {"required": ["uses"], "properties": {"uses": {"const": name}}},
        "then": {"properties": files, "required": if required.is_empty() { json!([]) } else { json!(["deps"]) }},
    })
}

fn plot_properties() -> Value {
    let text = json!({"type": "string"});
    let columns = json!({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    json!({
        "template": text,
        "x": {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]},
        "y": {"oneOf": [columns, {"type": "object", "additionalProperties": columns}]},
        "x_label": text,
        "y_label": text,
        "title": text,
        "header": {"type": "boolean"},
    })
}

fn list(item: Value, about: &str) -> Value {
    json!({"type": ["array", "null"], "items": item, "description": about})
}

/// The schema of the parameters that the built-in stages read. `types` is what their own types say, as
/// `{"properties", "$defs"}`; a key without a type is described in words alone.
pub fn params(catalog: &dyn BuiltinCatalog, types: &Value) -> Value {
    let mut keys: Map<String, Value> = Map::new();
    for name in catalog.names() {
        let Some(spec) = catalog.spec(&name) else { continue };
        for role in &spec.params {
            let told = keys.entry(role.name.clone()).or_insert_with(|| {
                let mut told = json!({"description": role.about, "x-stages": []});
                if let Some(schema) = types["properties"].get(&role.name) {
                    told["allOf"] = json!([schema]);
                }
                told
            });
            if let Some(stages) = told["x-stages"].as_array_mut() {
                stages.push(json!({"stage": name, "required": role.required}));
            }
        }
    }
    json!({
        "$schema": DRAFT,
        "title": "clinpipe parameters",
        "description": "params.yaml of the built-in stages; further keys are for commands and templates",
        "$comment": "x-stages: which built-in stages read the key, and whether they need it",
        "type": "object",
        "properties": keys,
        "$defs": types["$defs"],
    })
}
