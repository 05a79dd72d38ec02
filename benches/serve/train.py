"""Trains the LightGBM model of the peer on the patients of the study: as many trees as clinpipe serves, of 31 leaves, on the
columns that app.py makes. Writes these patients as the requests that load.lua sends, and the bounds that training saw."""

import json
import sys

import lightgbm
import numpy
import pandas

table, trees, work = sys.argv[1:]
count = len(json.load(open(trees))["learner"]["gradient_booster"]["model"]["trees"])
data = pandas.read_csv(table, na_values=["unknown"])
groups, phases = ["Active", "Control", "Placebo"], ["Phase I", "Phase II", "Phase III"]
matrix = numpy.column_stack([
    data.age,
    data.treatment_group.map(groups.index),
    data.trial_phase.map(phases.index),
    data.days_in_trial,
    data.visits_completed,
    data.last_visit_day,
    data.adverse_events,
    data.visits_completed * 30 / (data.days_in_trial + 1),
    data.days_in_trial - data.last_visit_day,
]).astype(float)
params = {"objective": "binary", "num_leaves": 31, "min_data_in_leaf": 5, "learning_rate": 0.05, "verbose": -1, "seed": 7}
lightgbm.train(params, lightgbm.Dataset(matrix, data.dropout), count).save_model(f"{work}/model.txt")
numpy.savetxt(f"{work}/bounds.txt", [numpy.nanmin(matrix, axis=0), numpy.nanmax(matrix, axis=0)])
fields = ["patient_id", "age", "gender", "treatment_group", "trial_phase", "days_in_trial", "visits_completed", "last_visit_day"]
known = data[[*fields, "adverse_events"]].dropna()
known.astype({"adverse_events": int}).head(1000).to_json(f"{work}/records.jsonl", orient="records", lines=True)
