use super::*;
use crate::common::interval::Estimate;

fn plot() -> Plot {
    Plot::new("A <title>", "What & why", Axis::new("x", 0.0, 1.0), Axis::new("y", -0.1, 0.5))
        .named("model", Tone::First, Mark::Line(vec![(0.0, 0.4), (0.5, 0.1), (1.0, -3.0)]))
        .mark(Tone::First, Mark::Band(vec![(0.0, 0.3, 0.45), (0.5, 0.0, 0.2), (1.0, -4.0, -2.0)]))
        .named("observed <b>", Tone::Second, Mark::Points(vec![(0.2, 0.3, Some((0.2, 0.9))), (0.3, f64::NAN, None)]))
        .mark(Tone::Quiet, Mark::At(0.25))
        .mark(Tone::Third, Mark::Bars(vec![(0.0, 0.1, 0.2)]))
        .mark(Tone::Fourth, Mark::Outline(vec![(0.0, 0.1, 0.2), (0.1, 0.2, 0.3)]))
}

#[test]
fn a_drawing_says_what_it_shows_and_holds_no_foreign_markup() {
    let html = plot().draw().expect("drawn");
    let text = html.as_str();
    assert!(text.starts_with("<svg viewBox=\"0 0 1000 "), "{text}");
    assert!(text.contains("<title>A &lt;title&gt;</title>\n<desc>What &amp; why</desc>"));
    assert!(text.contains("observed &lt;b&gt;") && text.trim_end().ends_with("</svg>"));
    assert_eq!(html, plot().draw().expect("drawn again"));
}

#[test]
fn every_colour_is_one_that_the_style_sheet_knows() {
    let sheet = include_str!("../html/style.css");
    let rows = vec![ForestRow { name: "a".into(), estimate: Estimate::new(0.7, (0.6, 0.8), "w"), heading: false }];
    let forest = Forest { title: "t".into(), description: "d".into(), label: "l".into(), reference: Some(0.5), rows };
    let step = Step { name: "read".into(), count: "10 rows".into(), left: Some("2 dropped".into()) };
    let flow = Flow { title: "t".into(), steps: vec![step.clone()], parts: vec![step.clone(), step] };
    for html in [plot().draw(), forest.draw(), flow.draw()] {
        let html = html.expect("drawn");
        for piece in html.as_str().split('#').skip(1) {
            let colour = &piece[..6];
            assert!(sheet.contains(&format!("\"#{colour}\"")), "{colour} is not in the style sheet");
        }
    }
}

#[test]
fn lines_end_where_they_leave_the_plot() {
    let picture = plot();
    let text = picture.draw().expect("drawn");
    // y runs from 24 + a line of legend to 602 + that; nothing of a line may lie below.
    let polyline =
        text.as_str().lines().find(|line| line.starts_with("<polyline") && line.contains("stroke-width=\"6\""));
    let points = polyline.and_then(|line| line.split("points=\"").nth(1)).expect("a line");
    let lowest = points.split_whitespace().filter_map(|point| point.split(',').nth(1)?.parse::<i32>().ok()).max();
    assert!(lowest.expect("points") <= 720 + 24 + 52 - 118, "{points}");
}

#[test]
fn what_cannot_be_drawn_is_left_out() {
    let nothing = || Axis::around("x", [f64::NAN, f64::INFINITY].into_iter());
    let marks = [
        Mark::Line(vec![]),
        Mark::Line(vec![(f64::NAN, 0.5), (0.5, f64::INFINITY)]),
        Mark::Band(vec![(0.5, f64::NAN, 1.0)]),
        Mark::Points(vec![(0.5, 0.5, Some((f64::NAN, 1.0)))]),
        Mark::Bars(vec![]),
        Mark::At(f64::NAN),
    ];
    let empty = Plot::new("", "", nothing(), nothing());
    let html = marks.into_iter().fold(empty, |plot, mark| plot.mark(Tone::First, mark)).draw().expect("drawn");
    assert!(!html.as_str().contains("NaN"));
    let undefined = ForestRow { name: "x".into(), estimate: Estimate::undefined("none"), heading: false };
    let nameless =
        |rows| Forest { title: String::new(), description: String::new(), label: String::new(), reference: None, rows };
    let forest = nameless(vec![undefined]);
    assert!(forest.draw().expect("drawn").as_str().contains("not estimated"));
}

#[test]
fn labels_have_the_digits_they_need() {
    assert_eq!(
        [significant(0.123_456), significant(12.345), significant(1234.5), significant(0.0)],
        ["0.123", "12.3", "1234", "0"]
    );
    assert_eq!([tick(0.5, 2.0), tick(-0.0, 2.0), tick(0.05, 0.1), tick(200.0, 900.0)], ["0.5", "0.0", "0.05", "200"]);
    assert_eq!(cut(&"x".repeat(40), 32).chars().count(), 32);
}
