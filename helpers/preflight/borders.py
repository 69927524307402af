"""The borders between classes tell of labels that were rounded, and of void as a class."""

import numpy as np

from .report import Cause, problem

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
