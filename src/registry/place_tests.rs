//! Where a registry is, and what a killed process leaves there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::place::{ARCHIVED, CHAMPION, CURRENT, DOCUMENT, Registry, RegistryError};
use super::state::tests::{digest, done};
use super::state::{Act, State};
use super::version::BUNDLE;

fn registry() -> (tempfile::TempDir, Registry) {
    let root = tempfile::tempdir().expect("a directory");
    let registry = Registry::new(root.path(), "dropout").expect("a name");
    (root, registry)
}

fn promote(registry: &Registry, expected: Option<&str>, name: &str) -> Result<State, RegistryError> {
    let held = registry.lock().expect("the lock");
    fs::create_dir_all(registry.version_dir(digest(name)).join(BUNDLE)).expect("a version");
    let state = held.prepare(expected.map(digest), done(Act::Promotion, name))?;
    held.point(&state).map(|()| state)
}

#[test]
fn the_alias_leads_to_the_bundle_and_moves_with_the_state() {
    let (root, registry) = registry();
    assert!(registry.state().expect("readable").is_none() && registry.history().expect("readable").is_empty());
    promote(&registry, None, "a").expect("promoted");
    let champion = root.path().join(registry.alias(CHAMPION));
    let leads = |alias: &Path| alias.canonicalize().expect("leads somewhere");
    assert_eq!(leads(&champion), leads(&registry.version_dir(digest("a")).join(BUNDLE)));
    promote(&registry, Some("a"), "b").expect("promoted");
    assert_eq!(leads(&champion), leads(&registry.version_dir(digest("b")).join(BUNDLE)));
    fs::write(registry.version_dir(digest("b")).join("metrics.json"), "{}").expect("written");
    assert_eq!(fs::read_to_string(registry.dir.join("champion.metrics.json")).expect("leads to its measures"), "{}");
    assert_eq!(
        leads(&root.path().join(registry.alias(ARCHIVED))),
        leads(&registry.version_dir(digest("a")).join(BUNDLE))
    );
    assert_eq!(registry.history().expect("holds together").len(), 2);
    assert_eq!(registry.find("champion").expect("found"), digest("b"));
    assert_eq!(registry.find(&digest("a").to_string()[..8]).expect("found"), digest("a"));
    assert_eq!(Registry::models(root.path()).expect("listed"), ["dropout"]);
}

#[test]
fn a_comparison_with_another_champion_does_not_hold() {
    let (_root, registry) = registry();
    promote(&registry, None, "a").expect("promoted");
    for expected in [None, Some("b")] {
        assert!(matches!(promote(&registry, expected, "b"), Err(RegistryError::Moved { .. })));
    }
    assert_eq!(registry.state().expect("readable").and_then(|state| state.champion), Some(digest("a")));
}

#[test]
fn what_a_killed_process_left_changes_nothing_and_is_cleared() {
    let (_root, registry) = registry();
    promote(&registry, None, "a").expect("promoted");
    // Killed while it wrote a state, and before `current` was moved.
    fs::create_dir_all(registry.dir.join("states/.new-000002")).expect("left");
    fs::create_dir_all(registry.dir.join("states/000002")).expect("left");
    fs::write(registry.dir.join("states/000002").join(DOCUMENT), "{").expect("left");
    symlink("states/000002", registry.dir.join(".new-current")).expect("left");
    assert_eq!(registry.history().expect("holds together").len(), 1);
    promote(&registry, Some("a"), "b").expect("promoted");
    assert_eq!(registry.history().expect("holds together").len(), 2);
    assert!(!registry.dir.join("states/.new-000002").exists() && !registry.dir.join(".new-current").exists());
}

#[test]
fn a_state_holds_when_it_is_pointed_to_and_not_before() {
    let (_root, registry) = registry();
    promote(&registry, None, "a").expect("promoted");
    let held = registry.lock().expect("the lock");
    let state = held.prepare(Some(digest("a")), done(Act::Promotion, "b")).expect("in place");
    assert_eq!(registry.state().expect("readable").and_then(|state| state.champion), Some(digest("a")));
    assert_eq!(registry.numbered(2).expect("readable"), state);
    held.point(&state).expect("pointed to");
    assert_eq!(registry.state().expect("readable").as_ref(), Some(&state));
}

#[test]
fn a_rewritten_history_is_found() {
    let (_root, registry) = registry();
    promote(&registry, None, "a").expect("promoted");
    promote(&registry, Some("a"), "b").expect("promoted");
    let path = registry.state_dir(1).join(DOCUMENT);
    let text = fs::read_to_string(&path).expect("readable").replace("ana", "bob");
    fs::write(&path, text).expect("written");
    assert!(matches!(registry.history(), Err(RegistryError::Damaged { .. })));
}

#[test]
fn without_the_link_only_a_first_promotion_that_was_killed_is_no_registry() {
    let (_root, registry) = registry();
    promote(&registry, None, "a").expect("promoted");
    let current = registry.dir.join(CURRENT);
    fs::remove_file(&current).expect("removed");
    assert!(registry.state().expect("readable").is_none());
    promote(&registry, None, "a").expect("promoted");
    promote(&registry, Some("a"), "b").expect("promoted");
    fs::remove_file(&current).expect("removed");
    let told = registry.state().expect_err("two states").to_string();
    assert!(told.contains("ln -sfn states/000002"), "{told}");
    assert!(promote(&registry, None, "c").is_err() && registry.state_dir(1).join(DOCUMENT).exists());
    fs::create_dir(&current).expect("made");
    assert!(matches!(registry.state(), Err(RegistryError::Damaged { .. })));
}

#[test]
fn an_alias_that_leads_elsewhere_is_found() {
    let (_root, registry) = registry();
    promote(&registry, None, "a").expect("promoted");
    promote(&registry, Some("a"), "b").expect("promoted");
    let own = registry.state_dir(2);
    for (link, other) in [
        (own.join("champion"), format!("../../versions/{}/bundle", digest("a"))),
        (own.join("challenger"), format!("../../versions/{}/bundle", digest("a"))),
        (registry.dir.join("champion"), format!("versions/{}/bundle", digest("a"))),
    ] {
        let before = fs::read_link(&link).ok();
        let put = |target: &Path| symlink(target, &link).expect("linked");
        fs::remove_file(&link).unwrap_or_default();
        put(Path::new(&other));
        let told = registry.state().expect_err("changed").to_string();
        assert!(told.contains(&link.display().to_string()), "{told}");
        fs::remove_file(&link).expect("removed");
        if let Some(target) = &before {
            put(target);
        }
        registry.state().expect("restored");
    }
}

#[test]
fn names_are_plain() {
    for name in ["", ".", "..", ".x", "a/b", "a b", "ä"] {
        assert!(Registry::new(Path::new("."), name).is_err(), "{name}");
    }
}
