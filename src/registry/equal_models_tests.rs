//! How often a rule promotes a model that is no better: pairs of models of equal worth, judged by the policies.
//!
//! A patient's risk is logistic in a score that no model knows; each model sees the score with noise of its own, so both
//! have the same AUROC in truth and differ on any sample. `CLINPIPE_EQUAL` asks for more pairs than the test needs;
//! docs/registry.md has the table of 4,000.

use std::collections::BTreeMap;

use clinpipe_stages::common::link::sigmoid;
use clinpipe_stages::common::rng::Stream;
use clinpipe_stages::train::Fingerprint;

use super::compare::{Comparison, TestRows};
use super::measures::{Answers, Sample};
use super::policy::{Policy, Rule};

/// Two models of equal worth on `n` patients, compared.
fn comparison(n: usize, pair: u64) -> Comparison {
    let mut stream = Stream::new(pair, &format!("equal/{n}"));
    let (mut y, mut one, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let score = 0.6 * stream.normal() - 0.25;
        y.push(f64::from(u8::from(stream.chance(sigmoid(score)))));
        // What is known of the score from a sight of it with noise of the same size is half of what is seen.
        for seen in [&mut one, &mut other] {
            seen.push(sigmoid(0.5 * (score + 0.25 + 0.6 * stream.normal()) - 0.25));
        }
    }
    let answers = |p: Vec<f64>| Answers::Events { flagged: p.iter().map(|p| *p >= 0.42).collect(), p };
    let (candidate, champion) = (answers(one), answers(other));
    let patients: Vec<String> = (0..n).map(|row| row.to_string()).collect();
    let sample =
        Sample { y: &y, patients: &patients, candidate: &candidate, champion: Some(&champion), threshold: Some(0.42) };
    let events = y.iter().filter(|y| **y > 0.5).count();
    Comparison {
        candidate: "one".to_owned(),
        champion: Some("other".to_owned()),
        rows: TestRows {
            test: n,
            seen_by_candidate: 0,
            seen_by_champion: 0,
            used: n,
            patients: n,
            with_event: Some(events),
            without_event: Some(n - events),
            rows: Fingerprint::new(0..n as i64),
        },
        threshold: Some(0.42),
        confidence: 0.95,
        resamples: 0,
        measures: sample.measures(0.95, 0),
    }
}

/// The share of pairs that each rule promotes, without the guards, which only refuse more.
fn promoted(n: usize, pairs: u64) -> BTreeMap<&'static str, f64> {
    let seed = Policy::named("seed").expect("a policy");
    let of = |primary: &str, rule: Rule| Policy {
        rule,
        primary: Some(primary.to_owned()),
        floors: Vec::new(),
        ..seed.clone()
    };
    let policies = [
        ("recall > 2 %", of("sensitivity", Rule::Seed)),
        ("recall >= champion", Policy { gain: 0.0, ..of("sensitivity", Rule::Seed) }),
        ("AUROC > 2 %", of("auroc", Rule::Seed)),
        ("superior", of("auroc", Rule::Superior)),
    ];
    let mut counts: BTreeMap<&'static str, u64> = policies.iter().map(|(name, _)| (*name, 0)).collect();
    for pair in 0..pairs {
        let comparison = comparison(n, pair);
        for (name, policy) in &policies {
            let passed = policy.judge(&comparison).iter().all(|ruling| ruling.passed);
            *counts.entry(name).or_default() += u64::from(passed);
        }
    }
    counts.into_iter().map(|(name, count)| (name, count as f64 / pairs as f64)).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "the table, shown with --nocapture")]
fn a_rule_without_a_test_promotes_equal_models_and_the_test_does_not() {
    let pairs = std::env::var("CLINPIPE_EQUAL").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    for n in [200, 1000, 5000] {
        let shares = promoted(n, pairs);
        eprintln!("{n} patients, {pairs} pairs: {shares:?}");
        // Of equal models a share of (1 - 0.95) / 2 passes a two-sided interval of 95 % on its good side.
        assert!(shares["superior"] < 0.06, "{shares:?}");
        assert!(shares["recall > 2 %"] > 4.0 * shares["superior"].max(0.02), "{shares:?}");
    }
}
