//! The words that the consoles share.

use std::time::Duration;

use crate::sched::events::Outcome;
use crate::util::{human, visible};

/// How text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether outcomes are coloured.
    pub color: bool,
    /// Whether fresh stages and all reasons are told.
    pub verbose: bool,
}

/// Foreground colours, by their ANSI numbers.
#[derive(Debug, Clone, Copy)]
enum Color {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

/// The word for an outcome, coloured when the style says so.
pub(super) fn outcome(style: Style, outcome: Outcome) -> String {
    let (word, color) = match outcome {
        Outcome::Ran => ("done", Color::Green),
        Outcome::Fresh => ("fresh", Color::Green),
        Outcome::Restored => ("restored", Color::Cyan),
        Outcome::Skipped => ("skipped", Color::Yellow),
        Outcome::Failed => ("failed", Color::Red),
        Outcome::Interrupted => ("interrupted", Color::Yellow),
    };
    if style.color { format!("\x1b[{}m{word}\x1b[0m", color as u8) } else { word.to_owned() }
}

/// Why a stage starts: the first reason and how many more there are, or all of them.
pub(super) fn because(style: Style, reasons: &[String]) -> String {
    let text = match reasons {
        [first, rest @ ..] if !rest.is_empty() && !style.verbose => format!("{first} and {} more", rest.len()),
        all => all.join("; "),
    };
    one_line(&text)
}

/// The line that ends a stage, or nothing when it is not worth one: a fresh stage did nothing.
pub(super) fn finished(style: Style, stage: &str, how: Outcome, seconds: f64, detail: &str) -> Option<String> {
    let stage = one_line(stage);
    match how {
        Outcome::Fresh => style.verbose.then(|| format!("{stage}: {}", outcome(style, how))),
        Outcome::Failed => Some(failure(style, &stage, seconds, detail)),
        Outcome::Skipped => Some(format!("{stage}: {}", outcome(style, how))),
        Outcome::Ran | Outcome::Restored => Some(format!("{stage}: {} in {}", outcome(style, how), time(seconds))),
        Outcome::Interrupted => Some(format!("{stage}: {} after {}", outcome(style, how), time(seconds))),
    }
}

/// A failure with all that is known of it; what follows the first line is indented.
pub(super) fn failure(style: Style, stage: &str, seconds: f64, detail: &str) -> String {
    let word = outcome(style, Outcome::Failed);
    let mut text = format!("{}: {word} after {}", one_line(stage), time(seconds));
    for (index, line) in detail.lines().enumerate() {
        text.push_str(if index == 0 { ": " } else { "\n  " });
        text.push_str(&one_line(line));
    }
    text
}

/// How far a stage is: `tuning gbdt, 3/5 folds`.
pub(super) fn progress(done: u64, total: Option<u64>, unit: &str, message: &str) -> String {
    let amount = match total {
        Some(total) => format!("{}/{} {}", human::count(done), human::count(total), one_line(unit)),
        None => format!("{} {}", human::count(done), one_line(unit)),
    };
    let message = one_line(message);
    if message.is_empty() { amount } else { format!("{message}, {amount}") }
}

/// Seconds as people write them; nonsense counts as none.
pub(super) fn time(seconds: f64) -> String {
    human::duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The text on one line: its own line ends are blanks, and what could move the cursor or hide something is written out.
pub(super) fn one_line(text: &str) -> String {
    visible::line(&text.trim_end().replace(['\n', '\t'], " ")).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::StageName;
    use crate::key::Digest;
    use crate::sched::events::Event;
    use crate::util::RelPath;
    use std::collections::BTreeMap;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    /// A writer whose text can be read by the test.
    #[derive(Clone, Default, Debug)]
    pub(in crate::console) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(in crate::console) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(in crate::console) fn name(stage: &str) -> StageName {
        StageName(stage.to_owned())
    }

    pub(in crate::console) fn step(stage: &str, done: u64) -> Event {
        let (unit, message) = ("folds".to_owned(), "tuning gbdt".to_owned());
        Event::StageProgress { stage: name(stage), done, total: Some(5), unit, message }
    }

    fn end(stage: &str, outcome: Outcome, seconds: f64, detail: &str) -> Event {
        Event::StageFinished { stage: name(stage), outcome, seconds, detail: detail.to_owned() }
    }

    /// A run in which everything happens.
    /// Digests of files, each of its own path.
    fn record(paths: &[&str]) -> BTreeMap<RelPath, Digest> {
        let digest = |path: &&str| (RelPath::parse(path).expect("a path"), Digest::of(path.as_bytes()));
        paths.iter().map(digest).collect()
    }

    pub(in crate::console) fn run() -> Vec<Event> {
        let reasons = ["dependency data/raw.csv has changed", "parameter seed added"].map(str::to_owned).to_vec();
        vec![
            Event::RunStarted { stages: 5, jobs: 2 },
            Event::Waiting { holder: "process 4711 (clinpipe repro)".to_owned() },
            end("generate", Outcome::Fresh, 0.001, ""),
            Event::StageStarted { stage: name("ingest"), reasons, attempt: 1 },
            Event::StageRecorded {
                stage: name("ingest"),
                inputs: record(&["data/raw.csv"]),
                outputs: record(&["artifacts/table.parquet", "artifacts/report.json"]),
            },
            end("ingest", Outcome::Ran, 1.24, ""),
            end("split", Outcome::Restored, 0.02, ""),
            Event::StageStarted { stage: name("train"), reasons: vec!["never run".to_owned()], attempt: 2 },
            step("train", 1),
            step("train", 2),
            Event::Note { stage: Some(name("train")), message: "artifacts/x was edited;\nsaved".to_owned() },
            end("train", Outcome::Failed, 185.0, "`python train.py` exited with code 1\n  | Traceback"),
            end("evaluate", Outcome::Skipped, 0.0, ""),
            Event::RunFinished { seconds: 187.0 },
        ]
    }

    #[test]
    fn stage_text_cannot_move_the_cursor() {
        assert_eq!(progress(1, None, "ro\rws", "a\x1b[2Jb\n"), r"a\u{1b}[2Jb, 1 ro\rws");
        assert_eq!(progress(1000, Some(25_000), "rows", ""), "1,000/25,000 rows");
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        assert_eq!(outcome(Style { color: true, verbose: false }, Outcome::Failed), "\x1b[31mfailed\x1b[0m");
        assert_eq!(outcome(Style::default(), Outcome::Failed), "failed");
    }

    #[test]
    fn nonsense_seconds_do_no_harm() {
        assert_eq!([time(f64::NAN), time(-1.0), time(f64::INFINITY)], ["0.00s", "0.00s", "0.00s"]);
    }
}
