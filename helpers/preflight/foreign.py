"""Label values that are no class: where they lie tells where they come from.

Interpolation leaves them in thin lines along borders, a palette or another list of classes in whole regions, a change
of brightness at every pixel of a picture, and JPEG in blocks of 8x8 pixels around borders.
"""

import dataclasses

import numpy as np

from .report import LIKELY, Cause, note, problem

PICTURE_OF_A_MASK = Cause(
    cause="Masks saved as pictures, white for the object: 255 is a brightness, not a class.",
    cure="labels = labels > 127",
)
GREY_EDGES = Cause(
    cause="Masks saved as pictures, white for the object, that were never divided by {top:g}; and made smaller with "
    "interpolation, which leaves greys along their edges.",
    cure='labels = labels > {half:g}, after they were resized; or resize by the nearest pixel: method="nearest".',
)
JPEG = Cause(
    cause="Masks saved as JPEG: it changes values in blocks of 8x8 pixels around every edge.",
    cure="Save masks as PNG. For those that there are: labels = labels > {half:g}.",
)
INTERPOLATED = Cause(
    cause="Label maps that were resized, rotated or augmented with bilinear interpolation: a mean of class numbers, or "
    "of a class and void, is no class.",
    cure='Interpolate labels by the nearest pixel: method="nearest".',
)
CHANGED_BRIGHTNESS = Cause(
    cause="The labels went through what is meant for images: a change of brightness or contrast, or a scaling. Each "
    "picture's labels are multiplied by a number of its own.",
    cure="Of the augmentation, give masks only what moves pixels (flip, crop, rotate); neither brightness nor scaling.",
)
FROM_1 = Cause(
    cause="Labels off by one: they count from 1 to {n}, and 0 probably means unlabelled.",
    cure="labels - 1; and where the file says 0, the void label {void}.",
)
VOID_AS_MINUS_1 = Cause(
    cause="Void as -1 (0 - 1, of labels that count from 1). to_categorical makes it the last class.",
    cure="np.where(labels < 0, {void}, labels), before anything else is done to them.",
)
MORE_CLASSES = Cause(
    cause="More classes in the labels than the network has outputs for: {classes} of them, in whole regions, and "
    "{outputs} output{s} per pixel.",
    cure="{classes} outputs per pixel with a softmax and a sparse categorical cross-entropy; or, for a network of yes "
    "and no, labels = labels == c for the class c that you look for.",
)
GREYS_OF_A_PALETTE = Cause(
    cause="Colours that were read as grey: each class is a colour of a palette, and {example}. The values lie in whole "
    "regions, so nothing was interpolated.",
    cure='Read the index, not the picture: Image.open(file) without convert("L"); or number the values yourself: '
    "np.searchsorted({values}, labels).",
)
CODES = Cause(
    cause="The values lie in whole regions: they are codes of classes (colours as grey, levels of brightness, numbers "
    "with gaps), not 0, 1, ... C - 1; or another number than {void} for void.",
    cure="Number them: np.searchsorted({values}, labels); or tell which is void: void= here, ignore_class= in the "
    "loss.",
)
NO_CLASS = Cause(
    cause="Values that are no class, or another number than {void} for void.",
    cure="Map them to 0, 1, ... C - 1, or tell which is void: void= here, ignore_class= in the loss.",
    confidence=LIKELY,
)


@dataclasses.dataclass(frozen=True)
class Values:
    """Label maps as given.

    Attributes:
        maps: float (image, row, col) or (image, pixel).
        foreign: bool, where they are neither a class nor void.
        n: the number of classes. outputs: of the network's outputs per pixel. void: the label of no class.
    """

    maps: np.ndarray
    foreign: np.ndarray
    n: int
    outputs: int
    void: int

    @property
    def found(self):
        """The foreign values, each once, in their order."""
        return np.unique(self.maps[self.foreign])

    @property
    def soft(self):
        """Whether these are shares of one class, from 0 to 1, of which a sigmoid can learn."""
        return self.outputs == 1 and self.maps.min() >= 0 and self.maps.max() <= 1

    def __str__(self):
        some = ", ".join(f"{value:g}" for value in self.found[:5]) + ", ..." * (len(self.found) > 5)
        share = self.foreign.mean()
        if (self.found != np.floor(self.found)).any():
            return f"{share:.1%} of the labels are fractions, such as {some}"
        return f"{share:.1%} of the labels are neither 0 to {self.n - 1} nor void ({self.void}): {some}"


def why(values):
    """The findings about foreign label values: problems, or a note where they do no harm."""
    if values.outputs == 1 and set(np.unique(values.maps)) == {0, values.void}:
        symptom = f"The labels are 0 and {values.void}, for one output per pixel."
        return [problem(PICTURE_OF_A_MASK, symptom)]
    if not values.foreign.any():
        return []
    found = next(found for found in (suspect(values) for suspect in _SUSPECTS) if found)
    return [found]


def _share(part, whole):
    return part.sum() / max(1, whole.sum())


def _flat(values):
    """The share of the foreign pixels that lie within a region of one value."""
    if values.maps.ndim == 2:
        return 1.0 if len(values.found) <= 64 else 0.0  # a list of pixels: it has no regions
    return _share(values.foreign & _within(values.maps), values.foreign)


def _within(maps):
    """Where the four neighbours have the pixel's own value: bool, like maps. The picture's edge is no border."""
    same = np.ones(maps.shape, bool)
    across, down = maps[:, :, 1:] == maps[:, :, :-1], maps[:, 1:] == maps[:, :-1]
    same[:, :, 1:] &= across
    same[:, :, :-1] &= across
    same[:, 1:] &= down
    same[:, :-1] &= down
    return same


def _near_borders(maps, pixels):
    """Where a border of maps (image, row, col) is at most so many pixels away: bool."""
    near = ~_within(maps)
    for _ in range(pixels - 1):
        wide = near.copy()
        wide[:, 1:] |= near[:, :-1]
        wide[:, :-1] |= near[:, 1:]
        wide[:, :, 1:] |= near[:, :, :-1]
        wide[:, :, :-1] |= near[:, :, 1:]
        near = wide
    return near


# ---- what they may be, the surest first -----------------------------------------------------------------------------


def _other_count(values):
    """Labels from 1, or void as -1."""
    found = values.found
    if (found == values.n).all() and values.n > 2 - (values.outputs > 1):
        return problem(FROM_1, f"{values}.", n=values.n, void=values.void)
    if (found == -1).all():
        return problem(VOID_AS_MINUS_1, f"{values}.", void=values.void)
    return None


def _picture(values):
    """For one output: nearly everything is black or white, and what is not lies between."""
    top = values.maps.max()
    if values.outputs != 1 or values.maps.ndim != 3 or values.maps.min() < 0:
        return None
    if values.soft:
        top = 1
    poles = np.minimum(values.maps, top - values.maps) <= 0.15 * top
    if poles.mean() < 0.6 or len(np.unique(values.maps)) < 4:
        return None
    between = (values.maps > 0) & (values.maps < top)
    if _share(poles & between, between) > 0.5 and _is_jpeg(values.maps, between, top):
        return problem(
            JPEG, f"{values}. {_share(poles & between, between):.0%} of them are nearly 0 or {top:g}.", half=top / 2
        )
    if values.soft:
        text = (
            f"{values}: soft edges, from which a sigmoid can learn. Checks that need a class take those above a half."
        )
        return note(text)
    if top > 1.5 * values.n and _share(between & _near_borders(values.maps > top / 2, 2), between) > 0.8:
        return problem(GREY_EDGES, f"{values}.", top=top, half=top / 2)
    return None


def _is_jpeg(maps, between, top):
    """Do the values between 0 and the top spread from edges through blocks of 8x8 pixels, and no further?"""
    white = maps > top / 2
    rows, cols = (size // 8 * 8 for size in maps.shape[1:])
    if not between.any() or min(rows, cols) < 16 or not white.any():
        return False
    far = between & ~_near_borders(white, 3)
    if _share(far, between) < 0.15:
        return False
    blocks = [part[:, :rows, :cols].reshape(len(maps), rows // 8, 8, cols // 8, 8) for part in (between, white)]
    changed, mixed = blocks[0].any(axis=(2, 4)), blocks[1].any(axis=(2, 4)) & ~blocks[1].all(axis=(2, 4))
    beside = mixed.copy()
    beside[:, 1:] |= mixed[:, :-1]
    beside[:, :-1] |= mixed[:, 1:]
    beside[:, :, 1:] |= mixed[:, :, :-1]
    beside[:, :, :-1] |= mixed[:, :, 1:]
    return _share(changed & beside, changed) > 0.9


def _soft(values):
    """For one output, other values from 0 to 1 than soft edges: a sigmoid can learn from them, too."""
    return note(f"{values}: shares of the class, from which a sigmoid can learn.") if values.soft else None


def _brightness(values):
    """In each picture few values, and others in every picture."""
    if values.maps.ndim != 3 or len(values.maps) < 3 or _flat(values) < 0.5:
        return None
    each = [
        np.unique(maps[foreign]) for maps, foreign in zip(values.maps, values.foreign, strict=True) if foreign.any()
    ]
    if len(each) < 3 or max(map(len, each)) > values.n or len(values.found) < 2 * max(map(len, each)):
        return None
    symptom = f"{values}. Each picture has at most {max(map(len, each))} of them, and other pictures have others."
    return problem(CHANGED_BRIGHTNESS, symptom)


def _regions(values):
    """Whole numbers in whole regions: classes that the network does not know, or codes."""
    found = values.found
    if (found != np.floor(found)).any() or _flat(values) < 0.5 or len(found) > 64:
        return None
    known = [value for value in np.unique(values.maps) if value != values.void]
    numbers = [int(value) for value in known]
    if found.min() >= 0 and found.max() < 2 * len(known):
        plural, classes = "s" * (values.outputs > 1), int(found.max()) + 1
        return problem(MORE_CLASSES, f"{values}.", classes=classes, outputs=values.outputs, s=plural)
    greys = {}
    for r, g, b in _palette():
        greys.setdefault(round(0.299 * r + 0.587 * g + 0.114 * b), (r, g, b))
    named = [value for value in numbers if value in greys and value > 0]
    if len(found) > 1 and len(named) >= 0.5 * len(found):
        example = ", ".join(f"{greys[value]} is {value} as grey" for value in named[:3])
        return problem(GREYS_OF_A_PALETTE, f"{values}.", example=example, values=numbers)
    if len(found) == 1:
        return problem(NO_CLASS, f"{values}.", void=values.void)
    return problem(CODES, f"{values}.", values=numbers, void=values.void)


def _palette():
    """The colours of the classes 1 to 21 of Pascal VOC, whose palette many tools have taken over."""
    for c in range(1, 22):
        yield tuple(sum((c >> (3 * k + channel) & 1) << (7 - k) for k in range(3)) for channel in range(3))


def _thin(values):
    """Thin lines along borders."""
    maps = values.maps
    lines = maps.ndim == 2 or _share(values.foreign & ~_eroded(values.foreign), values.foreign) > 0.5
    several = len(values.found) > 2 or (values.found != np.floor(values.found)).any()
    return problem(INTERPOLATED, f"{values}.") if lines and several else None


def _eroded(mask):
    """Where a pixel and its four neighbours, two pixels away, lie within the mask: bool."""
    inner = mask.copy()
    inner[:, 2:] &= mask[:, :-2]
    inner[:, :-2] &= mask[:, 2:]
    inner[:, :, 2:] &= mask[:, :, :-2]
    inner[:, :, :-2] &= mask[:, :, 2:]
    return inner


def _anything(values):
    return problem(NO_CLASS, f"{values}.", void=values.void)


_SUSPECTS = (_other_count, _brightness, _picture, _soft, _regions, _thin, _anything)
