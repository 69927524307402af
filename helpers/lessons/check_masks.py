"""Checks for the exercise of notebook 09: each says "right", or names the mistake. Neither stops a notebook."""

import numpy as np

from helpers.classes import VOID
from helpers.lessons.own_masks import CLASSES, GREYS

HINTS = {
    "background": "most of the pixels have this number",
    "coin": "its areas are the smallest, and round",
    "leaf": "its areas are pointed at both ends",
    "stone": "its areas are round, and larger than a coin's",
}


def numbers(answer):
    """Which class does each number in the grey masks stand for? {number: class name}, or None while not answered."""
    if answer is None:
        return print("Not answered yet: replace None by a dictionary, and run the cell again.")
    if not isinstance(answer, dict):
        return print(f"Not yet: the answer is a dictionary {{number: class name}}, not {type(answer).__name__}.")
    try:
        given = {int(number): str(name).strip().casefold() for number, name in answer.items()}
    except (TypeError, ValueError):
        return print(f"Not yet: its keys are the numbers in the masks, such as {min(GREYS)}.")
    if VOID in given:
        return print(f"Not yet: {VOID} stands for void, not for a class: leave it out.")
    if given.keys() != GREYS.keys():
        return print(f"Not yet: its keys are the numbers in the masks, {', '.join(map(str, sorted(GREYS)))}.")
    if unknown := [name for name in answer.values() if str(name).strip().casefold() not in CLASSES]:
        return print(f"Not yet: {unknown[0]!r} is no class of these masks; they are {', '.join(CLASSES)}.")
    wrong = [number for number in sorted(GREYS) if given[number] != GREYS[number]]
    for number in wrong:
        print(f"{number}: not yet: {HINTS[GREYS[number]]}.")
    if not wrong:
        print("Right: four numbers, four classes.")


def from_colours(answer):
    """Is `answer` a function of a picture (row, col, RGB) and a table {class name: (R, G, B)} that returns the number
    of each pixel's class, in the table's order, and 255 where the colour is not in the table?"""
    table = {"sky": (200, 0, 0), "road": (0, 0, 200), "car": (200, 0, 100), "tree": (90, 120, 90)}
    colours = np.array([*table.values(), (0, 200, 0)], "uint8")  # the last one is in no table
    place = np.random.RandomState(0).randint(0, 5, (6, 7))
    place[0] = [0, 1, 2, 3, 4, 0, 1]
    picture, right = colours[place], np.where(place == 4, VOID, place)
    found = _result(answer, picture, table, right.shape)
    if found is None:
        return
    some = place != 4
    any_channel = np.full(place.shape, VOID)
    for number, colour in enumerate(table.values()):
        any_channel[(picture == colour).any(axis=-1)] = number
    mistakes = {
        "a colour that is not in the table is void, 255, and no class": np.where(some, place, 0),
        "a colour that is not in the table is void, 255, and not -1": np.where(some, place, -1),
        "classes count from 0, in the table's order": np.where(some, place + 1, VOID),
        "one channel that agrees is not enough: .all(axis=-1), not .any": any_channel,
    }
    if np.array_equal(found, right):
        return print("Right: every colour of the table is its class, and every other is void.")
    for what, values in mistakes.items():
        if np.array_equal(found, values):
            return print(f"Not yet: {what}.")
    red_blue = np.isin(place, [0, 1])
    if (found[red_blue] == found[red_blue][0]).all():
        return print("Not yet: red and blue become one class: compare all three channels, not their sum or their grey.")
    print("Not yet: for each class, find the pixels whose three channels are its colour, and give them its number.")


def _result(answer, picture, table, shape):
    """What the reader's function makes of the picture, an array of this shape; or None, having said what is wrong."""
    if not callable(answer):
        return print(f"The answer is a function, and this is {type(answer).__name__}: write it with def.")
    given = picture.copy()
    try:
        found = answer(given, dict(table))
    except Exception as error:
        return print(f"Not yet: it stops with {type(error).__name__}: {error}.")
    if found is None:
        return print("Not answered yet: the function returns None. Replace it by your code, and run the cell again.")
    try:
        found = np.asarray(found, float)
    except (TypeError, ValueError):
        return print(f"Not yet: the result is {type(found).__name__}, not an array of numbers.")
    if found.shape != shape:
        hint = "; all three channels of a pixel must agree: .all(axis=-1)" if found.shape == picture.shape else ""
        return print(f"Not yet: the result has shape {found.shape}, not (row, col), {shape}{hint}.")
    if not np.array_equal(given, picture):
        return print("Not yet: it changes the picture that it was given.")
    return found
