"""preflight.unchanged: weights, optimizer, scores and random numbers are as if nothing had been, whatever happens."""

import pickle
import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from helpers import losses, metrics
from helpers.preflight import training
from helpers.preflight.unchanged import Unchanged
from support.preflight_models import batch, compiled, examine, frozen, network, norms, pictures, small


def state(model):
    """All that preflight could change, bit by bit."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return {
        **{f"{i} {v.path}": ops.convert_to_numpy(v).tobytes() for i, v in enumerate(variables)},
        "trainable": [layer.trainable for layer in model._flatten_layers()],
        "Python's numbers": random.getstate(),
        "NumPy's numbers": pickle.dumps(np.random.get_state()),  # noqa: NPY002 (that of others is what matters)
        "operations": keras.Operation.__call__,
        "policy": keras.config.dtype_policy().name,
    }


def with_dropout(**how):
    """A network in whose variables there is everything that changes: Adam's moments, statistics, seeds, scores."""
    x, y = batch()
    top = [layers.Dropout(0.3), layers.SpatialDropout2D(0.1), layers.Conv2D(4, 1)]
    model = keras.Sequential([network(8), *top])
    frozen(model, norms(model)[:1])
    return compiled(model, scores=[metrics.Scores(4)], **how), x, y


def assert_same(before, after):
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_nothing_is_changed_before_training():
    model, x, y = with_dropout()
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(x, y, ops.zeros((8, 24, 24, 4)))  # builds them
    before = state(model)
    examine(model, (x, y))
    assert_same(before, state(model))


def test_nothing_is_changed_after_some_steps():
    model, x, y = with_dropout()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    before, images = state(model), x.tobytes() + y.tobytes()
    assert sum("momentum" in name for name in before) > 8 and sum("seed" in name for name in before) == 2
    _, text = examine(model, (x, y))
    steps = [int(n) for n in re.findall(r"in (\d+) steps", " ".join(text.split()))]
    assert len(steps) == 2 and min(steps) > 10
    assert_same(before, state(model))
    assert images == x.tobytes() + y.tobytes()


def test_what_others_change_meanwhile_is_put_back():
    """No check touches the optimizer or the scores for long; if one did, they too would be as before."""
    model, x, y = with_dropout()
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(x, y, ops.zeros((8, 24, 24, 4)))
    before = state(model)
    with Unchanged(model) as unchanged:
        for variable in [*model.variables, *model.optimizer.variables, *model.metrics_variables]:
            variable.assign(variable + ops.ones_like(variable))
        assert len([name for name, value in state(model).items() if value != before[name]]) > 20
        unchanged.restore()
        assert_same(before, state(model))
        model.optimizer.iterations.assign(7)
    assert_same(before, state(model))


class Stops(keras.optimizers.SGD):
    """It stops in the middle: after a step's gradient, in which batch normalisation has moved."""

    error = None

    def apply(self, *_, **__):
        raise self.error


def stopping(error, at):
    """A cross-entropy that stops at that call."""
    calls = iter([None] * (at - 1))

    def loss(labels, logits):
        if next(calls, error):
            raise error
        return losses.CrossEntropy()(labels, logits)

    return loss


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("This loss stops.")], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("at", [1, 5, 16, "optimizer"])
def test_nothing_is_changed_when_it_stops_in_the_middle(error, at, monkeypatch):
    monkeypatch.setattr(Stops, "error", error)
    how = dict(optimizer=Stops(0.1)) if at == "optimizer" else dict(loss=stopping(error, at))
    model, x, y = with_dropout(**how)
    before = state(model)
    monkeypatch.setattr(training, "_STEPS", 1)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            examine(model, (x, y))
    else:
        _, text = examine(model, (x, y))
        assert "This loss stops" in text
    after = state(model)
    assert_same(before, {name: after[name] for name in before})


# ---- random numbers -------------------------------------------------------------------------------------------------


def drawn():
    of_numpy = np.random.random_sample(3)  # noqa: NPY002
    return [np.array(keras.random.normal((3,))), np.array(tf.random.normal((3,))), of_numpy, random.random()]


def augmented():
    """A pipeline that draws numbers of all kinds."""
    drawn()
    yield batch()


def test_random_numbers_go_on_as_if_nothing_had_been():
    model = small()
    for first in (lambda: None, drawn):  # the generators exist only once they were used
        keras.utils.set_random_seed(0)
        first()
        wanted = drawn()
        keras.utils.set_random_seed(0)
        first()
        examine(model, augmented(), seconds=0)
        for a, b in zip(wanted, drawn(), strict=True):
            assert np.array_equal(a, b)


def test_training_starts_as_if_nothing_had_been():
    x, y = pictures(40, seed=1)

    def first_epoch(look):
        keras.utils.set_random_seed(0)
        model, *data = with_dropout()
        if look:
            examine(model, data, seconds=2)
        return model.fit(x, y, batch_size=8, verbose=0).history["loss"]

    assert first_epoch(True) == pytest.approx(first_epoch(False), rel=1e-4)
