//! The chain for other programs.

use super::record::Record;

/// The records as they are: a line of JSON each.
///
/// # Errors
/// When a record cannot be expressed in JSON.
pub fn to_jsonl(records: &[Record]) -> serde_json::Result<String> {
    records.iter().map(|record| Ok(record.line()? + "\n")).collect()
}

/// The records as a table: a header, one row a record, details as JSON.
///
/// # Errors
/// When a row cannot be written.
pub fn to_csv(records: &[Record]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "seq", "utc", "actor", "action", "object", "before", "after", "reason", "details", "prev", "hash",
    ])?;
    for record in records {
        let digest = |digest: Option<crate::key::Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
        writer.write_record([
            record.seq.to_string(),
            record.utc.clone(),
            record.actor.clone(),
            record.action.name().to_owned(),
            record.object.clone(),
            digest(record.before),
            digest(record.after),
            record.reason.clone().unwrap_or_default(),
            serde_json::Value::Object(record.details.clone()).to_string(),
            record.prev.to_string(),
            record.hash.to_string(),
        ])?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}
