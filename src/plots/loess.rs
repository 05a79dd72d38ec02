//! Locally weighted linear regression (Cleveland 1979): tricube weights over the nearest 30 % of the points, one pass.

const BANDWIDTH: f64 = 0.3;
const GRID: usize = 100;

/// The smoothed curve at evenly spaced places; points need finite coordinates.
pub(super) fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (Some(first), Some(last)) = (sorted.first().copied(), sorted.last().copied()) else { return Vec::new() };
    if sorted.len() < 3 || first.0 >= last.0 {
        return sorted;
    }
    let near = ((sorted.len() as f64 * BANDWIDTH).ceil() as usize).clamp(2, sorted.len());
    let place = |at: usize| first.0 + (last.0 - first.0) * (at as f64 / (GRID - 1) as f64);
    (0..GRID).map(|at| (place(at), local(&sorted, place(at), near))).collect()
}

/// The fit at `x` by its `near` nearest points of a sorted list.
fn local(sorted: &[(f64, f64)], x: f64, near: usize) -> f64 {
    let mut from = sorted.partition_point(|point| point.0 < x).saturating_sub(near).min(sorted.len() - near);
    while from + near < sorted.len() && (sorted[from + near].0 - x).abs() < (x - sorted[from].0).abs() {
        from += 1;
    }
    let window = &sorted[from..from + near];
    let reach = window.iter().map(|point| (point.0 - x).abs()).fold(0.0, f64::max) * (1.0 + 1e-9);
    let weight = |point: &(f64, f64)| {
        let share = if reach > 0.0 { (point.0 - x).abs() / reach } else { 0.0 };
        (1.0 - share * share * share).powi(3)
    };
    let [mut w, mut wx, mut wy, mut wxx, mut wxy] = [0.0; 5];
    for point in window {
        let (weight, dx) = (weight(point), point.0 - x);
        w += weight;
        wx += weight * dx;
        wy += weight * point.1;
        wxx += weight * dx * dx;
        wxy += weight * dx * point.1;
    }
    let spread = w * wxx - wx * wx;
    // Points that share one place have no slope.
    if spread.abs() <= 1e-12 * w * wxx { wy / w } else { (wxx * wy - wx * wxy) / spread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_its_own_smooth() {
        let line: Vec<(f64, f64)> = (0..50).map(|at| (f64::from(at), 3.0 - 0.5 * f64::from(at))).collect();
        let curve = smooth(&line);
        assert_eq!(curve.len(), GRID);
        assert!(curve.iter().all(|(x, y)| (y - (3.0 - 0.5 * x)).abs() < 1e-9), "{curve:?}");
    }

    #[test]
    fn few_or_equal_places_are_left_alone() {
        assert_eq!(smooth(&[]), []);
        assert_eq!(smooth(&[(1.0, 2.0), (1.0, 4.0), (1.0, 9.0)]).len(), 3);
        let tied = smooth(&[(0.0, 1.0), (0.0, 3.0), (0.0, 2.0), (1.0, 2.0)]);
        assert!(tied.iter().all(|(_, y)| y.is_finite()), "{tied:?}");
    }
}
