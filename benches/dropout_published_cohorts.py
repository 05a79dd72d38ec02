#!/usr/bin/env python3
"""How well the two published dropout generators can be predicted at all: AUROC of the risk before its noise and of a
logistic regression on the nine features, in 400,000 patients; and how far 1,000 patients, or 200 tested ones, stray.
Written from the formulas alone, with numpy and scikit-learn, so that it shares no code with clinpipe's cohorts.

    benches/dropout_published_cohorts.py [dropout_v5_reference.csv]
"""

import csv
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PHASE = np.array([0.2, 0.5, 0.8])


def features(age, days, visits, last, adverse, phase, arm):
    adverse_rate, visit_rate = adverse / (days + 1), visits / (days / 30 + 1)
    burden = adverse_rate * (1 - visit_rate)
    columns = [age, days, visit_rate, adverse_rate, days - last, burden, age / 85 * adverse_rate]
    return np.column_stack([*columns, PHASE[phase], np.array([0.1, 0.3, 0.4])[arm]])


def causal(n, seed):
    draw = np.random.default_rng(seed)
    age, phase, arm = draw.integers(18, 85, n), draw.integers(0, 3, n), draw.integers(0, 3, n)
    days = draw.integers(30, 365, n)
    visits = np.floor(days / 30 * draw.beta(5, 2, n))
    last = np.where(visits > 0, draw.integers(np.maximum(1, days - 60), days + 1), 0)
    years = (age - 18) / 67
    adverse = draw.poisson(0.9 * (1 + 0.5 * years + 0.3 * days / 365))
    x = features(age, days, visits, last, adverse, phase, arm)
    risk = 35 * x[:, 3] + 0.30 * (1 - x[:, 2]) + 0.20 * x[:, 7] + 0.10 * x[:, 8] + 0.05 * (years < 0.3)
    return x, draw.random(n) < 1 / (1 + np.exp(-3 * (risk + draw.normal(0, 0.15, n) - 0.5))), risk


def trial(n, seed):
    draw = np.random.default_rng(seed)
    age, days = draw.integers(25, 85, n), draw.integers(30, 200, n)
    phase, arm = draw.choice(3, n, p=[0.25, 0.35, 0.4]), draw.choice(3, n, p=[0.4, 0.3, 0.3])
    # What can be known of the risk; the rest of it is a uniform deviate.
    known = 0.30 * (age - 25) / 60 + 0.35 * PHASE[phase] + 0.25 * np.array([0.1, 0.3, 0.5])[arm]
    risk = np.clip(known + 0.10 * draw.random(n), 0.05, 0.90)
    visits = (np.floor(days / 30) * (1 - risk) * draw.uniform(0.7, 1.3, n)).astype(int)
    last = np.where(visits > 0, days - (days * risk * draw.uniform(0.3, 0.8, n)).astype(int), 0)
    adverse = draw.poisson(5 * risk + 0.5)
    y = draw.random(n) < np.clip(risk + draw.normal(0, 0.1, n), 0, 1)
    return features(age, days, visits, last, adverse, phase, arm), y, known


def logistic(x, y, test):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x[~test], y[~test])
    return roc_auc_score(y[test], model.predict_proba(x[test])[:, 1])


def main():
    for name, cohort in (("causal", causal), ("trial", trial)):
        x, y, risk = cohort(400_000, 1)
        half = np.arange(len(y)) % 2 == 0
        ranked, learned = roc_auc_score(y, risk), logistic(x, y, half)
        print(f"{name}: events {y.mean():.3f}, risk {ranked:.3f}, logistic regression {learned:.3f}")
        whole, fifth = [], []
        for seed in range(2, 402):
            x, y, risk = cohort(1000, seed)
            whole.append(roc_auc_score(y, risk))
            fifth.append(logistic(x, y, np.arange(1000) < 200))
        for what, values in (("risk in 1,000 patients", whole), ("logistic regression, 200 of 1,000 tested", fifth)):
            low, high = np.percentile(values, [2.5, 97.5])
            print(f"{name}: {what}: mean {np.mean(values):.3f}, 95 % of draws {low:.3f} to {high:.3f}")
    if len(sys.argv) > 1:
        rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8-sig")))
        phase = np.array([["Phase I", "Phase II", "Phase III"].index(row["trial_phase"]) for row in rows])
        arm = np.array([{"Active": 0.1, "Control": 0.3, "Placebo": 0.5}[row["treatment_group"]] for row in rows])
        age = np.array([float(row["age"]) for row in rows])
        known = 0.30 * (age - 25) / 60 + 0.35 * PHASE[phase] + 0.25 * arm
        y = np.array([int(row["dropout"]) for row in rows])
        print(f"file: events {y.mean():.3f}, risk {roc_auc_score(y, known):.3f}")


if __name__ == "__main__":
    main()
