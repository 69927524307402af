"""`fit` trains a network, with safety nets around Keras' own.

    python -m helpers.training --data PATH --out results/run.json

trains the default recipe on a data set and scores it: see `helpers.runs`, which also holds the command.
"""

import dataclasses
import sys
import zlib

import keras
from keras import ops

from helpers.engine.building import build_optimizer
from helpers.engine.callbacks import Checkpoint, Log, NaNGuard, going_on
from helpers.engine.pixels import check_labels


def fit(model, train, validation, *, epochs, steps, callbacks=(), checkpoint=None, recipe=None):
    """`model.fit`, which keeps what was learned, however it ends.

    A model compiled with ``jit_compile=True`` is trained many steps a call, if `train` is a `pipeline.Feed`: that is
    for one GPU, see `helpers.engine.device_loop`.

    Interrupted (the stop button, Ctrl-C), it returns with the weights and curves of that moment. When the loss turns
    NaN it stops, goes back to the weights of the last epoch's end, and says what to look at. With a `checkpoint`, a run
    that ended early, even with its process, goes on when it is started again, and ends as it would have; one that is
    finished is shown, not trained.

    Args:
        model: a compiled Keras model from images (batch, row, col, RGB) to logits (batch, row, col, class).
        train: a `helpers.pipeline.Feed`, or any function that makes a stream of batches from an epoch on,
            ``train(first_epoch)``; or one such stream over all epochs, with which no run can go on from a checkpoint.
        validation: batches, the same at each epoch's end.
        epochs: how many there are in all.
        steps: batches in an epoch of `train`.
        callbacks: Keras callbacks, such as `helpers.viz.live.View`.
        checkpoint: a path ending in .keras, where each epoch's end is saved; see `helpers.engine.checkpoints`.
        recipe: a `helpers.recipe.Recipe`, where there is one. A checkpoint of another recipe is refused.

    Returns:
        The history: a dict of lists, one number an epoch, of losses, scores and ``seconds``.

    Raises:
        TypeError: there is a checkpoint, and `train` is no function.
        ValueError: the checkpoint is of another run.
        tensorflow.errors.InvalidArgumentError: a label that is neither a class nor void; many steps a call: ValueError.
    """
    if checkpoint and not callable(train):
        raise TypeError("To go on from a checkpoint, fit needs train as a function: train(first_epoch) makes batches.")
    history, identity = {}, {}
    if checkpoint:
        identity = _identity(model, train, epochs, steps) | (dataclasses.asdict(recipe) if recipe else {})
        history = going_on(checkpoint, model, identity, callbacks)
    first_epoch = len(history.get("loss", []))
    if first_epoch >= epochs:
        _show_finished(model, callbacks, epochs, steps)
        print(f"This run is finished: its {epochs} epochs are in {checkpoint}. To train anew, delete that file.")
        return history
    if first_epoch:
        print(f"Going on after epoch {first_epoch} of {epochs}, from {checkpoint}.")
    guard = NaNGuard()
    keep = [Checkpoint(checkpoint, history, identity, callbacks, guard)] if checkpoint else []
    build_optimizer(model)
    same = {
        "epochs": epochs,
        "callbacks": [guard, Log(history, guard), *callbacks, *keep],
        "verbose": _verbosity(callbacks),
    }
    try:
        if _many_steps_a_call(model, train, validation):
            from helpers.engine import device_loop  # here, so that other backends can do without TensorFlow

            device_loop.fit(model, train, validation, steps=steps, first_epoch=first_epoch, **same)
        else:
            model.fit(
                _with_checked_labels(train(first_epoch) if callable(train) else train, model.output_shape[-1]),
                validation_data=_with_checked_labels(validation, model.output_shape[-1]),
                initial_epoch=first_epoch,
                steps_per_epoch=steps,
                shuffle=False,  # the stream is in its order already
                **same,
            )
    except KeyboardInterrupt:
        for callback in callbacks:
            callback.on_train_end()
        print(_interrupted(guard.epoch + 1, epochs, keep[0].saved if keep else 0))
    if guard.message:
        print(guard.message)
    return history


def _identity(model, train, epochs, steps):
    """The properties that must be the same for a run to go on: a dict, good for JSON."""
    compiled = model.get_compile_config()
    _, labels = next(iter(train(0)))
    return {
        "epochs": epochs,
        "steps an epoch": steps,
        "weights": [list(weight.shape) for weight in model.weights],
        "precision": model.dtype_policy.name,
        "optimizer": _without_names(compiled["optimizer"]),
        "loss": _without_names(compiled["loss"]),
        "first batch": zlib.crc32(ops.convert_to_numpy(labels).tobytes()),  # labels are whole: the same on any machine
    }


def _without_names(config):
    """A Keras configuration without what differs from one session to the next, such as "adamw_1"."""
    if isinstance(config, dict):
        return {key: _without_names(v) for key, v in config.items() if key not in ("name", "shared_object_id")}
    return [_without_names(v) for v in config] if isinstance(config, (list, tuple)) else config


def _show_finished(model, callbacks, epochs, steps):
    for callback in callbacks:
        callback.set_model(model)
        callback.set_params({"epochs": epochs, "steps": steps, "verbose": 0})
        callback.on_train_begin()
        callback.on_train_end()


def _many_steps_a_call(model, train, validation):
    """Whether `helpers.engine.device_loop` can do it: for one device, TensorFlow, and what `helpers.pipeline` makes."""
    replicas = getattr(getattr(model, "distribute_strategy", None), "num_replicas_in_sync", 1)
    streams = hasattr(train, "crops") and hasattr(validation, "as_numpy_iterator")
    return model.jit_compile and streams and replicas == 1 and keras.backend.backend() == "tensorflow"


def _with_checked_labels(batches, n_classes):
    """The same batches; a label that is no class ends the run in a sentence even where XLA drops the loss's check."""
    if not hasattr(batches, "map"):  # no tf.data: a feed for another backend
        return batches

    def check(images, labels):
        check_labels(labels, n_classes)
        return images, labels

    return batches.map(check)


def _verbosity(callbacks):
    """Keras' progress: none beside a live view in a notebook, a bar in a terminal, a line an epoch in a log."""
    if any(getattr(callback, "replaces_progress_bar", False) for callback in callbacks):
        return 0
    return 1 if sys.stdout.isatty() else 2


def _interrupted(epoch, epochs, saved):
    again = f"train on from the end of epoch {saved}" if saved else "start anew"
    return (
        f"Interrupted in epoch {epoch} of {epochs}. The network keeps all it has learned: "
        f"go on to the next cell, or run this one again to {again}."
    )


if __name__ == "__main__":  # python -m helpers.training
    from helpers.runs import main

    main()
