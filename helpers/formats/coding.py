"""From the numbers or colours in the masks' files to labels 0 … n-1 and 255, and why; what is open is asked for.

The names of classes come from `classes` or a file that lies with the masks. Without either, numbers in a row are taken
as they are, and their classes are called "class 0", "class 1" …
"""

import dataclasses
import functools

import numpy as np

from helpers.classes import VOID
from helpers.formats import pictures, tables
from helpers.formats.folder import MasksError, some


@dataclasses.dataclass
class Coding:
    """How what stands in a file becomes a label.

    Attributes:
        class_names: a list of n names, in label order.
        labels: {what stands in the file: label}.
        why: sentences for the report.
    """

    class_names: list
    labels: dict
    why: list

    @functools.cached_property
    def _table(self):
        """What may stand in the file, sorted, and the labels."""
        keys = np.array(sorted(self.labels), np.int64)
        return keys, np.array([self.labels[key] for key in keys.tolist()], np.uint8)

    def apply(self, raw, path):
        """The label of every pixel: uint8 (row, col).

        Raises:
            MasksError: the mask has a number or colour that stands for no class.
        """
        keys, values = self._table
        if raw.dtype == np.uint8 or (raw.size and raw.min() >= 0 and raw.max() < 1 << 16):
            table = np.full(1 << 16 if raw.dtype != np.uint8 else 256, -1, np.int16)
            within = (keys >= 0) & (keys < len(table))
            table[keys[within]] = values[within]
            label = table[raw]
        else:
            at = np.minimum(np.searchsorted(keys, raw), len(keys) - 1)
            label = np.where(keys[at] == raw, values[at].astype(np.int16), -1)
        if (label < 0).any():
            raise MasksError(f"{path} has {int(raw[label < 0][0])}, which stands for no class: the file has changed.")
        return label.astype(np.uint8)


def of_indices(counts, classes, void, folder, palettes=(), example=lambda value: "a mask"):
    """How the numbers of index masks become labels.

    Args:
        counts: {number: pixels}, over all masks.
        classes: a list of names, a dict {number: name}, or None.
        void: the number that stands for void; None for 255, or for no void where `classes` names 255.
        folder: the `Folder`, which may hold a list of names.
        palettes: the palettes of the masks, for an explanation.
        example: gives the path of a mask that has a number.

    Raises:
        MasksError: it cannot be decided which number is which class.
    """
    void, told = _void_number(counts, void, example), void is not None
    named, why = _named(classes, folder)
    values = sorted(int(value) for value in counts)
    if isinstance(named, dict):
        return _by_dict(named, values, void, example, why)
    void = VOID if void is None else int(void)
    used = [value for value in values if value != void]
    if not used:
        raise MasksError(
            f"{example(values[0])} and all other masks hold nothing but {void}, which is void: name another void."
        )
    if named is None and ((values == [0, VOID] and not told) or (not palettes and _is_no_row(used))):
        raise _unnumbered(values, example)
    white = not any(palette.get(VOID) == tables.voc_colour(VOID) for palette in palettes)  # VOC's 255 is void
    if named is not None and values == [0, VOID] and len(named) == 2 and not told and white:
        why.append("The masks hold 0 and 255 alone, and there are two classes: 0 is the first, 255 the second.")
        return Coding(list(named), {0: 0, VOID: 1}, why)
    first, named = _first(used, values, named, void, palettes)
    n = max(used) + 1 - first if named is None else len(named)
    _check_within(used, first, n, example)
    if first and void == 0:
        why.append("0 is void, so class 0 here is number 1 in the files.")
    elif used[0] == 1 and not first and 0 not in values:
        why.append("0 never occurs, and numbers are taken as they are: if they start at 1, pass classes={1: …, 2: …}.")
    elif first:
        why.append("Labels start at 1 in the files, since 0 never occurs: class 0 here is number 1 there.")
    names = list(named) if named is not None else [f"class {i + first}" for i in range(n)]
    if named is None:
        why.append("No list of class names was found or given, so classes are called by their numbers.")
    return Coding(names, {**{i + first: i for i in range(n)}, void: VOID}, why)


def _check_within(used, first, n, example):
    """Refuses numbers that are outside the classes, or more classes than a label can tell apart."""
    if n > 255 or max(used) - first >= n or used[0] < 0:
        wrong = next(v for v in used if v < 0 or v - first >= min(n, 255))
        raise MasksError(
            f"{example(wrong)} has the number {wrong}, which is outside the {min(n, 255)} classes: name the numbers, "
            f'as in classes={{0: "background", {wrong}: "…"}}, or pass void={wrong} if it stands for no class.'
        )


def _void_number(counts, void, example):
    """The number that stands for void, or None where nobody named one."""
    if pictures.TRANSPARENT in counts and void != "transparent":
        raise MasksError(
            f'{example(pictures.TRANSPARENT)} has transparent pixels: pass void="transparent" if nobody labelled them, '
            "or save the masks without transparency."
        )
    void = pictures.TRANSPARENT if void == "transparent" else void
    if void is not None and not isinstance(void, (int, np.integer)):
        raise MasksError(f"void is {void!r}; for masks that hold numbers it is a number, such as 255.")
    return void


def _first(used, values, named, void, palettes):
    """The number of the first class in the files, 0 or 1, and the names of the classes from there on."""
    if void == 0:
        has_zero = named and named[0].casefold() in (*tables.BACKGROUND, *tables.VOID_NAMES, "other")
        return 1, named[1:] if has_zero else named
    if 0 in values or used[0] != 1:
        return 0, named
    if named is None:
        return (0 if palettes else 1), None
    return (1 if used[-1] >= len(named) else 0), named


def _named(classes, folder):
    """A list of names, or a dict of numbers and names, or None; and the sentences about where it is from."""
    if isinstance(classes, dict):
        if not all(isinstance(key, (int, np.integer)) for key in classes):
            raise MasksError('classes is a dict whose keys are no numbers: give {0: "background", 1: "cat"}.')
        tables.check_names(list(classes.values()), "classes")
        return {int(key): name for key, name in classes.items()}, ["The numbers are named by classes."]
    if classes is not None:
        return class_list(classes), []
    numbers, file = tables.names_by_number(folder)
    if numbers is None:
        return None, []
    tables.check_names(list(numbers.values()), folder.path(file))
    why = [f"Class names are from {file}."]
    in_a_row = sorted(numbers) == list(range(len(numbers)))
    return ([numbers[i] for i in range(len(numbers))] if in_a_row else numbers), why


def class_list(classes):
    """Class names as a list, checked, for what names its classes itself."""
    if isinstance(classes, dict):
        raise MasksError("classes has numbers, and these masks name their classes otherwise: leave the numbers out.")
    if isinstance(classes, (str, set, frozenset)) or not hasattr(classes, "__iter__"):  # a set has no order
        raise MasksError(f'classes is {classes!r}; it is a list of names, such as ["background", "cat"].')
    names = list(classes)
    tables.check_names(names, "classes")
    return names


def _by_dict(named, values, void, example, why):
    labels = {value: i for i, value in enumerate(named)}
    if void is not None or VOID not in labels:
        labels[VOID if void is None else int(void)] = VOID
    for value in values:
        if value not in labels:
            raise MasksError(
                f"{example(value)} has the number {value}, which is not among those named, {some(named, 8)}: name it "
                f"in classes, or pass void={value} if it stands for no class."
            )
    return Coding(list(named.values()), labels, why)


def _is_no_row(used):
    """Whether numbers look like greys, not like class numbers: fewer than half of those up to the largest occur."""
    return used[-1] >= 2 * len(used) + 1 or used[0] < 0


def _unnumbered(values, example):
    used = [value for value in values if value != VOID] if values != [0, VOID] else values
    voc = [tables.voc_colour(i) for i in (*range(1, 21), VOID)]
    greys = {round(0.299 * red + 0.587 * green + 0.114 * blue) for red, green, blue in voc}
    coloured = set(used) - {0, VOID}
    hint = ""
    if len(coloured) > 1 and coloured <= greys:
        hint = " They are the greys of VOC's palette: the masks were saved as grey pictures, so export them again."
    naming = ", ".join(f'{value}: "…"' for value in used[:4])
    return MasksError(
        f"{example(used[-1])} and the other masks hold the numbers {some(values, 8)}, which do not count classes: name "
        f"them, as in classes={{{naming}}}, and void=… if one stands for no class.{hint}"
    )
