"""The U-Net of Ronneberger, Fischer and Brox (MICCAI 2015, arXiv 1505.04597), as its figure shows it.

The left arm halves the map four times and doubles the channels; the right arm climbs back, and at each level sees
again, through a skip connection, the sharp map the left arm had there. A 1x1 convolution at the end gives every pixel
its logits.

Three things differ from the paper, as in most of today's U-Nets: padded convolutions, so that the output has the
input's size; batch normalisation after each convolution; fewer filters (16 at the top: 1.9 million weights, not 31).
"""

import keras
from keras import layers

from helpers.engine.normalisation import BatchNormalization


def unet(input_shape, n_classes, filters=16, depth=4, stem=1):
    """Builds the network.

    Args:
        input_shape: (rows, cols, channels); rows and cols divisible by ``stem * 2 ** depth``. Images range over 0-255:
            the network scales them itself.
        n_classes: classes to tell apart. Void is not one of them.
        filters: channels at the top level; each level down has twice as many.
        depth: levels below the top one.
        stem: above 1, the top level is that much coarser than the image: each patch of stem x stem pixels becomes one
            position, and the logits are enlarged at the end. A quarter of the work at 2, which pays for more filters.

    Returns:
        A `keras.Model` from images (batch, row, col, channel) to float32 logits (batch, row, col, class): no softmax.

    Raises:
        ValueError: a size that cannot be halved `depth` times.
    """
    rows, cols, _ = input_shape
    unit = stem * 2**depth
    if rows is None or cols is None or rows % unit or cols % unit:
        patches = f", after a stem of {stem}x{stem}" if stem > 1 else ""
        raise ValueError(
            f"A U-Net {depth} levels deep halves its input {depth} times{patches}, so rows and cols must be multiples "
            f"of {unit}, and {rows}x{cols} is not. Resize the images to the next multiple, or take a smaller depth."
        )
    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="to_plus_minus_1")(image)
    if stem > 1:  # each patch at once
        x = convolution(x, filters, stem, strides=stem, name="stem")

    skips = []
    for level in range(depth):  # down: convolve, remember, halve
        x = two_convolutions(x, filters * 2**level, name=f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_halve")(x)

    x = two_convolutions(x, filters * 2**depth, name="bottom")

    for level in reversed(range(depth)):  # up: double, recall, convolve again
        x = layers.Conv2DTranspose(filters * 2**level, 2, strides=2, name=f"up{level}_double")(x)
        x = layers.Concatenate(name=f"up{level}_recall")([skips[level], x])
        x = two_convolutions(x, filters * 2**level, name=f"up{level}")

    # One linear map shared by all pixels. float32 whatever the policy: float16 has too few digits for a loss.
    logits = layers.Conv2D(n_classes, 1, dtype="float32", name="logits")(x)
    if stem > 1:
        logits = layers.UpSampling2D(stem, interpolation="bilinear", dtype="float32", name="enlarge")(logits)
    return keras.Model(image, logits, name="unet")


def two_convolutions(x, filters, name):
    """Applies `convolution` twice, each of 3x3 pixels."""
    return convolution(convolution(x, filters, 3, name=f"{name}a"), filters, 3, name=f"{name}b")


def convolution(x, filters, size, name, strides=1):
    """Applies a convolution, batch normalisation and ReLU."""
    x = layers.Conv2D(
        filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    # Keras' default momentum of 0.99 would need hundreds of steps before validation shows what was learned.
    x = BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=name)(x)
