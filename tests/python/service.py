"""Services of the studies, each started once: trained on few rows with a candidate that takes no time."""

import json
import os
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

from conftest import clinpipe

# The template, the params in place of its own, and settings.
STUDIES = {
    "dropout": ("dropout", None, ["generate.n=2000", "train.models=[logistic]"]),
    "trial": ("dropout", "variants/trial.yaml", ["generate.n=2000", "train.models=[logistic]"]),
    "stroke": ("stroke", None, ["generate.n=2000", "train.models=[gbdt]"]),
    "outcome": ("outcome", None, ["generate.n=2000", "train.models=[ridge]"]),
    "patient-year": ("patient-year", None, ["generate.n=600", "train.models=[logistic]"]),
}


def train(study, directory, target="bundle"):
    """Runs a study as far as `target`."""
    template, params, settings = STUDIES[study]
    clinpipe("init", directory, "--study", template)
    if params:
        (directory / "params.yaml").write_text((directory / params).read_text())
    clinpipe("-C", directory, "repro", "-q", *([target] if target else []), *[part for one in settings for part in ("--set", one)])
    return directory


class Service:
    """A running service. What it writes to its log is kept."""

    def __init__(self, directory, key=None, args=()):
        environment = {name: value for name, value in os.environ.items() if name != "CLINPIPE_API_KEY"}
        if key:
            environment["CLINPIPE_API_KEY"] = key
        command = [os.environ["CLINPIPE"], "-C", str(directory), "-q", "serve", "--port", "0", *args]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.log = [self.process.stderr.readline()]
        self.address = json.loads(self.log[0])["address"]
        self.key = key
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def ask(self, path, body=None, **headers):
        """Status, content type and bytes; a body is sent as it is, or as JSON."""
        if body is not None and not isinstance(body, bytes):
            body, headers["content-type"] = json.dumps(body).encode(), "application/json"
        if self.key:
            headers["x-api-key"] = self.key
        request = urllib.request.Request(self.address + path, data=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.headers["content-type"], answer.read()

    def json(self, path, body=None):
        """The JSON of a success."""
        status, _, text = self.ask(path, body)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0
        self.reader.join()


class Services:
    """Trains and starts what is asked for, once."""

    def __init__(self, directory):
        self.directory, self.trained, self.running = Path(directory), {}, {}

    def study(self, name, target="bundle"):
        if (name, target) not in self.trained:
            self.trained[name, target] = train(name, self.directory / f"{name}-{target}", target)
        return self.trained[name, target]

    def __call__(self, name, key=None, target="bundle"):
        if (name, key, target) not in self.running:
            self.running[name, key, target] = Service(self.study(name, target), key)
        return self.running[name, key, target]

    def stop(self):
        for service in self.running.values():
            service.stop()
