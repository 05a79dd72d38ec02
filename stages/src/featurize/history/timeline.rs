//! The order in which the past is looked through: rows by entity, then time, then their place in the table.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::SameTime;
use crate::common::frame::Column;

/// How many faulty rows an error names.
const TOLD: usize = 5;

/// Why rows have no order in time. Rows are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryError {
    /// Rows without a time.
    NoTime {
        /// The first of them.
        rows: Vec<usize>,
        /// How many.
        count: usize,
    },
    /// Rows of one entity at the same time.
    SameTime {
        /// The first pairs.
        rows: Vec<(usize, usize)>,
        /// How many rows repeat one before them.
        count: usize,
    },
    /// More rows than places have numbers.
    TooLong,
}

impl HistoryError {
    /// The fault in words, with rows named by `name`.
    pub fn tell(&self, name: impl Fn(usize) -> String) -> String {
        let more = |count: usize, told: usize| match count - told {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match self {
            Self::NoTime { rows, count } => {
                let names: Vec<String> = rows.iter().map(|&row| name(row)).collect();
                format!("no time in {}{}", names.join(", "), more(*count, rows.len()))
            }
            Self::SameTime { rows, count } => {
                let names: Vec<String> =
                    rows.iter().map(|&(one, other)| format!("{} and {}", name(one), name(other))).collect();
                format!("two rows of one patient at the same time: {}{}", names.join("; "), more(*count, rows.len()))
            }
            Self::TooLong => format!("more than {} rows", u32::MAX),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoTime { .. } => "declare the time column nullable: false, so that validate sets such rows aside",
            Self::SameTime { .. } => {
                "drop the repeated rows, or say `same_time: apart` in `featurize.history` if both are meant"
            }
            Self::TooLong => "take fewer rows",
        }
    }
}

impl std::fmt::Display for HistoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.tell(|row| format!("row {} (the first is 1)", row + 1)))
    }
}

impl std::error::Error for HistoryError {}

/// Whose row each is, as a number in the order of first appearance. A row without a name is an entity of its own.
#[derive(Debug, Clone, Default)]
pub struct Entities {
    codes: Vec<u32>,
    count: u32,
    texts: HashMap<String, u32>,
    numbers: HashMap<u64, u32>,
}

impl Entities {
    /// `rows` rows of one entity.
    pub fn one(rows: usize) -> Self {
        Self { codes: vec![0; rows], count: 1, ..Self::default() }
    }

    /// Adds the rows of the next piece of the column.
    pub fn extend(&mut self, column: &Column) {
        self.codes.reserve(column.len());
        match column {
            Column::Text(values) => {
                let mut last: Option<(&str, u32)> = None;
                for value in values {
                    let Some(text) = value else {
                        self.push_new();
                        continue;
                    };
                    let code = match last {
                        Some((known, code)) if known == text => code,
                        _ => self.code_of(text),
                    };
                    last = Some((text, code));
                    self.codes.push(code);
                }
            }
            Column::Number(values) => {
                for value in values {
                    if value.is_nan() {
                        self.push_new();
                        continue;
                    }
                    // Both zeros are one name.
                    let next = self.count;
                    let code = *self.numbers.entry((value + 0.0).to_bits()).or_insert(next);
                    self.count = self.count.max(code.saturating_add(1));
                    self.codes.push(code);
                }
            }
        }
    }

    /// The number of each row.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    fn code_of(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.texts.get(text) {
            return code;
        }
        let code = self.count;
        self.texts.insert(text.to_owned(), code);
        self.count = self.count.saturating_add(1);
        code
    }

    fn push_new(&mut self) {
        self.codes.push(self.count);
        self.count = self.count.saturating_add(1);
    }
}

/// Rows in their order, each place knowing where its entity begins.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// The time at each place.
    pub times: Vec<f64>,
    /// For each place the first place of its entity.
    pub first: Vec<u32>,
    /// The row at each place and the place of each row; nothing when the table stands in order.
    moved: Option<Moved>,
}

#[derive(Debug, Clone)]
struct Moved {
    order: Vec<u32>,
    places: Vec<u32>,
}

impl Timeline {
    pub fn new(entities: Entities, times: Vec<f64>, same_time: SameTime) -> Result<Self, HistoryError> {
        let codes = entities.codes;
        if u32::try_from(codes.len()).is_err() {
            return Err(HistoryError::TooLong);
        }
        let timeless = |row: &usize| !times[*row].is_finite();
        let count = (0..times.len()).filter(timeless).count();
        if count > 0 {
            return Err(HistoryError::NoTime { rows: (0..times.len()).filter(timeless).take(TOLD).collect(), count });
        }
        let in_order = (1..codes.len())
            .all(|row| codes[row - 1] < codes[row] || (codes[row - 1] == codes[row] && times[row - 1] <= times[row]));
        let moved = (!in_order).then(|| moved(&codes, entities.count, &times));
        let row = |place: usize| moved.as_ref().map_or(place, |moved| moved.order[place] as usize);
        let mut first: Vec<u32> = Vec::with_capacity(codes.len());
        for place in 0..codes.len() {
            let same = place > 0 && codes[row(place - 1)] == codes[row(place)];
            first.push(if same { first[place - 1] } else { place as u32 });
        }
        if same_time == SameTime::Refuse {
            let repeats = || {
                (1..codes.len())
                    .filter(|&place| first[place] < place as u32 && times[row(place - 1)] == times[row(place)])
                    .map(|place| (row(place - 1), row(place)))
            };
            let count = repeats().count();
            if count > 0 {
                return Err(HistoryError::SameTime { rows: repeats().take(TOLD).collect(), count });
            }
        }
        let mut timeline = Self { times: Vec::new(), first, moved };
        timeline.times = timeline.arrange(times);
        Ok(timeline)
    }

    /// The place of a row.
    pub fn place(&self, row: usize) -> usize {
        self.moved.as_ref().map_or(row, |moved| moved.places[row] as usize)
    }

    /// A column of the table in the order of places.
    pub fn arrange(&self, values: Vec<f64>) -> Vec<f64> {
        match &self.moved {
            None => values,
            Some(moved) => moved.order.iter().map(|&row| values[row as usize]).collect(),
        }
    }

    /// The places of the same entity at strictly earlier times end here.
    pub fn earlier(&self, place: usize) -> usize {
        let (mut end, first) = (place, self.first[place] as usize);
        while end > first && self.times[end - 1] == self.times[place] {
            end -= 1;
        }
        end
    }

    /// The places at times in (t − gap − length, t − gap], t being the time at `place`, without `place` itself and others
    /// at t.
    pub fn window(&self, place: usize, gap: f64, reach: f64) -> (usize, usize) {
        let (t, first) = (self.times[place], self.first[place] as usize);
        let mut end = self.earlier(place);
        while end > first && t - self.times[end - 1] < gap {
            end -= 1;
        }
        let mut begin = end;
        while begin > first && t - self.times[begin - 1] < reach {
            begin -= 1;
        }
        (begin, end)
    }

    /// The last place whose time is exactly t − by; `by` is above 0.
    pub fn lag(&self, place: usize, by: f64) -> Option<usize> {
        let (t, first) = (self.times[place], self.first[place] as usize);
        let mut end = place;
        while end > first && t - self.times[end - 1] < by {
            end -= 1;
        }
        (end > first && t - self.times[end - 1] == by).then(|| end - 1)
    }
}

/// Sorts rows by entity, time and place in the table: a counting sort by entity, then each entity by time.
fn moved(codes: &[u32], entities: u32, times: &[f64]) -> Moved {
    let mut ends = vec![0_u32; entities as usize + 1];
    for &code in codes {
        ends[code as usize + 1] += 1;
    }
    for entity in 1..ends.len() {
        ends[entity] += ends[entity - 1];
    }
    let (mut next, mut order) = (ends.clone(), vec![0_u32; codes.len()]);
    for (row, &code) in codes.iter().enumerate() {
        let place = &mut next[code as usize];
        order[*place as usize] = row as u32;
        *place += 1;
    }
    for entity in ends.windows(2) {
        // Stable: rows at the same time stay in the order of the table. Times are finite, so all compare.
        order[entity[0] as usize..entity[1] as usize]
            .sort_by(|&a, &b| times[a as usize].partial_cmp(&times[b as usize]).unwrap_or(Ordering::Equal));
    }
    let mut places = vec![0_u32; order.len()];
    for (place, &row) in order.iter().enumerate() {
        places[row as usize] = place as u32;
    }
    Moved { order, places }
}
