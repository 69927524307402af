"""Are the output's pixels those of the image, or were its axes exchanged on the way?"""

import numpy as np

from .output import logits_of
from .pairs import contrast
from .report import Cause, Result, fine, note, problem
from .tools import GIVEN, turned

_SPOTS = ((0.1, 0.3), (0.2, 0.8), (0.5, 0.1), (0.6, 0.6), (0.9, 0.4), (0.8, 0.9))  # in shares of rows and columns

SCRAMBLED = Cause(
    cause="The output's pixels are not the image's: {how}.",
    cure="Reshape only joins or splits neighbouring axes, in their order; exchanging axes is Permute. Logits (row, "
    "col, class) become a list by Reshape((row * col, class)).",
)


RESIZED_FOR_CROPPED = Cause(
    cause="The masks were resized to the size of the output, but the network crops: its output is the middle of the "
    "image, as convolutions without padding leave it.",
    cure='Crop the labels alike: labels[:, {top}:{bottom}, {left}:{right}]; or padding="same" in every convolution.',
)
CROPPED_FOR_RESIZED = Cause(
    cause="The masks were cut to the size of the output, but the network's output shows the whole image, at another "
    "size.",
    cure="Resize the labels by the nearest pixel, in place of cutting them; or resize the output (bilinear).",
)


def check_axes(case, gives):
    """Where one patch of an image is changed, does the output change there? `gives` is what the network `Gives`."""
    rows, cols = case.labels.shape[1:] if case.labels.ndim == 3 else (0, 0)
    if min(rows, cols) < 8:
        return Result([note("Not told: the map is too small.")])
    if (rows, cols) != case.x.shape[1:3]:
        return Result([_other_size(case, gives)])
    patch = rows // 8, cols // 8
    spots = [(int(a * (rows - patch[0])), int(b * (cols - patch[1]))) for a, b in _SPOTS]
    moved = _moved(case, gives, spots, patch)
    maps = _readings(moved)
    focused = {how: _focus(read, spots, patch) for how, read in maps.items()}
    how, given = max(focused, key=focused.get), focused[GIVEN]
    said = f"A patch of the image changes the output {given:.1f} times as much at its place as on average."
    if how != GIVEN and focused[how] > max(2.0, 2 * given):
        return Result([problem(SCRAMBLED, said, how=how)])
    if given < 1 and _sharpness(maps[GIVEN]) > 0.6:  # it changes at few places, all of them elsewhere
        return Result([problem(SCRAMBLED, said, how="in no order that is known here")])
    if given < 1.5:
        return Result([note(f"Not told: the answers are coarser than the image. {said}")])
    return Result([fine(said)])


def _moved(case, gives, spots, patch):
    """How much the output, before its activation, changes with the image at each spot: (spot, row, col, class)."""
    (high, wide), x = patch, case.x[:1].astype("float32")
    noise = np.random.RandomState(0).normal(0, x.std(), (high, wide, x.shape[-1]))
    changed = np.repeat(x, 1 + len(spots), axis=0)  # the first stays as it is
    for image, (row, col) in zip(changed[1:], spots, strict=True):
        image[row : row + high, col : col + wide] += noise
    at_rest, *moved = logits_of(case.model, changed, gives)
    moved = np.abs(np.array(moved) - at_rest)
    return np.reshape(moved, (len(spots), *case.labels.shape[1:], -1))


def _other_size(case, gives):
    """Does a smaller output show the middle of the image, or all of it? And the labels?"""
    rows, cols = case.labels.shape[1:]
    high, wide = case.x.shape[1:3]
    if rows > high or cols > wide:
        return note("Not told: the output is larger than the images.")
    patch = max(2, high // 16), max(2, wide // 16)
    top, left = (high - rows) // 2, (wide - cols) // 2
    spots = [
        (int(top + a * (rows - patch[0])), int(left + b * (cols - patch[1])))
        for a in (0.15, 0.5, 0.85)
        for b in (0.15, 0.85)
    ]
    moved = _moved(case, gives, spots, patch).sum(axis=-1)
    centres = np.array([_centre(change) for change in moved])
    middles = np.array(spots) + np.array(patch) / 2
    if_cropped = middles - (top, left)
    if_resized = middles * (rows / high, cols / wide)
    from_cropped, from_resized = (np.abs(centres - those).mean() for those in (if_cropped, if_resized))
    crops = from_cropped < from_resized
    shows = "the middle" if crops else "all"
    said = f"The output is {rows}x{cols}, and shows {shows} of the {high}x{wide} image, as far as a changed patch tells"
    if max(from_cropped, from_resized) < 2 * min(from_cropped, from_resized) or case.maps.shape[1:] != (rows, cols):
        return note("Not told: the map is of another size than the images, and what moves it is too wide to tell.")
    images = np.concatenate([images for images, _, _ in case.data.batches]).astype("float32")
    cut = contrast(images[:, top : top + rows, left : left + cols], case.maps)
    at = [np.round((np.arange(n) + 0.5) * size / n - 0.5).astype(int) for n, size in ((rows, high), (cols, wide))]
    small = contrast(images[:, at[0]][:, :, at[1]], case.maps)
    said = f"{said}; across the labels' borders the images, cropped, change {cut:.2f} times as much as on average, "
    said += f"resized {small:.2f} times."
    if crops and small > max(1.3, 1.25 * cut):
        return problem(RESIZED_FOR_CROPPED, said, top=top, bottom=top + rows, left=left, right=left + cols)
    if not crops and cut > max(1.3, 1.25 * small):
        return problem(CROPPED_FOR_RESIZED, said)
    return fine(said)


def _centre(change):
    """The row and column about which a map (row, col) of changes lies."""
    weight = np.where(change > 0.2 * change.max(), change, 0) + 1e-12
    rows, cols = np.indices(change.shape)
    return (weight * rows).sum() / weight.sum() + 0.5, (weight * cols).sum() / weight.sum() + 0.5


def _readings(moved):
    """The maps (spot, row, col), read in their order and in those that come of frequent mistakes: {how: maps}."""
    spots, rows, cols, n = moved.shape
    by_class = moved.reshape(spots, -1, n).swapaxes(1, 2).reshape(moved.shape)
    by_pixel = moved.reshape(spots, n, rows, cols).transpose(0, 2, 3, 1)
    maps = turned(moved.sum(axis=-1))
    maps["scrambled as by Reshape((C, H * W)) and Permute((2, 1))"] = by_class.sum(axis=-1)
    maps["scrambled as by Permute((3, 1, 2)) and Reshape((H, W, C))"] = by_pixel.sum(axis=-1)
    return maps


def _focus(maps, spots, patch):
    """How many times as much the output moves at the patch as on average: the median over the spots."""
    high, wide = patch
    here = [m[row : row + high, col : col + wide].mean() for m, (row, col) in zip(maps, spots, strict=True)]
    return float(np.median(here / (maps.mean(axis=(1, 2)) + 1e-12)))


def _sharpness(maps):
    """The share of the change that lies in the 5 % of the pixels which change most: the median over the spots."""
    ranked = np.sort(maps.reshape(len(maps), -1), axis=1)[:, ::-1]
    return np.median(ranked[:, : ranked.shape[1] // 20].sum(axis=1) / (ranked.sum(axis=1) + 1e-12))
