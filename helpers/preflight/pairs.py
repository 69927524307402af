"""Does each label map belong to its image? An image changes across the borders of its own labels more than of others'.

Three questions are asked of the images that were read. Would all labels fit better if they were turned? Does one image
fit its labels as they are, and another one mirrored, as if they were augmented apart? Do images fit the labels of other
images as well as their own, so that the pairs are mixed up?
"""

import numpy as np

from .report import LIKELY, Cause, Result, fine, note, problem
from .tools import GIVEN, turned

_SIDE = 128  # larger images are looked at in steps of some pixels
_IMAGES = 64  # at most
_THIN = 4  # pixels: outlines and bands of void up to twice as wide have the border of the object in their middle

LABELS_TURNED = Cause(
    cause="Images and labels have different axes: labels should be {how}.",
    cure="Read both in one order (column-major files, as of MATLAB, need labels.T); flip or turn both or none.",
)
AUGMENTED_APART = Cause(
    cause="Images and labels are augmented apart: each is flipped or turned by random numbers of its own.",
    cure="Draw once for both: one layer for images and masks together, one seed for both generators, or turn "
    "tf.concat([image, label], axis=-1).",
)
MIXED_UP = Cause(
    cause="The pairs are mixed up: images meet the labels of other images, as with two lists of files that are not "
    "sorted alike, or are shuffled apart.",
    cure="Pair each image with its label by name, sorted(images) and sorted(labels), and shuffle the pairs.",
)
UNRELATED = Cause(
    cause="The labels do not belong to these images: two lists of files that are not sorted alike, or are shuffled "
    "apart. (If objects differ from what is around them by neither brightness nor colour, all is well.)",
    cure="Pair each image with its label by name; look at some, the label drawn over its image.",
    confidence=LIKELY,
)


def check_alignment(case, explained):
    """Compares where labels change with where images change.

    Args:
        explained: whether a problem with the images was found, for which they hardly change anywhere.
    """
    if case.maps.ndim != 3 or case.maps.shape[1:] != case.x.shape[1:3]:
        return Result([])
    step = max(1, max(case.maps.shape[1:]) // _SIDE)
    images = np.concatenate([images[:, ::step, ::step] for images, _, _ in case.data.batches])[:_IMAGES]
    pairs = _Pairs(images.astype("float32"), case.maps[: len(images), ::step, ::step])
    said = f"Across the labels' borders the images change {pairs.together[GIVEN]:.2f} times as much as on average"
    found = _turned(said, pairs) or _apart(pairs) or _mixed_up(said, pairs)
    if found and explained:
        return Result([note(f"{said}: not told, for what is said above.")])
    return Result([found or fine(f"{said}.")])


def contrast(images, labels):
    """How many times as much as on average images change across the borders of labels (image, row, col): float."""
    return _contrast(_changes(images), _borders(labels, reach=0))


def _contrast(changes, borders):
    return float((changes * borders).sum() / max(1, borders.sum()) / (changes.mean() + 1e-12))


def _changes(images):
    """How much neighbouring pixels differ, in all channels: float32 (image, pairs of neighbours)."""
    steps = [np.abs(np.diff(images, axis=axis)).mean(axis=-1) for axis in (1, 2)]
    return np.concatenate([step.reshape(len(images), -1) for step in steps], axis=1)


def _borders(labels, reach):
    """Where the labels of neighbours differ, or do so some pixels away: float32 (image, pairs of neighbours)."""
    steps = [_widened(np.diff(labels, axis=axis) != 0, reach) for axis in (1, 2)]
    return np.concatenate([step.reshape(len(labels), -1) for step in steps], axis=1).astype("float32")


def _widened(where, reach):
    """True up to so many pixels away as well, in both directions: bool (image, row, col)."""
    for axis in (1, 2):
        where = where.swapaxes(1, axis)
        around = np.pad(where, ((0, 0), (reach, reach), (0, 0)))
        where = np.any([around[:, i : i + where.shape[1]] for i in range(2 * reach + 1)], axis=0).swapaxes(1, axis)
    return where


def _grown(labels):
    """Labels without void and thin outlines: what lies beside grows over them, and meets in their middle."""
    differs = np.zeros(labels.shape, bool)
    differs[:, 1:] |= np.diff(labels, axis=1) != 0
    differs[:, :, 1:] |= np.diff(labels, axis=2) != 0
    grown = np.where(_widened(differs, _THIN), -1, labels)
    for _ in range(2 * _THIN + 1):
        around = np.pad(grown, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
        beside = around[:, :-2, 1:-1], around[:, 2:, 1:-1], around[:, 1:-1, :-2], around[:, 1:-1, 2:]
        grown = np.where(grown < 0, np.max(beside, axis=0), grown)
    return grown


class _Pairs:
    """How much images change across the borders of labels, as they are and turned, their own and others'.

    Attributes:
        together: {how labels are turned: how many times as much as on average, all images together}.
        own: the same for each image that has borders: {how: float (image,)}.
        others: of these images and the labels of the others: float (image, labels), NaN on the diagonal.
        lopsided: which of these label maps change when they are turned: bool (image,). Others say nothing of it.
        telling: whether the labels have long borders, which differ from image to image.
    """

    def __init__(self, images, labels, reach=0):
        self._given = images, labels
        changes, ways = _changes(images), turned(labels)
        borders = {how: _borders(maps, reach) for how, maps in ways.items()}
        self.together = {how: _contrast(changes, border) for how, border in borders.items()}
        given = borders[GIVEN]
        some = given.sum(axis=1) >= 8
        relative = changes[some] / (changes[some].mean(axis=1, keepdims=True) + 1e-12)
        self.own = {
            how: (relative * border[some]).sum(axis=1) / border[some].sum(axis=1) for how, border in borders.items()
        }
        given = given[some]
        self.others = relative @ given.T / given.sum(axis=1)
        np.fill_diagonal(self.others, np.nan)
        counts = [np.bincount(maps[maps >= 0], minlength=1) for maps in labels]
        objects = np.array([1 - count.max() / max(1, count.sum()) for count in counts])
        least = np.min([(maps != labels).mean(axis=(1, 2)) for how, maps in ways.items() if how != GIVEN], axis=0)
        self.lopsided = (least > 0.5 * objects)[some]
        alike = (given @ given.T).sum() / max(1, given.sum())  # as many as there are, if all borders were the same
        total = np.sum([np.pad(count, (0, max(map(len, counts)) - len(count))) for count in counts], axis=0)
        self.telling = given.sum() > 500 and alike < 0.5 * len(given) and total.max() < 0.97 * total.sum()

    def without_outlines(self):
        """The same of labels without void and outlines, whose borders lie beside those of the object."""
        images, labels = self._given
        return _Pairs(images, _grown(labels), reach=1)


# ---- the most fundamental first -------------------------------------------------------------------------------------


def _turned(said, pairs):
    """All labels were turned in the same way."""
    how, given = max(pairs.together, key=pairs.together.get), pairs.together[GIVEN]
    many = len(pairs.lopsided) > 4 and (pairs.own[GIVEN] > 1.3 * pairs.own[how]).mean() > 0.2  # fit as they are
    if many or not pairs.together[how] > max(1.5, (1.25 if len(pairs.lopsided) > 2 else 1.5) * given):
        return None
    return problem(LABELS_TURNED, f"{said}; with labels {how} it is {pairs.together[how]:.2f} times.", how=how)


def _apart(pairs):
    """Some images fit their labels as they are, and some fit them mirrored or turned, better than those of others."""
    given = pairs.own[GIVEN]
    if len(given) < 4:
        return None
    best = np.max([fit for how, fit in pairs.own.items() if how != GIVEN], axis=0)
    better = (best > 1.3 * given) & (best > 1.5) & pairs.lopsided
    if better.sum() < max(3, 0.15 * len(better)) or better.all() or np.median(given[~better]) < 1.2:
        return None
    rank = (pairs.others[better] < best[better][:, None]).sum(axis=1) / (len(given) - 1)
    if np.median(rank) < 0.9:
        return None
    symptom = (
        f"{better.sum()} of {len(better)} images fit their labels better when these are mirrored or turned: they "
        f"change {np.median(best[better]):.2f} times as much as on average across the borders, and "
        f"{np.median(given[better]):.2f} times with labels as they are."
    )
    return problem(AUGMENTED_APART, symptom)


def _mixed_up(said, pairs):
    """The labels of other images fit as well as its own, or better."""
    own, n = pairs.own[GIVEN], len(pairs.own[GIVEN])
    if n < 6:
        return None
    rank = (pairs.others < own[:, None]).sum(axis=1) / (n - 1)
    if rank.mean() > 0.5 + max(3 * 0.29 / np.sqrt(n), 0.12):  # 0.29 is the deviation of a rank by chance
        return None
    most, mean = np.nanmax(pairs.others, axis=1), np.nanmean(pairs.others, axis=1)
    found = (most > mean + 4 * np.nanstd(pairs.others, axis=1)) & (most > 1.5)
    told = f"{said}, and across the borders of other images' labels {mean.mean():.2f} times"
    if found.sum() > max(3, 0.4 * n):
        symptom = f"{told}; {found.sum()} of {n} images have one among them that fits far better than all the rest"
        return problem(MIXED_UP, f"{symptom}.")
    if pairs.telling and pairs.together[GIVEN] < max(1.15, 1.1 * mean.mean()):
        solid = pairs.without_outlines()
        own, others = solid.together[GIVEN], np.nanmean(solid.others)
        if own > 1.07 * others:  # it is about 1 if pairs are shuffled
            return fine(f"{said}, but without void and outlines {own:.2f} times, and others' {others:.2f}.")
        return problem(UNRELATED, f"{told}: they know nothing of these images.")
    return note(f"{said}: not told whether they belong together; other images' labels fit as well.")
