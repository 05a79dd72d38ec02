//! The lines of the log of predictions: one for a prediction, one for a record that was refused.
//!
//! Invariants: no identifier stands in them, only its keyed digest; values of a patient only where the operator asks for
//! inputs; names of fields only when they are names of the study, since a client can write anything into a name.

use std::collections::BTreeSet;

use clinpipe_stages::featurize::HISTORY_FIELD;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::serve::errors::FieldProblem;
use crate::serve::model::{Outcome, Scored, ScoringError};
use crate::serve::models::Served;
use crate::serve::records::pseudonym::LogKey;

/// What the lines of one request share.
#[derive(Clone, Copy)]
pub(in crate::serve) struct Origin<'a> {
    pub session_id: &'a str,
    pub request_id: &'a str,
    pub trace_id: Option<&'a str>,
    /// The route.
    pub endpoint: &'a str,
    /// The time of the answer.
    pub timestamp: &'a str,
    pub latency_ms: f64,
}

/// What a line is about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub served: &'a Served,
    /// The place in its batch.
    pub index: Option<usize>,
    /// None when the body held none.
    pub record: Option<&'a Map<String, Value>>,
}

/// How lines are written.
pub(super) struct Style {
    pub key: LogKey,
    pub inputs: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    record: &'static str,
    session_id: &'a str,
    timestamp: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    model_version: &'a str,
    model_stage: &'a str,
    bundle: &'a str,
    patient_id: Option<String>,
    input_hash: Option<String>,
    #[serde(flatten)]
    result: Answer<'a>,
    latency_ms: f64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Prediction {
        prediction: Predicted,
        probability: Option<f64>,
        decision_threshold: Option<f64>,
        threshold_version: Option<&'a str>,
        risk_level: Option<&'a str>,
        warnings: Vec<Fault<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        inputs: Option<Inputs<'a>>,
    },
    Error {
        error_type: &'a str,
        fields: Vec<Fault<'a>>,
    },
}

/// A decision is written as 0 or 1, a number as it is.
#[derive(Serialize)]
#[serde(untagged)]
enum Predicted {
    Class(u8),
    Number(f64),
}

/// A field and what was wrong with it, without its value.
#[derive(PartialEq, Serialize)]
struct Fault<'a> {
    /// None for a name that is none of the study's.
    field: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
}

/// The fields of a record but those that could name its patient, and the same of its earlier rows.
struct Inputs<'a> {
    record: &'a Map<String, Value>,
    withheld: &'a BTreeSet<String>,
}

impl Serialize for Inputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let withheld = self.withheld;
        let shown = self.record.iter().filter(|(name, _)| !withheld.contains(*name));
        serializer.collect_map(shown.map(|(name, value)| (name, Input { value, withheld })))
    }
}

struct Input<'a> {
    value: &'a Value,
    withheld: &'a BTreeSet<String>,
}

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let withheld = self.withheld;
        match self.value {
            Value::Array(values) => serializer.collect_seq(values.iter().map(|value| Input { value, withheld })),
            Value::Object(record) => Inputs { record, withheld }.serialize(serializer),
            plain => plain.serialize(serializer),
        }
    }
}

/// Adds the line of a prediction.
pub(super) fn prediction(style: &Style, origin: &Origin, subject: Subject, scored: &Scored, lines: &mut Vec<u8>) {
    let info = subject.served.info();
    let known = &info.table.fields;
    let withheld = &info.withheld;
    let event = match &scored.outcome {
        Outcome::Event(event) => Some(event),
        Outcome::Number(_) => None,
    };
    let answer = Answer::Prediction {
        prediction: match &scored.outcome {
            Outcome::Event(event) => Predicted::Class(u8::from(event.flagged)),
            Outcome::Number(number) => Predicted::Number(*number),
        },
        probability: event.map(|event| event.probability),
        decision_threshold: event.map(|event| event.threshold),
        threshold_version: info.decision.as_ref().map(|decision| decision.threshold_version.as_str()),
        risk_level: event.and_then(|event| Some(event.tier.as_ref()?.name.as_str())),
        // A remark may be about a feature, whose name is the study's as well.
        warnings: faults(&scored.warnings, |name| known.contains(name) || info.features.iter().any(|one| one == name)),
        inputs: subject.record.filter(|_| style.inputs).map(|record| Inputs { record, withheld }),
    };
    write(style, origin, subject, "prediction", answer, lines);
}

/// Adds the line of a record without a score.
pub(super) fn refusal(style: &Style, origin: &Origin, subject: Subject, error: &ScoringError, lines: &mut Vec<u8>) {
    let known = &subject.served.info().table.fields;
    let answer = match error {
        ScoringError::Invalid(problems) => {
            Answer::Error { error_type: "invalid_request", fields: faults(problems, |name| is_known(known, name)) }
        }
        ScoringError::Internal(_) => Answer::Error { error_type: "internal", fields: Vec::new() },
    };
    write(style, origin, subject, "error", answer, lines);
}

/// Adds the line of a request in which no record was found.
pub(super) fn failure(style: &Style, origin: &Origin, served: &Served, code: &str, lines: &mut Vec<u8>) {
    let subject = Subject { served, index: None, record: None };
    write(style, origin, subject, "error", Answer::Error { error_type: code, fields: Vec::new() }, lines);
}

fn write(style: &Style, origin: &Origin, subject: Subject, kind: &'static str, result: Answer, lines: &mut Vec<u8>) {
    let info = subject.served.info();
    let id = subject.record.and_then(|record| record.get(info.patient.as_ref()?)).filter(|id| !id.is_null());
    let line = Line {
        record: kind,
        session_id: origin.session_id,
        timestamp: origin.timestamp,
        request_id: origin.request_id,
        trace_id: origin.trace_id,
        endpoint: origin.endpoint,
        index: subject.index,
        model_version: info.version(),
        model_stage: subject.served.role.as_str(),
        bundle: &info.bundle,
        patient_id: id.map(|id| style.key.patient(id)),
        input_hash: subject.record.map(|record| style.key.input(record)),
        result,
        latency_ms: (origin.latency_ms * 1e3).round() / 1e3,
    };
    let start = lines.len();
    match serde_json::to_writer(&mut *lines, &line) {
        Ok(()) => lines.push(b'\n'),
        // Not reached: every part is text or a number. Half a line must not stay.
        Err(_) => lines.truncate(start),
    }
}

fn faults<'a>(problems: &'a [FieldProblem], known: impl Fn(&str) -> bool) -> Vec<Fault<'a>> {
    let fault = |problem: &'a FieldProblem| {
        let field = Some(problem.field.as_str()).filter(|name| known(name));
        Fault { field, kind: problem.kind }
    };
    let mut faults: Vec<Fault> = problems.iter().map(fault).collect();
    // A client can write any number of fields that are none.
    faults.dedup();
    faults
}

/// Names of the study, and places in its records such as `history.2.age`.
fn is_known(known: &BTreeSet<String>, name: &str) -> bool {
    known.contains(name) || past(name).is_some_and(|name| name.is_empty() || known.contains(name))
}

/// What follows `history.N.`.
fn past(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(HISTORY_FIELD)?;
    let Some(rest) = rest.strip_prefix('.') else { return rest.is_empty().then_some("") };
    let (index, rest) = rest.split_once('.').unwrap_or((rest, ""));
    (!index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
}
