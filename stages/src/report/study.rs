//! What the study asks and what its model is for, as declared.

use super::sources::Sources;
use crate::cohort::{Kind, StudyParams};
use crate::common::html::{Html, Tone, fixed};

/// The declared question; nothing when cohort.json is not bound.
pub(super) fn declared(sources: &Sources) -> Option<&StudyParams> {
    sources.cohort.as_ref().map(|cohort| &cohort.study)
}

/// The section: what was declared, and what the report is without it.
pub(super) fn section(sources: &Sources) -> Html {
    let Some(cohort) = &sources.cohort else {
        return technical(Html::text("No study question is bound to this report"));
    };
    let study = &cohort.study;
    let text = |text: &Option<String>| text.as_deref().map_or_else(undeclared, Html::from);
    let not_for = if study.not_for.is_empty() { undeclared() } else { study.not_for.join("; ").into() };
    let facts = [
        ("Question", text(&study.question)),
        ("Intended use", text(&study.intended_use)),
        ("Not for", not_for),
        ("Population", text(&study.population)),
        ("Index time", text(&study.index_time)),
        ("Outcome", text(&study.outcome)),
        ("Risk window", window(study).map_or_else(undeclared, Html::from)),
    ];
    let facts = Html::definitions(facts.map(|(term, said)| (term.to_owned(), said)));
    if cohort.kind == Kind::Clinical {
        return facts;
    }
    let missing = cohort.undeclared.iter().map(|key| Html::code(format!("study.{key}")));
    let missing = missing.enumerate().map(|(at, key)| if at == 0 { key } else { Html::text(", ").and(key) });
    technical(Html::text("Not declared: ").and(missing.collect::<Html>())).and(facts)
}

fn technical(why: Html) -> Html {
    let text = ". This is a technical report only: it says how well numbers were predicted, not for whom or for which \
                decision.";
    Html::note(Tone::Warning, Html::strong("Technical report only. ").and(why).and(text))
}

fn undeclared() -> Html {
    Html::tag("em", "not declared")
}

/// The risk window in words.
pub(super) fn window(study: &StudyParams) -> Option<String> {
    let window = study.risk_window?;
    let unit = serde_json::to_value(window.unit).ok()?.as_str()?.to_owned();
    Some(format!("{} to {} {unit} after the index time", fixed(window.start, 0), fixed(window.end, 0)))
}

/// What it says of an item of TRIPOD+AI: the key and the text.
pub(super) fn tripod(sources: &Sources, item: &str) -> Option<(&'static str, String)> {
    let study = declared(sources)?;
    let joined = |parts: [Option<String>; 2]| {
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    };
    match item {
        "3b" => joined([study.population.clone(), study.intended_use.clone()]).map(|text| ("study", text)),
        "4" => study.question.clone().map(|text| ("study.question", text)),
        "8a" => joined([study.outcome.clone(), window(study)]).map(|text| ("study", text)),
        _ => None,
    }
}
