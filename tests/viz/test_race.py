"""helpers.viz.race: several networks train side by side, each as it would alone."""

import keras
import numpy as np
import pytest

from helpers.viz import race


def test_a_race_returns_every_steps_own_loss_and_the_last_masks(displayed):
    """And trains each model just as it would be trained alone."""
    images = np.random.RandomState(0).randint(0, 256, (6, 4, 4, 3)).astype("uint8")
    labels = np.random.RandomState(1).randint(0, 3, (6, 4, 4)).astype("uint8")

    def model():
        keras.utils.set_random_seed(0)
        scale, head = keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 1)
        model = keras.Sequential([keras.Input((4, 4, 3)), scale, head, keras.layers.Reshape((16, 3))])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    batches = [(images[i : i + 2].astype("float32"), labels[i : i + 2].reshape(2, 16)) for i in (0, 2, 4)]
    raced = model()
    losses, masks = race.run({"a": raced, "b": model()}, batches, images[:2], labels[:2], steps=3)
    alone = model()
    own = [float(alone.evaluate(x, y, verbose=0)) for x, y in batches[:1]]
    for x, y in batches:
        alone.reset_metrics()
        alone.train_on_batch(x, y)
    assert losses["a"][0] == pytest.approx(own[0], rel=1e-5)
    assert losses["a"] == pytest.approx(losses["b"]) and len(losses["a"]) == 3
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(raced.get_weights(), alone.get_weights(), strict=True))
    assert masks["a"].shape == (2, 4, 4) and masks["a"].dtype == "uint8"
    logits = np.array(raced(images[:2].astype("float32")))
    assert np.array_equal(masks["a"], logits.argmax(-1).reshape(2, 4, 4))
