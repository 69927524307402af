"""From a trained network to masks: logits at the image's own size, with test-time augmentation, and their scores.

Test-time augmentation shows the network the image, its mirror image, and both a quarter larger, and averages the
logits.
"""

import numpy as np
from keras import ops
from PIL import Image

from helpers import metrics

SCALES = (1.0, 1.25)  # the second one is worth half a point of mean IoU (results/README.md)


def predict_logits(model, images, *, flip=True, scales=SCALES, batch=8):
    """Yields the logits of each image at the image's own size, batch by batch: float32 (batch, row, col, class).

    Args:
        model: a fully convolutional Keras model from (batch, row, col, RGB), 0-255, to logits (batch, row, col, class).
        images: uint8 or float (n, row, col, RGB), 0-255, of any size: resized to the network's input and back.
        flip: average with the logits of the mirrored image, mirrored back.
        scales: average over versions of the image this many times as large as the network's input.
    """
    sizes = [input_size(model, [side * scale for side in model.input_shape[1:3]]) for scale in scales]
    for start in range(0, len(images), batch):
        yield augmented_logits(model, images[start : start + batch], sizes, images.shape[1:3], flip=flip)


def augmented_logits(model, images, sizes, own, *, flip=True):
    """The logits of images (batch, row, col, RGB) at their `own` (rows, cols), averaged over input `sizes`."""
    total = 0.0
    for size in sizes:
        x = ops.image.resize(ops.cast(images, "float32"), size, interpolation="bilinear")
        # `call`, since the model itself accepts no other size than the one it was built for.
        logits = model.call(x, training=False)
        if flip:
            logits = (logits + ops.flip(model.call(ops.flip(x, axis=2), training=False), axis=2)) / 2
        total += ops.image.resize(ops.cast(logits, "float32"), own, interpolation="bilinear") / len(sizes)
    return total


def input_size(model, wanted):
    """The (rows, cols) next to the wanted ones that a fully convolutional network can take.

    They are multiples of how many pixels share a position on its coarsest map.
    """
    built_for = model.input_shape[1]
    maps = [layer.output.shape for layer in model.layers]
    unit = max(-(-built_for // rows) for _, rows, *others in maps if len(others) == 2)
    return tuple(unit * max(1, round(side / unit)) for side in wanted)


def predict_masks(model, images, **options):
    """The class of every pixel of every image: uint8 (n, row, col). Options as in `predict_logits`."""
    none = [np.empty((0, *np.shape(images)[1:3]))]  # without images there are no maps
    maps = [ops.convert_to_numpy(ops.argmax(logits, axis=-1)) for logits in predict_logits(model, images, **options)]
    return np.concatenate(none + maps).astype("uint8")


def evaluate(model, images, labels, **options):
    """The confusion matrix of the model on labelled images, at full resolution: int64 (class, class), rows = truth."""
    confusion = metrics.ConfusionMatrix(model.output_shape[-1])
    start = 0
    for logits in predict_logits(model, images, **options):
        confusion.update_state(labels[start : start + len(logits)], logits)
        start += len(logits)
    return ops.convert_to_numpy(confusion.result())


def segment(model, image, temperature=1.0):
    """The class of every pixel of one photo of any shape, and how sure the network is of it.

    The photo keeps its shape, however wide or tall: its shorter side becomes as long as the network's input, and its
    longer side is stretched or squeezed by half a position of the coarsest map at most. On a square photo of up to
    twice the network's size the masks are those of `predict_masks`.

    Args:
        model: as for `predict_logits`.
        image: uint8 (row, col, RGB), as `helpers.viz.photo_file.read` returns it.
        temperature: above 0; the logits are divided by it before the softmax, which leaves the mask as it is. With the
            one that `runs.pretrained` returns, about 80 % of the pixels with a confidence of 0.8 should be right.

    Returns:
        mask, uint8 (row, col), and confidence, float32 (row, col): the softmax probability of the class in the mask.

    Raises:
        ValueError: something else than a photo, or a temperature that is not above 0.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"A photo is uint8 (row, col, RGB); this is {image.dtype} {image.shape}.")
    if not temperature > 0:
        raise ValueError(f"A temperature is above 0; this is {temperature}. 1.0 leaves the probabilities as they are.")
    own, sizes = image.shape[:2], [fitting_size(model, image.shape[:2], scale) for scale in SCALES]
    # Bilinear resizing looks at two pixels in each direction, so averages must take a photo down to twice the size.
    k = -(-min(own) // (2 * min(sizes[0])))
    averages = Image.fromarray(image).resize((-(-own[1] // k), -(-own[0] // k)), Image.Resampling.BOX)
    logits = augmented_logits(model, np.array(averages)[None], sizes, own)[0]
    mask, logits = ops.argmax(logits, axis=-1), logits / temperature
    confidence = ops.exp(ops.max(logits, axis=-1) - ops.logsumexp(logits, axis=-1))
    return ops.convert_to_numpy(mask).astype("uint8"), ops.convert_to_numpy(confidence)


def fitting_size(model, shape, scale=1.0):
    """The (rows, cols) at which a network should see a photo of this shape (rows, cols), or `scale` times that size."""
    short = scale * min(model.input_shape[1:3])
    return input_size(model, [short * side / min(shape) for side in shape])
