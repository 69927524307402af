"""What `helpers.masks.open` takes, as it is typed in a command: ``--classes "40=soil, 90=leaf" --void 210``."""

import re

from helpers.formats.folder import MasksError

_OPTIONS = {
    "classes=": '--classes "soil, leaf", or --classes "40=soil, 90=leaf" with numbers',
    "void=": '--void 210, or --void "0, 0, 0" for a colour',
    "colours=": "a file class_dict.csv in the folder, with the columns name, r, g, b",
}


def classes(text):
    """The classes in "soil, leaf", a list of names, or in "40=soil, 90=leaf", a dict {40: "soil", 90: "leaf"}.

    Raises:
        MasksError: a name is empty, a number stands twice, or some classes have a number and others have none.
    """
    parts = [part.strip() for part in text.split(",")]
    numbered = [re.fullmatch(r"(\d+)\s*=\s*(\S.*)", part) for part in parts]
    for part, found in zip(parts, numbered, strict=True):
        if not found and (any(numbered) or not part or ";" in part or re.match(r"[\[({]|\d+\s*[:=]", part)):
            raise MasksError(
                f'--classes {text!r} has the part {part!r}: write names with commas between, "soil, leaf", or a number '
                'before each, "40=soil, 90=leaf".'
            )
    if not all(numbered):
        return parts
    numbers = [int(found[1]) for found in numbered]
    if twice := [number for number in numbers if numbers.count(number) > 1]:
        raise MasksError(f"--classes {text!r} has the number {twice[0]} twice: leave one out.")
    return dict(zip(numbers, (found[2] for found in numbered), strict=True))


def void(text):
    """What stands for void: the number in "210", the colour in "0, 0, 0" or "(0, 0, 0)", or a word, "transparent"."""
    text = text.strip()
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    colour = re.fullmatch(r"\(?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)?", text)
    return tuple(map(int, colour.groups())) if colour else text


def options(error):
    """How the cures that an error names in Python are typed in a command: a sentence to add to it, or nothing."""
    ways = [f"{argument} is {way}" for argument, way in _OPTIONS.items() if argument in str(error)]
    return f" In this command, {'; '.join(ways)}." if ways else ""
