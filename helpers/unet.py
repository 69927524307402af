"""The U-Net of Ronneberger, Fischer and Brox (MICCAI 2015, arXiv 1505.04597), as its figure shows it.

The left arm halves the map four times and doubles the channels; the right arm climbs back, and at each floor sees
again, through a skip connection, the sharp map the left arm had there. A 1x1 convolution at the end gives every pixel
its logits.

Three things differ from the paper, as in most of today's U-Nets: padded convolutions, so that the output has the
input's size; batch normalisation after each convolution; fewer filters (16 at the top: 1.9 million weights, not 31).
"""

import keras
from keras import layers


def unet(input_shape, n_classes, filters=16, depth=4):
    """Builds the network.

    Args:
        input_shape: (rows, cols, channels); rows and cols divisible by ``2 ** depth``. Images range over 0-255:
            the network scales them itself.
        n_classes: classes to tell apart. Void is not one of them.
        filters: channels on the top floor; each floor down has twice as many.
        depth: floors below the top one.

    Returns:
        A `keras.Model` from images (batch, row, col, channel) to float32 logits (batch, row, col, class): no softmax.

    Raises:
        ValueError: a size that cannot be halved `depth` times.
    """
    rows, cols, _ = input_shape
    if rows is None or cols is None or rows % 2**depth or cols % 2**depth:
        raise ValueError(
            f"A U-Net {depth} floors deep halves its input {depth} times, so rows and cols must be multiples of "
            f"{2**depth}, and {rows}x{cols} is not. Resize the images to the next multiple, or take a smaller depth."
        )
    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="to_plus_minus_1")(image)

    skips = []
    for floor in range(depth):  # down: look, remember, halve
        x = two_convolutions(x, filters * 2**floor, name=f"down{floor}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{floor}_halve")(x)

    x = two_convolutions(x, filters * 2**depth, name="bottom")

    for floor in reversed(range(depth)):  # up: double, recall, look again
        x = layers.Conv2DTranspose(filters * 2**floor, 2, strides=2, name=f"up{floor}_double")(x)
        x = layers.Concatenate(name=f"up{floor}_recall")([skips[floor], x])
        x = two_convolutions(x, filters * 2**floor, name=f"up{floor}")

    # One linear map shared by all pixels. float32 whatever the policy: a loss needs the digits float16 drops.
    logits = layers.Conv2D(n_classes, 1, dtype="float32", name="logits")(x)
    return keras.Model(image, logits, name="unet")


def two_convolutions(x, filters, name):
    """Twice: 3x3 convolution, batch normalisation, ReLU."""
    for half in "ab":
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}{half}_conv"
        )(x)
        # Keras' default momentum of 0.99 would need hundreds of steps before validation shows what was learned.
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}{half}_norm")(x)
        x = layers.ReLU(name=f"{name}{half}")(x)
    return x
