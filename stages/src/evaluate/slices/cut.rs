//! A column cut into levels, each with its measures, and what is published of them.

use std::collections::BTreeMap;

use super::document::{Gap, Measure, Slice, Status};
use super::levels::Level;
use super::part::{Answers, Part};
use super::{Setting, gaps};
use crate::common::delong;
use crate::common::interval::{Estimate, finite, percentile, wilson};
use crate::common::privacy::Cell;
use crate::common::privacy::levels::{LevelCells, Shown};

/// The measures whose gaps are tested.
const TESTED: [Measure; 8] = [
    Measure::Auroc,
    Measure::Intercept,
    Measure::Sensitivity,
    Measure::FalsePositiveRate,
    Measure::Ppv,
    Measure::Rmse,
    Measure::Mae,
    Measure::Bias,
];

/// A column and its levels.
pub struct Cut {
    levels: Vec<CutLevel>,
    /// Whether the two levels are each other's complement.
    pub mirrored: bool,
}

struct CutLevel {
    name: String,
    rows: Vec<usize>,
    cells: LevelCells,
    /// Its rows and all others, as far as they are enough.
    part: Option<Part>,
    others: Option<Part>,
    /// Whether gaps are asked for.
    compared: bool,
}

/// The measures of a level and of all other rows, in one resample; empty where they are not enough.
pub type Draw = (Vec<f64>, Vec<f64>);

impl Cut {
    /// Prepares the levels; with `gaps` also the rows outside each.
    pub fn new(setting: &Setting, levels: Vec<Level>, gaps: bool) -> Self {
        let published = setting.publish(&levels);
        let filled: Vec<usize> = (0..levels.len()).filter(|&at| !levels[at].rows.is_empty()).collect();
        let cut = |(level, cells): (Level, LevelCells)| {
            let part =
                |rows: Vec<usize>, slope| setting.is_enough(&rows).then(|| Part::new(setting.answers, rows, slope));
            let own = part(level.rows.clone(), true);
            let others = || {
                let mut inside = vec![false; setting.answers.rows()];
                level.rows.iter().for_each(|&row| inside[row] = true);
                part((0..inside.len()).filter(|&row| !inside[row]).collect(), false)
            };
            let others = if gaps && own.is_some() { others() } else { None };
            CutLevel { name: level.name, rows: level.rows, cells, part: own, others, compared: gaps }
        };
        Self { levels: levels.into_iter().zip(published).map(cut).collect(), mirrored: filled.len() == 2 }
    }

    /// The measures of every level on one weighting of all rows.
    pub fn draw(&self, weights: &[u32]) -> Vec<Draw> {
        let measure = |part: &Option<Part>| part.as_ref().map(|part| part.measure(weights)).unwrap_or_default();
        self.levels.iter().map(|level| (measure(&level.part), measure(&level.others))).collect()
    }

    /// The levels as they are reported; `resamples` holds, for each resample, the draw of every level.
    pub fn report(&self, setting: &Setting, resamples: &[&[Draw]]) -> Vec<Slice> {
        let ones = vec![1; setting.answers.rows()];
        let point = self.draw(&ones);
        let level = |(at, level): (usize, &CutLevel)| {
            let draws: Vec<&Draw> = resamples.iter().filter_map(|draws| draws.get(at)).collect();
            level.report(setting, &point[at], &draws)
        };
        self.levels.iter().enumerate().map(level).collect()
    }
}

impl CutLevel {
    fn report(&self, setting: &Setting, point: &Draw, draws: &[&Draw]) -> Slice {
        let is_event = matches!(setting.answers, Answers::Events { .. });
        let enough = self.part.is_some();
        let blank = |cell| if enough { cell } else { Cell::Suppressed };
        Slice {
            level: self.name.clone(),
            status: if enough { Status::Sufficient } else { Status::Insufficient },
            n: self.cells.n(),
            events: blank(self.cells.events()),
            patients: blank(self.cells.patients),
            counts: (is_event && enough).then(|| self.cells.decisions()),
            measures: if enough { self.measures(setting, point, draws) } else { BTreeMap::new() },
            gaps: if self.others.is_some() { self.gaps(setting, point, draws) } else { BTreeMap::new() },
            reason: self.reason(setting, is_event),
        }
    }

    /// Why something is null or absent.
    fn reason(&self, setting: &Setting, is_event: bool) -> Option<String> {
        let shown = self.cells.shows();
        let rates = [shown.events, shown.sensitivity, shown.false_positive_rate, shown.ppv, shown.flagged];
        let rows = !self.cells.n().is_suppressed() && !self.cells.patients.is_suppressed();
        let mut reasons = Vec::new();
        if self.part.is_none() {
            reasons.push(setting.too_few());
        } else if self.compared && self.others.is_none() {
            reasons.push(format!("gaps: the other rows have {}", setting.too_few()));
        }
        match self.part {
            None if !rows => reasons.push(format!("n: {}", setting.privacy.reason())),
            Some(_) if !rows || (is_event && rates.contains(&false)) => {
                reasons.push(format!("counts and rates: {}", setting.privacy.reason()));
            }
            _ => {}
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    fn measures(&self, setting: &Setting, point: &Draw, draws: &[&Draw]) -> BTreeMap<Measure, Estimate> {
        let shown = self.cells.shows();
        let estimate = |(at, &measure): (usize, &Measure)| {
            let value = || self.estimate(setting, measure, point.0[at], draws.iter().map(|draw| draw.0[at]));
            let estimate = match tell(measure, shown) {
                Tell::Exactly => value(),
                Tell::Coarsely => setting.privacy.coarse(value()),
                Tell::Nothing => Estimate::undefined(setting.privacy.reason()),
            };
            (measure, estimate)
        };
        setting.answers.measures().iter().enumerate().map(estimate).collect()
    }

    fn estimate(&self, setting: &Setting, measure: Measure, value: f64, draws: impl Iterator<Item = f64>) -> Estimate {
        let confidence = setting.confidence;
        if setting.single_rows {
            let ranked = self.part.as_ref().and_then(Part::ranked);
            if let (Measure::Auroc, Some((ranking, y))) = (measure, ranked) {
                return delong::estimate(ranking, y, finite(value), confidence);
            }
            if let Some((hits, n)) = self.proportion(setting, measure)
                && let Some(ends) = wilson(hits, n, confidence)
            {
                let scale = if measure == Measure::FlaggedPer1000 { 1000.0 } else { 1.0 };
                return Estimate::new(hits as f64 / n as f64, ends, "wilson").scaled(scale);
            }
        }
        percentile(finite(value), draws, confidence, undefined(measure))
    }

    fn proportion(&self, setting: &Setting, measure: Measure) -> Option<(u64, u64)> {
        let counts = setting.answers.counts(&self.rows)?;
        match measure {
            Measure::Sensitivity => Some((counts.true_positive, counts.events())),
            Measure::FalsePositiveRate => Some((counts.false_positive, counts.rows() - counts.events())),
            Measure::Ppv => Some((counts.true_positive, counts.flagged())),
            Measure::FlaggedPer1000 => Some((counts.flagged(), counts.rows())),
            _ => None,
        }
    }

    fn gaps(&self, setting: &Setting, point: &Draw, draws: &[&Draw]) -> BTreeMap<Measure, Gap> {
        let shown = self.cells.shows();
        let measures = setting.answers.measures().iter().enumerate().filter(|(_, measure)| TESTED.contains(measure));
        let gap = |(at, &measure): (usize, &Measure)| {
            let tell = tell(measure, shown);
            if tell == Tell::Nothing {
                let difference = Estimate::undefined(setting.privacy.reason());
                return (measure, Gap { difference, p: None, p_holm: None, reason: Some(setting.privacy.reason()) });
            }
            let differences: Vec<f64> = draws.iter().map(|draw| draw.0[at] - draw.1[at]).collect();
            let value = finite(point.0[at] - point.1[at]);
            let difference = percentile(value, differences.iter().copied(), setting.confidence, undefined(measure));
            let difference = if tell == Tell::Coarsely { setting.privacy.coarse(difference) } else { difference };
            let p = difference.low.and(gaps::two_sided(point.0[at] - point.1[at], &differences));
            let untested =
                || difference.reason.clone().unwrap_or_else(|| "no resample changes the difference".to_owned());
            let reason = p.is_none().then(untested);
            (measure, Gap { difference, p, p_holm: None, reason })
        };
        measures.map(gap).collect()
    }
}

/// How much may be known of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    Exactly,
    Coarsely,
    Nothing,
}

/// What may be told of a measure, given the counts behind it.
fn tell(measure: Measure, shown: Shown) -> Tell {
    let rate = match measure {
        // An AUROC is a whole number over twice the product of events and non-events, so all its digits tell both. To two
        // digits it fits every number of events. The fits hang on the same counts.
        Measure::Auroc | Measure::Intercept | Measure::Slope if !shown.events => return Tell::Coarsely,
        Measure::ObservedExpected => shown.events,
        Measure::Sensitivity => shown.sensitivity,
        Measure::FalsePositiveRate => shown.false_positive_rate,
        Measure::Ppv => shown.ppv,
        Measure::FlaggedPer1000 => shown.flagged,
        _ => true,
    };
    if rate { Tell::Exactly } else { Tell::Nothing }
}

/// Why a measure can be undefined in a part that is enough.
fn undefined(measure: Measure) -> &'static str {
    match measure {
        Measure::Slope => "the predictions separate the classes, or are all equal",
        Measure::Ppv => "no row is flagged",
        Measure::ObservedExpected => "the probabilities come to 0",
        _ => "undefined on these rows",
    }
}
