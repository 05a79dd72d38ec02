//! The built-in stages as the loader sees them.

use clinpipe_stages::{ParamError, ParamSet, Role, Stage};
use serde_json::{Map, Value};

use crate::config::{BuiltinCatalog, BuiltinRole, BuiltinSpec};

/// The name of the service, which `repro` never starts.
pub const SERVICE: &str = "serve";

/// The stages of the stages crate, and the service.
#[derive(Debug, Clone, Copy)]
pub struct Catalog {
    /// Checks the parameters of the service, whose types the `serve` room owns.
    pub check_service: fn(&ParamSet) -> Result<(), ParamError>,
}

impl BuiltinCatalog for Catalog {
    fn names(&self) -> Vec<String> {
        let stages = clinpipe_stages::stages().iter().map(|stage| stage.name());
        stages.chain([SERVICE]).map(str::to_owned).collect()
    }

    fn spec(&self, uses: &str) -> Option<BuiltinSpec> {
        if uses == SERVICE {
            return Some(service_spec());
        }
        clinpipe_stages::find(uses).map(stage_spec)
    }

    fn check_params(&self, uses: &str, params: &Map<String, Value>) -> Result<(), (String, String)> {
        let params = ParamSet::new(params.clone());
        let result = match clinpipe_stages::find(uses) {
            Some(stage) => stage.check(&params),
            None => (self.check_service)(&params),
        };
        result.map_err(|error| (error.path, error.message))
    }
}

fn stage_spec(stage: &dyn Stage) -> BuiltinSpec {
    BuiltinSpec {
        version: stage.version(),
        inputs: roles(stage.inputs()),
        outputs: roles(stage.outputs()),
        params: roles(stage.params()),
        service: false,
    }
}

fn service_spec() -> BuiltinSpec {
    BuiltinSpec {
        version: 1,
        inputs: roles(&[Role::required("bundle", "the model bundle to serve")]),
        outputs: Vec::new(),
        params: roles(&[Role::optional("serve", "host, port and limits of the service")]),
        service: true,
    }
}

fn roles(roles: &[Role]) -> Vec<BuiltinRole> {
    roles
        .iter()
        .map(|role| BuiltinRole { name: role.name.to_owned(), required: role.required, about: role.about.to_owned() })
        .collect()
}
