"""Shows what a trained network makes of the reader's own photo: mask, shares of the classes, and confidence.

model, about = runs.pretrained("siftflow_cpu")
photo.show(model, "my_photo.jpg", about["temperature"])
photo.uploader(model, about["temperature"])
"""

import html

import matplotlib.pyplot as plt
import numpy as np

from helpers import predict
from helpers.classes import CLASS_NAMES
from helpers.viz import draw
from helpers.viz.controls import in_turn
from helpers.viz.photo_file import PhotoError, read

SURE = 0.9  # the confidence above which a pixel counts as sure


# ---- pictures -------------------------------------------------------------------------------------------------------


def figure(image, mask, confidence, class_names=CLASS_NAMES):
    """Draws photo, mask and confidence side by side, or one below another if wide; the legend has the classes' shares.

    Args:
        image: uint8 (row, col, RGB); mask: uint8 (row, col); confidence: float (row, col), 0-1.
        class_names: in label order.
    """
    rows, cols = mask.shape
    down, across = (3, 1) if cols > 2.5 * rows else (1, 3)
    # Places are set by hand, in inches: no layout engine keeps pictures of any shape clear of a legend of any length.
    high = max(0.35, 10 * rows / cols) if down > 1 else min(5.0, 3.6 * rows / cols)
    wide = 10.0 if down > 1 else max(2.5, high * cols / rows)
    title, gap, width = 0.35, 0.12, across * (wide + 0.12)
    named = [f"{name} {_percent(share)}" for name, share in shares(mask, class_names).items()]
    legend_columns = min(int(width * 2 / 3 / 1.5), draw.columns_of(named, width * 2 / 3))
    foot = max(0.65, 0.2 * -(-len(named) // legend_columns) + 0.2)
    height = down * (title + high) + foot
    places = {"left": gap / 2 / width, "right": 1 - gap / 2 / width, "top": 1 - title / height, "bottom": foot / height}
    places |= {"wspace": gap / wide, "hspace": title / high}
    result, axes = plt.subplots(down, across, figsize=(width, height), gridspec_kw=places)
    pictures = {"photo": image, "class of each pixel": draw.colours(mask, class_names), "confidence": confidence}
    for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
        smooth = "nearest" if name.startswith("class") else "auto"  # between the colours of two classes there is none
        shown = draw.plain(axis).imshow(picture, cmap="viridis", vmin=0, vmax=1, interpolation=smooth)
        axis.set_title(name, fontsize=11, pad=4)
    bar = result.add_axes([0.69, (foot - 0.23) / height, 0.29, 0.13 / height])
    result.colorbar(shown, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=9)
    bar.set_xlabel("probability of the chosen class", fontsize=9, labelpad=1)
    at, most = (1 / 3, foot / height), len(class_names)
    legend = draw.legend(result, [mask], columns=legend_columns, most=most, at=at, class_names=class_names)
    for text, name in zip(legend.get_texts(), named, strict=True):
        text.set_text(name)
    return result


def shares(mask, class_names=CLASS_NAMES):
    """Returns {class name: its share of the mask, 0-1}, largest first, for the classes that occur."""
    counts = np.bincount(mask.ravel(), minlength=len(class_names))
    return {class_names[c]: float(counts[c] / mask.size) for c in np.argsort(-counts, kind="stable") if counts[c]}


def describe(mask, confidence, class_names=CLASS_NAMES):
    """Says in one sentence the classes' shares, and how much of the picture the network is sure of."""
    named = {name: share for name, share in shares(mask, class_names).items() if share >= 0.01}
    parts = [f"{name} {_percent(share)}" for name, share in named.items()]
    traces = len(np.unique(mask)) - len(named)
    parts += [f"traces of {traces} more"] if traces else []
    sure = _percent(np.mean(confidence > SURE))
    return f"{', '.join(parts)}; the network is sure (over {SURE}) of {sure} of the pixels."


def _percent(share):
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


# ---- in a notebook --------------------------------------------------------------------------------------------------


def show(model, source, temperature=1.0, class_names=CLASS_NAMES):
    """Reads a photo and displays what the network makes of it; a `PhotoError` is printed.

    Args:
        model, temperature: as for `predict.segment`.
        source: as for `photo_file.read`.
        class_names: of the network's classes, in label order.

    Raises:
        ValueError: the temperature is not above 0, or the network has another number of classes.
    """
    _checked(model, class_names)
    try:
        image = read(source)
    except PhotoError as error:
        print(error)
        return
    mask, confidence = predict.segment(model, image, temperature)
    alt = f"The photo, the class of each pixel, and the confidence: {describe(mask, confidence, class_names)}"
    draw.show(figure(image, mask, confidence, class_names), alt)


def uploader(model, temperature=1.0, class_names=CLASS_NAMES):
    """Makes an ipywidget: a button that takes a photo from the reader's disk, and below it what the network sees.

    Args:
        model, temperature, class_names: as for `show`. What is wrong with a photo is said below the button.
    """
    import ipywidgets as widgets

    _checked(model, class_names)

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
            mask, confidence = predict.segment(model, image, temperature)
            picture.value = draw.png(figure(image, mask, confidence, class_names))
            picture.layout.display = None
            result = f"{name}: {describe(mask, confidence, class_names)}"
        except PhotoError as error:
            result = str(error)
        except Exception as error:  # in a widget's handler it would go where no reader looks
            result = f"{name} could not be shown ({type(error).__name__}: {error}): try another photo."
        said.value = html.escape(result)
        # Emptied, or the same file chosen again would be no change. A read-only trait in ipywidgets 7, hence not `=`.
        button.set_trait("value", type(button.value)())

    button.observe(in_turn(take), "value")
    return widgets.VBox([button, hint, said, picture])


def _checked(model, class_names):
    if (n := model.output_shape[-1]) != len(class_names):
        raise ValueError(
            f"The network has {n} classes, and {len(class_names)} are named: pass class_names=data.class_names, of the "
            "data set that it was trained on."
        )


def _uploaded(value):
    """Returns name and bytes from a `FileUpload.value`: in ipywidgets 7 a dict by name, in 8 a tuple of dicts."""
    file = list(value.values() if isinstance(value, dict) else value)[-1]
    return file.get("metadata", file)["name"], bytes(file["content"])
