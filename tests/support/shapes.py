"""Pictures of boxes and discs, and the U-Net as it is often copied, for the reports in `reports`."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from .preflight_models import compiled

_COLOURS = np.array([[90, 90, 90], [210, 60, 50], [60, 190, 70], [60, 80, 210], [220, 200, 60], [190, 70, 200]])


@functools.cache
def shapes(classes=2, n=16, size=48, seed=0, largest=None):
    """Boxes and discs on a noisy ground, each class of a colour: uint8 (n, size, size, 3) and (n, size, size)."""
    numbers, (rows, cols) = np.random.RandomState(seed), np.indices((size, size))
    x, y = np.zeros((n, size, size, 3)), np.zeros((n, size, size), "uint8")
    for image, labels in zip(x, y, strict=True):
        image += _COLOURS[0] + numbers.randint(-50, 60)
        for _ in range(numbers.randint(2, 5)):
            c = numbers.randint(1, classes)
            high, wide = numbers.randint(size // 8, largest or size // 2, 2)
            down, right = numbers.randint(0, size - high), numbers.randint(0, size - wide)
            a, b = 2 * (rows - down) / high - 1, 2 * (cols - right) / wide - 1
            inside = np.maximum(abs(a), abs(b)) < 1 if numbers.rand() < 0.5 else a**2 + b**2 < 1
            image[inside] = _COLOURS[c] + numbers.randint(-25, 25)
            labels[inside] = c
    return np.clip(x + numbers.normal(0, 18, x.shape), 0, 255).astype("uint8"), y


def one_channel(y):
    """Labels as masks for a sigmoid: float32 (image, row, col, 1)."""
    return y[..., None].astype("float32")


def one_hot(y, n):
    """Labels (image, row, col) as float32 (image, row, col, n)."""
    return np.eye(n, dtype="float32")[y]


def resized(maps, size, method):
    """Maps (image, row, col) or images, resized by TensorFlow: float32."""
    return tf.image.resize(maps if maps.ndim == 4 else maps[..., None], (size, size), method).numpy()


def borders(y):
    """Where a label differs from that of the pixel before it, in its row or column: bool."""
    return (np.diff(y, axis=1, prepend=y[:, :1]) != 0) | (np.diff(y, axis=2, prepend=y[:, :, :1]) != 0)


def unet(out=1, last="sigmoid", norm=None, size=48, channels=3, scale=True, start="he_normal", drop=0.0, filters=8):
    """The U-Net as it is often copied, with two levels; `norm` is the momentum of batch normalisation."""

    def twice(x, filters):
        for _ in "ab":
            x = layers.Conv2D(filters, 3, padding="same", kernel_initializer=start)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=norm)(x) if norm else x)
        return x

    image = keras.Input((size, size, channels))
    levels = [twice(layers.Rescaling(1 / 255)(image) if scale else image, filters)]
    for times in (2, 4):
        levels.append(twice(layers.MaxPooling2D()(levels[-1]), times * filters))
    x = layers.Dropout(drop)(levels.pop())
    for times in (2, 1):
        x = twice(layers.Concatenate()([layers.UpSampling2D()(x), levels.pop()]), times * filters)
    return keras.Model(image, layers.Conv2D(out, 1, activation=last)(x))


def yes_or_no(loss="binary_crossentropy", optimizer=None, scores=("accuracy",), **how):
    """The U-Net with one output, compiled."""
    return compiled(unet(**how), loss, optimizer, scores)


def softmax(n, loss="sparse_categorical_crossentropy", scores=("accuracy",), **how):
    """The U-Net with a softmax over n classes, compiled."""
    return compiled(unet(n, "softmax", **{"norm": 0.9, **how}), loss, None, scores)
