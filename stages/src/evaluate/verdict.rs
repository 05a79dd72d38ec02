//! The verdict: is the model worth more than doing the same for everyone, and than the simplest models?

use crate::common::interval::Estimate;

use super::document::{Baselines, Difference, Verdict};
use super::numbers::{NumberBaselines, NumberVerdict};

/// The candidate that the last baseline is a plain form of.
const LOGISTIC: &str = "logistic";
/// The same where the outcome is a number.
const RIDGE: &str = "ridge";

/// The text where nothing is pronounced.
fn no_verdict(reason: &str) -> String {
    format!("No verdict: {reason}.")
}

/// Judges the differences between `model`, the kept candidate, and the baselines; `withheld` says why not to.
pub fn judge(baselines: &Baselines, with_cost: bool, model: &str, withheld: Option<String>) -> Verdict {
    let criterion = if with_cost { "expected cost" } else { "net benefit" };
    if let Some(reason) = withheld {
        return Verdict {
            criterion: criterion.replace(' ', "_"),
            beats_flag_all: None,
            beats_flag_none: None,
            beats_prevalence: None,
            beats_logistic: None,
            text: no_verdict(&reason),
            reason: Some(reason),
        };
    }
    let decision = |difference: &Difference| {
        if with_cost { better(&difference.expected_cost, true) } else { better(&difference.net_benefit, false) }
    };
    let all = decision(&baselines.flag_all.difference);
    let none = decision(&baselines.flag_none.difference);
    let prevalence = better(&baselines.prevalence.difference.brier, true);
    let logistic = better(&baselines.logistic.difference.brier, true);
    // A logistic regression is not the rival of itself: that comparison is told apart.
    let (plain, own) = if model == LOGISTIC { (None, own_kind(logistic)) } else { (Some(logistic), None) };
    let mut clauses = vec![
        ("flagging everyone", criterion, all),
        ("flagging no one", criterion, none),
        ("the training prevalence", "Brier score", prevalence),
    ];
    clauses.extend(plain.map(|finding| ("a plain logistic regression", "Brier score", finding)));
    Verdict {
        criterion: criterion.replace(' ', "_"),
        beats_flag_all: all.beats(),
        beats_flag_none: none.beats(),
        beats_prevalence: prevalence.beats(),
        beats_logistic: logistic.beats(),
        text: [Some(text(&clauses)), own.map(str::to_owned)].into_iter().flatten().collect::<Vec<_>>().join(" "),
        reason: None,
    }
}

/// Judges a model of a continuous outcome by RMSE; `withheld` says why not to.
pub fn judge_numbers(baselines: &NumberBaselines, model: &str, withheld: Option<String>) -> NumberVerdict {
    if let Some(reason) = withheld {
        return NumberVerdict {
            criterion: "rmse".to_owned(),
            beats_mean: None,
            beats_ridge: None,
            text: no_verdict(&reason),
            reason: Some(reason),
        };
    }
    let mean = better(&baselines.mean.difference.rmse, true);
    let ridge = better(&baselines.ridge.difference.rmse, true);
    let mut clauses = vec![("the mean of the training rows", "RMSE", mean)];
    if model != RIDGE {
        clauses.push(("a plain ridge regression", "RMSE", ridge));
    }
    let useless = (mean == Finding::NotBetter).then(|| "No better than the mean.".to_owned());
    let own = (model == RIDGE).then(|| "It is itself a ridge regression.".to_owned());
    NumberVerdict {
        criterion: "rmse".to_owned(),
        beats_mean: mean.beats(),
        beats_ridge: ridge.beats(),
        text: [useless, Some(text(&clauses)), own].into_iter().flatten().collect::<Vec<_>>().join(" "),
        reason: None,
    }
}

/// How a difference reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    Better,
    BetterWithinNoise,
    NotBetter,
    Undefined,
}

impl Finding {
    fn beats(self) -> Option<bool> {
        match self {
            Self::Better | Self::BetterWithinNoise => Some(true),
            Self::NotBetter => Some(false),
            Self::Undefined => None,
        }
    }
}

fn better(difference: &Estimate, lower_is_better: bool) -> Finding {
    let sign = if lower_is_better { -1.0 } else { 1.0 };
    let nearest = if lower_is_better { difference.high } else { difference.low };
    match difference.value {
        None => Finding::Undefined,
        Some(value) if sign * value <= 0.0 => Finding::NotBetter,
        Some(_) if nearest.is_some_and(|end| sign * end > 0.0) => Finding::Better,
        Some(_) => Finding::BetterWithinNoise,
    }
}

/// How a logistic regression compares with the plain, uncalibrated one.
fn own_kind(finding: Finding) -> Option<&'static str> {
    match finding {
        Finding::Better | Finding::BetterWithinNoise => {
            Some("It is itself a logistic regression, with a better Brier score than the plain, uncalibrated one.")
        }
        Finding::NotBetter => {
            Some("It is itself a logistic regression; the plain, uncalibrated one has a Brier score at least as good.")
        }
        Finding::Undefined => None,
    }
}

fn text(clauses: &[(&str, &str, Finding)]) -> String {
    let named = |wanted: Finding| -> Vec<String> {
        clauses
            .iter()
            .filter(|(_, _, finding)| *finding == wanted)
            .map(|(rival, criterion, _)| format!("{rival} ({criterion})"))
            .collect()
    };
    let sentences = [
        ("The model does not beat ", Finding::NotBetter, "."),
        ("It beats ", Finding::Better, "."),
        ("It is ahead of ", Finding::BetterWithinNoise, ", but the interval of the difference includes 0."),
        ("It cannot be compared with ", Finding::Undefined, "."),
    ];
    let said: Vec<String> = sentences
        .into_iter()
        .filter_map(|(opening, finding, end)| {
            let rivals = named(finding);
            (!rivals.is_empty()).then(|| format!("{opening}{}{end}", rivals.join(", ")))
        })
        .collect();
    let text = said.join(" ");
    // Whatever comes first is about the model.
    text.strip_prefix("It ").map_or_else(|| text.clone(), |rest| format!("The model {rest}"))
}

#[cfg(test)]
mod tests {
    use super::super::document::Baseline;
    use super::*;

    fn difference(value: f64, low: f64, high: f64) -> Estimate {
        Estimate::new(value, (low, high), "patient-bootstrap")
    }

    #[test]
    fn a_difference_speaks_for_the_model_in_its_own_direction() {
        assert_eq!(better(&difference(-1.0, -2.0, -0.5), true), Finding::Better);
        assert_eq!(better(&difference(-1.0, -2.0, 0.5), true), Finding::BetterWithinNoise);
        assert_eq!(better(&difference(0.0, 0.0, 0.0), true), Finding::NotBetter);
        assert_eq!(better(&difference(1.0, 0.5, 2.0), false), Finding::Better);
        assert_eq!(better(&difference(-0.1, -0.5, 2.0), false), Finding::NotBetter);
        assert_eq!(better(&Estimate::undefined("x"), false), Finding::Undefined);
    }

    #[test]
    fn a_logistic_regression_is_not_its_own_rival() {
        let value = |value| difference(value, value, value);
        let differences = |brier| Difference {
            auroc: value(0.1),
            brier: value(brier),
            net_benefit: value(1.0),
            expected_cost: value(-1.0),
        };
        let baseline = |brier| Baseline {
            n: 9,
            events: 3,
            auroc: None,
            calibration_slope: None,
            brier: None,
            net_benefit: None,
            expected_cost: None,
            difference: differences(brier),
            reason: None,
        };
        let baselines = Baselines {
            flag_all: baseline(-0.1),
            flag_none: baseline(-0.1),
            prevalence: baseline(-0.1),
            logistic: baseline(0.01),
        };
        let own = judge(&baselines, true, "logistic", None);
        assert_eq!(own.beats_logistic, Some(false));
        assert!(!own.text.contains("does not beat"), "{}", own.text);
        assert!(own.text.contains("is itself a logistic regression; the plain"), "{}", own.text);
        let other = judge(&baselines, true, "gbdt", None).text;
        assert!(other.starts_with("The model does not beat a plain logistic regression (Brier score)."), "{other}");
        let none = judge(&baselines, true, "gbdt", Some("fewer than 20 patients".to_owned()));
        assert_eq!((none.beats_flag_none, none.text.as_str()), (None, "No verdict: fewer than 20 patients."));
    }

    #[test]
    fn the_text_leads_with_what_is_not_beaten() {
        let clauses = [
            ("flagging everyone", "expected cost", Finding::NotBetter),
            ("flagging no one", "expected cost", Finding::Better),
        ];
        assert_eq!(
            text(&clauses),
            "The model does not beat flagging everyone (expected cost). It beats flagging no one (expected cost)."
        );
        assert_eq!(text(&clauses[1..]), "The model beats flagging no one (expected cost).");
    }
}
