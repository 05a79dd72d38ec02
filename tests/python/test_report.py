"""report.html in a real browser: it complains of nothing, asks nobody for anything, fits a phone, and can be read in
the dark and on paper."""

import base64

import html5lib
import pytest

from browser import Browser
from conftest import clinpipe

# Every text, with its contrast to what lies behind it (WCAG 2: 4.5 for letters of this size, 3 for large ones).
CONTRAST = """
(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const part = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length && (colour.length < 4 || colour[3] > 0)) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || ['title', 'desc', 'STYLE'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const colour = parse(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(colour), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push([element.tagName, element.textContent.trim().slice(0, 40), ratio]);
  }
  return faint;
})()
"""

# What reaches beyond the window although nothing above it scrolls.
WIDE = """
[...document.querySelectorAll('body *')].filter(element => {
  if (element.closest('.wide') && !element.matches('.wide')) return false;
  return !(element instanceof SVGElement && element.tagName !== 'svg') && element.getBoundingClientRect().right > innerWidth + 0.5;
}).map(element => element.tagName + '.' + element.className)
"""


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module", params=["dropout", "stroke"])
def report(request, tmp_path_factory):
    study = tmp_path_factory.mktemp(request.param) / "study"
    clinpipe("init", study, "--study", request.param)
    clinpipe("-C", study, "repro", "-q", "report", "--set", "generate.n=2000", "--set", "train.models=[logistic]")
    return study / "artifacts/report.html"


def test_it_is_valid_html(report):
    html5lib.HTMLParser(strict=True).parse(report.read_text())


def test_it_complains_of_nothing_and_asks_nobody(browser, report):
    browser.screen(1280)
    browser.open(report)
    assert browser.complaints() == []
    assert browser.requests() == [report.resolve().as_uri()]
    assert browser.run("document.scripts.length") == 0
    pictures = browser.run("[...document.querySelectorAll('svg')].map(svg => [svg.getAttribute('aria-label'), svg.querySelector('desc')?.textContent])")
    assert len(pictures) >= 5 and all(name and about for name, about in pictures), pictures
    headings = browser.run("[...document.querySelectorAll('h2')].map(heading => heading.textContent)")
    assert headings.index("Calibration") < headings.index("Decision curve") < headings.index("Ranking")


def test_it_fits_a_phone(browser, report):
    browser.screen(390, 844)
    browser.open(report)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run(WIDE) == []
    smallest = browser.run("Math.min(...[...document.querySelectorAll('svg text')].map(text => text.getBoundingClientRect().height))")
    assert smallest >= 9, "letters of a picture are too small to read"


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out(browser, report, dark):
    browser.screen(1280, dark=dark)
    browser.open(report)
    assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") == dark
    assert browser.run(CONTRAST) == []


def test_paper_is_white_and_nothing_is_cut_off(browser, report):
    browser.screen(720, dark=True, media="print")
    browser.open(report)
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run(CONTRAST) == []
    paper = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
    assert paper.startswith(b"%PDF") and paper.count(b"/Type /Page\n") + paper.count(b"/Type/Page") >= 3
