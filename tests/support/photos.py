"""Makes photos, their files, and a tiny network that names their pixels."""

import io

import keras
import numpy as np
from PIL import Image

from helpers.classes import N_CLASSES
from helpers.unet import unet

SIZE = 32  # what the tiny network is built for


def network(policy="float32", n_classes=N_CLASSES):
    """A tiny U-Net of random weights: the masks it makes of noise hold many classes."""
    keras.utils.set_random_seed(1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return unet((SIZE, SIZE, 3), n_classes, filters=2, depth=2)
    finally:
        keras.config.set_dtype_policy(before)


def noise(rows, cols, seed=0):
    """Patches of random colours, as a photo has."""
    coarse = np.random.RandomState(seed).randint(0, 256, (rows // 8 + 1, cols // 8 + 1, 3)).astype("uint8")
    return coarse.repeat(8, axis=0).repeat(8, axis=1)[:rows, :cols]


def saved(image, kind, **options):
    """The bytes of a file."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()
