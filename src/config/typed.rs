//! A file that one type describes in full: read with the place of every fault.

use serde::de::DeserializeOwned;

use super::diagnostic::{ConfigErrors, Source};
use super::yaml;

/// Reads a file of that type; an unknown key, a wrong type and a missing key are named with line and column.
///
/// # Errors
/// When it is no YAML or not of that type.
pub fn read_typed<T: DeserializeOwned>(source: &Source) -> Result<T, ConfigErrors> {
    let node = yaml::parse(source)?;
    serde_path_to_error::deserialize(node.to_json()).map_err(|error| {
        // Steps into lists are written `[0]`, places are looked up by `.0`.
        let path = error.path().to_string().replace('[', ".").replace(']', "");
        ConfigErrors(vec![source.error(node.place(&path), format!("{path}: {}", error.inner()))])
    })
}

/// A fault at a dotted path of a file that could be read.
pub fn fault_at(source: &Source, path: &str, message: &str) -> ConfigErrors {
    let place = yaml::parse(source).map(|node| node.place(path));
    match place {
        Ok(place) => ConfigErrors(vec![source.error(place, format!("{path}: {message}"))]),
        Err(errors) => errors,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        limits: Vec<BTreeMap<String, f64>>,
        name: String,
    }

    fn place(text: &str) -> (usize, usize, String) {
        let errors = read_typed::<File>(&Source::new("t.yaml", text)).expect_err("a fault");
        let span = errors.0[0].span.expect("a place");
        (span.line, span.column, errors.0[0].message.clone())
    }

    #[test]
    fn every_fault_has_its_place() {
        let read: File = read_typed(&Source::new("t.yaml", "name: x\nlimits: [{a: 1}]")).expect("sound");
        assert_eq!((read.name.as_str(), read.limits.len()), ("x", 1));
        let (line, column, message) = place("name: x\nlimits:\n  - {a: 1}\n  - {a: high}\n");
        assert_eq!((line, column), (4, 9), "{message}");
        assert_eq!(place("limits: []\nnmae: x\n").0, 2);
        assert!(place("limits: []\n").2.contains("missing field `name`"));
        let errors = fault_at(&Source::new("t.yaml", "name: x\nlimits:\n  - {a: 1}\n"), "limits.0.a", "is low");
        assert_eq!(errors.0[0].span.map(|span| span.line), Some(3));
    }
}
