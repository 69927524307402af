"""helpers.unet: the paper's shape, the advertised size, and logits in float32 whatever the policy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.unet import BatchNormalization, unet


@pytest.fixture(scope="module")
def full():
    return unet((128, 128, 3), 33)


@pytest.fixture
def policy():
    """Sets the dtype policy for one test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def test_the_real_runs_network_has_its_weights(full):
    assert full.count_params() == 1_946_065


def test_each_floor_halves_the_map_and_doubles_the_channels(full):
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in full.layers}
    for level in range(4):
        side, channels = 128 // 2**level, 16 * 2**level
        assert shapes[f"down{level}b"] == shapes[f"up{level}b"] == (side, side, channels)
        assert shapes[f"down{level}_halve"] == (side // 2, side // 2, channels)
        assert shapes[f"up{level}_recall"] == (side, side, 2 * channels)
    assert shapes["bottomb"] == (8, 8, 256) and shapes["logits"] == (128, 128, 33)


def test_skips_join_the_floor_they_come_from(full):
    for level in range(4):
        joined = full.get_layer(f"up{level}_recall").input
        assert joined[0] is full.get_layer(f"down{level}b").output
        assert joined[1] is full.get_layer(f"up{level}_double").output


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_output_is_float32_logits(name, policy):
    policy(name)
    model = unet((32, 16, 3), 5, filters=2, depth=2)
    images = np.random.RandomState(0).randint(0, 256, (2, 32, 16, 3)).astype("float32")
    logits = model(images)
    assert logits.shape == (2, 32, 16, 5) and keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert model.get_layer("down0a_conv").compute_dtype == name.removeprefix("mixed_")
    logits = keras.ops.convert_to_numpy(logits)
    assert np.isfinite(logits).all() and logits.min() < 0  # no softmax
    assert not np.allclose(logits.sum(axis=-1), 1)


def test_images_are_scaled_inside(full):
    scaled = keras.Model(full.input, full.get_layer("to_plus_minus_1").output)
    ends = scaled(np.stack([np.zeros((128, 128, 3)), np.full((128, 128, 3), 255)]).astype("float32"))
    assert np.allclose(ends[0], -1) and np.allclose(ends[1], 1)


def test_other_channel_counts_and_depths():
    model = unet((24, 40, 1), 2, filters=3, depth=3)
    assert model.output_shape == (None, 24, 40, 2)
    assert model.get_layer("bottomb").output.shape[1:] == (3, 5, 24)


@pytest.mark.parametrize(
    ("shape", "depth", "multiple"), [((100, 128, 3), 4, 16), ((128, 36, 3), 3, 8), ((None, 64, 3), 2, 4)]
)
def test_a_size_that_cannot_be_halved_is_refused_with_the_multiple(shape, depth, multiple):
    with pytest.raises(ValueError, match=rf"multiples of {multiple}, and {shape[0]}x{shape[1]} is not") as error:
        unet(shape, 3, filters=2, depth=depth)
    assert "\n" not in str(error.value) and "Resize" in str(error.value)


def test_every_weight_gets_a_gradient():
    model = unet((16, 16, 3), 3, filters=2, depth=2)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [w.copy() for w in model.get_weights()]
    random = np.random.RandomState(0)
    images, labels = random.randint(0, 256, (4, 16, 16, 3)).astype("float32"), random.randint(0, 3, (4, 16, 16))
    model.fit(images, labels, verbose=0)
    named = zip(model.weights, before, model.get_weights(), strict=True)
    # A bias before batch normalisation has none: its convolution has no bias. What is left must all move.
    assert [w.path for w, old, new in named if np.array_equal(old, new)] == []


# ---- the stem -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", [2, 4])
def test_a_stem_takes_patches_and_the_logits_come_back_to_full_size(stem):
    model = unet((32, 48, 3), 5, filters=4, depth=2, stem=stem)
    assert model.output_shape == (None, 32, 48, 5)
    assert model.get_layer("down0b").output.shape[1:] == (32 // stem, 48 // stem, 4)
    coarse = keras.Model(model.input, [model.get_layer("logits").output, model.output])
    logits, enlarged = coarse(np.random.RandomState(0).randint(0, 256, (2, 32, 48, 3)).astype("float32"))
    assert logits.shape == (2, 32 // stem, 48 // stem, 5)
    np.testing.assert_allclose(enlarged, tf.image.resize(logits, (32, 48)), atol=1e-5)


def test_a_size_its_stem_cannot_share_out_is_refused():
    with pytest.raises(ValueError, match="after a stem of 2x2.*multiples of 8, and 36x32 is not"):
        unet((36, 32, 3), 3, filters=2, depth=2, stem=2)


# ---- batch normalisation in one kernel ------------------------------------------------------------------------------


def both(**options):
    """Our layer and Keras', with the same weights and moving statistics, none of them at their start."""
    random, pair = np.random.RandomState(0), []
    for layer in (
        BatchNormalization(momentum=0.9, **options),
        keras.layers.BatchNormalization(momentum=0.9, **options),
    ):
        layer.build((None, 6, 8, 5))
        pair.append(layer)
    values = [random.uniform(0.5, 2, weight.shape) for weight in pair[0].weights]
    for layer in pair:
        layer.set_weights(values)
    return pair


PIXELS = np.random.RandomState(1).normal(3, 2, (4, 6, 8, 5)).astype("float32")


@pytest.mark.parametrize(("name", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.04), ("mixed_float16", 0.005)])
@pytest.mark.parametrize("training", [True, False])
def test_it_computes_what_keras_does(name, tolerance, training, policy):
    policy(name)
    results = []
    for layer in both():
        x = tf.constant(PIXELS)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            value = tf.reduce_sum(tf.cast(y, "float32") ** 3)
        assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
        gradients = tape.gradient(value, [x, *[w.value for w in layer.trainable_weights]])
        results.append([tf.cast(y, "float32"), *gradients, *layer.get_weights()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())


def test_its_moving_variance_is_the_batchs_own():
    """Not the slightly larger one of the population, which TensorFlow's kernel returns and Keras does not use."""
    ours, theirs = both()
    few = PIXELS[:1, :1, :2]  # two values a channel, where the two differ by a factor of 2
    for layer in (ours, theirs):
        layer(few, training=True)
    np.testing.assert_allclose(ours.moving_variance.numpy(), theirs.moving_variance.numpy(), rtol=1e-5)


def test_it_is_one_operation():
    layer = both()[0]
    step = tf.function(lambda x: layer(x, training=True)).get_concrete_function(tf.TensorSpec((4, 6, 8, 5)))
    operations = [operation.type for operation in step.graph.get_operations()]
    assert operations.count("FusedBatchNormV3") == 1 and "SquaredDifference" not in operations


@pytest.mark.parametrize("options", [{"center": False}, {"scale": False}, {"synchronized": True}])
def test_what_the_kernel_does_not_do_is_left_to_keras(options):
    ours, theirs = both(**options)
    for training in (True, False):
        np.testing.assert_allclose(ours(PIXELS, training=training), theirs(PIXELS, training=training), atol=1e-4)
    np.testing.assert_allclose(ours.moving_mean.numpy(), theirs.moving_mean.numpy(), rtol=1e-5)


def test_frozen_it_keeps_its_statistics():
    layer = both()[0]
    layer.trainable = False
    before = layer.get_weights()
    moving = layer(PIXELS, training=True)
    np.testing.assert_allclose(moving, layer(PIXELS, training=False), atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))


def test_a_saved_network_comes_back(tmp_path):
    model = unet((16, 16, 3), 3, filters=2, depth=1, stem=2)
    model.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    images = np.random.RandomState(0).randint(0, 256, (2, 16, 16, 3)).astype("float32")
    assert isinstance(again.get_layer("bottoma_norm"), BatchNormalization)
    np.testing.assert_allclose(model(images), again(images), atol=1e-5)
