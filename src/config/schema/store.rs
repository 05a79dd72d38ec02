//! `store:`: the kind of workspace files, and the remotes.

use crate::config::report::Report;
use crate::config::storage::{Link, StoreSettings};
use crate::config::yaml::{Kind, Node};
use crate::util::nearest;

const KEYS: [&str; 3] = ["link", "remote", "remotes"];

/// Reads `store:`. A remote is a directory; other kinds are refused with what to do instead.
pub(super) fn read_store(node: &Node, report: &mut Report) -> StoreSettings {
    let mut settings = StoreSettings::default();
    if node.kind == Kind::Null || report.mapping(node, "`store`", &KEYS).is_none() {
        return settings;
    }
    if let Some(link) = node.get("link") {
        settings.link = read_link(link, report).unwrap_or_default();
    }
    if let Some(remotes) = node.get("remotes") {
        for entry in report.entries(remotes, "`remotes` in `store`", "a mapping of names to directories") {
            let what = format!("remote `{}`", entry.key);
            let Some(directory) = report.text(&entry.value, &what) else { continue };
            if directory.trim().is_empty() {
                report.fault(entry.value.span, format!("{what} is empty"));
            } else if directory.contains("://") {
                let message = format!("{what} is `{directory}`, but a remote must be a directory");
                let help = "mount the remote store and name the directory it is mounted at";
                report.fault_with_help(entry.value.span, message, help);
            } else {
                settings.remotes.insert(entry.key.clone(), directory.to_owned());
            }
        }
    }
    if let Some(node) = node.get("remote")
        && let Some(name) = report.text(node, "`remote` in `store`")
    {
        if !settings.remotes.contains_key(name) {
            let message = format!("`store` names the remote `{name}`, which `remotes` does not have");
            let near = nearest(name, settings.remotes.keys().map(String::as_str));
            let add = || format!("add `remotes: {{{name}: DIRECTORY}}` below `store`");
            let help = near.map_or_else(add, |word| format!("did you mean `{word}`?"));
            report.fault_with_help(node.span, message, help);
        }
        settings.remote = Some(name.to_owned());
    }
    settings
}

fn read_link(node: &Node, report: &mut Report) -> Option<Link> {
    let text = report.text(node, "`link` in `store`")?;
    let found = Link::NAMES.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names = Link::NAMES.map(|(name, _)| name);
        let message = format!("`link` in `store` must be one of {}, found `{text}`", names.join(", "));
        report.fault_near(node.span, message, nearest(text, names));
    }
    found.map(|(_, link)| *link)
}
