//! Locally weighted linear regression (Cleveland 1979) without robustness iterations: the smooth calibration curve.
//!
//! The definition is that of R's `lowess(f = 2/3, iter = 0)`: tricube weights over the nearest rows, a local line, and
//! straight lines between fits that lie `delta` apart. Points come sorted by x, those with equal x as one group.

/// The share of rows in each neighbourhood.
pub const SPAN: f64 = 2.0 / 3.0;
/// Fits may lie this share of the range of x apart.
const DELTA_SHARE: f64 = 0.01;

/// Points with equal x, as one: their x, the mean of their outcomes, how many they are. Slices of equal length, x
/// strictly ascending, counts above 0.
#[derive(Debug, Clone, Copy)]
pub struct Grouped<'a> {
    /// The distinct x, ascending.
    pub x: &'a [f64],
    /// The mean outcome at each.
    pub y: &'a [f64],
    /// The points at each.
    pub count: &'a [f64],
}

/// The smoothed values at `x`: what Cleveland's algorithm gives when every group is written out as `count` points.
pub fn lowess(points: Grouped) -> Vec<f64> {
    let Grouped { x, y, count } = points;
    let groups = x.len();
    let n = count.iter().map(|&count| count as usize).sum::<usize>();
    if groups < 2 || n < 2 {
        return y.to_vec();
    }
    let range = x[groups - 1] - x[0];
    let delta = DELTA_SHARE * range;
    let mut window = Window::new(points, ((SPAN * n as f64 + 1e-7) as usize).clamp(2, n), n);
    let mut smooth = vec![0.0; groups];
    let mut fitted: Option<usize> = None;
    let mut at = 0;
    loop {
        window.slide_to(x[at]);
        smooth[at] = local_line(points, x[at], window.left, window.last(), range).unwrap_or(y[at]);
        if let Some(last) = fitted {
            interpolate(x, &mut smooth, last, at);
        }
        if at + 1 == groups {
            return smooth;
        }
        let within = (at + 1..groups).take_while(|&next| x[next] <= x[at] + delta).last();
        fitted = Some(at);
        at = within.unwrap_or(at + 1);
    }
}

/// The neighbourhood of a fit: `size` neighbouring points, which may begin and end inside a group.
struct Window<'a> {
    x: &'a [f64],
    count: &'a [f64],
    points: usize,
    size: usize,
    /// The first point, the group that holds it, and where that group ends.
    start: usize,
    left: usize,
    left_end: usize,
    /// The group of the first point behind the window, and where that group begins and ends.
    right: usize,
    right_start: usize,
    right_end: usize,
}

impl<'a> Window<'a> {
    fn new(points: Grouped<'a>, size: usize, n: usize) -> Self {
        let Grouped { x, count, .. } = points;
        let of = |group: usize| count.get(group).map_or(0, |&count| count as usize);
        let (mut right, mut right_start) = (0, 0);
        while right < x.len() && right_start + of(right) <= size {
            right_start += of(right);
            right += 1;
        }
        let right_end = right_start + of(right);
        Self { x, count, points: n, size, start: 0, left: 0, left_end: of(0), right, right_start, right_end }
    }

    /// Moves right while the first point is further from `centre` than the first point behind.
    fn slide_to(&mut self, centre: f64) {
        while self.start + self.size < self.points && centre - self.x[self.left] > self.x[self.right] - centre {
            let end = self.start + self.size;
            self.start += (self.left_end - self.start).min(self.right_end - end);
            if self.start == self.left_end {
                self.left += 1;
                self.left_end += self.count[self.left] as usize;
            }
            if self.start + self.size == self.right_end {
                self.right += 1;
                self.right_start = self.right_end;
                self.right_end += self.count.get(self.right).map_or(0, |&count| count as usize);
            }
        }
    }

    /// The group of the last point.
    fn last(&self) -> usize {
        if self.start + self.size > self.right_start { self.right } else { self.right - 1 }
    }
}

/// Fills the values strictly between two fitted points.
fn interpolate(x: &[f64], smooth: &mut [f64], last: usize, at: usize) {
    for between in last + 1..at {
        let share = (x[between] - x[last]) / (x[at] - x[last]);
        smooth[between] = share * smooth[at] + (1.0 - share) * smooth[last];
    }
}

/// The value at `centre` of the tricube-weighted line through the groups from `left` on. Groups beyond `right` count
/// only while they are as near as the neighbourhood's edge. `None` when no group has weight.
///
/// A group that the neighbourhood begins inside of lies at its edge and has no weight, so it need not be cut.
fn local_line(points: Grouped, centre: f64, left: usize, right: usize, range: f64) -> Option<f64> {
    let Grouped { x, y, count } = points;
    let reach = (centre - x[left]).max(x[right] - centre);
    let (near, far) = (0.001 * reach, 0.999 * reach);
    // Weighted sums of 1, d, d², y and d·y with d = x − centre; the line's value at the centre follows from them.
    let (mut total, mut first, mut second, mut level, mut cross) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((value, outcome), count) in x[left..].iter().zip(&y[left..]).zip(&count[left..]) {
        let offset = value - centre;
        let distance = offset.abs();
        if distance > far {
            if offset > 0.0 {
                break;
            }
            continue;
        }
        let weight = count * if distance <= near { 1.0 } else { cube(1.0 - cube(distance / reach)) };
        total += weight;
        first += weight * offset;
        second += weight * offset * offset;
        level += weight * outcome;
        cross += weight * offset * outcome;
    }
    if total <= 0.0 {
        return None;
    }
    let (mean, height) = (first / total, level / total);
    let spread = (second / total - mean * mean).max(0.0);
    // A neighbourhood narrower than a thousandth of the range has no slope.
    let slope =
        if reach > 0.0 && spread.sqrt() > 0.001 * range { (cross / total - mean * height) / spread } else { 0.0 };
    Some(height - slope * mean)
}

fn cube(x: f64) -> f64 {
    x * x * x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smooth(x: &[f64], y: &[f64], count: &[f64]) -> Vec<f64> {
        lowess(Grouped { x, y, count })
    }

    #[test]
    fn a_line_stays_a_line() {
        let x: Vec<f64> = (0..50).map(|i| f64::from(i) / 7.0).collect();
        let y: Vec<f64> = x.iter().map(|x| 0.25 * x - 1.0).collect();
        for count in [vec![1.0; 50], (0..50).map(|i| f64::from(1 + i % 4)).collect()] {
            for (smooth, y) in smooth(&x, &y, &count).iter().zip(&y) {
                assert!((smooth - y).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn degenerate_inputs_give_means_not_nan() {
        assert_eq!(smooth(&[], &[], &[]), Vec::<f64>::new());
        assert_eq!(smooth(&[0.3], &[1.0], &[1.0]), [1.0]);
        assert_eq!(smooth(&[0.3], &[0.5], &[4.0]), [0.5]);
        let two = smooth(&[0.3, 0.4], &[0.25, 0.75], &[4.0, 4.0]);
        assert!(two.iter().all(|value| value.is_finite()), "{two:?}");
    }
}
