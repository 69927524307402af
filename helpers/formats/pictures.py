"""Photos and masks from their files: a photo turned upright, a mask as the numbers or colours that stand in it.

What a mask's file holds is not always what a library gives. Pillow spreads grey of 2 and 4 bits over 0-255, and turns
a TIFF that counts from white; both are undone here. Pixels that a lossy format has changed are refused.
"""

import contextlib
import hashlib
import io
import threading
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from helpers.formats.folder import MasksError

MOST_PIXELS = 80_000_000  # of one picture: 240 MB as RGB
MOST_BYTES = 512 << 20
TRANSPARENT = -(1 << 31)  # the number that stands for a pixel without opacity
_LOCK = threading.Lock()
_ORIENTATION = 0x0112
_LOSSY = ("JPEG", "MPO", "JPEG2000", "AVIF")
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp", "tiff_sgilog", "tiff_sgilog24")
_FORMATS = (*_LOSSY, "PNG", "BMP", "DIB", "GIF", "TIFF", "WEBP")  # an EPS file, say, would start another program
_TURNED = (5, 6, 7, 8)  # the EXIF orientations that exchange rows and columns


class Photo(NamedTuple):
    """What is known of a photo: its upright size, its EXIF orientation, a digest of its file, 16x16 greys."""

    rows: int
    cols: int
    orientation: int
    digest: str
    thumbnail: np.ndarray


class Mask(NamedTuple):
    """What stands in a mask's file.

    Attributes:
        raw: integers (row, col): class numbers, or colours as 65536 R + 256 G + B, or `TRANSPARENT`.
        kind: "index" or "colour".
        mode: Pillow's word for how a pixel is stored.
        palette: for palette pictures, the colours R, G, B, R, G, B … of the indices from 0; else empty.
        overlap: how many pixels were annotated with two classes.
    """

    raw: np.ndarray
    kind: str
    mode: str
    palette: list
    overlap: int = 0


@contextlib.contextmanager
def opened(path, data=None):
    """A picture opened by Pillow, its size checked before a pixel is read; whatever fails is a `MasksError`."""
    try:
        with _LOCK, warnings.catch_warnings():  # which is not made for several threads
            warnings.simplefilter("ignore")
            picture = Image.open(path if data is None else io.BytesIO(data))
        with picture:
            if picture.format not in _FORMATS:
                raise MasksError(f"{path} is a picture in {picture.format}, which is not read here: save it as PNG.")
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large(path, f"{picture.width}x{picture.height}")
            yield picture
    except MasksError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, "far too many") from error
    except Exception as error:  # on damaged files Pillow's decoders raise errors of all kinds
        what = "is no picture" if isinstance(error, Image.UnidentifiedImageError) else "is damaged or cut off"
        raise MasksError(f"{path} {what} ({type(error).__name__}): copy or export it again.") from error


def _too_large(path, size):
    return MasksError(
        f"{path} has {size} pixels, more than the {MOST_PIXELS / 1e6:.0f} million that are read here: "
        "save the photo and its mask smaller, or cut them into tiles."
    )


def photo(path):
    """The photo, turned as its EXIF orientation says: uint8 (row, col, RGB). Greys of 16 bits are reduced to 8."""
    with opened(path) as picture:
        return _rgb(path, picture)


def facts(path):
    """Says what is known of a photo, without decoding a JPEG in full: a `Photo`."""
    data = _read(path)
    with opened(path, data) as picture:
        if picture.format != "MPO":  # whose other pictures are previews
            _refuse_pages(path, picture)
        orientation = int(picture.getexif().get(_ORIENTATION, 1) or 1)
        rows, cols = upright(picture.height, picture.width, orientation)
        picture.draft("RGB", (64, 64))  # a JPEG is decoded at an eighth of its size
        format_, wide = picture.format, picture.mode.startswith("I") or picture.mode == "F"
        turned = Image.fromarray(_rgb(path, picture)) if wide else ImageOps.exif_transpose(picture)
        if format_ == "TIFF":  # which Pillow turns itself, sooner or later by its version
            rows, cols = turned.height, turned.width
        turned = turned.convert("L")
        thumbnail = np.asarray(turned.resize((16, 16), Image.Resampling.BOX))
    return Photo(rows, cols, orientation, hashlib.blake2b(data, digest_size=12).hexdigest(), thumbnail)


def upright(rows, cols, orientation):
    """The rows and columns that a picture has once it is turned as an EXIF orientation says."""
    return (cols, rows) if orientation in _TURNED else (rows, cols)


def mask(path):
    """The numbers or colours in a mask's file, as a `Mask`.

    Raises:
        MasksError: the file is lossy, has several pages, half-transparent pixels, fractions, or too many bits.
    """
    data = _read(path)
    with opened(path, data) as picture:
        _refuse_lossy(path, picture, data)
        _refuse_pages(path, picture)
        if int(picture.getexif().get(_ORIENTATION, 1) or 1) != 1:
            raise MasksError(
                f"{path} is a mask with an EXIF orientation: save it again without, turned as it should be."
            )
        depth, colour_type = (data[24], data[25]) if picture.format == "PNG" else (8, None)
        if picture.format == "TIFF" and picture.mode == "L":
            depth, colour_type = picture.tag_v2.get(258, (8,))[0], 0
        if depth == 16 and colour_type != 0:
            raise MasksError(f"{path} has colours of 16 bits, of which only 8 can be read: save it as an 8-bit PNG.")
        palette = (picture.getpalette("RGB") or []) if picture.mode == "P" else []
        kind, raw = _numbers(path, picture)
        if picture.format == "TIFF" and picture.tag_v2.get(262) == 0 and raw.dtype == np.uint8:
            raw = (1 if picture.mode == "1" else 255) - raw  # in the file, 0 is white; Pillow has turned it round
        if colour_type == 0 and depth in (2, 4):
            raw = raw // np.uint8({2: 85, 4: 17}[depth])  # Pillow has spread them over 0-255
        return Mask(raw, kind, picture.mode, palette)


def _refuse_lossy(path, picture, data):
    lossy = picture.format in _LOSSY or (picture.format == "WEBP" and b"VP8L" not in data[:4096])
    if lossy or (picture.format == "TIFF" and picture.info.get("compression") in _LOSSY_TIFF):
        raise MasksError(
            f"{path} is a mask in {picture.format}, a lossy format, which has changed numbers along every border: "
            "export the masks as PNG from the tool they were drawn with."
        )


def _refuse_pages(path, picture):
    if (pages := getattr(picture, "n_frames", 1)) > 1:
        raise MasksError(f"{path} has {pages} pages, and it must be one: save each as a file of its own.")


def _numbers(path, picture):
    """The kind of a mask, and its numbers (row, col)."""
    mode = picture.mode
    if mode in ("1", "L", "P"):
        return "index", np.asarray(picture).astype(np.uint8)
    if mode.startswith("I"):
        return "index", np.asarray(picture).astype(np.int32)
    if mode == "F":
        numbers = np.asarray(picture)
        if not np.isfinite(numbers).all() or (numbers != np.floor(numbers)).any() or abs(numbers).max() > 1 << 24:
            raise MasksError(f"{path} holds fractions, and a class is a whole number: save the class numbers.")
        return "index", numbers.astype(np.int32)
    if mode in ("LA", "PA"):
        bands = np.asarray(picture)
        return "index", _with_alpha(path, bands[..., 0].astype(np.int32), bands[..., 1])
    if mode in ("RGB", "RGBA"):
        bands = np.asarray(picture)
        raw = bands[..., 0].astype(np.int32)
        for band in (1, 2):  # in place, since a picture may have 80 million pixels
            raw <<= 8
            raw |= bands[..., band]
        return "colour", raw if mode == "RGB" else _with_alpha(path, raw, bands[..., 3])
    raise MasksError(f"{path} is a mask in the colours of {mode}, which stand for no class: save it as PNG.")


def _with_alpha(path, raw, alpha):
    if ((alpha > 0) & (alpha < 255)).any():
        raise MasksError(
            f"{path} has half-transparent pixels, which are of no class: save the mask without transparency."
        )
    return np.where(alpha == 0, TRANSPARENT, raw)


def _read(path):
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MasksError(f"{path} is larger than {MOST_BYTES / 1e6:,.0f} MB: save it as a smaller picture.")
        return path.read_bytes()
    except OSError as error:
        raise MasksError(f"{path} cannot be read ({error.strerror}): copy it again.") from error


def _rgb(path, picture):
    """Any kind of photo as uint8 (row, col, RGB), upright, what is transparent on white."""
    picture.load()
    turned = ImageOps.exif_transpose(picture)
    if turned.mode == "F":
        raise MasksError(f"{path} holds numbers in place of colours, whose black and white are open: save it as PNG.")
    if turned.mode.startswith("I"):  # grey of 16 bits, in some files held in 32
        turned = Image.fromarray(np.clip(np.asarray(turned) // 257, 0, 255).astype(np.uint8))
    if turned.mode in ("LA", "PA", "RGBA") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned)
    return np.array(turned.convert("RGB"))


def fitted(picture, size, method, around):
    """A picture resized until it fits into a size (rows, cols), at the top left, with `around` in what is left over."""
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    rows, cols = (max(1, round(side * scale)) for side in picture.shape[:2])
    fitted = np.full((*size, *picture.shape[2:]), around, np.uint8)
    fitted[:rows, :cols] = np.asarray(Image.fromarray(picture).resize((cols, rows), method))
    return fitted


def colour_of(palette, index):
    """The colour (R, G, B) of an index; one beyond the palette's end is black."""
    return tuple(palette[3 * index : 3 * index + 3]) or (0, 0, 0)


def packed(colour):
    """A colour (R, G, B) as one number."""
    red, green, blue = (int(part) for part in colour)
    return red << 16 | green << 8 | blue


def unpacked(number):
    """The colour (R, G, B) of such a number."""
    return (int(number) >> 16 & 255, int(number) >> 8 & 255, int(number) & 255)
