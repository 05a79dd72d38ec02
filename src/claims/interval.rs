//! Intervals of real numbers: what a value can be, given how it was rounded.

/// Slack for floating point, in proportion to the size of what is compared; far below any stated decimal.
const SLACK: f64 = 1e-9;

/// All values from `lo` to `hi`, ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

impl Interval {
    pub(super) fn new(lo: f64, hi: f64) -> Self {
        Self { lo, hi }
    }

    pub(super) fn exact(value: f64) -> Self {
        Self { lo: value, hi: value }
    }

    /// The smallest interval that holds these values, whatever their order; NaN among them means anything.
    pub(super) fn spanning(values: impl IntoIterator<Item = f64>) -> Self {
        let mut span = Self { lo: f64::INFINITY, hi: f64::NEG_INFINITY };
        for value in values {
            if value.is_nan() {
                return Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
            }
            span = Self { lo: span.lo.min(value), hi: span.hi.max(value) };
        }
        span
    }

    /// The values of a function of two variables that is monotone, or affine, in each: its extremes are at the corners.
    pub(super) fn map2(a: Self, b: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self::spanning([f(a.lo, b.lo), f(a.lo, b.hi), f(a.hi, b.lo), f(a.hi, b.hi)])
    }

    /// The same for three variables.
    pub(super) fn map3(a: Self, b: Self, c: Self, f: impl Fn(f64, f64, f64) -> f64) -> Self {
        let (low, high) = (Self::map2(a, b, |a, b| f(a, b, c.lo)), Self::map2(a, b, |a, b| f(a, b, c.hi)));
        Self::spanning([low.lo, low.hi, high.lo, high.hi])
    }

    /// What a share can be of it.
    pub(super) fn within_unit(self) -> Self {
        Self { lo: self.lo.max(0.0), hi: self.hi.min(1.0) }
    }

    pub(super) fn one_minus(self) -> Self {
        Self { lo: 1.0 - self.hi, hi: 1.0 - self.lo }
    }

    pub(super) fn is_empty(self) -> bool {
        self.lo > self.hi + slack(self.lo, self.hi)
    }

    pub(super) fn intersect(self, other: Self) -> Self {
        Self { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) }
    }

    /// Whether no value belongs to both.
    pub(super) fn is_apart(self, other: Self) -> bool {
        self.intersect(other).is_empty()
    }

    pub(super) fn center(self) -> f64 {
        f64::midpoint(self.lo, self.hi)
    }
}

fn slack(a: f64, b: f64) -> f64 {
    let size = a.abs().max(b.abs()).max(1.0);
    if size.is_finite() { SLACK * size } else { 0.0 }
}

/// The least integer that is not below `value`, but for the slack.
pub(super) fn ceil(value: f64) -> f64 {
    (value - slack(value, value)).ceil()
}

/// The greatest integer that is not above `value`, but for the slack.
pub(super) fn floor(value: f64) -> f64 {
    (value + slack(value, value)).floor()
}
