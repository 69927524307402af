"""What notebook 03 claims: held against its own run, and against formulas in float64."""

import re

import keras
import numpy as np
import pytest

from helpers.lessons import experiments
from support import running

pytestmark = pytest.mark.slow

NAME = "03_weighted_cross_entropy"


def numbers(text):
    return [float(number) for number in re.findall(r"\d+\.\d*|nan", text)]


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def test_cross_entropy_by_hand_is_keras_and_ours(lesson):
    v, found = lesson[0], numbers(lesson[1]["same"].splitlines()[1])
    assert len(found) == 3 and np.ptp(found) < 2e-6
    p = softmax(v["z"].astype("float64"))
    right = -np.mean([np.log(p[r, c, v["labels"][r, c]]) for r, c in np.argwhere(v["labels"] != 255)])
    assert found[0] == pytest.approx(right, abs=1e-6)


def test_flat_or_not(lesson):
    """Claims C1 and C2: values and gradients; on photographs' shapes too."""
    assert "values equal True · gradients equal True" in lesson[1]["same"]
    logits = np.random.RandomState(0).normal(size=(2, 16, 16, 33)).astype("float32")
    labels = np.random.RandomState(1).randint(0, 33, (2, 16, 16))
    both = lesson[0]["both"]
    (value, slope), (flat, flat_slope) = both(labels, logits), both(labels.ravel(), logits.reshape(-1, 33))
    assert np.allclose(value.ravel(), flat) and np.allclose(slope.reshape(-1, 33), flat_slope)


def test_void_pulls_at_nothing_and_the_rest_by_p_minus_truth(monkeypatch):
    v, said = running.run(NAME, monkeypatch, upto="slope-figure")
    assert "p − truth: True" in said["slope-figure"]
    assert (v["slope"][2, 1] == 0).all() and (np.abs(v["slope"][v["valid"]]) > 0).all()


def test_wrong_ways_with_void_give_other_numbers(lesson):
    right, *others = [float(line.split()[0]) for line in lesson[1]["void"].splitlines()]
    assert len({right, *others}) == 4
    assert others[1] == pytest.approx(right * 8 / 9, abs=1e-4)


def test_the_posted_slips(lesson):
    """Claim C5: three stop with an error, two run on."""
    kind = {line[:32].strip(): line[32:] for line in lesson[1]["slips"].splitlines()}
    assert "Error" in kind["float labels"] and "Error" in kind["logits first"]
    assert "runs: (3, 3)" in kind["no mean"]
    assert "runs: 3.49" in kind["the file's label 0, unlabelled"]
    assert "whole numbers, 0 to 32" in kind["the file's label 33"] and len(kind) == 5


def test_argmax_has_no_gradient_and_averages_forget(lesson):
    """Claim C4."""
    said = lesson[1]["argmax"]
    assert "through argmax: None" in said
    first, second = re.findall(r"1\.3333\d+", said)
    assert first == second


@pytest.mark.parametrize(("n", "lowest"), [(4, 0.744), (33, 2.547)])
def test_the_lowest_loss_of_a_double_softmax(n, lowest):
    """Claim C3: no logits get below it."""
    assert -np.log(np.e / (np.e + n - 1)) == pytest.approx(lowest, abs=5e-4)
    perfect = softmax(100 * np.eye(n))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(np.arange(n), perfect)
    assert float(loss) == pytest.approx(lowest, abs=5e-4)


def test_keras_notices_a_last_softmax_only():
    """What the lesson says of a softmax in the very last place, and of one with a layer behind it."""
    losses = {}
    for name, tail in {"last": [], "not last": [keras.layers.Reshape((2, 4))]}.items():
        model = keras.Sequential([keras.Input((2, 4)), keras.layers.Softmax(), *tail])
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
        z, y = 20 * np.eye(4, dtype="float32")[[[0, 3]]], np.array([[0, 3]])
        if tail:
            losses[name] = model.evaluate(z, y, verbose=0)
        else:
            with pytest.warns(UserWarning, match="from_logits"):
                losses[name] = model.evaluate(z, y, verbose=0)
    assert losses["last"] < 1e-3
    assert losses["not last"] == pytest.approx(0.744, abs=1e-3)


def test_an_absent_class(lesson):
    """Claim D1: nothing depends on its weight."""
    assert "same gradient True" in lesson[1]["absent"]


def test_the_askers_loss_is_as_posted(lesson):
    """Claim D2: today's version of it gives what the posted formula gives, in float64."""
    v = lesson[0]
    random = np.random.RandomState(0)
    labels, p = random.randint(0, 3, (2, 5, 5)), random.dirichlet(np.ones(4), (2, 5, 5)) * 1.7
    truth = np.eye(4)[labels]
    weights = experiments.BATCH / (truth.sum((0, 1, 2)) + 1e-7)
    q = np.clip(p / p.sum(-1, keepdims=True), 1e-7, 1 - 1e-7)
    wanted = -(truth * np.log(q) * weights).sum(-1)
    np.testing.assert_allclose(np.array(v["asker"](labels, p.astype("float32"))), wanted, rtol=1e-4)


def test_a_clipped_pixel_is_lost_and_one_from_logits_is_not(lesson):
    slopes = [[float(s) for s in re.findall(r"[+-]\d\.\d{3}", line)] for line in lesson[1]["clip"].splitlines()]
    assert slopes[-1] == [0.0, -1.0]
    assert slopes[0] == [pytest.approx(-1, abs=0.01)] * 2


def test_the_suspects(tmp_path):
    """Claim D2, as the text says it, with three seeds."""
    ends = {}
    for line in running.printed(NAME, tmp_path)["suspects-table"].splitlines()[1:]:
        name, classes, right, loss = re.fullmatch(r"(.+?)  +(.+?) · (.+?) · (.+)", line).groups()
        ends[name] = [(c, int(share)) for c, share in re.findall(r"(\w+) (\d+)%", classes)], right, loss
        assert len(ends[name][0]) == 3
    assert all(int(r) > 50 for r in re.findall(r"\d+", ends["posted loss, Adam 0.005"][1]))
    assert all(share == 100 for _, share in ends["the same at Adam 1.0"][0])
    assert len(dict(ends["the same at Adam 1.0"][0])) > 1 and "nature" in dict(
        ends["the same at Adam 1.0"][0]
    )  # class 2
    assert ends["the same, no softmax"][0] == [("sky", 100)] * 3 and ends["the same, no softmax"][2] == "nan nan nan"
    for name in ("the same with SGD 0.1", "the same, 98 % class 2"):
        assert all(share < 99 for _, share in ends[name][0])
    assert max(map(int, re.findall(r"\d+", ends["the same with SGD 0.1"][1]))) < 40  # it has hardly moved


def test_what_keras_does_with_weights(lesson):
    """Claim D3. Where a shape is refused, it is refused; where it runs, the table says whether it is right."""
    lines = lesson[1]["keras-table"].splitlines()
    assert len(lines) == 9
    verdict = {line[:42].strip(): line[42:].strip() for line in lines[1:]}
    assert (
        "Error" in verdict["class_weight, NumPy (B, H, W)"] and "Error" in verdict["class_weight, NumPy (B, H, W, 1)"]
    )
    assert "Error" in verdict["sample_weight (B,)"]
    assert "right" not in verdict["class_weight, tf.data (B, H, W)"]
    for works in ("class_weight, tf.data (B, H, W, 1)", "class_weight, tf.data one-hot", "sample_weight (B, H, W)"):
        assert verdict[works].endswith("right")
    assert "WRONG" in verdict["sample_weight (B,), batch as wide as image"]
    v = lesson[0]
    columns = (v["unweighted"] * [1, 3, 1]).mean()  # what it computes: weights of columns
    assert verdict["sample_weight (B,), batch as wide as image"].startswith(f"{columns:.4f}")


def test_the_posted_gradient_points_the_wrong_way(lesson):
    """Claim D4: its four gradients, and where the sign is wrong."""
    said = lesson[1]["posted-slopes"].splitlines()
    assert "2.8 ]" in said[0] and "-37.5]" in said[1] and "16.05]" in said[2] and "0.25]" in said[3]
    slopes, grid = lesson[0]["slopes"], np.linspace(0.001, 0.995, 400)
    for weight, zone in {2: None, 10: (0.063, 0.22), 12: (0.042, 0.26), 50: (0.005, 0.35)}.items():
        rows = [np.r_[(1 - p) / 3 * np.ones(3), p] for p in grid]
        sign = np.array([slopes(q, 3, np.array([1, 1, 1, weight], "float32"), "y_pred")[3] for q in rows])
        wrong = grid[sign > 0]
        assert (len(wrong) == 0) if zone is None else (wrong[[0, -1]] == pytest.approx(zone, abs=0.006))
        assert all(slopes(q, 3, np.array([1, 1, 1, weight], "float32"), "y_true")[3] < 0 for q in rows[::40])


def test_the_drawn_curve_is_the_gradient(lesson):
    v = lesson[0]
    for weight in (2, 12, 50):
        x, y = v["explored"](weight).axes[0].lines[0].get_data()
        for p, drawn in list(zip(x, y, strict=True))[100::300]:
            slope = v["slopes"](np.r_[(1 - p) / 3 * np.ones(3), p], 3, np.array([1, 1, 1, weight], "float32"), "y_pred")
            assert slope[3] == pytest.approx(drawn, rel=1e-3, abs=1e-3)


def test_both_losses_trained(said):
    """Claim D4 on scenes, with three seeds: by the prediction nothing is found, by the truth half and more."""
    rows = {}
    for line in said["train-figure"].splitlines()[1:]:
        name, *parts = re.fullmatch(r"(.+?) +recall \[(.+)\]  precision \[(.+)\]  mean IoU \[(.+)\]", line).groups()
        rows[name] = [[float(number) for number in part.split()] for part in parts]
    (none, _, plain), (_, _, _), (found, right, weighted) = (
        rows[name] for name in ("plain", "weights × y_pred", "weights × y_true")
    )
    assert none == rows["weights × y_pred"][0] == [0, 0, 0]
    assert min(found) > 0.45 and max(found) < 0.7 and min(right) > 0.15 and max(right) < 0.3
    assert abs(np.mean(weighted) - np.mean(plain)) < np.ptp(weighted)


def test_the_heavier_the_more_is_found_and_the_less_of_it_is_right(said):
    rows = [numbers(line.partition("recall")[2]) for line in said["turn"].splitlines()]
    recall, precision = np.array([row[:3] for row in rows]), np.array([row[4:7] for row in rows])
    assert recall.shape == precision.shape == (3, 3)
    assert (np.diff(recall.mean(axis=1)) > 0).all()
    assert np.nanmean(precision[0]) > precision[1].mean() > precision[2].mean()


def test_things_are_never_said_and_hardly_missed(said):
    """Before it defines mean IoU, the lesson shows a column that is empty, and what that costs."""
    rows = [line.split()[1:] for line in said["matrix"].splitlines()[1:5]]
    matrix = np.array([[int(n.replace(",", "")) for n in row] for row in rows])
    assert (matrix[:, 3] == 0).all() and matrix[3].sum() / matrix.sum() < 0.03
    assert f"{np.trace(matrix) / matrix.sum():.1%}" in said["matrix"]


def test_the_weight_of_things_jumps(lesson):
    """Claim D1: from batch to batch by more than ten."""
    weights = np.array(lesson[0]["weights"])
    assert weights.shape == (60, 4)
    assert np.nanmax(weights[:, 3]) > 10 * np.nanmin(weights[:, 3])


def test_the_loss_for_one_hot_masks_is_the_one_for_whole_numbers(lesson):
    one_hot, whole = numbers(lesson[1]["one-hot"])
    assert one_hot == pytest.approx(whole, abs=2e-6)


def test_both_trained_losses_are_what_they_say(lesson):
    v = lesson[0]
    random = np.random.RandomState(0)
    labels, logits = random.randint(0, 4, (2, 5, 5)), random.normal(size=(2, 5, 5, 4)).astype("float32")
    labels[0, 0] = 255
    ours = v["losses"].CrossEntropy(v["whole_set"])
    assert float(v["weighted"]("y_true")(labels, logits)) == pytest.approx(float(ours(labels, logits)), rel=1e-5)
    p, valid = softmax(logits), labels != 255
    p_true = np.take_along_axis(p, np.where(valid, labels, 0)[..., None], -1)[..., 0]
    wanted = ((p @ v["whole_set"]) * -np.log(p_true) * valid).sum() / valid.sum()
    assert float(v["weighted"]("y_pred")(labels, logits)) == pytest.approx(wanted, rel=1e-5)


def test_a_sum_over_pixels_multiplies_the_step(lesson):
    """Claim D5."""
    sgd, adam = lesson[1]["sum"].splitlines()
    assert sgd.endswith("16,384 times") and adam.endswith(" 1 times")
