"""What students answer in the exercises: right answers in many styles, and the usual wrong ones."""

import keras
import numpy as np
import scipy.special
import tensorflow as tf


def by_hand(z, axis=-1):
    z = np.asarray(z)
    powers = np.exp(z - z.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def in_a_loop(z):
    result = np.empty(z.shape)
    for index in np.ndindex(z.shape[:-1]):
        row = z[index] - max(z[index])
        result[index] = [np.e**v / sum(np.e**row) for v in row]
    return result


RIGHT_SOFTMAX = {
    "numpy": by_hand,
    "loop": in_a_loop,
    "keras": keras.ops.softmax,
    "tensorflow": tf.nn.softmax,
    "scipy": lambda z: scipy.special.softmax(z, axis=-1),
    "logsumexp": lambda z: np.exp(z - scipy.special.logsumexp(z, axis=-1, keepdims=True)),
    "a layer": keras.layers.Softmax(),
}


def changing(z):
    z -= z.max(axis=-1, keepdims=True)
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


WRONG_SOFTMAX = {
    "Not answered": lambda z: None,
    "write it with def": 3,
    "first axis": lambda z: by_hand(z, 0),
    "middle axis": lambda z: by_hand(z, 1),
    "All numbers together": lambda z: np.exp(z) / np.exp(z).sum(),
    "those are the powers": np.exp,
    "divides the logits": lambda z: z / z.sum(-1, keepdims=True),
    "logarithm": lambda z: np.log(by_hand(z)),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "hard choice": lambda z: np.eye(z.shape[-1])[z.argmax(-1)],
    "minus the logits": lambda z: by_hand(-z),
    "overflow": lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True),
    "own largest": lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum(-1, keepdims=True),
    "count the axis from the end": lambda z: by_hand(z, 2 if z.ndim == 3 else 0),
    "changes the array": changing,
    "has shape (2, 3)": lambda z: z.sum(-1),
    "stops with NameError": lambda z: np.exp(logits),  # noqa: F821
    "not an array of numbers": lambda z: "softmax",
    "axis=-1": lambda z: np.zeros_like(z),
}


RIGHT_HEAD = {
    "reshape, transpose": lambda s: s.reshape(*s.shape[:2], -1).transpose(0, 2, 1),
    "transpose, reshape": lambda s: s.transpose(0, 2, 3, 1).reshape(len(s), -1, s.shape[1]),
    "moveaxis": lambda s: np.moveaxis(s, 1, -1).reshape(2, 6, 4),
    "einsum": lambda s: np.einsum("bchw->bhwc", s).reshape(2, 6, 4),
    "keras.ops": lambda s: keras.ops.reshape(keras.ops.transpose(s, (0, 2, 3, 1)), (2, 6, 4)),
    "layers": lambda s: keras.layers.Permute((2, 1))(keras.layers.Reshape((4, 6))(s)),
    "a model": keras.Sequential([keras.Input((4, 2, 3)), keras.layers.Reshape((4, 6)), keras.layers.Permute((2, 1))]),
}


WRONG_HEAD = {
    "Not answered": lambda s: None,
    "plain reshape": lambda s: s.reshape(2, 6, 4),
    "halfway": lambda s: s.reshape(2, 4, 6),
    "down the columns": lambda s: s.transpose(0, 3, 2, 1).reshape(2, 6, 4),
    "mixed": lambda s: s.transpose(2, 3, 0, 1).reshape(2, 6, 4),
    "another order": lambda s: s[::-1].transpose(0, 2, 3, 1).reshape(2, 6, 4),
    "in reverse": lambda s: s[:, ::-1].transpose(0, 2, 3, 1).reshape(2, 6, 4),
    "has shape (12, 4)": lambda s: s.transpose(0, 2, 3, 1).reshape(-1, 4),
    "write it with def": np.zeros((2, 6, 4)),
    "stops with ValueError": lambda s: s.reshape(5, 5),
    "all its classes": lambda s: np.zeros((2, 6, 4)),
}


def sure_and_wrong(mask, confidence, truth):
    """The exercise of notebook 06."""
    valid = truth != 255
    return np.mean((mask != truth)[valid] & (confidence > 0.9)[valid])


def sure_in_a_loop(mask, confidence, truth):
    n = bad = 0
    for place in np.ndindex(truth.shape):
        if truth[place] != 255:
            n, bad = n + 1, bad + int(mask[place] != truth[place] and confidence[place] > 0.9)
    return bad / n


def sure_in_keras(mask, confidence, truth):
    valid = keras.ops.cast(truth != 255, "float32")
    bad = keras.ops.cast(mask != truth, "float32") * keras.ops.cast(confidence > 0.9, "float32")
    return keras.ops.sum(bad * valid) / keras.ops.sum(valid)


RIGHT_SURE = {"numpy": sure_and_wrong, "loop": sure_in_a_loop, "keras": sure_in_keras}
WRONG_SURE = {
    "Not answered": lambda m, c, t: None,
    "write it with def": 0.1,
    "has shape (8, 9)": lambda m, c, t: (m != t) & (c > 0.9) & (t != 255),
    "leave it out of both": lambda m, c, t: ((m != t) & (c > 0.9)).mean(),
    "leave it out above": lambda m, c, t: ((m != t) & (c > 0.9)).sum() / (t != 255).sum(),
    "divides by all pixels": lambda m, c, t: ((m != t) & (c > 0.9) & (t != 255)).mean(),
    "counts every mistake": lambda m, c, t: (m != t)[t != 255].mean(),
    "counts every sure pixel": lambda m, c, t: (c > 0.9)[t != 255].mean(),
    "divides by the pixels that it is sure of": lambda m, c, t: (m != t)[(t != 255) & (c > 0.9)].mean(),
    "divides by the wrong pixels": lambda m, c, t: (c > 0.9)[(t != 255) & (m != t)].mean(),
    "right about": lambda m, c, t: ((m == t) & (c > 0.9))[t != 255].mean(),
    "a number of pixels": lambda m, c, t: ((m != t) & (c > 0.9) & (t != 255)).sum(),
    "a percentage": lambda m, c, t: 100 * sure_and_wrong(m, c, t),
    "count pixels that are valid": lambda m, c, t: 0.123,
}


def surest_mistake(mask, confidence, truth):
    """The second exercise of notebook 08."""
    wrong = (mask != truth) & (truth != 255)
    return np.unravel_index(np.where(wrong, confidence, -1).argmax(), mask.shape)


def surest_in_a_loop(mask, confidence, truth):
    places = [place for place in np.ndindex(mask.shape) if truth[place] != 255 and mask[place] != truth[place]]
    return max(places, key=lambda place: confidence[place])


RIGHT_SUREST = {
    "numpy": surest_mistake,
    "loop": surest_in_a_loop,
    "list": lambda m, c, t: [int(part) for part in surest_mistake(m, c, t)],
}
WRONG_SUREST = {
    "Not answered": lambda m, c, t: None,
    "write it with def": 3,
    "stops with KeyError": lambda m, c, t: {}[0],
    "not a row and a column": lambda m, c, t: "sky",
    "np.unravel_index(place": lambda m, c, t: np.where((m != t) & (t != 255), c, -1).argmax(),
    "a row and a column": lambda m, c, t: (m != t) & (t != 255),
    "that pixel is void": lambda m, c, t: np.unravel_index(np.where(m != t, c, -1).argmax(), m.shape),
    "that pixel is right": lambda m, c, t: np.unravel_index(np.where(t != 255, c, -1).argmax(), m.shape),
    "changed places": lambda m, c, t: surest_mistake(m, c, t)[::-1],
    "the lowest confidence": lambda m, c, t: surest_mistake(m, 1 - c, t),
    "among the wrong pixels": lambda m, c, t: (0, 8),
}


def from_colours(picture, table):
    """The second exercise of notebook 09."""
    labels = np.full(picture.shape[:2], 255, "uint8")
    for number, colour in enumerate(table.values()):
        labels[(picture == colour).all(axis=-1)] = number
    return labels


def colours_in_a_loop(picture, table):
    order = list(table.values())
    found = [[tuple(map(int, pixel)) for pixel in row] for row in picture]
    return [[order.index(pixel) if pixel in order else 255 for pixel in row] for row in found]


def colours_by(weights):
    """A colour mask read by one number a pixel, as in grey or as in packed colours."""

    def read(picture, table):
        keys = [np.dot(colour, weights) for colour in table.values()]
        own = picture.astype(int) @ weights
        labels = np.full(own.shape, 255)
        for number, key in enumerate(keys):
            labels[own == key] = number
        return labels

    return read


def colours_into_the_picture(picture, table):
    labels = from_colours(picture, table)
    picture[:] = 0
    return labels


def one_channel_will_do(picture, table):
    labels = np.full(picture.shape[:2], 255)
    for number, colour in enumerate(table.values()):
        labels[(picture == colour).any(axis=-1)] = number
    return labels


RIGHT_COLOURS = {
    "numpy": from_colours,
    "loop": colours_in_a_loop,
    "packed": colours_by(np.array([65536, 256, 1])),
    "float": lambda p, t: from_colours(p, t).astype(float),
}
WRONG_COLOURS = {
    "Not answered": lambda p, t: None,
    "write it with def": "colours",
    "stops with KeyError": lambda p, t: t["no such class"],
    "not an array of numbers": lambda p, t: "sky",
    "three channels of a pixel must agree": lambda p, t: np.where(p == t[next(iter(t))], 0, 255),
    "not (row, col)": lambda p, t: from_colours(p, t)[..., None],
    "changes the picture": colours_into_the_picture,
    "255, and no class": lambda p, t: np.where((f := from_colours(p, t)) == 255, 0, f),
    "255, and not -1": lambda p, t: np.where((f := from_colours(p, t).astype(int)) == 255, -1, f),
    "count from 0": lambda p, t: np.where((f := from_colours(p, t)) == 255, 255, f + 1),
    "not .any": one_channel_will_do,
    "red and blue become one class": colours_by(np.array([1, 1, 1])),
    "for each class": lambda p, t: np.where((f := from_colours(p, t)) == 255, 255, 3 - f.astype(int)),
}


def dice_loss(absent="out", void="out", twice=2, axes=(0, 1, 2), score=False, total=False, smooth=0):
    """The exercise of notebook 04, right or with a mistake built in."""

    def loss(labels, p):
        g = (labels[..., None] == np.arange(p.shape[-1])).astype("float32")
        if void == "out":
            p = p * (labels != 255)[..., None]
        value = 1 - (twice * (p * g).sum(axes) + smooth) / np.maximum((p + g).sum(axes) + smooth, 1e-9)
        value = value[..., g.sum((0, 1, 2)) > 0] if absent == "out" else value
        value = value.sum() if total else value.mean()
        return 1 - value if score else value

    return loss


def dice_in_keras(labels, p):
    valid = keras.ops.cast(labels != 255, "float32")[..., None]
    g = keras.ops.one_hot(np.where(labels == 255, 0, labels), 3) * valid
    overlap, both = (keras.ops.sum(t, axis=(0, 1, 2)) for t in (p * valid * g, p * valid + g))
    present = keras.ops.cast(keras.ops.sum(g, axis=(0, 1, 2)) > 0, "float32")
    return keras.ops.sum(present * (1 - 2 * overlap / both)) / keras.ops.sum(present)


def iou_loss(labels, p):
    g, p = (labels[..., None] == np.arange(3)).astype(float), p * (labels != 255)[..., None]
    overlap, both = (p * g).sum((0, 1, 2)), (p + g).sum((0, 1, 2))
    return (1 - overlap / (both - overlap))[[0, 2]].mean()


WRONG_DICE = {
    "Not answered": lambda labels, p: None,
    "write it with def": "dice",
    "has shape (3,)": lambda labels, p: np.zeros(3),
    "class 1 is absent": dice_loss(absent="in"),
    "smoothing by 1": dice_loss(smooth=1),
    "void pixels' probabilities": dice_loss(void="in"),
    "void is counted, and the absent": dice_loss(absent="in", void="in"),
    "that is the score": dice_loss(score=True),
    "loss of IoU": iou_loss,
    "overlap counts twice": dice_loss(twice=1),
    "Keep the class axis": dice_loss(axes=None, absent="in"),
    "One Dice per image": dice_loss(axes=(1, 2)),
    "a sum over the classes": dice_loss(total=True),
    "NaN": lambda labels, p: np.nan,
    "for each class": lambda labels, p: 17.0,
}


def window_width(chain):
    """The exercise of notebook 07."""
    width, step = 1, 1
    for kernel, stride, dilation in chain:
        width, step = width + (kernel - 1) * dilation * step, step * stride
    return width


def width_backwards(chain):
    width = 1
    for kernel, stride, dilation in reversed(chain):
        width = (width - 1) * stride + (kernel - 1) * dilation + 1
    return width


RIGHT_WIDTH = {
    "forwards": window_width,
    "backwards": width_backwards,
    "an array": lambda chain: np.array(window_width(chain)),
}
WRONG_WIDTH = {
    "Not answered": lambda chain: None,
    "write it with def": 3,
    "stops with ZeroDivisionError": lambda chain: 1 / 0,
    "sum of the kernels": lambda chain: sum(kernel for kernel, _, _ in chain),
    "the strides are missing": lambda chain: window_width([(k, 1, d) for k, _, d in chain]),
    "the dilations are missing": lambda chain: window_width([(k, s, 1) for k, s, _ in chain]),
    "not for its own kernel": lambda chain: window_width([(1, chain[0][1], 1), *(
        (k, s, d) for (k, _, d), (_, s, _) in zip(chain, [*chain[1:], (1, 1, 1)], strict=True))]),
    "one pixel is missing": lambda chain: window_width(chain) - 1,
    "in reverse order": lambda chain: window_width(chain[::-1]),
    "the area of the window": lambda chain: window_width(chain) ** 2,
    "in one direction": lambda chain: window_width(chain) // 2,
    "and the function says 4": lambda chain: 4,
}  # fmt: skip
