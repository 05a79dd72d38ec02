//! Gauss–Legendre quadrature on [0, 1]: `K` points integrate polynomials up to degree 2K − 1 exactly.

/// A rule with `K` points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule<const K: usize> {
    /// The points, strictly inside (0, 1), ascending.
    pub points: [f64; K],
    /// Their weights; positive, with sum 1.
    pub weights: [f64; K],
}

impl<const K: usize> Rule<K> {
    /// Finds the roots of the Legendre polynomial by Newton's method, from Tricomi's approximation.
    pub fn new() -> Self {
        let mut rule = Self { points: [0.5; K], weights: [0.0; K] };
        for at in 0..K.div_ceil(2) {
            let mut x = libm::cos(std::f64::consts::PI * (at as f64 + 0.75) / (K as f64 + 0.5));
            // Convergence is quadratic from a start that is right to three digits at least.
            for _ in 0..6 {
                let (value, slope) = legendre(K, x);
                x -= value / slope;
            }
            let (_, slope) = legendre(K, x);
            let weight = 1.0 / ((1.0 - x * x) * slope * slope);
            // The roots are symmetric about 0.
            (rule.points[at], rule.points[K - 1 - at]) = (0.5 - 0.5 * x, 0.5 + 0.5 * x);
            (rule.weights[at], rule.weights[K - 1 - at]) = (weight, weight);
        }
        rule
    }
}

/// The Legendre polynomial of this degree and its derivative, at a point inside (−1, 1).
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (0.0, 1.0);
    for n in 1..=degree {
        let n = n as f64;
        (before, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n);
    }
    (value, degree as f64 * (before - x * value) / (1.0 - x * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integrates<const K: usize>() {
        let rule = Rule::<K>::new();
        assert!(
            rule.points.windows(2).all(|pair| pair[0] < pair[1]) && rule.points[0] > 0.0 && rule.points[K - 1] < 1.0
        );
        for degree in 0..2 * K {
            let terms = rule.points.iter().zip(&rule.weights);
            let integral: f64 = terms.map(|(&point, &weight)| weight * libm::pow(point, degree as f64)).sum();
            assert!((integral * (degree as f64 + 1.0) - 1.0).abs() < 1e-12, "{K} points, degree {degree}: {integral}");
        }
    }

    #[test]
    fn powers_up_to_twice_the_points_are_exact() {
        integrates::<2>();
        integrates::<4>();
        integrates::<6>();
        integrates::<8>();
        integrates::<12>();
        integrates::<16>();
        integrates::<64>();
    }
}
