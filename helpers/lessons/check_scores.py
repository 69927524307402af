"""Checks for the exercise of notebook 08: each says "right", or names the mistake. Neither stops a notebook."""

import numpy as np

from helpers.classes import VOID
from helpers.lessons import check

CONVENTIONS = {  # print: (its convention, a hint)
    "A": (
        2,
        "the class that is only predicted counts, the one that is nowhere does not, and the images are pooled",
    ),
    "B": (6, "it is one mean over five numbers: which classes have a score of their own in which image?"),
    "C": (3, "it is the lowest: what does a class that is nowhere add to the sum, and to the number of classes?"),
    "D": (4, "it is a quarter above C: what does a class that is nowhere get here?"),
    "E": (5, "it is the highest: what does the class that is only predicted cost here?"),
}


def conventions(answers):
    """Which convention, 1 to 6, does each print have? {print: number, or None while not answered}."""
    check.numbers(answers, CONVENTIONS, most=6)


def surest_mistake(answer):
    """Is `answer` a function of a mask, its confidence and the truth, all (row, col), that returns row and column of
    the wrong pixel with the highest confidence?"""
    random = np.random.RandomState(0)
    truth = random.randint(0, 4, (8, 9)).astype("uint8")
    mask, confidence = truth.copy(), random.uniform(0.3, 0.8, truth.shape).astype("float32")
    mask[2:5, 3:6] = (truth[2:5, 3:6] + 1) % 4
    confidence[0, 0], confidence[4, 5], confidence[7, 2], truth[7, 2] = 0.99, 0.93, 0.97, VOID
    if not callable(answer):
        return print(f"The answer is a function, and this is {type(answer).__name__}: write it with def.")
    try:
        found = answer(mask.copy(), confidence.copy(), truth.copy())
    except Exception as error:
        return print(f"Not yet: it stops with {type(error).__name__}: {error}.")
    if found is None:
        return print("Not answered yet: the function returns None. Replace it by your code, and run the cell again.")
    try:
        place = np.asarray(found, float).ravel()
    except (TypeError, ValueError):
        return print(f"Not yet: the result is {type(found).__name__}, not a row and a column.")
    if place.shape != (2,):
        whole = "that is a place in the flat list; np.unravel_index(place, mask.shape) makes it row and column"
        return print(f"Not yet: {whole if place.size == 1 else 'the result is a row and a column'}.")
    wrong = (mask != truth) & (truth != VOID)
    least = np.unravel_index(np.where(wrong, confidence, 2).argmin(), truth.shape)
    mistakes = {
        (7, 2): "that pixel is void: it has no truth, so it cannot be wrong",
        (0, 0): "that pixel is right: look only where the mask differs from the truth",
        (5, 4): "row and column have changed places",
        tuple(map(int, least)): "that is the wrong pixel with the lowest confidence",
    }
    if tuple(place) == (4, 5):
        return print("Right: of the labelled pixels that are wrong, the one with the highest confidence.")
    otherwise = "among the wrong pixels take the one with the highest confidence"
    print(f"Not yet: {mistakes.get(tuple(place), otherwise)}.")
