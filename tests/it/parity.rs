//! One record, one score: `predict` over a file, `/predict`, and `/predict/batch` in its three forms give the same bits.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use serde_json::{Map, Value, json};

use crate::project::Project;
use crate::service::Service;

/// Rows of the cohort, and of one batch.
const ROWS: usize = 10_000;
const BATCH: usize = 1000;
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// The fields of a record that are numbers.
const NUMBERS: [&str; 5] = ["age", "days_in_trial", "visits_completed", "last_visit_day", "adverse_events"];
const TEXTS: [&str; 4] = ["patient_id", "gender", "treatment_group", "trial_phase"];

/// A connection that is used again and again.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(service: &Service) -> Self {
        Self(BufReader::new(TcpStream::connect(&service.address).unwrap()))
    }

    /// The body of the answer to a POST, which must succeed.
    fn post(&mut self, path: &str, media: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        while self.0.read_line(&mut line).unwrap() > 2 {
            let lower = line.trim().to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if status.is_empty() {
                status = lower;
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        assert!(status.contains(" 200 "), "{status}: {}", String::from_utf8_lossy(&answer));
        answer
    }
}

/// The cohort's rows as records with the fields that a request has.
fn records(raw: &str) -> Vec<Map<String, Value>> {
    let mut lines = csv::Reader::from_reader(raw.as_bytes());
    let header = lines.headers().unwrap().clone();
    let value = |name: &str, cell: &str| match cell {
        "" => Value::Null,
        _ if NUMBERS.contains(&name) => json!(cell.parse::<f64>().unwrap()),
        _ => json!(cell),
    };
    let record = |line: csv::StringRecord| {
        let cells = header.iter().zip(line.iter());
        let known = cells.filter(|(name, _)| NUMBERS.contains(name) || TEXTS.contains(name));
        known.map(|(name, cell)| (name.to_owned(), value(name, cell))).collect()
    };
    lines.records().map(|line| record(line.unwrap())).collect()
}

fn bits(value: &Value) -> u64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}")).to_bits()
}

fn as_json(client: &mut Client, records: &[Map<String, Value>]) -> Vec<u64> {
    let answer = client.post("/predict/batch?answer=full", "application/json", json!(records).to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    answer["predictions"].as_array().unwrap().iter().map(|one| bits(&one["probability"])).collect()
}

fn as_csv(client: &mut Client, header: &str, lines: &[&str]) -> Vec<u64> {
    let body = format!("{header}\n{}\n", lines.join("\n"));
    let answer = client.post("/predict/batch?answer=full", "text/csv", body.as_bytes());
    let mut rows = csv::Reader::from_reader(answer.as_slice());
    let at = rows.headers().unwrap().iter().position(|name| name == "probability").unwrap();
    rows.records().map(|row| row.unwrap()[at].parse::<f64>().unwrap().to_bits()).collect()
}

fn as_arrow(client: &mut Client, records: &[Map<String, Value>]) -> Vec<u64> {
    let numbers =
        |name| -> ArrayRef { Arc::new(records.iter().map(|record| record[name].as_f64()).collect::<Float64Array>()) };
    let texts =
        |name| -> ArrayRef { Arc::new(records.iter().map(|record| record[name].as_str()).collect::<StringArray>()) };
    let columns = NUMBERS.iter().map(|&name| (name, numbers(name)));
    let columns = columns.chain(TEXTS.iter().map(|&name| (name, texts(name))));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let answer = client.post("/predict/batch?answer=full", ARROW, &writer.into_inner().unwrap());
    let batches = StreamReader::try_new(answer.as_slice(), None).unwrap();
    let mut found = Vec::new();
    for batch in batches {
        let batch = batch.unwrap();
        let column = batch.column_by_name("probability").unwrap().as_primitive::<Float64Type>();
        found.extend(column.values().iter().map(|value| value.to_bits()));
    }
    found
}

#[test]
fn ten_thousand_records_get_the_same_bits_on_every_way() {
    let project = Project::init("dropout");
    let setting = format!("generate.n={ROWS}");
    project.run(&["-C", "study", "repro", "bundle", "-q", "--set", &setting]).succeeds();
    let raw = project.read("study/data/synthetic.csv");
    let records = records(&raw);
    let scores = project.run(&["-C", "study", "predict", "data/synthetic.csv"]).succeeds().stdout;
    let mut scores = csv::Reader::from_reader(scores.as_bytes());
    let at = scores.headers().unwrap().iter().position(|name| name == "p").unwrap();
    let expected: Vec<u64> = scores.records().map(|row| row.unwrap()[at].parse::<f64>().unwrap().to_bits()).collect();
    assert_eq!((records.len(), expected.len()), (ROWS, ROWS));

    let service = Service::start(&project, &[]);
    let mut client = Client::new(&service);
    for (record, expected) in records.iter().zip(&expected) {
        let answer = client.post("/predict?answer=full", "application/json", json!(record).to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(bits(&answer["probability"]), *expected, "{record:?}");
    }
    let (header, lines) = raw.split_once('\n').unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    for ((records, lines), expected) in records.chunks(BATCH).zip(lines.chunks(BATCH)).zip(expected.chunks(BATCH)) {
        assert_eq!(as_json(&mut client, records), expected);
        assert_eq!(as_csv(&mut client, header, lines), expected);
        assert_eq!(as_arrow(&mut client, records), expected);
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_table_of_several_years_lends_later_rows_their_past() {
    let project = Project::init("patient-year");
    let settings = ["--set", "generate.n=500", "--set", "train.models=[logistic]"];
    project.run(&[&["-C", "study", "repro", "bundle", "-q"], &settings[..]].concat()).succeeds();
    let csv = "patient_id,year,age,gender,bmi,systolic_bp,diastolic_bp,cholesterol,glucose,smoking_status,num_visits,\
               medications_count,lab_abnormal_flag,primary_diagnosis,noise_feature_0,noise_feature_1\n\
               P000001,2024,71,F,33.1,151,91,243,131,Current,6,3,1,I10,0.1,-0.4\n\
               P000002,2024,55,M,25.0,121,80,200,95,Never,1,0,0,E78,0.0,0.3\n\
               P000001,2022,69,F,24.0,131,85,,99,Current,2,1,0,I10,1.1,0.4\n\
               P000001,2023,70,F,29.0,141,88,230,111,Current,4,2,0,I10,0.7,-1.4\n\
               P000003,2023,70,F,broken,141,88,230,111,Current,4,2,0,I10,0.7,-1.4\n";
    project.write("study/all.csv", csv);
    let good: Vec<&str> = csv.lines().filter(|line| !line.contains("broken")).collect();
    project.write("study/good.csv", &(good.join("\n") + "\n"));
    let scores = project.run(&["-C", "study", "predict", "good.csv"]).succeeds().stdout;
    let column = |text: &str, name: &str| -> Vec<String> {
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let at = rows.headers().unwrap().iter().position(|header| header == name).unwrap();
        rows.records().map(|row| row.unwrap()[at].to_owned()).collect()
    };
    let service = Service::start(&project, &[]);
    let answer = Client::new(&service).post("/predict/batch?answer=full", "text/csv", csv.as_bytes());
    let answer = String::from_utf8(answer).unwrap();
    let (p, errors) = (column(&answer, "probability"), column(&answer, "error"));
    assert_eq!(p[..4], column(&scores, "p")[..], "the same past, the same bits");
    assert_eq!(p[4], "");
    assert!(errors[..4].iter().all(String::is_empty) && errors[4].starts_with("bmi: must be"), "{errors:?}");
    assert_eq!(service.stop(), Some(0));
}
