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
    images, labels = images.astype("float32"), case.maps[: len(images), ::step, ::step]
    pairs = _Pairs(images, labels)
    said = f"Across the labels' borders the images change {pairs.contrast:.2f} times as much as on average"
    found = _turned(said, images, labels) or _apart(pairs, images, labels) or _mixed_up(said, pairs)
    if found and explained:
        return Result([note(f"{said}: not told, for what is said above.")])
    return Result([found or fine(f"{said}.")])


class _Pairs:
    """How much each image changes across the borders of each label map.

    Attributes:
        fits: float (image, labels), how many times as much as on average. own: of the images and their own labels, for
            those that have a border. others: of these images and the labels of others: (image, labels), NaN on the own.
        contrast: of all images and their own labels together.
        telling: whether the labels have long borders, which differ from image to image.
    """

    def __init__(self, images, labels):
        changes, borders = _changes(images), _borders(labels)
        some = borders.sum(axis=1) >= 8
        mean = changes.mean(axis=1) + 1e-12
        with np.errstate(invalid="ignore", divide="ignore"):
            self.fits = (changes @ borders.T) / borders.sum(axis=1) / mean[:, None]
        self.some, own = some, np.diag(self.fits)
        self.own = own[some]
        others = self.fits[np.ix_(some, some)].copy()
        np.fill_diagonal(others, np.nan)
        self.others = others
        self.contrast = contrast(images, labels)
        alike = (borders[some][:, None, ::7] * borders[some][None, :, ::7]).sum() / max(1, borders[some][:, ::7].sum())
        self.telling = borders.sum() > 500 and alike < 0.5 * some.sum() and _objects(labels) > 0.03


def _objects(labels):
    """The share of the labelled pixels that are not of the most frequent class: float."""
    counts = np.bincount(labels[labels >= 0].ravel())
    return float(1 - counts.max() / counts.sum())


def _changes(images):
    """How much neighbouring pixels differ, in all channels: float32 (image, pairs of neighbours)."""
    steps = [np.abs(np.diff(images, axis=axis)).mean(axis=-1) for axis in (1, 2)]
    return np.concatenate([step.reshape(len(images), -1) for step in steps], axis=1)


def _borders(labels):
    """Where the labels of neighbouring pixels differ: float32 (image, pairs of neighbours)."""
    steps = [np.diff(labels, axis=axis) != 0 for axis in (1, 2)]
    return np.concatenate([step.reshape(len(labels), -1) for step in steps], axis=1).astype("float32")


def contrast(images, labels):
    """How many times as much as on average images change across the borders of labels (image, row, col): float."""
    changes, borders = _changes(images), _borders(labels)
    return float((changes * borders).sum() / max(1, borders.sum()) / (changes.mean() + 1e-12))


def _contrasts(changes, labels):
    """How many times as much as on average each image changes across the borders of its labels: float (image,)."""
    borders = _borders(labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (changes * borders).sum(axis=1) / borders.sum(axis=1) / (changes.mean(axis=1) + 1e-12)


# ---- the most fundamental first -------------------------------------------------------------------------------------


def _turned(said, images, labels):
    """All labels were turned in the same way."""
    changes = _changes(images)
    together = {how: contrast(images, maps) for how, maps in turned(labels).items()}
    how, given = max(together, key=together.get), together[GIVEN]
    if together[how] > max(1.5, (1.25 if len(images) > 2 else 1.5) * given) and not _each_its_way(changes, labels, how):
        return problem(LABELS_TURNED, f"{said}; with labels {how} it is {together[how]:.2f} times.", how=how)
    return None


def _each_its_way(changes, labels, how):
    """Whether many images fit their labels better as they are than turned in this way."""
    given, other = _contrasts(changes, labels), _contrasts(changes, turned(labels)[how])
    known = np.isfinite(given) & np.isfinite(other)
    return len(labels) > 4 and (given[known] > 1.3 * other[known]).mean() > 0.2


def _apart(pairs, images, labels):
    """Some images fit their labels as they are, and some fit them mirrored or turned."""
    if len(pairs.own) < 4:
        return None
    changes = _changes(images)
    fits = {how: _contrasts(changes, maps)[pairs.some] for how, maps in turned(labels).items()}
    best = {how: fit for how, fit in fits.items() if how != GIVEN}
    turned_fit = np.max(list(best.values()), axis=0)
    better = (turned_fit > 1.3 * fits[GIVEN]) & (turned_fit > 1.5) & _lopsided(labels)[pairs.some]
    chance = np.nanmax(pairs.others, axis=1) if len(pairs.own) > 1 else np.zeros(len(pairs.own))
    better &= turned_fit > np.minimum(chance, np.nanmean(pairs.others, axis=1) * 1.5)
    if better.sum() < max(3, 0.15 * len(better)):
        return None
    symptom = (
        f"{better.sum()} of {len(better)} images fit their labels better when these are mirrored or turned: they "
        f"change {np.median(turned_fit[better]):.2f} times as much as on average across the borders, and "
        f"{np.median(fits[GIVEN][better]):.2f} times with labels as they are."
    )
    rest = fits[GIVEN][~better]
    if not len(rest) or np.median(rest) < 1.2 or not _is_chosen(better, fits, pairs):
        return None
    return problem(AUGMENTED_APART, symptom)


def _lopsided(labels):
    """Which label maps change when they are mirrored or turned: bool (image,). Others say nothing of it."""
    share = np.array([np.bincount(maps[maps >= 0], minlength=1).max() / max(1, (maps >= 0).sum()) for maps in labels])
    changed = [(maps != labels).mean(axis=(1, 2)) for how, maps in turned(labels).items() if how != GIVEN]
    return np.min(changed, axis=0) > 0.5 * (1 - share)


def _is_chosen(better, fits, pairs):
    """Whether an image's own labels, turned, fit it better than the labels of nearly all other images do."""
    turned_fit = np.max([fit for how, fit in fits.items() if how != GIVEN], axis=0)
    rank = (pairs.others[better] < turned_fit[better][:, None]).sum(axis=1) / max(1, len(better) - 1)
    return np.median(rank) > 0.9


def _mixed_up(said, pairs):
    """The labels of other images fit as well as its own, or better."""
    n = len(pairs.own)
    if n < 6:
        return None
    rank = np.nanmean(np.where(np.isnan(pairs.others), np.nan, pairs.others < pairs.own[:, None]), axis=1)
    expected, spread = 0.5, 0.29 / np.sqrt(n)
    if rank.mean() > expected + max(3 * spread, 0.12):
        return None
    spread_of_others = np.nanstd(pairs.others, axis=1) + 1e-6
    best = (np.nanmax(pairs.others, axis=1) - np.nanmean(pairs.others, axis=1)) / spread_of_others
    found = (best > 4) & (np.nanmax(pairs.others, axis=1) > 1.5)
    told = f"{said}, and across the borders of other images' labels {np.nanmean(pairs.others):.2f} times"
    if found.sum() > max(3, 0.4 * n):
        symptom = f"{told}; {found.sum()} of {n} images have one among them that fits far better than all the rest"
        return problem(MIXED_UP, f"{symptom}.")
    if pairs.telling and pairs.contrast < max(1.15, 1.1 * np.nanmean(pairs.others)):
        return problem(UNRELATED, f"{told}: they know nothing of these images.")
    return note(f"{said}: not told whether they belong together; other images' labels fit as well.")
