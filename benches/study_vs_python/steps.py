"""The eight steps of the default study in pandas, scikit-learn and LightGBM: `steps.py STEP`, one process each.

Models, folds, rounds, early stopping and bootstrap replicates are those of clinpipe's params.yaml; every library gets
one thread. It does less than clinpipe where more would need code of one's own: replicates give AUROC, average
precision, Brier score and log loss only, without calibration, decision curves and baselines; there is no bundle, no
explanation and no gate.
"""

import json
import os
import pathlib
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (the thread counts must be set first)
import pandas as pd  # noqa: E402

WORK = pathlib.Path("work")
SEED, FOLDS, TEST, REPLICATES = 42, 5, 0.2, 2000
COST = {"false_positive": 500, "false_negative": 5000, "true_positive": 500, "true_negative": 0}
FEATURES = [
    "age", "days_in_trial", "visit_rate", "adverse_event_rate", "time_since_last_visit", "burden", "age_adverse_risk",
    "trial_phase_risk", "treatment_risk",
]


def ingest():
    table = pd.read_csv("data/synthetic.csv").drop_duplicates()
    table.insert(0, "row_id", np.arange(len(table)))
    table.to_parquet(WORK / "ingested.parquet", index=False)


def validate():
    table = pd.read_parquet(WORK / "ingested.parquet")
    within = lambda name, low, high: table[name].between(low, high)
    good = (
        within("age", 18, 85) & within("days_in_trial", 1, 1000) & within("visits_completed", 0, 100)
        & within("last_visit_day", 0, 1000) & within("adverse_events", 0, 100) & table["dropout"].isin([0, 1])
        & table["gender"].isin(["Male", "Female", "Non-binary"])
        & table["treatment_group"].isin(["Active", "Control", "Placebo"])
        & table["trial_phase"].isin(["Phase I", "Phase II", "Phase III"])
        & table["patient_id"].str.fullmatch(r"P-[0-9]{4,}") & ~table["patient_id"].duplicated(keep=False)
        & (table["last_visit_day"] <= table["days_in_trial"])
    )
    if (~good).mean() > 0.01:
        sys.exit(f"{(~good).sum()} rows break a rule")
    table[good].to_parquet(WORK / "clean.parquet", index=False)


def split():
    from sklearn.model_selection import GroupKFold, GroupShuffleSplit

    table = pd.read_parquet(WORK / "clean.parquet")
    group = table["patient_id"]
    train, _ = next(GroupShuffleSplit(1, test_size=TEST, random_state=SEED).split(table, groups=group))
    fold = np.full(len(table), -1)
    for number, (_, held) in enumerate(GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(train, groups=group.iloc[train])):
        fold[train[held]] = number
    pd.DataFrame({"row_id": table["row_id"], "fold": fold}).to_parquet(WORK / "split.parquet", index=False)


def featurize():
    table = pd.read_parquet(WORK / "clean.parquet")
    days = table["days_in_trial"] + 1
    table["visit_rate"] = table["visits_completed"] * 30 / days
    table["adverse_event_rate"] = table["adverse_events"] / days
    table["time_since_last_visit"] = table["days_in_trial"] - table["last_visit_day"]
    table["burden"] = table["adverse_event_rate"] * (1 - table["visit_rate"])
    table["age_adverse_risk"] = table["age"] * table["adverse_event_rate"] / 85
    table["trial_phase_risk"] = table["trial_phase"].map({"Phase I": 0.2, "Phase II": 0.5, "Phase III": 0.8})
    table["treatment_risk"] = table["treatment_group"].map({"Active": 0.1, "Control": 0.3, "Placebo": 0.4})
    table[["row_id", "dropout", *FEATURES]].to_parquet(WORK / "features.parquet", index=False)


def logistic(x, y, _rounds):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y), None


def forest(x, y, _rounds):
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(n_estimators=200, max_depth=12, min_samples_leaf=10, random_state=SEED, n_jobs=1)
    return model.fit(x, y), None


def gbdt(x, y, rounds):
    import lightgbm
    from sklearn.model_selection import train_test_split

    settings = {
        "learning_rate": 0.05, "num_leaves": 15, "reg_lambda": 1.0, "min_child_weight": 5.0, "subsample": 0.8,
        "subsample_freq": 1, "colsample_bytree": 0.8, "random_state": SEED, "n_jobs": 1, "verbosity": -1,
    }
    if rounds is None:
        grow_x, watch_x, grow_y, watch_y = train_test_split(x, y, test_size=0.2, stratify=y, random_state=SEED)
        stop = lightgbm.early_stopping(30, verbose=False)
        found = lightgbm.LGBMClassifier(n_estimators=500, **settings)
        found.fit(grow_x, grow_y, eval_set=[(watch_x, watch_y)], eval_metric="binary_logloss", callbacks=[stop])
        rounds = found.best_iteration_
    return lightgbm.LGBMClassifier(n_estimators=rounds, **settings).fit(x, y), rounds


def train():
    import joblib
    from sklearn.metrics import log_loss

    table, fold = pd.read_parquet(WORK / "features.parquet"), pd.read_parquet(WORK / "split.parquet")["fold"].to_numpy()
    x, y = table[FEATURES].to_numpy(float), table["dropout"].to_numpy()
    inside = fold >= 0
    results = {}
    for name, fit in {"baseline": logistic, "logistic": logistic, "forest": forest, "gbdt": gbdt}.items():
        p, losses, rounds = np.full(len(y), np.nan), [], []
        for number in range(FOLDS):
            held = fold == number
            model, found = fit(x[inside & ~held], y[inside & ~held], None)
            p[held] = model.predict_proba(x[held])[:, 1]
            losses.append(log_loss(y[held], p[held]))
            rounds.append(found)
        results[name] = (np.mean(losses), np.std(losses, ddof=1) / np.sqrt(FOLDS), p, rounds, fit)
    contestants = ["logistic", "forest", "gbdt"]
    best = min(contestants, key=lambda name: results[name][0])
    limit = results[best][0] + results[best][1]
    chosen = next(name for name in contestants if results[name][0] <= limit)
    _, _, p, rounds, fit = results[chosen]
    rounds = None if rounds[0] is None else int(np.median(rounds))
    joblib.dump(fit(x[inside], y[inside], rounds)[0], WORK / "model.joblib")
    oof = pd.DataFrame({"row_id": table["row_id"], "fold": fold, "y": y, "p_raw": p, "model": chosen})
    oof[inside].to_parquet(WORK / "oof.parquet", index=False)


def calibrate():
    import joblib
    from sklearn.isotonic import IsotonicRegression

    oof = pd.read_parquet(WORK / "oof.parquet")
    fit = lambda rows: IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(rows["p_raw"], rows["y"])
    oof["p"] = np.nan
    for number in range(FOLDS):
        held = oof["fold"] == number
        oof.loc[held, "p"] = fit(oof[~held]).predict(oof.loc[held, "p_raw"])
    joblib.dump(fit(oof), WORK / "calibrator.joblib")
    oof.to_parquet(WORK / "calibrated.parquet", index=False)


def tune_threshold():
    rows = pd.read_parquet(WORK / "calibrated.parquet").sort_values("p", ascending=False)
    y = rows["y"].to_numpy()
    hits, flagged = np.cumsum(y), np.arange(1, len(y) + 1)
    cost = (
        hits * COST["true_positive"] + (flagged - hits) * COST["false_positive"]
        + (y.sum() - hits) * COST["false_negative"] + (len(y) - y.sum() - flagged + hits) * COST["true_negative"]
    )
    (WORK / "threshold.json").write_text(json.dumps({"value": float(rows["p"].iloc[int(cost.argmin())])}))


def evaluate():
    import joblib
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    table, fold = pd.read_parquet(WORK / "features.parquet"), pd.read_parquet(WORK / "split.parquet")["fold"].to_numpy()
    test = table[fold < 0]
    raw = joblib.load(WORK / "model.joblib").predict_proba(test[FEATURES].to_numpy(float))[:, 1]
    p, y = joblib.load(WORK / "calibrator.joblib").predict(raw), test["dropout"].to_numpy()
    threshold = json.loads((WORK / "threshold.json").read_text())["value"]
    measures = {
        "auroc": roc_auc_score, "auprc": average_precision_score, "brier": brier_score_loss, "log_loss": log_loss,
        "sensitivity": lambda y, p: ((p >= threshold) & (y == 1)).sum() / y.sum(),
        "specificity": lambda y, p: ((p < threshold) & (y == 0)).sum() / (y == 0).sum(),
    }
    rng = np.random.default_rng(SEED)
    drawn = {name: [] for name in measures}
    for _ in range(REPLICATES):
        rows = rng.integers(0, len(y), len(y))
        for name, measure in measures.items():
            drawn[name].append(measure(y[rows], p[rows]))
    document = {
        name: {"value": float(measure(y, p)), "low": float(np.quantile(drawn[name], 0.025)), "high": float(np.quantile(drawn[name], 0.975))}
        for name, measure in measures.items()
    }
    (WORK / "metrics.json").write_text(json.dumps({"n": len(y), **document}, indent=1))


if __name__ == "__main__":
    WORK.mkdir(exist_ok=True)
    globals()[sys.argv[1]]()
