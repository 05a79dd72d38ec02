//! Locally weighted linear regression (Cleveland 1979) without robustness iterations: the smooth calibration curve.
//!
//! The definition is that of R's `lowess(f = 2/3, iter = 0)`: tricube weights over the nearest rows, a local line, and
//! straight lines between fits that lie `delta` apart. Points must come sorted by x.

/// The share of rows in each neighbourhood.
pub const SPAN: f64 = 2.0 / 3.0;
/// Fits may lie this share of the range of x apart.
const DELTA_SHARE: f64 = 0.01;

/// The smoothed values at `x`, which must be ascending and as long as `y`.
pub fn lowess(x: &[f64], y: &[f64]) -> Vec<f64> {
    let n = x.len();
    if n < 2 {
        return y.to_vec();
    }
    let range = x[n - 1] - x[0];
    let delta = DELTA_SHARE * range;
    let size = ((SPAN * n as f64 + 1e-7) as usize).clamp(2, n);
    let mut smooth = vec![0.0; n];
    let mut left = 0;
    let mut fitted: Option<usize> = None;
    let mut at = 0;
    loop {
        while left + size < n && x[at] - x[left] > x[left + size] - x[at] {
            left += 1;
        }
        smooth[at] = local_line(x, y, x[at], left, left + size, range).unwrap_or(y[at]);
        if let Some(last) = fitted {
            interpolate(x, &mut smooth, last, at);
        }
        let mut last = at;
        let mut next = at + 1;
        while next < n && x[next] <= x[at] + delta {
            if x[next] == x[last] {
                smooth[next] = smooth[last];
                last = next;
            }
            next += 1;
        }
        if last + 1 >= n {
            return smooth;
        }
        fitted = Some(last);
        at = (last + 1).max(next - 1);
    }
}

/// Fills the values strictly between two fitted points.
fn interpolate(x: &[f64], smooth: &mut [f64], last: usize, at: usize) {
    for between in last + 1..at {
        let share = (x[between] - x[last]) / (x[at] - x[last]);
        smooth[between] = share * smooth[at] + (1.0 - share) * smooth[last];
    }
}

/// The value at `centre` of the tricube-weighted line through the rows from `left` on. Rows beyond `right` count only
/// while they are as near as the neighbourhood's edge. `None` when no row has weight.
fn local_line(x: &[f64], y: &[f64], centre: f64, left: usize, right: usize, range: f64) -> Option<f64> {
    let reach = (centre - x[left]).max(x[right - 1] - centre);
    let (near, far) = (0.001 * reach, 0.999 * reach);
    // Weighted sums of 1, d, d², y and d·y with d = x − centre; the line's value at the centre follows from them.
    let (mut total, mut first, mut second, mut level, mut cross) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (value, outcome) in x[left..].iter().zip(&y[left..]) {
        let offset = value - centre;
        let distance = offset.abs();
        if distance > far {
            if offset > 0.0 {
                break;
            }
            continue;
        }
        let weight = if distance <= near { 1.0 } else { cube(1.0 - cube(distance / reach)) };
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

    #[test]
    fn a_line_stays_a_line() {
        let x: Vec<f64> = (0..50).map(|i| f64::from(i) / 7.0).collect();
        let y: Vec<f64> = x.iter().map(|x| 0.25 * x - 1.0).collect();
        for (smooth, y) in lowess(&x, &y).iter().zip(&y) {
            assert!((smooth - y).abs() < 1e-12);
        }
    }

    #[test]
    fn degenerate_inputs_give_means_not_nan() {
        assert_eq!(lowess(&[], &[]), Vec::<f64>::new());
        assert_eq!(lowess(&[0.3], &[1.0]), [1.0]);
        let flat = lowess(&[0.3; 4], &[1.0, 0.0, 0.0, 1.0]);
        assert!(flat.iter().all(|value| (value - 0.5).abs() < 1e-15));
    }
}
