//! The documentation: every page is in the index, and every link leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The targets of a page's links below the repository, without their anchors.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let inside = targets.map(|(target, _)| target.split('#').next().unwrap_or_default().to_owned());
    inside.filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(' ')).collect()
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    pages.chain(["README.md", "benches/README.md", "src/ARCHITECTURE.md"].map(|name| root().join(name))).collect()
}

#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    let listed: BTreeSet<String> = links(&index).into_iter().collect();
    for page in pages().iter().filter(|page| page.parent().is_some_and(|parent| parent.ends_with("docs"))) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || listed.contains(name), "docs/README.md does not list {name}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            let at = page.parent().unwrap_or(Path::new(".")).join(&target);
            assert!(at.exists(), "{}: {target} leads nowhere", page.display());
        }
    }
}
