"""Decoding a photograph's file."""

import io

import numpy as np
from PIL import Image


def decode_image(jpeg, size=256):
    """The photograph uint8 (row, col, RGB) from the bytes of its file.

    Raises:
        ValueError: damaged, or not size x size pixels; the message is a clause without the file's name.
    """
    try:
        image = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    except Exception as error:  # Pillow, too, raises several types on damaged files
        raise ValueError(f"is not a readable JPEG ({type(error).__name__})") from error
    if image.shape != (size, size, 3):
        raise ValueError(f"is {image.shape[1]}x{image.shape[0]} pixels, not {size}x{size}")
    return image
