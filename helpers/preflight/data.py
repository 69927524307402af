"""Can the data be read, and are they images with labels?"""

import time

import keras
import numpy as np

from .case import Data
from .report import LIKELY, POSSIBLE, Cause, Result, Stop, fine, note, problem
from .tools import short

_IMAGES = 8  # go through the network, at most
_BATCHES = 8  # of a pipeline are read, at most
_LABELS = 16e6  # of all batches together are examined, at most
_SECONDS = 5  # of reading, after which no further batch is read

NAN = Cause(
    cause="A division by zero (a constant image minus its mean, over its deviation 0), a damaged file, or float16 that "
    "overflowed.",
    cure="Find them with np.isfinite({what}), and mend the step that makes them.",
    confidence=POSSIBLE,
)
BLANK = Cause(
    cause="Images that were not read, or were rounded to 0: whole numbers divided by 255 and cast back.",
    cure="Look at one: plt.imshow(images[0]).",
    confidence=LIKELY,
)
FEW_VALUES = Cause(
    cause="The images were divided as whole numbers (images // 255, or / 255 and then cast to a whole number): "
    "everything but the brightest is 0. (If they are drawings of so few tones, all is well.)",
    cure='images.astype("float32") / 255, or a Rescaling layer in the model.',
    confidence=LIKELY,
)


def check_data(batch):
    """Reads some batches, and stops at what is no picture with labels, or not a number: -> `Data`."""
    batches = _read(batch)
    x, y, weight = batches[0]
    for number, read in enumerate(batches, start=1):
        for what, array in zip(("images", "labels"), read, strict=False):
            bad = ~np.isfinite(array)
            if bad.any():
                where = ", ".join(map(str, np.unique(np.nonzero(bad)[0])[:5]))
                symptom = f"{bad.sum()} values of the {what} are NaN or infinite (batch {number}, number {where})."
                raise Stop(problem(NAN, symptom, what=what))
    if x.min() == x.max():
        raise Stop(problem(BLANK, f"Every value of the images is {x.min():g}."))
    values = np.unique(x)
    few = len(values) <= 4 and x[0].size > 500
    said = f"{len(batches)} batch{'es' * (len(batches) > 1)} read"
    images = f"images {x.shape} {x.dtype}, {x.min():.3g} to {x.max():.3g}, mean {x.mean():.3g}"
    text = f"{said}; {images}; labels {y.shape} {y.dtype}."
    if few:
        tones = ", ".join(f"{value:g}" for value in values)
        findings = [problem(FEW_VALUES, f"{text} All pixels together have {len(values)} values: {tones}.")]
    else:
        findings = [fine(text)]
    return Result(findings + _passes(batch, batches), facts=Data(batches, x, y, weight).first(_IMAGES))


# ---- reading --------------------------------------------------------------------------------------------------------

EMPTY = Cause(
    cause="A wrong path or pattern, a filter that drops everything, take(0), or an iterator read to its end.",
    cure="Look before batching: len(files), next(iter(dataset)).",
    confidence=POSSIBLE,
)


def _read(batch):
    """Up to `_BATCHES` batches as arrays, all of one shape: [(images, labels, weights or None)]."""
    read = _collect(batch, _source(batch))
    if not read or np.size(read[0][0]) == 0:
        raise Stop(problem(EMPTY, "The data set is empty: it holds no image."))
    for x, y, _ in read:
        _insist_on_a_pair(x, y)
    first = [part.shape[1:] for part in read[0][:2]]
    read = [batch for batch in read if [part.shape[1:] for part in batch[:2]] == first]
    while sum(labels.size for _, labels, _ in read) > _LABELS and len(read) > 1:
        read.pop()
    return [(x if x.ndim == 4 else x[..., None], y, weight) for x, y, weight in read]


NO_LABELS = Cause(
    cause="The labels were left out, packed in another way, or are file names that were not read yet.",
    cure="preflight(model, (images, labels)) or a data set of such pairs; images are (batch, row, col, channel).",
    confidence=POSSIBLE,
)


def _source(batch):
    """An iterable of batches, whatever was given."""
    if isinstance(batch, (tuple, list)) and len(batch) in (2, 3) and not isinstance(batch[0], (tuple, list)):
        return [batch]
    if batch is None or isinstance(batch, (tuple, list, dict, str)) or hasattr(batch, "shape"):
        lone = hasattr(batch, "shape") or (isinstance(batch, (tuple, list)) and len(batch) == 1)
        what = "images without labels" if lone else f"of type {type(batch).__name__}, not images and labels"
        raise Stop(problem(NO_LABELS, f"The batch is {what}."))
    if isinstance(batch, keras.utils.PyDataset):
        return map(batch.__getitem__, range(_BATCHES))
    return batch.take(_BATCHES) if hasattr(batch, "take") else batch


UNREADABLE = Cause(
    cause="The pipeline itself fails, or is no data set.",
    cure="Run next(iter(dataset)), and mend what it says.",
)


def _collect(batch, source):
    """The first batches of the source as arrays: [(images, labels or None, weights or None)]."""
    read, start = [], time.perf_counter()
    try:
        for item in source:
            parts = item if isinstance(item, (tuple, list)) and len(item) in (2, 3) else (item, None)
            _insist_on_one_of_each(parts)
            read.append((*(None if part is None else np.asarray(part) for part in parts), None)[:3])
            whole = isinstance(batch, keras.utils.PyDataset) and len(read) == len(batch)
            if whole or len(read) == _BATCHES or time.perf_counter() - start > _SECONDS:
                break
    except Stop:
        raise
    except Exception as error:
        raise Stop(problem(UNREADABLE, f"The data set cannot be read: {short(error)}.")) from error
    return read


SEVERAL_OF_EACH = Cause(
    cause="preflight examines one image and one label map at a time. This says nothing against your data.",
    cure="dataset.map(...) to pairs (image, label), for a model of that one input and output.",
)


def _insist_on_one_of_each(parts):
    """Stops where a batch holds several images or label maps, as a tuple or a dictionary, in the place of one."""
    if parts[1] is None:
        return  # there are no labels: whoever looks for them tells
    for what, part in zip(("images", "labels"), parts, strict=False):
        if isinstance(part, (dict, tuple)) and all(np.ndim(value) > 2 for value in keras.tree.flatten(part)):
            names = ", ".join(map(str, part)) if isinstance(part, dict) else f"{len(part)} of them"
            raise Stop(problem(SEVERAL_OF_EACH, f"The {what} of a batch are a {type(part).__name__}: {names}."))


NO_BATCH_AXIS = Cause(
    cause="A single image, or a data set that is not batched yet.",
    cure="dataset.batch(8), or images[None] and labels[None].",
)
UNPAIRED = Cause(
    cause="Two lists that were filtered or batched apart.",
    cure="Pair each image with its label by name, before anything else is done to them.",
)


def _insist_on_a_pair(x, y):
    """Stops unless these are images (batch, row, col, channel) and as many labels."""
    if y is None or y.dtype.kind not in "biuf" or x.dtype.kind not in "biuf":
        raise Stop(problem(NO_LABELS, "The labels are missing, or images or labels are not numbers."))
    if x.ndim == 3 and y.shape[:3] == x.shape:
        return  # grey images: the channel is added
    if x.ndim != 4:
        symptom = f"The images are {x.shape}, not (batch, row, col, channel)."
        raise Stop(problem(NO_BATCH_AXIS if x.ndim == 3 else NO_LABELS, symptom))
    if len(x) != len(y):
        raise Stop(problem(UNPAIRED, f"{len(x)} images, but {len(y)} labels."))


# ---- one pass and the next ------------------------------------------------------------------------------------------


def _passes(batch, batches):
    """Is augmentation drawn once, and kept? A note: two passes that are equal, of a pipeline that draws numbers."""
    if not hasattr(batch, "element_spec") or not hasattr(batch, "take"):
        return []
    drawn = sorted(_random_operations(batch))
    if not drawn and not _has(batch, "Shuffle"):
        return []
    again = [np.asarray(part) for part in next(iter(batch.take(1)))[:2]]
    if not all(np.array_equal(one.ravel(), other.ravel()) for one, other in zip(batches[0], again, strict=False)):
        return []
    draws = f"draws random numbers ({', '.join(drawn[:3])})" if drawn else "shuffles"
    text = f"The pipeline {draws}, and its first batch is the same in two passes. "
    if _has(batch, "Cache"):
        return [note(f"{text}cache() keeps what was drawn first: augment, and shuffle, behind it.")]
    return [note(f"{text}Its seed begins anew with each pass: reshuffle_each_iteration=True, and no fixed seed.")]


def _chain(dataset):
    """A tf.data pipeline's data sets, from the last to the first."""
    while dataset is not None:
        yield dataset
        dataset = getattr(dataset, "_input_dataset", None)


def _has(dataset, kind):
    return any(kind in type(part).__name__ for part in _chain(dataset))


def _random_operations(dataset):
    """The random operations within the functions that a tf.data pipeline maps: {name}."""
    found = set()
    for part in _chain(dataset):
        mapped = getattr(getattr(part, "_map_func", None), "function", None)
        for graph in [mapped.graph] if mapped is not None else []:
            functions = [graph.as_graph_def().node, *(f.node_def for f in graph.as_graph_def().library.function)]
            found |= {
                node.op for nodes in functions for node in nodes if "Random" in node.op and "Shuffle" not in node.op
            }
    return found
