//! The types of the parameters as JSON Schema (draft 2020-12), derived from the types that parse them.
//!
//! What a type cannot say (a share between 0 and 1, a column that must exist) only `Stage::check` knows.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// `{"properties": {TOP-LEVEL KEY: SCHEMA}, "$defs": {NAME: SCHEMA}}` of every key that a stage of this crate reads,
/// but for `profile`, which is free.
pub fn params_schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Map::new();
    add::<u64>("seed", &mut properties, &mut generator);
    add::<crate::common::schema::Schema>("schema", &mut properties, &mut generator);
    add::<crate::common::privacy::Privacy>(crate::common::privacy::KEY, &mut properties, &mut generator);
    add::<crate::generate::GenerateParams>("generate", &mut properties, &mut generator);
    add::<crate::landmark::LandmarkParams>("landmark", &mut properties, &mut generator);
    add::<crate::ingest::IngestParams>("ingest", &mut properties, &mut generator);
    add::<crate::validate::ValidateParams>("validate", &mut properties, &mut generator);
    add::<crate::split::SplitParams>("split", &mut properties, &mut generator);
    add::<crate::featurize::FeaturizeParams>("featurize", &mut properties, &mut generator);
    add::<crate::cohort::StudyParams>("study", &mut properties, &mut generator);
    add::<crate::leakage::LeakageParams>("leakage", &mut properties, &mut generator);
    add::<crate::train::TrainParams>("train", &mut properties, &mut generator);
    add::<crate::calibrate::CalibrateParams>("calibrate", &mut properties, &mut generator);
    add::<crate::tune_threshold::Policy>("tune_threshold", &mut properties, &mut generator);
    add::<crate::bundle::Tiers>("tiers", &mut properties, &mut generator);
    add::<crate::bundle::AnswerProfile>("profile", &mut properties, &mut generator);
    add::<crate::evaluate::EvaluateParams>("evaluate", &mut properties, &mut generator);
    add::<crate::explain::ExplainParams>("explain", &mut properties, &mut generator);
    add::<crate::stability::StabilityParams>("stability", &mut properties, &mut generator);
    add::<crate::gate::GateParams>("gate", &mut properties, &mut generator);
    add::<crate::report::ReportParams>("report", &mut properties, &mut generator);
    add::<crate::drift::DriftParams>("drift", &mut properties, &mut generator);
    add::<crate::decide::DecideParams>("decide", &mut properties, &mut generator);
    json!({"properties": properties, "$defs": generator.take_definitions(true)})
}

fn add<T: JsonSchema>(key: &str, properties: &mut Map<String, Value>, generator: &mut SchemaGenerator) {
    properties.insert(key.to_owned(), generator.subschema_for::<T>().to_value());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_a_stage_reads_has_a_type() {
        let schema = params_schema();
        let known = |key: &str| key == "profile" || schema["properties"].get(key).is_some();
        let keys = crate::stages().iter().flat_map(|stage| stage.params());
        let missing: Vec<&str> = keys.map(|role| role.name).filter(|key| !known(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(schema, params_schema());
    }
}
