"""docs/examples/client.html in a real browser: a page of an allowed origin asks with its key and reads answers and
errors; the same page from elsewhere reads nothing."""

import functools
import http.server
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from browser import Browser
from conftest import clinpipe

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
KEY = "a-key-for-this-test-alone"
PATIENT = {
    "gender": "Female", "age": 61, "hypertension": 0, "heart_disease": 0, "ever_married": "Yes", "work_type": "Private",
    "Residence_type": "Rural", "avg_glucose_level": 202.21, "bmi": 28.1, "smoking_status": "never smoked",
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def pages():
    """Two origins with the same page."""
    handler = functools.partial(Quiet, directory=EXAMPLES)
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"http://localhost:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="module")
def service(pages, tmp_path_factory):
    study = tmp_path_factory.mktemp("client") / "study"
    clinpipe("init", study, "--study", "stroke")
    clinpipe("-C", study, "repro", "bundle", "-q", "--set", "train.models=[logistic]")
    env = {**os.environ, "CLINPIPE_API_KEY": KEY, "CLINPIPE_ALLOWED_ORIGINS": pages[0]}
    command = [os.environ["CLINPIPE"], "-C", study, "-q", "serve", "--port", "0"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        started = json.loads(process.stderr.readline())
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield started["address"]
        process.terminate()
        assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


def ask(browser, page, service, key, record):
    """What the page shows after its form was filled in and sent."""
    browser.events.clear()
    browser.call("Page.navigate", url=f"{page}/client.html")
    while not any(event.get("method") == "Page.loadEventFired" for event in browser.events):
        browser.events.append(json.loads(browser.socket.recv()))
    fields = {"service": service, "key": key, "record": json.dumps(record)}
    for name, value in fields.items():
        browser.run(f"document.querySelector('[name={name}]').value = {json.dumps(value)}")
    # The status is written once, when the answer or its failure is there.
    return browser.run("""
        new Promise(done => {
          const status = document.querySelector('[role=status]');
          new MutationObserver(() => done(status.textContent)).observe(status, {childList: true});
          document.querySelector('button').click();
        })
    """)


def test_a_page_of_an_allowed_origin_reads_answers_and_errors(browser, pages, service):
    answer = json.loads(ask(browser, pages[0], service, KEY, PATIENT))
    assert 0 <= answer["probability_stroke"] <= 1, answer
    refused = ask(browser, pages[0], service, KEY, {**PATIENT, "age": "old"})
    assert "age: " in refused and "request " in refused, refused
    assert "not valid" in ask(browser, pages[0], service, "another-key-altogether", PATIENT)
    assert "x-api-key is missing" in ask(browser, pages[0], service, "", PATIENT)


def test_a_page_from_elsewhere_reads_nothing(browser, pages, service):
    shown = ask(browser, pages[1], service, KEY, PATIENT)
    assert "fetch" in shown and "probability" not in shown, shown
