"""Training a network: a profile for the machine at hand, `fit` with its safety nets, scoring, whole runs by command.

    python -m helpers.training --data PATH --out results/run.json

trains the default `Recipe` on a data set, scores it once on the test images and writes all there is to know of the run.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import platform
import shlex
import sys
import time
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np
from keras import ops

from helpers import losses, metrics, pipeline, siftflow
from helpers.engine import checkpoints
from helpers.engine.muon import Muon
from helpers.unet import unet


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides how a run ends, apart from the data. Sizes in pixels, rates per step."""

    size: int = 128  # the network sees images of size x size
    filters: int = 48
    depth: int = 3
    stem: int = 2
    batch: int = 16
    epochs: int = 60
    learning_rate: float = 6e-3  # at its peak
    warm_up: float = 0.05  # share of the steps in which the rate climbs to the peak, before it falls as a cosine
    weight_decay: float = 0.01
    scale: float = 1.6  # see pipeline.training_batches
    light: float = 0.2
    balance: float = 0.3  # 0: all pixels count alike; 1: all classes do, which is `class_weights`' "inverse"
    seed: int = 0

    def network(self, n_classes):
        """A U-Net for that many classes."""
        return unet((self.size, self.size, 3), n_classes, self.filters, self.depth, self.stem)

    def optimizer(self, steps):
        """`helpers.engine.muon.Muon` for a run of that many steps; scales and offsets do not decay."""
        warm_up = max(1, round(self.warm_up * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm_up), warmup_target=self.learning_rate, warmup_steps=warm_up
        )
        optimizer = Muon(rate, weight_decay=self.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        return optimizer

    def batches(self, images, labels, first_epoch=0):
        """The stream of `pipeline.training_batches`, from an epoch on."""
        return pipeline.training_batches(
            images, labels, batch=self.batch, size=self.size, epochs=self.epochs,
            seed=self.seed, first_epoch=first_epoch, scale=self.scale, light=self.light,
        )  # fmt: skip

    def loss(self, pixel_counts):
        """Cross-entropy; of pixel counts per class (C,), each class's weight is ~ count ** -balance, 1 on average."""
        if not self.balance:
            return losses.CrossEntropy()
        weights = losses.class_weights(pixel_counts, "inverse").astype("float64") ** self.balance
        return losses.CrossEntropy(weights * np.sum(pixel_counts) / np.sum(weights * pixel_counts))

    @classmethod
    def add_arguments(cls, parser):
        """An option for each setting, such as ``--learning-rate``; `from_arguments` makes the recipe of them."""
        for field in dataclasses.fields(cls):
            parser.add_argument("--" + field.name.replace("_", "-"), type=field.type, default=field.default)

    @classmethod
    def from_arguments(cls, given):
        return cls(**{field.name: getattr(given, field.name) for field in dataclasses.fields(cls)})

    def command(self, program, typed):
        """The command that was typed, with every setting spelled out, so that it means the same for good."""
        given = {word.partition("=")[0] for word in typed}
        settings = {"--" + name.replace("_", "-"): str(value) for name, value in dataclasses.asdict(self).items()}
        spelled = [word for option in settings.items() if option[0] not in given for word in option]
        return shlex.join(["python", *program, *typed, *spelled])


# ---- the machine ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Profile:
    """What to compute with, and why. Build and compile the model inside ``with profile.scope():``.

    Several devices of one machine share each batch (`tf.distribute.MirroredStrategy`): the loss and its gradient are
    those of one device, as `helpers.losses` sees to; batch normalisation looks at each device's own share.
    """

    device: str
    precision: str  # a Keras dtype policy
    why: str
    n_devices: int = 1

    @contextlib.contextmanager
    def scope(self):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            if self.n_devices > 1:
                import tensorflow as tf

                devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
                with tf.distribute.MirroredStrategy([device.name for device in devices[: self.n_devices]]).scope():
                    yield
            else:
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def __str__(self):
        return f"{self.device}, {self.precision}: {self.why}"


def choose_profile(recipe, n_classes, precision="auto", checkpoint=None):
    """A `Profile` for this machine. On a CPU it times a few training steps in float32 and in bfloat16.

    A run that goes on from a checkpoint keeps the precision it began with.
    """
    import tensorflow as tf

    begun = checkpoints.peek(checkpoint) if checkpoint else None
    if begun and precision == "auto":
        profile = choose_profile(recipe, n_classes, begun["precision"])
        return dataclasses.replace(profile, why=f"as {checkpoint} began")

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        name, capability = details.get("device_name", "GPU"), details.get("compute_capability", (0, 0))
        device = f"{len(gpus)} x {name}" if len(gpus) > 1 else name
        if precision != "auto":
            return Profile(device, precision, "as asked", len(gpus))
        if capability >= (8, 0):
            return Profile(device, "mixed_bfloat16", "this card multiplies bfloat16 fastest", len(gpus))
        if capability >= (7, 0):
            return Profile(device, "mixed_float16", "this card has tensor cores for float16, not bfloat16", len(gpus))
        return Profile(device, "float32", "this card has no fast 16-bit arithmetic", len(gpus))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = f"CPU, {cores} core{'s' * (cores != 1)}"
    if precision != "auto":
        return Profile(device, precision, "as asked")
    speed = {p: _images_per_second(Profile(device, p, ""), recipe, n_classes) for p in ("float32", "mixed_bfloat16")}
    best = max(speed, key=speed.get)
    measured = ", ".join(f"{p} {s:.0f}" for p, s in speed.items())
    return Profile(device, best, f"the faster in a few timed steps ({measured} images/s)")


def _images_per_second(profile, recipe, n_classes, steps=3):
    with profile.scope():
        model = recipe.network(n_classes)
        model.compile("sgd", losses.CrossEntropy(), jit_compile=False)
    images = np.zeros((recipe.batch, recipe.size, recipe.size, 3), "float32")
    labels = np.zeros((recipe.batch, recipe.size, recipe.size), "int32")
    model.train_on_batch(images, labels)  # builds the graph
    start = time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(images, labels)
    return steps * recipe.batch / (time.perf_counter() - start)


# ---- fit, and what can happen to it ---------------------------------------------------------------------------------


def fit(model, train, validation, *, epochs, steps, callbacks=(), checkpoint=None, recipe=None):
    """`model.fit`, such that no way it can end loses what was learned.

    Interrupted (the stop button, Ctrl-C), it returns with the weights and curves of that moment. When the loss turns
    NaN it stops, goes back to the weights of the last epoch's end, and says what to look at. With a `checkpoint`, a run
    that ended early, even with its process, goes on when it is started again, and ends as it would have; one that is
    finished is shown, not trained.

    Args:
        train: batches as `helpers.pipeline` makes them, one stream over all epochs; or a function that makes the stream
            from an epoch on, ``train(first_epoch)``, which going on from a checkpoint needs.
        validation: batches, the same at each epoch's end.
        steps: batches in an epoch of `train`.
        callbacks: Keras callbacks, such as `helpers.viz.live.View`.
        checkpoint: a path ending in .keras, where each epoch's end is saved; see `helpers.engine.checkpoints`.
        recipe: a `Recipe`, where there is one. A run goes on from the checkpoint of no other.

    Returns:
        The history: a dict of lists, one number an epoch, of losses, scores and ``seconds``.

    Raises:
        ValueError: the checkpoint is of another run.
        tensorflow.errors.InvalidArgumentError: a label that is neither a class nor void.
    """
    if checkpoint and not callable(train):
        raise TypeError("To go on from a checkpoint, fit needs train as a function: train(first_epoch) makes batches.")
    history, identity = {}, {}
    if checkpoint:
        identity = _identity(model, train, epochs, steps) | (dataclasses.asdict(recipe) if recipe else {})
        state = checkpoints.load(checkpoint, model, identity)
        if state:
            history = state.history
            for number, callback in enumerate(callbacks):
                if hasattr(callback, "restore"):
                    mark = f"{number} "
                    callback.restore({k.removeprefix(mark): v for k, v in state.extras.items() if k.startswith(mark)})
    first_epoch = len(history.get("loss", []))
    guard = _NaNGuard()
    log = _Log(history, guard)
    keep = [_Checkpoint(checkpoint, history, identity, callbacks, guard)] if checkpoint else []
    in_notebook = any(getattr(callback, "replaces_progress_bar", False) for callback in callbacks)
    if first_epoch >= epochs:
        _show_finished(model, callbacks, epochs, steps)
        print(f"This run is finished: its {epochs} epochs are in {checkpoint}. To train anew, delete that file.")
        return history
    if first_epoch:
        print(f"Going on after epoch {first_epoch} of {epochs}, from {checkpoint}.")
    stream = train(first_epoch) if callable(train) else train
    stream, validation = (_with_checked_labels(batches, model.output_shape[-1]) for batches in (stream, validation))
    try:
        model.fit(
            stream,
            validation_data=validation,
            epochs=epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=steps,
            shuffle=False,  # the stream is in its order already
            callbacks=[guard, log, *callbacks, *keep],
            verbose=0 if in_notebook else 1 if sys.stdout.isatty() else 2,
        )
    except KeyboardInterrupt:
        for callback in callbacks:
            callback.on_train_end()
        saved = keep[0].saved if keep else 0
        again = "start anew" if not keep else f"train on from the end of epoch {saved}" if saved else "start anew"
        print(
            f"Interrupted in epoch {guard.epoch + 1} of {epochs}. The network keeps all it has learned: "
            f"go on to the next cell, or run this one again to {again}."
        )
    if guard.message:
        print(guard.message)
    return history


def _identity(model, train, epochs, steps):
    """What must be the same for a run to go on: a dict, good for JSON."""
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


def _with_checked_labels(batches, n_classes):
    """The same batches; a label that is no class ends the run in words even where XLA drops the loss's own check."""
    if not hasattr(batches, "map"):  # no tf.data: a feed for another backend
        return batches

    def check(images, labels):
        losses.check_labels(labels, n_classes)
        return images, labels

    return batches.map(check)


class _NaNGuard(keras.callbacks.Callback):
    """Stops at the first loss that is not finite, and puts the last good weights back."""

    message = ""
    epoch = 0

    def on_train_begin(self, logs=None):
        self.good, self.good_epoch = self.model.get_weights(), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            self._stop(f"The loss became {logs['loss']} in step {batch + 1} of epoch {self.epoch + 1}.")

    def on_epoch_end(self, epoch, logs=None):
        if not self.message and not math.isfinite((logs or {}).get("val_loss", 0.0)):
            self._stop(f"The validation loss became {logs['val_loss']} after epoch {epoch + 1}.")
        if not self.message and not all(np.isfinite(w).all() for w in self.model.get_weights()):
            self._stop(f"The last step of epoch {epoch + 1} made weights that are not finite.")
        if not self.message:
            self.good, self.good_epoch = self.model.get_weights(), epoch

    def _stop(self, what):
        self.model.set_weights(self.good)
        self.model.stop_training = True
        back_to = "the start" if self.good_epoch is None else f"the end of epoch {self.good_epoch + 1}"
        self.message = (
            f"{what} Training has stopped, and the network is back at its weights of {back_to}. Look at, in this "
            "order: the learning rate (try a tenth), NaN in the images, labels outside the classes, and with float16 "
            "the loss scale."
        )


class _Log(keras.callbacks.Callback):
    """Collects the numbers of each good epoch as plain floats, across resumptions."""

    def __init__(self, history, guard):
        super().__init__()
        self.history, self.guard = history, guard

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if self.guard.message:
            return
        for name, value in {**(logs or {}), "seconds": time.perf_counter() - self.start}.items():
            self.history.setdefault(name, []).append(round(float(value), 6))


class _Checkpoint(keras.callbacks.Callback):
    """After each good epoch, a checkpoint; where none can be written, training goes on all the same."""

    def __init__(self, path, history, identity, callbacks, guard):
        super().__init__()
        self.path, self.history, self.identity, self.guard = Path(path), history, identity, guard
        self.saved = len(history.get("loss", []))  # epochs
        self.sources = [(number, c) for number, c in enumerate(callbacks) if hasattr(c, "state")]

    def on_epoch_end(self, epoch, logs=None):
        if self.guard.message:
            return
        extras = {f"{number} {name}": value for number, c in self.sources for name, value in c.state().items()}
        try:
            checkpoints.save(self.path, self.model, self.history, self.identity, extras)
            self.saved = epoch + 1
        except OSError as error:
            print(not_saved(epoch + 1, self.path, error))


def not_saved(epoch, path, error):
    """What to say when the checkpoint of an epoch (from 1) could not be written."""
    last = checkpoints.latest(path)
    return (
        f"Epoch {epoch} could not be saved ({error}). Training goes on, and will try again after the next; "
        + (f"{last} is whole. " if last else "nothing is saved yet. ")
        + "If the disk is full, make room on it now."
    )


# ---- scoring --------------------------------------------------------------------------------------------------------

SCALES = (1.0, 1.25)  # a second look, a quarter larger, is worth half a point of mean IoU


def logits_of(model, images, *, flip=True, scales=SCALES, batch=8):
    """The logits of each image at the image's own resolution, batch by batch: float32 (batch, row, col, class).

    Args:
        images: uint8 or float (n, row, col, RGB), 0-255, of any size: resized to the network's input and back.
        flip: average with the logits of the mirrored image, mirrored back.
        scales: average over looks at the image this many times as large as the network's input.
    """
    sizes = [input_sizes(model, [side * scale for side in model.input_shape[1:3]]) for scale in scales]
    for start in range(0, len(images), batch):
        yield look(model, images[start : start + batch], sizes, images.shape[1:3], flip=flip)


def look(model, images, sizes, own, *, flip=True):
    """The logits of images (batch, row, col, RGB) seen at each of the `sizes`, at their `own` size, averaged."""
    total = 0.0
    for size in sizes:
        x = ops.image.resize(ops.cast(images, "float32"), size, interpolation="bilinear")
        # `call`, since the model itself accepts no other size than the one it was built for.
        logits = model.call(x, training=False)
        if flip:
            logits = (logits + ops.flip(model.call(ops.flip(x, axis=2), training=False), axis=2)) / 2
        total += ops.image.resize(ops.cast(logits, "float32"), own, interpolation="bilinear") / len(sizes)
    return total


def input_sizes(model, wanted):
    """The (rows, cols) next to the wanted ones that a fully convolutional network can take.

    Which are multiples of how many pixels share a position on its coarsest map.
    """
    built_for = model.input_shape[1]
    maps = [layer.output.shape for layer in model.layers]
    unit = max(-(-built_for // rows) for _, rows, *others in maps if len(others) == 2)
    return tuple(unit * max(1, round(side / unit)) for side in wanted)


def predict(model, images, **options):
    """The class of every pixel of every image: uint8 (n, row, col). Options as in `logits_of`."""
    maps = [ops.convert_to_numpy(ops.argmax(logits, axis=-1)) for logits in logits_of(model, images, **options)]
    return np.concatenate(maps).astype("uint8")


def evaluate(model, images, labels, **options):
    """The confusion matrix of the model on labelled images, at full resolution: int64 (class, class), rows = truth."""
    confusion = metrics.ConfusionMatrix(model.output_shape[-1])
    start = 0
    for logits in logits_of(model, images, **options):
        confusion.update_state(labels[start : start + len(logits)], logits)
        start += len(logits)
    return ops.convert_to_numpy(confusion.result())


# ---- a whole run ----------------------------------------------------------------------------------------------------


class RunStopped(RuntimeError):
    """A run that did not reach its last epoch, and so has not looked at the test images."""


def run(dataset, recipe, *, precision="auto", checkpoint=None, score_test=True, export_to=None):
    """Trains `recipe` on a data set and scores it: everything `results/*.json` records, as a dict.

    The 200 test images are read once, after the last epoch. With `checkpoint`, an interrupted run goes on. With
    `export_to` the network is written there as `export` does, and what was written is scored beside it.

    Raises:
        RunStopped: it was interrupted, or its loss became NaN.
    """
    profile = choose_profile(recipe, siftflow.N_CLASSES, precision, checkpoint)
    print(f"{dataset}\n{recipe}\n{profile}", flush=True)
    keras.utils.set_random_seed(recipe.seed)
    train_names, validation_names = pipeline.split(dataset)
    images, labels = dataset.load(train_names)
    pixel_counts = np.bincount(labels.ravel(), minlength=siftflow.N_CLASSES)[: siftflow.N_CLASSES]
    images, labels = (ops.convert_to_tensor(values) for values in (images, labels))  # once, or each stream makes a copy
    steps = len(images) // recipe.batch
    with profile.scope():
        model = recipe.network(siftflow.N_CLASSES)
        model.compile(
            recipe.optimizer(recipe.epochs * steps),
            recipe.loss(pixel_counts),
            metrics=[metrics.Scores(siftflow.N_CLASSES)],
            jit_compile=False,
        )
    validation_images, validation_labels = dataset.load(validation_names)
    history = fit(
        model,
        lambda first_epoch: recipe.batches(images, labels, first_epoch),
        pipeline.evaluation_batches(validation_images, validation_labels, batch=recipe.batch, size=recipe.size),
        epochs=recipe.epochs, steps=steps, checkpoint=checkpoint, recipe=recipe,
    )  # fmt: skip
    done = len(history.get("loss", []))
    if done < recipe.epochs:
        if model.stop_training:  # by the guard against NaN: the same command would end the same way
            again = "run it with another learning rate" + (" and another checkpoint" if checkpoint else "")
        else:
            again = "run the same command to go on" if checkpoint else "with --checkpoint it could go on"
        raise RunStopped(f"Stopped after {done} of {recipe.epochs} epochs, with nothing scored: {again}.")
    record = {
        "recipe": dataclasses.asdict(recipe),
        "profile": {"device": profile.device, "precision": profile.precision, "why": profile.why},
        "versions": _versions(),
        "images": {"train": len(train_names), "validation": len(validation_names), "test": len(dataset.names("test"))},
        "weights": model.count_params(),
        "minutes": round(sum(history["seconds"]) / 60, 1),
        "peak_memory_gb": _peak_memory(),
        "log": history,
        "look": {"flip": True, "scales": SCALES},
        "validation": metrics.scores(evaluate(model, validation_images, validation_labels)),
    }
    if score_test:
        test = dataset.load("test")
        matrix = evaluate(model, *test)
        per_class = zip(siftflow.CLASS_NAMES, metrics.iou_per_class(matrix), strict=True)
        record["test"] = metrics.scores(matrix)
        record["test_iou_per_class"] = {name: None if np.isnan(v) else round(v, 6) for name, v in per_class}
        record["confusion"] = matrix.tolist()
    if export_to:
        try:
            export(export_to, model, record)
        except OSError as error:
            print(f"The network could not be written to {export_to} ({error.strerror or error}).")
            return record
        record["exported"] = {"bytes": os.path.getsize(export_to)}
        if score_test:
            record["exported"]["test"] = metrics.scores(evaluate(pretrained(export_to)[0], *test))
    return record


def recorded(name):
    """A record of a run that comes with the series, from ``results/``: a dict as `run` returns it."""
    path = Path(__file__).resolve().parent.parent / "results" / name
    if not path.exists():
        raise FileNotFoundError(f"No record {path}: it comes with the series; get results/ from there.")
    return json.loads(path.read_text())


def export(path, model, about):
    """Writes a trained network to hand on, a fifth of a checkpoint's size: the large weights in float16, no optimizer.

    Args:
        path: a .npz file.
        about: a record as `run` returns it, with the recipe of the network's shape and the scores.
    """
    kept = ("recipe", "profile", "versions", "images", "minutes", "validation", "test")
    weights = {
        f"{number:03}": value.astype("float16" if value.ndim > 1 else "float32")
        for number, value in enumerate(model.get_weights())
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    try:
        np.savez_compressed(part, about=json.dumps({k: about[k] for k in kept if k in about}), **weights)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def pretrained(name_or_path):
    """A network that `export` wrote, such as ``"siftflow_cpu"``, which comes with the series in ``data/checkpoints/``.

    Returns:
        (the network, a dict about it: recipe, scores, minutes and more).

    Raises:
        FileNotFoundError, ValueError: it is not there, or damaged.
    """
    path = Path(name_or_path)
    if path.suffix != ".npz":
        path = Path(__file__).resolve().parent.parent / "data" / "checkpoints" / f"{path}.npz"
    if not path.exists():
        raise FileNotFoundError(f"No trained network {path}: those of the series are in its data/checkpoints/.")
    try:
        with np.load(path) as archive:
            arrays = dict(archive)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}): get it again from where the series comes from.") from error
    about = json.loads(str(arrays.pop("about")))
    known = {field.name for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in about["recipe"].items() if name in known})
    model = recipe.network(siftflow.N_CLASSES)
    model.set_weights([arrays[number] for number in sorted(arrays)])
    return model, about


def _peak_memory():
    """The most memory this process has held so far, in GB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e9 if sys.platform == "darwin" else 1e6), 2)


def _versions():
    versions = {"python": platform.python_version(), "keras": keras.__version__, "numpy": np.__version__}
    if "tensorflow" in sys.modules:
        versions["tensorflow"] = sys.modules["tensorflow"].__version__
    return versions


def write(record, path, parser):
    """Writes a record; where that fails, after an hour of training, prints it instead, and ends the command."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record) + "\n")
    except OSError as error:
        print(json.dumps(record))
        parser.exit(1, f"The record above could not be written to {path} ({error.strerror}): save it from here.\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m helpers.training", description=run.__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--out", required=True, help="where to write the record, a .json file")
    parser.add_argument("--checkpoint", help="a .keras file to save to after each epoch, and to go on from")
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "mixed_bfloat16", "mixed_float16"])
    parser.add_argument("--export", help="a .npz file to write the trained network to, small: see `pretrained`")
    parser.add_argument("--no-test", action="store_true", help="leave the test images alone")
    Recipe.add_arguments(parser)
    given = parser.parse_args(arguments)
    recipe = Recipe.from_arguments(given)
    if given.export and Path(given.export).suffix != ".npz":
        parser.error(f"--export takes a .npz file, and {given.export} is none.")
    try:
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        record = run(
            dataset, recipe, precision=given.precision, checkpoint=given.checkpoint,
            score_test=not given.no_test, export_to=given.export,
        )  # fmt: skip
    except (ValueError, RunStopped) as error:  # a SiftFlowError is a ValueError
        parser.exit(1, f"{error}\n")
    typed = sys.argv[1:] if arguments is None else arguments
    record = {"command": recipe.command(["-m", "helpers.training"], typed), **record}
    write(record, out := Path(given.out), parser)
    print({split: record[split] for split in ("validation", "test") if split in record}, f"written to {out}", sep="\n")


if __name__ == "__main__":
    main()
