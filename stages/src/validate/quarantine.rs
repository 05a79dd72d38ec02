//! `quarantine.csv`: the rows that were set aside, as they were read, with the reasons.

use std::collections::BTreeMap;
use std::path::Path;

use crate::StageError;
use crate::common::table::Table;
use crate::ingest::{UNREAD_COLUMN, UnreadCell};

/// Writes the rows that were set aside: their columns as read (a cell that is not of its type with its own text), the
/// rules they break, their `row_id` and outcome. Returns how many.
pub(super) fn write(
    table: &Table,
    unread: &[Vec<UnreadCell>],
    outcomes: &[Option<String>],
    broken: &BTreeMap<usize, Vec<String>>,
    path: &Path,
) -> Result<usize, StageError> {
    let own = ["row_id", UNREAD_COLUMN];
    let names: Vec<&str> = table.names().into_iter().filter(|name| !own.contains(name)).collect();
    let columns =
        names.iter().map(|name| table.labels(name).map(|labels| labels.to_vec())).collect::<Result<Vec<_>, _>>()?;
    let row_ids = table.ints_full("row_id")?;
    let write = || -> Result<usize, csv::Error> {
        let mut writer = csv::Writer::from_path(path)?;
        writer.write_record(names.iter().copied().chain(["_rules", "_row_id", "_outcome"]))?;
        for (&row, rules) in broken {
            let cells = names.iter().zip(&columns).map(|(name, column)| {
                let unread = unread[row].iter().find(|cell| cell.column == *name).map(|cell| cell.cell.as_str());
                unread.or(column[row].as_deref()).unwrap_or("")
            });
            let (rules, row_id) = (rules.join("; "), row_ids[row].to_string());
            let outcome = outcomes[row].as_deref().unwrap_or("missing");
            writer.write_record(cells.chain([rules.as_str(), row_id.as_str(), outcome]))?;
        }
        writer.flush()?;
        Ok(broken.len())
    };
    write().map_err(|error| StageError::output(path, error.into()))
}
