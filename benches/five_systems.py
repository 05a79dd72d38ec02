#!/usr/bin/env python3
"""What clinpipe measures beside the published headlines of the five systems (docs/five-systems.yaml, `headlines`).

    benches/five_systems.py CLINPIPE DATA [STUDY...]      STUDY: a key of STUDIES below; without one, all

DATA holds the public files: treatment_outcome.csv, dropout_v5_reference.csv, stroke_kaggle_5110.csv. What needs a file
or a study that is not there is skipped and said to be. Every line is one measure: of the study's own seed with its 95 %
interval (`one`), or over seeds, which move split, folds, learners and synthetic patients: mean, standard deviation,
lowest and highest (`seeds`). Splits of one file share patients, so the spread over seeds is no confidence interval.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The costs as published, which leave out what an intervention costs that was needed, at the published threshold.
PUBLISHED_COSTS = (
    "tune_threshold={policy: fixed, value: 0.2, "
    "cost: {false_positive: 500, false_negative: 5000, true_positive: 0, true_negative: 0}}"
)
DROPOUT = [
    ("auroc",),
    ("auprc",),
    ("brier",),
    ("at_threshold", "sensitivity"),
    ("at_threshold", "flagged_per_1000"),
    ("expected_cost",),
    ("baselines", "flag_all", "expected_cost"),
    ("baselines", "logistic", "auroc"),
]
# Name: folder of the study, its parameters, where the public file goes, settings, seeds, measures.
STUDIES = {
    "outcome": ("studies/outcome", None, ("treatment_outcome.csv", "treatment_outcome.csv"), [], 20,
                [("r2",), ("rmse",), ("mae",), ("baselines", "mean", "rmse"), ("verdict", "beats_mean")]),
    "causal": (".", None, None, ["generate.n=20000", PUBLISHED_COSTS], 5, DROPOUT),
    "causal-1000": (".", None, None, ["generate.n=1000", PUBLISHED_COSTS], 20, DROPOUT),
    "trial-file": (".", "variants/trial.yaml", ("dropout_v5_reference.csv", "dropout.csv"), [], 20, DROPOUT),
    "trial": (".", "variants/trial.yaml", None, ["generate.n=20000"], 5, DROPOUT),
    "stroke": ("studies/stroke", None, ("stroke_kaggle_5110.csv", "stroke.csv"), [], 20,
               [("auroc",), ("auprc",), ("brier",), ("at_threshold", "sensitivity"), ("at_threshold", "ppv"),
                ("at_threshold", "fbeta"), ("at_threshold", "flagged_per_1000"), ("baselines", "logistic", "auroc")]),
    # Platt's curve keeps every difference between scores; isotonic regression leaves some twenty steps.
    "stroke-platt": ("studies/stroke", None, ("stroke_kaggle_5110.csv", "stroke.csv"), ["calibrate.method=platt"], 20,
                     [("auroc",), ("auprc",), ("brier",)]),
    # 10,000 patients in 3 years with the yearly risk of the published generator; unseen patients in the last year are
    # tested, without a gap. Two years of training leave no folds in time, so these are by patient. Platt's curve keeps
    # every difference between scores; settings are not searched for, as there.
    "patient-year": ("studies/patient-year", None, None,
                     ["generate.n=10000", "generate.years=3", "generate.yearly_risk=0.1",
                      "split={kind: temporal_group, time: year, cutoff: 2017, gap: 0, test: 0.2, folds: 5, "
                      "fold_by: patient}", "train.tune.method=none", "calibrate.method=platt"], 10,
                     [("auroc",), ("auprc",), ("brier",), ("baselines", "logistic", "auroc"),
                      ("calibration", "observed_expected")]),
}


def place(folder: str, params: str | None, to: Path) -> None:
    """A project with the study's two files and nothing else."""
    for name in ("pipeline.yaml", "params.yaml"):
        shutil.copy(ROOT / folder / name, to / name)
    if params:
        shutil.copy(ROOT / params, to / "params.yaml")
    (to / "data").mkdir()


def find(metrics: dict, path: tuple) -> tuple:
    """Value and interval of a measure; the interval is None where there is none."""
    for key in path:
        metrics = metrics[key]
    if isinstance(metrics, dict):
        return metrics["value"], (metrics.get("low"), metrics.get("high"))
    return float(metrics), None


def run(clinpipe: str, project: Path, seed: int, settings: list) -> dict:
    given = [part for setting in [f"seed={seed}", *settings] for part in ("--set", setting)]
    subprocess.run([clinpipe, "-q", "-C", project, "repro", "evaluate", *given], check=True, stdout=subprocess.DEVNULL)
    return json.loads((project / "artifacts/metrics.json").read_text())


def study(clinpipe: str, data: Path, name: str) -> None:
    folder, params, public, settings, seeds, measures = STUDIES[name]
    if public and not (data / public[0]).exists() or not (ROOT / folder / "pipeline.yaml").exists():
        print(f"{name}\tskipped: its file or study is not there")
        return
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory)
        place(folder, params, project)
        if public:
            shutil.copy(data / public[0], project / "data" / public[1])
        # 42 is the seed of the studies themselves.
        runs = {seed: run(clinpipe, project, seed, settings) for seed in [42, *range(1, seeds)]}
    assert all(one["data"] == ("real" if public else "synthetic") for one in runs.values()), "other data were used"
    models = sorted(one["model"] for one in runs.values())
    print(f"{name}\trows {runs[42]['n']}\tmodels {({model: models.count(model) for model in models})}")
    for path in measures:
        label = ".".join(path)
        value, interval = find(runs[42], path)
        ends = "\t".join(f"{end:.4f}" for end in interval) if interval and None not in interval else "-\t-"
        print(f"{name}\t{label}\tone\t{value:.4f}\t{ends}")
        values = [find(one, path)[0] for one in runs.values()]
        mean, sd = statistics.mean(values), statistics.stdev(values)
        spread = f"sd {sd:.4f}\t{min(values):.4f}\t{max(values):.4f}"
        print(f"{name}\t{label}\tseeds {len(values)}\t{mean:.4f}\t{spread}", flush=True)


def main() -> None:
    clinpipe, data = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2])
    for name in sys.argv[3:] or STUDIES:
        study(clinpipe, data, name)


if __name__ == "__main__":
    main()
