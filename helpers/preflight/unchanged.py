"""Preflight leaves no trace: what it trains, counts and draws is put back."""

import contextlib
import random

import keras
import numpy as np
from keras import ops

from . import backend


class Unchanged:
    """A context after which the model, its optimizer, its scores and the random states are as before it."""

    def __init__(self, model):
        self.model, self.before = model if isinstance(model, keras.Model) else None, {}

    def __enter__(self):
        self._put_back = _random_states()
        self.remember()
        return self

    def remember(self):
        """Saves the variables that have come into being since."""
        if self.model is not None:
            optimizer = getattr(self.model, "optimizer", None)
            optimizers = optimizer.variables if optimizer else []
            for variable in [*self.model.variables, *self.model.metrics_variables, *optimizers]:
                self.before.setdefault(id(variable), (variable, _value(variable)))

    def restore(self):
        """Gives every variable the value that was saved."""
        for variable, value in self.before.values():
            variable.assign(value)

    def __exit__(self, *_):
        for metric in self.model.metrics if self.model is not None else []:
            with contextlib.suppress(Exception):
                metric.reset_state()  # those that were built only now are not among the saved ones
        self.restore()
        self._put_back()


def _value(variable):
    return np.array(ops.convert_to_numpy(variable.value))


def _random_states():
    """Saves the states of Python's, NumPy's, Keras' and the backend's random numbers; returns what puts them back."""
    python, numpy_ = random.getstate(), np.random.get_state()  # noqa: NPY002 (that of others is what matters)
    seeds = keras.src.random.seed_generator  # Keras has no public name for the generator behind its unseeded layers
    generator = seeds.global_state.get_global_attribute(seeds.GLOBAL_SEED_GENERATOR)
    state = None if generator is None else _value(generator.state)
    put_back_backend = backend.random_state()

    def put_back():
        random.setstate(python)
        np.random.set_state(numpy_)  # noqa: NPY002
        seeds.global_state.set_global_attribute(seeds.GLOBAL_SEED_GENERATOR, generator)
        if generator is not None:
            generator.state.assign(state)
        put_back_backend()

    return put_back
