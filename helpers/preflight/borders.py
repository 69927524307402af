"""The borders between classes tell of labels that were rounded, of void as a class, and of labels that were turned."""

import numpy as np

from .report import Cause, Result, fine, problem
from .tools import GIVEN, turned

ROUNDED = Cause(
    cause="Label maps that were resized or rotated with bilinear interpolation, and rounded: halfway between classes 0 "
    "and 2 lies 1, which is not there. (If your classes are layers that lie in this order, all is well.)",
    cure='Interpolate labels by the nearest pixel: method="nearest".',
)


def rounded(case):
    """Interpolated and rounded, a border between classes 0 and 2 becomes a seam of class 1, some pixels wide."""
    inside, seams, changes, classes = 0, 0, 0, set()
    for maps in (case.maps, case.maps.transpose(0, 2, 1)):
        changes += (maps[..., 1:] != maps[..., :-1]).sum()
        for width in range(1, 5):
            a, c, seam = maps[..., : -width - 1], maps[..., width + 1 :], maps[..., 1:-width]
            alike = np.stack([maps[..., 1 + i : maps.shape[-1] - width + i] == seam for i in range(width)]).all(axis=0)
            whole = alike & (a != seam) & (seam != c) & (a != c) & (np.minimum(np.minimum(a, seam), c) >= 0)
            between = whole & (np.minimum(a, c) < seam) & (seam < np.maximum(a, c))
            inside, seams, classes = inside + between.sum(), seams + whole.sum(), classes | set(seam[between])
    if inside >= 20 and inside > 0.8 * seams and inside > 0.02 * changes and len(classes) > 1:
        symptom = f"Of {seams} thin seams between two classes, {inside} have a number between theirs."
        return [problem(ROUNDED, symptom)]
    return []


VOID_AS_A_CLASS = Cause(
    cause="Void is trained as a class of its own; 0 often means unlabelled in the files, and then every other label is "
    "off by one. (If it is a border that you want to find, all is well.)",
    cure="labels - 1, {void} for void, one output fewer, and a loss that leaves void out.",
)


def seams(case, shares):
    """One class that is little but thin seams around all the others, in nearly every image, is void."""
    labels, present = case.maps, (shares > 0).sum()
    if (labels < 0).any() or present < 4:
        return []
    thin, found = {}, []
    for c in np.flatnonzero(shares > 0.01):
        here = labels == c
        inner = here[:, 1:-1, 1:-1] & here[:, :-2, 1:-1] & here[:, 2:, 1:-1] & here[:, 1:-1, :-2] & here[:, 1:-1, 2:]
        thin[c] = 1 - inner.sum() / max(1, here[:, 1:-1, 1:-1].sum())
        beside = [labels[:, :, 1:][here[:, :, :-1]], labels[:, 1:][here[:, :-1]]]
        touched = len(np.unique(np.concatenate(beside))) - 1
        if thin[c] > 0.6 and here.any(axis=(1, 2)).mean() > 0.7 and touched >= 0.75 * (present - 1):
            found.append(c)
    if len(found) == 1 and np.median([share for c, share in thin.items() if c != found[0]]) < 0.4:
        symptom = (
            f"Class {case.name(found[0])} is in nearly every image, in thin seams around the others "
            f"({thin[found[0]]:.0%} of its pixels touch another class), and no pixel is void ({case.void})."
        )
        return [problem(VOID_AS_A_CLASS, symptom, void=case.void)]
    return []


LABELS_TURNED = Cause(
    cause="Images and labels have different axes: labels should be {how}.",
    cure="Read both in one order (column-major files, as of MATLAB, need labels.T); flip or turn both or none.",
)


def check_alignment(case):
    """Do labels change where images change, or would they if they were turned?"""
    if case.maps.ndim != 3 or case.maps.shape[1:] != case.x.shape[1:3]:
        return Result([])
    grey = np.concatenate([images for images, _, _ in case.data.batches]).astype("float32").mean(axis=-1)
    contrasts = {how: _contrast(grey, labels) for how, labels in turned(case.maps).items()}
    how, given = max(contrasts, key=contrasts.get), contrasts[GIVEN]
    said = f"Across the labels' borders the images change {given:.2f} times as much as on average"
    if contrasts[how] > max(1.5, (1.25 if len(grey) > 2 else 1.5) * given):
        symptom = f"{said}; with labels {how} it is {contrasts[how]:.2f} times."
        return Result([problem(LABELS_TURNED, symptom, how=how)])
    return Result([fine(f"{said}.")])


def _contrast(grey, labels):
    """The mean change of grey images (image, row, col) across the labels' borders, over that everywhere."""
    steps = [(np.abs(np.diff(grey, axis=axis)), np.diff(labels, axis=axis) != 0) for axis in (1, 2)]
    across = np.concatenate([change[border] for change, border in steps])
    return across.mean() / (np.concatenate([change.ravel() for change, _ in steps]).mean() + 1e-12)
