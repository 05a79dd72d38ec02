//! The child's side in one process, with stages made for the purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use clinpipe_stages::{ParamError, ParamSet, Role};
use serde_json::Map;

use super::super::protocol::listen;
use super::*;

enum Behaviour {
    Report(u64),
    Fail,
    Panic,
    CountThreads,
}

impl Stage for Behaviour {
    fn name(&self) -> &'static str {
        "test"
    }
    fn version(&self) -> u32 {
        1
    }
    fn about(&self) -> &'static str {
        "behaves as told"
    }
    fn inputs(&self) -> &'static [Role] {
        &[]
    }
    fn outputs(&self) -> &'static [Role] {
        &[]
    }
    fn params(&self) -> &'static [Role] {
        &[]
    }
    fn check(&self, _: &ParamSet) -> Result<(), ParamError> {
        Ok(())
    }
    fn run(&self, context: &StageContext) -> Result<(), StageError> {
        match self {
            Self::Report(steps) => (1..=*steps).for_each(|step| context.progress(step, Some(*steps), "rows", "read")),
            Self::Fail => return Err(StageError::failed("too few rows").with_hint("collect more")),
            Self::Panic => {
                let rows: Vec<u8> = Vec::new();
                let index = context.threads();
                drop(vec![rows[index]]);
            }
            Self::CountThreads => context.progress(rayon::current_num_threads() as u64, None, "threads", ""),
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run_it(stage: &Behaviour, threads: usize) -> (u8, Vec<ChildMessage>) {
    let request = StageRequest {
        uses: "test".to_owned(),
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        params: Map::new(),
        threads,
    };
    let sink = Sink::default();
    let code = run_stage(stage, request, Box::new(sink.clone()));
    let bytes = sink.0.lock().unwrap().clone();
    let mut heard = Vec::new();
    listen(&bytes[..], |message| heard.push(message)).unwrap();
    (code, heard)
}

#[test]
fn many_reports_become_few_but_the_last_always_arrives() {
    let (code, heard) = run_it(&Behaviour::Report(10_000), 1);
    assert_eq!(code, 0);
    assert!(heard.len() < 1000, "{} messages", heard.len());
    assert!(matches!(heard.last(), Some(ChildMessage::Progress(last)) if last.done == 10_000));
}

#[test]
fn a_failure_comes_with_its_hint() {
    let (code, heard) = run_it(&Behaviour::Fail, 1);
    assert_eq!(code, STAGE_FAILED);
    let hint = Some("collect more".to_owned());
    assert_eq!(heard, [ChildMessage::StageFailed { message: "too few rows".to_owned(), hint }]);
}

#[test]
fn a_panic_is_reported_as_ours() {
    let (code, heard) = run_it(&Behaviour::Panic, 3);
    assert_eq!(code, CRASHED);
    let [ChildMessage::StageFailed { message, hint: Some(hint) }] = &heard[..] else { panic!("{heard:?}") };
    assert!(message.starts_with("internal error in stage test: index out of bounds"), "{message}");
    assert!(hint.contains("report"));
}

#[test]
fn the_stage_runs_in_a_pool_of_the_requested_size() {
    let (_, heard) = run_it(&Behaviour::CountThreads, 3);
    assert!(matches!(&heard[..], [ChildMessage::Progress(step)] if step.done == 3), "{heard:?}");
}
