//! Looks for ways in which the outcome, or the test part, got into what the model learns from; fails the run if it finds
//! one that nobody answers for.
//!
//! No check reads the outcome of a test row. All tests of a study form one family: a finding needs both an effect beyond
//! its bound and a probability by chance that survives Holm's procedure at `leakage.level`. A waived finding stays in
//! the report, with who and why. Row ids are shown; values, patients and ids never are.

mod auroc;
mod chance;
mod compared;
mod data;
mod declared;
mod family;
mod floor;
mod order;
mod params;
mod ranks;
mod report;
#[cfg(test)]
mod tests;
mod twins;
mod waive;

pub use params::{LeakageParams, Waiver};
pub use report::{Check, CheckRecord, Finding, Measure, Report, Tested, Waived};

use self::data::Data;
use self::floor::Quick;
use self::params::parse;
use crate::common::canonical_json;
use crate::train::Fingerprint;
use crate::{ParamError, ParamSet, Role, Stage, StageContext, StageError};

/// The stage `leakage`.
pub struct Leakage;

impl Stage for Leakage {
    fn name(&self) -> &'static str {
        "leakage"
    }

    fn version(&self) -> u32 {
        2
    }

    fn about(&self) -> &'static str {
        "looks for leaks of the outcome or the test part; a finding fails the run unless somebody answers for it"
    }

    fn inputs(&self) -> &'static [Role] {
        const {
            &[
                Role::required("table", "the validated table"),
                Role::required("features", "the feature table"),
                Role::required("spec", "how the features are computed"),
                Role::required("split", "parts and folds"),
            ]
        }
    }

    fn outputs(&self) -> &'static [Role] {
        const { &[Role::required("report", "every test, every finding and who answers for it")] }
    }

    fn params(&self) -> &'static [Role] {
        const {
            &[
                Role::required("seed", "the study's seed"),
                Role::required("schema", "the columns of the raw table"),
                Role::optional("leakage", "levels, bounds and waivers"),
            ]
        }
    }

    fn check(&self, params: &ParamSet) -> Result<(), ParamError> {
        params.parse::<u64>("seed")?;
        parse(params).map(|_| ())
    }

    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        let (schema, params) = parse(context.params())?;
        let data = Data::load(context, schema)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads()).build();
        let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
        let mut report = pool.install(|| examine(context, &data, &params))?;
        let waived = report.waive(&params.waivers);
        // The report of a run that fails is not kept, so the log has all of it.
        report.lines().iter().for_each(|line| context.log(line));
        waived?;
        canonical_json::write(context.output("report")?, &report)?;
        report.verdict()
    }
}

/// Every check, in the order of the report.
fn examine(context: &StageContext, data: &Data, params: &LeakageParams) -> Result<Report, StageError> {
    let seed = context.seed()?;
    let quick = Quick::new(data, seed)?;
    let steps = Check::ALL.len() as u64;
    let tell = |done: u64, check: Check| context.progress(done, Some(steps), "checks", check.as_str());
    let mut examined = vec![
        declared::split_rows(data),
        declared::patient_overlap(data),
        declared::availability(data),
        declared::outcome_name(data),
    ];
    tell(4, Check::Duplicates);
    examined.extend(twins::twins(data, seed)?);
    tell(6, Check::FeatureAuroc);
    examined.push(ranks::features(data, params)?);
    examined.push(ranks::missingness(data, params)?);
    tell(8, Check::RowOrder);
    examined.extend(order::orders(data, params, seed, &quick)?);
    tell(10, Check::PermutedTarget);
    examined.push(floor::permuted_target(&quick, params, seed));
    tell(steps, Check::PermutedTarget);
    let (checks, findings, warnings) = family::judge(&examined, params.level);
    let fingerprint = |rows: &[usize]| Fingerprint::new(rows.iter().map(|&row| data.row_ids[row]));
    Ok(Report {
        schema_version: report::SCHEMA_VERSION,
        clean: findings.is_empty(),
        level: params.level,
        training_rows: fingerprint(&data.train),
        test_rows: fingerprint(&data.test),
        checks,
        findings,
        warnings,
    })
}
