"""Several checks use these: numbers out of tensors, errors in one line, a look into layers, maps that are turned."""

import contextlib
import functools
import re

import keras
import numpy as np
from keras import ops


def array(tensor):
    """A tensor or variable as an array of float32, which nothing else shares."""
    return np.array(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def short(error):
    """The first telling line of an error: str."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Exception encountered when calling")] or lines
    text = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(lines[:2])).split("}} ")[-1].split(" [Op")[0].rstrip(".")
    return f"{type(error).__name__}: {text[:200]}"


@contextlib.contextmanager
def watch(see):
    """Within it, `see(operation, its first input, its output)` is called after every layer that is run eagerly."""
    call = keras.Operation.__call__

    @functools.wraps(call)
    def watched(self, *args, **kwargs):
        output = call(self, *args, **kwargs)
        if args and ops.is_tensor(args[0]) and ops.is_tensor(output):
            see(self, args[0], output)
        return output

    keras.Operation.__call__ = watched
    try:
        yield
    finally:
        keras.Operation.__call__ = call


def loss_config(model):
    """The settings of the compiled loss, which is an object, a name or a function, alone or in a list: dict."""
    given = keras.tree.flatten(model.loss)
    try:
        loss = keras.losses.get(given[0])
        if loss is keras.losses.sparse_categorical_crossentropy:
            loss = keras.losses.SparseCategoricalCrossentropy()
        return loss.get_config()
    except (AttributeError, NotImplementedError, ValueError):
        return {}


def trained_steps(model):
    """How many steps the model's optimizer has made: int."""
    return int(array(model.optimizer.iterations))


GIVEN = "as they are"


def turned(maps):
    """Maps (image, row, col), and what they become when they get turned by mistake: {how: maps}."""
    ways = {
        GIVEN: maps,
        "upside down": maps[:, ::-1],
        "mirrored": maps[:, :, ::-1],
        "turned by 180 degrees": maps[:, ::-1, ::-1],
    }
    if maps.shape[1] == maps.shape[2]:
        ways["transposed, rows for columns"] = maps.swapaxes(1, 2)
        ways["turned by 90 degrees"] = maps.swapaxes(1, 2)[:, ::-1]
        ways["turned by 270 degrees"] = maps.swapaxes(1, 2)[:, :, ::-1]
    return ways
