//! `clinpipe schema`: JSON Schemas of the files that people write.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::output::Output;
use super::project::CATALOG;
use crate::config::json_schema;
use crate::stage::SERVICE;

/// `schema`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct SchemaArgs {
    /// Of which file.
    #[arg(value_enum, value_name = "FILE")]
    pub of: Described,
}

/// Files with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// pipeline.yaml and dvc.yaml.
    Pipeline,
    /// params.yaml of the built-in stages.
    Params,
    /// pccp.yaml, the predetermined change control plan.
    Pccp,
    /// promotion.yaml, what a candidate has to show.
    Promotion,
}

pub(super) fn run(args: &SchemaArgs, output: &Output) -> anyhow::Result<Exit> {
    output.json(&match args.of {
        Described::Pipeline => json_schema::pipeline(&CATALOG),
        Described::Params => {
            let mut types = clinpipe_stages::params_schema();
            types["properties"][SERVICE] = crate::serve::json_schema();
            json_schema::params(&CATALOG, &types)
        }
        Described::Pccp => crate::registry::plan_schema(),
        Described::Promotion => crate::registry::policy_schema(),
    })?;
    Ok(Exit::Done)
}
