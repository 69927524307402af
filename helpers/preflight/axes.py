"""Are the output's pixels those of the image, or were its axes exchanged on the way?"""

import numpy as np

from .report import Cause, Result, fine, note, problem
from .tools import GIVEN, array, turned

_SPOTS = ((0.1, 0.3), (0.2, 0.8), (0.5, 0.1), (0.6, 0.6), (0.9, 0.4), (0.8, 0.9))  # in shares of rows and columns

SCRAMBLED = Cause(
    cause="The output's pixels are not the image's: {how}.",
    cure="Reshape only joins or splits neighbouring axes, in their order; exchanging axes is Permute. Logits (row, "
    "col, class) become a list by Reshape((row * col, class)).",
)


def check_axes(case):
    """Where one patch of an image is changed, does the output change there?"""
    rows, cols = case.labels.shape[1:] if case.labels.ndim == 3 else (0, 0)
    if min(rows, cols) < 8 or (rows, cols) != case.x.shape[1:3]:
        return Result([note("Not told: the map is too small, or of another size than the images.")])
    patch = rows // 8, cols // 8
    spots = [(int(a * (rows - patch[0])), int(b * (cols - patch[1]))) for a, b in _SPOTS]
    moved = _moved(case, spots, patch)
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


def _moved(case, spots, patch):
    """How much the output changes with the image at each spot: (spot, row, col, class)."""
    (high, wide), x = patch, case.x[:1].astype("float32")
    noise = np.random.RandomState(0).normal(0, x.std(), (high, wide, x.shape[-1]))
    at_rest, moved = array(case.model(x, training=False)), []
    for row, col in spots:
        changed = x.copy()
        changed[0, row : row + high, col : col + wide] += noise
        moved.append(np.abs(array(case.model(changed, training=False)) - at_rest)[0])
    return np.reshape(moved, (len(spots), *case.labels.shape[1:], -1))


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
