"""The case is what the checks examine: the model, and the few images and labels on which it is tried."""

import dataclasses

import numpy as np
from keras import ops

from . import backend


@dataclasses.dataclass(frozen=True)
class Data:
    """The batches that were read, and the first images, which go through the network.

    Attributes:
        batches: [(images, labels, weights or None)] as given, as arrays; images are (batch, row, col, channel).
        x, y, weight: the first images of the first batch, their labels, and their weights or None.
    """

    batches: list
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None

    def first(self, images):
        """The same with so many images for the network."""
        weight = None if self.weight is None else self.weight[:images]
        return dataclasses.replace(self, x=self.x[:images], y=self.y[:images], weight=weight)


@dataclasses.dataclass(frozen=True)
class Form:
    """How the labels are written: n is the number of classes.

    Attributes:
        hot: whether labels are one-hot. soft: whether they are shares of a class, of which the larger counts here.
    """

    n: int
    hot: bool
    soft: bool = False


@dataclasses.dataclass(frozen=True)
class Case:
    """The model, the data, and what the network gives for them.

    Attributes:
        output: of the network as it is, in inference mode, float32 (image, row, col, class) or (image, pixel, class).
        form: the number of classes, and whether labels are one-hot.
        void: the label that means "no class".
        maps: int (image, row, col) or (image, pixel), all labels that were read, -1 where void.
        class_names: the names of the classes, or None.
    """

    model: object
    data: Data
    output: np.ndarray
    form: Form
    void: int
    maps: np.ndarray
    class_names: list | None

    @property
    def x(self):
        """The images that go through the network, as given: (image, row, col, channel)."""
        return self.data.x

    @property
    def labels(self):
        """Their labels as classes: int (image, row, col) or (image, pixel), -1 where void."""
        return self.maps[: len(self.data.y)]

    @property
    def valid(self):
        """Which of their pixels are labelled: bool, like `labels`."""
        return self.labels >= 0

    @property
    def n(self):
        """The number of classes."""
        return self.form.n

    @property
    def shape(self):
        """The output's shape."""
        return self.output.shape

    def name(self, c):
        """A class's number, and its name where it is known: str."""
        return f"{c} {self.class_names[c]}" if self.class_names and c < len(self.class_names) else f"{c}"

    def with_labels(self, y):
        """The same case with other labels, in the form of those given, for the loss."""
        return dataclasses.replace(self, data=dataclasses.replace(self.data, y=y))

    def loss(self, prediction):
        """The compiled loss of a prediction for `x`, without penalties on weights: float."""
        penalties = sum(float(ops.sum(penalty)) for penalty in self.model.losses)
        return float(self._loss(ops.convert_to_tensor(prediction))) - penalties

    def _loss(self, prediction):
        given = self.x, self.data.y, self.data.weight
        x, y, weight = (None if part is None else ops.convert_to_tensor(part) for part in given)
        return self.model.compute_loss(x, y, prediction, weight)

    def slopes(self, gives):
        """How much the loss changes with each pixel's logits, about undecided ones: float32, like `labels`.

        Args:
            gives: what the network `Gives`: the slope is taken through its last activation, as in training.
        """
        logits = np.random.RandomState(0).normal(0, 0.5, self.shape)
        slopes = backend.slope(lambda z: self._loss(gives.last(z)), logits)
        return np.abs(slopes).sum(axis=-1).reshape(self.labels.shape)

    def filled(self, c=0):
        """The labels, with class c where they are void."""
        return np.where(self.labels < 0, c, self.labels)

    def answer(self, classes, form, sure=30.0):
        """The prediction that is certain of these classes, of the output's shape, as "logits" or "probabilities"."""
        p = np.eye(self.n, dtype="float32")[classes]
        p = (p[..., 1:] if self.shape[-1] == 1 else p).reshape(self.shape)
        return sure * (2 * p - 1) if form == "logits" else p

    def everywhere(self, shares, form):
        """The prediction that gives every pixel probabilities in these proportions (class,)."""
        p = np.clip(np.asarray(shares, "float32") / np.sum(shares), 1e-6, 1)
        if self.shape[-1] == 1:
            p = np.log(p[1:] / p[:1]) if form == "logits" else p[1:]
        else:
            p = np.log(p) if form == "logits" else p
        return np.broadcast_to(p, self.shape).astype("float32")

    def probabilities(self, output, gives):
        """An output, which is "logits" or "probabilities", as probabilities: float64 (image, row, col, class)."""
        p = output.astype("float64")
        if p.shape[-1] == 1:
            p = 1 / (1 + np.exp(-p)) if gives == "logits" else p
            p = np.concatenate([1 - p, p], axis=-1)
        elif gives == "logits":
            p = np.exp(p - p.max(axis=-1, keepdims=True))
        return (p / p.sum(axis=-1, keepdims=True)).reshape(*self.labels.shape, self.n)
