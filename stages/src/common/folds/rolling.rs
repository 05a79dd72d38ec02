//! Rolling origin: consecutive periods of time, each held out after training on what was known before it.
//!
//! As scikit-learn's `TimeSeriesSplit`, periods hold about rows / (folds + 1) rows and what is left over trains first;
//! unlike it, rows of one time stay together, the gap is measured in time, and the first period starts late enough
//! that something is known before it.

use super::{FoldError, Folds, Place};

/// The periods that are held out: period `k` lasts from its start to the next one's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Periods {
    starts: Vec<f64>,
    gap: f64,
}

/// A point in time and the rows before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    /// The time.
    pub time: f64,
    /// Number of rows earlier than it.
    pub before: usize,
}

/// The points in time, ascending.
pub(crate) fn distinct(times: &[f64]) -> Vec<Moment> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut moments: Vec<Moment> = Vec::new();
    for (before, time) in sorted.into_iter().enumerate() {
        if moments.last().is_none_or(|last| last.time != time) {
            moments.push(Moment { time, before });
        }
    }
    moments
}

impl Periods {
    /// Divides the rows' times into `count` periods and a first part that only trains.
    pub fn new(times: &[f64], count: usize, gap: f64) -> Result<Self, FoldError> {
        let moments = distinct(times);
        let known = |start: &Moment| moments.first().is_some_and(|first| first.time + gap < start.time);
        let earliest = moments.iter().position(known).unwrap_or(moments.len());
        let late = moments.len() - earliest;
        if late < count {
            return Err(FoldError::Times { folds: count, gap, late, distinct: moments.len() });
        }
        let size = times.len() / (count + 1);
        let mut starts: Vec<f64> = Vec::with_capacity(count);
        let mut next = earliest;
        for period in 0..count {
            let boundary = times.len() - (count - period) * size;
            // The last point in time that does not begin after the boundary, if that leaves one for every period.
            let there = moments.partition_point(|moment| moment.before <= boundary).saturating_sub(1);
            let at = there.min(moments.len() - (count - period)).max(next);
            starts.push(moments[at].time);
            next = at + 1;
        }
        Ok(Self { starts, gap })
    }

    /// Number of periods.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// The period of a time; none for one before the first.
    fn of(&self, time: f64) -> Option<usize> {
        self.starts.partition_point(|&start| start <= time).checked_sub(1)
    }

    /// Folds over rows with these times. `own`: the fold each row's patient belongs to, when patients return.
    pub fn folds(&self, times: &[f64], own: Option<&[usize]>) -> Folds {
        let place = |(row, &time): (usize, &f64)| {
            let apart = own.map(|own| own[row]);
            let period = self.of(time);
            Place {
                held_in: period.filter(|&period| apart.is_none_or(|apart| apart == period)),
                from: self.starts.partition_point(|&start| start <= time + self.gap),
                apart,
            }
        };
        Folds::new(self.count(), times.iter().enumerate().map(place))
    }
}
