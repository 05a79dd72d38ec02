"""metrics.json and evaluation.json say what scikit-learn, statsmodels, scipy and dcurves say of predictions.parquet."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from dcurves import dca
from scipy import special, stats
from sklearn import metrics as sk
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.stats.proportion import proportion_confint

from conftest import clinpipe

CLOSED, ITERATIVE = 1e-9, 1e-6


@pytest.fixture(scope="module", params=["dropout", "stroke"])
def evaluated(request, tmp_path_factory):
    """A committed study as it stands: its test rows, metrics.json and evaluation.json."""
    study = tmp_path_factory.mktemp(f"measures-{request.param}") / "study"
    clinpipe("init", study, "--study", request.param)
    clinpipe("-C", study, "repro", "-q", "evaluate")
    read = lambda name: json.loads((study / "artifacts" / name).read_text())
    return pd.read_parquet(study / "artifacts/predictions.parquet"), read("metrics.json"), read("evaluation.json")


def near(ours, theirs, tolerance=CLOSED):
    assert abs(ours - theirs) <= tolerance * max(1, abs(theirs)), f"{ours} is not {theirs}"


def test_scores(evaluated):
    rows, ours, _ = evaluated
    y, p = rows["y"], rows["p"]
    assert (ours["n"], ours["events"]) == (len(y), y.sum())
    brier = sk.brier_score_loss(y, p)
    near(ours["auroc"]["value"], sk.roc_auc_score(y, p))
    near(ours["auprc"]["value"], sk.average_precision_score(y, p))
    near(ours["brier"]["value"], brier)
    near(ours["scaled_brier"]["value"], 1 - brier / (y.mean() * (1 - y.mean())))
    near(ours["log_loss"]["value"], sk.log_loss(y, p))


def test_the_interval_of_the_auroc(evaluated):
    rows, ours, _ = evaluated
    y, p = rows["y"].to_numpy(), rows["p"].to_numpy()
    above = (np.sign(p[y == 1][:, None] - p[y == 0]) + 1) / 2
    a, b = above.mean(axis=1), above.mean(axis=0)
    half = stats.norm.ppf(0.975) * np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    assert ours["auroc"]["method"] == "delong"
    near(ours["auroc"]["low"], a.mean() - half)
    near(ours["auroc"]["high"], a.mean() + half)


def test_calibration(evaluated):
    rows, ours, _ = evaluated
    y, p, ours = rows["y"].to_numpy(), rows["p"].to_numpy(), ours["calibration"]
    logit = special.logit(p.clip(1e-8, 1 - 1e-8))
    family = sm.families.Binomial()
    fit = lambda design, **offset: sm.GLM(y, design, family=family, **offset).fit(tol=1e-12).params
    near(ours["intercept"]["value"], fit(np.ones((len(y), 1)), offset=logit)[0], ITERATIVE)
    near(ours["slope"]["value"], fit(sm.add_constant(logit))[1], ITERATIVE)
    near(ours["observed_expected"]["value"], y.sum() / p.sum())
    z = np.sum((y - p) * (1 - 2 * p)) / np.sqrt(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    near(ours["spiegelhalter"]["z"], z)
    near(ours["spiegelhalter"]["p"], 2 * stats.norm.sf(abs(z)))
    order = np.argsort(p, kind="stable")
    smooth = lowess(y[order], p[order], frac=2 / 3, it=0, delta=0.01 * np.ptp(p), return_sorted=False)
    away = np.abs(p[order] - smooth)
    if np.isfinite(away).all():
        for name, value in zip(["ici", "e50", "e90", "emax"], [away.mean(), *np.quantile(away, [0.5, 0.9]), away.max()]):
            near(ours[name]["value"], value, ITERATIVE)


def test_decisions(evaluated):
    rows, ours, _ = evaluated
    y, flagged, ours = rows["y"], rows["flagged"], ours["at_threshold"]
    tn, fp, fn, tp = sk.confusion_matrix(y, flagged).ravel().tolist()
    assert ours["counts"] == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    near(ours["fbeta"]["value"], sk.fbeta_score(y, flagged, beta=ours["beta"]))
    parts = {"sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp), "ppv": (tp, tp + fp), "npv": (tn, tn + fn)}
    for name, (hits, whole) in parts.items():
        if whole == 0:
            assert ours[name]["value"] is None and ours[name]["reason"]
            continue
        near(ours[name]["value"], hits / whole)
        for ours_end, end in zip((ours[name]["low"], ours[name]["high"]), proportion_confint(hits, whole, 0.05, "wilson")):
            near(ours_end, end)


def test_net_benefit(evaluated):
    rows, _, detail = evaluated
    points = detail["decision_curve"]["points"]
    table = dca(rows[["y", "p"]].astype(float), "y", ["p"], thresholds=[point["threshold"] for point in points])
    of = {model: group.set_index("threshold")["net_benefit"] for model, group in table.groupby("model")}
    for point in points:
        near(point["model"]["value"], of["p"][point["threshold"]])
        near(point["flag_all"], of["all"][point["threshold"]])


def test_the_threshold_table(evaluated):
    rows, _, detail = evaluated
    y, p = rows["y"], rows["p"]
    for row in detail["thresholds"]:
        flagged = rows["flagged"] if row["frozen"] else p >= row["threshold"]
        tn, fp, fn, tp = sk.confusion_matrix(y, flagged).ravel().tolist()
        assert row["counts"] == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
        if fp and tn:
            plus, minus = sk.class_likelihood_ratios(y, flagged)
            near(row["lr_positive"], plus)
            near(row["lr_negative"], minus)
        if tp + fp:
            near(row["f2"], sk.fbeta_score(y, flagged, beta=2))
            near(row["youden"], sk.balanced_accuracy_score(y, flagged, adjusted=True))
