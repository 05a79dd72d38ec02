//! tripod_ai.md: which items of TRIPOD+AI (Collins et al., BMJ 2024;385:e078378) the files of this run answer, which
//! their authors have answered, and which nobody has.
//!
//! An item is `auto` only where a file holds the answer, and then the file and its digest are named. Rationale,
//! funding, ethics, patient involvement and every other thing that no file can know are `declared` or `missing`. There
//! is no score and no verdict: whether an answer is good is for a reader to say. Items are described in own words.

mod items;

use self::items::{ITEMS, Item};
use super::markdown;
use super::params::ReportParams;
use super::sources::Sources;

/// The items that can be answered under `report.tripod`.
pub(super) fn declarable() -> Vec<&'static str> {
    ITEMS.iter().filter(|item| item.people.is_some()).map(|item| item.id).collect()
}

/// The whole file. `declared` has what other parameters say of an item: where it is declared, and the text.
pub(super) fn render(
    sources: &Sources,
    params: &ReportParams,
    declared: &dyn Fn(&str) -> Option<(&'static str, String)>,
) -> String {
    let mut rows = Vec::new();
    let mut counts = [0_usize; 3];
    for item in ITEMS {
        for (status, content) in answers(item, sources, params, declared) {
            counts[status as usize] += 1;
            rows.push(vec![item.id.to_owned(), item.topic.to_owned(), status.as_str().to_owned(), content]);
        }
    }
    let [auto, said, missing] = counts;
    format!(
        "# TRIPOD+AI: where each item is answered\n\n\
         After Collins et al., BMJ 2024;385:e078378, in own words. `auto`: a file of this run holds the answer; its \
         BLAKE3 digest is given. `declared`: the authors say so in params.yaml; clinpipe has not checked it. `missing`: \
         nobody has said it yet. An item can have several parts. This is an index and no verdict: it does not say that \
         an answer is sufficient, and takes no account of the published text.\n\n\
         {auto} parts auto, {said} declared, {missing} missing.\n\n{}",
        markdown::table(&["Item", "About", "Status", "Answer"], rows)
    )
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Auto,
    Declared,
    Missing,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Declared => "declared",
            Self::Missing => "missing",
        }
    }
}

fn answers(
    item: &Item,
    sources: &Sources,
    params: &ReportParams,
    declared: &dyn Fn(&str) -> Option<(&'static str, String)>,
) -> Vec<(Status, String)> {
    let mut answers = Vec::new();
    let bound = item.files.iter().filter_map(|(role, what)| {
        let digest = sources.digest(role)?;
        Some(format!(
            "{}: {}, BLAKE3 {}",
            markdown::text(what),
            markdown::code(&digest.name),
            markdown::code(&digest.blake3)
        ))
    });
    let bound: Vec<String> = bound.collect();
    if !bound.is_empty() {
        answers.push((Status::Auto, bound.join("; ")));
    } else if let Some((role, what)) = item.files.first() {
        let text =
            format!("No file: {}. Bind the role {} of the stage report.", markdown::text(what), markdown::code(role));
        answers.push((Status::Missing, text));
    }
    if let Some(what) = item.people {
        let own = params.tripod.get(item.id).map(|text| (format!("report.tripod.{}", item.id), text.clone()));
        let elsewhere = || declared(item.id).map(|(key, text)| (key.to_owned(), text));
        if let Some((key, text)) = own.or_else(elsewhere) {
            answers.push((Status::Declared, format!("{} ({})", markdown::text(&text), markdown::code(&key))));
        } else {
            let key = markdown::code(&format!("report.tripod.{}", item.id));
            let text = format!("Not declared: {}. Add {key} to params.yaml.", markdown::text(what));
            answers.push((Status::Missing, text));
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_27_items_and_every_one_asks_for_something() {
        let number = |item: &Item| item.id.trim_end_matches(char::is_alphabetic).parse::<usize>().expect("a number");
        let numbers: BTreeSet<usize> = ITEMS.iter().map(number).collect();
        assert_eq!(numbers, (1..=27).collect());
        let ids: BTreeSet<&str> = ITEMS.iter().map(|item| item.id).collect();
        assert_eq!(ids.len(), ITEMS.len());
        assert!(ITEMS.iter().all(|item| !item.files.is_empty() || item.people.is_some()));
        let roles: BTreeSet<&str> = super::super::INPUTS.iter().map(|role| role.name).collect();
        let unknown: Vec<&str> = ITEMS
            .iter()
            .flat_map(|item| item.files)
            .map(|(role, _)| *role)
            .filter(|role| !roles.contains(role))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn what_no_file_can_know_is_never_filled_in() {
        for id in ["3a", "17", "18a", "18b", "19", "25"] {
            let item = ITEMS.iter().find(|item| item.id == id).expect(id);
            assert!(item.files.is_empty() && item.people.is_some(), "{id}");
        }
    }
}
