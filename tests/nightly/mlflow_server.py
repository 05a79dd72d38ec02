"""Sends a bundle to a real MLflow server, loads the registered model in Python, and compares its numbers with clinpipe's."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd

CLINPIPE = os.environ["CLINPIPE"]


def clinpipe(*args, code=0, **environment):
    run = subprocess.run([CLINPIPE, *map(str, args)], capture_output=True, text=True, env=os.environ | environment)
    assert run.returncode == code, f"{args}: {run.returncode}\n{run.stdout}{run.stderr}"
    return run


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(directory, port):
    """A server that keeps everything in `directory`."""
    command = [
        "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1",
        "--backend-store-uri", f"sqlite:///{directory}/mlflow.db", "--artifacts-destination", directory / "artifacts",
    ]
    log = open(directory / "server.log", "w")
    process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, cwd=directory)
    for _ in range(240):
        assert process.poll() is None, (directory / "server.log").read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
            return process
        except OSError:
            time.sleep(0.5)
    raise AssertionError((directory / "server.log").read_text())


def numbers(tree, path=""):
    """Every number of a metrics file by its dotted path."""
    if isinstance(tree, (dict, list)):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {key: value for name, inner in items for key, value in numbers(inner, f"{path}.{name}" if path else str(name)).items()}
    return {path: tree} if isinstance(tree, (int, float)) and not isinstance(tree, bool) else {}


def check(directory, uri):
    import mlflow

    study = directory / "study"
    clinpipe("init", study, "--study", "stroke")
    clinpipe("-C", study, "repro", "-q", "--set", "generate.n=2000", "--set", "train.models=[gbdt]")
    send = ["-C", study, "export", "mlflow", "--tracking-uri", uri, "--experiment", "stroke", "--model", "risk", "--json"]
    first = json.loads(clinpipe(*send, "--alias", "champion").stdout)
    print(f"sent: {first}")

    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    run = client.get_run(first["run_id"])
    assert run.info.status == "FINISHED"
    expected = numbers(json.loads((study / "artifacts/metrics.json").read_text()))
    assert run.data.metrics == expected, set(run.data.metrics) ^ set(expected)
    assert run.data.params["generate.n"] == "2000" and run.data.params["train.models"] == '["gbdt"]'
    print(f"logged: {len(run.data.metrics)} metrics, {len(run.data.params)} parameters, tags {sorted(run.data.tags)}")
    version = client.get_model_version_by_alias("risk", "champion")
    assert (version.version, version.run_id, version.status) == (first["version"], first["run_id"], "READY")

    again = json.loads(clinpipe(*send, "--alias", "challenger").stdout)
    assert again == first | {"alias": "challenger", "known": True}, again
    assert len(client.search_model_versions("name='risk'")) == 1
    print("sent again: same run, same version")

    raw = pd.read_csv(study / "data/synthetic.csv")
    scores = study / "scores.csv"
    clinpipe("predict", study / "data/synthetic.csv", "--bundle", study / "artifacts/bundle", "-o", scores)
    scores = pd.read_csv(scores)
    model = mlflow.pyfunc.load_model("models:/risk@champion")
    answer = model.predict(raw)
    for name in ("p_raw", "p"):
        assert np.array_equal(answer[name].to_numpy(), scores[name].to_numpy()), name
    assert np.array_equal(answer["flagged"].to_numpy(), scores["flagged"].to_numpy() == 1)
    print(f"loaded models:/risk@champion: {len(answer)} rows, every p and p_raw has the bits of `clinpipe predict`")

    refused = clinpipe("-C", study, "export", "mlflow", "--tracking-uri", uri.replace("127.0.0.1", hostname()), code=4).stderr
    assert "403" in refused and "--allowed-hosts" in refused, refused
    told = [line for line in refused.splitlines() if line.startswith(("error:", "help:"))]
    print("asked by another name:", *told, sep="\n  ")


def hostname():
    """A name of this machine that the server was not told of."""
    for name in (socket.gethostname(), "localhost.localdomain", "ip6-localhost"):
        try:
            if socket.gethostbyname(name).startswith("127."):
                return name
        except OSError:
            continue
    return "localhost.example"


def main():
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        port = free_port()
        server = start(directory, port)
        try:
            check(directory, f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(timeout=60)
    print("all of it holds")


if __name__ == "__main__":
    sys.exit(main())
