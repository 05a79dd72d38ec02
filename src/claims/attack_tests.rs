//! Tables that were made up to pass, and what is said of checks that could not be made.

use super::tests::{impossible, one_point, report};
use super::{Level, Report};

#[test]
fn numbers_out_of_their_range_are_impossible_and_no_mistake_of_the_file() {
    let model =
        |text: &str| format!("samples: {{s: {{n: 24, events: 9}}}}\nmodels: [{{name: m, sample: s, {text}}}]\n");
    for text in [
        "auroc: 1.5",
        "auroc: 61.8",
        "auroc: -0.2",
        "points: [{recall: 120%}]",
        "points: [{precision: 1.02}]",
        "points: [{youden: -1.3}]",
        "points: [{net_benefit: 1.2}]",
    ] {
        assert_eq!(impossible(&model(text)), ["range"], "{text}");
    }
    let hint = report(&model("auroc: 61.8")).text();
    assert!(hint.contains("\"61.8 %\", if it is a percentage"), "{hint}");
    assert_eq!(impossible("samples: {s: {prevalence: 130%}}"), ["range"]);
    // What rounds to the end of the range does not leave it.
    for text in ["auroc: {value: 1.02, within: 0.05}", "auroc: 1.0", "points: [{recall: 100%, youden: -0.9}]"] {
        assert!(!impossible(&model(text)).contains(&"range"), "{text}");
    }
}

#[test]
fn net_benefit_is_at_most_the_prevalence() {
    let point = |sample: &str, point: &str| impossible(&one_point(sample, point));
    assert_eq!(point("{prevalence: 10%}", "{threshold: 0.2, net_benefit: 0.2}"), ["rates"]);
    assert_eq!(point("{prevalence: 10%}", "{net_benefit: 0.20}"), ["rates"]);
    assert_eq!(point("{prevalence: 10.0%}", "{recall: 0.50, net_benefit: 0.06}"), ["rates"]);
    assert!(point("{prevalence: 10.0%}", "{recall: 0.50, net_benefit: 0.05}").is_empty());
    assert!(point("{prevalence: 10%}", "{net_benefit: 0.10}").is_empty());
    // Without a threshold, 7 of 24 are .2917 at most.
    assert_eq!(point("{n: 24, events: 9}", "{tp: 7, net_benefit: 0.295}"), ["whole patients"]);
    assert!(point("{n: 24, events: 9}", "{tp: 7, net_benefit: 0.292}").is_empty());
}

#[test]
fn an_area_needs_pairs_and_counts_them_in_halves() {
    let model = |sample: &str, auroc: &str| {
        impossible(&format!("samples: {{s: {sample}}}\nmodels: [{{name: m, sample: s, auroc: {auroc}}}]\n"))
    };
    let steps = ["steps of AUROC"];
    assert_eq!(model("{n: 100, events: 0}", "0.8"), steps);
    assert_eq!(model("{n: 100, events: 100}", "0.8"), steps);
    assert_eq!(model("{events: 0, n: 0}", "0.8"), steps);
    // 2 · 2 · 3 = 12 halves: .8333 and .9167, and .875 between them.
    assert_eq!(model("{n: 5, events: 2}", "0.875"), steps);
    assert!(model("{n: 5, events: 2}", "0.833").is_empty());
    assert!(model("{n: 5}", "0.875").is_empty(), "4 events and 1 other have 8 halves");
    assert_eq!(model("{n: 5}", "0.8901"), steps);
    let text = report("samples: {s: {n: 5, events: 2}}\nmodels: [{name: m, sample: s, auroc: 0.875}]\n").text();
    assert!(text.contains("a multiple of 1/12") && text.contains("0.83333 or 0.91667"), "{text}");
}

#[test]
fn nothing_of_what_is_flagged_rises_with_the_threshold() {
    let points = |a: &str, b: &str| {
        impossible(&one_point("{n: 1000}", &format!("{{threshold: 0.3, {a}}}, {{threshold: 0.4, {b}}}")))
    };
    for (low, high) in [
        ("recall: 0.70", "recall: 0.80"),
        ("flagged_share: 20%", "flagged_share: 30%"),
        ("flagged: 200", "flagged: 201"),
        ("tp: 70", "tp: 71"),
        ("fn: 30", "fn: 29"),
        ("tn: 500", "tn: 499"),
        ("specificity: 0.90", "specificity: 0.80"),
    ] {
        assert_eq!(points(low, high), ["order of thresholds"], "{low} {high}");
        assert!(points(high, low).is_empty(), "{high} {low}");
        assert!(points(low, low).is_empty(), "{low}");
    }
    // 0.3 and 0.32 may be one threshold.
    let text = "{threshold: 0.3, recall: 0.70}, {threshold: 0.32, recall: 0.80}";
    assert!(impossible(&one_point("{n: 1000}", text)).is_empty());
}

#[test]
fn a_change_from_nothing_has_no_percentage() {
    let change = |text: &str| report(&format!("changes: [{{what: x, {text}}}]\n"));
    let levels = |report: &Report| report.findings.iter().map(|finding| finding.level).collect::<Vec<_>>();
    assert_eq!(levels(&change("from: 0, to: 150, relative: 50%")), [Level::Impossible]);
    assert_eq!(levels(&change("from: {value: 0, within: 0}, to: 150, relative: 50%")), [Level::Impossible]);
    // 0.4 may have been rounded to 0.
    assert_eq!(levels(&change("from: 0, to: 150, relative: 37400%")), [Level::Questionable]);
    assert!(levels(&change("from: 0, to: 150, difference: 150")).is_empty());
}

#[test]
fn what_was_not_checked_is_listed_with_what_it_needs() {
    let gaps = |text: &str| -> Vec<(&'static str, String)> {
        report(text).unchecked.into_iter().map(|gap| (gap.check, gap.needed)).collect()
    };
    let point = |sample: &str, point: &str| gaps(&one_point(sample, point));
    let gap = |check: &'static str, needed: &str| (check, needed.to_owned());
    assert_eq!(point("{}", "{recall: 0.8}"), [gap("whole patients", "n and events of the sample")]);
    assert_eq!(point("{n: 1000000}", "{recall: 0.8}"), [gap("whole patients", "events of the sample")]);
    assert_eq!(point("{events: 30}", "{recall: 0.8, specificity: 0.9}"), [gap("whole patients", "n of the sample")]);
    assert!(point("{events: 30}", "{recall: 0.8}").is_empty());
    assert_eq!(point("{n: 24, events: 9}", "{net_benefit: 0.2}"), [gap("net benefit", "the threshold of the point")]);
    assert_eq!(point("{n: 24, events: 9}", "{cost: 5000}"), [gap("cost", "`costs`")]);
    assert_eq!(
        point("{n: 24, events: 9}", "{threshold: 0.2, tp: 7}, {tp: 5}"),
        [gap("order of thresholds", "the threshold of every point")]
    );
    let model = "models: [{name: m, auroc: 0.8, points: [{recall: 0.8}]}]\n";
    assert_eq!(gaps(model).iter().map(|gap| gap.0).collect::<Vec<_>>(), ["ROC point", "whole patients"]);
    assert_eq!(gaps("changes: [{what: x, from: 3, relative: 20%}]\n"), [gap("difference", "`to`")]);
    let refuted = "samples: {s: {n: 3, events: 5}}\nmodels: [{name: m, sample: s, points: [{recall: 0.8}]}]\n";
    assert_eq!(gaps(refuted), [gap("whole patients", "numbers of the sample that agree")]);
    let text = report(&one_point("{}", "{recall: 0.8}")).text();
    assert!(text.contains("not checked: sample s (whole patients)"), "{text}");
    assert!(text.ends_with("1 number: no contradiction found, 1 check not made\n"), "{text}");
}
