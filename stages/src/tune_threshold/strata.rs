//! Thresholds by the level of a column: chosen on each level's own rows where there are enough events, given, or the
//! overall one.

use std::collections::BTreeMap;

use crate::StageError;
use crate::common::decision::Counts;
use crate::common::exchange::Exchange;
use crate::common::privacy::levels::{Decided, LevelRows, publish};
use crate::common::privacy::{Cell, Privacy};

use super::choice::{Choice, expected};
use super::params::{Policy, StrataParams};
use super::rows::Rows;
use super::threshold::{Source, Strata, Stratum};
use super::uncertainty::{self, uncertainty};

/// What is needed to give every level its threshold.
pub(super) struct Levels<'a> {
    /// The study's policy.
    pub policy: &'a Policy,
    /// Its strata.
    pub strata: &'a StrataParams,
    /// All rows.
    pub rows: &'a Rows,
    /// The overall threshold.
    pub overall: f64,
    /// Where resamples come from.
    pub source: uncertainty::Source<'a>,
    /// Whether the schema has vouched for the levels that the parameters name.
    pub vouched: bool,
    /// Which counts are too small to be published.
    pub privacy: Privacy,
}

/// Deciding every row by the threshold of its level.
pub(super) struct Together {
    /// The thresholds.
    pub strata: Strata,
    /// What they do.
    pub counts: Counts,
    /// Net benefit per row, each false positive weighed by the threshold of its row.
    pub net_benefit: Option<f64>,
    /// The cells of few patients.
    pub small_cells: Vec<String>,
}

impl Levels<'_> {
    /// The thresholds, and what deciding every row by its own does.
    pub fn freeze(&self) -> Result<Together, StageError> {
        let by_level = self.rows.by_level();
        self.check_named(&by_level)?;
        // Without its strata the study's policy is that of a level.
        let plain = Policy { strata: None, ..self.policy.clone() };
        let mut levels = BTreeMap::new();
        let names = by_level.keys().copied().chain(self.strata.named().map(String::as_str));
        for name in names {
            if !levels.contains_key(name) {
                let index = by_level.get(name).map_or(&[][..], Vec::as_slice);
                levels.insert(name.to_owned(), self.level(name, index, &plain));
            }
        }
        let own = |level: &Option<String>| level.as_ref().and_then(|level| levels.get(level));
        let threshold = |level| own(level).map_or(self.overall, |stratum: &Stratum| stratum.value);
        let thresholds: Vec<f64> = self.rows.levels.iter().map(threshold).collect();
        let flagged: Vec<bool> = self.rows.p.iter().zip(&thresholds).map(|(p, threshold)| p >= threshold).collect();
        let ones = vec![1; flagged.len()];
        let counts = Counts::of(&flagged, &self.rows.y, &ones);
        let exchange = Exchange::of_rows(&thresholds, self.overall);
        let net_benefit = exchange.net_benefit(&counts, &flagged, &self.rows.y, &ones);
        let small_cells = self.rows.small_cells(&flagged, self.privacy);
        self.protect(&mut levels, &by_level, &flagged);
        let strata = Strata {
            column: self.strata.column.clone(),
            min_events: self.strata.min_events,
            without_strata: expected(self.policy, self.overall, &count(self.rows, self.overall)),
            levels,
        };
        Ok(Together { strata, counts, net_benefit, small_cells })
    }

    fn level(&self, name: &str, index: &[usize], plain: &Policy) -> Stratum {
        let rows = self.rows.take(index);
        let policy = self.strata.policies.get(name).unwrap_or(plain);
        let given = |value: f64, source: Source, note: String| {
            let counts = count(&rows, value);
            let expected = (counts.rows() > 0).then(|| expected(policy, value, &counts));
            let none =
                if expected.is_none() { "there are no rows" } else { "the threshold was not chosen on these rows" };
            let (n, events) = (Cell::Known(counts.rows()), Cell::Known(counts.events()));
            let reason = Some(none.to_owned());
            Stratum { value, source, n, events, expected, uncertainty: None, note, reason }
        };
        if let Some(&value) = self.strata.thresholds.get(name) {
            return given(value, Source::Given, "given in the parameters".to_owned());
        }
        let (events, least) = (rows.y.iter().filter(|&&y| y).count() as u64, self.strata.min_events);
        let others = rows.y.len() as u64 - events;
        if events.min(others) < least {
            let what = if events < least { "events" } else { "rows without the event" };
            let note = format!("fewer than {least} {what}: the overall threshold applies");
            return given(self.overall, Source::Overall, note);
        }
        let Some(choice) = Choice::new(policy, &rows) else {
            let note = format!("no threshold gives {}: the overall one applies", policy.aim());
            return given(self.overall, Source::Overall, note);
        };
        let label = format!("stratum/{name}");
        let uncertainty = uncertainty(&choice, uncertainty::Source { label: &label, ..self.source });
        Stratum {
            value: choice.chosen().threshold,
            source: Source::Chosen,
            n: Cell::Known(rows.y.len() as u64),
            events: Cell::Known(events),
            expected: Some(choice.expected()),
            uncertainty: Some(uncertainty),
            note: choice.note(&format!("`{name}`")),
            reason: None,
        }
    }

    /// Hides what tells of few patients: the counts, and everything made of the decisions of a level of which one count
    /// is hidden. Rows without a level are judged as a level of their own, because the totals are known.
    fn protect(&self, levels: &mut BTreeMap<String, Stratum>, by_level: &BTreeMap<&str, Vec<usize>>, flagged: &[bool]) {
        let without: Vec<usize> = (0..flagged.len()).filter(|&row| self.rows.levels[row].is_none()).collect();
        let rows: Vec<LevelRows> =
            by_level.values().chain([&without]).map(|rows| LevelRows { rows, printed: true }).collect();
        let decided = Decided { y: &self.rows.y, flagged };
        let cells = publish(self.privacy, &rows, Some(decided), &self.rows.patients);
        for (name, cells) in by_level.keys().zip(&cells) {
            let Some(stratum) = levels.get_mut(*name) else { continue };
            (stratum.n, stratum.events) = (cells.n(), cells.events());
            if !cells.is_open() {
                let note = std::mem::take(&mut stratum.note);
                *stratum = Stratum {
                    expected: None,
                    uncertainty: None,
                    note: if stratum.source == Source::Chosen {
                        "chosen on the rows of the level".to_owned()
                    } else {
                        note
                    },
                    reason: Some(self.privacy.reason()),
                    ..stratum.clone()
                };
            }
        }
    }

    /// A level that neither the training rows nor the schema know is a slip of the pen.
    fn check_named(&self, by_level: &BTreeMap<&str, Vec<usize>>) -> Result<(), StageError> {
        let unknown = self.strata.named().find(|name| !by_level.contains_key(name.as_str()));
        let Some(name) = unknown.filter(|_| !self.vouched) else { return Ok(()) };
        let known: Vec<&str> = by_level.keys().copied().collect();
        let text = format!(
            "`tune_threshold.strata` names the level `{name}`, and no training row has it in `{}`; there are: {}",
            self.strata.column,
            known.join(", ")
        );
        Err(StageError::failed(text)
            .with_hint("correct the level, or add `schema` to the params of this stage, whose levels count as known"))
    }
}

/// The decisions at one threshold.
fn count(rows: &Rows, threshold: f64) -> Counts {
    let mut counts = Counts::default();
    for (&p, &y) in rows.p.iter().zip(&rows.y) {
        counts.add(p >= threshold, y, 1);
    }
    counts
}
