"""The page of a running service in a real browser, used as a person would: by mouse and keyboard, on a wide screen and on
a phone, in the light and in the dark. What it shows must be what the service answers, and it may ask nobody else."""

import csv
import io
import json
import os
import time

import html5lib
import pytest

from browser import Browser
from conftest import clinpipe
from looks import CONTRAST, NAMELESS, WIDE
from service import STUDIES, Service

VOLUNTEER = {
    "age": "71", "days_in_trial": "120", "visits_completed": "1", "last_visit_day": "33", "adverse_events": "4",
}
LEVELS = {"treatment_group": "Placebo", "trial_phase": "Phase III"}
RECORD = {**{name: int(text) for name, text in VOLUNTEER.items()}, **LEVELS}
TABLE = """patient_id,age,gender,treatment_group,trial_phase,days_in_trial,visits_completed,last_visit_day,adverse_events
P-0001,71,Female,Placebo,Phase III,120,1,33,4
P-0002,171,Female,Placebo,Phase III,120,1,33,4
P-0003,30,Male,Active,Phase I,60,3,55,0
"""


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, services):
    """The page of the dropout study with all its papers, as it opens; nothing may go wrong in it, and nobody else may
    be asked."""
    service = services("dropout", target="")
    browser.screen(1200)
    browser.visit(service.address + "/")
    browser.until("document.querySelector('#fields input')", "the form")
    yield browser, service
    assert quiet(browser) == []
    strangers = [url for url in browser.requests() if not url.startswith((service.address, "blob:"))]
    assert strangers == []


def quiet(browser):
    """What went wrong, but for refusals of the service, which the browser reports as well."""
    refusals = ("401", "403", "404", "422")
    texts = [one.get("entry", {}).get("text", str(one)) for one in browser.complaints()]
    return [text for text in texts if not ("Failed to load resource" in text and any(code in text for code in refusals))]


def fill(browser):
    for name, text in VOLUNTEER.items():
        browser.type(f"#field-{name}", text)
    for name, level in LEVELS.items():
        browser.choose(f"#field-{name}", level)


def predict(browser):
    browser.click("#predict")
    browser.until("document.querySelector('#answer .level')", "the answer")
    browser.until("document.querySelector('#what-if-curve svg')", "the curve")


def percent(p):
    return f"{p * 100:.1f} %"


def test_a_prediction_is_shown_with_its_reasons(page):
    browser, service = page
    fill(browser)
    predict(browser)
    answer = service.json("/predict?answer=full", RECORD)
    shown = browser.run("document.querySelector('#answer').innerText")
    for text in [answer["risk_level"], percent(answer["probability"]), answer["model_version"]]:
        assert text in shown, shown
    assert browser.run("document.querySelector('#answer').getAttribute('aria-live')") == "polite"
    assert browser.run("document.querySelectorAll('#answer svg .mark').length") == 1

    explained = service.json("/explain?answer=full", RECORD)["explanations"][0]
    rows = browser.run("[...document.querySelectorAll('#reasons tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    contributions = explained["contributions"]
    assert len(rows) == min(len(contributions), 11)
    for row, one in zip(rows, contributions[:10]):
        assert float(row[2].replace("−", "-")) == pytest.approx(one["contribution"], rel=0.01, abs=1e-4), (row, one)
        assert row[3] == ("raises" if one["contribution"] > 0 else "lowers" if one["contribution"] < 0 else "none")
    bars = browser.run("document.querySelectorAll('.waterfall rect').length")
    assert bars == len(rows)
    # The last bar ends where the record's own mark is.
    ends = browser.run("(() => { const s = document.querySelectorAll('.waterfall .step'); return [s[s.length - 1].x1.baseVal.value, document.querySelectorAll('.waterfall .mark')[1].cx.baseVal.value] })()")
    assert ends[0] == pytest.approx(ends[1], abs=0.5)


def test_what_is_refused_is_said_at_its_field(page):
    browser, _ = page
    fill(browser)
    browser.type("#field-age", "171")
    browser.type("#field-visits_completed", "many")
    browser.choose("#field-trial_phase", "Choose …")
    browser.click("#predict")
    browser.until("document.querySelector('[aria-invalid=true]')", "the refusal")
    invalid = browser.run("[...document.querySelectorAll('[aria-invalid=true]')].map(input => input.name)")
    assert invalid == ["age", "trial_phase", "visits_completed"]
    assert browser.run("document.activeElement.name") == "age"
    told = browser.run("document.activeElement.getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id).textContent).join(' ')")
    assert "18" in told and "85" in told and "171" in told
    assert browser.run("document.querySelector('#problems').innerText").count("\n") >= 3
    assert browser.run("document.querySelectorAll('#answer .level').length") == 0, "no number stands beside a refusal"
    browser.type("#field-age", "71")
    browser.type("#field-visits_completed", "1")
    browser.choose("#field-trial_phase", "Phase III")
    predict(browser)
    assert browser.run("document.querySelectorAll('[aria-invalid=true], #problems:not([hidden])').length") == 0


def test_the_slider_shows_predictions_for_other_values(page):
    browser, service = page
    fill(browser)
    predict(browser)
    browser.choose("#what-if-field", "Age")
    browser.until("document.querySelector('#what-if-told').textContent.startsWith('Age 71')", "the record's own age")
    browser.click("#what-if-field")
    browser.press("Escape")
    browser.run("document.querySelector('#what-if-slider').focus()")
    before = browser.run("document.querySelector('#what-if-curve .mark').cx.baseVal.value")
    for _ in range(5):
        browser.press("ArrowLeft", 37)
    told = browser.run("document.querySelector('#what-if-told').textContent")
    age = int(told.split()[1])
    assert age < 71
    answer = service.json("/predict?answer=full", {**RECORD, "age": age})
    assert percent(answer["probability"]) in told and answer["risk_level"] in told
    assert told.startswith("Age " + browser.run("document.querySelector('#what-if-slider').getAttribute('aria-valuetext')")[:5])
    assert browser.run("document.querySelector('#what-if-curve .mark').cx.baseVal.value") < before
    # Days in trial before the last visit are refused: there is a gap and a reason, and no number.
    browser.choose("#what-if-field", "Days in trial")
    browser.until("document.querySelector('#what-if-told').textContent.startsWith('Days')", "the other field")
    table = browser.run("[...document.querySelectorAll('#what-if-curve tbody tr')].map(row => row.textContent)")
    refused = [row for row in table if "%" not in row]
    assert refused and len(refused) < len(table)


def test_a_file_is_scored_shown_and_downloaded(page, tmp_path):
    browser, service = page
    file = tmp_path / "volunteers.csv"
    file.write_text(TABLE)
    browser.click("#batch-form button")
    assert "Choose a file" in browser.run("document.querySelector('#batch-status').textContent")
    browser.upload("#batch-file", file)
    browser.click("#batch-form button")
    browser.until("document.querySelector('#batch-result table')", "the results")
    assert browser.run("document.querySelector('#batch-status').textContent").startswith("3 records · 1 not scored")
    rows = browser.run("[...document.querySelectorAll('#batch-result tbody tr')].map(row => row.textContent)")
    assert len(rows) == 3 and rows[0].startswith("2") and "171" in rows[0], rows
    browser.downloads(tmp_path)
    browser.click("#download")
    got = tmp_path / "volunteers.scored.csv"
    wait(lambda: got.exists() and not list(tmp_path.glob("*.crdownload")))
    status, _, wanted = service.ask("/predict/batch?answer=full", TABLE.encode(), content_type="text/csv", accept="text/csv")
    assert (status, got.read_bytes()) == (200, wanted)
    lines = list(csv.DictReader(io.StringIO(got.read_text())))
    assert [line["id"] for line in lines] == ["P-0001", "", "P-0003"] and lines[1]["probability"] == ""

    file.write_text("patient_id,height\nP-0001,180\n")
    browser.upload("#batch-file", file)
    browser.click("#batch-form button")
    browser.until("document.querySelector('#batch-status .bad')", "the refusal")
    assert "height" in browser.run("document.querySelector('#batch-status').textContent")
    assert browser.run("document.querySelector('#batch-result').childElementCount") == 0


def wait(ready):
    for _ in range(300):
        if ready():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_the_model_and_what_speaks_against_it_are_told(page):
    browser, service = page
    info = service.json("/model/info")
    banner = browser.run("document.querySelector('#banner').innerText")
    assert "synthetic" in banner
    failed = [rule["reason"] for rule in info["verdict"]["rules"] if not rule["passed"]]
    assert failed and all(reason in banner for reason in failed), "a gate that did not pass is said at the top"
    assert info["bundle"] in browser.run("document.querySelector('#facts').textContent")
    assert "AUROC" in browser.run("document.querySelector('#metrics').textContent")
    browser.click("#card summary")
    browser.until("document.querySelector('#card-text h3')", "the card")
    assert browser.run("document.querySelectorAll('#card-text script, #card-text img').length") == 0
    assert browser.run(NAMELESS) == []


def test_the_keyboard_is_enough(page):
    browser, _ = page
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.className") == "skip"
    seen = []
    for _ in range(40):
        browser.press("Tab", 9)
        seen.append(browser.run("document.activeElement.id"))
        assert browser.run("(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' && s.outlineWidth !== '0px' })()"), seen
        if seen[-1] == "example":
            browser.press("Enter", 13, "\r")
        if seen[-1] == "predict":
            browser.press("Enter", 13, "\r")
            break
    assert seen[-1] == "predict", seen
    assert [name for name in seen if name.startswith("field-")], seen
    browser.until("document.querySelector('#answer .level')", "the answer")


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_anywhere(page, path, width, dark):
    browser, service = page
    browser.screen(width, dark=dark)
    browser.visit(service.address + path)
    if path == "/":
        browser.until("document.querySelector('#fields input')", "the form")
        browser.click("#example")
        predict(browser)
        browser.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
        browser.until("document.querySelector('#card-text').childElementCount", "the card")
    else:
        browser.until("document.querySelector('.operation')", "the routes")
        browser.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    keep = os.environ.get("CLINPIPE_PICTURES")
    if keep:
        browser.picture(f"{keep}/{path.strip('/') or 'page'}-{width}-{'dark' if dark else 'light'}.png")
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(WIDE) == []
    assert browser.run(CONTRAST) == []
    assert browser.run(NAMELESS) == []


def test_routes_can_be_tried_from_their_description(page):
    browser, service = page
    browser.visit(service.address + "/docs")
    browser.until("document.querySelector('.operation')", "the routes")
    assert browser.run("document.querySelectorAll('.operation').length") == len(service.json("/openapi.json")["paths"])
    browser.click("#route-predict summary")
    browser.click("#route-predict .try button")
    browser.until("document.querySelector('#route-predict .try pre')", "an answer")
    shown = browser.run("[...document.querySelectorAll('#route-predict .try [role=status] p, #route-predict .try pre')].map(one => one.textContent)")
    assert shown[0].startswith("200") and set(json.loads(shown[1])) == set(service.json("/predict", RECORD))
    assert browser.run("document.querySelector('#key-form').hidden"), "no key is asked for where none is needed"


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_gets_its_page(browser, services, study):
    """The page knows no study: each one's typical record is predicted and explained."""
    service = services(study)
    browser.screen(1200)
    browser.visit(service.address + "/")
    browser.until("document.querySelector('#fields input')", "the form")
    browser.click("#example")
    predict(browser)
    assert browser.run("document.querySelectorAll('#answer svg').length") == 1
    assert len(browser.run("[...document.querySelectorAll('#reasons tbody tr')].map(row => row.textContent)")) >= 5
    assert quiet(browser) == [] and browser.run(NAMELESS) == []
    keep = os.environ.get("CLINPIPE_PICTURES")
    if keep:
        browser.picture(f"{keep}/study-{study}.png")


def test_the_past_of_a_patient_counts(browser, services):
    service = services("patient-year")
    browser.screen(1200)
    browser.visit(service.address + "/")
    browser.until("document.querySelector('#fields input')", "the form")
    browser.click("#example")
    browser.click("#history summary")
    for _ in range(2):
        browser.click("#history-add")
    assert browser.run("document.querySelectorAll('#history-table thead th').length") == 3
    year = int(browser.run("document.querySelector('#field-year').value"))
    assert [browser.run(f"document.querySelector('#history-{row}-year').value") for row in [1, 2]] == [str(year - 1), str(year - 2)]
    browser.type("#history-2-year", str(year))
    browser.type("#history-1-bmi", "22")
    browser.click("#predict")
    browser.until("document.querySelector('#history-2-year[aria-invalid=true]')", "the refusal")
    assert browser.run("document.activeElement.id") == "history-2-year"
    assert browser.run(NAMELESS) == []
    browser.type("#history-2-year", str(year - 2))
    predict(browser)
    earlier = browser.run("[...document.querySelectorAll('#reasons tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    assert earlier and quiet(browser) == []
    keep = os.environ.get("CLINPIPE_PICTURES")
    if keep:
        browser.picture(f"{keep}/history.png")


def test_a_key_is_asked_for_and_kept_nowhere(browser, services):
    service = services("dropout", key="correct horse battery")
    browser.screen(1200)
    browser.visit(service.address + "/")
    browser.until("!document.querySelector('#key-form').hidden && document.querySelector('#fields input')", "the question for the key")
    assert browser.run("document.activeElement.id") == "key"
    browser.type("#key", "wrong")
    browser.click("#key-form button")
    browser.until("document.querySelector('#key-error').textContent", "the refusal of the key")
    browser.click("#example")
    browser.click("#predict")
    browser.until("!document.querySelector('#problems').hidden", "the refusal of the record")
    browser.type("#key", "correct horse battery")
    browser.click("#key-form button")
    browser.until("document.querySelector('#key-form').hidden", "the end of the question")
    predict(browser)
    assert quiet(browser) == []
    kept = browser.run("[localStorage.length, sessionStorage.length, document.cookie, location.href.includes('horse'), document.documentElement.outerHTML.includes('horse')]")
    assert kept == [0, 0, "", False, False]
    assert not any("horse" in line for line in service.log)


def test_a_key_that_may_only_predict_gets_no_more(browser, services, tmp_path):
    made = clinpipe("serve", "key", "new", "--name", "ward-7", "--scope", "predict")
    keys = tmp_path / "keys.yaml"
    keys.write_text(next(line for line in made.stderr.splitlines() if line.startswith("- ")) + "\n")
    service = Service(services.study("dropout"), args=["--keys", str(keys)])
    browser.screen(1200)
    browser.visit(service.address + "/")
    browser.until("!document.querySelector('#key-form').hidden && document.querySelector('#fields input')", "the question for the key")
    browser.type("#key", made.stdout.strip())
    browser.click("#key-form button")
    browser.until("document.querySelector('#key-form').hidden", "the end of the question")
    assert "scope read" in browser.run("document.querySelector('#subtitle').textContent")
    browser.click("#example")
    predict(browser)
    assert browser.run("document.querySelector('#reasons').childElementCount") == 0
    assert quiet(browser) == []
    service.stop()


def test_the_pages_are_valid_html(services):
    service = services("dropout")
    for path in ["/", "/docs"]:
        html5lib.HTMLParser(strict=True).parse(service.ask(path)[2].decode())


def test_a_service_that_is_gone_is_said_to_be(browser, services):
    service = Service(services.study("dropout"))
    browser.screen(1200)
    browser.visit(service.address + "/")
    browser.until("document.querySelector('#fields input')", "the form")
    browser.click("#example")
    service.stop()
    browser.click("#predict")
    browser.until("!document.querySelector('#problems').hidden", "the failure")
    assert "cannot be reached" in browser.run("document.querySelector('#problems').textContent")
