//! The logistic link and its inverse, on `libm`, so that a probability has the same bits on every machine.
//!
//! Every conversion between margins (log odds) and probabilities in clinpipe goes through this module.

/// Probabilities are moved this far away from 0 and 1 before their logit is taken.
pub const LOGIT_CLIP: f64 = 1e-8;

/// The probability of a margin: 1 / (1 + e^(−margin)), without overflow at either end.
pub fn sigmoid(margin: f64) -> f64 {
    if margin >= 0.0 {
        1.0 / (1.0 + libm::exp(-margin))
    } else {
        let odds = libm::exp(margin);
        odds / (1.0 + odds)
    }
}

/// The margin of a probability: ln(p / (1 − p)). 0 and 1 give ∓∞.
pub fn logit(p: f64) -> f64 {
    libm::log(p) - libm::log1p(-p)
}

/// The margin of a probability after moving it into [[`LOGIT_CLIP`], 1 − [`LOGIT_CLIP`]].
pub fn clipped_logit(p: f64) -> f64 {
    logit(p.clamp(LOGIT_CLIP, 1.0 - LOGIT_CLIP))
}

/// ln(1 + e^x), without overflow: the negative log likelihood of a margin is `softplus(m) − y·m`.
pub fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + libm::log1p(libm::exp(-x)) } else { libm::log1p(libm::exp(x)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn logit_undoes_sigmoid(margin in -15.0..15.0_f64) {
            prop_assert!((logit(sigmoid(margin)) - margin).abs() < 1e-8);
        }

        #[test]
        fn sigmoid_is_symmetric_and_stays_inside(margin in -1e6..1e6_f64) {
            let p = sigmoid(margin);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!((p + sigmoid(-margin) - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(sigmoid(-1e9), 0.0);
        assert_eq!(sigmoid(1e9), 1.0);
        assert_eq!(softplus(1e6), 1e6);
        assert!(softplus(-1e6) >= 0.0);
        assert!(clipped_logit(0.0).is_finite() && clipped_logit(1.0).is_finite());
    }
}
