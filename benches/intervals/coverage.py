"""Coverage of the intervals of a few rows: how often a 95 % interval holds the truth.

Calibrated predictions of a known AUROC (two normal distributions of equal spread), m events on average among n rows.
Usage: coverage.py [REPEATS]. Needs numpy and scipy; prints the table of docs/evidence.md.
"""

import sys

import numpy as np
from scipy.stats import norm

Z = norm.ppf(0.975)
REPEATS, RESAMPLES, LARGE = int(sys.argv[1]) if len(sys.argv) > 1 else 2000, 400, 400_000


def cohort(rng, n, share, shift):
    """Outcomes, margins and calibrated probabilities."""
    y = rng.random(n) < share
    x = rng.normal(size=n) + shift * y
    log_odds = np.log(share / (1 - share)) - shift**2 / 2 + shift * x
    return y, x, 1 / (1 + np.exp(-log_odds))


def delong(events, others):
    """AUROC and its variance by placements; no ties."""
    v10 = np.searchsorted(np.sort(others), events) / len(others)
    v01 = 1 - np.searchsorted(np.sort(events), others) / len(events)
    return v10.mean(), v10.var(ddof=1) / len(events) + v01.var(ddof=1) / len(others)


def resampled(rng, y, x, p):
    """AUROC, Brier score and O:E of resamples of the rows."""
    order = np.argsort(x)
    y, p = y[order], p[order]
    weights = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=RESAMPLES)
    events, others = weights * y, weights * ~y
    pairs = events.sum(1) * others.sum(1)
    below = np.cumsum(others, 1) - others / 2
    auroc = (events * below).sum(1)[pairs > 0] / pairs[pairs > 0]
    return auroc, (weights * (p - y) ** 2).sum(1) / len(y), events.sum(1) / (weights * p).sum(1)


def holds(ends, truth):
    return ends[0] <= truth <= ends[1]


def logit(a, se):
    if not 0 < a < 1:
        return np.nan, np.nan
    centre, half = np.log(a / (1 - a)), Z * se / (a * (1 - a))
    return 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))


def row(auroc, m, n):
    rng = np.random.default_rng([int(100 * auroc), m, n])
    shift, share, hits = norm.ppf(auroc) * 2**0.5, m / n, np.zeros(6)
    y, _, p = cohort(rng, LARGE, share, shift)
    brier = np.mean((p - y) ** 2)
    for _ in range(REPEATS):
        y, x, p = cohort(rng, n, share, shift)
        while min(y.sum(), n - y.sum()) < 2:
            y, x, p = cohort(rng, n, share, shift)
        a, variance = delong(x[y], x[~y])
        half = Z * variance**0.5
        drawn, briers, ratios = resampled(rng, y, x, p)
        ends = [(a - half, a + half), logit(a, variance**0.5)]
        ends += [np.quantile(drawn, [0.025, 0.975]), logit(a, drawn.std(ddof=1))]
        hits[:4] += [holds(one, auroc) for one in ends]
        hits[4] += holds(np.quantile(briers, [0.025, 0.975]), brier)
        hits[5] += holds(np.quantile(ratios, [0.025, 0.975]), 1)
    shares = " | ".join(f"{100 * hit / REPEATS:.1f}" for hit in hits)
    print(f"| {m} of {n} | {auroc} | {shares} |", flush=True)


for auroc in (0.7, 0.85):
    for m, n in ((5, 55), (10, 110), (15, 165), (20, 220), (30, 330), (60, 660)):
        row(auroc, m, n)
