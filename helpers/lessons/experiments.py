"""Small experiments that change one thing: the same few scenes, the same small U-Net, another loss.

The task has four classes, as in the question that notebook 03 answers: sky, built, nature, and *things* (cars, people,
signs, poles ...), which are 2 % of the pixels. A run takes some ten seconds on a CPU, so a lesson can afford several.

    task = experiments.task()
    runs = {"plain": experiments.train(task, losses.CrossEntropy()), "Dice": experiments.train(task, losses.Dice())}
    figures.compare(task, runs, {"mean IoU": experiments.Run.mean_iou})
"""

import itertools
import os
from typing import NamedTuple

import keras
import numpy as np

from helpers import metrics, scenes, siftflow
from helpers.classes import CLASS_NAMES, VOID
from helpers.engine.building import build_optimizer
from helpers.unet import unet

CLASSES = ("sky", "built", "nature", "things")
RARE = CLASSES.index("things")
STREET = 52  # of the held-out scenes the one that the notebooks come back to: a street with cars
SIZE = 32  # pixels, high and wide
BATCH = 6
_MADE_OF = {
    "sky": "sky sun moon",
    "built": "building window door balcony awning bridge road sidewalk crosswalk staircase fence",
    "things": "car bus boat person sign pole streetlight bird cow",
}


class Task(NamedTuple):
    """Images uint8 (n, 32, 32, RGB) and labels uint8 (n, 32, 32), 0-3 or 255 for void: to learn from, and held out."""

    images: np.ndarray
    labels: np.ndarray
    held_out_images: np.ndarray
    held_out_labels: np.ndarray

    @property
    def pixel_counts(self):
        """How many training pixels each class has: int64 (4,)."""
        return np.bincount(self.labels.ravel(), minlength=256)[: len(CLASSES)]


def task(shrink=None, all_classes=False):
    """The synthetic scenes of notebook 02 in four classes, every fourth of them held out.

    Args:
        all_classes: whether the labels keep the 33 classes of `helpers.classes`, for which `train` needs `outputs=33`.
        shrink: how labels get from 64x64 pixels to 32x32, a function of uint8 (n, row, col), 0-3 or 255: every second
            pixel unless given, so that labels do not mix. Those of the held-out scenes always get there that way.
    """
    images, labels, held_out = pictures()
    images, labels = images[:, ::2, ::2], labels if all_classes else in_four(labels)
    apart = labels[:, ::2, ::2]
    learned = apart if shrink is None else shrink(labels)
    return Task(images[~held_out], learned[~held_out], images[held_out], apart[held_out])


def pictures():
    """The scenes that `task` is made of, twice as large as there.

    Returns:
        images, uint8 (n, 64, 64, RGB); labels of the 33 classes, uint8 (n, 64, 64); and which of them `task` holds
        out, bool (n,).
    """
    data = scenes.make(siftflow.data_folder() / "scenes" / "small", train=240, test=24, size=64)
    images, labels = data.load("train")
    return images, labels, np.arange(len(images)) % 4 == 0


def in_four(labels):
    """Labels of the 33 classes in the task's four: uint8 0-3, or 255 for void."""
    to_four = np.full(256, CLASSES.index("nature"), "uint8")
    to_four[VOID] = VOID
    for name, parts in _MADE_OF.items():
        to_four[[CLASS_NAMES.index(part) for part in parts.split()]] = CLASSES.index(name)
    return to_four[labels]


class Run(NamedTuple):
    """The result of training, for each seed.

    Attributes:
        losses: float (seed, epoch), the mean training loss.
        matrices: int64 (seed, 1 + epoch, 4, 4), the confusion matrix (rows = truth) of the held-out scenes, before
            training and after each epoch.
        masks: uint8 (seed, image, row, col), the argmax at the end, on the held-out scenes.
        film: uint8 (1 + epoch, image, row, col), the same before training and after each epoch, of the first seed.
    """

    losses: np.ndarray
    matrices: np.ndarray
    masks: np.ndarray
    film: np.ndarray

    def recall(self, c=RARE):
        """The share of class c's pixels that was found: (seed, 1 + epoch)."""
        return self.matrices[..., c, c] / self.matrices[..., c, :].sum(axis=-1)

    def precision(self, c=RARE):
        """The share of right ones among the pixels given to class c, NaN where there are none: (seed, 1 + epoch)."""
        with np.errstate(invalid="ignore"):
            return self.matrices[..., c, c] / self.matrices[..., :, c].sum(axis=-1)

    def false_alarms(self, c=RARE):
        """The share of all pixels that were given to class c and are of another: (seed, 1 + epoch)."""
        return (self.matrices[..., :, c].sum(axis=-1) - self.matrices[..., c, c]) / self.matrices.sum(axis=(-2, -1))

    def iou(self, c=RARE):
        """The intersection over union of class c: (seed, 1 + epoch)."""
        return self._each(lambda matrix: metrics.iou_per_class(matrix)[c])

    def mean_iou(self):
        """The mean IoU: (seed, 1 + epoch)."""
        return self._each(lambda matrix: metrics.scores(matrix)["mean_iou"])

    def given(self):
        """The share of the held-out pixels given to each class at the end, by the first seed's run: (4,)."""
        return self.matrices[0, -1].sum(axis=0) / self.matrices[0, -1].sum()

    def _each(self, score):
        return np.array([[score(matrix) for matrix in seed] for seed in self.matrices])


def model(task, loss, *, optimizer=None, seeds=(0,), head=None, prepare=None, outputs=4, epochs=14, scores=()):
    """The small U-Net as `train` starts with it, compiled, with Keras metrics besides. Arguments as there."""
    network = _network(seeds[0], head, outputs)
    _compile(network, task, loss, optimizer, epochs, BATCH, metrics=list(scores))
    if prepare is not None:
        prepare(network)
    return network


def train(
    task, loss, *, optimizer=None, rates=(None,), seeds=(0,), head=None, prepare=None, outputs=4, epochs=14,
    finish=None, build=None, batch=BATCH,
):  # fmt: skip
    """Trains a small network once for each seed, of its weights and of the order of the images; and for each rate.

    Args:
        loss: a Keras loss or a function of (labels (batch, row, col), the model's output).
        optimizer: Adam, 5e-3 falling to 0 along a cosine, unless given.
        rates: learning rates in place of the optimizer's. The first axis of the `Run` then has every seed at the first
            rate, every seed at the second, and so on.
        head: a layer without weights on top of the logits, such as a softmax; None for logits.
        prepare, finish: functions of the model, called before training, to start it elsewhere, and after it.
        outputs: how many numbers the network gives per pixel.
        build: a function without arguments that makes the network: the small U-Net, unless given.
        batch: images per step. Those that do not fill the last batch of an epoch are left out of it.
        epochs: how many; at the fast pace (``SERIES_PACE=fast``) never more than 2, of one batch, and with several
            rates one; the network is a level less deep then.
    """
    # One call into TensorFlow per epoch: for a network this small, Python between the steps takes as long as they do.
    at_once = 1 if _fast() else _steps(task, batch)
    # Seeds first, all of them: whoever sets TensorFlow's seed makes it prepare each compiled function anew.
    networks, orders = zip(
        *[_start(task, seed, head, outputs, len(rates), build, batch) for seed in seeds], strict=True
    )
    weights, model = [network.get_weights() for network in networks], networks[0]
    epochs = 1 if _fast() and len(rates) > 1 else epochs
    epochs = _compile(model, task, loss, optimizer, epochs, batch, steps_per_execution=at_once)
    build_optimizer(model)
    at_rest = [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables]
    losses, matrices, masks, film = [], [], [], None
    one_by_one = itertools.product(enumerate(rates), zip(weights, orders, strict=True))
    for (i, rate), (start, batches) in one_by_one:  # the same compiled step serves all
        model.set_weights(start)
        for variable, value in zip(model.optimizer.variables, at_rest, strict=True):
            variable.assign(value)
        if rate is not None:
            model.optimizer.learning_rate = rate
        if prepare is not None:
            prepare(model)
        losses.append([])
        predictions = [_argmax(model, task)]
        for _ in range(epochs):
            losses[-1].append(model.fit(batches[i], shuffle=False, verbose=0).history["loss"][0])
            predictions.append(_argmax(model, task))
        matrices.append([metrics.confusion(task.held_out_labels, prediction, outputs) for prediction in predictions])
        masks.append(predictions[-1])
        film = np.stack(predictions) if film is None else film
        if finish is not None:
            finish(model)
    return Run(np.array(losses), np.array(matrices), np.array(masks), film)


def _start(task, seed, head, outputs, times, build, batch):
    """The network with this seed, and as often as told a pipeline of the batches in the seed's order."""
    import tensorflow as tf

    network, n = _network(seed, head, outputs, build), _steps(task, batch) * batch
    examples = tf.data.Dataset.from_tensor_slices((task.images[:n], task.labels[:n])).cache()
    return network, [examples.shuffle(n, seed=seed).batch(batch, drop_remainder=True) for _ in range(times)]


def _network(seed, head, outputs, build=None):
    keras.utils.set_random_seed(seed)
    network = build() if build else unet((SIZE, SIZE, 3), outputs, filters=8, depth=1 if _fast() else 2)
    return network if head is None else keras.Model(network.input, head(network.output))


def _compile(network, task, loss, optimizer, epochs, batch, **options):
    """Compiles the network; how many epochs it is to be trained at this pace.

    At the fast pace there are so few steps that it takes longer to compile a function of them.
    """
    epochs = min(epochs, 2) if _fast() else epochs
    if optimizer is None:
        optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, epochs * _steps(task, batch)))
    network.compile(optimizer, loss, run_eagerly=_fast(), **options)
    return epochs


def _fast():
    return os.environ.get("SERIES_PACE") == "fast"


def _steps(task, batch):
    """How many steps an epoch has, at this pace."""
    return 1 if _fast() else len(task.images) // batch


def _argmax(model, task):
    return model.predict_on_batch(task.held_out_images.astype("float32")).argmax(axis=-1).astype("uint8")
