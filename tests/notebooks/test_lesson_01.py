"""What notebook 01 claims, held against its own run and against the posted question's printout."""

import re

import keras
import numpy as np
import pytest
from scipy.optimize import linprog

pytestmark = pytest.mark.slow

NAME = "01_per_pixel_softmax"
PRINTED_CLASSES = np.array([1, 1, 0, 1, 1, 0, 1, 0, 1])  # as posted, row by row


def test_the_tensor_is_the_posted_one(lesson):
    posted = np.random.RandomState()
    posted.seed(234)
    assert np.array_equal(lesson[0]["x"], posted.random_sample(45).astype("float32").reshape(1, 3, 3, 5))


def test_a_1x1_convolution_with_softmax_sums_to_one_at_each_pixel(lesson):
    """Claim A1."""
    variables, _ = lesson
    assert variables["p"].shape == (1, 3, 3, 2)
    assert np.allclose(variables["p"].sum(-1), 1, atol=1e-6)
    assert not np.allclose(variables["z"].sum(-1), 1, atol=0.1)


def test_keras_takes_softmax_of_any_rank_today(lesson):
    """Claim A1: the limit of 2017 is gone."""
    lines = lesson[1]["ranks"].splitlines()
    assert [line[:3] for line in lines] == ["2-D", "3-D", "4-D", "5-D"]
    assert all(line.endswith("1.000000 to 1.000000") for line in lines)


def test_by_hand_as_by_keras(lesson):
    variables, _ = lesson
    assert np.allclose(variables["probabilities"], variables["p"][0, 0, 0], atol=1e-6)
    powers = np.exp((variables["x"] @ variables["weights"]).astype("float64"))
    assert np.allclose(powers / powers.sum(-1, keepdims=True), variables["p"], atol=1e-6)


def test_the_detour_gives_the_same_numbers_and_gradients(lesson):
    """Claim A2."""
    variables, _ = lesson
    flat = np.array(variables["detour"](variables["x"]))
    assert flat.shape == (1, 9, 2)
    assert np.allclose(flat.reshape(1, 3, 3, 2), variables["p"], atol=1e-6)
    convolution, dense = variables["gradients"]
    assert np.abs(convolution).max() > 1e-3
    assert np.allclose(convolution, dense, atol=1e-6)


def test_linear_and_softmax_heads_choose_the_same_classes(lesson):
    """Claim A3; here for logits of any kind, not only the notebook's."""
    assert "same classes: True" in lesson[1]["sums"]
    z = np.random.RandomState(0).normal(0, 5, (50, 6, 6, 4)).astype("float32")
    assert np.array_equal(z.argmax(-1), np.array(keras.ops.softmax(z)).argmax(-1))


def test_the_printout_tells_the_sum_of_the_kernels(lesson):
    """Claim A4: five numbers explain nine."""
    variables, _ = lesson
    assert np.allclose(variables["kernel_sum"], [0.67309273, 1.20291529, 0.63228911, 0.93304709, 0.32713655], atol=1e-8)
    assert np.linalg.matrix_rank(variables["pixels"]) == 5
    misfit = variables["pixels"] @ variables["kernel_sum"] - variables["printed_sums"]
    assert np.abs(misfit).max() < 1e-7


def test_the_printout_does_not_tell_the_kernels(lesson):
    """Claim A4: two very different pairs print the same, and one more, with the largest margin there is."""
    variables, _ = lesson
    x, total, pairs = variables["pixels"], variables["kernel_sum"], variables["pair"]
    for k0 in pairs:
        k1 = total - k0
        assert (k0 >= 0).all() and (k0 <= 1).all() and (k1 >= 0).all() and (k1 <= 1).all()
        assert np.array_equal((x @ np.stack([k0, k1], 1)).argmax(1), PRINTED_CLASSES)
    assert np.abs(pairs[0] - pairs[1]).max() > 0.2
    sign = np.where(PRINTED_CLASSES == 1, 1, -1)[:, None]
    best = linprog(
        [0] * 5 + [-1], A_ub=np.hstack([2 * sign * x, np.ones((9, 1))]), b_ub=(sign * x) @ total,
        bounds=[*zip(np.maximum(0, total - 1), np.minimum(1, total), strict=True), (None, None)],
    )  # fmt: skip
    assert -best.fun == pytest.approx(0.24, abs=0.005)


def test_only_softmax_over_the_classes_is_per_pixel(lesson):
    """Claim A5."""
    variables, printed = lesson
    same, down_a_column, all_ = (variables["influence"](axis) > 1e-6 for axis in (-1, 1, (1, 2, 3)))
    pixel = np.arange(9)
    assert np.array_equal(same, np.eye(9, dtype=bool))
    assert np.array_equal(down_a_column, pixel[:, None] % 3 == pixel % 3)
    assert all_.all()
    changed = dict(re.findall(r"^softmax over the (\w+).*changed at (\d) pixels", printed["axes-sums"], re.M))
    assert changed["classes"] == changed["whole"] == "0"
    assert int(changed["rows"]) > 0


def test_turning_one_pixel_changes_no_other(lesson):
    variables, _ = lesson
    before, after = (np.array(keras.ops.softmax(variables[name])) for name in ("z", "after"))
    assert np.array_equal(before[0].argmax(-1) != after.argmax(-1), np.arange(9).reshape(3, 3) == 5)
    different = np.abs(before[0] - after).max(-1) > 1e-7
    assert np.array_equal(different, np.arange(9).reshape(3, 3) == 5)


def test_unanswered_exercises_say_so(lesson):
    assert lesson[1]["exercise"].count("Not answered yet") == 2
