//! The values: each from the places of its own window, in the order of time.
//!
//! What is shared is shared per row, never between rows: one walk finds a window for all columns of the same length and
//! gap, one pass over a source's values gives all its statistics.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::timeline::{Entities, HistoryError, Timeline};
use super::{HistoryColumn, HistorySpec, Statistic};

/// A panel whose rows are in order, ready to be asked about any of them.
#[derive(Debug, Clone)]
pub struct History {
    timeline: Timeline,
    /// The values of each source in the order of places.
    sources: BTreeMap<String, Vec<f64>>,
    names: Vec<String>,
    jobs: Vec<Job>,
}

/// What is computed in one go.
#[derive(Debug, Clone)]
enum Job {
    Windows { length: f64, gap: f64, parts: Vec<Part> },
    Lag { of: String, by: f64, at: usize },
    LastKnown { of: String, at: usize },
    EarlierRows { at: usize },
    SincePrevious { at: usize },
}

/// The statistics of one source over one kind of window.
#[derive(Debug, Clone)]
struct Part {
    of: String,
    wanted: Vec<Wanted>,
    /// Whether one of them needs a second pass.
    spread: bool,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    stat: Statistic,
    min_values: u32,
    at: usize,
}

/// The places that a row sees: a range of earlier ones, and perhaps its own.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: u32,
    end: u32,
    own: Option<u32>,
}

/// The values of a new column and where it stands among them.
type Computed = (usize, Vec<f64>);

impl History {
    /// Puts a panel in order: whose row each is, when it was observed, and the values of the specification's sources
    /// (NaN = missing), all in the order of the table.
    pub fn new(
        spec: &HistorySpec,
        entities: Entities,
        times: Vec<f64>,
        sources: BTreeMap<String, Vec<f64>>,
    ) -> Result<Self, HistoryError> {
        let timeline = Timeline::new(entities, times, spec.same_time)?;
        let sources = sources.into_iter().map(|(name, values)| (name, timeline.arrange(values))).collect();
        let names = spec.columns.iter().map(|column| column.name().to_owned()).collect();
        Ok(Self { timeline, sources, names, jobs: jobs(spec) })
    }

    /// The new columns for some rows of the table, in the order of the specification; NaN = missing.
    pub fn columns(&self, rows: &[usize]) -> Vec<(String, Vec<f64>)> {
        let places: Vec<usize> = rows.iter().map(|&row| self.timeline.place(row)).collect();
        let computed = each(&self.jobs, places.len(), |job| self.run(job, &places));
        let mut columns: Vec<Vec<f64>> = vec![Vec::new(); self.names.len()];
        for (at, values) in computed {
            columns[at] = values;
        }
        self.names.iter().cloned().zip(columns).collect()
    }

    fn run(&self, job: &Job, places: &[usize]) -> Vec<Computed> {
        let line = &self.timeline;
        let all = |value: &dyn Fn(usize) -> f64| places.iter().map(|&place| value(place)).collect();
        match job {
            Job::Windows { length, gap, parts } => self.windows(places, *length, *gap, parts),
            Job::Lag { of, by, at } => {
                let values = self.source(of);
                vec![(*at, all(&|place| line.lag(place, *by).map_or(f64::NAN, |there| values[there])))]
            }
            Job::LastKnown { of, at } => {
                let values = self.source(of);
                let known = |place: usize| {
                    let past = &values[line.first[place] as usize..line.earlier(place)];
                    past.iter().rev().copied().find(|value| !value.is_nan()).unwrap_or(f64::NAN)
                };
                vec![(*at, all(&known))]
            }
            Job::EarlierRows { at } => {
                vec![(*at, all(&|place| (line.earlier(place) - line.first[place] as usize) as f64))]
            }
            Job::SincePrevious { at } => {
                let since = |place: usize| {
                    let end = line.earlier(place);
                    let previous = (end > line.first[place] as usize).then(|| line.times[end - 1]);
                    previous.map_or(f64::NAN, |previous| line.times[place] - previous)
                };
                vec![(*at, all(&since))]
            }
        }
    }

    fn windows(&self, places: &[usize], length: f64, gap: f64, parts: &[Part]) -> Vec<Computed> {
        let window = |&place: &usize| {
            let (begin, end) = self.timeline.window(place, gap, gap + length);
            Window { begin: begin as u32, end: end as u32, own: (gap == 0.0).then_some(place as u32) }
        };
        let windows: Vec<Window> = places.iter().map(window).collect();
        each(parts, places.len(), |part| self.part(&windows, part))
    }

    fn part(&self, windows: &[Window], part: &Part) -> Vec<Computed> {
        let values = self.source(&part.of);
        let mut columns: Vec<Vec<f64>> = part.wanted.iter().map(|_| Vec::with_capacity(windows.len())).collect();
        for window in windows {
            let summary = Summary::of(&self.timeline.times, values, *window, part.spread);
            for (column, wanted) in columns.iter_mut().zip(&part.wanted) {
                column.push(summary.get(wanted));
            }
        }
        part.wanted.iter().map(|wanted| wanted.at).zip(columns).collect()
    }

    fn source(&self, name: &str) -> &[f64] {
        self.sources.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Does the work of every item, on several threads when there are enough rows to pay for it, and joins the results in
/// the order of the items.
fn each<T: Sync>(items: &[T], rows: usize, work: impl Fn(&T) -> Vec<Computed> + Sync + Send) -> Vec<Computed> {
    const ENOUGH: usize = 4096;
    if rows < ENOUGH { items.iter().flat_map(work).collect() } else { items.par_iter().flat_map_iter(work).collect() }
}

/// What a window's known values come to.
#[derive(Debug, Clone, Copy, Default)]
struct Summary {
    count: u32,
    mean: f64,
    min: f64,
    max: f64,
    /// Sum of squares about the mean.
    squares: f64,
    /// The same of their times, and the sum of products.
    time_squares: f64,
    products: f64,
}

impl Summary {
    #[inline]
    fn of(times: &[f64], values: &[f64], window: Window, spread: bool) -> Self {
        let own = window.own.map_or(0..0, |place| place as usize..place as usize + 1);
        let places = || (window.begin as usize..window.end as usize).chain(own.clone());
        let (mut count, mut sum, mut time_sum) = (0_u32, 0.0, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for place in places() {
            let value = values[place];
            if value.is_nan() {
                continue;
            }
            count += 1;
            sum += value;
            time_sum += times[place];
            min = if value < min { value } else { min };
            max = if value > max { value } else { max };
        }
        let mut summary = Self { count, min, max, ..Self::default() };
        if count == 0 {
            return summary;
        }
        let n = f64::from(count);
        summary.mean = sum / n;
        if spread && count > 1 {
            let mean_time = time_sum / n;
            for place in places().filter(|&place| !values[place].is_nan()) {
                let (value, time) = (values[place] - summary.mean, times[place] - mean_time);
                summary.squares += value * value;
                summary.time_squares += time * time;
                summary.products += time * value;
            }
        }
        summary
    }

    #[inline]
    fn get(&self, wanted: &Wanted) -> f64 {
        let value = match wanted.stat {
            Statistic::Count => return f64::from(self.count),
            _ if self.count < wanted.min_values => return f64::NAN,
            Statistic::Mean => self.mean,
            Statistic::Min => self.min,
            Statistic::Max => self.max,
            Statistic::Std => libm::sqrt(self.squares / (f64::from(self.count) - 1.0)),
            Statistic::Trend => self.products / self.time_squares,
        };
        // Nothing known, a slope at one time, or sums beyond what a float holds.
        if value.is_finite() { value } else { f64::NAN }
    }
}

/// Groups the columns by what they share.
fn jobs(spec: &HistorySpec) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for (at, column) in spec.columns.iter().enumerate() {
        match column {
            HistoryColumn::Rolling { of, stat, length, gap, min_values, .. } => {
                let wanted = Wanted { stat: *stat, min_values: least(*stat, *min_values), at };
                add(&mut jobs, *length, *gap, of, wanted);
            }
            HistoryColumn::Lag { of, by, .. } => jobs.push(Job::Lag { of: of.clone(), by: *by, at }),
            HistoryColumn::LastKnown { of, .. } => jobs.push(Job::LastKnown { of: of.clone(), at }),
            HistoryColumn::EarlierRows { .. } => jobs.push(Job::EarlierRows { at }),
            HistoryColumn::SincePrevious { .. } => jobs.push(Job::SincePrevious { at }),
        }
    }
    jobs
}

/// The fewest values that a statistic can be made of.
fn least(stat: Statistic, asked: u32) -> u32 {
    match stat {
        Statistic::Std | Statistic::Trend => asked.max(2),
        _ => asked.max(1),
    }
}

fn add(jobs: &mut Vec<Job>, length: f64, gap: f64, of: &str, wanted: Wanted) {
    let spread = matches!(wanted.stat, Statistic::Std | Statistic::Trend);
    let alike = |job: &mut Job| match job {
        Job::Windows { length: other, gap: other_gap, .. } => *other == length && *other_gap == gap,
        _ => false,
    };
    let place = jobs.iter_mut().position(alike).unwrap_or_else(|| {
        jobs.push(Job::Windows { length, gap, parts: Vec::new() });
        jobs.len() - 1
    });
    let Some(Job::Windows { parts, .. }) = jobs.get_mut(place) else { return };
    match parts.iter_mut().find(|part| part.of == of) {
        Some(part) => {
            part.wanted.push(wanted);
            part.spread |= spread;
        }
        None => parts.push(Part { of: of.to_owned(), wanted: vec![wanted], spread }),
    }
}
