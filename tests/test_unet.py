"""helpers.unet: the paper's shape, the advertised size, and logits in float32 whatever the policy."""

import keras
import numpy as np
import pytest

from helpers.unet import unet


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
    for floor in range(4):
        side, channels = 128 // 2**floor, 16 * 2**floor
        assert shapes[f"down{floor}b"] == shapes[f"up{floor}b"] == (side, side, channels)
        assert shapes[f"down{floor}_halve"] == (side // 2, side // 2, channels)
        assert shapes[f"up{floor}_recall"] == (side, side, 2 * channels)
    assert shapes["bottomb"] == (8, 8, 256) and shapes["logits"] == (128, 128, 33)


def test_skips_join_the_floor_they_come_from(full):
    for floor in range(4):
        joined = full.get_layer(f"up{floor}_recall").input
        assert joined[0] is full.get_layer(f"down{floor}b").output
        assert joined[1] is full.get_layer(f"up{floor}_double").output


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
