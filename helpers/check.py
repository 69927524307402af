"""Checks for the notebooks' exercises: each says "right", or names the mistake. None stops a notebook."""

import numpy as np

from helpers import metrics


def mean_iou(answer, matrix):
    """Is `answer` the mean IoU of this confusion matrix (rows = truth), over the classes present in the truth?"""
    if answer is None:
        return print("Not answered yet: replace None by your code, and run the cell again.")
    try:
        answer = float(answer)
    except (TypeError, ValueError, OverflowError):
        return print(f"The answer is one number, and this is {type(answer).__name__}: average at the end.")
    matrix = np.asarray(matrix, float)
    hits, truth, guessed = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    present, union = truth > 0, truth + guessed - hits
    iou = hits / np.maximum(union, 1)
    mistakes = {
        "that divides by the number of all classes: leave out those without a single true pixel": iou.mean(),
        "that is mean accuracy: a union also holds the pixels wrongly given to the class": (
            (hits / np.maximum(truth, 1))[present].mean()
        ),
        "that is precision: a union also holds the true pixels that were missed": (
            (hits / np.maximum(guessed, 1))[present].mean()
        ),
        "that is pixel accuracy: take each class's own IoU first, then average": hits.sum() / max(matrix.sum(), 1),
        "that counts the hits twice: union = truth + predicted - hits": (
            (hits / np.maximum(truth + guessed, 1))[present].mean()
        ),
        "that is a percentage; the answer is a fraction": 100 * metrics.scores(matrix)["mean_iou"],
    }
    if np.isclose(answer, metrics.scores(matrix)["mean_iou"], rtol=0, atol=5e-4):
        return print(f"Right: mean IoU is {answer:.3f}.")
    if np.isnan(answer):
        return print("Not a number: a class without true pixels divides 0 by 0. Leave those classes out.")
    for what, value in mistakes.items():
        if np.isclose(answer, value, rtol=0, atol=5e-4):
            return print(f"Not yet: {what}.")
    print(f"Not yet: {answer:.3f}. For class c: hits are matrix[c, c], its truth is row c, its predictions column c.")
