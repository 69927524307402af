"""The three file formats in which SiftFlow's label maps are handed round, read into the same array, and one written.

=============  =====================================  ==================================================================
format         where                                  content
=============  =====================================  ==================================================================
MATLAB 5       the authors' archive; what we write    binary; variable ``S``
Octave text    GitHub, Gnork/rbmtoolbox               header lines, `` 256 256``, then the numbers down each *column*
plain text     GitHub, AML_CNN_for_Scene_Labeling     a line a row, numbers apart by spaces
=============  =====================================  ==================================================================

In each, 0 is unlabelled and 1-33 are the classes. Nothing here trusts its input: no format can carry code (a MATLAB
file's objects are not built), and a size is looked at before memory is given.

Needs NumPy and SciPy; neither Keras nor TensorFlow.
"""

import io
import re

import numpy as np

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


def write_matlab(label, names):
    """The bytes of a MATLAB 5 file with ``S``, uint16 (row, col), and ``names``, a 1x33 cell. Same input, same bytes.

    Args:
        label: whole numbers (row, col): 0 = unlabelled, n = the n-th of `names`.
        names: the classes' names.
    """
    import scipy.io

    buffer = io.BytesIO()
    cell = np.empty((1, len(names)), object)
    cell[0] = [np.array([name]) for name in names]
    scipy.io.savemat(buffer, {"S": np.asarray(label, np.uint16), "names": cell}, do_compression=True)
    # The first 116 bytes are free text. SciPy puts the time there, which would make every copy another file.
    return _OURS.ljust(116, b" ") + buffer.getvalue()[116:]


def _read_matlab(data, size):
    import scipy.io  # only here: everything else works without SciPy

    try:
        # First the header alone: a small compressed file may claim, and fill, any amount of memory.
        shapes = {name: shape for name, shape, _ in scipy.io.whosmat(io.BytesIO(data))}
        if shapes.get("S", (size, size)) != (size, size):
            return np.broadcast_to(0, shapes["S"])  # the shape is all that `read` will look at
        label = scipy.io.loadmat(io.BytesIO(data), variable_names=["S"])["S"]
    except Exception as error:  # SciPy raises a dozen types on damaged files
        raise ValueError(f"is not a MATLAB label map with a variable S ({type(error).__name__})") from error
    if not isinstance(label, np.ndarray) or label.dtype.kind not in "uif":
        raise ValueError("is a MATLAB file whose variable S does not hold numbers")
    return label


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
    try:
        return np.loadtxt(io.BytesIO(text), dtype=np.int64, comments=None)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is {what} with something else than numbers in it, or cut off") from error
