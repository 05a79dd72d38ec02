"""The bootstrap of AUROC, average precision and Brier score in Python: `peer.py ENGINE FILE RESAMPLES`.

Engines: `sklearn` draws rows and calls scikit-learn's three functions each time; `numpy` sorts once and draws counts in
the order of the scores, which needs no sorting again. Prints one JSON line.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from sklearn import metrics


def sklearn_loop(y, p, resamples, rng):
    n = len(y)
    for _ in range(resamples):
        rows = rng.integers(0, n, n)
        a, b = y[rows], p[rows]
        yield metrics.roc_auc_score(a, b), metrics.average_precision_score(a, b), metrics.brier_score_loss(a, b)


def numpy_counts(y, p, resamples, rng):
    order = np.argsort(p, kind="stable")
    y, p = y[order], p[order]
    n = len(y)
    loss = (p - y) ** 2
    # Where each group of tied scores begins.
    starts = np.flatnonzero(np.r_[True, p[1:] != p[:-1]])
    tied = len(starts) < n
    for _ in range(resamples):
        count = np.bincount(rng.integers(0, n, n, dtype=np.int32), minlength=n)
        events = count * y
        others = count - events
        if tied:
            events, others = np.add.reduceat(events, starts), np.add.reduceat(others, starts)
        below = np.cumsum(others)
        positive, negative = events.sum(), below[-1]
        auroc = (events * (below - 0.5 * others)).sum() / (positive * negative)
        hits = np.cumsum(events[::-1])
        flagged = np.cumsum((events + others)[::-1])
        precision = (events[::-1] * (hits / np.maximum(flagged, 1))).sum() / positive
        yield auroc, precision, (count @ loss) / n


def main():
    engine, file, resamples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    table = pd.read_parquet(file)
    y, p = table["y"].to_numpy().astype(np.int64), table["p"].to_numpy()
    run = {"sklearn": sklearn_loop, "numpy": numpy_counts}[engine]
    start = time.perf_counter()
    drawn = np.array(list(run(y, p, resamples, np.random.default_rng(42))))
    seconds = time.perf_counter() - start
    ends = np.quantile(drawn, [0.025, 0.975], axis=0).T.tolist()
    line = {"engine": engine, "rows": len(y), "resamples": resamples, "seconds": seconds}
    print(json.dumps(line | dict(zip(["auroc", "average_precision", "brier"], ends))))


main()
