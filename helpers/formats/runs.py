"""Masks as lists of run lengths: COCO's, packed or not, Kaggle's, and the bits of Label Studio's brush.

COCO and Kaggle count down the columns, and Kaggle counts from 1. Row by row, half of the pixels would be wrong.
"""

import numpy as np

from helpers.formats import pictures
from helpers.formats.folder import MasksError


def coco(counts, size, where):
    """The area of COCO's run lengths: bool (row, col).

    Args:
        counts: a list of lengths, which begins with that of zeros, or the text into which pycocotools packs it.
        size: (rows, cols). where: for messages.

    Raises:
        MasksError: the lengths do not fill the picture.
    """
    if isinstance(counts, str):
        counts = _unpacked(counts, where)
    try:
        lengths = np.array(counts, np.int64)
    except (TypeError, ValueError, OverflowError):
        lengths = np.array([-1])
    if (
        lengths.ndim != 1
        or (lengths < 0).any()
        or (lengths > size[0] * size[1]).any()
        or lengths.sum() != size[0] * size[1]
    ):
        raise MasksError(f"{where} has run lengths that do not fill {size[1]}x{size[0]} pixels: export it again.")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size[::-1]).T


def _unpacked(text, where):
    """Run lengths from pycocotools' text.

    A character has 5 bits, the lowest first. From the fourth length on, it is the difference to the last but one.
    """
    lengths, at = [], 0
    while at < len(text):
        number = shift = 0
        more = True
        while more:
            bits = ord(text[at]) - 48 if at < len(text) else -1
            if not 0 <= bits < 64 or shift > 60:
                raise MasksError(f"{where} has packed run lengths that are damaged: export it again.")
            number |= (bits & 31) << shift
            shift, at, more = shift + 5, at + 1, bool(bits & 32)
        if bits & 16:
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths


def kaggle(text, size, where):
    """The area of Kaggle's "start length start length …", down the columns from 1: bool (row, col).

    Empty text is no area.

    Raises:
        MasksError: the numbers are damaged, overlap, or leave the picture.
    """
    try:
        numbers = np.array([int(part) for part in text.split()], np.int64)
    except (ValueError, OverflowError):
        raise MasksError(f"{where} has run lengths that are no whole numbers: export it again.") from None
    if len(numbers) % 2:
        raise MasksError(f"{where} has a start without a length: export it again.")
    starts, lengths = numbers[::2], numbers[1::2]
    ends, total = starts + lengths, size[0] * size[1]
    if (lengths < 1).any() or (starts < 1).any() or (ends - 1 > total).any() or (starts[1:] < ends[:-1]).any():
        raise MasksError(
            f"{where} has run lengths that overlap or leave the picture of {size[1]}x{size[0]} pixels: they count "
            "from 1, down the columns; look whether the photo is the one that was annotated."
        )
    change = np.zeros(total + 1, np.int8)
    change[starts - 1] += 1
    np.add.at(change, ends - 1, -1)
    return np.cumsum(change[:-1]).astype(bool).reshape(size[::-1]).T


def label_studio(numbers, size, where):
    """The opacity that Label Studio's brush left: uint8 (row, col), from its list of bytes.

    The bits are: 32 for how many values follow, 5 for a value's bits less 1, four times 4 for the lengths' bits less 1;
    then, again and again, 1 that says whether one value is repeated, 2 that choose among the four, a length less 1,
    and the values. Values are red, green, blue and opacity of each pixel, row by row.

    Raises:
        MasksError: the bits are damaged, or are those of a picture of another size.
    """
    try:
        if not isinstance(numbers, list) or len(numbers) > pictures.MOST_PIXELS:
            raise TypeError("no list of bytes")
        bits = "".join(f"{byte:08b}" for byte in bytes(numbers))
        total, width = int(bits[:32], 2), int(bits[32:37], 2) + 1
        sizes = [int(bits[at : at + 4], 2) + 1 for at in (37, 41, 45, 49)]
        if total != size[0] * size[1] * 4 or width != 8:
            raise ValueError("another picture's")
        parts, done, at = [], 0, 53
        while done < total:
            repeated, wide = bits[at] == "1", sizes[int(bits[at + 1 : at + 3], 2)]
            length = int(bits[at + 3 : at + 3 + wide], 2) + 1
            at += 3 + wide
            if done + length > total:
                raise ValueError("too long")
            values = [int(bits[i : i + width], 2) for i in range(at, at + width * (1 if repeated else length), width)]
            parts.append(np.full(length, values[0], np.uint8) if repeated else np.array(values, np.uint8))
            at, done = at + width * len(values), done + length
    except (ValueError, IndexError, TypeError) as error:
        raise MasksError(
            f"{where} has brush strokes that are damaged, or not those of a picture of {size[1]}x{size[0]} pixels: "
            "export the project again."
        ) from error
    return np.concatenate(parts).reshape(*size, 4)[..., 3]
