//! How many patients it takes to develop a model: the criteria of Riley et al.
//!
//! For events Riley et al, Stat Med 2019;38:1276 and BMJ 2020;368:m441; for numbers Stat Med 2019;38:1262. They concern
//! regression; boosted trees and forests need more (van der Ploeg et al, BMC Med Res Methodol 2014;14:137).

use serde::{Deserialize, Serialize};

use crate::common::interval::normal_quantile;

/// Expected shrinkage of the coefficients is to be no worse than this.
const SHRINKAGE: f64 = 0.9;
/// Apparent and adjusted R² (of events: of Nagelkerke) may lie this far apart.
const OPTIMISM: f64 = 0.05;
/// How precisely the overall risk is to be known, in both directions.
const RISK_MARGIN: f64 = 0.05;
/// How precisely the mean is to be known, as a multiple of it.
const MEAN_MARGIN: f64 = 1.1;
/// Patients beyond the parameters for a residual standard deviation within 10 %.
const FOR_VARIANCE: u64 = 234;
/// What may be expected of a model for events when nothing is known: this share of the largest possible R².
const USUAL_SHARE: f64 = 0.15;
/// No study is larger, so a search stops here.
const LARGEST: u64 = 1_000_000_000;

/// What was assumed of the model to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumedR2 {
    /// The R²: of Cox and Snell for events, adjusted for numbers; null when it had to be declared and was not.
    pub value: Option<f64>,
    /// The largest that R² of Cox and Snell can be at this share of events; null for numbers.
    pub maximum: Option<f64>,
    /// `declared`, or `15 % of its maximum`.
    pub source: Option<String>,
}

/// One criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// `shrinkage`, `optimism`, `overall_risk`, `residual_variance`, `mean`.
    pub name: String,
    /// What it asks for.
    pub asks: String,
    /// Patients needed; null when it cannot be told.
    pub n: Option<u64>,
    /// Why it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Criterion {
    fn new(name: &str, asks: impl Into<String>, n: Result<u64, String>) -> Self {
        let reason = n.as_ref().err().cloned();
        Self { name: name.to_owned(), asks: asks.into(), n: n.ok(), reason }
    }
}

/// The R² to expect of a model for events, and the criteria. `prevalence` lies between 0 and 1.
pub(super) fn binary(parameters: u64, prevalence: f64, declared: Option<f64>) -> (AssumedR2, Vec<Criterion>) {
    let p = parameters as f64;
    let information = prevalence * libm::log(prevalence) + (1.0 - prevalence) * libm::log(1.0 - prevalence);
    let maximum = 1.0 - libm::exp(2.0 * information);
    let r2 = declared.unwrap_or(USUAL_SHARE * maximum);
    let possible = if r2 < maximum {
        Ok(())
    } else {
        Err(format!("an R² of {r2} is not possible at this share of events; the largest is {maximum:.3}"))
    };
    let shrunk = |shrinkage: f64| whole(p / ((shrinkage - 1.0) * libm::log(1.0 - r2 / shrinkage)));
    let for_optimism = r2 / (r2 + OPTIMISM * maximum);
    let z = normal_quantile(0.95) / RISK_MARGIN;
    let criteria = vec![
        Criterion::new(
            "shrinkage",
            "predictors shrink by 10 % or less",
            possible.clone().and_then(|()| shrunk(SHRINKAGE)),
        ),
        Criterion::new("optimism", "R² is optimistic by 0.05 or less", possible.and_then(|()| shrunk(for_optimism))),
        Criterion::new(
            "overall_risk",
            "the overall risk is known to 0.05",
            whole(z * z * prevalence * (1.0 - prevalence)),
        ),
    ];
    let source = if declared.is_some() { "declared" } else { "15 % of its maximum" };
    (AssumedR2 { value: Some(r2), maximum: Some(maximum), source: Some(source.to_owned()) }, criteria)
}

/// The same for a number with this mean and standard deviation.
pub(super) fn continuous(
    parameters: u64,
    (mean, sd): (f64, f64),
    declared: Option<f64>,
) -> (AssumedR2, Vec<Criterion>) {
    let p = parameters as f64;
    let needed = || declared.ok_or_else(|| "declare `study.expected_r2`, from earlier studies".to_owned());
    let shrinkage = needed().and_then(|r2| {
        smallest(parameters + 2, |n| global_shrinkage(n, p, r2) >= SHRINKAGE)
            .ok_or_else(|| "no study is large enough".to_owned())
    });
    let optimism = needed().and_then(|r2| whole(1.0 + p * (1.0 - r2) / OPTIMISM));
    let variance = parameters + FOR_VARIANCE;
    let so_far = [shrinkage.as_ref().ok(), optimism.as_ref().ok(), Some(&variance)].into_iter().flatten().max();
    let so_far = so_far.copied().unwrap_or(variance);
    let for_mean = needed().and_then(|r2| {
        if mean.abs() < f64::MIN_POSITIVE {
            return Err("the mean is 0, so no share of it can be asked for".to_owned());
        }
        let margin = |n: u64| {
            let error = (sd * sd * (1.0 - r2) / n as f64).sqrt();
            1.0 + student(n as f64 - p - 1.0) * error / mean.abs()
        };
        smallest(so_far, |n| margin(n) <= MEAN_MARGIN).ok_or_else(|| "no study is large enough".to_owned())
    });
    let criteria = vec![
        Criterion::new("shrinkage", "predictors shrink by 10 % or less", shrinkage),
        Criterion::new("optimism", "R² is optimistic by 0.05 or less", optimism),
        Criterion::new("residual_variance", "the residual standard deviation is known to 10 %", Ok(variance)),
        Criterion::new("mean", "the mean is known to 10 % of itself", for_mean),
    ];
    (AssumedR2 { value: declared, maximum: None, source: declared.map(|_| "declared".to_owned()) }, criteria)
}

/// Copas' shrinkage of a linear model of `p` parameters on `n` patients with an adjusted R².
fn global_shrinkage(n: u64, p: f64, r2: f64) -> f64 {
    let n = n as f64;
    let apparent = (r2 * (n - p - 1.0) + p) / (n - 1.0);
    1.0 + (p - 2.0) / (n * libm::log(1.0 - apparent))
}

/// The smallest number from `from` on that is enough, where what exceeds an enough is enough too.
fn smallest(from: u64, enough: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (from, from.max(1));
    while !enough(high) {
        low = high + 1;
        high = high.checked_mul(2).filter(|high| *high <= LARGEST)?;
    }
    while low < high {
        let middle = low.midpoint(high);
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    Some(high)
}

fn whole(n: f64) -> Result<u64, String> {
    if n.is_finite() && n > 0.0 && n <= LARGEST as f64 {
        return Ok(n.ceil() as u64);
    }
    Err("no study is large enough".to_owned())
}

/// The 0.975 quantile of Student's t, by the expansion of Fisher and Cornish in 1/ν (Abramowitz and Stegun 26.7.5). The
/// criteria ask for more than 200 degrees of freedom, where it is exact to 1e-9.
fn student(freedom: f64) -> f64 {
    let z = normal_quantile(0.95);
    let (z3, z5) = (z * z * z, z * z * z * z * z);
    let first = (z3 + z) / 4.0;
    let second = (5.0 * z5 + 16.0 * z3 + 3.0 * z) / 96.0;
    let third = (3.0 * z5 * z * z + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0;
    z + first / freedom + second / (freedom * freedom) + third / (freedom * freedom * freedom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(criteria: &[Criterion]) -> Vec<u64> {
        criteria.iter().map(|criterion| criterion.n.expect("a size")).collect()
    }

    #[test]
    fn sizes_for_events_are_those_of_pmsampsize() {
        // prevalence, parameters, R², the three criteria. The first two are of the reference sheet, by the formulas of
        // the paper; the others are cases of the tests of the R package pmsampsize 1.1.3 (`test_bin.R`).
        for (prevalence, parameters, r2, expected) in [
            (0.243, 9, None, [760, 251, 283]),
            (0.05, 16, None, [2849, 945, 73]),
            (0.174, 24, Some(0.288), [623, 662, 221]),
            (0.174, 24, Some(0.55), [255, 532, 221]),
            (0.174, 36, Some(0.288), [934, 992, 221]),
            (0.25, 24, Some(0.288), [623, 590, 289]),
        ] {
            assert_eq!(sizes(&binary(parameters, prevalence, r2).1), expected, "{prevalence} {parameters} {r2:?}");
        }
        let (assumed, criteria) = binary(5, 0.01, Some(0.2));
        assert!(assumed.maximum.is_some_and(|maximum| maximum < 0.2));
        assert!(criteria[0].reason.as_ref().is_some_and(|reason| reason.contains("not possible")), "{criteria:?}");
    }

    #[test]
    fn sizes_for_numbers_are_those_of_pmsampsize() {
        // R², parameters, mean, standard deviation, criteria 1 to 3: cases of `test_cont.R` of the same package, whose
        // fourth criterion never asks for more than the first three there, nor does ours.
        for (r2, parameters, mean, sd, expected) in [
            (0.2, 25, 1.9, 0.6, [918, 401, 259]),
            (0.3, 25, 1.9, 0.6, [574, 351, 259]),
            (0.2, 50, 1.9, 0.6, [1924, 801, 284]),
            (0.2, 25, 10.0, 0.6, [918, 401, 259]),
            (0.2, 25, 1.9, 2.0, [918, 401, 259]),
            (0.5, 100, 1.9, 2.0, [1264, 1001, 334]),
        ] {
            let found = sizes(&continuous(parameters, (mean, sd), Some(r2)).1);
            assert_eq!(found[..3], expected, "{r2} {parameters}");
            assert_eq!(found[3], expected[0], "{r2} {parameters}");
        }
        let undeclared = continuous(25, (1.9, 0.6), None).1;
        assert_eq!(undeclared.iter().filter(|criterion| criterion.n.is_none()).count(), 3);
        assert!(continuous(25, (0.0, 0.6), Some(0.2)).1[3].n.is_none());
    }

    #[test]
    fn quantiles_of_student_are_those_of_scipy() {
        for (freedom, expected) in [(200.0, 1.971_896_223_633_908_8), (1000.0, 1.962_339_080_826_408_3)] {
            assert!((student(freedom) - expected).abs() < 1e-8, "{}", student(freedom));
        }
    }
}
