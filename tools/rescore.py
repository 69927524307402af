"""Scores the shipped network in the ways that a single number hides; writes results/siftflow_cpu_rescored.json.

python tools/rescore.py            some minutes on 2 CPU cores; needs the photographs (make data)
python tools/rescore.py --scales 1 1.6 --out build/sizes.json      four looks in other sizes, too, and the difference

On the test images, with one look (the image alone) and with four (its mirror image, and both a quarter larger): the
four scores, mean IoU by three conventions, and how far each score would move with other test images. Nothing is chosen
by these numbers: they describe a network that is finished.
"""

import argparse
import contextlib
import shlex
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers import metrics, predict, runs, siftflow
from helpers.engine import archive, hardware

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "results" / "siftflow_cpu_rescored.json"
NETWORK = "siftflow_cpu"  # in data/checkpoints
LOOKS = {"one": {"flip": False, "scales": (1.0,)}, "four": {}}
REPEATS = 2000  # of the bootstrap


def matrices(model, images, labels, **options):
    """The confusion matrix of each image, rows = truth: int64 (image, class, class). Options as in `predict_masks`."""
    masks = predict.predict_masks(model, images, **options)
    n = model.output_shape[-1]
    return np.stack([metrics.confusion(truth, mask, n) for truth, mask in zip(labels, masks, strict=True)])


def conventions(matrix):
    """Mean IoU of a confusion matrix by three conventions, which differ in the classes that count: {name: float}.

    The first is that of Long, Shelhamer and Darrell, and of `helpers.metrics.scores`. A class that is in neither counts
    as 0 in the last.
    """
    right, union = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
    iou = right / np.maximum(union, 1)
    counted = {
        "classes of the truth": matrix.sum(axis=1) > 0,
        "classes of truth or prediction": union > 0,
        "all classes": np.ones(len(matrix), bool),
    }
    return {name: float(iou[which].mean()) for name, which in counted.items()}


def drawn_scores(each, repeats=REPEATS, seed=0):
    """The four scores of a bootstrap's draws: {score: float (repeats,)}, fractions.

    As many images are drawn, with replacement, as there are, and their confusion matrices are added up. The same seed
    draws the same images.

    Args:
        each: int64 (image, class, class), the confusion matrix of each image.
    """
    n = len(each)
    drawn = np.random.RandomState(seed).multinomial(n, np.full(n, 1 / n), size=repeats)  # how often each image is
    sums = (drawn @ each.reshape(n, -1)).reshape(repeats, *each.shape[1:])
    scores = [metrics.scores(matrix) for matrix in sums]
    return {name: np.array([one[name] for one in scores]) for name in scores[0]}


def intervals(each, repeats=REPEATS, seed=0):
    """The 95 % interval of each of the four scores over which images happen to be tested: {score: [low, high]}.

    Arguments as of `drawn_scores`.
    """
    return {name: _middle(values) for name, values in drawn_scores(each, repeats, seed).items()}


def difference(each, other, repeats=REPEATS, seed=0):
    """How far `other` is ahead of `each`, two ways to predict the same images, in each score.

    Both are scored on the same draws: what makes an image hard for both does not widen the interval.

    Args:
        each, other: int64 (image, class, class), the confusion matrix of each image, in the same order.

    Returns:
        {score: {"points": percentage points, "interval": [low, high], 95 % of the draws}}
    """
    before, after = drawn_scores(each, repeats, seed), drawn_scores(other, repeats, seed)
    base, changed = metrics.scores(each.sum(axis=0)), metrics.scores(other.sum(axis=0))
    return {
        name: {"points": 100 * (changed[name] - base[name]), "interval": _middle(100 * (after[name] - before[name]))}
        for name in base
    }


def _middle(values):
    return np.percentile(values, [2.5, 97.5]).tolist()


def rescored(model, images, labels, scales=None):
    """Everything that the record says, for each number of looks: a dict.

    Args:
        scales: of four more looks, which are compared with the usual four.
    """
    ways = {**LOOKS, **({"other four": {"scales": scales}} if scales else {})}
    each = {look: matrices(model, images, labels, **options) for look, options in ways.items()}
    found = {
        look: {
            "test": metrics.scores(counts.sum(axis=0)),
            "interval": intervals(counts),
            "mean_iou_over": conventions(counts.sum(axis=0)),
        }
        for look, counts in each.items()
    }
    if scales:
        found["other four"] |= {"scales": scales, "ahead_of_four": difference(each["four"], each["other four"])}
    return found


def ahead(found):
    """What `difference` found, a line for each score: a list of texts."""
    return [
        f"ahead in {name:24} {each['points']:+.2f}  ({each['interval'][0]:+.2f} to {each['interval'][1]:+.2f})"
        for name, each in found.items()
    ]


def size(text):
    """A size at which to look, as it is typed: how many times as large as the network's input.

    Raises:
        argparse.ArgumentTypeError: it is no number from 0.1 to 10.
    """
    with contextlib.suppress(ValueError):
        if 0.1 <= float(text) <= 10:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no size: it is a number from 0.1 to 10, such as 1.25")


def typed_file(path):
    """A file as it is typed in the project's folder; of one elsewhere its name alone, and no folder of this machine."""
    whole = Path(path).resolve()
    return whole.relative_to(ROOT).as_posix() if whole.is_relative_to(ROOT) else whole.name


def typed_out(out, default):
    """The words of a command that name the file it writes, unless it is the default: a list of texts."""
    return [] if out.resolve() == default.resolve() else ["--out", typed_file(out)]


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--scales", type=size, nargs=2, help="sizes of four more looks, such as 1 1.6")
    parser.add_argument("--out", type=Path, default=OUT, help="a .json file")
    given = parser.parse_args(arguments)
    if given.scales and given.out.resolve() == OUT.resolve():
        parser.error(f"--scales is an experiment: name another file than {OUT.name} with --out")
    try:
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        model, _ = runs.pretrained(NETWORK)
        looks = rescored(model, *dataset.load("test"), given.scales)
    except (ValueError, FileNotFoundError) as error:
        parser.exit(1, f"{error}\n")
    scales = ["--scales", *(f"{scale:g}" for scale in given.scales)] if given.scales else []
    record = {
        "command": shlex.join(["python", "tools/rescore.py", *scales, *typed_out(given.out, OUT)]),
        "network": NETWORK,
        "versions": hardware.versions(),
        "bootstrap": {"repeats": REPEATS, "seed": 0},
        "looks": looks,
    }
    archive.write_record(record, given.out, parser)
    for look, found in looks.items():
        for name, value in found["test"].items():
            low, high = found["interval"][name]
            print(f"{look:10} {name:24} {100 * value:.1f}  ({100 * low:.1f} to {100 * high:.1f})")
        print(f"{look:10} mean IoU over", ", ".join(f"{k} {100 * v:.1f}" for k, v in found["mean_iou_over"].items()))
        for line in ahead(found.get("ahead_of_four", {})):
            print(f"{look:10} {line}")


if __name__ == "__main__":
    main()
