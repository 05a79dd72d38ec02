//! Where every number comes from and how to prove it, and what the report cannot say.

use super::sources::{Performance, Sources};
use super::words::{count, rows_and_events};
use crate::common::html::{Column, Html, Table};

/// Events below which every estimate is shaky (Collins et al. 2016: at least 100 events to validate a model).
const FEW_EVENTS: u64 = 100;

/// Digests of everything that the report was made of, and the commands that check them.
pub(super) fn reproducibility(sources: &Sources, seed: u64) -> Html {
    let mut facts = vec![("Seed".to_owned(), Html::text(seed.to_string()))];
    if let Some(bundle) = &sources.bundle {
        let data = &bundle.data;
        facts.push(("clinpipe".to_owned(), bundle.clinpipe.as_str().into()));
        facts.push((
            "Raw data".to_owned(),
            Html::text(format!("{}, {}, BLAKE3 ", data.source, data.file)).and(Html::code(&data.blake3)),
        ));
        let rows = rows_and_events(bundle.training.rows.n as u64, bundle.training.events);
        let rows =
            Html::text(format!("{rows}, BLAKE3 of their row ids ")).and(Html::code(&bundle.training.rows.row_ids));
        facts.push(("Training rows".to_owned(), rows));
    }
    if let Some(bundle) = sources.digest("bundle") {
        facts.push(("Bundle".to_owned(), Html::text("BLAKE3 of bundle.json ").and(Html::code(&bundle.blake3))));
    }
    let mut files = Table::new("The files that this report was made of", ["File", "BLAKE3"].map(Column::text));
    for digest in sources.digests.values() {
        files.push([Html::code(&digest.name).into(), Html::code(&digest.blake3).into()]);
    }
    let command = |command: &str, does: &str| Html::code(command).and(" ").and(does);
    let commands = Html::list([
        command("clinpipe verify", "runs every stage again in an empty place and compares every byte."),
        command("clinpipe lineage artifacts/report.html", "walks back to the digest of the raw data."),
        command(
            "clinpipe audit show",
            "tells how often the test part was looked at, by how many models. That number is not in this file: \
             it would change without a change of what is reported.",
        ),
    ]);
    Html::definitions(facts).and(files).and(Html::paragraph("To check it:")).and(commands)
}

/// What these numbers cannot say, as far as the files tell.
pub(super) fn limits(sources: &Sources) -> Vec<String> {
    let mut limits = Vec::new();
    let performance = &sources.performance;
    if performance.data() == "synthetic" {
        limits.push("The data are synthetic: no number here is evidence about patients.".to_owned());
    }
    let (_, events, _) = performance.size();
    if let Some(events) = events.filter(|events| *events < FEW_EVENTS) {
        limits.push(format!(
            "The test part has {} events, below the {FEW_EVENTS} that are commonly asked for: every estimate is uncertain.",
            count(events)
        ));
    }
    limits.push(
        "The test part comes from the same source as the training part: performance elsewhere, or later, is not shown."
            .to_owned(),
    );
    limits.push(
        "Intervals show the uncertainty of the test rows for this one fitted model, not how another sample of training \
         rows would have changed it."
            .to_owned(),
    );
    limits.push(NOT_CAUSAL.to_owned());
    if let Performance::Events(metrics) = performance
        && [metrics.verdict.beats_flag_all, metrics.verdict.beats_flag_none].contains(&Some(false))
    {
        limits.push(
            "At the frozen threshold the model does not improve on treating everyone alike, by the declared costs."
                .to_owned(),
        );
    }
    if sources.cv.is_none() {
        limits.push("How candidates were compared is not part of this report.".to_owned());
    }
    limits
}

/// What a prediction is not.
pub(super) const NOT_CAUSAL: &str = "The model predicts; it does not explain. Its contributions and risks are not causal: they do not say what would \
     happen to a patient if a value, or the treatment, were changed.";
