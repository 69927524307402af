"""Masks in MATLAB files: version 5 to 7, and 7.3 where h5py is installed, whose arrays lie transposed in the file.

The mask is the file's one array of whole numbers that has two axes and the photo's size.
"""

import io
import math
import struct
import zlib

import numpy as np

from helpers.fetch import labelmaps
from helpers.formats import pairing, pictures
from helpers.formats.folder import MasksError
from helpers.formats.raster import Raster

_MOST = 256 << 20  # bytes of a file


class Matlab(Raster):
    """Photos, and a .mat file of each one's name."""

    format = "masks in MATLAB files"

    @classmethod
    def of(cls, folder, files, photos, **options):
        """Reads a folder with such files.

        Raises:
            MasksError: a photo without file or the reverse.
        """
        reader = cls(folder, **options)
        reader.pairs = pairing.matched(
            folder, {pairing.role(f).key: f for f in photos}, {pairing.role(f).key: f for f in files}, what=".mat file"
        )
        reader.split = pairing.splits(reader.pairs)
        return reader

    def read(self, name, shape):
        """The numbers of a photo's file."""
        path, data = self.path(name), self.folder.bytes(self.pairs[name].source, _MOST)
        arrays = (
            _arrays_73(path, data)
            if data[:8] == b"\x89HDF\r\n\x1a\n" or data[512:520] == b"\x89HDF\r\n\x1a\n"
            else None
        )
        if arrays is None:
            try:
                arrays = dict(_arrays_5(data, math.prod(shape)))
            except ValueError as error:
                raise MasksError(f"{path} {error}: save it again in MATLAB.") from error
        fit = {n: a for n, a in arrays.items() if a.shape == tuple(shape)}
        if len(fit) != 1:
            sizes = ", ".join(f"{n} {'x'.join(map(str, a.shape))}" for n, a in arrays.items()) or "nothing of the kind"
            raise MasksError(
                f"{path} must hold one array of {shape[0]} rows and {shape[1]} columns, as its photo has, and holds "
                f"{sizes}: save the mask alone, at the photo's size."
            )
        numbers = next(iter(fit.values()))
        if (numbers != np.floor(numbers)).any() or abs(numbers.astype(np.float64)).max() > 1 << 24:
            raise MasksError(f"{path} holds fractions, and a class is a whole number: save the class numbers.")
        return pictures.Mask(numbers.astype(np.int32), "index", f"MATLAB {numbers.dtype}", [])


def _arrays_5(data, pixels):
    """Yields (name, array) for each array of plain numbers with two axes in a file of version 5 to 7.

    An array of another size than `pixels` is not read, so its numbers are zeros.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if not data.startswith(b"MATLAB 5.0") or order is None:
        raise ValueError("is not a MATLAB file of version 5 to 7.3")
    try:
        for kind, variable in labelmaps.elements(data, 128, order):
            if kind == labelmaps.COMPRESSED:
                unpacked = zlib.decompressobj().decompress(variable, 8 * pixels + 4096)
                kind, variable = next(labelmaps.elements(unpacked, 0, order))
            if kind != labelmaps.MATRIX:
                continue
            parts = labelmaps.elements(variable, 0, order)
            (_, flags), (_, axes), (_, name) = next(parts), next(parts), next(parts)
            (flags,) = struct.unpack_from(order + "L", flags)
            shape = struct.unpack(f"{order}{len(axes) // 4}l", axes)
            if flags & 0xFF not in labelmaps.NUMBER_CLASSES or flags & 0x0800 or len(shape) != 2 or min(shape) < 0:
                continue
            numbers = np.broadcast_to(0, shape)
            if math.prod(shape) == pixels:
                kind, content = next(parts)
                numbers = np.frombuffer(content, order + labelmaps.NUMBERS[kind]).reshape(shape, order="F")
            yield bytes(name).decode("latin-1"), numbers
    except (ValueError, KeyError, StopIteration, struct.error, zlib.error) as error:
        raise ValueError(f"is damaged ({type(error).__name__})") from error


def _arrays_73(path, data):
    """The arrays with two axes of a file of version 7.3, turned as MATLAB shows them."""
    try:
        import h5py
    except ImportError:
        raise MasksError(f"{path} is of MATLAB's version 7.3: pip install h5py, or save it with '-v7'.") from None
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            sets = [(name, item) for name, item in file.items() if isinstance(item, h5py.Dataset)]
            plain = [(n, item) for n, item in sets if item.ndim == 2 and item.dtype.kind in "biuf"]
            return {n: item[()].T for n, item in plain if item.size <= pictures.MOST_PIXELS}
    except Exception as error:  # h5py raises several types on damaged files
        raise MasksError(f"{path} is damaged ({type(error).__name__}): save it again in MATLAB.") from error
