//! The two passes over a table: one in which every row is judged, one in which the rows are parted.
//!
//! Both read the same pieces in the same order, so that a row has one number. In memory are a piece and what the rules
//! keep; a table of any length takes this way.

use super::groups::{Group, Groups};
use super::params::ValidateParams;
use super::quarantine::{Aside, Quarantine};
use super::rules::Rules;
use super::tally::{Outcome, Piece};
use crate::common::schema::Schema;
use crate::common::table::{Table, TableAppender};
use crate::common::units::{Converted, Units};
use crate::ingest::{UNREAD_COLUMN, UnreadCell, unread_cells};
use crate::{StageContext, StageError, StageFile};

/// What the first pass found.
pub(super) struct Judged {
    /// Rows read.
    pub rows: usize,
    pub outcomes: Vec<Outcome>,
    /// The outcome, then the subgroups.
    pub groups: Vec<Group>,
    pub converted: Vec<Converted>,
}

/// Some rows of the table: as they were read, and in the schema's units.
struct Rows {
    from: usize,
    raw: Table,
    table: Table,
    unread: Vec<Vec<UnreadCell>>,
    converted: Vec<Converted>,
}

fn pieces(file: &StageFile, units: Units) -> Result<impl Iterator<Item = Result<Rows, StageError>>, StageError> {
    let mut from = 0;
    Ok(Table::all_pieces(file)?.map(move |raw| {
        let raw = raw?;
        let (table, converted) = units.apply_table(raw.clone())?;
        let rows = Rows { from, unread: unread_cells(&table)?, raw, table, converted };
        from += rows.table.rows();
        Ok(rows)
    }))
}

/// Judges every row; nothing is written.
pub(super) fn judge(
    context: &StageContext,
    file: &StageFile,
    schema: &Schema,
    params: &ValidateParams,
) -> Result<Judged, StageError> {
    let total = Table::all_pieces(file)?.left();
    let mut groups = Groups::new(schema, params, total);
    let mut rules: Option<Rules> = None;
    let mut converted: Vec<Converted> = Vec::new();
    for rows in pieces(file, Units::new(schema)?)? {
        let rows = rows?;
        let (frame, row_ids) = (rows.table.to_frame(schema)?, rows.table.ints_full("row_id")?);
        let piece = Piece { frame: &frame, unread: &rows.unread, row_ids: &row_ids, from: rows.from };
        let rules = match &mut rules {
            Some(rules) => rules,
            none => none.insert(Rules::new(schema, params, &frame, total)?),
        };
        rules.judge(piece)?;
        groups.add(&rows.table)?;
        if converted.is_empty() {
            converted = rows.converted;
        } else {
            converted.iter_mut().zip(rows.converted).for_each(|(all, own)| all.rows += own.rows);
        }
        let done = (rows.from + row_ids.len()) as u64;
        context.progress(done, Some(total as u64), "rows", format!("judged {}", file.name));
    }
    let outcomes = rules.map(Rules::finish).unwrap_or_default();
    Ok(Judged { rows: total, outcomes, groups: groups.finish(), converted })
}

/// Writes the rows that keep every rule as a table, in the schema's units, and the others as they were read. `broken`
/// are the rows to be set aside with the rules that each breaks, ascending. Returns how many there are of either.
pub(super) fn part(
    context: &StageContext,
    file: &StageFile,
    schema: &Schema,
    judged: &Judged,
    broken: &[(usize, usize)],
) -> Result<(usize, usize), StageError> {
    let mut clean = TableAppender::new(context.output("table")?);
    let mut quarantine: Option<Quarantine> = None;
    let mut broken = broken.chunk_by(|a, b| a.0 == b.0).peekable();
    for rows in pieces(file, Units::new(schema)?)? {
        let rows = rows?;
        let quarantine = match &mut quarantine {
            Some(quarantine) => quarantine,
            none => none.insert(Quarantine::new(context.output("quarantine")?, &rows.raw.names())?),
        };
        let (mut kept, mut aside) = (Vec::new(), Vec::new());
        for place in 0..rows.table.rows() {
            let row = rows.from + place;
            match broken.next_if(|rules| rules[0].0 == row) {
                None => kept.push(place),
                Some(rules) => aside.push(Aside { place, row, rules: names(rules, &judged.outcomes) }),
            }
        }
        quarantine.write(&rows.raw, &rows.unread, &aside, &judged.groups[0].labels)?;
        let table = rows.table.without(UNREAD_COLUMN);
        clean.append(if aside.is_empty() { table } else { table.take(&kept)? })?;
    }
    let passed = clean.rows();
    clean.finish()?;
    Ok((passed, quarantine.map_or(Ok(0), Quarantine::finish)?))
}

/// The rules that a row breaks, as the quarantine tells them.
fn names(rules: &[(usize, usize)], outcomes: &[Outcome]) -> String {
    let name = |&(_, at): &(usize, usize)| format!("{}({})", outcomes[at].rule, outcomes[at].subject);
    rules.iter().map(name).collect::<Vec<_>>().join("; ")
}
