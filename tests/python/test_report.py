"""report.html in a real browser: it complains of nothing, asks nobody for anything, fits a phone, and can be read in
the dark and on paper."""

import base64

import html5lib
import pytest

from browser import Browser
from conftest import clinpipe
from looks import CONTRAST, WIDE

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
