//! What the study asks and what its model is for, as declared.

use crate::common::html::{Html, Tone};

/// The declared question; everything may miss.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StudyText {
    pub question: Option<String>,
    pub population: Option<String>,
    pub index_time: Option<String>,
    pub outcome: Option<String>,
    pub risk_window: Option<String>,
    pub intended_use: Option<String>,
    pub not_for: Vec<String>,
}

impl StudyText {
    /// The section: what was declared, and what the report is without it.
    pub fn section(&self) -> Html {
        let facts = [
            ("Question", &self.question),
            ("Population", &self.population),
            ("Index time", &self.index_time),
            ("Outcome", &self.outcome),
            ("Risk window", &self.risk_window),
            ("Intended use", &self.intended_use),
        ];
        if self == &Self::default() {
            let text = "No study question is declared, so this is a technical report only: it says how well numbers were \
                        predicted, not for whom or for which decision. Declare ";
            return Html::note(Tone::Warning, Html::text(text).and(Html::code("study")).and(" in params.yaml."));
        }
        let said = |(term, text): (&str, &Option<String>)| {
            (term.to_owned(), text.as_deref().map_or_else(|| Html::tag("em", "not declared"), Html::from))
        };
        let not_for = match self.not_for.len() {
            0 => Html::tag("em", "not declared"),
            _ => self.not_for.join("; ").into(),
        };
        Html::definitions(facts.map(said).into_iter().chain([("Not for".to_owned(), not_for)]))
    }

    /// What it says of an item of TRIPOD+AI: the key and the text.
    pub fn tripod(&self, item: &str) -> Option<(&'static str, String)> {
        let joined = |parts: [&Option<String>; 2]| {
            let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
            (!parts.is_empty()).then(|| parts.join("; "))
        };
        match item {
            "3b" => joined([&self.population, &self.intended_use]).map(|text| ("study", text)),
            "4" => self.question.clone().map(|text| ("study.question", text)),
            "8a" => joined([&self.outcome, &self.risk_window]).map(|text| ("study", text)),
            _ => None,
        }
    }
}
