"""onnxruntime goes the same way as clinpipe at every threshold and one double on each side of it."""

import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

from conftest import clinpipe, hard_rows


def run(path, outputs=("margin", "p_raw"), **inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    return [output[:, 0] for output in session.run(list(outputs), inputs)]


@pytest.mark.parametrize("key", ["dropout-gbdt", "stroke-gbdt", "stroke-forest"])
def test_every_row_reaches_the_same_leaves(studies, key):
    study = studies(key)
    path = study.export("onnx", "model.onnx")
    names = [column["encoded"] for column in study.columns(path)["members"][0]["columns"]]
    matrix = study.encode()[names].to_numpy()
    rows = np.vstack([matrix, hard_rows(study, matrix, single=False)])
    ours = study.score(rows, names)
    margin, p_raw = run(path, x=rows)
    assert np.array_equal(margin, ours["margin"].to_numpy())
    difference = np.abs(p_raw - ours["p_raw"].to_numpy()).max()
    print(f"{key}: {len(rows)} rows, margins equal, p_raw within {difference:.2e}")
    assert difference <= 2**-51


def test_a_linear_model_in_double_precision(studies):
    study = studies("stroke-logistic")
    path = study.export("onnx", "model.onnx")
    names = [column["encoded"] for column in study.columns(path)["members"][0]["columns"]]
    table = study.encode()
    margin, p_raw = run(path, x=table[names].to_numpy())
    largest = np.abs(table["margin"]).max()
    difference = np.abs(margin - table["margin"].to_numpy()).max()
    print(f"stroke-logistic: margin within {difference:.2e}, p_raw {np.abs(p_raw - table['p_raw']).max():.2e}")
    assert difference <= 1e-14 * max(largest, 1)
    assert np.abs(p_raw - table["p_raw"].to_numpy()).max() <= 1e-14


@pytest.mark.parametrize("key", ["stay-ridge", "stay-gbdt", "stay-forest"])
def test_numbers_are_those_of_clinpipe(studies, key):
    study = studies(key)
    path = study.export("onnx", "model.onnx")
    names = [column["encoded"] for column in study.columns(path)["members"][0]["columns"]]
    table = study.encode()
    margin, prediction = run(path, ("margin", "prediction"), x=table[names].to_numpy())
    scores = study.exports / "scores.parquet"
    clinpipe("predict", study.raw, "--bundle", study.bundle, "-o", scores)
    ours = pd.read_parquet(scores)["prediction"].to_numpy()
    if key == "stay-ridge":
        assert ours.min() == 3 and ours.max() == 9, "both bounds are reached"
    assert np.array_equal(ours, table["prediction"].to_numpy())
    tolerance = 1e-14 * np.abs(table["margin"]).max() if key == "stay-ridge" else 0
    assert np.abs(margin - table["margin"].to_numpy()).max() <= tolerance
    assert np.abs(prediction - ours).max() <= tolerance


def test_a_constant_is_the_same_for_every_row(studies):
    study = studies("stroke-constant")
    path = study.export("onnx", "model.onnx")
    width = len(study.columns(path)["members"][0]["columns"])
    margin, p_raw = run(path, x=np.full((3, width), np.nan))
    expected = study.encode()["p_raw"].to_numpy()[:3]
    assert np.array_equal(p_raw, expected) and np.array_equal(margin, expected)


def test_an_average_has_a_matrix_for_every_member(studies):
    study = studies("stroke-ensemble")
    path = study.export("onnx", "model.onnx")
    members = study.columns(path)["members"]
    assert [member["model"] for member in members] == ["forest", "gbdt"]
    tables = [study.encode("--member", str(index)) for index in range(len(members))]
    inputs = {
        member["input"]: table[[column["encoded"] for column in member["columns"]]].to_numpy()
        for member, table in zip(members, tables)
    }
    margins = [f"margin_{index}" for index in range(len(members))]
    *margins, p_raw = run(path, (*margins, "p_raw"), **inputs)
    for margin, table in zip(margins, tables):
        assert np.array_equal(margin, table["margin"].to_numpy())
    scores = study.exports / "scores.parquet"
    clinpipe("predict", study.raw, "--bundle", study.bundle, "-o", scores)
    difference = np.abs(p_raw - pd.read_parquet(scores)["p_raw"].to_numpy()).max()
    print(f"stroke-ensemble: p_raw within {difference:.2e}")
    assert difference <= 2**-51
    refused = clinpipe("export", "xgboost", "--bundle", study.bundle, "-o", study.exports / "no.json", check=False)
    assert refused.returncode == 2 and "0 (forest), 1 (gbdt)" in refused.stderr and "--member" in refused.stderr
    assert study.export("xgboost", "member.json", "--member", "1").exists()


@pytest.mark.parametrize("key", ["dropout-gbdt", "stroke-forest", "stroke-logistic", "stroke-constant", "stroke-ensemble"])
def test_the_file_is_valid_and_describes_its_columns(studies, key):
    study = studies(key)
    path = study.export("onnx", "model.onnx")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    columns = study.columns(path)
    assert json.loads(properties["clinpipe.columns"]) == columns
    assert properties["clinpipe.bundle"] == columns["bundle"]
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == len(columns["members"][0]["columns"])
