"""A recipe: everything that decides how a training run ends, apart from the data."""

import dataclasses
import shlex

import keras
import numpy as np

from helpers import losses, pipeline
from helpers.engine.muon import Muon
from helpers.unet import unet


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of a run: network, batches, loss and optimizer. Sizes are in pixels, rates per step.

    Attributes:
        size: the network sees images of size x size.
        filters, depth, stem: the network's shape, see `helpers.unet.unet`.
        batch: images per step. epochs: passes over the training images.
        learning_rate: at its peak.
        warm_up: the share of the steps in which the rate climbs to the peak, before it falls as a cosine.
        weight_decay: of the kernels, as in AdamW.
        scale, light: how far crops are enlarged, and how far light is jittered, see `pipeline.Feed`.
        balance: the power of the class weights. At 0 all pixels count alike; at 1 all classes do, which is the scheme
            "inverse" of `losses.class_weights`.
        seed: of the weights and of every random choice.
    """

    size: int = 128
    filters: int = 48
    depth: int = 3
    stem: int = 2
    batch: int = 16
    epochs: int = 60
    learning_rate: float = 6e-3
    warm_up: float = 0.05
    weight_decay: float = 0.01
    scale: float = 1.6
    light: float = 0.2
    balance: float = 0.3
    seed: int = 0

    def network(self, n_classes):
        """Builds a U-Net for that many classes."""
        return unet((self.size, self.size, 3), n_classes, self.filters, self.depth, self.stem)

    def optimizer(self, steps):
        """Makes a `helpers.engine.muon.Muon` for a run of that many steps; scales and offsets do not decay."""
        warm_up = max(1, round(self.warm_up * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm_up), warmup_target=self.learning_rate, warmup_steps=warm_up
        )
        optimizer = Muon(rate, weight_decay=self.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        return optimizer

    def feed(self, images, labels):
        """Makes the `pipeline.Feed` of these training images."""
        return pipeline.Feed(images, labels, self.batch, self.size, self.epochs, self.seed, self.scale, self.light)

    def loss(self, pixel_counts):
        """Makes the loss: cross-entropy, each class weighed by count ** -balance; weights are 1 on average."""
        if not self.balance:
            return losses.CrossEntropy()
        weights = losses.class_weights(pixel_counts, "inverse").astype("float64") ** self.balance
        return losses.CrossEntropy(weights * np.sum(pixel_counts) / np.sum(weights * pixel_counts))

    @classmethod
    def add_arguments(cls, parser):
        """Gives the parser an option for each setting, such as ``--learning-rate``."""
        for field in dataclasses.fields(cls):
            parser.add_argument("--" + field.name.replace("_", "-"), type=field.type, default=field.default)

    @classmethod
    def from_arguments(cls, given):
        """Makes the recipe from what a parser with `add_arguments` read."""
        return cls(**{field.name: getattr(given, field.name) for field in dataclasses.fields(cls)})

    def command(self, program, typed):
        """The command that was typed, with every setting spelled out, so that it means the same for good."""
        given = {word.partition("=")[0] for word in typed}
        settings = {"--" + name.replace("_", "-"): str(value) for name, value in dataclasses.asdict(self).items()}
        spelled = [word for option in settings.items() if option[0] not in given for word in option]
        return shlex.join(["python", *program, *typed, *spelled])


FULL_SIZE = Recipe(size=256, filters=32, depth=4, stem=1)
"""The recipe for a GPU: the photographs at their own size, and all levels of the paper's network."""
