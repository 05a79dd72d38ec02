"""Makes the table that learners are measured on: `data.py ROWS FILE` writes ROWS rows as Parquet.

Twenty features (fifteen numbers, five category codes fed as numbers), a tenth of the cells missing, about 7 % events
that depend on thresholds, products and codes. Numbers are representable as 32-bit floats, so that no engine sees
other values than another. The first four fifths of the rows are for training, the rest for testing.
"""

import sys

import numpy as np
import pandas as pd

FEATURES = [f"x{index:02}" for index in range(20)]


def table(rows, seed=7):
    rng = np.random.default_rng(seed)
    numbers = rng.standard_normal((rows, 15))
    codes = np.column_stack([rng.integers(0, levels, rows) for levels in (2, 3, 5, 8, 12)])
    effect = np.array([0.6, -0.4, 0.0, 0.8, -0.7, 0.2, 0.1, 0.9, -0.3, 0.0, 0.5, -0.6])
    margin = (
        -3.9
        + 0.9 * numbers[:, 0]
        + 0.7 * (np.abs(numbers[:, 1]) > 1.2)
        + 0.6 * numbers[:, 2] * numbers[:, 3]
        + 0.5 * np.sin(2 * numbers[:, 4])
        + 0.3 * np.square(numbers[:, 5])
        - 0.5 * np.maximum(numbers[:, 6], 0.3)
        + 0.8 * codes[:, 0] * (numbers[:, 7] > 0)
        + effect[codes[:, 4]]
        + 0.4 * (codes[:, 3] == 2)
    )
    event = rng.random(rows) < 1 / (1 + np.exp(-margin))
    cells = np.column_stack([numbers, codes]).astype(np.float32).astype(np.float64)
    cells[rng.random(cells.shape) < 0.1] = np.nan
    frame = pd.DataFrame(cells, columns=FEATURES)
    frame["y"] = event.astype(np.int64)
    return frame


if __name__ == "__main__":
    table(int(sys.argv[1])).to_parquet(sys.argv[2], index=False)
