"""tools/looks.py: networks on the validation images, seen in one size and in two."""

import json

import numpy as np
import pytest

import looks
from helpers import metrics, pipeline, predict, runs, siftflow
from helpers.recipe import Recipe
from test_runs import data  # noqa: F401

pytestmark = pytest.mark.slow

SMALL = {"size": 16, "filters": 2, "depth": 1, "stem": 1}


@pytest.fixture
def networks(tmp_path):
    """The same small network in the two kinds of file that there are."""
    model = Recipe(**SMALL).network(siftflow.N_CLASSES)
    model.save(tmp_path / "one.keras")
    runs.export(tmp_path / "other.npz", model, {"recipe": SMALL})
    return [str(tmp_path / "one.keras"), str(tmp_path / "other.npz")]


def test_each_network_is_scored_in_each_size(data, networks, tmp_path, capsys):  # noqa: F811
    looks.main([*networks, "--data", str(data), "--out", str(tmp_path / "looks.json")])
    record = json.loads((tmp_path / "looks.json").read_text())
    assert record["command"] == "python tools/looks.py one.keras other.npz --out looks.json"
    assert set(record["validation"]) == {"one", "other", "together"}
    printed = capsys.readouterr().out.splitlines()
    assert len([line for line in printed if "ahead in" not in line]) == 21
    assert len([line for line in printed if "ahead in mean_iou" in line]) == 2 * (len(looks.SIZES) - 1)
    _, images, labels = pipeline.load(siftflow.SiftFlow(data))[1]
    for sizes, key in (((1.0,), "1"), ((1.0, 1.75), "1, 1.75")):
        scores = metrics.scores(predict.evaluate(looks.network(networks[0]), images, labels, scales=sizes))
        assert record["validation"]["one"][key] == pytest.approx(scores, abs=1e-6)
        assert record["validation"]["other"][key]["pixel_accuracy"] == pytest.approx(scores["pixel_accuracy"], abs=0.02)


def test_each_choice_is_compared_with_that_of_the_records(data, networks, tmp_path):  # noqa: F811
    given = [networks[0], "--data", str(data), "--out", str(tmp_path / "looks.json"), "--sizes", "1", "1,1.25", "1,1.6"]
    looks.main(given)
    record = json.loads((tmp_path / "looks.json").read_text())
    ahead = record["ahead_of"]["points"]["one"]
    assert record["ahead_of"]["sizes"] == "1, 1.25" and set(ahead) == {"1", "1, 1.6"}
    for sizes, found in ahead.items():
        for name, each in found.items():
            scores = record["validation"]["one"]
            assert each["points"] == pytest.approx(100 * (scores[sizes][name] - scores["1, 1.25"][name]))
            assert each["interval"][0] <= each["interval"][1]


def test_sizes_may_be_chosen(data, networks, tmp_path, capsys):  # noqa: F811
    given = [networks[0], "--sizes", "1", "1,1.75", "--data", str(data), "--out", str(tmp_path / "looks.json")]
    looks.main(given)
    record = json.loads((tmp_path / "looks.json").read_text())
    assert record["command"] == "python tools/looks.py one.keras --sizes 1 1,1.75 --out looks.json"
    assert list(record["validation"]) == ["one"] and list(record["validation"]["one"]) == ["1", "1, 1.75"]
    with pytest.raises(SystemExit):
        looks.main([networks[0], "--sizes", "large"])
    assert "'large' is no size" in capsys.readouterr().err


def test_together_the_surer_network_decides(data):  # noqa: F811
    """Two networks that see nothing: one gives sky 0.9, the other building 0.6; the product is larger for sky."""
    sky, building = 27, 5
    _, images, labels = pipeline.load(siftflow.SiftFlow(data))[1]
    models = []
    for named, probability in ((sky, 0.9), (building, 0.6)):
        model = Recipe(**SMALL).network(siftflow.N_CLASSES)
        others = np.log((1 - probability) / (siftflow.N_CLASSES - 1))
        bias = np.where(np.arange(siftflow.N_CLASSES) == named, np.log(probability), others)
        model.get_layer("logits").set_weights([np.zeros_like(model.get_layer("logits").get_weights()[0]), bias])
        models.append(model)
    found = looks.scored_together(models, images, labels)
    assert found["pixel_accuracy"] == pytest.approx(np.mean(labels[labels != 255] == sky))
    assert found != pytest.approx(looks.scored_together(models[1:], images, labels))


@pytest.mark.parametrize("name", ["no_such", "none.keras"])
def test_a_network_that_is_not_there_is_named(data, tmp_path, capsys, name):  # noqa: F811
    with pytest.raises(SystemExit):
        looks.main([str(tmp_path / name), "--data", str(data), "--out", str(tmp_path / "looks.json")])
    said = capsys.readouterr().err
    assert name in said and "is no network" in said and not (tmp_path / "looks.json").exists()
