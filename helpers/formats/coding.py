"""From the numbers or colours in the masks' files to labels 0 … n-1 and 255, and why; what is open is asked for.

The names of classes come from `classes` or a file that lies with the masks. Without either, numbers in a row are taken
as they are, and their classes are called "class 0", "class 1" …
"""

import dataclasses

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

    def apply(self, raw, path):
        """The label of every pixel: uint8 (row, col).

        Raises:
            MasksError: the mask has a number or colour that stands for no class.
        """
        keys = np.array(sorted(self.labels), np.int64)
        values = np.array([self.labels[key] for key in keys.tolist()], np.uint8)
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
    if pictures.TRANSPARENT in counts and void != "transparent":
        raise MasksError(
            f'{example(pictures.TRANSPARENT)} has transparent pixels: pass void="transparent" if nobody labelled them, '
            "or save the masks without transparency."
        )
    void = pictures.TRANSPARENT if void == "transparent" else void
    if void is not None and not isinstance(void, (int, np.integer)):
        raise MasksError(f"void is {void!r}; for masks that hold numbers it is a number, such as 255.")
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
    if named is None and not palettes and _is_no_row(used):
        raise _unnumbered(used, values, example)
    if named is None and values == [0, VOID] and void == VOID:
        raise _unnumbered(values, values, example)
    if named is not None and values == [0, VOID] and len(named) == 2 and void == VOID:
        why.append("The masks hold 0 and 255 alone, and there are two classes: 0 is the first, 255 the second.")
        return Coding(list(named), {0: 0, VOID: 1}, why)
    first, named = _first(used, values, named, void, palettes)
    if first and void == 0:
        why.append("0 is void, so class 0 here is number 1 in the files.")
    elif first:
        why.append("Labels start at 1 in the files, since 0 never occurs: class 0 here is number 1 there.")
    n = max(used) + 1 - first if named is None else len(named)
    if n > 255 or max(used) - first >= n or used[0] < 0:
        wrong = next(v for v in used if v < 0 or v - first >= min(n, 255))
        raise MasksError(
            f"{example(wrong)} has the number {wrong}, which is outside the {min(n, 255)} classes: name the numbers, as "
            f'in classes={{0: "background", {wrong}: "…"}}, or pass void={wrong} if it stands for no class.'
        )
    names = list(named) if named is not None else [f"class {i + first}" for i in range(n)]
    if named is None:
        why.append("No list of class names was found or given, so classes are called by their numbers.")
    return Coding(names, {**{i + first: i for i in range(n)}, void: VOID}, why)


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
    """Class names as a list, checked."""
    if isinstance(classes, str) or not hasattr(classes, "__iter__"):
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
                f"{example(value)} has the number {value}, which is not among those named, {some(named, 8)}: name it in "
                f"classes, or pass void={value} if it stands for no class."
            )
    return Coding(list(named.values()), labels, why)


def _is_no_row(used):
    """Whether numbers look like greys more than like class numbers: fewer than half of those up to the largest occur."""
    return used[-1] >= 2 * len(used) + 1 or used[0] < 0


def _unnumbered(used, values, example):
    greys = {round(0.299 * r + 0.587 * g + 0.114 * b): i for i in range(21) for r, g, b in [tables.voc_colour(i)]}
    hint = ""
    if len(used) > 1 and set(used) <= {0, VOID} | set(greys) and any(value > 20 for value in used if value != VOID):
        hint = " They are the greys of VOC's palette: the masks were saved as grey pictures, so export them again."
    naming = ", ".join(f'{value}: "…"' for value in used[:4])
    return MasksError(
        f"{example(used[-1])} and the other masks hold the numbers {some(values, 8)}, which do not count classes: name "
        f"them, as in classes={{{naming}}}, and void=… if one stands for no class.{hint}"
    )


def of_colours(counts, classes, colours, void, folder, example):
    """How the colours of colour masks become labels; arguments as in `of_indices`.

    Args:
        colours: {class: (R, G, B)}, a list of colours in the order of `classes`, the name of a well-known table, or
            None for the table that lies in the folder.

    Raises:
        MasksError: there is no table, or the masks have a colour that it lacks.
    """
    table, voids, why = _table(classes, colours, folder, sorted(counts), example)
    if isinstance(void, str) and void in table:
        voids.add(table.pop(void))
    elif void == "transparent":
        why.append("Transparent pixels are void.")
    elif void is not None:
        voids.add(_colour(void, "void"))
    names = class_list(classes) if classes is not None and not isinstance(classes, dict) else list(table)
    if missing := [name for name in names if name not in table]:
        raise MasksError(f"classes has {missing[0]!r}, and the table of colours has not: it has {some(table, 30)}.")
    if classes is not None and (left := [name for name in table if name not in names]):
        why.append(f"Classes of the table that are not in classes are void: {some(left, 30)}.")
        voids |= {table[name] for name in left}
    labels = {pictures.packed(table[name]): i for i, name in enumerate(names)}
    labels |= {pictures.packed(colour): VOID for colour in voids}
    if void == "transparent":
        labels[pictures.TRANSPARENT] = VOID
    for value in sorted(counts):
        if value not in labels:
            raise _unknown_colour(value, counts, labels, table, example)
    return Coding(names, labels, why)


def _unknown_colour(value, counts, labels, table, example):
    if value == pictures.TRANSPARENT:
        return MasksError(f'{example(value)} has transparent pixels: pass void="transparent" if nobody labelled them.')
    colour, unknown = pictures.unpacked(value), sum(value not in labels for value in counts)
    more = f" ({unknown} such colours: smoothed edges, or another table)" if unknown > 1 else ""
    return MasksError(
        f"{example(value)} has the colour {colour}{more}, which is not in the table, which has "
        f"{some([f'{n} {c}' for n, c in table.items()], 40)}: add it to colours, or pass void={colour} if it stands for no class."
    )


def _table(classes, colours, folder, values, example):
    """The table of colours, the set of void's colours, and sentences about where it is from."""
    if isinstance(colours, str):
        table, void = tables.well_known(colours)
        return table, void, [f"Colours are those of {colours}."]
    if colours is not None:
        if not isinstance(colours, dict):
            names = class_list(classes) if classes is not None else [f"class {i}" for i in range(len(colours))]
            if len(names) != len(colours):
                raise MasksError(f"There are {len(names)} classes and {len(colours)} colours: give each class one.")
            colours = dict(zip(names, colours, strict=True))
        table = {name: _colour(colour, f"colours[{name!r}]") for name, colour in colours.items()}
        tables.check_names(list(table), "colours")
        tables.check_table(table, "colours")
        return table, set(), ["Colours were given."]
    table, file = tables.colour_table(folder)
    if table is not None:
        return table, set(), [f"Colours are from {file}."]
    known = [n for n in ("voc", "camvid", "cityscapes") if set(values) <= _colours_of(n)]
    hint = f' All of them are in the table colours="{known[0]}": pass it if it is right.' if known else ""
    raise MasksError(
        f"{example(values[-1])} is a colour picture, and no table says which colour is which class: pass colours="
        f'{{"background": {pictures.unpacked(values[0])}, …}}, or put the tool\'s labelmap.txt into {folder.root}. '
        f"The masks have {len(values)} colours, {some(map(pictures.unpacked, values), 6)}.{hint}"
    )


def _colours_of(name):
    table, void = tables.well_known(name)
    return {pictures.packed(colour) for colour in (*table.values(), *void)}


def _colour(colour, what):
    try:
        red, green, blue = (int(part) for part in colour)
    except (TypeError, ValueError):
        raise MasksError(f"{what} is {colour!r}; a colour is three numbers, such as (128, 0, 0).") from None
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise MasksError(f"{what} is {colour!r}; a colour's numbers go from 0 to 255.")
    return red, green, blue
