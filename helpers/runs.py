"""A whole run: train a recipe on a data set, score it once on the test images, and keep its record.

python -m helpers.training --data PATH --out results/run.json
"""

import argparse
import contextlib
import dataclasses
import json
import os
import sys
from pathlib import Path

import keras
import numpy as np

from helpers import masks, metrics, pipeline, siftflow
from helpers.classes import CLASS_NAMES
from helpers.engine import archive, hardware
from helpers.engine.session import DRIVE
from helpers.fetch import layout
from helpers.formats import typed
from helpers.predict import SCALES, evaluate
from helpers.recipe import Recipe
from helpers.training import fit


class RunStopped(RuntimeError):
    """A run that did not reach its last epoch, and so has not looked at the test images."""


def run(dataset, recipe, *, precision="auto", checkpoint=None, score_test=True, export_to=None, deterministic=False):
    """Trains `recipe` on a data set and scores it: everything `results/*.json` records, as a dict.

    The data set is a `SiftFlow`, or one of `helpers.masks` with all photos in one size. Its test images, if
    there are any, are read once, after the last epoch. With `checkpoint`, an interrupted run goes on. With `export_to`
    the network is written there as `export` does, and what was written is scored beside it. With `deterministic`, the
    same machine ends with the same bits each time, also after an interruption; a GPU gets slower.

    Raises:
        RunStopped: it was interrupted, or its loss became NaN.
        hardware.NotDeterministic: this GPU has no deterministic form of an operation.
    """
    n_classes = len(dataset.class_names)
    recipe = hardware.fitted(recipe, n_classes)
    profile = hardware.choose_profile(recipe, n_classes, precision, checkpoint, timed=not deterministic)
    print(f"{dataset}\n{recipe}\n{profile}", flush=True)
    keras.utils.set_random_seed(recipe.seed)
    training, validation = pipeline.load(dataset)
    with hardware.deterministic() if deterministic else contextlib.nullcontext():
        model, history = _trained(recipe, profile, n_classes, training, validation, checkpoint)
    record = {
        "recipe": dataclasses.asdict(recipe),
        "class_names": list(dataset.class_names),
        "profile": {"device": profile.device, "precision": profile.precision, "why": profile.why},
        "versions": hardware.versions(),
        "images": {
            "train": len(training.names), "validation": len(validation.names), "test": len(dataset.names("test")),
        },
        "weights": model.count_params(),
        "minutes": round(sum(history["seconds"]) / 60, 1),
        "peak_memory_gb": hardware.peak_memory(), "peak_gpu_memory_gb": hardware.peak_gpu_memory(),
        "log": history,
        "test_time_augmentation": {"flip": True, "scales": SCALES},
        "validation": metrics.scores(evaluate(model, validation.images, validation.labels)),
    }  # fmt: skip
    test = dataset.load("test") if score_test and dataset.names("test") else None
    if test and (matrix := evaluate(model, *test)).any():  # the masks of some tests are kept back: all void
        record |= _test_scores(matrix, dataset.class_names)
    if export_to:
        record |= _exported(export_to, model, record, test if "test" in record else None)
    return record


def _trained(recipe, profile, n_classes, training, validation, checkpoint):
    """The network and its history, or `RunStopped`."""
    pixel_counts = np.bincount(training.labels.ravel(), minlength=n_classes)[:n_classes]
    steps = len(training.images) // recipe.batch
    with profile.scope():
        model = recipe.network(n_classes)
        model.compile(
            recipe.optimizer(recipe.epochs * steps),
            recipe.loss(pixel_counts),
            metrics=[metrics.Scores(n_classes)],
            jit_compile=profile.jit_compile,
        )
    history = fit(
        model,
        recipe.feed(training.images, training.labels),
        pipeline.evaluation_batches(validation.images, validation.labels, batch=recipe.batch, size=recipe.size),
        epochs=recipe.epochs, steps=steps, checkpoint=checkpoint, recipe=recipe,
    )  # fmt: skip
    done = len(history.get("loss", []))
    if done == recipe.epochs:
        return model, history
    if model.stop_training:  # by the guard against NaN: the same command would end the same way
        again = "run it with another learning rate" + (" and another checkpoint" if checkpoint else "")
    else:
        again = "run the same command to go on" if checkpoint else "with --checkpoint it could go on"
    raise RunStopped(f"Stopped after {done} of {recipe.epochs} epochs, with nothing scored: {again}.")


def _test_scores(matrix, class_names):
    per_class = zip(class_names, metrics.iou_per_class(matrix), strict=True)
    return {
        "test": metrics.scores(matrix),
        "test_iou_per_class": {name: None if np.isnan(v) else round(v, 6) for name, v in per_class},
        "confusion": matrix.tolist(),
    }


def _exported(path, model, record, test):
    try:
        export(path, model, record)
    except OSError as error:
        print(f"The network could not be written to {path} ({error.strerror or error}).")
        return {}
    exported = {"bytes": os.path.getsize(path)}
    if test:
        exported["test"] = metrics.scores(evaluate(pretrained(path)[0], *test))
    return {"exported": exported}


def folder():
    """The folder of a notebook's runs: ``SERIES_RUNS``; else a mounted Google Drive's, which outlives a Colab session;
    else ``data/runs``."""
    if os.environ.get("SERIES_RUNS"):
        return Path(os.environ["SERIES_RUNS"])
    return DRIVE / "per-pixel-runs" if DRIVE.is_dir() else layout.data_folder() / "runs"


def recorded(name):
    """A record of a run that comes with the series, from ``results/``: a dict as `run` returns it."""
    path = layout.project_folder() / "results" / name
    if not path.exists():
        raise FileNotFoundError(f"No record {path}: it comes with the series; get results/ from there.")
    return json.loads(path.read_text())


def export(path, model, about):
    """Writes a trained network to hand on, a fifth of a checkpoint's size: the large weights in float16, no optimizer.

    Args:
        path: a .npz file.
        about: a record as `run` returns it, with the recipe of the network's shape and the scores.
    """
    kept = ("recipe", "class_names", "profile", "versions", "images", "minutes", "validation", "test")
    archive.write(path, model.get_weights(), {name: about[name] for name in kept if name in about})


def pretrained(name_or_path):
    """Builds a network that `export` wrote, such as ``"siftflow_cpu"``, which is in the series' ``data/checkpoints/``.

    Returns:
        (the network, a dict about it: recipe, class_names, scores, minutes and more). Its ``temperature`` is for
        `predict.segment`: `tools/calibrate.py` fits it, and writes it into the file; it is 1.0 where nobody did.

    Raises:
        FileNotFoundError, ValueError: it is not there, or damaged.
    """
    path = Path(name_or_path)
    if path.suffix != ".npz":
        path = layout.project_folder() / "data" / "checkpoints" / f"{path}.npz"
    weights, about = archive.read(path)
    known = {field.name for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in about["recipe"].items() if name in known})
    n = weights[-1].size  # of the logits' offsets
    names = CLASS_NAMES if n == len(CLASS_NAMES) else [f"class {i}" for i in range(n)]  # older files have none
    about = {"temperature": 1.0, "class_names": list(names), **about}
    model = recipe.network(len(about["class_names"]))
    model.set_weights(weights)
    return model, about


def _opened(folder, classes, void, size):
    """The data set in a folder: SiftFlow, or photos and masks of one's own, in one size."""
    if folder is None or (classes is None and layout.locate(folder)):
        if void is not None:
            raise ValueError(f"{folder} holds SiftFlow, whose void is known: leave --void out.")
        return siftflow.SiftFlow(folder) if folder else siftflow.find()
    data = masks.open(folder, None if classes is None else typed.classes(classes), void=void)
    print(data.report())
    return data.at(2 * size)


def main(arguments=None):
    """The command ``python -m helpers.training``."""
    parser = argparse.ArgumentParser(prog="python -m helpers.training", description=run.__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of SiftFlow (default: the one that is found), or of photos and masks")
    parser.add_argument("--classes", help='of these masks, in label order: "soil, leaf", or "40=soil, 90=leaf"')
    parser.add_argument("--void", type=typed.void, help='of these masks: 255, "0, 0, 0", "transparent", or a class')
    parser.add_argument("--out", required=True, help="where to write the record, a .json file")
    parser.add_argument("--checkpoint", help="a .keras file to save to after each epoch, and to go on from")
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "mixed_bfloat16", "mixed_float16"])
    parser.add_argument("--export", help="a .npz file to write the trained network to, small: see `pretrained`")
    parser.add_argument("--deterministic", action="store_true", help="the same bits each time, on this machine")
    parser.add_argument("--no-test", action="store_true", help="leave the test images alone")
    Recipe.add_arguments(parser)
    given = parser.parse_args(arguments)
    with contextlib.suppress(AttributeError):  # of a stream that is no file; class names may be of any letters
        sys.stdout.reconfigure(errors="backslashreplace")
    recipe = Recipe.from_arguments(given)
    if given.data is None and (given.classes, given.void) != (None, None):
        parser.error("--classes and --void are about a folder of photos and masks: add --data with that folder.")
    if min(given.batch, given.epochs, given.stem) < 1:
        parser.error("--batch, --epochs and --stem are 1 or more.")
    if given.export and Path(given.export).suffix != ".npz":
        parser.error(f"--export takes a .npz file, and {given.export} is none.")
    try:
        record = run(
            _opened(given.data, given.classes, given.void, recipe.size), recipe, precision=given.precision,
            checkpoint=given.checkpoint, score_test=not given.no_test, export_to=given.export,
            deterministic=given.deterministic,
        )  # fmt: skip
    except (ValueError, RunStopped, hardware.NotDeterministic) as error:  # a SiftFlowError is a ValueError
        parser.exit(1, f"{error}{typed.options(error)}\n")
    words = sys.argv[1:] if arguments is None else arguments
    record = {"command": recipe.command(["-m", "helpers.training"], words), **record}
    archive.write_record(record, out := Path(given.out), parser)
    print({split: record[split] for split in ("validation", "test") if split in record}, f"written to {out}", sep="\n")
