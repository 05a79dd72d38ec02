"""Measures one Python engine once: `peer.py ENGINE FILE THREADS` prints one JSON line.

Training time includes reading the Parquet, prediction is of 200,000 rows, SHAP of 10,000; peak memory is that of the
whole process up to the end of training.
"""

import json
import os
import resource
import sys
import time

ENGINE, FILE, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.environ.update({"OMP_NUM_THREADS": str(THREADS), "OPENBLAS_NUM_THREADS": str(THREADS)})

import numpy as np  # noqa: E402  (the thread counts must be set first)
import pandas as pd  # noqa: E402
import pyarrow  # noqa: E402

pyarrow.set_cpu_count(THREADS)

BATCH, EXPLAINED = 200_000, 10_000


def read():
    frame = pd.read_parquet(FILE)
    y = frame.pop("y").to_numpy()
    x = frame.to_numpy(dtype=np.float32)
    cut = len(y) * 4 // 5
    return x[:cut], y[:cut], x[cut:], y[cut:]


def lightgbm(x, y):
    import lightgbm

    params = {
        "objective": "binary", "num_leaves": 31, "learning_rate": 0.1, "max_bin": 255, "min_data_in_leaf": 20,
        "num_threads": THREADS, "verbosity": -1, "seed": 1,
    }
    model = lightgbm.train(params, lightgbm.Dataset(x, y), 100)
    return (
        lambda rows: model.predict(rows, num_threads=THREADS),
        lambda rows: model.predict(rows, pred_contrib=True, num_threads=THREADS),
    )


def xgboost(x, y):
    import xgboost

    params = {
        "objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 31,
        "max_depth": 0, "eta": 0.1, "max_bin": 255, "nthread": THREADS, "min_child_weight": 1,
    }
    model = xgboost.train(params, xgboost.QuantileDMatrix(x, y, max_bin=255, nthread=THREADS), 100)
    explain = lambda rows: model.predict(xgboost.DMatrix(rows, nthread=THREADS), pred_contribs=True)
    return model.inplace_predict, explain


def histgb(x, y):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=31, learning_rate=0.1, max_bins=255, min_samples_leaf=20, early_stopping=False
    ).fit(x, y)
    return lambda rows: model.predict_proba(rows)[:, 1], None


def forest(x, y):
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        n_estimators=100, max_depth=12, min_samples_leaf=20, n_jobs=THREADS, random_state=1
    ).fit(x, y)
    return lambda rows: model.predict_proba(rows)[:, 1], None


def logistic(x, y):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fill = SimpleImputer(strategy="median", add_indicator=True)
    model = make_pipeline(fill, StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
    return lambda rows: model.predict_proba(rows)[:, 1], None


def main():
    fit = {"lightgbm": lightgbm, "xgboost": xgboost, "histgb": histgb, "sk-forest": forest, "sk-logistic": logistic}
    __import__({"lightgbm": "lightgbm", "xgboost": "xgboost"}.get(ENGINE, "sklearn.ensemble"))
    from sklearn.metrics import log_loss, roc_auc_score

    clock, processor = time.perf_counter(), time.process_time()
    x, y, test_x, test_y = read()
    predict, explain = fit[ENGINE](x, y)
    train_s, train_cpu_s = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    batch = np.ascontiguousarray(np.resize(test_x, (BATCH, test_x.shape[1])))
    clock = time.perf_counter()
    predict(batch)
    predict_s = time.perf_counter() - clock
    shap_s = None
    if explain:
        clock = time.perf_counter()
        explain(test_x[:EXPLAINED])
        shap_s = time.perf_counter() - clock
    p = predict(test_x)
    print(json.dumps({
        "engine": ENGINE, "rows": len(y) + len(test_y), "threads": THREADS, "train_s": train_s,
        "train_cpu_s": train_cpu_s, "predict_s": predict_s, "shap_s": shap_s,
        "auroc": roc_auc_score(test_y, p), "log_loss": log_loss(test_y, p), "peak_rss_mib": peak,
    }))


if __name__ == "__main__":
    main()
