#!/usr/bin/env python3
"""Compares the forest of a study with scikit-learn's: same rows, folds, features and settings, score by score.

    clinpipe repro train --set train.models=[forest]
    python forest_parity.py [STUDY]        (numpy, pandas, pyarrow, pyyaml and scikit-learn installed)

Reads artifacts/{features,split}.parquet, features.json and cv.json below STUDY (default: the current directory), fits
scikit-learn's forest on every outer fold, with one-hot categories and missing numbers as they are, and prints each
score's mean over the folds on both sides with the mean difference and its standard error.
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd
import yaml
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import log_loss, r2_score, roc_auc_score, root_mean_squared_error

HIGHER_IS_BETTER = {"auroc", "r2"}
DEFAULTS = {"trees": 200, "depth": 12, "min_leaf": 10, "features": None}


def encode(features, names, fit_rows):
    columns = []
    for name in names:
        values = features[name]
        if pd.api.types.is_numeric_dtype(values):
            columns.append(values.to_numpy(dtype=np.float32))
        else:
            levels = sorted(values[fit_rows].dropna().unique())
            columns += [(values == level).to_numpy(dtype=np.float32) for level in levels]
    return np.column_stack(columns)


def fit(x, y, settings, binary, seed):
    common = {
        "n_estimators": settings["trees"], "max_depth": settings["depth"], "min_samples_leaf": settings["min_leaf"],
        "random_state": seed,
    }
    if binary:
        model = RandomForestClassifier(max_features=settings["features"] or "sqrt", **common).fit(x, y)
        return lambda rows: model.predict_proba(rows)[:, 1]
    third = max(1, x.shape[1] // 3)
    return RandomForestRegressor(max_features=settings["features"] or third, **common).fit(x, y).predict


def scores(y, p, binary):
    if binary:
        return {"auroc": roc_auc_score(y, p), "log_loss": log_loss(y, np.clip(p, 1e-15, 1 - 1e-15))}
    return {"r2": r2_score(y, p), "rmse": root_mean_squared_error(y, p)}


def main():
    study = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    artifacts = study / "artifacts"
    features = pd.read_parquet(artifacts / "features.parquet")
    split = pd.read_parquet(artifacts / "split.parquet")
    names = [feature["name"] for feature in json.loads((artifacts / "features.json").read_text())["features"]]
    ours = json.loads((artifacts / "cv.json").read_text())["candidates"]["forest"]["folds"]
    train = yaml.safe_load((study / "params.yaml").read_text()).get("train", {})
    settings = DEFAULTS | (train.get("forest") or {})
    y = features["y"].to_numpy(dtype=float)
    binary = set(np.unique(y)) <= {0.0, 1.0}
    theirs = []
    for line in ours:
        held = ((split["part"] == "train") & (split["fold"] == line["fold"])).to_numpy()
        rest = (split["part"] == "train").to_numpy() & ~held
        x = encode(features, names, rest)
        predict = fit(x[rest], y[rest], settings, binary, line["fold"])
        theirs.append(scores(y[held], predict(x[held]), binary))
    for name in theirs[0]:
        own, other = (np.array([line[name] for line in lines]) for lines in (ours, theirs))
        gap = own - other
        error = gap.std(ddof=1) / np.sqrt(len(gap))
        print(json.dumps({
            "score": name, "higher_is_better": name in HIGHER_IS_BETTER, "clinpipe": round(own.mean(), 5),
            "scikit-learn": round(other.mean(), 5), "difference": round(gap.mean(), 5), "standard_error": round(error, 5),
        }))


main()
