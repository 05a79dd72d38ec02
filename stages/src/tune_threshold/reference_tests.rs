//! The choice beside scikit-learn and scipy, and the values of the fixture G24 as literals.

use serde::Deserialize;

use super::choice::{Choice, alerts};
use super::params::{Policy, PolicyKind};
use super::rows::Rows;
use super::theory::theory;
use super::uncertainty::{Source, uncertainty};
use crate::common::decision::CostTable;

const G24_P: [f64; 24] = [
    0.02, 0.03, 0.05, 0.05, 0.08, 0.10, 0.12, 0.15, 0.15, 0.18, 0.20, 0.22, 0.25, 0.30, 0.30, 0.35, 0.40, 0.45, 0.50,
    0.55, 0.60, 0.70, 0.80, 0.90,
];
const G24_Y: [u8; 24] = [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1];
const COST: CostTable =
    CostTable { false_positive: 500.0, false_negative: 5000.0, true_positive: 0.0, true_negative: 0.0, effect: 1.0 };

fn rows(y: &[u8], p: &[f64]) -> Rows {
    let y: Vec<bool> = y.iter().map(|&y| y == 1).collect();
    Rows { patients: (0..y.len()).collect(), y, p: p.to_vec(), levels: Vec::new() }
}

/// Threshold and achieved number of a policy on G24.
fn g24(policy: &Policy) -> (f64, f64) {
    let rows = rows(&G24_Y, &G24_P);
    let choice = Choice::new(policy, &rows).expect("a threshold");
    let chosen = choice.chosen();
    (chosen.threshold, policy.achieved(&chosen.counts).expect("defined"))
}

fn near(found: f64, wanted: f64, tolerance: f64) {
    assert!((found - wanted).abs() <= tolerance, "{found} for {wanted}");
}

#[test]
fn g24_literals() {
    let (t, f2) = g24(&Policy { beta: Some(2.0), ..Policy::of(PolicyKind::Fbeta) });
    assert_eq!(t, 0.08);
    near(f2, 0.803_571_4, 1e-7);
    let by_cost = Policy { cost: Some(COST), ..Policy::of(PolicyKind::Cost) };
    let (t, cost) = g24(&by_cost);
    assert_eq!(t, 0.08);
    near(cost * 24.0 / 1000.0, 5500.0, 1e-9);
    let (t, found) = g24(&Policy { recall: Some(0.875), ..Policy::of(PolicyKind::RecallFloor) });
    assert_eq!(t, 0.18);
    near(found, 8.0 / 9.0, 1e-15);
    assert_eq!(g24(&Policy { cost: Some(COST), ..Policy::of(PolicyKind::NetBenefit) }).0, 0.08);
    assert_eq!(g24(&Policy::fixed(0.2)), (0.2, 1000.0 * 14.0 / 24.0));
    // Five of 24 rows are 208 of 1,000, six are 250.
    let capacity = Policy { max_flagged_per_1000: Some(249.0), ..Policy::of(PolicyKind::Capacity) };
    assert_eq!(g24(&capacity), (0.55, 1000.0 * 5.0 / 24.0));
    assert_eq!(g24(&Policy { max_flagged_per_1000: Some(250.0), ..capacity }).0, 0.5);
    // The capacity as a limit beside a cost: only the five highest may be flagged.
    assert_eq!(g24(&Policy { max_flagged_per_1000: Some(249.0), ..by_cost }).0, 0.55);
}

#[test]
fn g24_theory_stands_beside_what_was_found() {
    let rows = rows(&G24_Y, &G24_P);
    let source = Source { seed: Some(42), label: "overall", resamples: 200, confidence: 0.95 };
    let of = |policy: &Policy| {
        let choice = Choice::new(policy, &rows).expect("a threshold");
        let certain = uncertainty(&choice, source);
        (theory(&choice, &certain), certain)
    };
    let (by_cost, certain) = of(&Policy { cost: Some(COST), ..Policy::of(PolicyKind::Cost) });
    near(by_cost.value.expect("a law"), 0.090_909_1, 1e-7);
    // At that threshold the event at .08 is missed: 5000 more, and two false alarms fewer.
    assert!(!by_cost.far, "{by_cost:?}");
    let flat = certain.flat.expect("an optimum");
    assert!(flat.within_1_percent[0] <= 0.08 && flat.within_1_percent[1] >= 0.08);
    let (by_f2, _) = of(&Policy { beta: Some(2.0), ..Policy::of(PolicyKind::Fbeta) });
    near(by_f2.value.expect("a law"), 0.803_571_4 / 5.0, 1e-7);
    let (by_youden, _) = of(&Policy::of(PolicyKind::Youden));
    assert_eq!(by_youden.value, Some(0.375));
    let (fixed, certain) = of(&Policy::fixed(0.3));
    assert!(fixed.value.is_none() && certain.flat.is_none());
}

#[test]
fn g24_alerts_follow_bayes() {
    let rows = rows(&G24_Y, &G24_P);
    let policy = Policy::fixed(0.2);
    let counts = Choice::new(&policy, &rows).expect("a threshold").chosen().counts;
    // 7 of 9 events and 7 of 15 others reach .2.
    let (found, alarms) = (7.0 / 9.0, 7.0 / 15.0);
    let at = alerts(0.05, &counts);
    near(at.flagged_per_1000.expect("defined"), 1000.0 * (0.05 * found + 0.95 * alarms), 1e-9);
    near(at.ppv.expect("defined"), 0.05 * found / (0.05 * found + 0.95 * alarms), 1e-12);
    near(at.missed_per_1000.expect("defined"), 50.0 * 2.0 / 9.0, 1e-9);
    // At the rows' own event rate it is what the rows show.
    let own = alerts(9.0 / 24.0, &counts);
    near(own.flagged_per_1000.expect("defined"), 1000.0 * counts.flagged() as f64 / 24.0, 1e-9);
    let none = alerts(0.05, &crate::common::decision::Counts::default());
    assert!(none.ppv.is_none() && none.reason.is_some());
}

#[derive(Deserialize)]
struct Fixture {
    cost: CostTable,
    range: [f64; 2],
    recall: f64,
    max_flagged_per_1000: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    p: Vec<f64>,
    y: Vec<u8>,
    best: std::collections::BTreeMap<String, Best>,
}

#[derive(Deserialize)]
struct Best {
    score: f64,
    threshold: f64,
}

#[test]
fn every_policy_finds_what_scikit_learn_calls_best() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../fixtures/threshold.json")).expect("the reference is JSON");
    let policies = [
        ("f1", Policy::of(PolicyKind::F1)),
        ("f2", Policy { beta: Some(2.0), ..Policy::of(PolicyKind::Fbeta) }),
        ("youden", Policy::of(PolicyKind::Youden)),
        ("cost", Policy { cost: Some(fixture.cost), ..Policy::of(PolicyKind::Cost) }),
        ("net_benefit", Policy { range: Some(fixture.range), ..Policy::of(PolicyKind::NetBenefit) }),
        ("recall_floor", Policy { recall: Some(fixture.recall), ..Policy::of(PolicyKind::RecallFloor) }),
        (
            "capacity",
            Policy { max_flagged_per_1000: Some(fixture.max_flagged_per_1000), ..Policy::of(PolicyKind::Capacity) },
        ),
    ];
    assert_eq!(fixture.cases.len(), 61);
    for (at, case) in fixture.cases.iter().enumerate() {
        let rows = rows(&case.y, &case.p);
        for (name, policy) in &policies {
            let choice = Choice::new(policy, &rows).expect("a threshold");
            let (chosen, best) = (choice.chosen(), &case.best[*name]);
            let score = policy.achieved(&chosen.counts).expect("both outcomes");
            assert!((score - best.score).abs() <= 1e-9 * best.score.abs().max(1.0), "{at} {name}: {score}");
            // Equal scores may be told apart by the last bit, and one that flags all is put at 0.
            let same = chosen.threshold == best.threshold || chosen.counts.flagged() == chosen.counts.rows();
            let tied = choice.candidates.iter().any(|other| {
                other.threshold == best.threshold
                    && (policy.achieved(&other.counts).expect("both outcomes") - score).abs() < 1e-9
            });
            assert!(same || tied, "{at} {name}: {} for {}", chosen.threshold, best.threshold);
        }
    }
}
