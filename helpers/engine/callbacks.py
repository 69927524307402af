"""Keras callbacks with which `helpers.training.fit` keeps what was learned, whatever ends a run."""

import math
import time
from pathlib import Path

import keras
import numpy as np

from helpers.engine import checkpoints


class NaNGuard(keras.callbacks.Callback):
    """Stops at the first loss that is not finite, and puts the last good weights back.

    Attributes:
        epoch: the current one, from 0.
        message: a sentence on what happened, for the reader; "" while all is well.
    """

    message = ""
    epoch = 0

    def on_train_begin(self, logs=None):
        """Remembers the weights at the start."""
        self.good, self.good_epoch = self.model.get_weights(), None

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers which epoch this is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the loss."""
        if not math.isfinite(logs["loss"]):
            self._stop(f"The loss became {logs['loss']} in step {batch + 1} of epoch {self.epoch + 1}.")

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the validation loss and the weights, and remembers these where they are good."""
        if not self.message and not math.isfinite((logs or {}).get("val_loss", 0.0)):
            self._stop(f"The validation loss became {logs['val_loss']} after epoch {epoch + 1}.")
        if not self.message and not all(np.isfinite(w).all() for w in self.model.get_weights()):
            self._stop(f"The last step of epoch {epoch + 1} made weights that are not finite.")
        if not self.message:
            self.good, self.good_epoch = self.model.get_weights(), epoch

    def _stop(self, what):
        self.model.set_weights(self.good)
        self.model.stop_training = True
        back_to = "the start" if self.good_epoch is None else f"the end of epoch {self.good_epoch + 1}"
        self.message = (
            f"{what} Training has stopped, and the network is back at its weights of {back_to}. Look at, in this "
            "order: the learning rate (try a tenth), NaN in the images, labels outside the classes, and with float16 "
            "the loss scale."
        )


class Log(keras.callbacks.Callback):
    """Collects the numbers of each good epoch as plain floats in `history`, across resumptions."""

    def __init__(self, history, guard):
        super().__init__()
        self.history, self.guard = history, guard

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Appends what Keras logged, and the epoch's seconds."""
        if self.guard.message:
            return
        for name, value in {**(logs or {}), "seconds": time.perf_counter() - self.start}.items():
            self.history.setdefault(name, []).append(round(float(value), 6))


class Checkpoint(keras.callbacks.Callback):
    """Writes a checkpoint after each good epoch; where none can be written, training goes on all the same.

    Other callbacks that have a method ``state`` (a dict of arrays) are kept in it, and `going_on` hands each its own
    state back through its method ``restore``.

    Attributes:
        saved: how many epochs the newest checkpoint holds.
    """

    def __init__(self, path, history, identity, callbacks, guard):
        super().__init__()
        self.path, self.history, self.identity, self.guard = Path(path), history, identity, guard
        self.saved = len(history.get("loss", []))
        self.sources = [(number, c) for number, c in enumerate(callbacks) if hasattr(c, "state")]

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint."""
        if self.guard.message:
            return
        extras = {f"{number} {name}": value for number, c in self.sources for name, value in c.state().items()}
        try:
            checkpoints.save(self.path, self.model, self.history, self.identity, extras)
            self.saved = epoch + 1
        except OSError as error:
            print(not_saved(epoch + 1, self.path, error))


def going_on(path, model, identity, callbacks):
    """Puts the checkpoint at `path` into the compiled model and the callbacks.

    Returns:
        The history of the epochs it holds: a dict of lists; empty where there is no checkpoint.

    Raises:
        ValueError: the checkpoint is of another run.
    """
    state = checkpoints.load(path, model, identity)
    if not state:
        return {}
    for number, callback in enumerate(callbacks):
        if hasattr(callback, "restore"):
            mark = f"{number} "
            callback.restore({k.removeprefix(mark): v for k, v in state.extras.items() if k.startswith(mark)})
    return state.history


def not_saved(epoch, path, error):
    """The sentence for a checkpoint that could not be written after an epoch (from 1)."""
    last = checkpoints.latest(path)
    return (
        f"Epoch {epoch} could not be saved ({error}). Training goes on, and will try again after the next; "
        + (f"{last} is whole. " if last else "nothing is saved yet. ")
        + "If the disk is full, make room on it now."
    )
