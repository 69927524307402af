"""engine.building: a step whose optimizer was built before is traced once."""

import keras
import pytest

from helpers.engine.building import build_optimizer
from helpers.engine.muon import Muon
from support.small_runs import compiled, fitted


@pytest.mark.parametrize("optimizer", [Muon, keras.optimizers.Adam])
def test_training_traces_its_step_once(optimizer):
    model, traces = compiled(), []

    def loss(labels, logits):
        traces.append(logits)
        return keras.ops.mean(keras.ops.square(logits))

    model.compile(optimizer(0.01), loss, jit_compile=False)
    fitted(model, 2)
    assert len(traces) == 2, "one for training, one for validation"


def test_what_is_built_stays_as_it_is():
    model = compiled()
    build_optimizer(model)
    before = list(model.optimizer.variables)
    assert len(before) > len(model.trainable_variables)
    build_optimizer(model)
    assert all(a is b for a, b in zip(before, model.optimizer.variables, strict=True))
