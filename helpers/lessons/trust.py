"""Reads what notebook 08 measures by: counts of the shipped network's test predictions, and other libraries' answers.

`tools/trust.py` counts the first, `tools/library_scores.py` asks for the second. There is no photograph and no label
in either.
"""

import json
from typing import NamedTuple

import numpy as np

from helpers.classes import N_CLASSES, VOID
from helpers.fetch import layout
from helpers.lessons import experiments


class TestImages(NamedTuple):
    """Counts of 200 predictions of the shipped network.

    Attributes:
        counts: {name: array}, as `tools/trust.py` lists them.
        about: a dict, with the names of the test images, the strengths of the logit adjustment, and more.
    """

    counts: dict
    about: dict

    @property
    def four_looks(self):
        """The confusion matrix of each image, rows = truth, with four looks: int64 (image, class, class)."""
        return self.adjusted(0.0)

    @property
    def one_look(self):
        """The same with one look, the image alone."""
        return self._matrices("one")

    def adjusted(self, strength):
        """The same with four looks, after logit adjustment of a strength in ``about["strengths"]``."""
        return self._matrices(f"adjusted_{self.about['strengths'].index(strength)}")

    def reliability(self, temperature):
        """The pixels by confidence at a temperature, 0.5 to 3.0 in steps of 0.1: `Reliability`."""
        (at,) = np.flatnonzero(np.isclose(self.counts["temperatures"], temperature))
        return Reliability(*self.counts["confidence"][at], self.counts["cross_entropy"][at])

    def _matrices(self, name):
        n = self.about["images"]["test"]
        whole = np.zeros(n * N_CLASSES**2, "int64")
        whole[self.counts[f"{name}_at"]] = self.counts[f"{name}_count"]
        return whole.reshape(n, N_CLASSES, N_CLASSES)


class Reliability(NamedTuple):
    """Pixels in bins of confidence of equal width: how many, how many are right, the sum of their confidences.

    ``cross_entropy`` is the mean over all of them, in nats.
    """

    pixels: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    cross_entropy: float

    @property
    def error(self):
        """The expected calibration error: the distance between confidence and accuracy of a bin, over the pixels."""
        return np.abs(self.right - self.confidence).sum() / self.pixels.sum()


def test_images():
    """The counts, from ``results/siftflow_cpu_test_images.npz``: `TestImages`."""
    with np.load(_results() / "siftflow_cpu_test_images.npz") as file:
        counts = dict(file)
    return TestImages(counts, json.loads(str(counts.pop("about"))))


test_images.__test__ = TestImages.__test__ = False  # pytest is not meant


def library_scores():
    """Other libraries' scores and losses of the toys: a dict; the toys in it are arrays (image, row, col).

    Returns:
        ``toys``: {name: (truth, prediction)}; ``iou``, ``dice``: lists of {library, call, values}; ``versions``.
    """
    record = json.loads((_results() / "library_scores.json").read_text(encoding="utf-8"))
    record["toys"] = {name: tuple(np.array(pair)) for name, pair in record["toys"].items()}
    return record


def another_photo(name):
    """A photograph that comes with the series, from ``data/photos``: uint8 (row, col, RGB)."""
    from helpers.viz.photo_file import read

    return read(layout.project_folder() / "data" / "photos" / f"{name}.jpg")


def probabilities(logits, temperature=1.0):
    """Softmax of logits (…, class) divided by a temperature."""
    scaled = np.asarray(logits, "float64") / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def reliability(logits, labels, temperature=1.0, bins=15):
    """The pixels of labelled images by confidence: `Reliability`.

    Args:
        logits: float (…, class). labels: integers of the same shape without the class; 255 is left out.
    """
    valid = labels != VOID
    p, truth = probabilities(logits[valid], temperature), labels[valid].astype(int)
    confidence, right = p.max(axis=-1), p.argmax(axis=-1) == truth
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = [np.bincount(place, weights, bins) for weights in (None, right, confidence)]
    return Reliability(*counts, -np.log(np.maximum(p[np.arange(len(p)), truth], 1e-30)).mean())


def recall_precision(logits, labels, c=experiments.RARE):
    """Recall and precision of a class, for each seed: float (2, seed); precision is NaN where it is never given.

    Args:
        logits: float (seed, image, row, col, class). labels: integers (image, row, col); 255 is left out.
    """
    given, own = (logits.argmax(axis=-1) == c) & (labels != VOID), labels == c
    found, calls = (np.sum(each, axis=(1, 2, 3)) for each in (given & own, given))
    return np.array([found / own.sum(), np.where(calls > 0, found / np.maximum(calls, 1), np.nan)])


def scenes_logits(task, loss, seeds=(0, 1, 2)):
    """Trains the small network of notebook 03 with a loss, and gives its logits of the held-out scenes.

    Returns:
        float (seed, image, row, col, class).
    """
    kept = []

    def keep(model):
        kept.append(np.array(model.predict_on_batch(task.held_out_images.astype("float32"))))

    experiments.train(task, loss, seeds=seeds, finish=keep)
    return np.stack(kept)


def _results():
    return layout.project_folder() / "results"
