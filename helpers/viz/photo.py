"""A photo of the reader's own: read it, let a trained network name every pixel, show mask, shares and confidence.

photo.show(model, "my_photo.jpg")
photo.uploader(model)
"""

import contextlib
import html
import io
import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers import predict
from helpers.classes import CLASS_NAMES, N_CLASSES
from helpers.viz import draw
from helpers.viz.controls import in_turn

LONGEST = 1024  # pixels; a larger photo is reduced when it is read
SHORTEST = 32  # pixels; in less there is nothing to see
SURE = 0.9


class PhotoError(ValueError):
    """A photo that cannot be used. The message names the file and the cure."""


# ---- from a file to pixels ------------------------------------------------------------------------------------------


def read(source, name=None):
    """A photo as uint8 (row, col, RGB), upright, its longer side at most 1024 pixels; what is transparent is white.

    Args:
        source: a path, or the bytes of a file, of any kind that Pillow reads. Of an animation, the first picture.
        name: what to call it in a complaint, if not by its path.

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
    size = f"{name} is {width}×{height} pixels"
    if min(width, height) < SHORTEST:
        raise PhotoError(f"{size}, too few to see much in: take one of at least {SHORTEST} pixels a side.")
    if max(width, height) * SHORTEST > min(width, height) * LONGEST:
        raise PhotoError(f"{size}, too narrow a strip: cut a part out of it.")


def _why_no_picture(head):
    """What to say of a file that Pillow does not know, by its first bytes."""
    if not head:
        return "is empty: copy or download it again"
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "is a HEIC photo, which cannot be read here: save or share it as JPEG"
    if b"<svg" in head:
        return "is an SVG drawing, which has no pixels: export it as PNG"
    return "is not a picture of a known kind: give a JPEG or PNG file"


def _in_rgb(image):
    if image.mode == "F":
        raise ValueError("numbers in place of colours")
    if image.mode.startswith("I"):  # grey of 16 bits, in some files held in 32
        image = Image.fromarray(np.clip(np.asarray(image) // 257, 0, 255).astype("uint8"))
    elif image.mode in ("1", "P", "PA") or "transparency" in image.info:  # these must not be averaged as they are
        image = image.convert("RGBA")
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    image = image.convert("RGBA")
    return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


# ---- pictures -------------------------------------------------------------------------------------------------------


def figure(image, mask, confidence):
    """Photo, mask and confidence side by side, or one below another where they are wide; below, each class's share.

    Args:
        image: uint8 (row, col, RGB); mask: uint8 (row, col); confidence: float (row, col), 0-1.
    """
    rows, cols = mask.shape
    down, across = (3, 1) if cols > 2.5 * rows else (1, 3)
    # In inches. Places set by hand: no layout engine keeps pictures of any shape clear of a legend of any length.
    high = max(0.35, 10 * rows / cols) if down > 1 else min(5.0, 3.6 * rows / cols)
    wide = 10.0 if down > 1 else max(2.5, high * cols / rows)
    title, gap, width = 0.35, 0.12, across * (wide + 0.12)
    legend_columns = int(width * 2 / 3 / 1.5)
    foot = max(0.65, 0.2 * -(-len(np.unique(mask)) // legend_columns) + 0.2)
    height = down * (title + high) + foot
    places = {"left": gap / 2 / width, "right": 1 - gap / 2 / width, "top": 1 - title / height, "bottom": foot / height}
    places |= {"wspace": gap / wide, "hspace": title / high}
    result, axes = plt.subplots(down, across, figsize=(width, height), gridspec_kw=places)
    pictures = {"photo": image, "class of each pixel": draw.colours(mask), "confidence": confidence}
    for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
        smooth = "nearest" if name.startswith("class") else "auto"  # between the colours of two classes there is none
        shown = draw.plain(axis).imshow(picture, cmap="viridis", vmin=0, vmax=1, interpolation=smooth)
        axis.set_title(name, fontsize=11, pad=4)
    bar = result.add_axes([0.69, (foot - 0.23) / height, 0.29, 0.13 / height])
    result.colorbar(shown, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=9)
    bar.set_xlabel("probability of the chosen class", fontsize=9, labelpad=1)
    legend = draw.legend(result, [mask], columns=legend_columns, most=N_CLASSES, at=(1 / 3, foot / height))
    for text, (name, share) in zip(legend.get_texts(), shares(mask).items(), strict=True):
        text.set_text(f"{name} {_percent(share)}")
    return result


def shares(mask):
    """{class name: its share of the mask, 0-1}, largest first; only classes that occur."""
    counts = np.bincount(mask.ravel(), minlength=N_CLASSES)
    return {CLASS_NAMES[c]: float(counts[c] / mask.size) for c in np.argsort(-counts, kind="stable") if counts[c]}


def describe(mask, confidence):
    """The picture in a sentence: the classes' shares, and how much of it the network is sure of."""
    named = {name: share for name, share in shares(mask).items() if share >= 0.01}
    parts = [f"{name} {_percent(share)}" for name, share in named.items()]
    traces = len(np.unique(mask)) - len(named)
    parts += [f"traces of {traces} more"] if traces else []
    sure = _percent(np.mean(confidence > SURE))
    return f"{', '.join(parts)}; the network is sure (over {SURE}) of {sure} of the pixels."


def _percent(share):
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


# ---- in a notebook --------------------------------------------------------------------------------------------------


def show(model, source):
    """Reads a photo (see `read`) and displays what the network makes of it. A `PhotoError` is printed, not raised."""
    try:
        image = read(source)
    except PhotoError as error:
        print(error)
        return
    mask, confidence = predict.segment(model, image)
    alt = f"The photo, the class of each pixel, and the confidence: {describe(mask, confidence)}"
    draw.show(figure(image, mask, confidence), alt)


def uploader(model):
    """A button that takes a photo from the reader's disk; below it, what the network makes of it. An ipywidget."""
    import ipywidgets as widgets

    button = widgets.FileUpload(
        accept="image/*", multiple=False, description="choose a photo", layout=widgets.Layout(width="180px")
    )
    # More than Jupyter takes in one message: it drops the connection, and the widget waits for an answer for ever.
    hint = widgets.HTML(
        "JPEG or PNG, up to 10 MB: a larger one leaves the button dead until this cell is run again. "
        "Any size: <code>photo.show(model, path)</code>."
    )
    said = widgets.HTML()
    layout = widgets.Layout(max_width="100%", align_self="flex-start", display="none")
    picture = widgets.Image(format="png", layout=layout)

    def take(change):
        if not change["new"]:
            return
        name, data = _uploaded(change["new"])
        said.value = f"Looking at {html.escape(name)} …"
        try:
            image = read(data, name)
            mask, confidence = predict.segment(model, image)
            picture.value = draw.png(figure(image, mask, confidence))
            picture.layout.display = None
            result = f"{name}: {describe(mask, confidence)}"
        except PhotoError as error:
            result = str(error)
        except Exception as error:  # in a widget's handler it would go where no reader looks
            result = f"{name} could not be shown ({type(error).__name__}: {error}): try another photo."
        said.value = html.escape(result)
        # Emptied, or the same file chosen again would be no change. A read-only trait in ipywidgets 7, hence not `=`.
        button.set_trait("value", type(button.value)())

    button.observe(in_turn(take), "value")
    return widgets.VBox([button, hint, said, picture])


def _uploaded(value):
    """(name, bytes) of the file in a `FileUpload.value`: a dict by name in ipywidgets 7, a tuple of dicts in 8."""
    file = list(value.values() if isinstance(value, dict) else value)[-1]
    return file.get("metadata", file)["name"], bytes(file["content"])
