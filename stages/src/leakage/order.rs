//! Whether the place of a patient, in the file or in the order of the ids, tells the outcome. Training rows only.
//!
//! A patient is one place: that of the first row. Where the split follows time, places are compared among patients of
//! about the same time only, since risk may honestly change with it. Two measures: a trend (the place itself), and
//! blocks (the event rate among the neighbours, at three widths).
//!
//! A file whose rows were sorted by the outcome is a habit, not a leak: nothing but the sort need follow the order. It
//! is told from labels that were given by position by three signs, all needed: the outcome changes exactly once, the
//! ids do not follow the file, and the features tell the outcome. Then it is a warning.

use std::cmp::Ordering;

use super::auroc::{Evidence, by_stratum, interval, null_error, stratified, tail};
use super::data::{Data, EXAMPLES};
use super::family::{Examined, Probe};
use super::floor::Quick;
use super::params::LeakageParams;
use super::report::{Check, Measure};
use crate::StageError;
use crate::common::folds::quantile_strata;
use crate::common::rng::Stream;

/// Neighbours looked at on either side, beside a twentieth of the patients.
const WIDTHS: [usize; 2] = [3, 12];
/// Permutations from which the moments of the neighbours' statistic are taken.
const PERMUTATIONS: usize = 100;
/// Strata of time, when there are more points in time.
const TIMES: usize = 10;
/// From this held-out AUROC on, features tell the outcome, so that it cannot have been given by position.
const TELLING: f64 = 0.6;

/// Patients in an order.
struct Line {
    /// The first training row of each patient, as a place among them; in the order that is judged.
    rows: Vec<usize>,
    y: Vec<bool>,
    strata: Vec<usize>,
}

/// The order of the file and that of the ids.
pub(super) fn orders(
    data: &Data,
    params: &LeakageParams,
    seed: u64,
    quick: &Quick,
) -> Result<[Examined; 2], StageError> {
    let file = Line::new(data, |_, _| Ordering::Equal);
    if !file.evidence().suffices() {
        let reason = "too few patients with or without the event";
        return Ok([Check::RowOrder, Check::IdOrder].map(|check| Examined::skipped(check, 1, reason)));
    }
    let mut probes = file.probes("position", "rows", params.order_auroc, seed);
    let found = probes.iter().any(|probe| probe.effect >= probe.bound);
    if found && file.sorted_by_outcome() && file.ids_are_free(data) {
        let auroc = quick.held_out_auroc()?.unwrap_or(0.5);
        if auroc >= TELLING {
            for probe in &mut probes {
                probe.warning = true;
                probe.text = format!(
                    "the file is sorted by the outcome; its ids do not follow, and the features tell the outcome \
                     (held-out AUROC {auroc:.2})"
                );
            }
        }
    }
    let rows = Examined::new(Check::RowOrder, 1, with_examples(probes, data, &file));
    let mut columns = Vec::new();
    for (column, names) in [(&data.schema.id, &data.ids), (&data.schema.group, &data.groups)] {
        if let (Some(column), Some(names)) = (column, names)
            && columns.iter().all(|(known, _)| *known != column)
        {
            columns.push((column, names));
        }
    }
    if columns.is_empty() {
        return Ok([rows, Examined::skipped(Check::IdOrder, 0, "the schema names neither an id nor a patient column")]);
    }
    let mut probes = Vec::new();
    for (column, names) in &columns {
        let name = |at: usize| names.get(data.train[at]).unwrap_or_default();
        let line = Line::new(data, |a, b| natural(name(a), name(b)));
        let of_column = line.probes(column, "ids", params.order_auroc, seed);
        probes.extend(with_examples(of_column, data, &line));
    }
    Ok([rows, Examined::new(Check::IdOrder, columns.len(), probes)])
}

fn with_examples(probes: Vec<Probe>, data: &Data, line: &Line) -> Vec<Probe> {
    let mut events = line.rows.iter().zip(&line.y).filter(|(_, y)| **y).map(|(&row, _)| row);
    let half = EXAMPLES / 2;
    let first: Vec<usize> = events.by_ref().take(half).collect();
    let mut last: Vec<usize> = events.rev().take(EXAMPLES - half).collect();
    last.extend(first);
    probes.into_iter().map(|probe| probe.shown_by(data.train_ids(last.iter().copied()))).collect()
}

impl Line {
    /// The patients of the training rows, sorted by `order` (their order in the file decides among equals).
    fn new(data: &Data, order: impl Fn(usize, usize) -> Ordering) -> Self {
        let patients = data.patient_count;
        let (mut first, mut event) = (vec![None; patients], vec![false; patients]);
        for at in 0..data.train.len() {
            first[data.patient(at)].get_or_insert(at);
            event[data.patient(at)] |= data.y[at];
        }
        let mut rows: Vec<usize> = first.into_iter().flatten().collect();
        rows.sort_by(|&a, &b| order(a, b).then(a.cmp(&b)));
        let strata = match &data.times {
            None => vec![0; rows.len()],
            Some(times) => quantile_strata(&rows.iter().map(|&row| times[row]).collect::<Vec<_>>(), TIMES),
        };
        let y = rows.iter().map(|&row| event[data.patient(row)]).collect();
        Self { rows, y, strata }
    }

    fn evidence(&self) -> Evidence {
        let events = self.y.iter().filter(|&&y| y).count();
        Evidence { events, others: self.y.len() - events }
    }

    fn probes(&self, subject: &str, what: &str, bound: f64, seed: u64) -> Vec<Probe> {
        let trend = self.trend().map(|(auroc, p)| (Measure::AurocTrend, auroc, p));
        let blocks = self.blocks(subject, seed).map(|(auroc, p)| (Measure::AurocNeighbours, auroc, p));
        let probe = |(measure, effect, p): (Measure, f64, f64)| Probe {
            effect,
            interval: interval(effect, self.evidence()),
            bound,
            p_value: Some(p),
            ..Probe::count(subject, measure, 0, format!("the outcome follows the order of the {what}"))
        };
        [trend, blocks].into_iter().flatten().map(probe).collect()
    }

    /// AUROC of the place, in its direction, and the chance of it by the normal approximation of the rank sum.
    fn trend(&self) -> Option<(f64, f64)> {
        let places: Vec<f64> = (0..self.y.len()).map(|place| place as f64).collect();
        let auroc = stratified(&places, &self.y, &self.strata)?;
        let auroc = auroc.max(1.0 - auroc);
        Some((
            auroc,
            (2.0 * tail((auroc - 0.5) / null_error(&self.y, &self.strata, &vec![1.0; self.y.len()]))).min(1.0),
        ))
    }

    /// The AUROC of the neighbours' event rate at the width where chance explains it least, and that chance times the
    /// number of widths.
    fn blocks(&self, label: &str, seed: u64) -> Option<(f64, f64)> {
        let mut widths: Vec<usize> = WIDTHS.into_iter().chain([self.y.len() / 20]).collect();
        widths.sort_unstable();
        widths.dedup();
        let widths: Vec<usize> = widths.into_iter().filter(|width| 2 * width < self.y.len()).collect();
        let members = by_stratum(&self.strata);
        let mut best: Option<(f64, f64)> = None;
        for &width in &widths {
            let mut stream = Stream::new(seed, &format!("leakage/{label}/{width}"));
            let observed = autocorrelation(&self.y, &members, width);
            let mut shuffled = self.y.clone();
            let mut draws = Vec::with_capacity(PERMUTATIONS);
            for _ in 0..PERMUTATIONS {
                shuffle_within(&mut shuffled, &members, &mut stream);
                draws.push(autocorrelation(&shuffled, &members, width));
            }
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let spread = draws.iter().map(|draw| (draw - mean) * (draw - mean)).sum::<f64>() / (draws.len() - 1) as f64;
            if spread <= 0.0 {
                continue;
            }
            let p = (widths.len() as f64 * tail((observed - mean) / spread.sqrt())).min(1.0);
            let auroc = stratified(&neighbours(&self.y, &members, width), &self.y, &self.strata)?;
            if best.is_none_or(|(_, least)| p < least) {
                best = Some((auroc, p));
            }
        }
        best
    }

    /// Whether the outcome changes exactly once along the file.
    fn sorted_by_outcome(&self) -> bool {
        self.y.windows(2).filter(|pair| pair[0] != pair[1]).count() == 1
    }

    /// Whether an id or patient column does not follow the order of the file, within the classes.
    fn ids_are_free(&self, data: &Data) -> bool {
        let names = data.ids.iter().chain(&data.groups);
        names.into_iter().any(|names| {
            let name = |at: usize| names.get(data.train[at]).unwrap_or_default();
            let pairs = self.rows.windows(2).map(|pair| natural(name(pair[0]), name(pair[1])));
            let (mut up, mut down) = (0_usize, 0_usize);
            for step in pairs {
                up += usize::from(step == Ordering::Less);
                down += usize::from(step == Ordering::Greater);
            }
            // Steps up and down of ids that were not sorted are about equally many.
            up.min(down) * 4 > self.rows.len()
        })
    }
}

/// Σ yᵢ·(the event rate of the neighbours): high when events stand together.
fn autocorrelation(y: &[bool], members: &[Vec<usize>], width: usize) -> f64 {
    let near = neighbours(y, members, width);
    y.iter().zip(near).map(|(&y, near)| if y { near } else { 0.0 }).sum()
}

/// The event rate of up to `width` neighbours on either side, oneself left out.
fn neighbours(y: &[bool], members: &[Vec<usize>], width: usize) -> Vec<f64> {
    let mut near = vec![0.0; y.len()];
    for stratum in members {
        let mut sums = vec![0_usize];
        sums.extend(stratum.iter().scan(0, |sum, &row| {
            *sum += usize::from(y[row]);
            Some(*sum)
        }));
        for (at, &row) in stratum.iter().enumerate() {
            let (from, to) = (at.saturating_sub(width), (at + width + 1).min(stratum.len()));
            let count = to - from - 1;
            if count > 0 {
                near[row] = (sums[to] - sums[from] - usize::from(y[row])) as f64 / count as f64;
            }
        }
    }
    near
}

fn shuffle_within(y: &mut [bool], members: &[Vec<usize>], stream: &mut Stream) {
    for stratum in members {
        let mut values: Vec<bool> = stratum.iter().map(|&row| y[row]).collect();
        stream.shuffle(&mut values);
        for (&row, value) in stratum.iter().zip(values) {
            y[row] = value;
        }
    }
}

/// The order in which people read names with numbers: `P9` before `P10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (one, rest_a) = chunk(a);
        let (two, rest_b) = chunk(b);
        let digits = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit());
        let order = if digits(one) && digits(two) {
            let (x, y) = (one.trim_start_matches('0'), two.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            one.cmp(two)
        };
        if order != Ordering::Equal || (rest_a.is_empty() && rest_b.is_empty()) {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The leading run of digits or of other characters, and the rest.
fn chunk(text: &str) -> (&str, &str) {
    let digit = |letter: char| letter.is_ascii_digit();
    let first = text.starts_with(digit);
    text.split_at(text.find(|letter| digit(letter) != first).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(y: Vec<bool>) -> Line {
        Line { rows: (0..y.len()).collect(), strata: vec![0; y.len()], y }
    }

    #[test]
    fn names_are_ordered_as_people_read_them() {
        let mut names = ["P10", "P9", "P009b", "A", "P9a", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "A", "P9", "P9a", "P009b", "P10"]);
    }

    #[test]
    fn a_trend_and_a_block_are_seen_and_chance_is_not() {
        let last: Vec<bool> = (0..500).map(|row| row >= 465).collect();
        let (auroc, p) = line(last.clone()).trend().expect("both classes");
        assert!(auroc == 1.0 && p < 1e-10, "{auroc} {p}");
        assert!(line(last).sorted_by_outcome());
        // A block in the middle has no trend.
        let block: Vec<bool> = (0..500).map(|row| (230..270).contains(&row)).collect();
        assert!(line(block.clone()).trend().expect("both classes").0 < 0.52);
        let (auroc, p) = line(block).blocks("x", 1).expect("wide enough");
        assert!(auroc > 0.9 && p < 1e-10, "{auroc} {p}");
        let mut stream = Stream::new(3, "chance");
        let mixed: Vec<bool> = (0..500).map(|_| stream.chance(0.2)).collect();
        let (auroc, p) = line(mixed).blocks("x", 1).expect("wide enough");
        assert!(auroc < 0.6 && p > 0.001, "{auroc} {p}");
        // Few events: most neighbourhoods have none, and ties must not count for the events.
        let rare: Vec<bool> = (0..2000).map(|_| stream.chance(0.03)).collect();
        let (auroc, p) = line(rare).blocks("x", 1).expect("wide enough");
        assert!(auroc < 0.6 && p > 0.001, "{auroc} {p}");
    }
}
