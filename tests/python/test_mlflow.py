"""`mlflow.pyfunc` gives the numbers of `clinpipe predict`."""

import io
import os

import mlflow
import numpy as np
import pandas as pd
import pytest

from conftest import clinpipe


@pytest.fixture(scope="module", params=["dropout-gbdt", "stroke-forest"])
def case(request, studies):
    """A study, its MLflow directory and the raw table as text."""
    study = studies(request.param)
    return study, study.export("mlflow", "mlflow", "--force"), pd.read_csv(study.raw)


def test_predictions_are_those_of_clinpipe(case):
    study, path, raw = case
    scores = study.exports / "scores.csv"
    clinpipe("predict", study.raw, "--bundle", study.bundle, "-o", scores)
    scores = pd.read_csv(scores)
    raw = raw.set_index(raw.index + 100)
    answer = mlflow.pyfunc.load_model(str(path)).predict(raw)
    assert list(answer.columns) == ["p_raw", "p", "flagged", "risk_level"]
    assert answer.index.equals(raw.index)
    for name in ("p", "p_raw"):
        assert np.array_equal(answer[name].to_numpy(), scores[name].to_numpy()), name
    assert np.array_equal(answer["flagged"].to_numpy(), scores["flagged"].to_numpy() == 1)
    assert answer["risk_level"].tolist() == scores["risk_level"].tolist()


def test_numbers_are_those_of_clinpipe(studies):
    study = studies("stay-gbdt")
    path = study.export("mlflow", "mlflow")
    scores = pd.read_csv(io.StringIO(clinpipe("predict", study.raw, "--bundle", study.bundle).stdout))
    answer = mlflow.pyfunc.load_model(str(path)).predict(pd.read_csv(study.raw))
    assert list(answer.columns) == ["prediction"]
    assert np.array_equal(answer["prediction"].to_numpy(), scores["prediction"].to_numpy())


def test_rows_come_as_records_or_not_at_all(case):
    study, path, raw = case
    model = mlflow.pyfunc.load_model(str(path))
    answer = model.predict(raw.head(3))
    inputs = [spec.name for spec in model.metadata.signature.inputs]
    records = [{name: row[name] for name in inputs} for row in raw.head(3).to_dict("records")]
    assert model.predict(records).equals(answer)
    none = model.predict(raw.head(0))
    assert len(none) == 0 and none.dtypes.equals(answer.dtypes)


def test_the_example_can_be_scored(case):
    _, path, _ = case
    model = mlflow.pyfunc.load_model(str(path))
    example = model.metadata.load_input_example(str(path))
    assert len(model.predict(example)) == 1


def test_clinpipe_judges_the_cells(case):
    _, path, raw = case
    model = mlflow.pyfunc.load_model(str(path))
    wrong = raw.head(2).assign(age=[30, 900])
    with pytest.raises(ValueError, match="row 3, column age"):
        model.predict(wrong)


def test_a_missing_program_is_named(case, monkeypatch):
    _, path, _ = case
    monkeypatch.setenv("CLINPIPE", "/nowhere/clinpipe")
    with pytest.raises(RuntimeError, match="CLINPIPE names /nowhere/clinpipe"):
        mlflow.pyfunc.load_model(str(path))
    monkeypatch.delenv("CLINPIPE")
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(RuntimeError, match="no `clinpipe` on the PATH"):
        mlflow.pyfunc.load_model(str(path))


def test_a_program_on_the_path_is_found(case, monkeypatch, tmp_path):
    _, path, raw = case
    (tmp_path / "clinpipe").symlink_to(os.environ["CLINPIPE"])
    monkeypatch.delenv("CLINPIPE")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert len(mlflow.pyfunc.load_model(str(path)).predict(raw.head(2))) == 2


def test_the_directory_describes_itself(case):
    study, path, _ = case
    model = mlflow.models.Model.load(str(path))
    digest = model.metadata["clinpipe_bundle"]
    assert model.model_uuid == digest[:32]
    optional = {spec.name for spec in model.signature.inputs if not spec.required}
    schema = study.read("schema.json")
    assert all(schema["columns"][name]["nullable"] or name == schema.get("id") for name in optional)
    assert [spec.name for spec in model.signature.outputs] == ["p_raw", "p", "flagged", "risk_level"]
