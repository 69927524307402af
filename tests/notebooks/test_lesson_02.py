"""What notebook 02 claims, held against its own run and against the posted answers."""

import re

import keras
import numpy as np
import pytest

from support import running

pytestmark = pytest.mark.slow

NAME = "02_reshape_vs_permute"
WITHOUT = ("animation",)  # test_browser.py plays it


@pytest.mark.parametrize("shape", [(4, 2, 3), (3, 2, 2)])
def test_reshape_and_permute_is_a_transpose(shape):
    """Claim B1, in Keras."""
    scores = np.random.RandomState(0).normal(size=(2, *shape)).astype("float32")
    c, pixels = shape[0], shape[1] * shape[2]
    permuted = np.array(keras.layers.Permute((2, 1))(keras.layers.Reshape((c, pixels))(scores)))
    assert np.array_equal(permuted, scores.transpose(0, 2, 3, 1).reshape(2, pixels, c))


def test_the_posted_arrays(lesson):
    """Claims B1 and B2: the answers' figures."""
    said = lesson[1]["posted"]
    assert "swapped:  " + " ".join(["[1, 2, 3, 4]"] * 6) in said
    assert "[1, 1, 1, 1] [1, 1, 2, 2] [2, 2, 2, 2] [3, 3, 3, 3] [3, 3, 4, 4] [4, 4, 4, 4]" in said
    assert "reshaped:   [1 1 1]" in said and "transposed: [1 2 3]" in said


def test_three_pixels_of_one_class(lesson):
    """Claim B3: the middle row of the answer is not a softmax."""
    said = lesson[1]["three"]
    assert "[0.0, 0.0] [0.0, 1.0] [1.0, 1.0] → softmax [0.5, 0.5] [0.269, 0.731] [0.5, 0.5]" in said
    assert said.count("[0.269, 0.731]") == 4


def test_the_wrong_head_stays_behind(tmp_path):
    """Claims B4 and B9, at full pace: the posted head stays behind, channels first reshaped directly still more."""
    said = running.printed(NAME, tmp_path)["race"]
    pairs = [tuple(map(float, pair)) for pair in re.findall(r"loss ([\d.]+) → ([\d.]+)", said)]
    (_, right), (first, wrong), (start, direct) = pairs
    assert right < 1.6
    assert right + 0.7 < wrong < first and wrong + 0.5 < direct < start < direct + 0.5
    shares = float(re.search(r"each class's share: loss ([\d.]+)", said)[1])
    assert wrong == pytest.approx(shares, abs=0.2), "it is about as good as an answer that knows only the shares"


def test_the_heads_differ_only_in_the_head(lesson):
    right, *wrong = lesson[0]["networks"].values()
    for other in wrong:
        assert [w.shape for w in right.get_weights()] == [w.shape for w in other.get_weights()]
        assert right.output_shape == other.output_shape == (None, 32 * 32, 33)


def test_right_and_wrong_change_places_with_the_channels(lesson):
    """Claim B9: which head is right depends on where the classes are."""
    variables, _ = lesson
    pixels = variables["pixels_of"].values()
    truth = variables["first"].reshape(4, -1).T
    assert [np.array_equal(p, truth) for p in pixels] == [True, False, False]
    assert np.array_equal(variables["last"].reshape(-1, 4), truth)


def test_the_posted_ground_truth_and_the_mended(lesson):
    """Claim B5: three bugs."""
    variables, _ = lesson
    posted, mended, masks = variables["posted"], variables["mended"], variables["mask_files"]
    assert posted.max() == 510  # neither divided by 255 nor exclusive where masks overlap
    assert posted[..., 1].sum() == 0  # the class index never moves
    assert np.array_equal(mended, np.where(masks[1] > 0, 1, 0))


def test_flattening_is_right_for_the_loss_and_the_output(lesson):
    """Claims B6 and B10."""
    said = [line.split()[-1] for line in lesson[1]["flatten"].splitlines()]
    assert said == ["True", "True", "False", "True"]


def test_keras_counts_axes_from_one(lesson):
    """Claim B7."""
    said = lesson[1]["keras"]
    assert said.count("True") == 2 and "axes don't match" in said


def test_reshape_moves_nothing_and_transpose_strides(lesson):
    """Claim B8: NumPy's by strides over the same memory, TensorFlow's by a copy."""
    lines = lesson[1]["rule"].splitlines()
    assert all(line.endswith("same memory: True") for line in lines[:3])
    assert "(4, 1)" in lines[1] and "(1, 6)" in lines[2]
    assert "[  0 100 200 300   1]" in lines[3]


def test_unanswered_exercises_say_so(lesson):
    assert lesson[1]["exercise"].count("Not answered yet") == 2
