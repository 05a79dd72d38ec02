use super::table::fixed;
use super::*;

#[test]
fn nothing_from_data_becomes_markup() {
    let nasty = "<script>alert(\"1\")</script>&'\u{0}\u{1b}";
    let table = Table::new(nasty, [Column::text(nasty), Column::number(nasty)])
        .row([Cell::from(nasty), Cell::bar(f64::NAN, nasty)]);
    let page = Page::new(nasty, nasty)
        .lead(Html::note(Tone::Bad, nasty))
        .section(nasty, nasty, Html::definitions([(nasty.to_owned(), nasty.into())]).and(table))
        .section("x", "x", Html::list([nasty.into()]).and(Html::details(nasty, nasty)))
        .section("y", "y", Html::figure(Html::image("image/svg+xml", nasty.as_bytes(), nasty), nasty, None))
        .render();
    assert!(!page.contains("<script") && !page.contains('\u{0}') && !page.contains('\u{1b}'), "{page}");
    assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\u{fffd}\u{fffd}"));
}

#[test]
fn a_page_is_closed_off_and_lists_its_sections() {
    let page = ["One", "Two", "Three"]
        .iter()
        .fold(Page::new("T", "s"), |page, name| page.section(name, *name, Html::paragraph("text")))
        .section("empty", "Empty", Html::new())
        .render();
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    assert!(page.contains("<a href=\"#two\">Two</a>") && page.contains("<section id=\"two\""));
    assert!(!page.contains("Empty"));
    let elsewhere = ["http:", "https:", "//", "url(", "@import", "<link", "<script"];
    let found: Vec<&&str> = elsewhere.iter().filter(|text| page.contains(**text)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_table_has_a_heading_on_every_row_and_keeps_its_width() {
    let table = Table::new("c", [Column::text("a"), Column::number("b"), Column::number("c")])
        .row(["x".into(), Cell::fixed(Some(-1234.567), 1, ""), Cell::fixed(Some(f64::NAN), 2, "one class only")])
        .row(["y".into()]);
    let html = Html::from(table);
    assert!(html.as_str().contains("<th scope=\"row\">x</th><td class=\"number\">−1,234.6</td>"), "{}", html.as_str());
    assert!(html.as_str().contains("<td class=\"number none\">one class only</td>"));
    assert!(html.as_str().contains("<th scope=\"row\">y</th><td class=\"number\"></td><td class=\"number\"></td>"));
}

#[test]
fn numbers_read_as_numbers() {
    assert_eq!(
        [fixed(0.125, 2), fixed(-0.001, 2), fixed(1_234_567.0, 0), fixed(-999.95, 1), fixed(0.5, 0)],
        ["0.12", "0.00", "1,234,567", "−1,000.0", "0"]
    );
}
