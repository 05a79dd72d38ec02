"""Small studies made by the real program, and rows that show whether another library splits as clinpipe does.

`CLINPIPE` names the program under test.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

# The template, the candidates, and lines put under `train` of its params.yaml.
STUDIES = {
    "dropout-gbdt": ("dropout", "gbdt", []),
    "stroke-gbdt": ("stroke", "gbdt", ["gbdt: {rounds: 60}"]),
    "stroke-forest": ("stroke", "forest", ["forest: {trees: 40}"]),
    "stroke-logistic": ("stroke", "logistic", []),
    "stroke-constant": ("stroke", "constant", []),
    "stroke-ensemble": (
        "stroke",
        "forest, gbdt, ensemble",
        ["one_standard_error: false", "forest: {trees: 20}", "gbdt: {rounds: 30}"],
    ),
    "stay-ridge": ("stay", "ridge", []),
    "stay-gbdt": ("stay", "gbdt", ["gbdt: {rounds: 60}"]),
    "stay-forest": ("stay", "forest", ["forest: {trees: 20}"]),
}
ROWS = 2000
HERE = Path(__file__).parent


def clinpipe(*args, check=True, **kwargs):
    """Runs the program; with `check`, a failure shows what it said."""
    run = subprocess.run([os.environ["CLINPIPE"], *map(str, args)], capture_output=True, text=True, **kwargs)
    assert not check or run.returncode == 0, f"{args}: {run.returncode}\n{run.stdout}{run.stderr}"
    return run


@dataclass
class Study:
    """A study that was run, and where its exports go."""

    directory: Path
    raw: Path
    exports: Path

    @property
    def bundle(self):
        return self.directory / "artifacts/bundle"

    def read(self, name):
        return json.loads((self.bundle / name).read_text())

    def export(self, what, output, *args):
        path = self.exports / output
        clinpipe("export", what, *args, "--bundle", self.bundle, "-o", path)
        return path

    def columns(self, path):
        return json.loads(path.with_suffix(".columns.json").read_text())

    def encode(self, *args):
        """The encoded matrix of the study's own rows, with clinpipe's margin and prediction."""
        return pd.read_parquet(self.export("matrix", "own.parquet", self.raw, *args))

    def score(self, matrix, names):
        """clinpipe's margin and prediction of rows that are encoded already."""
        rows = self.exports / "rows.parquet"
        pd.DataFrame(matrix, columns=names).to_parquet(rows)
        return pd.read_parquet(self.export("matrix", "rows.scored.parquet", rows, "--encoded"))


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """Gives a study by its key in STUDIES, run at the first call."""
    made = {}

    def study(key):
        if key not in made:
            kind, learners, settings = STUDIES[key]
            directory = tmp_path_factory.mktemp(key) / "study"
            sets = ["--set", f"train.models=[{learners}]"]
            if kind == "stay":
                shutil.copytree(HERE / "stay", directory)
                raw = Path(shutil.copy(HERE.parent / "fixtures/continuous/stay.csv", directory))
            else:
                clinpipe("init", directory, "--study", kind)
                raw = directory / "data/synthetic.csv"
                sets += ["--set", f"generate.n={ROWS}"]
            params = directory / "params.yaml"
            lines = "".join(f"\n  {line}" for line in settings)
            params.write_text(params.read_text().replace("\ntrain:", f"\ntrain:{lines}", 1))
            clinpipe("-C", directory, "repro", "-q", "bundle", *sets)
            made[key] = Study(directory, raw, tmp_path_factory.mktemp(f"{key}-exports"))
        return made[key]

    return study


def model_of(bundle_file):
    """The fitted model in model.json, of a bundle with one member or of an older format."""
    member = bundle_file["members"][0] if "members" in bundle_file else bundle_file
    (model,) = member["model"].values()
    return model


def hard_rows(study, matrix, single, per_split=1, limit=6000):
    """Rows at every threshold and one step on each side, with missing values and with codes never seen.

    `single`: steps of 32-bit floats only; otherwise also those of doubles.
    """
    rng = np.random.default_rng(7)
    splits = set()
    codes = set()
    for tree in model_of(study.read("model.json"))["trees"]:
        sets = {node for node, _ in tree.get("categories", [])}
        for node, feature in enumerate(tree["feature"]):
            if feature >= 0 and node in sets:
                codes.add(feature)
            elif feature >= 0:
                splits.add((feature, tree["threshold"][node]))
    splits = sorted(splits)
    if len(splits) > limit:
        splits = [splits[i] for i in sorted(rng.choice(len(splits), limit, replace=False))]
    rows = []
    for feature, threshold in splits:
        near = np.float32(threshold)
        with np.errstate(over="ignore"):
            beside = [float(np.nextafter(near, np.float32(end))) for end in (-np.inf, np.inf)]
        if not single:
            beside += [np.nextafter(threshold, -np.inf), np.nextafter(threshold, np.inf)]
        # No encoded value is infinite; XGBoost refuses such rows.
        for value in filter(np.isfinite, [threshold, *beside]):
            row = matrix[rng.integers(len(matrix))].copy()
            row[feature] = value
            rows.append(row)
    for feature in range(matrix.shape[1]):
        wrong = [np.nan, *([40.0, 1000.0, 70000.0] if feature in codes else [])]
        for value in wrong:
            for row in matrix[rng.integers(len(matrix), size=20)]:
                row = row.copy()
                row[feature] = value
                rows.append(row)
    rows.append(np.full(matrix.shape[1], np.nan))
    return np.array(rows)


@pytest.fixture(scope="session")
def services(tmp_path_factory):
    """Gives the running service of a study by its name in `service.STUDIES`."""
    from service import Services

    services = Services(tmp_path_factory.mktemp("services"))
    yield services
    services.stop()
