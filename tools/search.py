"""Experiments on the recipe: train, score on the validation images in three ways, append to results/experiments.csv.

python tools/search.py --what "half resolution, twice the filters" stem=2 filters=32 epochs=13
python tools/search.py --what "dropout at the bottom" dropout=0.2 --base "stem=2 step=muon epochs=12" --seeds 0 1 2

Settings are the fields of `Experiment`: those of `helpers.recipe.Recipe`, and more that may be tried. With `--base`,
the base and the change are both trained with each of the seeds, unless the log has them, and compared in pairs. Two
runs that differ in their seed alone differ in their scores, so a single run tells little. The test images are not
touched. An interrupted experiment goes on when the command is repeated.
"""

import argparse
import csv
import dataclasses
import hashlib
import shlex
import sys
import time
from pathlib import Path

import keras
import numpy as np
import scipy.stats
import tensorflow as tf
from keras import layers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench_training import matmul_rate
from helpers import losses, metrics, pipeline, predict, runs, siftflow
from helpers.classes import CLASS_NAMES
from helpers.engine.muon import Muon
from helpers.recipe import Recipe
from helpers.unet import BatchNormalization

LOG = Path(__file__).resolve().parent.parent / "results" / "experiments.csv"
SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
RARE_THINGS = (  # each on less than a hundredth of the training pixels, and with an outline of its own
    "awning", "balcony", "bird", "boat", "bus", "cow", "crosswalk", "door", "fence", "moon", "person", "pole", "sign",
    "staircase", "streetlight", "sun", "window",
)  # fmt: skip
AUGMENTATIONS = {  # at test time: how the images are seen
    "flip": {"scales": (1,)},
    "plain": {"flip": False, "scales": (1,)},
    "flip, two sizes": {"scales": (1, 1.25)},
}


@dataclasses.dataclass(frozen=True)
class Experiment(Recipe):
    """A recipe, and what else may be tried.

    The defaults are those of the first recipe, whatever `Recipe` has become since: so the commands in the log go on to
    mean what they meant.
    """

    size: int = 128
    filters: int = 16
    depth: int = 4
    stem: int = 1
    batch: int = 16
    epochs: int = 60
    learning_rate: float = 3e-3
    warm_up: float = 0.05
    weight_decay: float = 0.01
    scale: float = 1.6
    light: float = 0.2
    balance: float = 0.0
    precision: str = "mixed_bfloat16"
    block: str = "plain"  # or "residual" (He et al., CVPR 2016)
    norm: str = "batch"  # or "group" (Wu and He, ECCV 2018)
    up: str = "transpose"  # or "bilinear", "nearest": enlarged, then a 1x1 convolution
    widest: int = 10**6  # no level has more filters
    top: int = 0  # filters of one more level above the others, twice as fine
    scored: int = 1  # of the finest levels, each has logits, which are enlarged and added up, as in FCN
    dropout: float = 0.0  # at the bottom
    context: int = 0  # 1: the bottom's average over the whole image is added at each of its places
    dice: int = 0  # 1: a Dice loss is added
    average: float = 0.0  # momentum of a running average of the weights, which is then what is scored
    schedule: str = "cosine"  # or "constant", after the warm-up
    step: str = "adamw"  # or "muon", as `helpers.engine.muon`
    colour: float = 0.0  # how far colours are jittered, see `recoloured`
    stretch: float = 0.0  # how far sides are stretched against each other, see `warped`
    turn: float = 0.0  # degrees, see `warped`
    mix: float = 0.0  # the share of images that get a rectangle of another one, see `mixed`
    paste: float = 0.0  # the share of images that get the rare things of another one, see `pasted`
    repeat: float = 0.0  # images of classes that a smaller share of the images has come more often, see `repeated`
    smoothing: float = 0.0  # of the labels, see `Smoothed`

    def loss(self, pixel_counts):
        """The recipe's loss, smoothed or with Dice added where it is asked for."""
        cross_entropy = super().loss(pixel_counts)
        if self.smoothing:
            cross_entropy = Smoothed(self.smoothing, cross_entropy.class_weights)
        return losses.Sum([cross_entropy, *[losses.Dice()] * self.dice]) if self.dice else cross_entropy

    def optimizer(self, steps):
        """The recipe's optimizer, or what takes its place."""
        config = super().optimizer(steps).get_config()
        if self.schedule == "constant":
            warm_up = max(1, round(self.warm_up * steps))
            config["learning_rate"] = keras.optimizers.schedules.PolynomialDecay(0.0, warm_up, self.learning_rate)
        if self.average:
            config |= {"use_ema": True, "ema_momentum": self.average}
        if self.step == "adamw":
            del config["momentum"]
        optimizer = {"muon": Muon, "adamw": keras.optimizers.AdamW}[self.step].from_config(config)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        return optimizer

    def feed(self, images, labels):
        """The recipe's feed; where its batches are changed, as a function that makes the stream."""
        steps = len(images) // self.batch
        feed = self._crops(images, labels, steps)
        if not (self.colour or self.stretch or self.turn or self.mix or self.paste):
            return feed
        if self.paste:  # as many batches of images that have a rare thing, each thing as often as any other
            having = with_each(RARE_THINGS, labels)
            donors = np.resize(having, steps * self.batch)
            other_crops = dataclasses.replace(self, seed=self.seed + 10**6)
            donor_feed = Recipe.feed(other_crops, images[donors], labels[donors])

        def changed(place, batch):
            seed = [~self.seed, place]  # ~seed: other numbers than those of the crops
            if self.paste:
                batch, donor = batch
                batch = pasted(*batch, *donor, self.paste, [~self.seed, 2**31 + place])
            if self.stretch or self.turn:
                batch = warped(*batch, self.stretch, self.turn, [~self.seed, -1 - place])
            if self.colour:
                batch = recoloured(batch[0], self.colour, seed), batch[1]
            if self.mix:
                batch = mixed(*batch, self.mix, [~self.seed, 2**30 + place])
            return batch

        def stream(first_epoch=0):
            batches = feed(first_epoch)
            if self.paste:
                batches = tf.data.Dataset.zip(batches, donor_feed(first_epoch))
            return batches.enumerate(first_epoch * steps).map(changed)

        return stream

    def _crops(self, images, labels, steps):
        """The recipe's feed; where images are repeated, as a function that makes the stream."""
        if not self.repeat:
            return super().feed(images, labels)
        shown = repeated(labels, self.repeat, self.seed)
        rounds = super().feed(images[shown], labels[shown])
        # A round is longer than an epoch: a run that goes on takes up the stream where it was.
        return lambda first_epoch=0: rounds().skip(first_epoch * steps)

    def network(self, n_classes):
        """The network of `helpers.unet`, rebuilt with the settings above."""
        filters = [min(self.filters * 2**level, self.widest) for level in range(self.depth + 1)]
        filters = [self.top] * (self.top > 0) + filters
        depth = len(filters) - 1
        image = keras.Input((self.size, self.size, 3))
        x = layers.Rescaling(1 / 127.5, offset=-1)(image)
        if self.stem > 1:
            x = self._convolution(x, filters[0], self.stem, self.stem)
        skips = []
        for level in range(depth):
            x = self._block(x, filters[level])
            skips.append(x)
            x = layers.MaxPooling2D(2)(x)
        x = self._block(x, filters[-1])
        if self.context:  # as in ParseNet (Liu, Rabinovich, Berg, 2015): what a place is depends on the kind of scene
            average = layers.GlobalAveragePooling2D()(x)  # in 2D: no map of one place
            x = layers.Add()([x, layers.Dense(filters[-1], activation="relu")(average)])
        if self.dropout:
            x = layers.SpatialDropout2D(self.dropout, seed=self.seed)(x)
        scores = None
        for level in reversed(range(depth)):
            if self.up == "transpose":
                x = layers.Conv2DTranspose(filters[level], 2, strides=2)(x)
            else:
                x = layers.UpSampling2D(2, interpolation=self.up)(layers.Conv2D(filters[level], 1)(x))
            x = self._block(layers.Concatenate()([skips[level], x]), filters[level])
            if 0 < level < self.scored:
                scores = self._with_scores(x, n_classes, scores)
        logits = self._with_scores(x, n_classes, scores, name="logits")
        if self.stem > 1:
            logits = layers.UpSampling2D(self.stem, interpolation="bilinear", dtype="float32")(logits)
        return keras.Model(image, logits)

    def _with_scores(self, x, n_classes, coarser, name=None):
        """The logits of a level, to which those of the coarser ones are added."""
        logits = layers.Conv2D(n_classes, 1, dtype="float32", name=name)(x)
        if coarser is None:
            return logits
        enlarged = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32")(coarser)
        return layers.Add(dtype="float32")([logits, enlarged])

    def _block(self, x, filters):
        shortcut = x
        x = self._convolution(x, filters, 3)
        x = self._convolution(x, filters, 3, activate=self.block == "plain")
        if self.block == "plain":
            return x
        if shortcut.shape[-1] != filters:
            shortcut = layers.Conv2D(filters, 1, use_bias=False)(shortcut)
        return layers.ReLU()(layers.Add()([x, shortcut]))

    def _convolution(self, x, filters, size, strides=1, activate=True):
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.GroupNormalization(8)(x) if self.norm == "group" else BatchNormalization(momentum=0.9)(x)
        return layers.ReLU()(x) if activate else x


def recoloured(images, colour, seed):
    """Images float32 (batch, row, col, RGB), 0-255, each in other colours: as another camera would have seen it.

    Saturation changes by a factor of up to 1 ± colour, each channel by up to 1 ± colour / 2, and gamma is between
    exp(-colour) and exp(colour).

    Args:
        colour: from 0, which changes nothing, to 1. seed: two integers.
    """
    draw = tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 5), seed, -1.0, 1.0)
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = grey + (images - grey) * (1 + colour * draw[..., :1])
    images = tf.clip_by_value(images * (1 + colour / 2 * draw[..., 1:4]) / 255, 0.0, 1.0)
    return 255 * images ** tf.exp(colour * draw[..., 4:])


def warped(images, labels, stretch, turn, seed):
    """Images float32 (batch, row, col, RGB) and labels int32 (batch, row, col), each pair turned and stretched alike.

    The sides' ratio changes by a factor between exp(-stretch) and exp(stretch), at equal area. What comes into sight
    past an edge is the mirror image of what is inside, with its labels.

    Args:
        stretch: from 0. turn: to either side, degrees. seed: two integers.
    """
    ratio, angle = tf.split(tf.random.stateless_uniform((tf.shape(images)[0], 2), seed, -1.0, 1.0), 2, axis=1)
    wide, angle = tf.exp(stretch / 2 * ratio), turn * np.pi / 180 * angle
    # Where each pixel is taken from: the matrix [[a, b], [c, d]] about the middle, columns first.
    a, b, c, d = wide * tf.cos(angle), -wide * tf.sin(angle), tf.sin(angle) / wide, tf.cos(angle) / wide
    middle_x, middle_y = (images.shape[2] - 1) / 2, (images.shape[1] - 1) / 2
    to_x, to_y = middle_x - a * middle_x - b * middle_y, middle_y - c * middle_x - d * middle_y
    places = tf.concat([a, b, to_x, c, d, to_y, tf.zeros_like(a), tf.zeros_like(a)], axis=1)

    def taken(pixels, interpolation):
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels, transforms=places, output_shape=pixels.shape[1:3], fill_value=0.0,
            interpolation=interpolation, fill_mode="REFLECT",
        )  # fmt: skip

    return taken(images, "BILINEAR"), taken(labels[..., None], "NEAREST")[..., 0]


def mixed(images, labels, share, seed):
    """Images float32 (batch, row, col, RGB) and labels int32 (batch, row, col), some with a part of the next image.

    The part is a rectangle that stays where it was, with its labels, as in CutMix (Yun et al., ICCV 2019). Its sides
    are sqrt(1 - r) of the image's, r being drawn between 0 and 1: it covers half of the image on average.

    Args:
        share: of the images that get one, 0 to 1. seed: two integers.
    """
    _, rows, cols = labels.shape
    chosen, area, at_row, at_col = tf.split(tf.random.stateless_uniform((tf.shape(labels)[0], 4), seed), 4, axis=1)

    def inside(length, at):
        side = tf.sqrt(1 - area) * length
        start = at * (length - side)
        place = tf.range(length, dtype=tf.float32)[None] + 0.5
        return (place >= start) & (place < start + side)  # (batch, length)

    taken = inside(rows, at_row)[:, :, None] & inside(cols, at_col)[:, None] & (chosen < share)[..., None]
    mixed_images = tf.where(taken[..., None], tf.roll(images, -1, axis=0), images)
    return mixed_images, tf.where(taken, tf.roll(labels, -1, axis=0), labels)


def repeated(labels, share, seed):
    """Which images a round of training goes through, some of them more than once: int (n,).

    A class that a share f < `share` of the images has makes those images come sqrt(share / f) times, on average; the
    rarest class of an image decides: repeat factor sampling (Gupta, Dollár, Girshick, "LVIS", CVPR 2019).

    Args:
        labels: uint8 (image, row, col). share: 0 to 1. seed: an integer.
    """
    has = np.stack([np.bincount(label.ravel(), minlength=256)[: len(CLASS_NAMES)] > 0 for label in labels])
    factors = np.sqrt(np.maximum(1, share / np.maximum(has.mean(axis=0), 1 / len(labels))))
    factors = np.where(has, factors, 1).max(axis=1)
    times = (factors + np.random.RandomState(seed).uniform(size=len(labels))).astype(int)
    return np.repeat(np.arange(len(labels)), times)


def with_each(names, labels, pixels=20):
    """The images that have each of these classes, one class after the other: int (n,), each class equally often.

    Args:
        names: of classes. labels: uint8 (image, row, col).
        pixels: fewer of a class do not count.
    """
    counts = np.stack([np.bincount(label.ravel(), minlength=256) for label in labels])
    having = [np.flatnonzero(counts[:, CLASS_NAMES.index(name)] >= pixels) for name in names]
    most = max(map(len, having))
    return np.stack([np.resize(found, most) for found in having if len(found)], axis=1).ravel()


def pasted(images, labels, donor_images, donor_labels, share, seed):
    """Images float32 (batch, row, col, RGB) and labels int32 (batch, row, col), some with the rare things of a donor.

    A thing stays where it was in the donor's picture, with its label: its very pixels are copied, as in ClassMix
    (Olsson et al., WACV 2021) and Copy-Paste (Ghiasi et al., CVPR 2021).

    Args:
        share: of the images that get some, 0 to 1. seed: two integers.
    """
    is_rare = np.isin(np.arange(256), [CLASS_NAMES.index(name) for name in RARE_THINGS])
    chosen = tf.random.stateless_uniform((tf.shape(labels)[0], 1, 1), seed) < share
    taken = tf.gather(is_rare, donor_labels) & chosen
    return tf.where(taken[..., None], donor_images, images), tf.where(taken, donor_labels, labels)


@keras.saving.register_keras_serializable(package="per_pixel_search")
class Smoothed(losses.CrossEntropy):
    """Cross-entropy with smoothed labels: a share of each valid pixel's truth is spread over all classes alike.

    Args:
        smoothing: that share, 0 to 1. class_weights: as for `CrossEntropy`; what is spread has weight 1.
    """

    def __init__(self, smoothing=0.1, class_weights=None, name="smoothed", **kwargs):
        super().__init__(class_weights, name=name, **kwargs)
        self.smoothing = smoothing

    def of(self, pixels):
        """The loss of these `Pixels`: a float32 scalar."""
        spread = tf.reduce_logsumexp(pixels.logits, axis=-1) - tf.reduce_mean(pixels.logits, axis=-1)
        spread = tf.reduce_sum(spread * pixels.valid) / tf.maximum(tf.reduce_sum(pixels.valid), 1.0)
        return (1 - self.smoothing) * super().of(pixels) + self.smoothing * spread

    def get_config(self):
        """The settings, from which Keras can make the loss anew."""
        return {**super().get_config(), "smoothing": self.smoothing}


TYPES = {field.name: field.type for field in dataclasses.fields(Experiment)}


def experiment_of(settings):
    """The `Experiment` of settings such as ["filters=32"].

    Raises:
        ValueError: there is no such setting, or its value is of another kind.
    """
    pairs = [setting.partition("=")[::2] for setting in settings]
    if unknown := [name for name, _ in pairs if name not in TYPES]:
        raise ValueError(f"{unknown[0]} is no setting; there are {', '.join(TYPES)}")
    return Experiment(**{name: TYPES[name](value) for name, value in pairs})


# ---- one run --------------------------------------------------------------------------------------------------------


def run(what, settings, dataset, keep):
    """Trains one experiment and scores it: a row for each of `AUGMENTATIONS`.

    Args:
        what: what the experiment asks. settings: what differs from the defaults, such as ["filters=32"].
        dataset: a `helpers.siftflow.SiftFlow`.
        keep: the folder of its checkpoint.
    """
    trial = experiment_of(settings)
    checkpoint = keep / (hashlib.sha256(repr(trial).encode()).hexdigest()[:12] + ".keras")
    begun, before = checkpoint.exists(), time.process_time()
    record = runs.run(dataset, trial, precision=trial.precision, checkpoint=checkpoint, score_test=False)
    training, validation = pipeline.load(dataset)
    model = keras.models.load_model(checkpoint, compile=trial.average > 0)
    if trial.average:  # Keras puts the averages in at the end of fit, after the last epoch was saved
        model.optimizer.finalize_variable_values(model.trainable_variables)
        for images, _ in trial.feed(training.images, training.labels)().take(60):
            model(images, training=True)  # batch normalisation's statistics were those of the last weights
    same = {
        "what": what,
        "command": shlex.join(["python", "tools/search.py", "--what", what, *settings]),
        "seed": trial.seed,
        "weights": record["weights"],
        "epochs": trial.epochs,
        "minutes": record["minutes"],
        "core_minutes": "" if begun else round((time.process_time() - before) / 60, 1),
        "gflops": round(matmul_rate(trial.precision.removeprefix("mixed_")) / 1e9),  # of the machine, large products
    }
    _, images, labels = validation
    matrices = {how: predict.evaluate(model, images, labels, **options) for how, options in AUGMENTATIONS.items()}
    scores = {how: metrics.scores(matrix) for how, matrix in matrices.items()}
    return [
        {**same, "test_time_augmentation": how, **{name: round(100 * scores[how][name], 2) for name in SCORES}}
        for how in AUGMENTATIONS
    ]


def read(log):
    """The rows of the log, as dicts of strings; none where there is no log yet."""
    if not log.exists():
        return []
    with log.open(newline="") as file:
        return list(csv.DictReader(file))


def append(log, rows):
    """Adds rows to the log."""
    new = not log.exists()
    with log.open("a", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def logged(log, trial):
    """The rows of an experiment that was made before: the latest, or none."""
    rows = [row for row in read(log) if experiment_of(shlex.split(row["command"])[4:]) == trial]
    return rows[-len(AUGMENTATIONS) :]


# ---- two recipes, in pairs of seeds ---------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much a score differs between two recipes, over pairs of runs with the same seed.

    Attributes:
        mean: of the differences, the change minus the base.
        half: half of the 95 % interval of this mean by Student's t, infinite for a single pair.
    """

    mean: float
    half: float

    @classmethod
    def of(cls, base, changed):
        """The difference of scores in the order of their seeds: float (seed,)."""
        each = np.subtract(changed, base)
        n = len(each)
        half = scipy.stats.t.ppf(0.975, n - 1) * each.std(ddof=1) / np.sqrt(n) if n > 1 else np.inf
        return cls(float(each.mean()), float(half))

    @property
    def stands_out(self):
        """Whether the interval leaves 0 out."""
        return abs(self.mean) > self.half


def compared(base, changed, how):
    """Lines that compare two recipes, seen in one of the `AUGMENTATIONS`.

    Args:
        base, changed: for each seed, in the same order, the rows of its run.
    """
    lines = [f"{how}, {len(base)} pairs: mean and standard deviation; the difference, with its 95 % interval"]
    for name in SCORES:
        before, after = (
            np.array([float(row[name]) for rows in runs for row in rows if row["test_time_augmentation"] == how])
            for runs in (base, changed)
        )
        found = Difference.of(before, after)
        spread = [
            f"{scores.mean():6.2f} ± {scores.std(ddof=min(1, len(scores) - 1)):.2f}" for scores in (before, after)
        ]
        verdict = "stands out" if found.stands_out else "may be chance"
        lines.append(f"  {name:24}{spread[0]}  {spread[1]}  {found.mean:+.2f} ± {found.half:.2f}  {verdict}")
    return lines


# ---- the command ----------------------------------------------------------------------------------------------------


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--what", required=True, help="what this experiment asks, for the log")
    parser.add_argument("--base", help="settings of both recipes, in quotes: compares them in pairs of seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the pairs (default: 0 1 2)")
    parser.add_argument("--log", type=Path, default=LOG, help="a .csv file (default: results/experiments.csv)")
    parser.add_argument("--keep", type=Path, default=Path("build/search"), help="where checkpoints go")
    parser.add_argument("settings", nargs="*", help="such as filters=32")
    given = parser.parse_intermixed_args(arguments)
    try:
        experiment_of([*shlex.split(given.base or ""), *given.settings])
    except ValueError as error:
        parser.error(str(error))
    try:
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        if given.base is None:
            append(given.log, rows := run(given.what, given.settings, dataset, given.keep))
            print(*rows, sep="\n")
            return
        recipes = {f"{given.what}: base": shlex.split(given.base)}
        recipes[given.what] = [*recipes[f"{given.what}: base"], *given.settings]
        runs_of = {what: [] for what in recipes}
        for seed in given.seeds:
            for what, settings in recipes.items():
                settings = [*settings, f"seed={seed}"]
                rows = logged(given.log, experiment_of(settings))
                if not rows:
                    append(given.log, rows := run(what, settings, dataset, given.keep))
                runs_of[what].append(rows)
        for how in AUGMENTATIONS:
            print(*compared(*runs_of.values(), how), sep="\n")
    except (ValueError, runs.RunStopped) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
