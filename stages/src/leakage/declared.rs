//! What needs no statistics: who is on which side of the split, and which columns are known in time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::data::{Data, EXAMPLES};
use super::family::{Examined, Probe};
use super::report::{Check, Measure};
use crate::common::folds::number_codes;
use crate::common::schema::AvailableAt;

/// The rows of the parts: listed once, and on one side only.
pub(super) fn split_rows(data: &Data) -> Examined {
    let mut is_test = vec![false; data.row_ids.len()];
    for &row in &data.test {
        is_test[row] = true;
    }
    let mut rows: Vec<(i64, bool)> = data.row_ids.iter().copied().zip(is_test).collect();
    rows.sort_unstable();
    let crosses = |rows: &&[(i64, bool)]| rows.iter().any(|row| row.1) && rows.iter().any(|row| !row.1);
    let crossing: Vec<i64> = rows.chunk_by(|a, b| a.0 == b.0).filter(crosses).map(|rows| rows[0].0).collect();
    let probe =
        Probe::count("test", Measure::Rows, crossing.len(), "rows are listed in the test part and outside".to_owned());
    Examined::new(Check::SplitRows, 1, vec![probe.shown_by(crossing.into_iter().take(EXAMPLES).collect())])
}

/// Patients on both sides of the split or of a fold. Without a patient column, equal ids are one patient.
pub(super) fn patient_overlap(data: &Data) -> Examined {
    let (patients, column) = match (&data.groups, &data.ids) {
        (Some(_), _) => (Cow::Borrowed(&data.patients), data.schema.group.as_deref()),
        (None, Some(ids)) => (Cow::Owned(number_codes(ids.codes().flatten())), data.schema.id.as_deref()),
        (None, None) => {
            return Examined::skipped(Check::PatientOverlap, 2, "the schema names neither a patient column nor an id");
        }
    };
    let column = column.unwrap_or_default();
    let count = patients.iter().max().map_or(0, |last| last + 1);
    let crossing = |held: &[usize], fit: &[usize]| -> BTreeMap<usize, usize> {
        let mut trained = vec![false; count];
        for &row in fit {
            trained[patients[row]] = true;
        }
        // The first held-out row of each patient that is trained on.
        held.iter().rev().filter(|&&row| trained[patients[row]]).map(|&row| (patients[row], row)).collect()
    };
    let probe = |subject: &str, crossing: BTreeMap<usize, usize>| {
        let text = format!("patients (`{column}`) are held out and trained on");
        let examples = crossing.values().take(EXAMPLES).map(|&row| data.row_ids[row]).collect();
        Probe::count(subject, Measure::Patients, crossing.len(), text).shown_by(examples)
    };
    let mut folds = BTreeMap::new();
    for fold in 0..data.folds.count() {
        let (fit, held) = data.folds.parts_of(fold, &data.train);
        folds.extend(crossing(&held, &fit));
    }
    let probes = vec![probe("test", crossing(&data.test, &data.train)), probe("folds", folds)];
    Examined::new(Check::PatientOverlap, 2, probes)
}

/// The raw columns that each feature is made of, through all derivations.
fn sources(data: &Data) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for column in data.spec.history.iter().flat_map(|history| &history.columns) {
        known.insert(column.name(), column.source().into_iter().collect());
    }
    for step in &data.spec.derive {
        let mut raw = BTreeSet::new();
        for (_, source) in step.sources() {
            match known.get(source) {
                Some(columns) => raw.extend(columns.iter().copied()),
                None => {
                    raw.insert(source);
                }
            }
        }
        known.insert(step.name(), raw);
    }
    let features = data.spec.features.iter().map(|feature| {
        let name = feature.name.as_str();
        (name, known.get(name).cloned().unwrap_or_else(|| BTreeSet::from([name])))
    });
    features.collect()
}

/// Features that are the outcome or known only after it, or are made of such a column.
pub(super) fn availability(data: &Data) -> Examined {
    let mut probes = Vec::new();
    let sources = sources(data);
    for (feature, columns) in &sources {
        let late = columns.iter().find_map(|column| {
            if *column == data.schema.target.column {
                return Some(format!("is made of the outcome `{column}`"));
            }
            let declared = data.schema.columns.get(*column)?;
            (declared.available_at == AvailableAt::Post)
                .then(|| format!("is made of `{column}`, which is known only after the outcome (available_at: post)"))
        });
        probes.extend(late.map(|text| Probe::count(feature, Measure::Columns, 1, text)));
    }
    Examined::new(Check::Availability, sources.len(), probes)
}

/// Words in the names of columns that are often filled in after the outcome, lower case, parts divided by `_`.
const OUTCOME_WORDS: [&str; 22] = [
    "autopsy",
    "censored",
    "death",
    "deceased",
    "died",
    "discharge",
    "discharged",
    "dropout",
    "end_date",
    "expired",
    "followup",
    "follow_up",
    "last_visit",
    "length_of_stay",
    "los",
    "mortality",
    "outcome",
    "readmission",
    "readmitted",
    "relapse",
    "survival",
    "withdrawal",
];

/// Feature columns called like an outcome whose `available_at` nobody stated: a warning, as a name proves nothing.
pub(super) fn outcome_name(data: &Data) -> Examined {
    let columns: BTreeSet<&str> = sources(data).into_values().flatten().collect();
    let mut probes = Vec::new();
    for column in &columns {
        let unstated = data.schema.columns.get(*column).is_some_and(|one| one.available_at == AvailableAt::Baseline);
        if let Some(word) = outcome_word(column).filter(|_| unstated) {
            let text = format!("is called like something known late (`{word}`), and counts as known at enrolment");
            probes.push(Probe { warning: true, ..Probe::count(column, Measure::Columns, 1, text) });
        }
    }
    Examined::new(Check::OutcomeName, columns.len(), probes)
}

fn outcome_word(name: &str) -> Option<&'static str> {
    let mut plain = String::from("_");
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 && !plain.ends_with('_') {
            plain.push('_');
        }
        plain.extend(if letter.is_alphanumeric() { letter.to_lowercase().next() } else { Some('_') });
    }
    plain.push('_');
    OUTCOME_WORDS.into_iter().find(|word| plain.contains(&format!("_{word}_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_by_whole_words() {
        for (name, word) in [
            ("last_visit_day", Some("last_visit")),
            ("DischargeDate", Some("discharge")),
            ("days.to.death", Some("death")),
            ("los", Some("los")),
            ("glucose", None),
            ("losartan", None),
            ("age", None),
        ] {
            assert_eq!(outcome_word(name), word, "{name}");
        }
    }
}
