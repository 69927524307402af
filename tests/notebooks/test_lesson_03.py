"""What notebook 03 claims: held against its own run, and against formulas in float64."""

import re

import keras
import numpy as np
import pytest

from helpers.lessons import experiments
from support import running

pytestmark = pytest.mark.slow

NAME = "03_weighted_cross_entropy"


@pytest.fixture(scope="module")
def lesson():
    with pytest.MonkeyPatch.context() as patch:
        yield running.run(NAME, patch, full=("suspects",))


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def test_cross_entropy_by_hand_is_keras_and_ours(lesson):
    numbers = re.findall(r"0\.\d+", lesson[1]["ways"].splitlines()[1])
    assert len(numbers) == 3 and np.ptp([float(n) for n in numbers]) < 1e-6
    v = lesson[0]
    p = softmax(v["z"].astype("float64"))
    right = -np.mean([np.log(p[r, c, v["labels"][r, c]]) for r, c in np.argwhere(v["labels"] != 255)])
    assert float(numbers[0]) == pytest.approx(right, abs=1e-6)


def test_flat_or_not(lesson):
    """Claims C1 and C2: values and gradients; on photographs' shapes too."""
    assert "values equal True · gradients equal True" in lesson[1]["ways"]
    logits = np.random.RandomState(0).normal(size=(2, 16, 16, 33)).astype("float32")
    labels = np.random.RandomState(1).randint(0, 33, (2, 16, 16))
    both = lesson[0]["both"]
    (value, slope), (flat, flat_slope) = both(labels, logits), both(labels.ravel(), logits.reshape(-1, 33))
    assert np.allclose(value.ravel(), flat) and np.allclose(slope.reshape(-1, 33), flat_slope)


def test_void_pulls_at_nothing_and_the_rest_by_p_minus_truth(lesson):
    v, said = lesson
    assert "(p − truth) / 8: True" in said["slope"]
    assert (v["slope"][2, 1] == 0).all() and (np.abs(v["slope"][v["valid"]]) > 0).all()


def test_wrong_ways_with_void_give_other_numbers(lesson):
    numbers = [float(line.split()[0]) for line in lesson[1]["void"].splitlines()]
    assert len(set(numbers)) == 4
    assert numbers[2] == pytest.approx(numbers[0] * 8 / 9, abs=1e-4)


def test_the_posted_slips(lesson):
    """Claim C5: two stop with an error, two run on."""
    kind = {line[:28].strip(): line[28:] for line in lesson[1]["slips"].splitlines()}
    assert "Error" in kind["float labels"] and "Error" in kind["logits first"]
    assert "runs: (3, 3)" in kind["no mean"]
    assert "runs: 3.49" in kind["33 classes, file's label 0"]
    assert "whole numbers, 0 to 32" in kind["33 classes, file's label 33"]


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


def test_a_class_without_a_pixel(lesson):
    """Claim D1: nothing depends on its weight, unless it is infinite."""
    assert "nan" in lesson[1]["nopixel"].split("ours")[0]
    assert "nan" not in lesson[1]["nopixel"].split("ours")[1]
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


def test_the_suspects(lesson):
    """Claim D2, as the figure shows it."""
    outcome = {}
    for name, run in lesson[0]["outcomes"].items():
        last = run.matrices[0, -1]
        outcome[name] = run.given(), np.trace(last) / last.sum(), run.losses[0]
    given, right, _ = outcome["posted loss, softmax, Adam 0.005"]
    assert right > 0.55 and given.max() < 0.7
    assert outcome["Adam 1.0"][1] < 0.45
    given, _, losses = outcome["no softmax at the end"]
    assert given[0] == 1 and np.isnan(losses).all()
    assert outcome["SGD 0.1"][1] < outcome["SGD 0.1, weights of whole set"][1] - 0.1
    assert outcome["… after a wild step"][0][2] == 1
    assert outcome["… and from logits"][1] > outcome["… after a wild step"][1] + 0.05


def test_what_keras_does_with_weights(lesson):
    """Claim D3. Where a shape is refused, it is refused; where it runs, the table says whether it is right."""
    lines = lesson[1]["keras-table"].splitlines()
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
    said = lesson[1]["posted"].splitlines()
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
        x, y = v["curve"](weight).axes[0].lines[0].get_data()
        for p, drawn in list(zip(x, y, strict=True))[100::300]:
            slope = v["slopes"](np.r_[(1 - p) / 3 * np.ones(3), p], 3, np.array([1, 1, 1, weight], "float32"), "y_pred")
            assert slope[3] == pytest.approx(drawn, rel=1e-3, abs=1e-3)


def test_both_losses_trained(tmp_path):
    """Claim D4 on scenes, at full pace: by the prediction nothing is found, by the truth most."""
    found = dict(re.findall(r"^(.+?) +things: (\d+)% found", running.printed(NAME, tmp_path)["train-figure"], re.M))
    assert int(found["weights × y_pred"]) < 5 and int(found["plain"]) < 5
    assert int(found["weights × y_true"]) > 25


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


def test_the_unmended_exercise_is_named(lesson):
    assert "its weight still comes from the prediction, p:" in lesson[1]["exercise"]
