//! What a tree predicts, as sums over rows: exact counts for an outcome of 0 and 1, weighted sums for anything else.
//!
//! Both criteria are the reduction of the sum of squares (for 0/1 outcomes that is the reduction of Gini's impurity).
//! Sums of floats are always taken in the order of rows, by one thread.

/// A training row as one tree sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Draw {
    /// Which row.
    pub row: u32,
    /// How often the bootstrap drew it.
    pub times: u16,
    /// `times` if it had the event, else 0.
    events: u16,
}

/// An outcome that trees can be grown on.
pub(super) trait Target: Sync {
    /// The sum over some drawn rows.
    type Sum: Copy + Default + Send;
    /// A row drawn `times` times.
    fn draw(&self, row: usize, times: u16) -> Draw;
    /// Adds a row.
    fn add(&self, sum: &mut Self::Sum, draw: Draw);
    /// The sum over two sets of rows.
    fn join(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    /// The sum over what is left of `a` without its part `b`.
    fn without(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    /// How many rows, repetitions not counted.
    fn rows(sum: Self::Sum) -> usize;
    /// Weight and weighted sum of outcomes.
    fn parts(sum: Self::Sum) -> (f64, f64);
    /// Whether all outcomes are known to agree.
    fn pure(&self, sum: Self::Sum) -> bool;
    /// A mean outcome in the unit of the data.
    fn value(&self, mean: f64) -> f64;
}

/// Σ outcomes² that the mean explains: sum² / weight.
pub(super) fn explained<T: Target>(sum: T::Sum) -> f64 {
    let (weight, total) = T::parts(sum);
    if weight > 0.0 { total * total / weight } else { 0.0 }
}

/// The mean outcome; none without weight.
pub(super) fn mean<T: Target>(sum: T::Sum) -> Option<f64> {
    let (weight, total) = T::parts(sum);
    (weight > 0.0).then(|| total / weight)
}

/// An outcome of 0 and 1 without weights, counted in integers.
pub(super) struct Counted(pub Vec<bool>);

/// Rows, draws and events among the draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    rows: u32,
    draws: u32,
    events: u32,
}

impl Target for Counted {
    type Sum = Tally;

    fn draw(&self, row: usize, times: u16) -> Draw {
        Draw { row: row as u32, times, events: times * u16::from(self.0[row]) }
    }

    fn add(&self, sum: &mut Tally, draw: Draw) {
        sum.rows += 1;
        sum.draws += u32::from(draw.times);
        sum.events += u32::from(draw.events);
    }

    fn join(a: Tally, b: Tally) -> Tally {
        Tally { rows: a.rows + b.rows, draws: a.draws + b.draws, events: a.events + b.events }
    }

    fn without(a: Tally, b: Tally) -> Tally {
        Tally { rows: a.rows - b.rows, draws: a.draws - b.draws, events: a.events - b.events }
    }

    fn rows(sum: Tally) -> usize {
        sum.rows as usize
    }

    fn parts(sum: Tally) -> (f64, f64) {
        (f64::from(sum.draws), f64::from(sum.events))
    }

    fn pure(&self, sum: Tally) -> bool {
        sum.events == 0 || sum.events == sum.draws
    }

    fn value(&self, mean: f64) -> f64 {
        mean
    }
}

/// Any numbers with weights that are finite and not negative.
pub(super) struct Summed {
    /// Outcome of each row: (value − centre) / (2 · half).
    y: Vec<f64>,
    /// Weight of each row, 1 on average.
    weights: Vec<f64>,
    centre: f64,
    half: f64,
    /// Whether outcomes are shares of an event, kept as they are.
    shares: bool,
}

/// Rows, the weight of their draws and the weighted sum of their outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Moments {
    rows: u32,
    weight: f64,
    sum: f64,
}

impl Summed {
    /// Outcomes in [0, 1].
    pub(super) fn shares(y: &[f64], weights: Option<&[f64]>) -> Self {
        let weights = weights.map_or_else(|| vec![1.0; y.len()], unit_mean);
        Self { y: y.to_vec(), weights, centre: 0.0, half: 0.5, shares: true }
    }

    /// Finite outcomes. They are centred and brought to a range of about ±1, so that squares of sums neither overflow
    /// nor drown in a common offset.
    pub(super) fn numbers(y: &[f64], weights: Option<&[f64]>) -> Self {
        let centre = mean_of(y, weights);
        let away = |value: &f64| value / 2.0 - centre / 2.0;
        let half = y.iter().fold(f64::MIN_POSITIVE, |most, value| most.max(away(value).abs()));
        let weights = weights.map_or_else(|| vec![1.0; y.len()], unit_mean);
        Self { y: y.iter().map(|value| away(value) / half).collect(), weights, centre, half, shares: false }
    }
}

/// The weighted mean of finite outcomes; their plain mean when nothing has weight. It is taken of shares of the largest
/// outcome, which cannot overflow.
pub(super) fn mean_of(y: &[f64], weights: Option<&[f64]>) -> f64 {
    let weights = weights.map_or_else(|| vec![1.0; y.len()], unit_mean);
    let most = y.iter().fold(f64::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let sum: f64 = y.iter().zip(&weights).map(|(value, weight)| value / most * weight).sum();
    sum / y.len().max(1) as f64 * most
}

/// Weights divided by their mean; all 1 when none is above 0.
fn unit_mean(weights: &[f64]) -> Vec<f64> {
    let most = weights.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return vec![1.0; weights.len()];
    }
    let shares: Vec<f64> = weights.iter().map(|weight| weight / most).collect();
    let mean = shares.iter().sum::<f64>() / weights.len() as f64;
    shares.into_iter().map(|share| share / mean).collect()
}

impl Target for Summed {
    type Sum = Moments;

    fn draw(&self, row: usize, times: u16) -> Draw {
        Draw { row: row as u32, times, events: 0 }
    }

    fn add(&self, sum: &mut Moments, draw: Draw) {
        let weight = f64::from(draw.times) * self.weights[draw.row as usize];
        sum.rows += 1;
        sum.weight += weight;
        sum.sum += weight * self.y[draw.row as usize];
    }

    fn join(a: Moments, b: Moments) -> Moments {
        Moments { rows: a.rows + b.rows, weight: a.weight + b.weight, sum: a.sum + b.sum }
    }

    fn without(a: Moments, b: Moments) -> Moments {
        Moments { rows: a.rows - b.rows, weight: (a.weight - b.weight).max(0.0), sum: a.sum - b.sum }
    }

    fn rows(sum: Moments) -> usize {
        sum.rows as usize
    }

    fn parts(sum: Moments) -> (f64, f64) {
        (sum.weight, sum.sum)
    }

    fn pure(&self, sum: Moments) -> bool {
        // Equal outcomes are added up as the weights are, to the same bits.
        self.shares && (sum.sum == 0.0 || sum.sum == sum.weight)
    }

    fn value(&self, mean: f64) -> f64 {
        self.centre + self.half * mean + self.half * mean
    }
}
