"""Reads a photo of any kind that Pillow knows; a file that cannot be used gets one sentence with its cure."""

import contextlib
import io
import os
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LONGEST = 1024  # pixels; a larger photo is reduced when it is read
SHORTEST = 32  # pixels; in less there is nothing to see


class PhotoError(ValueError):
    """A photo cannot be used: the message names the file and the cure."""


def read(source, name=None):
    """Reads a photo, turns it upright, and reduces it to at most 1024 pixels a side; what is transparent is white.

    Args:
        source: a path, or the bytes of a file, of any kind that Pillow reads. An animation gives its first picture.
        name: what to call it in a complaint, if not by its path.

    Returns:
        uint8 (row, col, RGB).

    Raises:
        PhotoError: no file, no picture, a damaged, very small, very narrow or excessively large one.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(io.BytesIO(source), name or "This picture")
    path = os.fspath(source)
    name = name or path
    if path.startswith(("http://", "https://")):
        raise PhotoError(f"{name} is an address: save the picture as a file, and give the path of that.")
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        raise PhotoError(f"{name} is a folder: give the path of one picture in it.")
    try:
        with open(path, "rb") as file:
            return _decode(file, name)
    except FileNotFoundError:
        raise PhotoError(f"There is no file {name}: check the spelling; paths start in {os.getcwd()}.") from None
    except OSError as error:
        raise PhotoError(f"{name} cannot be read ({error.strerror}): copy it elsewhere, and give that path.") from error


def _decode(file, name):
    """Reads an open file; every complaint of Pillow becomes a `PhotoError`."""
    head = file.read(1024)
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(file)
            _check_size(*image.size, name)
            image.draft(None, (LONGEST, LONGEST))  # a large JPEG is decoded at a half, a quarter or an eighth
            image.load()
            with contextlib.suppress(Exception):  # once it has turned the picture, it may stumble over a camera's notes
                ImageOps.exif_transpose(image, in_place=True)
            return _in_rgb(image)
    except PhotoError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = f"{Image.MAX_IMAGE_PIXELS / 1e6:.0f} million"
        raise PhotoError(f"{name} has more than {most} pixels: save it smaller in a picture program.") from error
    except UnidentifiedImageError:
        raise PhotoError(f"{name} {_why_no_picture(head)}.") from None
    except Exception as error:  # on a damaged file Pillow's decoders raise errors of all kinds
        raise PhotoError(
            f"{name} is cut off, damaged or of a rare kind ({error}): get it again, or save it as JPEG in a picture "
            "program."
        ) from error


def _check_size(width, height, name):
    """Refuses a photo that is too small, or too narrow to be reduced to LONGEST."""
    size = f"{name} is {width}×{height} pixels"
    if min(width, height) < SHORTEST:
        raise PhotoError(f"{size}, too few to see much in: take one of at least {SHORTEST} pixels a side.")
    if max(width, height) * SHORTEST > min(width, height) * LONGEST:
        raise PhotoError(f"{size}, too narrow a strip: cut a part out of it.")


def _why_no_picture(head):
    """Says by its first bytes what is wrong with a file that Pillow does not know."""
    if not head:
        return "is empty: copy or download it again"
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "is a HEIC photo, which cannot be read here: save or share it as JPEG"
    if b"<svg" in head:
        return "is an SVG drawing, which has no pixels: export it as PNG"
    return "is not a picture of a known kind: give a JPEG or PNG file"


def _in_rgb(image):
    """Turns any kind of picture into uint8 (row, col, RGB), reduced, on white."""
    if image.mode == "F":
        raise ValueError("numbers in place of colours")
    if image.mode.startswith("I"):  # grey of 16 bits, in some files held in 32
        image = Image.fromarray(np.clip(np.asarray(image) // 257, 0, 255).astype("uint8"))
    elif image.mode in ("1", "P", "PA") or "transparency" in image.info:  # these must not be averaged as they are
        image = image.convert("RGBA")
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    image = image.convert("RGBA")
    return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))
