"""A small network on a few small pictures, for tests of training and of checkpoints."""

import keras
import numpy as np

from helpers import pipeline, training
from helpers.losses import CrossEntropy
from helpers.metrics import Scores

SIDE, CLASSES, BATCH = 16, 3, 4
RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(0, CLASSES, (12, 4, 4)).repeat(4, 1).repeat(4, 2).astype("uint8")
IMAGES = (90 * LABELS[..., None] + RANDOM.randint(0, 30, (*LABELS.shape, 3))).astype("uint8")
LABELS[:, :2] = 255
STEPS = len(IMAGES) // BATCH


def compiled(optimizer=None, seed=0):
    """A small network with batch normalisation, quick to trace; tanh, as ReLU may turn NaN into 0."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.Conv2D(2, 3, padding="same", activation="tanh"),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Conv2D(CLASSES, 1, name="logits"),
    ]
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers])
    model.compile(
        optimizer or keras.optimizers.Adam(0.01), CrossEntropy(), metrics=[Scores(CLASSES)], jit_compile=False
    )
    return model


def stream(epochs, first_epoch=0):
    return pipeline.training_batches(
        IMAGES, LABELS, batch=BATCH, size=SIDE, epochs=epochs, first_epoch=first_epoch, seed=1
    )


def fitted(model, epochs, train=None, **options):
    validation = pipeline.evaluation_batches(IMAGES[:4], LABELS[:4], batch=4, size=SIDE)
    train = (lambda first_epoch: stream(epochs, first_epoch)) if train is None else train
    return training.fit(model, train, validation, epochs=epochs, steps=STEPS, **options)


class At(keras.callbacks.Callback):
    """Does something at a batch of an epoch, and remembers the weights at each epoch's end."""

    def __init__(self, epoch=None, batch=None, do=lambda model: None):
        super().__init__()
        self.where, self.do, self.weights, self.ended = (epoch, batch), do, [], 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.where:
            self.do(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.ended += 1


def equal(some, others):
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def interrupt(model):
    """Stops the training as Ctrl-C does, and remembers the weights of that moment."""
    interrupt.weights = model.get_weights()
    raise KeyboardInterrupt
