//! The incomplete gamma function, and the tails of distributions that are made of it.
//!
//! Invariants: the same bits everywhere (`libm` only); every answer lies in 0..=1. Both halves are computed where they
//! are small, so that the tail of a test keeps its digits however far out it is.

/// Steps after which a sum or a fraction is as good as it gets.
const STEPS: usize = 10_000;
/// A step that changes less than this, in proportion, is the last.
const ENOUGH: f64 = 1e-16;

/// The regularised lower incomplete gamma function P(a, x), for a > 0: the chance that a gamma variable of shape a is at
/// most x. By its series below a + 1, else by [`upper`] (Numerical Recipes, §6.2).
pub fn lower(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= a + 1.0 {
        return 1.0 - fraction(a, x);
    }
    series(a, x)
}

/// The regularised upper incomplete gamma function Q(a, x) = 1 − P(a, x): the tail of chi-square with 2a degrees of
/// freedom at 2x. By Lentz's continued fraction above a + 1, else by [`lower`].
pub fn upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < a + 1.0 {
        return 1.0 - series(a, x);
    }
    fraction(a, x)
}

/// The chance of at least `count` when `expected` are expected: the upper tail of the Poisson distribution, which is
/// P(count, expected). At or below the expectation it is given as 1.
pub fn poisson_tail(count: usize, expected: f64) -> f64 {
    if count == 0 || count as f64 <= expected {
        return 1.0;
    }
    lower(count as f64, expected)
}

/// xᵃ e⁻ˣ / Γ(a).
fn scale(a: f64, x: f64) -> f64 {
    libm::exp(a * libm::log(x) - x - libm::lgamma(a))
}

fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0 / a, 1.0 / a);
    for step in 1..STEPS {
        term *= x / (a + step as f64);
        sum += term;
        if term < sum * ENOUGH {
            break;
        }
    }
    (sum * scale(a, x)).clamp(0.0, 1.0)
}

fn fraction(a: f64, x: f64) -> f64 {
    let away = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / f64::MIN_POSITIVE;
    let mut d = 1.0 / away(b);
    let mut fraction = d;
    for step in 1..STEPS {
        let factor = step as f64 * (a - step as f64);
        b += 2.0;
        d = 1.0 / away(factor * d + b);
        c = away(b + factor / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < ENOUGH {
            break;
        }
    }
    (fraction * scale(a, x)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_the_reference_values() {
        // scipy.stats.poisson.sf(count - 1, expected)
        for (count, expected, tail) in [
            (1, 0.01, 0.009_950_166_250_831_893),
            (6, 0.8, 1.843_425_212_039_755e-4),
            (30, 12.5, 1.877_414_718_183_604_8e-5),
        ] {
            let found = poisson_tail(count, expected);
            assert!((found / tail - 1.0).abs() < 1e-9, "{count} {expected}: {found}");
        }
        assert_eq!((poisson_tail(0, 0.0), poisson_tail(2, 3.0), poisson_tail(1, 0.0)), (1.0, 1.0, 0.0));
    }

    #[test]
    fn both_halves_make_one_on_either_side_of_the_switch() {
        for a in [0.5, 1.0, 3.5, 40.0] {
            for x in [0.01, 0.7, a, a + 0.999, a + 1.0, a + 1.001, 3.0 * a + 5.0] {
                assert!((lower(a, x) + upper(a, x) - 1.0).abs() < 1e-13, "{a} {x}");
            }
        }
        assert_eq!((lower(2.0, 0.0), upper(2.0, -1.0)), (0.0, 1.0));
        // Q(1, x) = exp(-x), far out as well.
        assert!((upper(1.0, 300.0) / libm::exp(-300.0) - 1.0).abs() < 1e-12);
    }
}
