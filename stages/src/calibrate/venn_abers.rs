//! Inductive Venn–Abers prediction: for every score the event rates of two isotonic regressions, one in which the new
//! row had no event and one in which it had. The pair brackets the calibrated probability, and is wide where few rows
//! with such scores are known.
//!
//! Vovk, Petej and Fedorova (2015), *Large-scale probabilistic predictors with and without guarantees of validity*,
//! algorithms 1 and 2: both rates are steps of the score, found for all scores in one pass over the greatest convex
//! minorant, in which one point moves at a time. All of it is done on whole numbers; the only rounding is the final
//! division.

use serde::{Deserialize, Serialize};

use crate::common::scores::Ranking;

/// Two non-decreasing step functions of the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VennAbers {
    /// Scores from which on the lower end has the value beside them, ascending; below the first it is 0.
    from: Vec<f64>,
    /// Values of the lower end.
    low: Vec<f64>,
    /// Scores up to which the upper end has the value beside them, ascending; beyond the last it is 1.
    to: Vec<f64>,
    /// Values of the upper end.
    high: Vec<f64>,
}

/// Rows of one score: their number and the events among them.
#[derive(Debug, Clone, Copy)]
struct Tied {
    rows: i64,
    events: i64,
}

/// A rate as a whole number of events among a whole number of rows.
type Rate = (i64, i64);

impl VennAbers {
    /// Fits both regressions on scores and outcomes.
    pub fn fit(p: &[f64], y: &[bool]) -> Self {
        let ranking = Ranking::new(p);
        let (mut scores, mut tied) = (Vec::new(), Vec::new());
        for group in ranking.groups() {
            scores.extend(group.first().map(|&row| p[row]));
            let events = group.iter().filter(|&&row| y[row]).count() as i64;
            tied.push(Tied { rows: group.len() as i64, events });
        }
        let high = with_an_event(&tied);
        // A row without the event at the upper side is, seen from above, a row with one at the lower.
        let mirrored: Vec<Tied> =
            tied.iter().rev().map(|tied| Tied { rows: tied.rows, events: tied.rows - tied.events }).collect();
        let low = with_an_event(&mirrored).into_iter().rev().map(|(events, rows)| (rows - events, rows));
        let mut fitted = Self { from: Vec::new(), low: Vec::new(), to: Vec::new(), high: Vec::new() };
        for (&score, rate) in scores.iter().zip(low) {
            let value = quotient(rate);
            if fitted.low.last().copied().unwrap_or(0.0) < value {
                fitted.from.push(score);
                fitted.low.push(value);
            }
        }
        for (&score, rate) in scores.iter().zip(high) {
            let value = quotient(rate);
            if fitted.high.last() == Some(&value) {
                fitted.to.pop();
            } else {
                fitted.high.push(value);
            }
            fitted.to.push(score);
        }
        fitted
    }

    /// The lower and the upper end at a score.
    pub fn interval(&self, p: f64) -> [f64; 2] {
        let known = self.from.partition_point(|&from| from <= p).checked_sub(1);
        let low = known.and_then(|step| self.low.get(step)).copied().unwrap_or(0.0);
        let high = self.high.get(self.to.partition_point(|&to| to < p)).copied().unwrap_or(1.0);
        [low, high]
    }

    /// Whether it can be applied: shares that rise with ascending scores.
    pub fn is_sound(&self) -> bool {
        let steps = |scores: &[f64], values: &[f64]| {
            scores.len() == values.len()
                && scores.iter().all(|score| score.is_finite())
                && scores.windows(2).all(|pair| pair[0] < pair[1])
                && values.windows(2).all(|pair| pair[0] < pair[1])
                && values.iter().all(|value| (0.0..=1.0).contains(value))
        };
        steps(&self.from, &self.low) && steps(&self.to, &self.high)
    }
}

fn quotient((events, rows): Rate) -> f64 {
    events as f64 / rows as f64
}

/// A point of the cumulative sums: rows, events.
#[derive(Debug, Clone, Copy)]
struct Point {
    rows: i64,
    events: i64,
}

impl Point {
    fn plus(self, rows: i64, events: i64) -> Self {
        Self { rows: self.rows + rows, events: self.events + events }
    }

    /// Twice the signed area of the triangle a, b, c: positive when the way from `a` over `b` to `c` turns left.
    fn turn(a: Self, b: Self, c: Self) -> i64 {
        (b.rows - a.rows) * (c.events - b.events) - (b.events - a.events) * (c.rows - b.rows)
    }
}

/// For each score, the rate that isotonic regression gives to one more row, with the event, placed just before it.
fn with_an_event(tied: &[Tied]) -> Vec<Rate> {
    let mut corners = minorant(tied);
    let mut rates = Vec::with_capacity(tied.len());
    // Where the new row begins: every earlier row lies before it.
    let mut start = Point { rows: -1, events: -1 };
    for group in tied {
        let [.., next, top] = corners[..] else { break };
        rates.push((next.events - top.events, next.rows - top.rows));
        // The new row moves behind this group, so that the group's end takes the place of the new row's.
        start = start.plus(group.rows, group.events);
        if Point::turn(top, next, start) >= 0 {
            continue;
        }
        corners.pop();
        while let [.., next, top] = corners[..]
            && Point::turn(start, top, next) <= 0
        {
            corners.pop();
        }
        corners.push(start);
    }
    rates
}

/// The corners of the greatest convex minorant with the new row placed first; the leftmost corner comes last.
fn minorant(tied: &[Tied]) -> Vec<Point> {
    let mut corners = vec![Point { rows: -1, events: -1 }];
    let mut point = Point { rows: 0, events: 0 };
    let mut add = |point: Point| {
        while let [.., before, last] = corners[..]
            && Point::turn(before, last, point) <= 0
        {
            corners.pop();
        }
        corners.push(point);
    };
    add(point);
    for group in tied {
        point = point.plus(group.rows, group.events);
        add(point);
    }
    corners.reverse();
    corners
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn fixture(text: &str) -> Value {
        serde_json::from_str(text).expect("the fixture is JSON")
    }

    fn numbers(fixture: &Value, path: &str) -> Vec<f64> {
        let values = fixture.pointer(path).and_then(Value::as_array).expect(path);
        values.iter().filter_map(Value::as_f64).collect()
    }

    fn events(fixture: &Value, path: &str) -> Vec<bool> {
        numbers(fixture, path).into_iter().map(|y| y > 0.5).collect()
    }

    #[test]
    fn g24_agrees_with_venn_abers() {
        let g24 = fixture(include_str!("../../fixtures/learning.json"));
        let fitted = VennAbers::fit(&numbers(&g24, "/g24/p"), &events(&g24, "/g24/y"));
        for (at, low, high) in [(0.10, 1.0 / 6.0, 1.0 / 3.0), (0.33, 2.0 / 7.0, 0.5), (0.65, 0.5, 1.0)] {
            assert_eq!(fitted.interval(at), [low, high], "at {at}");
        }
    }

    #[test]
    fn random_scores_agree_with_venn_abers() {
        let fixture = fixture(include_str!("../../fixtures/venn_abers.json"));
        for study in ["smooth", "tied", "few"] {
            let at = |name: &str| format!("/{study}/{name}");
            let fitted = VennAbers::fit(&numbers(&fixture, &at("p")), &events(&fixture, &at("y")));
            let (low, high) = (numbers(&fixture, &at("low")), numbers(&fixture, &at("high")));
            let scores = numbers(&fixture, &at("at"));
            assert!(scores.len() >= 40);
            for ((&score, low), high) in scores.iter().zip(low).zip(high) {
                let [ours_low, ours_high] = fitted.interval(score);
                let near = (ours_low - low).abs() < 1e-12 && (ours_high - high).abs() < 1e-12;
                assert!(near, "{study} at {score}: [{ours_low}, {ours_high}] is not [{low}, {high}]");
            }
        }
    }

    /// The same by its definition: isotonic regression with the row added, value = max over starts of min over ends.
    fn by_definition(p: &[f64], y: &[bool], at: f64, label: bool) -> f64 {
        let mut rows: Vec<(f64, bool)> = p.iter().copied().zip(y.iter().copied()).chain([(at, label)]).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (first, last) = (rows.partition_point(|row| row.0 < at), rows.partition_point(|row| row.0 <= at));
        let is_bound = |cut: usize| cut == 0 || cut == rows.len() || rows[cut - 1].0 < rows[cut].0;
        let mean = |start: usize, end: usize| {
            rows[start..end].iter().filter(|row| row.1).count() as f64 / (end - start) as f64
        };
        let least = |start: usize| {
            (last..=rows.len()).filter(|&end| is_bound(end)).map(|end| mean(start, end)).fold(f64::INFINITY, f64::min)
        };
        (0..=first).filter(|&start| is_bound(start)).map(least).fold(0.0, f64::max)
    }

    proptest! {
        #[test]
        fn every_interval_is_that_of_the_definition(
            rows in prop::collection::vec((0_u8..12, any::<bool>()), 1..40),
        ) {
            let p: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let y: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let fitted = VennAbers::fit(&p, &y);
            prop_assert!(fitted.is_sound());
            let mut last = [0.0, 0.0];
            for at in (-1..26).map(|half| f64::from(half) / 2.0) {
                let [low, high] = fitted.interval(at);
                prop_assert_eq!(low, by_definition(&p, &y, at, false), "low end at {}", at);
                prop_assert_eq!(high, by_definition(&p, &y, at, true), "high end at {}", at);
                prop_assert!(low < high && last[0] <= low && last[1] <= high);
                last = [low, high];
            }
        }
    }

    #[test]
    fn unsound_steps_are_told() {
        let mut fitted = VennAbers::fit(&[0.1, 0.4, 0.8], &[false, true, true]);
        assert!(fitted.is_sound());
        fitted.low.push(2.0);
        assert!(!fitted.is_sound());
        fitted.from.push(0.9);
        assert!(!fitted.is_sound());
    }
}
