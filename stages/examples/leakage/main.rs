//! How often the stage `leakage` is wrong, for `benches/leakage/run`: `leakage clean COHORTS` tells how many cohorts
//! without a leak are found to have one, by shape; `leakage planted REPEATS` how often a planted leak is found, by kind
//! and strength. Both run the real stages split, featurize and leakage on fresh cohorts and print Markdown.

mod cohorts;
mod plants;

use cohorts::{Fault, PERMUTATIONS, SHAPES, findings};
use plants::{PLANTS, Plant};

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().collect();
    let usage = "usage: leakage clean COHORTS | leakage planted REPEATS";
    let [_, what, count] = &arguments[..] else { return Err(usage.into()) };
    let count: u64 = count.parse()?;
    match what.as_str() {
        "clean" => clean(count),
        "planted" => PLANTS.iter().try_for_each(|plant| planted(plant, count)),
        _ => Err(usage.into()),
    }
}

#[expect(clippy::print_stdout, reason = "the result")]
fn clean(cohorts: u64) -> Result<(), Fault> {
    let each = cohorts.div_ceil(SHAPES.len() as u64);
    println!("| cohort | cohorts | with a finding | findings |\n| --- | --- | --- | --- |");
    let mut wrong = 0;
    for (name, shape) in SHAPES {
        let (mut own, mut what) = (0, Vec::new());
        for seed in 0..each {
            let found = findings(&shape(seed)?, seed, PERMUTATIONS, |_, _| {})?;
            own += u64::from(!found.is_empty());
            what.extend(
                found
                    .iter()
                    .map(|one| format!("seed {seed}: {} of {} ({:.3})", one.check.as_str(), one.subject, one.effect)),
            );
        }
        wrong += own;
        println!("| {name} | {each} | {own} | {} |", what.join("; "));
    }
    println!("| all | {} | {wrong} | |", each * SHAPES.len() as u64);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result")]
fn planted(plant: &Plant, repeats: u64) -> Result<(), Fault> {
    let mut rates = Vec::new();
    for &strength in plant.strengths {
        let mut found = 0;
        for seed in 0..repeats {
            found += u64::from((plant.run)(1000 + seed, strength, plant.checks)?);
        }
        rates.push(format!("{strength}: {:.0} %", 100.0 * found as f64 / repeats as f64));
    }
    println!("| {} | {} | {} |", plant.name, plant.unit, rates.join(", "));
    Ok(())
}
