"""Fits one temperature to the shipped network; writes it to its file, and results/siftflow_cpu_calibration.json.

python tools/calibrate.py          some minutes on 2 CPU cores; needs the photographs (make data)

A network is calibrated if, of the pixels to which it gives the probability 0.8, 80 % are right. Temperature scaling
(Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2) divides all logits
by one number T before the softmax. T is the one that makes the mean cross-entropy over valid pixels smallest. A T above
1 makes every probability milder; no T changes which class is the largest, so the masks and their scores stay.

T is fitted on the validation images, to a random subset of each image's pixels. What it changes is measured over all
valid pixels: on the validation images, and then on the test images, which nothing is chosen by. T depends on how many
looks are averaged, so it is fitted for one look (the image alone) and for four (its mirror image, and both a quarter
larger). That of four is shipped, since `predict.segment` averages four.
"""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np
import scipy
from keras import ops
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers import pipeline, predict, runs, siftflow
from helpers.classes import VOID
from helpers.engine import archive, hardware
from helpers.viz.photo import SURE

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "results" / "siftflow_cpu_calibration.json"
NETWORK = ROOT / "data" / "checkpoints" / "siftflow_cpu.npz"
LOOKS = {"one": {"flip": False, "scales": (1.0,)}, "four": {}}
SHIPPED = "four"  # the looks of `predict.segment`
BINS = 15  # of equal width, as Guo et al. have them
PER_IMAGE = 4096  # pixels of each image that T is fitted to, one in 16
SEED = 0
BOUNDS = (0.05, 20.0)  # between which T is looked for
CHUNK = 2**16  # pixels


# ---- the temperature ------------------------------------------------------------------------------------------------


def cross_entropy(logits, labels, temperature=1.0):
    """The mean cross-entropy, in nats, of softmax(logits / temperature): the mean of -log(probability of the truth).

    Args:
        logits: float (n, class).
        labels: integers (n,), each a class: void pixels are left out before.
    """
    total = 0.0
    for start in range(0, len(labels), CHUNK):  # a copy of all logits at once would take as much memory again
        scaled, truth = logits[start : start + CHUNK] / np.float32(temperature), labels[start : start + CHUNK]
        total += np.sum(logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth], dtype="float64")
    return float(total / len(labels))


def fitted(logits, labels):
    """The temperature at which the mean cross-entropy is smallest: float, above 0.

    The cross-entropy is convex in 1 / T, so it has one minimum; SciPy's bounded search looks for it over log T.

    Args:
        logits, labels: as for `cross_entropy`, of at least one pixel.

    Raises:
        ValueError: there is no pixel, or no minimum within `BOUNDS`, as where each pixel is right.
    """
    if not len(labels):
        raise ValueError("A temperature is fitted to valid pixels, and there is none.")
    low, high = np.log(BOUNDS)
    found = minimize_scalar(
        lambda log: cross_entropy(logits, labels, np.exp(log)),
        bounds=(low, high), method="bounded", options={"xatol": 1e-5},
    )  # fmt: skip
    if not low + 1e-3 < found.x < high - 1e-3:
        raise ValueError(
            f"The cross-entropy has no minimum at a temperature between {BOUNDS[0]} and {BOUNDS[1]}: "
            "this network is right everywhere, or its probabilities say nothing. Look at its scores first."
        )
    return float(np.exp(found.x))


def some_pixels(model, images, labels, *, per_image=PER_IMAGE, seed=SEED, **options):
    """The logits of a random subset of the pixels, since those of all pixels would take gigabytes.

    As many places are drawn in each image, without replacement. Those that are void are then left out, so that each
    valid pixel of all images is as likely to be there.

    Args:
        model, images, options: as for `predict.predict_logits`.
        labels: uint8 (n, row, col), classes or 255 for void.

    Returns:
        logits, float32 (pixel, class); labels, uint8 (pixel,); and the image each pixel is from, int64 (pixel,).
    """
    random = np.random.RandomState(seed)
    area = labels.shape[1] * labels.shape[2]
    kept = []
    for number, (one, truth) in enumerate(_by_image(model, images, labels, options)):
        at = random.permutation(area)[:per_image]
        at = at[truth[at] != VOID]
        kept.append((one[at], truth[at], np.full(len(at), number)))
    return tuple(np.concatenate(parts) for parts in zip(*kept, strict=True))


# ---- what it changes ------------------------------------------------------------------------------------------------


class Reliability:
    """Counts valid pixels by their confidence, and reads the errors of calibration off the counts.

    The expected calibration error is that of Naeini, Cooper and Hauskrecht ("Obtaining Well Calibrated Probabilities
    Using Bayesian Binning", AAAI 2015) in the form of Guo et al., equation 3: the sum over bins of (pixels of the bin /
    pixels) * abs(share of right pixels in the bin - their mean confidence). Bin m of M holds the confidences above
    (m - 1) / M, up to m / M. A pixel's confidence is the largest of its probabilities.

    Args:
        temperature: float above 0; logits are divided by it.
        bins: how many bins of equal width there are.
    """

    def __init__(self, temperature=1.0, bins=BINS):
        self.temperature, self.bins = temperature, bins
        self.pixels, self.right, self.confidence = np.zeros(bins, "int64"), np.zeros(bins, "int64"), np.zeros(bins)
        self.loss, self.sure = 0.0, np.zeros(2, "int64")

    def update(self, logits, labels):
        """Counts pixels: logits float (n, class), labels (n,) with 0 … class-1, or 255 for void, which is left out."""
        valid = labels != VOID
        scaled, truth = logits[valid] / np.float32(self.temperature), labels[valid].astype("int64")
        sums = logsumexp(scaled, axis=1)
        confidence = np.exp(scaled.max(axis=1) - sums).astype("float64")
        right = logits[valid].argmax(axis=1) == truth
        place = np.clip(np.ceil(confidence * self.bins).astype("int64") - 1, 0, self.bins - 1)
        self.pixels += np.bincount(place, minlength=self.bins)
        self.right += np.bincount(place[right], minlength=self.bins)
        self.confidence += np.bincount(place, confidence, minlength=self.bins)
        self.loss += float(np.sum(sums - scaled[np.arange(len(truth)), truth], dtype="float64"))
        self.sure += [np.sum(confidence > SURE), np.sum(right & (confidence > SURE))]

    def result(self):
        """What was counted: a dict, good for JSON.

        Returns:
            ``pixels``: how many are valid. ``accuracy``: the share that is right. ``mean_confidence``, 0-1.
            ``expected_calibration_error``, 0-1. ``negative_log_likelihood``: the mean cross-entropy, in nats. ``sure``:
            pixels, and right pixels, whose confidence is above `photo.SURE`. ``bins``: pixels, right pixels and mean
            confidence of each bin, from the lowest on; that of an empty bin is None.

        Raises:
            ValueError: no valid pixel was counted.
        """
        if not (n := int(self.pixels.sum())):
            raise ValueError("There is no valid pixel, so nothing to measure a calibration by.")
        mean = self.confidence / np.maximum(self.pixels, 1)
        return {
            "pixels": n,
            "accuracy": self.right.sum() / n,
            "mean_confidence": self.confidence.sum() / n,
            "expected_calibration_error": np.abs(self.right - self.confidence).sum() / n,
            "negative_log_likelihood": self.loss / n,
            "sure": {"above": SURE, "pixels": int(self.sure[0]), "right": int(self.sure[1])},
            "bins": {
                "pixels": self.pixels.tolist(),
                "right": self.right.tolist(),
                "mean_confidence": [float(m) if k else None for m, k in zip(mean, self.pixels, strict=True)],
            },
        }


def measured(model, images, labels, temperature, **options):
    """The calibration on labelled images without and with a temperature, over all valid pixels.

    Args:
        model, images, options: as for `predict.predict_logits`. labels: uint8 (n, row, col).

    Returns:
        {"before": at temperature 1, "after": at `temperature`}, each a dict as of `Reliability.result`.
    """
    counted = {"before": Reliability(), "after": Reliability(temperature)}
    for logits, truth in _by_image(model, images, labels, options):
        for one in counted.values():
            one.update(logits, truth)
    return {name: one.result() for name, one in counted.items()}


def calibrated(model, validation, test):
    """Everything that the record says, for each number of looks: a dict.

    Args:
        validation: images and labels that the temperatures are fitted on. test: a function that returns images and
            labels to measure them on; it is called after the last temperature is fitted.
    """
    found = {}
    for look, options in LOOKS.items():
        logits, labels, image = some_pixels(model, *validation, **options)
        even = image % 2 == 0
        found[look] = {
            "fitted_to": len(labels),
            "temperature": fitted(logits, labels),
            "temperature_of_even_images": fitted(logits[even], labels[even]),
            "temperature_of_odd_images": fitted(logits[~even], labels[~even]),
        }
        del logits
    sets = {"validation": validation, "test": test()}
    for look, options in LOOKS.items():
        for name, some in sets.items():
            found[look][name] = measured(model, *some, found[look]["temperature"], **options)
    return found


def _by_image(model, images, labels, options):
    """Yields each image's logits, float32 (pixel, class), and labels (pixel,), row after row."""
    start = 0
    for batch in predict.predict_logits(model, images, **options):
        for logits in ops.convert_to_numpy(batch):
            yield logits.reshape(-1, logits.shape[-1]), labels[start].ravel()
            start += 1


# ---- the command ----------------------------------------------------------------------------------------------------


def ship(path, temperature):
    """Writes the temperature into a network's file, for `runs.pretrained` to find; the weights stay, bit for bit."""
    weights, about = archive.read(path)
    archive.write(path, weights, {**about, "temperature": temperature})


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--network", type=Path, default=NETWORK, help="a .npz file, which gets the temperature")
    parser.add_argument("--out", type=Path, default=OUT, help="a .json file")
    given = parser.parse_args(arguments)
    try:
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        model, _ = runs.pretrained(given.network)
        validation = pipeline.load(dataset)[1]
        looks = calibrated(model, (validation.images, validation.labels), lambda: dataset.load("test"))
        temperature = looks[SHIPPED]["temperature"]
        ship(given.network, temperature)
    except (ValueError, OSError) as error:  # a file that is not there is an OSError
        parser.exit(1, f"{error}\n")
    record = {
        "command": shlex.join(["python", "tools/calibrate.py"]),
        "network": given.network.stem,
        "versions": {**hardware.versions(), "scipy": scipy.__version__},
        "images": {"validation": len(validation.names), "test": len(dataset.names("test"))},
        "fit": {"pixels_per_image": PER_IMAGE, "seed": SEED},
        "temperature": temperature,
        "looks": looks,
    }
    archive.write_record(record, given.out, parser)
    for look, found in looks.items():
        halves = found["temperature_of_even_images"], found["temperature_of_odd_images"]
        print(f"{look:5} T {found['temperature']:.3f}  (even images {halves[0]:.3f}, odd images {halves[1]:.3f})")
        for name in ("validation", "test"):
            for when, errors in found[name].items():
                sure = errors["sure"]
                print(
                    f"{look:5} {name:10} {when:6}"
                    f"  calibration error {100 * errors['expected_calibration_error']:5.2f} %"
                    f"  negative log-likelihood {errors['negative_log_likelihood']:.4f}"
                    f"  right {100 * errors['accuracy']:.1f} %, confidence {100 * errors['mean_confidence']:.1f} %"
                    f"  sure of {100 * sure['pixels'] / errors['pixels']:.1f} %,"
                    f" right there {100 * sure['right'] / max(sure['pixels'], 1):.1f} %"
                )
    print(f"Peak memory: {hardware.peak_memory()} GB")


if __name__ == "__main__":
    main()
