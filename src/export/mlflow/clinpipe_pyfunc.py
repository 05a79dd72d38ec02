"""An MLflow model that scores with clinpipe.

Rows are written to a CSV file as the study's bundle says, `clinpipe predict` scores them, and its answer is read back:
one feature path, and the very numbers that clinpipe gives. The program is the one that the environment variable
CLINPIPE names, or `clinpipe` on the PATH. Every cell is judged by clinpipe against the bundle's schema.
"""

import csv
import json
import math
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd

NUMBERS = ("integer", "number")


class ClinpipeModel:
    """A bundle, scored by the clinpipe program."""

    def __init__(self, bundle, answers):
        self.bundle, self.answers = Path(bundle), answers
        self.program = find_program()
        self.columns = self._read("schema.json")["columns"]
        layout = self._read("intake.json")["format"]
        self.delimiter, self.markers = layout["delimiter"], layout["na"]

    def _read(self, name):
        return json.loads((self.bundle / name).read_text(encoding="utf-8"))

    def predict(self, model_input, params=None):
        """What `clinpipe predict` says of every row, under the rows' own index."""
        rows = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
        scores = self._scores(rows) if len(rows) else {name: () for name in self.answers}
        return pd.DataFrame({name: read_scores(name, scores[name]) for name in self.answers}).set_index(rows.index)

    def _scores(self, rows):
        """The columns of `clinpipe predict`, as texts."""
        with tempfile.TemporaryDirectory(prefix="clinpipe-") as directory:
            source, target = Path(directory, "rows.csv"), Path(directory, "scores.csv")
            self._write(rows, source)
            self._score(source, target)
            with open(target, newline="", encoding="utf-8") as file:
                names, *scores = csv.reader(file)
        return dict(zip(names, zip(*scores)))

    def _write(self, rows, path):
        names = [name for name in rows.columns if name in self.columns]
        cells = [[self._cell(name, value) for value in rows[name].tolist()] for name in names]
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.delimiter, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(zip(*cells) if cells else ([] for _ in range(len(rows))))

    def _cell(self, name, value):
        """The text of a value that reads back as the same value."""
        column = self.columns[name]
        if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
            return self._missing(name, column)
        if column["type"] == "integer" and isinstance(value, float) and value.is_integer():
            return str(int(value))
        return repr(value) if isinstance(value, float) else str(value)

    def _missing(self, name, column):
        """A spelling of `missing` that is not a level of the column."""
        levels = [] if column["type"] in NUMBERS else column.get("levels", [])
        for marker in self.markers:
            if marker not in levels:
                return marker
        raise ValueError(f"column {name}: this study's CSV files have no spelling of a missing value")

    def _score(self, source, target):
        command = [self.program, "predict", source.name, "--bundle", str(self.bundle.resolve()), "-o", target.name]
        run = subprocess.run(command, cwd=source.parent, capture_output=True, encoding="utf-8", errors="replace")
        if run.returncode == 2:
            raise ValueError(f"clinpipe refused the rows:\n{run.stderr.strip()}")
        if run.returncode != 0:
            raise RuntimeError(f"clinpipe predict ended with {run.returncode}:\n{run.stderr.strip()}")


def read_scores(name, cells):
    """A column of `clinpipe predict`: every number but the flag keeps all its bits."""
    if name == "risk_level":
        return pd.Series([cell or None for cell in cells], dtype="object")
    if name == "flagged":
        return pd.Series([cell == "1" for cell in cells], dtype="bool")
    return pd.Series([float(cell) if cell else math.nan for cell in cells], dtype="float64")


def find_program():
    """The clinpipe program, or an error that says how to name it."""
    named = os.environ.get("CLINPIPE")
    program = shutil.which(named or "clinpipe")
    if program is None:
        what = f"CLINPIPE names {named}, which cannot be executed" if named else "there is no `clinpipe` on the PATH"
        raise RuntimeError(f"{what}; install clinpipe, or set CLINPIPE to its path: this model is scored by it")
    return str(Path(program).resolve())


def _load_pyfunc(data_path, model_config):
    """What `mlflow.pyfunc.load_model` calls with the bundle's directory and what MLmodel says under `config`."""
    return ClinpipeModel(data_path, model_config["answers"])
