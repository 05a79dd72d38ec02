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
fn a_part_has_no_more_of_either_sort_of_rows_than_the_whole() {
    let part = |whole: &str, part: &str| impossible(&format!("samples: {{c: {whole}, t: {{part_of: c, {part}}}}}\n"));
    let whole = "{n: 100, events: 30}";
    assert_eq!(part(whole, "n: 90, events: 5"), ["sample"], "85 of 70 rows without the event");
    assert_eq!(part(whole, "n: 90, events: 19"), ["sample"]);
    assert!(part(whole, "n: 90, events: 20").is_empty());
    assert_eq!(part(whole, "n: 90, prevalence: 5%"), ["sample"]);
    assert!(part("{n: 100, prevalence: 30%}", "n: 90, events: 20").is_empty());
    assert_eq!(part("{n: 100, prevalence: 30%}", "n: 90, events: 18"), ["sample"]);
    // What the whole leaves is known to the search for whole patients: 20 to 30 events, and no 15.
    let model = "models: [{name: m, sample: t, points: [{tp: 1, recall: 0.067}]}]\n";
    assert_eq!(impossible(&format!("samples: {{c: {whole}, t: {{part_of: c, n: 90}}}}\n{model}")), ["whole patients"]);
}

#[test]
fn rates_alone_are_held_against_each_other() {
    let refuted = |sample: &str, point: &str| impossible(&one_point(sample, point)) == ["rates"];
    for (point, honest) in [
        // True positives alone are 10 % of all rows.
        ("recall: 0.50, flagged_share: 5.0%", "recall: 0.50, flagged_share: 10.0%"),
        // 2 of 100 rows are missed events, 48 are rightly left alone.
        ("recall: 0.90, flagged_share: 50.0%, npv: 0.70", "recall: 0.90, flagged_share: 50.0%, npv: 0.96"),
        ("recall: 0.90, flagged_share: 50.0%, precision: 0.60", "recall: 0.90, flagged_share: 50.0%, precision: 0.36"),
        ("specificity: 0.90, precision: 0.50, accuracy: 0.60", "specificity: 0.90, precision: 0.50, accuracy: 0.80"),
        ("npv: 0.90, precision: 0.50, recall: 0.90", "npv: 0.90, precision: 0.50, recall: 0.62"),
        ("accuracy: 0.80, recall: 0.50, f1: 0.30", "accuracy: 0.80, recall: 0.50, f1: 0.50"),
        ("youden: 0.50, recall: 0.60, npv: 0.80", "youden: 0.50, recall: 0.60, npv: 0.90"),
        ("balanced_accuracy: 0.90, accuracy: 0.50", "balanced_accuracy: 0.60, accuracy: 0.50"),
        // .5 · .2 − .5 · .8 · 1 = −.3
        (
            "threshold: 0.5, recall: 0.50, specificity: 0.50, net_benefit: 0.05",
            "threshold: {value: 0.5, within: 0}, recall: 0.50, specificity: 0.50, net_benefit: -0.30",
        ),
        // 1 · 400 + 10 · 100
        ("recall: 0.50, specificity: 0.50, cost_per_1000: 100", "recall: 0.50, specificity: 0.50, cost_per_1000: 1400"),
        ("tp: 201, fp: 166, precision: 0.80", "tp: 201, fp: 166, precision: 0.55"),
        ("tp: 201, fn: 42, flagged_share: 10%", "tp: 201, fn: 42, flagged_share: 40%"),
    ] {
        let costs = "costs: {false_positive: 1, false_negative: 10, true_positive: 0}\n";
        let table = |point: &str| costs.to_owned() + &one_point("{prevalence: 20.0%}", &format!("{{{point}}}"));
        assert_eq!(impossible(&table(point)), ["rates"], "{point}\n{}", report(&table(point)).text());
        assert!(impossible(&table(honest)).is_empty(), "{honest}\n{}", report(&table(honest)).text());
    }
    // Nothing need be known of the sample: 33 % flagged at precision .9 are 30 % right already.
    assert!(refuted("{}", "{precision: 0.90, recall: 0.90, accuracy: 0.10, flagged_share: 33%}"));
    assert_eq!(impossible("models: [{name: m, points: [{precision: 0.5, npv: 0.5, accuracy: 0.9}]}]\n"), ["rates"]);
    let text = report(&one_point("{prevalence: 20.0%}", "{recall: 0.90, flagged_share: 50.0%, npv: 0.70}")).text();
    assert!(text.contains("with the others npv is at least 0.957"), "{text}");
    assert!(text.contains("possible: npv 0.96 with these"), "{text}");
    assert!(text.contains("stated: prevalence 20.0%, recall 0.90, flagged_share 50.0%, npv 0.70"), "{text}");
}

#[test]
fn points_of_one_sample_share_its_events() {
    // The first needs at least 40 % events, the second at most 20 %.
    let points = "{recall: 0.50, flagged_share: 20.0%, precision: 1.00}, {recall: 1.00, flagged_share: 20.0%}";
    let text = one_point("{}", points);
    assert_eq!(impossible(&text), ["rates"], "{}", report(&text).text());
    // At a lower threshold all true positives of the higher one are flagged.
    let points = |tp: u32| format!("{{threshold: 0.4, recall: 0.50}}, {{threshold: 0.6, tp: {tp}}}");
    assert_eq!(impossible(&one_point("{n: 1000, events: 100}", &points(60))), ["rates"]);
    assert!(impossible(&one_point("{n: 1000, events: 100}", &points(50))).is_empty());
}

#[test]
fn one_exact_threshold_has_one_confusion_matrix() {
    let exact = "threshold: {value: 0.5, within: 0}";
    let points =
        |sample: &str, a: &str, b: &str| impossible(&one_point(sample, &format!("{{{exact}, {a}}}, {{{exact}, {b}}}")));
    let sample = "{n: 1000, events: 500}";
    assert_eq!(points(sample, "tp: 100, fp: 20", "tp: 200, fp: 50"), ["order of thresholds"]);
    assert!(points(sample, "tp: 100, fp: 20", "tp: 100, recall: 0.2").is_empty());
    assert_eq!(points(sample, "tp: 100, fp: 20", "recall: 0.30"), ["rates"]);
    assert_eq!(points("{prevalence: 20%}", "precision: 0.70", "precision: 0.80, recall: 0.10"), ["rates"]);
    // Rounded thresholds that look alike may differ.
    let rounded = "{threshold: 0.5, tp: 100}, {threshold: 0.5, tp: 200}";
    assert!(impossible(&one_point(sample, rounded)).is_empty());
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
