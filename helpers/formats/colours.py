"""From the colours in the masks' files to labels 0 … n-1 and 255, by a table that was given or lies in the folder."""

from helpers.classes import VOID
from helpers.formats import pictures, tables
from helpers.formats.coding import Coding, class_list
from helpers.formats.folder import MasksError, some


def of_colours(counts, classes, colours, void, folder, example):
    """How the colours of colour masks become labels; arguments as in `coding.of_indices`.

    Args:
        colours: {class: (R, G, B)}, a list of colours in the order of `classes`, the name of a well-known table, or
            None for the table that lies in the folder.

    Raises:
        MasksError: there is no table, or the masks have a colour that it lacks.
    """
    if isinstance(classes, dict):
        raise MasksError(
            "classes is a dict of numbers, and these masks hold colours: name them in colours, as in "
            'colours={"cat": (128, 0, 0)}.'
        )
    table, voids, why = _table(classes, colours, folder, sorted(counts), example)
    if isinstance(void, str) and void in table:
        voids.add(table.pop(void))
    elif void == "transparent":
        why.append("Transparent pixels are void.")
    elif void is not None:
        voids.add(_colour(void, "void"))
    names = class_list(classes) if classes is not None else list(table)
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
        f"{some([f'{n} {c}' for n, c in table.items()], 40)}: add it to colours, or pass void={colour} if it stands "
        "for no class."
    )


def _table(classes, colours, folder, values, example):
    """The table of colours, the set of void's colours, and sentences about where it is from."""
    if isinstance(colours, str):
        table, void = tables.well_known(colours)
        return table, void, [f"Colours are those of {colours}."]
    if colours is not None:
        if isinstance(colours, dict) and all(isinstance(key, tuple) for key in colours):
            colours = {name: colour for colour, name in colours.items()}  # {colour: name} says the same
        if not isinstance(colours, dict):
            if not hasattr(colours, "__len__"):
                raise MasksError(f"colours is {colours!r}; it is a dict, a list of colours, or the name of a table.")
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
    greys = all(len(set(pictures.unpacked(value))) == 1 for value in values)
    hint = f' All of them are in the table colours="{known[0]}": pass it if it is right.' if known else ""
    if greys and not hint:
        hint = " All of them are greys: where three channels repeat a class number, save one channel as the mask."
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
