"""Scores trained networks on the validation images, which they see in one size and in two; writes results/looks.json.

python tools/looks.py siftflow_cpu build/another.keras    some minutes a network; needs the photographs (make data)

A network sees each image and its mirror image in every size: `SIZES` says how many times as large as it was trained on.
Several networks are also scored together: the logarithms of their probabilities are averaged, each network looking in
the sizes `TOGETHER`. Every choice of sizes is compared with that of all records, if that is among them, on draws of
the same images (`rescore.difference`). The test images are not touched, so that the sizes may be chosen by what this
prints.
"""

import argparse
import shlex
import sys
from pathlib import Path

import keras
from keras import ops

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers import metrics, pipeline, predict, runs, siftflow
from helpers.engine import archive, hardware, muon  # noqa: F401 (a checkpoint may name Muon)
from rescore import ahead, difference, matrices, size, typed_file, typed_out

OUT = Path(__file__).resolve().parent.parent / "results" / "looks.json"
SIZES = ((1.0,), (1.25,), (1.5,), (1.75,), (2.0,), (1.0, 1.25), (1.0, 1.5), (1.0, 1.75), (1.0, 2.0), (1.0, 2.5))
TOGETHER = (1.0, 1.75)


def network(name):
    """A network by its name in data/checkpoints, or from a .npz or .keras file.

    Raises:
        ValueError: there is none.
    """
    try:
        return keras.models.load_model(name, compile=False) if name.endswith(".keras") else runs.pretrained(name)[0]
    except (OSError, ValueError) as error:
        raise ValueError(f"{name} is no network: {error}") from error


def counted(model, images, labels, looks=SIZES):
    """The confusion matrix of each image for each choice of sizes: {sizes: int64 (image, class, class)}."""
    return {sizes: matrices(model, images, labels, scales=sizes) for sizes in looks}


def compared(counts):
    """How far each choice of sizes is ahead of `predict.SCALES`, if that is among them: {"1, 1.75": `difference`}."""
    base = counts.get(predict.SCALES)
    others = {} if base is None else {sizes: each for sizes, each in counts.items() if sizes != predict.SCALES}
    return {_named(sizes): difference(base, each) for sizes, each in others.items()}


def _sizes(words):
    """The sizes that were typed as "1,1.75"."""
    return tuple(size(word) for word in words.split(","))


def _named(sizes):
    return ", ".join(f"{size:g}" for size in sizes)


def _line(name, sizes, scores):
    return " ".join([f"{name:24} {sizes:8}", *(f"{100 * value:6.2f}" for value in scores.values())])


def scored_together(models, images, labels):
    """The four scores of several networks as one: {score: fraction}."""
    confusion = metrics.ConfusionMatrix(models[0].output_shape[-1])
    start = 0
    for maps in zip(*(predict.predict_logits(model, images, scales=TOGETHER) for model in models), strict=True):
        mean = sum(ops.log_softmax(logits) for logits in maps) / len(maps)
        confusion.update_state(labels[start : start + len(mean)], mean)
        start += len(mean)
    return metrics.scores(ops.convert_to_numpy(confusion.result()))


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", help="names in data/checkpoints, .npz or .keras files")
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--sizes", nargs="+", type=_sizes, default=SIZES, metavar="A,B", help="instead of `SIZES`")
    parser.add_argument("--out", type=Path, default=OUT, help="a .json file")
    given = parser.parse_args(arguments)
    try:
        models = {Path(name).stem: network(name) for name in given.networks}
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        _, images, labels = pipeline.load(dataset)[1]
        found, differences = {}, {}
        for name, model in models.items():
            counts = counted(model, images, labels, given.sizes)
            found[name] = {_named(sizes): metrics.scores(each.sum(axis=0)) for sizes, each in counts.items()}
            differences[name] = compared(counts)
            for sizes, scores in found[name].items():
                print(_line(name, sizes, scores), flush=True)
                for line in ahead(differences[name].get(sizes, {})):
                    print(f"  {line}", flush=True)
        if len(models) > 1:
            sizes = _named(TOGETHER)
            found["together"] = {sizes: scored_together(list(models.values()), images, labels)}
            print(_line("together", sizes, found["together"][sizes]), flush=True)
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    typed = [typed_file(name) if Path(name).suffix else name for name in given.networks]
    if given.sizes != SIZES:
        typed += ["--sizes", *(_named(sizes).replace(" ", "") for sizes in given.sizes)]
    record = {
        "command": shlex.join(["python", "tools/looks.py", *typed, *typed_out(given.out, OUT)]),
        "versions": hardware.versions(),
        "validation": found,
        "ahead_of": {"sizes": _named(predict.SCALES), "points": differences},
    }
    archive.write_record(record, given.out, parser)


if __name__ == "__main__":
    main()
