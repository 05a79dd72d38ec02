//! Where the rows go: a CSV file, a Parquet file, or a directory with one Parquet file a year.
//!
//! The name of the output decides. In a directory the year stands in the name of its folder (`year=2015/`) and not in the
//! files, as tools for partitioned tables expect it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::PatientYearParams;
use super::draw::Row;
use crate::StageError;
use crate::common::frame::Frame;
use crate::common::table::{Table, TableWriter};

/// A file or directory that takes rows.
pub(super) struct Sink {
    columns: Columns,
    kind: Kind,
}

enum Kind {
    Csv(Box<csv::Writer<BufWriter<File>>>, PathBuf),
    One(Box<Part>),
    Years(PathBuf, BTreeMap<i32, Part>),
}

/// Which columns there are.
#[derive(Debug, Clone, Copy)]
struct Columns {
    noise: u16,
    in_time: bool,
    id_width: usize,
}

/// A Parquet file being written, and the rows that do not yet fill a row group.
struct Part {
    file: TableWriter,
    rows: Vec<(usize, Row)>,
}

/// A cell.
enum Cell {
    Integer(i64),
    Number(Option<f64>),
    Text(Option<String>),
}

impl Sink {
    pub fn open(path: &Path, params: &PatientYearParams) -> Result<Self, StageError> {
        let columns = Columns {
            noise: params.noise_features,
            in_time: params.uncertain_diagnosis > 0.0,
            id_width: (params.n - 1).to_string().len().max(6),
        };
        let kind = if path.is_dir() {
            Kind::Years(path.to_owned(), BTreeMap::new())
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            Kind::One(Box::new(Part::new(path)))
        } else {
            let file = File::create(path).map_err(|error| StageError::output(path, error))?;
            let mut writer = csv::Writer::from_writer(BufWriter::new(file));
            let header = writer.write_record(columns.names(true));
            header.map_err(|error| StageError::output(path, error.into()))?;
            Kind::Csv(Box::new(writer), path.to_owned())
        };
        Ok(Self { columns, kind })
    }

    pub fn push(&mut self, number: usize, row: &Row) -> Result<(), StageError> {
        match &mut self.kind {
            Kind::Csv(writer, path) => {
                let record = writer.write_record(self.columns.cells(number, row, true).into_iter().map(Cell::text));
                record.map_err(|error| StageError::output(path, error.into()))
            }
            Kind::One(part) => part.push(number, row, self.columns, true),
            Kind::Years(directory, parts) => {
                let part = match parts.entry(row.year) {
                    Entry::Occupied(part) => part.into_mut(),
                    Entry::Vacant(none) => {
                        let folder = directory.join(format!("year={}", row.year));
                        fs::create_dir_all(&folder).map_err(|error| StageError::output(&folder, error))?;
                        none.insert(Part::new(&folder.join("part-0.parquet")))
                    }
                };
                part.push(number, row, self.columns, false)
            }
        }
    }

    pub fn finish(self) -> Result<(), StageError> {
        match self.kind {
            Kind::Csv(mut writer, path) => writer.flush().map_err(|error| StageError::output(&path, error)),
            Kind::One(part) => part.finish(self.columns, true),
            Kind::Years(_, parts) => parts.into_values().try_for_each(|part| part.finish(self.columns, false)),
        }
    }
}

impl Part {
    fn new(path: &Path) -> Self {
        Self { file: TableWriter::new(path), rows: Vec::new() }
    }

    fn push(&mut self, number: usize, row: &Row, columns: Columns, year: bool) -> Result<(), StageError> {
        self.rows.push((number, row.clone()));
        if self.rows.len() == TableWriter::PIECE { self.flush(columns, year) } else { Ok(()) }
    }

    fn finish(mut self, columns: Columns, year: bool) -> Result<(), StageError> {
        if !self.rows.is_empty() {
            self.flush(columns, year)?;
        }
        self.file.finish()
    }

    fn flush(&mut self, columns: Columns, year: bool) -> Result<(), StageError> {
        let names = columns.names(year);
        let mut table = Table::with_rows(self.rows.len());
        let mut cells: Vec<Vec<Cell>> = names.iter().map(|_| Vec::with_capacity(self.rows.len())).collect();
        for (number, row) in self.rows.drain(..) {
            for (column, cell) in cells.iter_mut().zip(columns.cells(number, &row, year)) {
                column.push(cell);
            }
        }
        for (name, column) in names.iter().zip(cells) {
            match column.first() {
                Some(Cell::Integer(_)) => table.push_ints(name, column.into_iter().map(Cell::integer).collect())?,
                Some(Cell::Number(_)) => table.push_floats(name, column.into_iter().map(Cell::number).collect())?,
                _ => table.push_texts(name, column.into_iter().map(Cell::into_text))?,
            };
        }
        self.file.write(&table, &Frame::with_rows(table.rows()), &[])
    }
}

impl Columns {
    /// The header; `year` is left out where the folder says it.
    fn names(self, year: bool) -> Vec<String> {
        let mut names = vec!["patient_id"];
        names.extend(year.then_some("year"));
        names.extend([
            "age",
            "birth_year",
            "gender",
            "bmi",
            "systolic_bp",
            "diastolic_bp",
            "cholesterol",
            "glucose",
            "smoking_status",
            "num_visits",
            "medications_count",
            "lab_abnormal_flag",
            "primary_diagnosis",
            "additional_diagnoses",
            "age_group",
            "bmi_category",
        ]);
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        names.extend((0..self.noise).map(|index| format!("noise_feature_{index}")));
        names.push("target".to_owned());
        names.extend(self.in_time.then(|| "target_in_time".to_owned()));
        names
    }

    fn cells(self, number: usize, row: &Row, year: bool) -> Vec<Cell> {
        let text = |text: &str| Cell::Text(Some(text.to_owned()));
        let known = |value: f64, blank: bool| Cell::Number((!blank).then_some(value));
        let blank = row.blank;
        let width = self.id_width;
        let mut cells = vec![Cell::Text(Some(format!("P{number:0width$}")))];
        cells.extend(year.then_some(Cell::Integer(i64::from(row.year))));
        let age = row.year - row.birth_year;
        cells.extend([
            Cell::Integer(i64::from(age)),
            Cell::Integer(i64::from(row.birth_year)),
            text(row.gender),
            known(row.bmi, blank.bmi),
            known(row.systolic, blank.pressure),
            known(row.diastolic, blank.pressure),
            known(row.cholesterol, blank.cholesterol),
            known(row.glucose, blank.glucose),
            text(row.smoking),
            Cell::Integer(row.visits),
            Cell::Integer(row.medications),
            Cell::Integer(i64::from(row.lab_abnormal)),
            text(row.diagnosis),
            Cell::Text((!row.others.is_empty()).then(|| row.others.join(","))),
            text(age_group(age)),
            Cell::Text((!blank.bmi).then(|| bmi_category(row.bmi).to_owned())),
        ]);
        cells.extend(row.noise.iter().map(|value| Cell::Number(Some(*value))));
        cells.push(Cell::Integer(i64::from(row.event)));
        cells.extend(self.in_time.then_some(Cell::Integer(i64::from(row.event_in_time))));
        cells
    }
}

impl Cell {
    fn text(self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.map_or_else(String::new, |value| value.to_string()),
            Self::Text(text) => text.unwrap_or_default(),
        }
    }

    fn integer(self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(value) } else { None }
    }

    fn number(self) -> f64 {
        if let Self::Number(Some(value)) = self { value } else { f64::NAN }
    }

    fn into_text(self) -> Option<String> {
        if let Self::Text(text) = self { text } else { None }
    }
}

fn age_group(age: i32) -> &'static str {
    match age {
        ..=30 => "18-30",
        31..=45 => "31-45",
        46..=60 => "46-60",
        61..=75 => "61-75",
        _ => "75+",
    }
}

fn bmi_category(bmi: f64) -> &'static str {
    match bmi {
        ..18.5 => "Underweight",
        ..25.0 => "Normal",
        ..30.0 => "Overweight",
        _ => "Obese",
    }
}
