"""tools/calibrate.py: the temperature that is there is found, its errors are those by hand, and the weights stay."""

import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

import calibrate
from helpers import predict, runs
from helpers.engine import archive
from helpers.recipe import Recipe
from support.small_data import write_set

ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads(calibrate.OUT.read_text())


@pytest.fixture(scope="module")
def honest():
    """Logits (pixel, class) whose probabilities are right, for the labels are drawn by them."""
    random = np.random.RandomState(0)
    logits = random.normal(0, 2, (100_000, 5)).astype("float32")
    labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1).astype("uint8")  # the Gumbel-max trick
    return logits, labels


def errors(logits, labels, temperature=1.0):
    counted = calibrate.Reliability(temperature)
    counted.update(logits, labels)
    return counted.result()


# ---- the temperature


@pytest.mark.parametrize("factor", [1 / 3, 1, 3])
def test_logits_that_are_too_large_get_their_factor_and_lose_their_error(honest, factor):
    logits, labels = factor * honest[0], honest[1]
    temperature = calibrate.fitted(logits, labels)
    assert temperature == pytest.approx(factor, rel=0.02)
    before, after = errors(logits, labels), errors(logits, labels, temperature)
    assert after["expected_calibration_error"] < 0.01
    if factor != 1:
        assert before["expected_calibration_error"] > 0.1
        assert before["negative_log_likelihood"] > after["negative_log_likelihood"] + 0.05
    assert (before["mean_confidence"] > before["accuracy"] + 0.01) == (factor > 1)
    assert before["accuracy"] == after["accuracy"]


def test_no_other_temperature_has_a_smaller_cross_entropy(honest):
    logits, labels = 3 * honest[0][:5000], honest[1][:5000]
    least = calibrate.cross_entropy(logits, labels, calibrate.fitted(logits, labels))
    others = np.exp(np.linspace(*np.log(calibrate.BOUNDS), 200))
    assert least <= min(calibrate.cross_entropy(logits, labels, other) for other in others) + 1e-7
    expected = -log_softmax(logits.astype("float64") / 2, axis=1)[np.arange(5000), labels].mean()
    assert calibrate.cross_entropy(logits, labels, 2.0) == pytest.approx(expected, rel=1e-5)


def test_where_there_is_no_minimum_it_says_so(honest):
    logits, _ = honest
    with pytest.raises(ValueError, match="no minimum at a temperature between"):
        calibrate.fitted(logits, logits.argmax(axis=1))  # all right: the colder, the better
    with pytest.raises(ValueError, match="no minimum at a temperature between"):
        calibrate.fitted(logits, logits.argmin(axis=1))
    with pytest.raises(ValueError, match="valid pixels, and there is none"):
        calibrate.fitted(logits[:0], np.zeros(0, "uint8"))


# ---- the errors


def logits_of(*probabilities):
    """Two-class logits of these probabilities of class 1."""
    p = np.array(probabilities)
    return np.log(np.stack([1 - p, p], axis=1)).astype("float32")


def test_the_errors_by_hand():
    # Bins of 1/15: 0.55 is in the ninth, 0.95 and 0.97 are in the last. Four of the five valid pixels are right.
    logits = logits_of(0.55, 0.55, 0.97, 0.03, 0.05, 0.9)
    labels = np.array([1, 0, 1, 0, 1, 255], "uint8")
    found = errors(logits, labels)
    assert found["pixels"] == 5 and found["accuracy"] == 3 / 5
    assert found["mean_confidence"] == pytest.approx((0.55 + 0.55 + 0.97 + 0.97 + 0.95) / 5)
    expected = 2 / 5 * abs(1 / 2 - 0.55) + 3 / 5 * abs(2 / 3 - (0.97 + 0.97 + 0.95) / 3)
    assert found["expected_calibration_error"] == pytest.approx(expected, rel=1e-5)
    loss = -np.log([0.55, 0.45, 0.97, 0.97, 0.05]).mean()
    assert found["negative_log_likelihood"] == pytest.approx(loss, rel=1e-5)
    assert found["sure"] == {"above": 0.9, "pixels": 3, "right": 2}
    bins = found["bins"]
    assert bins["pixels"] == [0] * 8 + [2] + [0] * 5 + [3] and bins["right"] == [0] * 8 + [1] + [0] * 5 + [2]
    assert bins["mean_confidence"][8] == pytest.approx(0.55) and bins["mean_confidence"][0] is None


def test_the_ends_of_the_bins_and_numbers_of_any_size():
    counted = calibrate.Reliability(bins=2)
    counted.update(np.array([[0, 0], [0, 1], [-3000, 3000]], "float32"), np.array([0, 1, 1]))
    found = counted.result()
    assert found["bins"]["pixels"] == [1, 2]  # exactly 1/2 is in the first bin, exactly 1 in the last
    assert np.isfinite(found["negative_log_likelihood"])


def test_the_counts_do_not_depend_on_how_the_pixels_come(honest):
    logits, labels = honest[0][:1000], honest[1][:1000]
    parts = calibrate.Reliability(1.5)
    for start in range(0, 1000, 300):
        parts.update(logits[start : start + 300], labels[start : start + 300])
    parts, whole = parts.result(), errors(logits, labels, 1.5)
    assert parts["bins"]["pixels"] == whole["bins"]["pixels"] and parts["bins"]["right"] == whole["bins"]["right"]
    probabilities = softmax(logits.astype("float64") / 1.5, axis=1)
    assert whole["mean_confidence"] == pytest.approx(probabilities.max(axis=1).mean(), rel=1e-5)
    assert parts["expected_calibration_error"] == pytest.approx(whole["expected_calibration_error"], rel=1e-6)


def test_without_a_valid_pixel_there_is_no_error():
    with pytest.raises(ValueError, match="no valid pixel"):
        errors(np.zeros((4, 3), "float32"), np.full(4, 255, "uint8"))


# ---- of a network


@pytest.fixture(scope="module")
def small():
    """A network with random weights, three images and labels, a third of them void."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(5, 3, padding="same")])
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (3, 16, 16, 3), "uint8")
    model.set_weights([0.003 * random.normal(size=(3, 3, 3, 5)), np.zeros(5)])
    (logits,) = predict.predict_logits(model, images)
    labels = (np.array(logits) + random.gumbel(size=(3, 16, 16, 5))).argmax(axis=-1).astype("uint8")
    labels[random.rand(3, 16, 16) < 1 / 3] = 255
    return model, images, labels


def test_void_pixels_do_not_count(small):
    model, images, labels = small
    logits, truth, image = calibrate.some_pixels(model, images, labels, per_image=100)
    assert len(logits) == len(truth) == len(image) < 300 and 255 not in truth
    all_logits, all_truth, image = calibrate.some_pixels(model, images, labels)  # no image has so many
    assert np.bincount(image).tolist() == (labels != 255).sum(axis=(1, 2)).tolist()
    assert np.bincount(all_truth, minlength=5).tolist() == np.bincount(labels[labels != 255], minlength=5).tolist()
    found = calibrate.measured(model, images, labels, 2.0)
    assert found["before"]["pixels"] == (labels != 255).sum()
    for name, temperature in (("before", 1), ("after", 2)):
        expected = calibrate.cross_entropy(all_logits, all_truth, temperature)
        assert found[name]["negative_log_likelihood"] == pytest.approx(expected, rel=1e-5)


def test_the_pixels_are_those_of_the_image_and_the_seed(small):
    model, images, labels = small
    (maps,) = predict.predict_logits(model, images)
    maps = np.array(maps)
    logits, truth, image = calibrate.some_pixels(model, images, labels, per_image=20)
    for one, label, number in zip(logits, truth, image, strict=True):
        row, col = np.argwhere((maps[number] == one).all(axis=-1))[0]
        assert labels[number, row, col] == label
    same, other = (calibrate.some_pixels(model, images, labels, per_image=20, seed=seed)[0] for seed in (0, 1))
    assert np.array_equal(logits, same) and not np.array_equal(logits[:10], other[:10])


def test_three_times_the_logits_have_three_times_the_temperature_and_the_same_errors(small):
    model, images, labels = small
    louder = keras.models.clone_model(model)
    louder.set_weights([3 * weight for weight in model.get_weights()])
    first, second = (calibrate.calibrated(one, (images, labels), lambda: (images, labels)) for one in (model, louder))
    for look in calibrate.LOOKS:
        for name in ("temperature", "temperature_of_even_images", "temperature_of_odd_images"):
            assert second[look][name] == pytest.approx(3 * first[look][name], rel=1e-3)
        losses = [found[look]["test"]["after"]["negative_log_likelihood"] for found in (first, second)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)
        assert second[look]["validation"] == second[look]["test"]  # of the same images
    assert second["four"]["temperature"] == pytest.approx(3, rel=0.2)


# ---- the command


@pytest.fixture
def network(tmp_path):
    """A file of a small network, as `runs.export` writes it."""
    recipe = {"size": 16, "filters": 2, "depth": 1, "stem": 2}
    keras.utils.set_random_seed(0)
    runs.export(path := tmp_path / "network.npz", Recipe(**recipe).network(33), {"recipe": recipe, "minutes": 1})
    return path


def test_the_command_writes_the_record_and_the_file(network, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs.layout, "data_folder", lambda: tmp_path / "data")
    names = [f"{kind}_{i:02}" for i in range(10) for kind in ("coast", "street")]
    write_set(tmp_path / "set", names, ["coast_t1", "street_t2"], 32, stand_in=True)
    before, about = archive.read(network)
    out = tmp_path / "deep" / "record.json"
    calibrate.main(["--data", str(tmp_path / "set"), "--network", str(network), "--out", str(out)])
    record = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert record["images"] == {"validation": 2, "test": 2} and record["network"] == "network"
    assert record["temperature"] == record["looks"]["four"]["temperature"]
    after, now = archive.read(network)
    assert now == {**about, "temperature": record["temperature"]} and about.keys() == {"recipe", "minutes"}
    assert runs.pretrained(network)[1]["temperature"] == record["temperature"]
    assert all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
    assert "four  test       after" in capsys.readouterr().out


def test_a_file_keeps_its_weights_bit_for_bit_and_gets_the_last_temperature(tmp_path):
    path = shutil.copy(calibrate.NETWORK, tmp_path / "network.npz")
    before, about = archive.read(path)
    assert runs.pretrained(path)[1]["temperature"] == RECORD["temperature"]
    calibrate.ship(path, 2.5)
    calibrate.ship(path, 1.5)
    after, now = archive.read(path)
    assert now == {**about, "temperature": 1.5}
    assert all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
    assert [file.name for file in tmp_path.iterdir()] == ["network.npz"]


def test_what_is_not_there_is_named(tmp_path, capsys):
    for given in (["--data", str(tmp_path)], ["--data", str(tmp_path), "--network", str(tmp_path / "none.npz")]):
        with pytest.raises(SystemExit):
            calibrate.main([*given, "--out", str(tmp_path / "record.json")])
        said = capsys.readouterr().err
        assert str(tmp_path) in said and "Traceback" not in said
    assert not list(tmp_path.iterdir())


# ---- what is published


def test_the_shipped_file_says_what_the_record_says():
    assert runs.pretrained("siftflow_cpu")[1]["temperature"] == RECORD["temperature"]
    assert RECORD["temperature"] == RECORD["looks"][calibrate.SHIPPED]["temperature"]
    assert RECORD["images"] == {"validation": 248, "test": 200}


def test_the_record_agrees_with_itself_and_with_that_of_the_scores():
    rescored = runs.recorded("siftflow_cpu_rescored.json")["looks"]
    for look, found in RECORD["looks"].items():
        assert found["test"]["before"]["accuracy"] == pytest.approx(rescored[look]["test"]["pixel_accuracy"], abs=1e-5)
        halves = found["temperature_of_even_images"], found["temperature_of_odd_images"]
        assert min(halves) <= found["temperature"] <= max(halves)
        for name in ("validation", "test"):
            before, after = found[name]["before"], found[name]["after"]
            assert before["accuracy"] == after["accuracy"] and before["pixels"] == after["pixels"]
            for measured in (before, after):
                bins = measured["bins"]
                n, right = np.array(bins["pixels"]), np.array(bins["right"])
                mean = np.array([m or 0 for m in bins["mean_confidence"]])
                assert n.sum() == measured["pixels"] and right.sum() / n.sum() == pytest.approx(measured["accuracy"])
                assert (n * mean).sum() / n.sum() == pytest.approx(measured["mean_confidence"])
                error = np.abs(right - n * mean).sum() / n.sum()
                assert error == pytest.approx(measured["expected_calibration_error"])
        assert (
            found["validation"]["after"]["negative_log_likelihood"]
            <= (found["validation"]["before"]["negative_log_likelihood"])
        )


def test_the_pages_say_what_the_record_says():
    page = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    passage = page[page.index("## Is its confidence right?") : page.index("## What mattered")]
    four, one = RECORD["looks"]["four"], RECORD["looks"]["one"]
    rows = [re.findall(r"\d+\.\d+", line) for line in passage.splitlines() if re.match(r"\| (validation|test) ", line)]
    expected = [
        [
            f"{temperature:.2f}",
            f"{100 * found['accuracy']:.1f}",
            f"{100 * found['mean_confidence']:.1f}",
            f"{100 * found['expected_calibration_error']:.2f}",
            f"{found['negative_log_likelihood']:.3f}",
            f"{100 * found['sure']['pixels'] / found['pixels']:.1f}",
            f"{100 * found['sure']['right'] / found['sure']['pixels']:.1f}",
        ]
        for name in ("validation", "test")
        for temperature, found in ((1, four[name]["before"]), (RECORD["temperature"], four[name]["after"]))
    ]
    assert rows == expected
    moved = re.search(r"moves\*\*: ([\d.]+) fitted to .* even number, ([\d.]+) to .*one look it is ([\d.]+)\.", passage)
    temperatures = four["temperature_of_even_images"], four["temperature_of_odd_images"], one["temperature"]
    assert list(moved.groups()) == [f"{value:.2f}" for value in temperatures]
    before, after = (f"{100 * four['test'][when]['expected_calibration_error']:.2f}" for when in ("before", "after"))
    assert f"from {before} to {after} points" in passage
    assert f", {RECORD['temperature']:.2f}: divide" in (calibrate.NETWORK.parent / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_some_photographs_again(siftflow_root):
    """Of the shipped network and 12 test images: what is measured is the confidence that `predict.segment` gives."""
    from helpers import siftflow

    dataset = siftflow.SiftFlow(siftflow_root)
    images, labels = dataset.load(dataset.names("test")[::17])
    model, about = runs.pretrained("siftflow_cpu")
    found = calibrate.measured(model, images, labels, about["temperature"])
    looks = [predict.segment(model, image, about["temperature"]) for image in images]
    masks, confidences = (np.stack(parts) for parts in zip(*looks, strict=True))
    valid = labels != 255
    assert found["after"]["mean_confidence"] == pytest.approx(confidences[valid].mean(dtype="float64"), abs=1e-4)
    assert found["after"]["accuracy"] == pytest.approx((masks == labels)[valid].mean(), abs=1e-4)
    loss = {when: errors_["negative_log_likelihood"] for when, errors_ in found.items()}
    assert loss["after"] < loss["before"]
