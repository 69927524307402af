"""helpers.predict: masks, confidence and scores are what an independent computation gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import predict
from helpers.classes import N_CLASSES
from helpers.unet import unet
from support.photos import SIZE, network, noise
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


def test_no_images_have_no_masks_and_no_counts(scored):
    model = scored[0]
    none = np.zeros((0, 20, 30, 3), "uint8")
    masks = predict.predict_masks(model, none)
    assert masks.shape == (0, 20, 30) and masks.dtype == np.uint8
    assert not predict.evaluate(model, none, masks).any()


def test_flip_averaging_makes_the_prediction_symmetric(scored):
    model, images, _ = scored
    (logits,) = predict.predict_logits(model, images[:2])
    (turned,) = predict.predict_logits(model, images[:2, :, ::-1])
    np.testing.assert_allclose(logits, turned[:, :, ::-1], atol=1e-4)


# ---- a photo: mask and confidence


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def strongest():
    """A network without surroundings, whose class is the strongest of red, green and blue."""
    colours = keras.Input((SIZE, SIZE, 3))
    net = keras.Model(colours, keras.layers.Conv2D(3, 1)(colours))
    net.set_weights([0.05 * np.eye(3)[None, None], np.zeros(3)])
    return net


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_mask_and_confidence_by_hand(model):
    image = noise(SIZE, SIZE)
    logits = 0
    for side in (SIZE, round(1.25 * SIZE)):
        x = tf.image.resize(image.astype("float32"), (side, side)).numpy()
        both = model.call(tf.constant(np.stack([x, x[:, ::-1]])), training=False).numpy()
        logits += tf.image.resize((both[0] + both[1][:, ::-1]) / 2, (SIZE, SIZE)).numpy() / 2
    probabilities = softmax(logits)
    mask, confidence = predict.segment(model, image)
    assert mask.dtype == np.uint8 and confidence.dtype == np.float32
    assert np.array_equal(mask, logits.argmax(-1)) and len(np.unique(mask)) > 2
    np.testing.assert_allclose(confidence, probabilities.max(-1), rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.7])
def test_a_temperature_changes_the_confidence_alone(model, temperature):
    image = noise(40, 60)
    mask, confidence = predict.segment(model, image)
    same, other = predict.segment(model, image, temperature)
    assert np.array_equal(mask, same) and other.dtype == np.float32
    milder, surer = (other, confidence) if temperature > 1 else (confidence, other)
    assert (milder <= surer).all() and (milder < surer).mean() > 0.5  # some are as near to 1 as float32 can say
    sizes = [predict.fitting_size(model, image.shape[:2], scale) for scale in predict.SCALES]
    logits = np.array(predict.augmented_logits(model, image[None], sizes, image.shape[:2]))[0]
    np.testing.assert_allclose(other, softmax(logits / temperature).max(-1), rtol=1e-5)
    np.testing.assert_array_equal(confidence, predict.segment(model, image, 1.0)[1])


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_that_is_none_is_refused(model, temperature):
    with pytest.raises(ValueError, match="A temperature is above 0; this is"):
        predict.segment(model, noise(40, 60), temperature)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("side", [45, 2 * SIZE])
def test_square_photos_get_the_masks_of_training(policy, side):
    model, image = network(policy), noise(side, side)
    mask, confidence = predict.segment(model, image)
    (logits,) = predict.predict_logits(model, image[None])
    assert np.array_equal(mask, predict.predict_masks(model, image[None])[0])
    np.testing.assert_allclose(confidence, softmax(np.array(logits)[0]).max(-1), rtol=1e-4)
    assert confidence.dtype == np.float32


@pytest.mark.parametrize("ratio", [1, 4 / 3, 3 / 2, 16 / 9, 2, 3, 4, 5])
@pytest.mark.parametrize("turned", [False, True])
def test_photos_keep_their_shape(model, ratio, turned):
    image = noise(40, round(40 * ratio))
    image = image.swapaxes(0, 1) if turned else image
    mask, confidence = predict.segment(model, image)
    assert mask.shape == confidence.shape == image.shape[:2]
    assert mask.max() < N_CLASSES and confidence.min() * 1.0001 >= 1 / N_CLASSES and confidence.max() <= 1
    size = predict.fitting_size(model, image.shape[:2])
    assert min(size) == SIZE and all(side % 4 == 0 for side in size)
    assert np.argmax(size) == np.argmax(image.shape[:2]) and abs(max(size) - SIZE * ratio) < 2.5


def test_logits_of_16_bits():
    image = keras.Input((SIZE, SIZE, 3))
    net = keras.Model(image, keras.layers.Conv2D(3, 1, dtype="mixed_bfloat16")(image))
    net.set_weights([0.005 * np.eye(3)[None, None], np.zeros(3)])
    mask, confidence = predict.segment(net, noise(40, 50))
    assert confidence.dtype == np.float32 and len(np.unique(mask)) == 3
    assert len(np.unique(confidence)) > 256  # more than bfloat16 has between 0.3 and 1


def test_the_network_with_a_stem_too():
    model = unet((SIZE, SIZE, 3), N_CLASSES, filters=2, depth=2, stem=2)
    assert predict.fitting_size(model, (100, 230)) == (32, 72)  # not 76: a multiple of 2 * 2 ** 2
    assert predict.segment(model, noise(100, 230))[0].shape == (100, 230)


@pytest.mark.parametrize("shape", [(60, 300), (300, 60), (35, 1024), (700, 1000), (1000, 1000)])
def test_things_stay_where_they_are(strongest, shape):
    truth = np.zeros(shape, "uint8")
    rows, cols = shape
    truth[rows // 5 : rows // 2, cols // 10 : cols // 3] = 2
    truth[rows * 2 // 3 :, cols // 2 :] = 1
    mask, confidence = predict.segment(strongest, 255 * np.eye(3, dtype="uint8")[truth])
    assert (mask == truth).mean() > 0.97
    assert confidence[rows // 3, cols // 5] > 0.99 and confidence[-1, 0] > 0.99


def test_a_large_photo_is_averaged_for_the_network(strongest):
    image = np.zeros((256, 256, 3), "uint8")
    image[:, 3::8, 0] = image[:, 4::8, 0] = 80  # red lines that a sampling of two pixels in eight would meet each time
    _, confidence = predict.segment(strongest, image)
    mean = 0.05 * 80 / 4
    np.testing.assert_allclose(confidence, np.exp(mean) / (np.exp(mean) + 2), rtol=0.01)


def test_a_mirrored_photo_gets_the_mirrored_mask(model):
    for image in (noise(64, 96), noise(200, 70)):
        mask, confidence = predict.segment(model, image)
        mirrored, mirrored_confidence = predict.segment(model, image[:, ::-1])
        assert (mask == mirrored[:, ::-1]).mean() > 0.995 and (mask != mask[:, ::-1]).mean() > 0.1
        np.testing.assert_allclose(confidence, mirrored_confidence[:, ::-1], atol=0.02)


def test_more_training_is_seen_at_once():
    net, image = network(), noise(40, 60)
    before, _ = predict.segment(net, image)
    net.set_weights([w[..., ::-1] if w.shape[-1] == N_CLASSES else w for w in net.get_weights()])
    after, _ = predict.segment(net, image)
    assert (after == N_CLASSES - 1 - before).mean() > 0.99 and len(np.unique(after)) > 3


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.zeros((40, 40, 4), "uint8"), np.zeros((40, 40, 3))])
def test_what_is_no_photo_is_refused(model, image):
    with pytest.raises(ValueError, match=r"A photo is uint8 \(row, col, RGB\); this is"):
        predict.segment(model, image)
