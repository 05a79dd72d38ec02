"""XGBoost gives clinpipe's margins bit for bit."""

import json

import numpy as np
import pytest
import xgboost as xgb

from conftest import clinpipe, hard_rows, model_of


@pytest.mark.parametrize("key", ["dropout-gbdt", "stroke-gbdt", "stroke-forest", "stay-gbdt", "stay-forest"])
def test_margins_have_the_same_bits(studies, key):
    study = studies(key)
    path = study.export("xgboost", "model.json")
    columns = study.columns(path)
    encoded = [column["encoded"] for column in columns["members"][0]["columns"]]
    names = [column["name"] for column in columns["members"][0]["columns"]]
    matrix = study.encode()[encoded].to_numpy()
    rows = np.vstack([matrix, hard_rows(study, matrix, single=True)])
    ours = study.score(rows, encoded)
    single = rows.astype(np.float32)
    assert np.array_equal(single.astype(np.float64), rows, equal_nan=True), "rows are 32-bit floats"

    booster = xgb.Booster(model_file=path)
    data = xgb.DMatrix(single, feature_names=names)
    margin = booster.predict(data, output_margin=True)
    assert margin.dtype == np.float32
    assert np.array_equal(margin.astype(np.float64), ours["margin"].to_numpy())
    p = booster.predict(data).astype(np.float64)
    if key.startswith("stay"):
        p, prediction = p.clip(3, 9), ours["prediction"].to_numpy()
    else:
        p, prediction = p.clip(0, 1), ours["p_raw"].to_numpy()
    difference = np.abs(p - prediction).max()
    print(f"{key}: {len(rows)} rows, margins equal, predictions within {difference:.2e}")
    # The sigmoid works with 32-bit floats; without one there is nothing to differ.
    assert difference <= (2**-22 if key in ("dropout-gbdt", "stroke-gbdt") else 0)

    kinds = ["c" if "levels" in column else "q" for column in columns["members"][0]["columns"]]
    declared = xgb.DMatrix(single, feature_names=names, feature_types=kinds, enable_categorical=True)
    assert np.array_equal(booster.predict(declared, output_margin=True), margin)
    attributes = booster.attributes()
    assert json.loads(attributes["clinpipe_columns"]) == columns
    assert attributes["clinpipe_bundle"] == columns["bundle"]


def test_it_takes_a_pandas_table_by_name(studies):
    study = studies("dropout-gbdt")
    path = study.export("xgboost", "model.json")
    table = study.encode()
    names = {column["encoded"]: column["name"] for column in study.columns(path)["members"][0]["columns"]}
    booster = xgb.Booster(model_file=path)
    rows = table[list(names)].rename(columns=names).astype(np.float32)
    margin = booster.predict(xgb.DMatrix(rows), output_margin=True)
    assert np.array_equal(margin.astype(np.float64), table["margin"].to_numpy())
    assert set(booster.get_score(importance_type="cover")) <= set(rows.columns)


@pytest.mark.parametrize("key", ["dropout-gbdt", "stroke-forest"])
def test_its_contributions_add_up_to_the_margin(studies, key):
    study = studies(key)
    booster = xgb.Booster(model_file=study.export("xgboost", "model.json"))
    table = study.encode().head(200)
    names = [column["encoded"] for column in study.columns(study.exports / "model.json")["members"][0]["columns"]]
    data = xgb.DMatrix(table[names].to_numpy().astype(np.float32), feature_names=booster.feature_names)
    shares = booster.predict(data, pred_contribs=True)
    assert np.abs(shares.sum(axis=1) - table["margin"].to_numpy()).max() < 1e-4


@pytest.mark.parametrize("key", ["stroke-gbdt", "stay-gbdt"])
def test_trees_with_category_sets_are_among_those_checked(studies, key):
    trees = model_of(studies(key).read("model.json"))["trees"]
    assert any(tree.get("categories") for tree in trees)


def test_a_linear_model_is_refused(studies):
    study = studies("stroke-logistic")
    path = study.exports / "no.json"
    run = clinpipe("export", "xgboost", "--bundle", study.bundle, "-o", path, check=False)
    assert run.returncode == 2 and "gbdt and forest" in run.stderr and "onnx" in run.stderr
    assert not path.exists() and not path.with_suffix(".columns.json").exists()
