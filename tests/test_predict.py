"""helpers.predict: masks and scores are what an independent computation gives."""

import numpy as np
import pytest
import tensorflow as tf

from helpers import predict
from support.small_runs import IMAGES, LABELS, RANDOM, compiled


@pytest.fixture(scope="module")
def scored():
    """A tiny network that sees 16x16, images of 32x32, their labels."""
    model = compiled()
    model.fit(IMAGES.astype("float32"), LABELS, verbose=0)
    images = RANDOM.randint(0, 256, (11, 32, 32, 3)).astype("uint8")
    labels = RANDOM.choice([0, 1, 255], images.shape[:3]).astype("uint8")
    return model, images, labels


def independent(model, images, flip):
    small = tf.image.resize(tf.cast(images, "float32"), (16, 16))
    logits = model(small, training=False)
    if flip:
        logits = (logits + model(small[:, :, ::-1], training=False)[:, :, ::-1]) / 2
    return tf.image.resize(logits, (32, 32)).numpy()


@pytest.mark.parametrize("flip", [True, False])
def test_evaluate_and_predict_equal_an_independent_computation(scored, flip):
    model, images, labels = scored
    logits = independent(model, images, flip)
    two = np.sort(logits, axis=-1)
    clear = (two[..., -1] - two[..., -2]) > 1e-4  # where rounding cannot change the argmax
    masks = predict.predict_masks(model, images, flip=flip, scales=(1,), batch=4)
    assert masks.shape == (11, 32, 32) and masks.dtype == np.uint8
    assert np.array_equal(masks[clear], logits.argmax(-1)[clear]) and clear.mean() > 0.99
    known = np.where(clear, labels, 255).astype("uint8")
    matrix = predict.evaluate(model, images, known, flip=flip, scales=(1,), batch=4)
    counted = np.zeros((3, 3), np.int64)
    np.add.at(counted, (labels[clear & (labels != 255)], logits.argmax(-1)[clear & (labels != 255)]), 1)
    assert matrix.dtype == np.int64 and np.array_equal(matrix, counted)


def test_two_sizes_are_averaged(scored):
    model, images, _ = scored
    (logits,) = predict.predict_logits(model, images[:2], flip=False, scales=(1, 1.5))
    expected = 0
    for side in (model.input_shape[1], round(1.5 * model.input_shape[1])):
        x = tf.image.resize(images[:2].astype("float32"), (side, side))
        expected += tf.image.resize(model.call(x, training=False), images.shape[1:3]) / 2
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert np.abs(logits - next(predict.predict_logits(model, images[:2], flip=False, scales=(1,)))).max() > 1e-3


def test_flip_averaging_makes_the_prediction_symmetric(scored):
    model, images, _ = scored
    (logits,) = predict.predict_logits(model, images[:2])
    (turned,) = predict.predict_logits(model, images[:2, :, ::-1])
    np.testing.assert_allclose(logits, turned[:, :, ::-1], atol=1e-4)
