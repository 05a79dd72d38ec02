//! Whether predicted risks mean what they say: the calibration plot with its band beside the distribution of risks, and
//! the measures.

use super::curves::Point;
use super::sources::{Performance, Sources};
use super::words::{count, estimate, p_value};
use crate::StageError;
use crate::common::figure::{Axis, Mark, Plot, Tone};
use crate::common::html::{Cell, Column, Html, Table, fixed};
use crate::common::privacy::DecisionsTold;
use crate::evaluate::Metrics;

/// The section; of a number only the plot by tenths.
pub(super) fn section(sources: &Sources) -> Result<Html, StageError> {
    match &sources.performance {
        Performance::Events(metrics) => {
            let plots = [calibration_plot(sources)?, risk_plot(sources)?];
            Ok(lead().and(Html::side_by_side(plots)).and(measures(metrics)))
        }
        Performance::Number(_) => number_plot(sources),
    }
}

fn lead() -> Html {
    Html::paragraph(
        "Calibration comes first: a risk that does not mean what it says misleads at every threshold, however well it ranks.",
    )
}

fn measures(metrics: &Metrics) -> Html {
    let calibration = &metrics.calibration;
    let mut table = Table::new(
        format!("Calibration of {} test rows with {} events", count(metrics.n), count(metrics.events)),
        [Column::text("Measure"), Column::number("Value"), Column::text("Perfect, and what it means")],
    );
    let rows = [
        ("Calibration in the large", estimate(&calibration.intercept, 3), "0; above it risks are underestimated"),
        ("Calibration slope", estimate(&calibration.slope, 3), "1; below it predictions are too extreme"),
        (
            "Observed / expected events",
            estimate(&calibration.observed_expected, 3),
            "1; above it risks are underestimated",
        ),
        ("ICI", estimate(&calibration.ici, 4), "0; mean distance of prediction and smooth observed risk"),
        ("E50", estimate(&calibration.e50, 4), "0; its median"),
        ("E90", estimate(&calibration.e90, 4), "0; its 90th percentile"),
        ("Emax", estimate(&calibration.emax, 4), "0; its largest, which one odd row can make"),
        ("Brier score", estimate(&metrics.brier, 4), "0; mean squared error of the risks"),
        ("Scaled Brier score", estimate(&metrics.scaled_brier, 4), "1; 0 is as good as the prevalence"),
        ("Log loss", estimate(&metrics.log_loss, 4), "0; in nats"),
    ];
    for (name, value, meaning) in rows {
        table.push([name.into(), value, meaning.into()]);
    }
    let spiegelhalter = &calibration.spiegelhalter;
    let test = match (spiegelhalter.z, spiegelhalter.p) {
        (Some(z), Some(p)) => Cell::new(format!("z = {}, p {}", fixed(z, 2), p_value(p))),
        _ => Cell::missing(spiegelhalter.reason.as_deref().unwrap_or("not estimable")),
    };
    table.push(["Spiegelhalter's test".into(), test, "a small p speaks against calibration".into()]);
    let clipped = match calibration.clipped {
        0 => Html::new(),
        rows => Html::paragraph(format!(
            "{} risks of exactly 0 or 1 were moved by 1e-8 for the measures that need a logit.",
            count(rows as u64)
        )),
    };
    Html::from(table).and(clipped)
}

/// Numbers of the groups by prediction.
fn tenths(groups: &[Point], unit: &str) -> Table {
    let columns = [
        Column::text("Group"),
        Column::number("Rows"),
        Column::number(format!("Mean {unit}")),
        Column::number("Observed"),
        Column::number("Low"),
        Column::number("High"),
    ];
    let mut table = Table::new("Rows in groups by prediction, lowest first", columns);
    for (at, point) in groups.iter().enumerate() {
        let number = |value: Option<f64>| Cell::fixed(value, 3, "");
        let n = point.n.map_or_else(|| Cell::missing("suppressed"), |n| count(n).into());
        let place = (at + 1).to_string();
        table.push([place.into(), n, number(Some(point.x)), number(point.y), number(point.low), number(point.high)]);
    }
    table
}

fn calibration_plot(sources: &Sources) -> Result<Html, StageError> {
    let (curves, groups) = (&sources.curves, sources.curves.points("calibration_groups"));
    if groups.is_empty() {
        return Ok(Html::new());
    }
    let line = curves.line("calibration");
    let ends = groups.iter().flat_map(|point| [Some(point.x), point.high]).flatten();
    let top = ends.chain(line.iter().flat_map(|at| [at.0, at.1])).fold(0.05_f64, f64::max);
    let top = (top * 1.05).min(1.0);
    let axis = |label: &str| Axis::new(label, 0.0, top);
    let description = "Observed against predicted risk; on the dashed diagonal both agree.";
    let plot = Plot::new("Calibration plot", description, axis("predicted risk"), axis("observed share of events"))
        .mark(Tone::First, Mark::Band(curves.band("calibration")))
        .named("perfect", Tone::Quiet, Mark::Line(vec![(0.0, 0.0), (top, top)]))
        .named("smooth (lowess)", Tone::First, Mark::Line(line))
        .named("groups of rows", Tone::Second, Mark::Points(curves.measured("calibration_groups")));
    let joined = match sources.privacy.decisions {
        DecisionsTold::Exact => "",
        DecisionsTold::Ranges => ", joined where they would tell of few patients",
    };
    let caption = format!(
        "Calibration. Points are tenths of the test rows{joined}, with Wilson intervals; the line is a lowess smooth."
    );
    Ok(Html::figure(plot.draw()?, caption, Some(tenths(groups, "predicted risk"))))
}

fn risk_plot(sources: &Sources) -> Result<Html, StageError> {
    let bars = |curve: &str| -> Vec<(f64, f64, f64)> {
        let points = sources.curves.points(curve);
        let width = 1.0 / points.len().max(1) as f64;
        points.iter().filter_map(|point| Some((point.x, point.x + width, point.y?))).collect()
    };
    let (with, without) = (bars("risk_with_event"), bars("risk_without_event"));
    if with.is_empty() && without.is_empty() {
        return Ok(Html::new());
    }
    let highest = with.iter().chain(&without).map(|bar| bar.2).fold(0.0, f64::max);
    let plot = Plot::new(
        "Distribution of predicted risks",
        "The share of rows with and without the event in each of twenty bins of predicted risk.",
        Axis::new("predicted risk", 0.0, 1.0),
        Axis::new("share of the class", 0.0, highest * 1.08),
    )
    .named("without the event", Tone::First, Mark::Bars(without))
    .named("with the event", Tone::Second, Mark::Outline(with));
    let mut table = Table::new(
        "Share of each class by predicted risk",
        [Column::text("From"), Column::number("Without the event"), Column::number("With the event")],
    );
    let shares = |curve: &str| sources.curves.points(curve).iter().map(|point| point.y).collect::<Vec<_>>();
    let (with, without) = (shares("risk_with_event"), shares("risk_without_event"));
    for (at, point) in sources.curves.points("risk_without_event").iter().enumerate() {
        let share = |shares: &[Option<f64>]| Cell::fixed(shares.get(at).copied().flatten(), 3, "suppressed");
        table.push([format!("{:.2}", point.x).into(), share(&without), share(&with)]);
    }
    let caption = "Predicted risks of those without (filled) and with (line) the event.";
    Ok(Html::figure(plot.draw()?, caption, Some(table)))
}

fn number_plot(sources: &Sources) -> Result<Html, StageError> {
    let groups = sources.curves.points("calibration_groups");
    if groups.is_empty() {
        return Ok(Html::new());
    }
    let places = || groups.iter().flat_map(|point| [Some(point.x), point.y, point.low, point.high]).flatten();
    let axis = |label: &str| Axis::around(label, places());
    let (low, high) = places().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let plot = Plot::new(
        "Calibration plot",
        "Mean outcome against mean prediction in tenths of the rows; on the dashed diagonal both agree.",
        axis("mean prediction"),
        axis("mean outcome"),
    )
    .named("perfect", Tone::Quiet, Mark::Line(vec![(low, low), (high, high)]))
    .named("tenths of the rows", Tone::First, Mark::Points(sources.curves.measured("calibration_groups")));
    Ok(Html::figure(plot.draw()?, "Calibration by tenths of the predictions.", Some(tenths(groups, "prediction"))))
}
