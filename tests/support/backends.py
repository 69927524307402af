"""Examines some models on whichever backend Keras runs, and prints what is found, as JSON.

    KERAS_BACKEND=torch PYTHONPATH=.:tests python -m support.backends [CASE ...]

With PyTorch in an environment of its own (`pip install torch keras numpy`), this is how it is tried there, too.
"""

import contextlib
import io
import json
import random
import sys

import keras
import numpy as np
from keras import layers, ops

from helpers.preflight import preflight
from helpers.preflight.backend import slope

SIZE, CLASSES = 24, 3


def pictures():
    """Two rectangles on a ground, of three colours: uint8 (8, row, col, 3), (8, row, col)."""
    numbers = np.random.RandomState(0)
    y = np.zeros((8, SIZE, SIZE), "uint8")
    for labels in y:
        for c in (1, 2):
            row, col = numbers.randint(0, SIZE - 8, 2)
            labels[row : row + numbers.randint(5, 12), col : col + numbers.randint(5, 12)] = c
    x = 90 * y[..., None] + numbers.randint(0, 30, (*y.shape, 3))
    return x.astype("uint8"), y


def model(*head, loss=None, optimizer=None, dropout=0.2):
    """Two convolutions with batch normalisation and dropout, compiled."""
    keras.utils.set_random_seed(1)
    body = [
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Conv2D(8, 3, padding="same"),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
        layers.Dropout(dropout, seed=3),
        layers.Conv2D(CLASSES, 1),
    ]
    network = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *body, *head])
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer or keras.optimizers.Adam(1e-2), loss or cross_entropy, metrics=["accuracy"])
    return network


def flips_apart():
    """Every second label map mirrored."""
    x, y = pictures()
    y[::2] = y[::2, :, ::-1]
    return x, y


def by_argmax(labels, logits):
    """A loss without a slope."""
    wrong = ops.cast(ops.argmax(logits, axis=-1), "int32") != ops.cast(labels, "int32")
    return ops.mean(ops.cast(wrong, "float32"))


def ignores_the_first(labels, logits):
    """A loss that does not look at class 0."""
    each = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return ops.mean(each * ops.cast(labels > 0, "float32"))


CASES = {
    "sound": lambda: (model(), pictures()),
    "softmax twice": lambda: (model(layers.Softmax(), layers.Reshape((SIZE, SIZE, CLASSES))), pictures()),
    "no slope": lambda: (model(loss=by_argmax), pictures()),
    "class 0 ignored": lambda: (model(loss=ignores_the_first), pictures()),
    "flipped apart": lambda: (model(), flips_apart()),
    "scrambled": lambda: (
        model(layers.Reshape((CLASSES, SIZE**2)), layers.Permute((2, 1)), layers.Reshape((SIZE, SIZE, CLASSES))),
        pictures(),
    ),
    "small steps": lambda: (model(optimizer=keras.optimizers.Adadelta(1e-5)), pictures()),
    "large steps": lambda: (model(optimizer=keras.optimizers.SGD(1e4)), pictures()),
}


def state(network):
    """Everything that training changes, and the next random numbers: a list of arrays."""
    variables = [*network.variables, *network.optimizer.variables, *network.metrics_variables]
    drawn = [np.random.get_state()[1], np.array(random.getstate()[1])]  # noqa: NPY002 (that of others is what matters)
    return [ops.convert_to_numpy(variable.value) for variable in variables] + drawn


def main(names):
    """Prints {case: {"found": [[check, confidence, cause]], "unchanged": bool}}, of all cases if none is named."""
    told = {}
    for name in names or CASES:
        network, data = CASES[name]()
        network.optimizer.build(network.trainable_variables)
        network.evaluate(*data, verbose=0)  # optimizer and scores have all their variables from here on
        before = state(network)
        with contextlib.redirect_stdout(io.StringIO()) as table:
            found = preflight(network, data)
        after = state(network)
        same = len(before) == len(after) and all(map(np.array_equal, before, after))
        assert "could not be measured" not in table.getvalue(), table.getvalue()
        told[name] = {"found": [[p.check, p.confidence, p.cause] for p in found], "unchanged": same}
    steep = slope(lambda z: ops.sum(ops.square(z)), np.array([1.0, -2.0]))
    told["slope"] = {"found": steep.tolist(), "unchanged": True}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
