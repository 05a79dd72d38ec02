"""Evidently's DataDriftPreset on the tables of benches/drift/run."""

import pathlib
import sys

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

at = pathlib.Path(sys.argv[1])
numbers, categories = [f"x{i}" for i in range(15)], [f"c{i}" for i in range(5)]
definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
tables = [
    Dataset.from_pandas(pd.read_parquet(at / name, columns=numbers + categories), data_definition=definition)
    for name in ("reference.parquet", "current.parquet")
]
result = Report([DataDriftPreset()]).run(tables[1], tables[0])
result.save_html(str(at / "evidently.html"))
(at / "evidently.json").write_text(result.json())
