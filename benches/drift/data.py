"""Two tables of 15 numbers and 5 categories, for benches/drift/run; some columns of the second have moved."""

import pathlib
import sys

import numpy as np
import pandas as pd

at, rows = pathlib.Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(3)


def table(moved, first):
    numbers = {f"x{at}": rng.normal(0.05 * at * moved, 1 + 0.01 * at, rows).round(4) for at in range(15)}
    levels = list("abcdef")
    shares = lambda at: np.array([6, 5, 4, 3, 2 + 0.4 * at * moved, 1]) / (21 + 0.4 * at * moved)
    categories = {f"c{at}": rng.choice(levels, rows, p=shares(at)) for at in range(5)}
    risk = 1 / (1 + np.exp(1 - 0.6 * numbers["x0"] - 0.4 * numbers["x1"]))
    return pd.DataFrame(
        {"id": np.arange(first, first + rows), **numbers, **categories, "y": (rng.random(rows) < risk).astype("int64")}
    )


table(0, 0).to_parquet(at / "reference.parquet", index=False)
table(1, rows).to_parquet(at / "current.parquet", index=False)
