//! One stage.

use super::entries::{Files, params};
use super::quantity;
use crate::config::pipeline::{OutClass, Resources, StageDef, StageName, Work};
use crate::config::report::Report;
use crate::config::template::Expanded;
use crate::config::yaml::{Kind, Node};
use crate::util::RelPath;

/// The keys of a stage. `foreach`, `do`, `matrix` and `vars` are gone when a stage is read.
const KEYS: [&str; 21] = [
    "cmd",
    "uses",
    "wdir",
    "deps",
    "params",
    "outs",
    "metrics",
    "plots",
    "env",
    "timeout",
    "retries",
    "pool",
    "resources",
    "frozen",
    "always_changed",
    "desc",
    "meta",
    "vars",
    "foreach",
    "do",
    "matrix",
];

/// Reads a stage; faults go to the report, and what could not be read is left at its default.
pub(in crate::config) fn read_stage(expanded: &Expanded, base: &RelPath, report: &mut Report) -> Option<StageDef> {
    let Expanded { name, span, body } = expanded;
    let what = format!("stage `{name}`");
    if name.is_empty() || name.chars().any(char::is_control) {
        report.fault(*span, "a stage needs a printable name");
        return None;
    }
    report.mapping(body, &what, &KEYS)?;
    let work = read_work(expanded, &what, report)?;
    let field = |key: &str| body.get(key);
    let wdir = match field("wdir") {
        Some(node) => report
            .text(node, &format!("`wdir` of {what}"))
            .and_then(|text| report.path(base, text, node.span))
            .unwrap_or_default(),
        None => base.clone(),
    };
    let files = Files { base: &wdir, stage: name, roles: matches!(work, Work::Builtin(_)) };
    let mut outs = Vec::new();
    for (key, class) in [("outs", OutClass::Out), ("metrics", OutClass::Metric), ("plots", OutClass::Plot)] {
        if let Some(node) = field(key) {
            outs.extend(files.outs(node, class, report));
        }
    }
    let mut flag =
        |key: &str| field(key).and_then(|node| report.flag(node, &format!("`{key}` of {what}"))).unwrap_or(false);
    let (frozen, always_changed) = (flag("frozen"), flag("always_changed"));
    let retries =
        field("retries").and_then(|node| report.count(node, &format!("`retries` of {what}"), 0, 100)).unwrap_or(0);
    Some(StageDef {
        name: StageName(name.clone()),
        file: RelPath::default(),
        local: name.clone(),
        span: *span,
        deps: field("deps").map(|node| files.deps(node, report)).unwrap_or_default(),
        params: field("params").map(|node| params(node, &wdir, name, report)).unwrap_or_default(),
        outs,
        env: field("env").and_then(|node| read_env(node, &what, &work, report)),
        resources: field("resources").map(|node| read_resources(node, &what, report)).unwrap_or_default(),
        timeout: field("timeout").and_then(|node| {
            quantified(node, &format!("`timeout` of {what}"), "a time like `30m`, `2h` or `45s`", report, |text| {
                quantity::duration(text)
            })
        }),
        retries: u32::try_from(retries).unwrap_or(0),
        pool: field("pool").and_then(|node| report.text(node, &format!("`pool` of {what}"))).map(str::to_owned),
        frozen,
        always_changed,
        service: false,
        desc: field("desc").and_then(|node| report.text(node, &format!("`desc` of {what}"))).map(str::to_owned),
        work,
        wdir,
    })
}

fn read_work(expanded: &Expanded, what: &str, report: &mut Report) -> Option<Work> {
    match (expanded.body.entry("cmd"), expanded.body.entry("uses")) {
        (Some(_), Some(uses)) => {
            let message = format!("{what} has both `cmd` and `uses`");
            report.fault_with_help(uses.key_span, message, "a stage is a command or a built-in; remove one of them");
            None
        }
        (None, None) => {
            let message = format!("{what} does nothing: it has neither `cmd` nor `uses`");
            report.fault_with_help(expanded.span, message, "add `cmd: <shell command>` or `uses: <built-in stage>`");
            None
        }
        (Some(cmd), None) => read_commands(&cmd.value, what, report).map(Work::Command),
        (None, Some(uses)) => {
            report.text(&uses.value, &format!("`uses` of {what}")).map(|name| Work::Builtin(name.to_owned()))
        }
    }
}

/// Every line of a text is a command of its own, an item of a list is one whatever it holds, as under DVC.
fn read_commands(node: &Node, what: &str, report: &mut Report) -> Option<Vec<String>> {
    let name = format!("`cmd` of {what}");
    let commands: Vec<&str> = match &node.kind {
        Kind::Text(text) => text.lines().collect(),
        Kind::List(items) => items.iter().map(|item| report.text(item, &name)).collect::<Option<_>>()?,
        _ => {
            report.expected(node, &name, "text or a list of texts");
            return None;
        }
    };
    let lines: Vec<String> =
        commands.into_iter().filter(|line| !line.trim().is_empty()).map(|line| line.trim_end().to_owned()).collect();
    if lines.is_empty() {
        report.fault(node.span, format!("{name} is empty"));
        return None;
    }
    Some(lines)
}

fn read_env(node: &Node, what: &str, work: &Work, report: &mut Report) -> Option<Vec<String>> {
    if matches!(work, Work::Builtin(_)) {
        let message = format!("{what} is a built-in and sees no environment");
        report.fault_with_help(node.span, message, "remove `env`");
        return None;
    }
    let mut names = Vec::new();
    for item in report.list(node, &format!("`env` of {what}"), "variable names") {
        let Some(name) = report.text(item, &format!("a name in `env` of {what}")) else { continue };
        let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.starts_with(|c: char| !c.is_ascii_digit());
        if !valid {
            let message = format!("`{name}` is not the name of an environment variable");
            report.fault_with_help(item.span, message, "list names only; values come from the environment");
        } else if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Some(names)
}

fn read_resources(node: &Node, what: &str, report: &mut Report) -> Resources {
    let mut resources = Resources::default();
    let what = format!("`resources` of {what}");
    for entry in report.mapping(node, &what, &["threads", "memory"]).unwrap_or_default() {
        let name = format!("`{}` in {what}", entry.key);
        match entry.key.as_str() {
            "threads" => {
                let threads = report.count(&entry.value, &name, 1, 4096);
                resources.threads = threads.and_then(|threads| usize::try_from(threads).ok());
            }
            "memory" => {
                resources.memory = quantified(&entry.value, &name, "a size like `2GiB` or `512MiB`", report, |text| {
                    quantity::bytes(text)
                });
            }
            _ => {}
        }
    }
    resources
}

fn quantified<T>(
    node: &Node,
    what: &str,
    expected: &str,
    report: &mut Report,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = match &node.kind {
        Kind::Text(text) => text.clone(),
        Kind::Number(number) => number.to_string(),
        _ => {
            report.expected(node, what, expected);
            return None;
        }
    };
    let value = parse(&text);
    if value.is_none() {
        report.fault(node.span, format!("{what} must be {expected}, found `{text}`"));
    }
    value
}
