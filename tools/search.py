"""One experiment on the recipe: train, score on the validation images in three ways, append to results/experiments.csv.

python tools/search.py --what "half resolution, twice the filters" stem=2 filters=32 epochs=13

Settings are the fields of `Experiment`: those of `helpers.recipe.Recipe`, and more that may be tried. The test images
are not touched. An interrupted experiment goes on when the command is repeated.
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
from keras import layers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers import losses, metrics, pipeline, predict, runs, siftflow
from helpers.engine.muon import Muon
from helpers.recipe import Recipe
from helpers.unet import BatchNormalization

LOG = Path(__file__).resolve().parent.parent / "results" / "experiments.csv"
SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")


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
    dropout: float = 0.0  # at the bottom
    dice: int = 0  # 1: a Dice loss is added
    average: float = 0.0  # momentum of a running average of the weights, which is then what is scored
    schedule: str = "cosine"  # or "constant", after the warm-up
    step: str = "adamw"  # or "muon", as `helpers.engine.muon`

    def loss(self, pixel_counts):
        """The recipe's loss, with Dice added where it is asked for."""
        cross_entropy = super().loss(pixel_counts)
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

    def network(self, n_classes):
        """The network of `helpers.unet`, rebuilt with the settings above."""
        filters = [min(self.filters * 2**level, self.widest) for level in range(self.depth + 1)]
        image = keras.Input((self.size, self.size, 3))
        x = layers.Rescaling(1 / 127.5, offset=-1)(image)
        if self.stem > 1:
            x = self._convolution(x, filters[0], self.stem, self.stem)
        skips = []
        for level in range(self.depth):
            x = self._block(x, filters[level])
            skips.append(x)
            x = layers.MaxPooling2D(2)(x)
        x = self._block(x, filters[-1])
        if self.dropout:
            x = layers.SpatialDropout2D(self.dropout, seed=self.seed)(x)
        for level in reversed(range(self.depth)):
            if self.up == "transpose":
                x = layers.Conv2DTranspose(filters[level], 2, strides=2)(x)
            else:
                x = layers.UpSampling2D(2, interpolation=self.up)(layers.Conv2D(filters[level], 1)(x))
            x = self._block(layers.Concatenate()([skips[level], x]), filters[level])
        logits = layers.Conv2D(n_classes, 1, dtype="float32", name="logits")(x)
        if self.stem > 1:
            logits = layers.UpSampling2D(self.stem, interpolation="bilinear", dtype="float32")(logits)
        return keras.Model(image, logits)

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


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--what", required=True, help="what this experiment asks, for the log")
    parser.add_argument("--log", type=Path, default=LOG, help="a .csv file (default: results/experiments.csv)")
    parser.add_argument("--keep", type=Path, default=Path("build/search"), help="where its checkpoint goes")
    parser.add_argument("settings", nargs="*", help="such as filters=32")
    given = parser.parse_args(arguments)
    types = {field.name: field.type for field in dataclasses.fields(Experiment)}
    pairs = [setting.partition("=")[::2] for setting in given.settings]
    if unknown := [name for name, _ in pairs if name not in types]:
        parser.error(f"{unknown[0]} is no setting; there are {', '.join(types)}")
    trial = Experiment(**{name: types[name](value) for name, value in pairs})

    checkpoint = given.keep / (hashlib.sha256(repr(trial).encode()).hexdigest()[:12] + ".keras")
    begun, before = checkpoint.exists(), time.process_time()
    try:
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        record = runs.run(dataset, trial, precision=trial.precision, checkpoint=checkpoint, score_test=False)
    except (ValueError, runs.RunStopped) as error:
        parser.exit(1, f"{error}\n")
    model = keras.models.load_model(checkpoint, compile=trial.average > 0)
    if trial.average:  # Keras puts the averages in at the end of fit, after the last epoch was saved
        model.optimizer.finalize_variable_values(model.trainable_variables)
    validation = pipeline.load(dataset)[1]
    once, twice = {"scales": (1,)}, {"scales": (1, 1.25)}
    augmentations = {"flip": once, "plain": {"flip": False, **once}, "flip, two sizes": twice}
    same = {
        "what": given.what,
        "command": shlex.join(["python", "tools/search.py", "--what", given.what, *given.settings]),
        "weights": record["weights"],
        "epochs": trial.epochs,
        "minutes": record["minutes"],
        "core_minutes": "" if begun else round((time.process_time() - before) / 60, 1),
    }
    rows = []
    for augmentation, options in augmentations.items():
        scores = metrics.scores(predict.evaluate(model, validation.images, validation.labels, **options))
        rows.append(
            {**same, "test_time_augmentation": augmentation, **{name: round(100 * scores[name], 2) for name in SCORES}}
        )
    new = not given.log.exists()
    with given.log.open("a", newline="") as log:
        writer = csv.DictWriter(log, rows[0], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
