use serde_json::{Value, json};

use super::*;
use crate::common::table::Table;
use crate::testing::Lab;

fn params() -> Value {
    json!({
        "schema": {
            "id": "id",
            "target": {"column": "y", "event": "ends"},
            "columns": {
                "id": {"type": "text"},
                "age": {"type": "integer"},
                "bmi": {"type": "number", "nullable": true},
                "sex": {"type": "category", "levels": ["M", "F"]},
                "y": {"type": "integer"},
            },
        },
        "ingest": {"na": ["", "N/A"]},
    })
}

const GOOD: &str = "\u{feff}id,age,bmi,sex,y\nA,69.0,N/A,M,0\nB,70,31.5,F,1\nB,70,31.5,F,1\nC,70,31.5,F,1\n";

fn ingest(lab: &Lab, bytes: impl AsRef<[u8]>, params: &Value) -> Result<(), StageError> {
    lab.write("raw.csv", bytes);
    lab.run(&Ingest, &[("table", "raw.csv")], &[("table", "out.parquet"), ("report", "ingest.json")], params)
}

fn fault(bytes: impl AsRef<[u8]>) -> String {
    let mut params = params();
    params["ingest"]["unreadable"] = json!("refuse");
    let error = ingest(&Lab::new(), bytes, &params).expect_err("refused");
    format!("{error} | {}", error.hint().unwrap_or(""))
}

#[test]
fn cells_are_typed_and_rows_keep_their_numbers() {
    let lab = Lab::new();
    let mut params = params();
    params["ingest"]["dedupe"] = json!("ignoring_id");
    ingest(&lab, GOOD, &params).expect("readable");
    let table = lab.table("out.parquet");
    assert_eq!(table.names(), ["row_id", "id", "age", "bmi", "sex", "y"]);
    assert_eq!(table.ints("row_id").expect("ints"), [Some(0), Some(1)]);
    assert_eq!(table.ints("age").expect("ints"), [Some(69), Some(70)]);
    assert!(table.floats("bmi").expect("floats")[0].is_nan());
    let report = lab.json("ingest.json");
    assert_eq!((&report["rows_read"], &report["duplicates_dropped"]), (&json!(4), &json!(2)));
    assert_eq!(report["columns"]["sex"]["levels"], json!({"M": 1, "F": 1}));
    assert_eq!(report["columns"]["bmi"]["missing"], json!(1));
    params["ingest"]["dedupe"] = json!("exact");
    ingest(&lab, GOOD, &params).expect("readable");
    assert_eq!(lab.table("out.parquet").ints("row_id").expect("ints"), [Some(0), Some(1), Some(3)]);
}

#[test]
fn the_real_table_wins_and_the_report_says_so() {
    let lab = Lab::new();
    lab.write("real.csv", GOOD);
    lab.write("made.csv", "id,age,bmi,sex,y\nA,1,1,M,0\n");
    let outputs = [("table", "out.parquet"), ("report", "ingest.json")];
    lab.run(&Ingest, &[("table", "real.csv"), ("synthetic", "made.csv")], &outputs, &params()).expect("runs");
    assert_eq!(
        (&lab.json("ingest.json")["source"], &lab.json("ingest.json")["file"]),
        (&json!("real"), &json!("real.csv"))
    );
    lab.run(&Ingest, &[("synthetic", "made.csv")], &outputs, &params()).expect("runs");
    assert_eq!(lab.json("ingest.json")["source"], json!("synthetic"));
    let error = lab.run(&Ingest, &[], &outputs, &params()).expect_err("nothing to read");
    assert!(error.to_string().contains("no raw table"));
}

#[test]
fn faults_name_file_row_and_column() {
    let cell = fault("id,age,bmi,sex,y\nA,1,2,M,0\nB,old,x,M,1\n");
    assert!(cell.contains("raw.csv: row 3, column age: expected a whole number, found `old`"), "{cell}");
    assert!(cell.contains("row 3, column bmi: expected a number, found `x`"), "{cell}");
    let count = fault("id,age,bmi,sex,y\nA,1,2,M\n");
    assert!(count.contains("row 2, column y: the row has 4 cells, the header 5"), "{count}");
    assert!(fault("id,age,bmi,sex,y\nA,1,2,M,0,9\n").contains("the row has 6 cells"));
    assert!(fault(b"id,age,bmi,sex,y\nA,1,2,\xff,0\n").contains("row 2, column sex: is not UTF-8"));
    assert!(fault("").contains("is empty"));
    assert!(fault("id,age,bmi,sex,y\n").contains("no rows"));
    assert!(fault("id,age,bmi,sex,y,y\n").contains("`y` twice"));
    assert!(fault("id,Age,bmi,sex,y\nA,1,2,M,0\n").contains("lacks `age` (did you mean `Age`?)"));
    assert!(fault("id,age,bmi,sex,y,z\nA,1,2,M,0,1\n").contains("does not know: z"));
}

#[test]
fn unreadable_cells_are_kept_beside_their_row() {
    let lab = Lab::new();
    let file = b"id,age,bmi,sex,y\nA,1,2,M,0\nB,old,x,M,1\nC,3,4,\xff,1\n";
    ingest(&lab, file, &params()).expect("one bad cell is no bad file");
    let table = lab.table("out.parquet");
    assert_eq!(table.ints("age").expect("ints"), [Some(1), None, Some(3)]);
    let cells = unread_cells(&table).expect("what ingest writes");
    let told: Vec<Vec<(&str, u64, &str)>> =
        cells.iter().map(|row| row.iter().map(|c| (c.column.as_str(), c.line, c.cell.as_str())).collect()).collect();
    let expected = [vec![], vec![("age", 3, "old"), ("bmi", 3, "x")], vec![("sex", 4, "\u{fffd}")]];
    assert_eq!(told, expected);
    assert_eq!(lab.json("ingest.json")["unreadable"], json!({"age": 1, "bmi": 1, "sex": 1}));
    // Without such cells there is no such column.
    ingest(&lab, GOOD, &params()).expect("readable");
    assert!(!lab.table("out.parquet").has(UNREAD_COLUMN));
    assert_eq!(lab.json("ingest.json").get("unreadable"), None);
}

#[test]
fn many_faults_are_counted() {
    let rows = "A,x,1,M,0\n".repeat(30);
    let text = fault(format!("id,age,bmi,sex,y\n{rows}"));
    assert_eq!(text.matches("expected a whole number").count(), 20);
    assert!(text.contains("and 10 more"), "{text}");
}

#[test]
fn columns_may_be_extra_for_scoring_and_when_allowed() {
    let lab = Lab::new();
    let mut value = params();
    value["ingest"]["extra_columns"] = json!("drop");
    ingest(&lab, "z,id,age,bmi,sex,y\n1,A,1,2,M,0\n", &value).expect("allowed");
    assert_eq!(lab.json("ingest.json")["dropped_columns"], json!(["z"]));
    let schema: Schema = serde_json::from_value(value["schema"].clone()).expect("a schema");
    let inputs = ["age".to_owned(), "bmi".to_owned()];
    lab.write("score.csv", "note,age,id\nhi,5,A\n");
    let table = read_for_scoring(&lab.file("score.csv"), &schema, &inputs, &[], &RawFormat::default())
        .expect("bmi may be missing");
    assert_eq!(table.names(), ["row_id", "age", "id"]);
    lab.write("score.csv", "note,bmi\nhi,5\n");
    assert!(
        read_for_scoring(&lab.file("score.csv"), &schema, &inputs, &[], &RawFormat::default()).is_err(),
        "age is required"
    );
}

#[test]
fn a_level_is_not_taken_for_a_missing_value() {
    let lab = Lab::new();
    let mut value = params();
    value["schema"]["columns"]["sex"]["levels"] = json!(["M", "N/A"]);
    ingest(&lab, "id,age,bmi,sex,y\nA,1,2,N/A,0\n", &value).expect("readable");
    assert_eq!(lab.table("out.parquet").texts("sex").expect("texts"), vec![Some("N/A")].into());
}

#[test]
fn bytes_are_frozen() {
    let lab = Lab::new();
    ingest(&lab, GOOD, &params()).expect("readable");
    assert_eq!(lab.digest(&["out.parquet", "ingest.json"]), "d005d61d4843d6d4", "bytes moved: raise VERSION");
}

fn parquet(lab: &Lab, age: Vec<f64>, sex: &[Option<&str>]) {
    let mut table = Table::with_rows(age.len());
    let ids = (0..age.len()).map(|row| Some(format!("P{row}")));
    table
        .push_texts("id", ids)
        .and_then(|t| t.push_floats("age", age.clone()))
        .and_then(|t| t.push_floats("bmi", vec![f64::NAN; age.len()]))
        .and_then(|t| t.push_texts("sex", sex.iter().copied()))
        .and_then(|t| t.push_ints("y", vec![Some(1); age.len()]))
        .expect("columns");
    table.write(&lab.path("raw.parquet")).expect("written");
}

const OUTPUTS: [(&str, &str); 2] = [("table", "out.parquet"), ("report", "ingest.json")];

#[test]
fn parquet_is_read_by_the_same_rules_as_csv() {
    let lab = Lab::new();
    parquet(&lab, vec![69.0, f64::NAN, 70.0], &[Some("M"), None, Some("N/A")]);
    lab.run(&Ingest, &[("table", "raw.parquet")], &OUTPUTS, &params()).expect("readable");
    let from_parquet = lab.digest(&["out.parquet"]);
    assert_eq!(lab.table("out.parquet").ints("age").expect("whole numbers"), [Some(69), None, Some(70)]);
    ingest(&lab, "id,age,bmi,sex,y\nP0,69,,M,1\nP1,,,,1\nP2,70,N/A,N/A,1\n", &params()).expect("readable");
    assert_eq!(lab.digest(&["out.parquet"]), from_parquet);
    parquet(&lab, vec![1.0, 69.5], &[Some("M"); 2]);
    let mut strict = params();
    strict["ingest"]["unreadable"] = json!("refuse");
    let error = lab.run(&Ingest, &[("table", "raw.parquet")], &OUTPUTS, &strict).expect_err("half a year");
    assert!(error.to_string().contains("raw.parquet: row 2, column age: expected a whole number"), "{error}");
    lab.write("raw.parquet", "PAR1 not really");
    let error = lab.run(&Ingest, &[("table", "raw.parquet")], &OUTPUTS, &params()).expect_err("no Parquet");
    assert!(error.to_string().contains("raw.parquet: is not readable as Parquet"), "{error}");
}

#[test]
fn a_sample_keeps_whole_patients_whatever_the_order_of_rows() {
    let kept = |rows: Vec<usize>, seed: u64| {
        let lab = Lab::new();
        let mut value = params();
        value["schema"]["group"] = json!("sex");
        value["schema"]["columns"]["sex"] = json!({"type": "text"});
        value["seed"] = json!(seed);
        value["ingest"]["sample"] = json!({"groups": 0.25});
        let lines: Vec<String> = rows.iter().map(|row| format!("A{row},1,2,P{},0\n", row % 20)).collect();
        ingest(&lab, format!("id,age,bmi,sex,y\n{}", lines.concat()), &value).expect("readable");
        let sample = &lab.json("ingest.json")["sample"];
        assert_eq!(*sample, json!({"groups": 0.25, "groups_read": 20, "groups_kept": 5, "rows_left_out": 45}));
        let table = lab.table("out.parquet");
        let ids: std::collections::BTreeSet<_> =
            table.texts("id").expect("texts").to_vec().into_iter().flatten().collect();
        assert_eq!((table.rows(), ids.len()), (15, 15), "three rows for each of five patients");
        ids
    };
    assert_eq!(kept((0..60).collect(), 1), kept((0..60).rev().collect(), 1));
    assert_ne!(kept((0..60).collect(), 1), kept((0..60).collect(), 2));
    let mut value = params();
    value["ingest"]["sample"] = json!({"groups": 0.5});
    let error = ingest(&Lab::new(), GOOD, &value).expect_err("no seed");
    assert!(error.to_string().contains("ingest.sample") && error.to_string().contains("seed"), "{error}");
    value["ingest"]["sample"] = json!({"groups": 0});
    assert!(ingest(&Lab::new(), GOOD, &value).expect_err("nobody").to_string().contains("ingest.sample.groups"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let mut file = b"id,age,bmi,sex,y\n".to_vec();
        file.extend(&bytes);
        let _ = ingest(&Lab::new(), file, &params());
        let _ = ingest(&Lab::new(), bytes, &params());
    }
}

fn partitioned(lab: &Lab, files: &[(&str, &str)]) {
    for (name, bytes) in files {
        let path = lab.path("raw").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, bytes).expect("written");
    }
}

fn ingest_directory(lab: &Lab, params: &Value) -> Result<(), StageError> {
    lab.run(&Ingest, &[("table", "raw")], &[("table", "out.parquet"), ("report", "ingest.json")], params)
}

/// Columns by name, folders as columns, files in the order of their paths; marks of other tools are passed over.
#[test]
fn a_directory_is_one_table() {
    let lab = Lab::new();
    partitioned(
        &lab,
        &[
            ("sex=M/b.csv", "y,id,age,bmi\n1,C,71,22.5\n"),
            ("sex=F/a.csv", "id,age,bmi,y\nA,69,N/A,0\nB,70,31.5,1\n"),
            ("_SUCCESS", ""),
            (".crc/x", "?"),
        ],
    );
    ingest_directory(&lab, &params()).expect("readable");
    let table = lab.table("out.parquet");
    assert_eq!(table.ints_full("row_id").expect("ids"), [0, 1, 2]);
    assert_eq!(table.labels("id").expect("ids").into_iter().flatten().collect::<Vec<_>>(), ["A", "B", "C"]);
    assert_eq!(table.labels("sex").expect("texts").into_iter().flatten().collect::<Vec<_>>(), ["F", "F", "M"]);
    assert_eq!(table.ints_full("y").expect("ints"), [0, 1, 1]);
    let report = lab.json("ingest.json");
    assert_eq!((&report["file"], &report["rows_read"]), (&json!("raw"), &json!(3)));
    // The parts as single tables are the same rows in another file.
    partitioned(&lab, &[("sex=F/a.csv", "id,age,bmi,y\nA,69,N/A,0\nB,70,31.5,0\n")]);
    ingest_directory(&lab, &params()).expect("readable");
    assert_ne!(lab.json("ingest.json")["blake3"], report["blake3"]);
}

#[test]
fn a_folder_may_say_that_a_value_is_missing_or_hold_signs() {
    let lab = Lab::new();
    partitioned(
        &lab,
        &[
            ("bmi=__HIVE_DEFAULT_PARTITION__/id=a%2Fb/x.csv", "age,sex,y\n60,M,0\n"),
            ("bmi=20.5/id=c%zz/x.csv", "age,sex,y\n60,M,0\n"),
        ],
    );
    ingest_directory(&lab, &params()).expect("readable");
    let table = lab.table("out.parquet");
    assert_eq!(table.labels("id").expect("ids"), vec![Some("c%zz"), Some("a/b")].into());
    let bmi = table.floats("bmi").expect("numbers");
    assert!(bmi[0] == 20.5 && bmi[1].is_nan());
}

#[test]
fn a_file_that_does_not_fit_its_directory_is_named() {
    let good = ("sex=F/a.csv", "id,age,bmi,y\nA,69,N/A,0\n");
    let fault = |second: (&str, &str)| {
        let lab = Lab::new();
        partitioned(&lab, &[good, second]);
        ingest_directory(&lab, &params()).expect_err("refused").to_string()
    };
    assert!(fault(("sex=M/b.csv", "id,age,y\nB,1,0\n")).contains("raw/sex=M/b.csv: lacks the column `bmi`"));
    assert!(fault(("sex=M/b.csv", "id,age,bmi,y,z\nB,1,2,0,1\n")).contains("has a column `z`"));
    assert!(fault(("sex=M/b.csv", "id,age,bmi,y,sex\nB,1,2,0,M\n")).contains("names a column twice"));
    assert!(fault(("sex=M/b.csv", "id,age,bmi,y\nB,1,2\n")).contains("raw/sex=M/b.csv: row 2, column y"));
    assert!(fault(("sex=M/b.csv", "")).contains("sex=M/b.csv: is empty"));
    assert!(fault(("notes.txt", "x")).contains("raw/notes.txt: is neither a .parquet nor a .csv file"));
    let lab = Lab::new();
    std::fs::create_dir(lab.path("raw")).expect("a directory");
    let error = ingest_directory(&lab, &params()).expect_err("nothing there").to_string();
    assert!(error.contains("directory without"), "{error}");
}

/// A quote that nothing closes makes one row of the rest of the file, which must not fill the memory.
#[test]
fn a_row_without_end_is_told_where_it_begins() {
    let lab = Lab::new();
    let mut text = String::from("id,age\nP1,40\nP2,\"41\n");
    text.push_str(&"P3,42\n".repeat(12_000_000));
    lab.write("raw.csv", text);
    let params = json!({"schema": {
        "target": {"column": "age", "kind": "continuous"},
        "columns": {"id": {"type": "text"}, "age": {"type": "number"}},
    }});
    let error = lab.run(&Ingest, &[("table", "raw.csv")], &[("table", "t.parquet"), ("report", "r.json")], &params);
    let error = error.expect_err("no end");
    assert_eq!(error.to_string(), "raw.csv: row 3: the row has more than 64 MiB");
    assert!(error.hint().is_some_and(|hint| hint.contains("unclosed quote")));
}
