"""The three file formats in which SiftFlow's label maps are handed round, read into the same array, and one written.

=============  =====================================  ==================================================================
format         where                                  content
=============  =====================================  ==================================================================
MATLAB 5       the authors' archive; what we write    binary; variable ``S``
Octave text    GitHub, Gnork/rbmtoolbox               header lines, `` 256 256``, then the numbers down each *column*
plain text     GitHub, AML_CNN_for_Scene_Labeling     a line a row, numbers apart by spaces
=============  =====================================  ==================================================================

In each, 0 is unlabelled and 1-33 are the classes. Nothing here trusts its input: no format can carry code, and a size
is looked at before memory is given.

The MATLAB format is read and written here, from MathWorks' description (*MAT-File Level 5 File Format*), because with
SciPy 1.17 a single wrong byte could end the process with a segmentation fault, a file of half a megabyte could take
most of a gigabyte of memory, and files written from several threads came out damaged. Needs NumPy; neither Keras nor
TensorFlow.
"""

import io
import math
import re
import struct
import zlib

import numpy as np

from helpers.classes import N_CLASSES

# MATLAB's numbers for the type of an element, and for the class of an array (uint16's class is not its type).
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_INT8, _UINT16, _INT32, _UINT32, MATRIX, COMPRESSED = 1, 4, 5, 6, 14, 15
_CELL_CLASS, _CHAR_CLASS, _UINT16_CLASS, NUMBER_CLASSES = 1, 4, 11, range(6, 16)
_OCTAVE_HEADER = re.compile(
    rb"# Created by Octave[^\n]*\n# name: S\n# type: u?int\d+ matrix\n# ndims: 2\n (\d+) (\d+)\n", re.ASCII
)
_OURS = b"MATLAB 5.0 MAT-file; SiftFlow semantic labels: S(row, column), 0 = unlabelled, n = names{n}"


def read(data, size=256):
    """The numbers in a label map's file, whichever of the three formats it is in.

    Args:
        data: the file's bytes.
        size: rows and columns it must have.

    Returns:
        A numeric array (row, col), as in the file: not yet known to hold whole numbers from 0 to 33.

    Raises:
        ValueError: none of the formats, damaged, cut off, or of another size. Says which.
    """
    if data.startswith(b"MATLAB 5.0"):
        label = _read_matlab(data, size)
    elif data.startswith(b"# Created by Octave"):
        label = _read_octave(data)
    else:
        label = _read_text(data)
    if label.shape != (size, size):
        raise ValueError(f"holds a label map of shape {label.shape}, not {(size, size)}")
    return label


def decode_label(data, size=256):
    """The class of every pixel: uint8 (row, col), 0-32 or 255, from the bytes of a label map's file.

    Raises:
        ValueError: damaged, or not a label map; the message is a clause without the file's name.
    """
    raw = read(data, size)
    if raw.min() < 0 or raw.max() > N_CLASSES or (raw != np.floor(raw)).any():
        raise ValueError(
            f"holds labels from {raw.min()} to {raw.max()}; "
            f"they must be whole numbers from 0 (unlabelled) to {N_CLASSES}"
        )
    return (raw.astype(np.uint8) - np.uint8(1)).astype(np.uint8)  # 0 wraps round to 255, which is VOID


def write_matlab(label, names):
    """The bytes of a MATLAB 5 file with ``S``, uint16 (row, col), and ``names``, a 1x33 cell. Same input, same bytes.

    Args:
        label: whole numbers (row, col): 0 = unlabelled, n = the n-th of `names`.
        names: the classes' names.
    """
    label = np.asarray(label, "<u2")
    texts = [_matrix(_CHAR_CLASS, (1, len(n)), b"", _element(_UINT16, n.encode("utf-16-le"))) for n in names]
    variables = (
        _matrix(_UINT16_CLASS, label.shape, b"S", _element(_UINT16, label.tobytes("F"))),
        _matrix(_CELL_CLASS, (1, len(names)), b"names", b"".join(texts)),
    )
    packed = [zlib.compress(variable) for variable in variables]
    body = b"".join(struct.pack("<2L", COMPRESSED, len(data)) + data for data in packed)
    return _OURS.ljust(124) + struct.pack("<H2s", 0x0100, b"IM") + body


def _matrix(array_class, shape, name, content):
    flags, dimensions = struct.pack("<2L", array_class, 0), struct.pack(f"<{len(shape)}l", *shape)
    parts = _element(_UINT32, flags) + _element(_INT32, dimensions) + _element(_INT8, name)
    return _element(MATRIX, parts + content)


def _element(kind, data):
    return struct.pack("<2L", kind, len(data)) + data + bytes(-len(data) % 8)


def _read_matlab(data, size):
    most = 8 * size * size + 4096  # bytes of S, if its numbers are the widest there are
    try:
        order = {b"IM": "<", b"MI": ">"}[data[126:128]]
        for kind, variable in elements(data, 128, order):
            if kind == COMPRESSED:
                unpacked = zlib.decompressobj().decompress(variable, most)
                kind, variable = next(elements(unpacked, 0, order))
            parts = elements(variable, 0, order)
            (_, flags), (_, dimensions), (_, name) = next(parts), next(parts), next(parts)
            if kind != MATRIX or bytes(name) != b"S":
                continue
            (flags,) = struct.unpack_from(order + "L", flags)
            shape = struct.unpack(f"{order}{len(dimensions) // 4}l", dimensions)
            if flags & 0xFF not in NUMBER_CLASSES or flags & 0x0800:  # a struct, a cell, text, sparse; or complex
                raise ValueError("S does not hold plain numbers")
            if shape != (size, size):
                return np.broadcast_to(0, [max(0, n) for n in shape])  # the shape is all that `read` will look at
            kind, numbers = next(parts)
            numbers = np.frombuffer(numbers, order + NUMBERS[kind])
            if numbers.size != math.prod(shape):
                raise ValueError("cut off, or with numbers too many")
            return numbers.reshape(shape, order="F")
        raise ValueError("no S in it")
    except (ValueError, KeyError, StopIteration, struct.error, zlib.error) as error:
        reason = f": {error}" if type(error) is ValueError else ""
        raise ValueError(f"is not a MATLAB label map with a variable S (damaged{reason})") from error


def elements(data, at, order):
    """The elements of a MATLAB file, or of one of its arrays: pairs of a type and a view of the bytes."""
    view = memoryview(data)
    while at + 8 <= len(view):
        kind, length = struct.unpack_from(order + "2L", view, at)
        start = at + 8
        if kind >> 16:  # up to four bytes are kept in the tag itself
            kind, length, start = kind & 0xFFFF, kind >> 16, at + 4
        at = start + length
        if kind != COMPRESSED:
            at += -at % 8
        yield kind, view[start : start + length]


def _read_octave(data):
    header = _OCTAVE_HEADER.match(data)
    if header is None:
        raise ValueError("is an Octave text file without a label map as its first variable S")
    rows, cols = (int(n) for n in header.groups())
    numbers = _numbers(data[header.end() :], "an Octave label map")
    if numbers.size != rows * cols:
        raise ValueError(f"is an Octave label map cut off or damaged: it holds {numbers.size} of {rows * cols} numbers")
    return numbers.reshape(cols, rows).T  # column after column in the file


def _read_text(data):
    if not data:
        raise ValueError("is empty")
    if not re.match(rb"\s*\d", data):
        raise ValueError(f"is not a label map: it starts with {data[:16]!r}")
    numbers = _numbers(data, "a label map of plain text")
    return numbers if numbers.ndim == 2 else numbers.reshape(1, -1)


def _numbers(text, what):
    if not text.strip():
        return np.empty(0, np.int64)
    try:
        return np.loadtxt(io.BytesIO(text), dtype=np.int64, comments=None)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is {what} with something else than numbers in it, or cut off") from error
