"""The encoded matrix of clinpipe as an array for app.py, and the processor time of SHAP values of many rows at once."""

import sys
import time

import numpy
import pandas
import shap
import xgboost

work = sys.argv[1]
rows = pandas.read_parquet(f"{work}/matrix.parquet").drop(columns=["row_id", "margin", "p_raw"]).to_numpy(float)
numpy.save(f"{work}/matrix.npy", rows)
trees = xgboost.Booster({"nthread": 1}, model_file=f"{work}/trees.json")
explainer = shap.TreeExplainer(trees)
explainer.shap_values(rows[:10])
started = time.process_time()
explainer.shap_values(rows)
spent = (time.process_time() - started) / len(rows) * 1e6
shape = trees.trees_to_dataframe()
count, leaves = shape.Tree.nunique(), (shape.Feature == "Leaf").sum()
print(f"shap, {len(rows)} rows at once: {spent:.1f} us CPU/row; {count} trees, {leaves / count:.1f} leaves each")
