"""Training with many steps in one call, for a GPU that would wait for its host at every step.

The training images lie in the GPU's memory as bytes. The host sends which squares to cut out of them, 25 bytes an
image, for `AT_ONCE` steps. XLA compiles the whole of a step into one program, from the cropping to the scores, and
TensorFlow runs it that many times before the host reads the losses. What is computed is what `keras.Model.fit` computes
with the same feed; callbacks are called for every step as there, only some steps late: one that changes the rate, or
stops, in the middle of an epoch does so up to `AT_ONCE` steps later.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from helpers.engine.pixels import check_labels

AT_ONCE = 16  # steps a call: the host reads once for them, and the live curve moves that often


def fit(model, feed, validation, *, epochs, steps, first_epoch=0, callbacks=(), verbose=0):
    """Trains as ``model.fit(feed(first_epoch), validation_data=validation, …)`` would, many steps a call.

    Args:
        model: compiled, and its optimizer built; its ``train_step`` is what runs.
        feed: a `helpers.pipeline.Feed`.
        validation: batches, as `helpers.pipeline.evaluation_batches` makes them; they move to the device once.
        epochs, steps, first_epoch, callbacks, verbose: as ``fit`` takes them.

    Raises:
        ValueError: a label that is neither a class nor void, in any image; more steps than an epoch has batches; or
            more epochs than the feed has.
    """
    if steps * feed.batch > len(feed.images):
        raise ValueError(
            f"{len(feed.images)} images make {len(feed.images) // feed.batch} batches of {feed.batch} an epoch, not "
            f"{steps}: give fit steps={len(feed.images) // feed.batch}."
        )
    if epochs > feed.epochs:
        raise ValueError(f"The feed has {feed.epochs} epochs, and fit is asked for {epochs}: make it with as many.")
    program = Program(model, feed, validation)
    callbacks = keras.callbacks.CallbackList(
        list(callbacks), add_progbar=verbose != 0, model=model, verbose=verbose, epochs=epochs, steps=steps
    )
    model.stop_training = False
    callbacks.on_train_begin()
    crops = feed.crops(first_epoch).batch(steps * feed.batch, drop_remainder=True).prefetch(1).as_numpy_iterator()
    for epoch in range(first_epoch, epochs):
        model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        for step, loss in program.train(next(crops), steps):
            callbacks.on_train_batch_begin(step)
            callbacks.on_train_batch_end(step, {"loss": loss})
            if model.stop_training:
                break
        logs = _floats(model.get_metrics_result())
        callbacks.on_test_begin()
        scores = program.validate()
        callbacks.on_test_end(scores)
        callbacks.on_epoch_end(epoch, logs | {f"val_{name}": value for name, value in scores.items()})
        if model.stop_training:
            break
    # Averaged weights, where the optimizer keeps them, take the place of the last ones.
    model.optimizer.finalize_variable_values(model.trainable_weights)
    callbacks.on_train_end()


class Program:
    """A model's training and validation as two programs of XLA, with the images they use."""

    def __init__(self, model, feed, validation):
        self.model, self.feed = model, feed
        images, labels = (np.concatenate(part) for part in zip(*validation.as_numpy_iterator(), strict=True))
        for these in (feed.labels, labels):
            for start in range(0, len(these), 100):  # checked here, since XLA drops the check that the loss makes
                check_labels(these[start : start + 100], model.output_shape[-1])
        self.images, self.labels = map(_on_device, (feed.images, feed.labels))
        if (images == images.astype("uint8")).all():  # as photographs that are not resized
            images = images.astype("uint8")
        whole = len(images) // feed.batch * feed.batch
        parts = images, labels.astype("uint8")
        self.batches = [_on_device(part[:whole].reshape(-1, feed.batch, *part.shape[1:])) for part in parts]
        self.rest = [_on_device(part[whole:]) for part in parts]  # which do not fill a batch
        self.n_validation = len(images)
        _make_metrics(model, labels[:1])
        self._several_steps = tf.function(self._several_steps, jit_compile=True)
        self._whole_validation = tf.function(self._whole_validation, jit_compile=True)

    def train(self, crops, steps):
        """Yields each step of an epoch, from 0, with the mean loss from its first step on, as Keras logs it.

        Args:
            crops: a `helpers.pipeline.Crop` of arrays, (steps * batch,).
        """
        batch = self.feed.batch
        for start in range(0, steps, AT_ONCE):
            n = min(AT_ONCE, steps - start)
            part = [values[start * batch : (start + n) * batch].reshape(n, batch) for values in crops]
            part = [np.pad(values, [(0, AT_ONCE - n), (0, 0)]) for values in part]  # one shape is one program
            now = crops._make(map(tf.constant, part))
            losses = self._several_steps(self.images, self.labels, now, tf.constant(n)).numpy()
            yield from enumerate(map(float, losses[:n]), start)

    def validate(self):
        """The loss and the scores of the validation images: a dict of floats, named as Keras names them."""
        self.model.reset_metrics()
        loss = float(self._whole_validation(self.batches, self.rest)) / self.n_validation
        return _floats(self.model.get_metrics_result()) | {"loss": loss}

    def _several_steps(self, images, labels, crops, n):
        """Trains `n` steps of `AT_ONCE`: the mean losses so far after each, float32 (AT_ONCE,).

        Images are arguments, here and in `_whole_validation`: TensorFlow would keep what a loop captures for good.
        """

        def step(i, losses):
            now = crops._make(values[i] for values in crops)
            batch = augmented(images, labels, now, self.feed.size)
            loss = self.model.train_step(batch)["loss"]
            return i + 1, tf.tensor_scatter_nd_update(losses, [[i]], [tf.cast(loss, "float32")])

        return tf.while_loop(lambda i, _: i < n, step, (0, tf.zeros(AT_ONCE)))[1]

    def _whole_validation(self, batches, rest):
        """Scores all validation images: the sum of their losses."""

        def scored(images, labels):
            x, y = tf.cast(images, "float32"), tf.cast(labels, "int32")
            logits = self.model(x, training=False)
            loss = self.model.compute_loss(x, y, logits, training=False)
            self.model.compute_metrics(x, y, logits)
            return tf.cast(loss, "float32") * len(images)

        total = scored(*rest) if len(rest[0]) else tf.constant(0.0)
        images, labels = batches
        if not len(images):
            return total
        return tf.while_loop(
            lambda i, _: i < len(images), lambda i, sum_: (i + 1, sum_ + scored(images[i], labels[i])), (0, total)
        )[1]


def _on_device(values):
    """The values in the memory of the GPU, if there is one: from elsewhere each call would bring them anew."""
    gpus = tf.config.list_logical_devices("GPU")
    with tf.device(gpus[0].name if gpus else "CPU:0"):
        return tf.identity(values)


def _make_metrics(model, labels):
    """Lets Keras make the variables of a model's metrics, which it would do within the first step."""
    labels = tf.constant(labels, "int32")
    model.compute_metrics(None, labels, tf.zeros((*labels.shape, model.output_shape[-1])))
    model.reset_metrics()


def _floats(results):
    """What the metrics return, as a flat dict of floats, as Keras hands it to callbacks."""
    flat = {}
    for name, value in results.items():
        flat |= _floats(value) if isinstance(value, dict) else {name: float(value)}
    return flat


def augmented(images, labels, crops, size):
    """`helpers.pipeline.augmented` for a whole batch, with shapes that do not depend on the crops, as XLA needs it.

    Args:
        images, labels: uint8 (n, row, col, RGB) and (n, row, col).
        crops: a `helpers.pipeline.Crop` of tensors, (batch,).

    Returns:
        images float32 (batch, size, size, RGB) and labels int32 (batch, size, size).
    """
    rows = _places(crops.top, crops.side, tf.zeros_like(crops.mirrored), size)
    cols = _places(crops.left, crops.side, crops.mirrored, size)
    image, label = (tf.gather(values, crops.index) for values in (images, labels))
    image = _blended(image, cols, axis=2)  # as TensorFlow resizes: along the row first
    image = _blended(image, rows, axis=1)
    label = tf.gather(tf.gather(label, rows.nearest, axis=1, batch_dims=1), cols.nearest, axis=2, batch_dims=1)
    mean = tf.reduce_mean(image, axis=(1, 2, 3), keepdims=True)
    contrast, brightness = (values[:, None, None, None] for values in (crops.contrast, crops.brightness))
    image = tf.clip_by_value((image - mean) * contrast + mean + brightness, 0, 255)
    return image, tf.cast(label, "int32")


class _Places(NamedTuple):
    """Where each row or column of a result comes from: four arrays (batch, size)."""

    below: tf.Tensor  # int32
    above: tf.Tensor  # int32
    share: tf.Tensor  # float32: how much of it is that from above
    nearest: tf.Tensor  # int32


def _places(start, side, mirrored, size):
    """The `_Places` of `size` rows or columns in squares of `side` pixels from `start` on; all (batch,)."""
    middle = tf.range(size, dtype="float32") + 0.5
    middle = tf.where(mirrored[:, None], size - middle, middle)
    middle *= tf.cast(side, "float32")[:, None] / size  # counted in pixels of the square
    below = tf.floor(middle - 0.5)
    share = middle - 0.5 - below

    def pixel(place):
        return start[:, None] + tf.clip_by_value(tf.cast(place, "int32"), 0, side[:, None] - 1)

    return _Places(pixel(below), pixel(below + 1), share, pixel(tf.floor(middle)))


def _blended(images, places, axis):
    """Linear interpolation along one axis: float32."""
    below, above = (
        tf.cast(tf.gather(images, these, axis=axis, batch_dims=1), "float32") for these in (places.below, places.above)
    )
    return below + (above - below) * (places.share[:, :, None, None] if axis == 1 else places.share[:, None, :, None])
