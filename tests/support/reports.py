"""Public reports of segmentation models that did not learn, rebuilt as small models: sick, and cured.

A report is a function of `sick` that returns a compiled model, its data, and perhaps options for `preflight`. The twins
differ in what the report was about, and in nothing else. `tools/reports.py` examines them all.
"""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .preflight_models import compiled
from .shapes import borders, one_channel, one_hot, resized, shapes, softmax, unet, yes_or_no

REPORTS = []


@dataclasses.dataclass(frozen=True)
class Report:
    """A report: where it stands, what was seen, why, and its twins.

    Attributes:
        address: of the report on GitHub. said: what was seen. cause: why, as it turned out; a sentence each.
        sick, cured: functions of nothing that return (model, data, options for preflight).
        words: what the cause that preflight finds must hold, in whichever case. check: the check that finds it.
    """

    address: str
    said: str
    cause: str
    sick: Callable
    cured: Callable
    words: str
    check: str

    @property
    def name(self):
        """The repository and the number: "owner/name#1"."""
        owner, repository, _, number = self.address.removeprefix("https://github.com/").split("/")
        return f"{owner}/{repository}#{number}"

    def names(self, problem):
        """Whether a problem of `preflight` is the one that was reported."""
        return problem.check == self.check and self.words.lower() in problem.cause.lower()


def report(name, check, words):
    """Adds a function of `sick` to the reports; its docstring has two lines: what was seen, and why."""

    def add(make):
        def twin(sick):
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            model, data, *options = make(sick)
            return model, data, *(options or [{}])

        address = f"https://github.com/{name.replace('#', '/issues/')}"
        said, cause = (line.strip() for line in make.__doc__.splitlines())
        sick, cured = functools.partial(twin, True), functools.partial(twin, False)
        REPORTS.append(Report(address, said, cause, sick, cured, words, check))
        return make

    return add


# ---- labels ---------------------------------------------------------------------------------------------------------


def jaccard(y, p):
    """The IoU of one mask, from 0 to 1, for labels 0 and 1."""
    both = ops.sum(y * p)
    return (both + 1e-5) / (ops.sum(y) + ops.sum(p) - both + 1e-5)


def cross_entropy_and_jaccard(y, p):
    """The sum of a cross-entropy and 1 - IoU, as segmentation_models has it."""
    return ops.mean(keras.losses.binary_crossentropy(y, p)) + 1 - jaccard(y, p)


@report("qubvel/segmentation_models#95", "labels", "255 is a brightness")
def white_masks(sick):
    """The loss falls to -212, and the IoU rises to 7.
    The masks are white, 255, where the loss wants 1."""
    x, y = shapes()
    return yes_or_no(cross_entropy_and_jaccard, scores=[jaccard]), (x, one_channel(y) * (255 if sick else 1))


@report("hlamba28/UNET-TGS#8", "labels", "never divided by 255")
def grey_edges(sick):
    """The binary cross-entropy is negative.
    The masks were made smaller with interpolation, and were never divided by 255."""
    x, y = shapes(size=72)
    x, y = resized(x, 48, "bilinear"), resized(255.0 * y, 48, "bilinear")
    return yes_or_no(), (x, y if sick else (y > 127).astype("float32"))


@report("AstarLight/Satellite-Segmentation#22", "labels", "more classes in the labels")
def five_classes_for_one_sigmoid(sick):
    """The loss is -4.4 and the accuracy 0.33, for thirty epochs.
    The labels hold five classes, 0 to 4, and the network has one sigmoid."""
    x, y = shapes(5)
    return (yes_or_no(), (x, one_channel(y))) if sick else (softmax(5), (x, y))


@report("divamgupta/image-segmentation-keras#43", "loss", "one-hot with 2 channels")
def too_few_channels(sick):
    """The loss is NaN, and the accuracy stays at 0.90.
    The labels hold more classes than the two channels that they were made one-hot with."""
    (x, y), n = shapes(5), 2 if sick else 5
    return softmax(n, "categorical_crossentropy"), (x, one_hot(y, 5)[..., :n])


@report("jakeret/tf_unet#64", "loss", "background was taken away")
def no_background(sick):
    """The most frequent class becomes white, the others black, and the loss stays as it is.
    The channel of the background was taken away, and a softmax is left over the objects."""
    x, y = shapes(4)
    return softmax(3 if sick else 4, "categorical_crossentropy"), (x, one_hot(y, 4)[..., int(sick) :])


@report("ykamikawa/tf-keras-PSPNet#2", "labels", "bilinear interpolation, and rounded")
def rounded_masks(sick):
    """Masks of the classes 0, 2, 6, 7 and 10 hold all numbers from 0 to 10 after they were resized.
    The masks were resized with bilinear interpolation, and rounded."""
    x, y = shapes(6, size=120)
    y = np.round(resized(y, 48, "bilinear" if sick else "nearest"))[..., 0].astype("uint8")
    return softmax(6, "categorical_crossentropy"), (resized(x, 48, "bilinear"), one_hot(y, 6))


@report("qubvel/segmentation_models#71", "labels", "change of brightness")
def brighter_masks(sick):
    """The IoU is negative or above 1, the loss is negative, and all is predicted as class 0.
    The augmentation of the images, a change of brightness in it, is applied to the one-hot masks."""
    (x, y), numbers = shapes(3), np.random.RandomState(0)
    by = numbers.uniform(0.5, 2, (len(y), 1, 1, 1)) if sick else 1 / 255
    return softmax(3, "categorical_crossentropy"), (x, np.clip(255 * one_hot(y, 3) * by, 0, 255).astype("float32"))


@report("divamgupta/image-segmentation-keras#132", "labels", "colours that were read as grey")
def greys_of_a_palette(sick):
    """The label pictures hold the numbers 38, 75 and 113.
    Coloured label pictures were read as grey, so that the classes have the brightness of their colours as numbers."""
    x, y = shapes(4)
    return softmax(4), (x, np.array([0, 38, 75, 113] if sick else range(4), "uint8")[y])


@report("karolzak/keras-unet#34", "labels", "saved as JPEG")
def jpeg_masks(sick):
    """The masks hold 0.01, 0.97 and numbers between, in place of 0 and 1.
    The masks were saved as JPEG, divided by 255, and not compared with a half."""
    x, y = shapes(n=32)
    read = [tf.io.decode_jpeg(tf.io.encode_jpeg(mask[..., None] * 255, quality=75)).numpy() for mask in y]
    y = np.stack(read) / np.float32(255)
    return yes_or_no(), (x, y if sick else (y > 0.5).astype("float32"))


# ---- images, and whether they belong to their labels ----------------------------------------------------------------


@report("tensorflow/tensorflow#40787", "alignment", "augmented apart")
def flipped_apart(sick):
    """An image and its labels cannot be flipped together by tf.image.random_flip_left_right.
    The image and its mask are flipped by random numbers of their own."""
    (x, y), numbers = shapes(4, n=64), np.random.RandomState(1)
    flips = numbers.rand(2, len(x)) < 0.5
    x, y = (
        np.where(flip.reshape(-1, *[1] * (part.ndim - 1)), part[:, :, ::-1], part)
        for flip, part in ((flips[0], x), (flips[int(sick)], y))
    )
    return softmax(4), (x, y)


@report("keras-team/keras#6418", "alignment", "pairs are mixed up")
def pairs_mixed_up(sick):
    """Images and masks come from two lists of files, and do not fit each other.
    The lists are not sorted alike, so that every image meets the mask of another image."""
    x, y = shapes(4, n=64)
    return softmax(4), (x, y[np.random.RandomState(0).permutation(len(y))] if sick else y)


@report("zhixuhao/unet#83", "data", "divided as whole numbers")
def whole_number_division(sick):
    """The predicted pictures are grey, white or black.
    The images are divided by 255 as whole numbers, img / 255 without a point, and are 0 nearly everywhere."""
    x, y = shapes()
    x = x.copy()
    x[:, ::9, ::7] = 255  # glints, as photographs have
    return yes_or_no(scale=False), ((x // 255 if sick else x / 255).astype("float32"), one_channel(y))


@report("jakeret/tf_unet#224", "input range", "trained on images that were prepared in another way")
def raw_images(sick):
    """The predicted masks are white everywhere.
    The network was trained on images divided by 255, and is asked about raw ones."""
    (x, y), model = shapes(n=32), yes_or_no(scale=False)
    model.fit(x / np.float32(255), one_channel(y), batch_size=8, epochs=30, verbose=0)
    x, y = shapes(seed=9)
    return model, ((x / (1 if sick else 255)).astype("float32"), one_channel(y))


@report("computationalpathologygroup/hooknet#1", "axes", "the network crops")
def resized_for_cropped(sick):
    """The output is 70x70 for a larger image, and it is asked whether masks should simply be resized to it.
    Convolutions without padding crop the image, so that masks must be cut, not resized."""
    x, y = shapes(4, n=32, size=64)
    parts = [layers.Rescaling(1 / 255)]
    for _ in range(5):
        parts += [layers.Conv2D(12, 5), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    model = keras.Sequential([keras.Input((64, 64, 3)), *parts, layers.Conv2D(4, 1, activation="softmax")])
    y = resized(y, 44, "nearest")[..., 0] if sick else y[:, 10:54, 10:54]
    return compiled(model, "sparse_categorical_crossentropy", scores=["accuracy"]), (x, y)


# ---- output, loss and scores ----------------------------------------------------------------------------------------


@report("jocicmarko/ultrasound-nerve-segmentation#18", "output", "softmax over one channel")
def softmax_of_one(sick):
    """A softmax in place of the sigmoid does not train.
    The softmax is taken over one channel, which always gives 1."""
    x, y = shapes()
    return yes_or_no(last="softmax" if sick else "sigmoid"), (x, one_channel(y))


@report("vanvalenlab/deepcell-tf#624", "loss", "ReLU on the logits")
def relu_on_the_logits(sick):
    """No probability of the one output lies below 0.5.
    The output goes through ReLU, and the loss takes it for a logit."""
    (x, y), loss = shapes(), keras.losses.BinaryCrossentropy(from_logits=True)
    scores = [keras.metrics.BinaryAccuracy(threshold=0.0)]
    return yes_or_no(loss, scores=scores, last="relu" if sick else None, norm=0.9), (x, one_channel(y))


@report("Doodleverse/segmentation_gym#113", "loss", "in float16")
def log_of_float16(sick):
    """In mixed precision the loss becomes NaN after a while.
    The softmax is in float16, where small probabilities are 0, and the loss takes their log."""
    (x, y), before = shapes(4, n=2, size=32), keras.config.dtype_policy()  # float16 is slow on a CPU
    keras.config.set_dtype_policy("mixed_float16")
    try:
        logits = unet(4, None, norm=0.9, size=32, filters=4)
        model = keras.Model(logits.input, layers.Softmax(dtype="float16" if sick else "float32")(logits.output))
        low = 0 if sick else 1e-7
        compiled(model, lambda y, p: -ops.mean(ops.sum(y * ops.log(ops.maximum(p, low)), axis=-1)))
    finally:
        keras.config.set_dtype_policy(before)
    return model, (x, one_hot(y, 4))


@report("tensorflow/tensorflow#39173", "scores", "only a probability of exactly 1 counts")
def mean_iou_of_one_hot(sick):
    """The mean IoU is 33.42 in every epoch, while the network learns.
    MeanIoU takes one-hot labels and probabilities for whole numbers unless it is told."""
    (x, y), how = shapes(3), {} if sick else {"sparse_y_true": False, "sparse_y_pred": False}
    return softmax(3, "categorical_crossentropy", [keras.metrics.MeanIoU(3, **how)]), (x, one_hot(y, 3))


@report("divamgupta/image-segmentation-keras#334", "loss", "ignores class 0")
def background_ignored(sick):
    """The accuracy does not rise above 3 %.
    Class 0 is the background, and the loss ignores it, so that objects are painted everywhere."""
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0 if sick else None)
    return softmax(4, loss), shapes(4)


@report("keras-team/keras#13085", "loss", "ignores rare classes")
def flat_dice(sick):
    """The Dice coefficient is high, and nothing but background is predicted.
    This Dice adds up all classes and pixels at once, in which a tumour of a few pixels does not count."""
    x, y = (part.copy() for part in shapes(2))
    for row, col, image, labels in zip(*np.random.RandomState(3).randint(4, 40, (2, len(x))), x, y, strict=True):
        here = slice(row, row + 3), slice(col, col + 3)
        image[here], labels[here] = np.minimum(image[here], 215) + 40, 2
    axes = None if sick else (0, 1, 2)

    def dice(y, p):
        return 1 - ops.mean((2 * ops.sum(y * p, axes) + 1) / (ops.sum(y, axes) + ops.sum(p, axes) + 1))

    return softmax(3, dice), (x, one_hot(y, 3))


def masked_cross_entropy(y, p):
    """A cross-entropy of one-hot labels that leaves rows of 255 out."""
    valid = ops.cast(ops.all(y <= 1, axis=-1, keepdims=True), "float32")
    return -ops.sum(valid * y * ops.log(ops.clip(p, 1e-7, 1))) / ops.maximum(ops.sum(valid), 1)


@report("qubvel/segmentation_models#31", "loss", "stands within one-hot rows")
def void_in_one_hot(sick):
    """The masks of Pascal VOC hold 255 around objects, and one-hot labels hold it, too.
    The cross-entropy takes 255 for the weight of a class."""
    x, y = shapes(4)
    labels = np.where(borders(y)[..., None], np.float32(255), one_hot(y, 4))
    return softmax(4, "categorical_crossentropy" if sick else masked_cross_entropy, ()), (x, labels)


# ---- training -------------------------------------------------------------------------------------------------------


@report("qubvel/segmentation_models#483", "batch norm", "moving statistics lag behind")
def statistics_lag(sick):
    """Training improves, and validation on the same pictures is horrendous.
    With 8 steps an epoch the moving statistics of batch normalisation, at momentum 0.99, do not settle."""
    x, y = shapes(n=80)
    model = yes_or_no(norm=0.99 if sick else 0.9)
    model.fit(x, one_channel(y), batch_size=10, epochs=5, verbose=0)
    return model, (x, one_channel(y))


@report("orobix/retina-unet#71", "optimizer", "every pixel gets the same answer")
def plain_sgd(sick):
    """The loss stops at 0.33, and nothing is found.
    Plain SGD at 0.01, without normalisation, stays where every pixel gets the same answer."""
    x, y = shapes(n=32, largest=16)  # a tenth of the pixels, for which the same answer everywhere costs 0.32
    x = np.clip(x.mean(-1, keepdims=True) + 60.0 * y[..., None], 0, 255)
    rate = keras.optimizers.SGD(0.01) if sick else keras.optimizers.Adam(1e-3)
    model = yes_or_no("binary_crossentropy", rate, channels=1, start="glorot_uniform", drop=0.2, filters=16)
    return model, (x.astype("float32"), one_channel(y))


def cross_entropy_and_dice(y, p):
    """The sum of a cross-entropy and 1 - Dice."""
    dice = (2 * ops.sum(y * p) + 1) / (ops.sum(y) + ops.sum(p) + 1)
    return ops.mean(keras.losses.binary_crossentropy(y, p)) + 1 - dice


@report("jocicmarko/ultrasound-nerve-segmentation#75", "overfit", "the object is rare")
def tiny_objects(sick):
    """The network trains, and every predicted mask is empty.
    The object is 0.3 % of the pixels, and the loss is a cross-entropy alone; with a Dice added it worked."""
    numbers = np.random.RandomState(0)
    x = 110 + numbers.randint(-40, 40, (64, 1, 1, 1)) + numbers.normal(0, 30, (64, 64, 64, 1))
    y = np.zeros((64, 64, 64), "uint8")
    for image, labels in zip(x[::2], y[::2], strict=True):  # the other pictures are empty
        row, col = numbers.randint(2, 56, 2)
        image[row : row + 5, col : col + 5] += 45
        labels[row : row + 5, col : col + 5] = 1
    loss = "binary_crossentropy" if sick else cross_entropy_and_dice
    model = yes_or_no(loss, keras.optimizers.Adam(1e-4), (), channels=1, size=64)
    return model, (np.clip(x, 0, 255).astype("float32"), one_channel(y))
