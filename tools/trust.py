"""Counts what notebook 08 asks of the shipped network's predictions; writes results/siftflow_cpu_test_images.npz.

python tools/trust.py              about ten minutes on 2 CPU cores; needs the photographs (make data)

Counts only, and nothing from which a photograph or a label could be drawn:

- the confusion matrix of each test image, with one look (the image alone) and with four (its mirror image, and both a
  quarter larger), these at several strengths of logit adjustment, of which 0 is none;
- what the network says where nobody labelled;
- valid pixels by confidence and right or wrong, at many temperatures;
- valid pixels by three measures of doubt, and by their distance to the nearest border of classes, right and all;
- each connected region of the test labels: its class, its pixels, and how many of them are right;
- how often two people's labels agree, on the training photographs that the data set holds twice;
- the scores of experiments that differ in their seed alone.

Logit adjustment (Menon, Jayasumana, Rawat, Jain, Veit and Kumar, "Long-tail Learning via Logit Adjustment", ICLR 2021,
section 4.1) subtracts s * log(share of the class in the training pixels) from the logits of a trained network. Its
strength s is chosen on the validation images. The test images choose nothing.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

import numpy as np
from keras import ops
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers import metrics, pipeline, predict, runs, siftflow
from helpers.classes import N_CLASSES, TRAIN_PIXELS, VOID
from helpers.engine import hardware

OUT = Path(__file__).resolve().parent.parent / "results" / "siftflow_cpu_test_images.npz"
NETWORK = "siftflow_cpu"  # in data/checkpoints
STRENGTHS = (-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)  # of the logit adjustment
TEMPERATURES = tuple(np.arange(5, 31) / 10)
BINS = 15  # of confidence, as in tools/calibrate.py
FINE = 500  # bins of doubt
SURE = 0.9
FARTHEST = 32  # pixels: a distance of this or more counts as this
BATCH = 4


# ---- counts of one image --------------------------------------------------------------------------------------------


def looks(model, images):
    """The logits of four looks at each image, at its own size: float32 (look, image, row, col, class).

    The first is the image alone. Their mean is what `predict.predict_logits` yields.
    """
    found = []
    for scale in predict.SCALES:
        size = predict.input_size(model, [side * scale for side in model.input_shape[1:3]])
        for flip in (False, True):
            flipped = images[:, :, ::-1] if flip else images
            logits = predict.augmented_logits(model, flipped, [size], images.shape[1:3], flip=False)
            found.append(ops.convert_to_numpy(ops.flip(logits, axis=2) if flip else logits))
    return np.stack(found)


def softmax(logits):
    """The probabilities of logits (…, class)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def entropy(p):
    """The entropy of probabilities (…, class), as a share of the largest possible: 0-1."""
    return -(p * np.log(np.maximum(p, 1e-12))).sum(axis=-1) / np.log(p.shape[-1])


def adjusted(logits, strength, pixels):
    """Logits after logit adjustment: the logit of a class with a share q of the pixels loses `strength` * log(q).

    Args:
        logits: float (…, class). pixels: (class,), how many each class has in the training images.
    """
    share = np.maximum(np.asarray(pixels, float), 1) / np.sum(pixels)
    return logits - (strength * np.log(share)).astype("float32")


def distance(label):
    """How far each pixel is from the nearest pixel of another class: int (row, col), 1 beside a border.

    Measured in steps to any of the eight neighbours. Void is no class, so nothing is near to it. A pixel of an image
    with one class is `FARTHEST` away, and so is every pixel farther than that.
    """
    label, far = np.asarray(label), np.full(np.shape(label), FARTHEST)
    for c in np.unique(label[label != VOID]):
        others = (label != c) & (label != VOID)
        if others.any():
            steps = ndimage.distance_transform_cdt(~others, metric="chessboard")
            far[label == c] = np.minimum(steps, FARTHEST)[label == c]
    return far


def regions(label, right):
    """The connected regions of one class in a label map: int64 (region, 3), their class, pixels and right pixels.

    Neighbours are the eight around a pixel.
    """
    found = []
    for c in np.unique(label[label != VOID]):
        numbers, n = ndimage.label(label == c, structure=np.ones((3, 3)))
        sizes, rights = np.bincount(numbers.ravel())[1:], np.bincount(numbers[right], minlength=n + 1)[1:]
        found.append(np.stack([np.full(n, c), sizes, rights], axis=1))
    return np.concatenate(found) if found else np.zeros((0, 3), "int64")


def by_bin(values, right, bins):
    """Pixels and right pixels in equal bins of values in 0-1: int64 (2, bin)."""
    place = np.clip(np.ceil(values.astype("float64") * bins).astype("int64") - 1, 0, bins - 1)
    return np.stack([np.bincount(place, minlength=bins), np.bincount(place[right], minlength=bins)])


# ---- counts of all --------------------------------------------------------------------------------------------------


def tested(model, images, labels):
    """All counts of the test images: {name: array}. See `main` for what they are called in the file."""
    one, four = [], [[] for _ in STRENGTHS]
    bins = np.zeros((len(TEMPERATURES), 3, BINS))
    loss = np.zeros(len(TEMPERATURES))
    doubt, away = np.zeros((3, 2, FINE), "int64"), np.zeros((2, FARTHEST + 1), "int64")
    band, sure = np.zeros((2, N_CLASSES, N_CLASSES), "int64"), np.zeros((N_CLASSES, N_CLASSES), "int64")
    pieces, void = [], []
    for number, (each, truth) in enumerate(_by_image(model, images, labels)):
        logits, mask = each.mean(axis=0), each.mean(axis=0).argmax(axis=-1)
        valid, far = truth != VOID, distance(truth)
        right = (mask == truth) & valid
        void.append(np.bincount(mask[~valid], minlength=N_CLASSES))
        one.append(metrics.confusion(truth, each[0].argmax(axis=-1), N_CLASSES))
        for strength, kept in zip(STRENGTHS, four, strict=True):
            given = adjusted(logits, strength, TRAIN_PIXELS).argmax(axis=-1)
            kept.append(metrics.confusion(truth, given, N_CLASSES))
        for k, temperature in enumerate(TEMPERATURES):
            p = softmax(logits[valid] / np.float32(temperature))
            confidence = p.max(axis=-1)
            counts = by_bin(confidence, right[valid], BINS)
            place = np.clip(np.ceil(confidence.astype("float64") * BINS).astype("int64") - 1, 0, BINS - 1)
            bins[k] += [*counts, np.bincount(place, confidence, minlength=BINS)]
            loss[k] -= np.log(np.maximum(p[np.arange(len(p)), truth[valid]], 1e-30), dtype="float64").sum()
        p, apart = softmax(logits[valid]), softmax(each[:, valid])
        entropies = entropy(p)
        between = np.clip(entropy(apart.mean(axis=0)) - entropy(apart).mean(axis=0), 0, 1)
        for k, measure in enumerate((1 - p.max(axis=-1), entropies, between)):
            doubt[k] += by_bin(measure, right[valid], FINE)
        away += [np.bincount(far[some], minlength=FARTHEST + 1) for some in (valid, right)]
        for k, some in enumerate((far <= 3, far > 3)):
            band[k] += metrics.confusion(np.where(some, truth, VOID), mask, N_CLASSES)
        is_sure = np.zeros(truth.shape, bool)
        is_sure[valid] = p.max(axis=-1) > SURE
        sure += metrics.confusion(np.where(is_sure, truth, VOID), mask, N_CLASSES)
        found = regions(truth, right)
        pieces.append(np.column_stack([np.full(len(found), number), found]))
    return {
        **packed("one", np.stack(one)),
        **{name: value for k, kept in enumerate(four)
           for name, value in packed(f"adjusted_{k}", np.stack(kept)).items()},
        "temperatures": np.array(TEMPERATURES), "confidence": bins, "cross_entropy": loss / bins[0, 0].sum(),
        "doubt": doubt, "distance": away, "band": band, "sure": sure,
        "void": np.stack(void).astype("uint32"),
        "regions": np.concatenate(pieces).astype("uint32"),
    }  # fmt: skip


def validated(model, images, labels):
    """The pooled confusion matrices of the validation images at each strength: int64 (strength, class, class)."""
    sums = np.zeros((len(STRENGTHS), N_CLASSES, N_CLASSES), "int64")
    start = 0
    for batch in predict.predict_logits(model, images, batch=BATCH):
        logits = ops.convert_to_numpy(batch)
        for k, strength in enumerate(STRENGTHS):
            mask = adjusted(logits, strength, TRAIN_PIXELS).argmax(axis=-1)
            sums[k] += metrics.confusion(labels[start : start + len(mask)], mask, N_CLASSES)
        start += len(logits)
    return sums


def packed(name, each):
    """Matrices (image, class, class) as lists of their entries above 0: {name_at, name_count}."""
    at = np.flatnonzero(each)
    return {f"{name}_at": at.astype("uint32"), f"{name}_count": each.ravel()[at].astype("uint32")}


def twice(names, images, labels, least=0.99):
    """The photographs that a data set holds twice, and how their labels agree.

    Two photographs count as the same if they differ by less than 2 of 255 on average. Only those are compared whose
    thumbnails of 16×16 pixels correlate by `least` or more.

    Returns:
        A list of dicts: both names; ``valid``: pixels that both people labelled; ``same``: those with the same class;
        ``same_with_void``: of all pixels those with the same label; ``mean_iou`` of the second label map against the
        first as truth.
    """
    small = images.reshape(len(images), 16, images.shape[1] // 16, 16, images.shape[2] // 16, 3).mean(axis=(2, 4, 5))
    small = small.reshape(len(images), -1).astype("float32")
    small -= small.mean(axis=1, keepdims=True)
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)
    found = []
    for i, j in np.argwhere(np.triu(small @ small.T, k=1) >= least):
        if np.abs(images[i].astype(int) - images[j]).mean() < 2:
            both = np.where(labels[j] == VOID, VOID, labels[i])
            matrix = metrics.confusion(both, np.where(labels[j] == VOID, 0, labels[j]), N_CLASSES)
            found.append({
                "names": [names[i], names[j]], "valid": int(matrix.sum()), "same": int(np.trace(matrix)),
                "same_with_void": int((labels[i] == labels[j]).sum()),
                "mean_iou": metrics.scores(matrix)["mean_iou"],
            })  # fmt: skip
    return found


def _by_image(model, images, labels):
    for start in range(0, len(images), BATCH):
        each = looks(model, images[start : start + BATCH])
        for i in range(each.shape[1]):
            yield each[:, i], labels[start + i]


# ---- the command ----------------------------------------------------------------------------------------------------


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--out", type=Path, default=OUT, help="a .npz file")
    given = parser.parse_args(arguments)
    try:
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        model, _ = runs.pretrained(NETWORK)
        names = dataset.names("train")
        images, labels = dataset.load(names)
    except (ValueError, FileNotFoundError) as error:
        parser.exit(1, f"{error}\n")
    same = twice(names, images, labels)
    for pair in same:
        print(*pair["names"], f"agree at {100 * pair['same'] / pair['valid']:.1f} % of the pixels", flush=True)
    out = pipeline.held_out(names, images)
    images, labels = images[out], labels[out]
    validation = validated(model, images, labels)
    scores = [metrics.scores(matrix)["mean_iou"] for matrix in validation]
    about = {
        "command": shlex.join(["python", "tools/trust.py"]),
        "network": NETWORK,
        "versions": hardware.versions(),
        "images": {"validation": len(labels), "test": len(dataset.names("test"))},
        "strengths": STRENGTHS,
        "chosen_strength": STRENGTHS[int(np.argmax(scores))],
        "sure_above": SURE,
        "names": dataset.names("test"),
        "twice": same,
    }
    print("mean IoU on validation", {s: round(100 * v, 1) for s, v in zip(STRENGTHS, scores, strict=True)}, flush=True)
    counts = tested(model, *dataset.load("test"))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with open(given.out, "wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), validation=validation, **counts)
    print(f"{given.out.stat().st_size / 1000:.0f} kB; peak memory {hardware.peak_memory()} GB")


if __name__ == "__main__":
    main()
