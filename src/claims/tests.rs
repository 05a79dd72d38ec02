//! The law (honest numbers are never impossible), the published examples, and a case for every check.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Level, Report, check};
use crate::config::Source;

pub(super) fn report(text: &str) -> Report {
    match check(&Source::new("claims.yaml", text)) {
        Ok(report) => report,
        Err(errors) => panic!("{errors}\n{text}"),
    }
}

/// The checks that call something impossible, each once.
pub(super) fn impossible(text: &str) -> Vec<&'static str> {
    let report = report(text);
    let mut checks: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Impossible)
        .map(|finding| finding.check)
        .collect();
    checks.dedup();
    checks
}

pub(super) fn one_point(sample: &str, point: &str) -> String {
    format!("samples: {{s: {sample}}}\nmodels: [{{name: m, sample: s, points: [{point}]}}]\n")
}

#[test]
fn the_published_table_is_refuted_in_at_least_four_places() {
    let report = report(include_str!("../../docs/claims/trial-dropout.yaml"));
    assert!(report.count(Level::Impossible) >= 4);
    insta::assert_snapshot!(report.text());
}

#[test]
fn the_consistent_example_is_consistent() {
    let report = report(include_str!("../../docs/claims/consistent.yaml"));
    assert_eq!(report.text(), "17 numbers: no contradiction found\n");
}

#[test]
fn every_check_finds_its_contradiction() {
    let cases = [
        ("{n: 100, events: 120}", "{}", "sample"),
        ("{n: 100, events: 12, prevalence: 0.13}", "{}", "sample"),
        ("{n: 10, prevalence: 0.333}", "{}", "sample"),
        ("{n: 100}", "{precision: 0.5472, recall: 0.8286, f1: 0.6615}", "rates"),
        ("{n: 100}", "{precision: 0.50, recall: 0.80, f2: 0.80}", "rates"),
        ("{n: 100}", "{specificity: 0.90, false_positive_rate: 0.20}", "rates"),
        ("{n: 100}", "{recall: 0.90, specificity: 0.80, youden: 0.60}", "rates"),
        ("{prevalence: 0.100}", "{recall: 0.800, specificity: 0.800, precision: 0.800}", "rates"),
        ("{prevalence: 0.100}", "{recall: 0.800, specificity: 0.800, npv: 0.800}", "rates"),
        ("{prevalence: 0.100}", "{recall: 0.800, specificity: 0.800, accuracy: 0.900}", "rates"),
        ("{prevalence: 0.300}", "{recall: 0.800, precision: 0.600, accuracy: 0.900}", "rates"),
        ("{prevalence: 0.300}", "{recall: 0.800, precision: 0.100}", "rates"),
        ("{n: 24, events: 9}", "{recall: 0.80}", "denominators"),
        ("{n: 24, events: 9}", "{recall: 0.78, precision: 0.73}", "whole patients"),
        ("{n: 24, events: 9}", "{tp: 7, fp: 5, npv: 0.90}", "whole patients"),
        ("{n: 24, events: 9}", "{tp: 7, fp: 5, threshold: 0.20, net_benefit: 0.25}", "whole patients"),
        ("{n: 24, events: 9}", "{recall: {value: 0.78, low: 0.80, high: 0.90}}", "interval"),
        (
            "{n: 24, events: 9}",
            "{threshold: 0.2, recall: 0.667}, {threshold: 0.5, recall: 0.778}",
            "order of thresholds",
        ),
    ];
    for (sample, point, check) in cases {
        let text = one_point(sample, point);
        assert_eq!(impossible(&text), [check], "{text}{}", report(&text).text());
    }
}

#[test]
fn shared_events_must_fit_all_rates() {
    // 7/9 and 3/8 need multiples of 9 and of 8.
    let text = one_point("{n: 60}", "{recall: 0.7778}, {recall: 0.3750}");
    assert_eq!(impossible(&text), ["denominators"]);
    assert!(report(&text).text().contains("72, 144, 216, 288 … events"), "{}", report(&text).text());
    assert!(impossible(&one_point("{n: 200}", "{recall: 0.7778}, {recall: 0.3750}")).is_empty());
}

#[test]
fn an_area_must_hold_its_points() {
    let model = |auroc: &str, points: &str| {
        format!(
            "samples: {{s: {{n: 200, events: 100}}}}\nmodels: [{{name: m, sample: s, auroc: {auroc}, points: [{points}]}}]\n"
        )
    };
    let high = "{recall: 0.90, specificity: 0.80}";
    assert_eq!(impossible(&model("0.70", high)), ["ROC point"]);
    assert!(impossible(&model("0.72", high)).is_empty());
    let low = "{recall: 0.20, specificity: 0.30}";
    assert_eq!(impossible(&model("0.50", low)), ["ROC point"]);
    assert!(impossible(&model("0.44", low)).is_empty());
    // Each point alone allows .60: .5 · .9 = .45 and .9 · .5 = .45; together .5 · .4 + .9 · .5 = .65.
    let two = "{threshold: 0.6, recall: 0.50, specificity: 0.90}, {threshold: 0.3, recall: 0.90, specificity: 0.50}";
    assert_eq!(impossible(&model("0.60", two)), ["ROC points"]);
    assert!(impossible(&model("0.66", two)).is_empty());
}

#[test]
fn money_and_changes_are_added_up() {
    let costs = "costs: {false_positive: 500, false_negative: 5000}\n";
    let counts = |cost: &str| {
        costs.to_owned() + &one_point("{n: 100, events: 20}", &format!("{{tp: 12, fp: 10, cost: {cost}}}"))
    };
    assert!(impossible(&counts("45000")).is_empty());
    assert_eq!(impossible(&counts("50000")), ["whole patients"]);
    let change = |rest: &str| impossible(&format!("changes: [{{what: x, {rest}}}]\n"));
    assert!(change("from: 200, to: 150, difference: [-50, 50], relative: [-25%, 25%]").is_empty());
    assert_eq!(change("from: 200, to: 150, difference: 40"), ["difference"]);
    assert_eq!(change("from: 150, to: 200, difference: -50"), ["difference"]);
    assert_eq!(change("from: 200, to: 150, relative: 33%"), ["percentage base"]);
    assert_eq!(change("difference: [60, 32]"), ["stated twice"]);
    assert!(change("difference: [60, 60.2]").is_empty());
}

#[test]
fn what_needs_explaining_is_questionable_and_no_more() {
    let costs = "costs: {false_positive: 500, false_negative: 5000, true_positive: 0}\n";
    for (point, check) in [
        ("{threshold: 0.20, policy: cost}", Some("threshold by cost")),
        ("{threshold: 0.09, policy: cost}", None),
        ("{threshold: 0.6904, policy: f2}", Some("threshold by F-beta")),
        ("{threshold: 0.15, policy: f2}", None),
        ("{threshold: 0.55, policy: f1}", Some("threshold by F-beta")),
    ] {
        let report = report(&(costs.to_owned() + &one_point("{n: 10}", point)));
        assert_eq!(report.count(Level::Impossible), 0);
        assert_eq!(report.findings.first().map(|finding| finding.check), check, "{point}");
    }
}

#[test]
fn mistakes_in_the_file_have_their_place() {
    let fault = |text: &str| check(&Source::new("c.yaml", text)).expect_err("must be refused").to_string();
    insta::assert_snapshot!(fault("models:\n- {name: m, sampel: s, auroc: 0.618}\n"), @r#"
    error: unknown key `sampel` in a model
     --> c.yaml:2:13
      |
    2 | - {name: m, sampel: s, auroc: 0.618}
      |             ^^^^^^
      |
    help: did you mean `sample`?
    "#);
    for (text, message) in [
        ("", "must be a mapping"),
        ("{}", "there is nothing to check"),
        ("samples: {a: {part_of: b}}", "there is no sample `b`"),
        ("samples: {a: {part_of: b}, b: {part_of: a}}", "is a part of itself"),
        ("models: [{points: [{recall: x}]}]", "`x` is not a number"),
        ("models: [{points: [{recall: 0.5, sensitivity: 0.5}]}]", "says again"),
        ("models: [{points: [{tp: 1.5}]}]", "whole number"),
        ("models: [{points: [{threshold: 20}]}]", "threshold must lie between 0 and 1"),
        ("samples: {a: {n: 2000000000}}", "n 2000000000 is more than the 1,000,000,000 rows that are checked here"),
        ("models: [{points: [{policy: best}]}]", "unknown policy"),
        ("costs: {false_positive: 1}", "costs have no `false_negative`"),
        ("models: 3", "must be a list"),
        ("changes: [{from: [1]}]", "must be a number"),
        ("schema_version: 2\nsamples: {a: {n: 1}}", "schema_version must be 1"),
    ] {
        assert!(fault(text).contains(message), "{text}: {}", fault(text));
    }
}

/// A confusion matrix with what an honest report could say of it.
#[derive(Debug, Clone)]
struct Honest {
    events: u64,
    others: u64,
    /// Operating points from the strictest threshold on: true and false positives.
    points: Vec<(u64, u64)>,
    /// Decimals.
    digits: usize,
    /// Which numbers are stated, by bit.
    stated: u64,
    /// Which facts of the sample are stated, by bit.
    known: u8,
    percent: bool,
    /// Whether counts are stated, and total costs.
    counts: bool,
}

fn honest() -> impl Strategy<Value = Honest> {
    let size = prop_oneof![0..30_u64, 0..400_u64, 0..3000_u64];
    (
        size.clone(),
        size,
        prop::collection::vec((0..=1000_u64, 0..=1000_u64), 1..4),
        0..5_usize,
        any::<u64>(),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(events, others, shares, digits, stated, known, percent)| {
            let mut points: Vec<(u64, u64)> =
                shares.iter().map(|(a, b)| (events * a / 1000, others * b / 1000)).collect();
            // A looser threshold flags more: of both kinds.
            let (mut tps, mut fps): (Vec<u64>, Vec<u64>) = points.iter().copied().unzip();
            tps.sort_unstable();
            fps.sort_unstable();
            points = tps.into_iter().zip(fps).collect();
            Honest { events, others, points, digits, stated, known, percent, counts: true }
        })
}

impl Honest {
    /// The same as a report tells it that gives neither sizes nor counts.
    fn rates_only(self) -> Self {
        Self { known: self.known & 0b1_0100, counts: false, ..self }
    }

    fn rate(&self, value: f64) -> String {
        if self.percent {
            format!("{:.*}%", self.digits, value * 100.0)
        } else {
            format!("{:.*}", self.digits + 1, value)
        }
    }

    fn measures(&self, tp: u64, fp: u64, at: usize) -> Vec<String> {
        let (tp, fp) = (tp as f64, fp as f64);
        let (p, m) = (self.events as f64, self.others as f64);
        let (missed, left, n) = (p - tp, m - fp, p + m);
        let fbeta = |beta: f64| {
            let below = (1.0 + beta * beta) * tp + beta * beta * missed + fp;
            if below > 0.0 { (1.0 + beta * beta) * tp / below } else { 0.0 }
        };
        let precision = if tp + fp > 0.0 { tp / (tp + fp) } else { 0.0 };
        let threshold = [0.5, 0.4, 0.3][at];
        let cost = 500.0 * fp + 5000.0 * missed + 100.0 * tp;
        let rates = [
            ("recall", tp / p),
            ("specificity", left / m),
            ("precision", precision),
            ("npv", left / (left + missed)),
            ("accuracy", (tp + left) / n),
            ("f1", fbeta(1.0)),
            ("f2", fbeta(2.0)),
            ("f0.5", fbeta(0.5)),
            ("balanced_accuracy", f64::midpoint(tp / p, left / m)),
            ("youden", tp / p + left / m - 1.0),
            ("false_positive_rate", fp / m),
            ("false_negative_rate", missed / p),
            ("flagged_share", (tp + fp) / n),
        ];
        let counts = [("tp", tp), ("fp", fp), ("tn", left), ("fn", missed), ("flagged", tp + fp), ("cost", cost)];
        let benefit = tp / n - fp / n * threshold / (1.0 - threshold);
        let rates = rates
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(key, value)| format!("{key}: {}", self.rate(*value)));
        let counts = counts.iter().filter(|_| self.counts).map(|(key, value)| format!("{key}: {value}"));
        let others = [
            format!("threshold: {threshold}"),
            format!("net_benefit: {benefit:.4}"),
            format!("cost_per_1000: {:.2}", cost * 1000.0 / n),
        ];
        let all: Vec<String> = rates.chain(counts).chain(others).collect();
        let bits = self.stated.rotate_left(at as u32 * 21);
        all.into_iter()
            .enumerate()
            .filter(|(bit, text)| bits >> bit & 1 == 1 && !(n == 0.0 && text.contains("NaN")))
            .map(|(_, text)| text)
            .collect()
    }

    /// The area below straight lines through the points, as if scores were tied between them.
    fn auroc(&self) -> f64 {
        let (p, m) = (self.events as f64, self.others as f64);
        let corners = std::iter::once((0, 0)).chain(self.points.iter().copied()).chain([(self.events, self.others)]);
        let places: Vec<(f64, f64)> = corners.map(|(tp, fp)| (fp as f64 / m, tp as f64 / p)).collect();
        places.windows(2).map(|pair| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1)).sum()
    }

    fn text(&self) -> String {
        let n = self.events + self.others;
        let says = |bit: u8| self.known >> bit & 1 == 1;
        let mut sample = Vec::new();
        if says(0) {
            sample.push(format!("n: {n}"));
        }
        if says(1) {
            sample.push(format!("events: {}", self.events));
        }
        if says(2) && n > 0 {
            sample.push(format!("prevalence: {}", self.rate(self.events as f64 / n as f64)));
        }
        if says(3) {
            sample.push("part_of: whole".to_owned());
        }
        let mut text = format!(
            "costs: {{false_positive: 500, false_negative: 5000, true_positive: 100}}\n\
             samples:\n  whole: {{n: {}, events: {}}}\n  s: {{{}}}\nmodels:\n- name: m\n  sample: s\n",
            2 * n,
            2 * self.events,
            sample.join(", ")
        );
        if says(4) && self.events > 0 && self.others > 0 {
            let _ = writeln!(text, "  auroc: {}", self.rate(self.auroc()));
        }
        let _ = writeln!(text, "  points:");
        for (at, (tp, fp)) in self.points.iter().enumerate() {
            let _ = writeln!(text, "  - {{{}}}", self.measures(*tp, *fp, at).join(", "));
        }
        text
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]
    /// Whatever an honest report rounds and leaves out, nothing in it is called impossible.
    #[test]
    fn honest_numbers_are_never_impossible(honest in honest()) {
        let text = honest.text();
        let report = report(&text);
        prop_assert_eq!(report.count(Level::Impossible), 0, "{}\n{}", text, report.text());
    }

    /// The same of tables without any size or count.
    #[test]
    fn honest_rates_alone_are_never_impossible(honest in honest()) {
        let text = honest.rates_only().text();
        let report = report(&text);
        prop_assert_eq!(report.count(Level::Impossible), 0, "{}\n{}", text, report.text());
    }

    /// No text is a panic.
    #[test]
    fn any_text_is_an_answer_or_a_fault(text in "\\PC{0,200}") {
        drop(check(&Source::new("x", &text)));
        drop(check(&Source::new("x", &format!("samples: {{s: {{n: {text}}}}}\nmodels: [{{points: [{{recall: {text}}}]}}]"))));
    }
}
