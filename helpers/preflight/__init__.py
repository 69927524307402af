"""Before an hour of training: do this model, its loss, its optimizer and these data stand a chance?

    problems = preflight(model, batch)

measures, on one batch and in less than a minute on a CPU, what makes a segmentation model fail without an error. It
prints what it measured, and returns the problems with their likely causes and cures.

Nothing is assumed that can be tried out. A loss is asked what it says to a perfect, an undecided and a wrong answer; a
score likewise; one patch of the image is changed to see where the output moves; some steps are trained, and undone.

This file needs TensorFlow, Keras 3 and NumPy, and nothing else of `helpers`: copy it into a project of your own.
"""

import contextlib
import dataclasses
import functools
import random
import re
import textwrap
import time

import keras
import numpy as np
from keras import ops

_IMAGES = 8  # go through the network, at most
_BATCHES = 8  # of a pipeline are read, at most
_STEPS = 40  # of training, with each optimizer
_RATES = (1e-2, 1e-3, 1e-4)  # of Adam, until one overfits the batch


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that keeps a model from learning, or a score from telling."""

    check: str
    symptom: str  # what was measured
    cause: str
    cure: str


def preflight(model, batch, *, class_names=None, steps=None, void=255, seconds=45):
    """Looks for what would keep a segmentation model from learning.

    Args:
        model: a compiled `keras.Model`, trained or not, of one image input (batch, row, col, channel) and one output:
            logits or probabilities (batch, row, col, class) or (batch, pixel, class). One channel means two classes.
        batch: (images, labels) or (images, labels, sample_weight), or a `tf.data.Dataset`, `keras.utils.PyDataset` or
            iterator of such. Labels are whole numbers (batch, row, col), or one-hot (batch, row, col, class): one class
            per pixel. What is read from an iterator is gone from it; a shuffled pipeline goes on to its next order.
        class_names: the classes in the order of their labels, to be compared with the network's outputs.
        steps: how many training steps are planned, to tell what will not settle in time.
        void: the label that means "no class", unless the loss has an `ignore_class` of its own.
        seconds: for everything together, roughly. Of a slow model fewer images and steps are tried.

    Returns:
        A list of `Problem`, the most fundamental first; empty if nothing was found. What it cannot work with, such as
        an empty data set, is a problem too: nothing is raised. Weights, statistics of batch normalisation, optimizer,
        scores and random states are then as they were.
    """
    report = _Report(void)
    case = _Case(model, batch, class_names, steps, void, time.perf_counter() + seconds)
    with _Unchanged(model) as case.unchanged:
        for check in _CHECKS:
            try:
                check(case, report)
            except _Stop:
                break
            except Exception as error:  # a kind of model, loss or data that nobody thought of
                name, symptom = check.__name__[1:].replace("_", " "), f"It could not be measured: {_short(error)}."
                if check in _NEEDED:
                    report.problem(name, "unforeseen", symptom)
                    break
                report.note(name, symptom)
    n = len(report.problems)
    print("No problem found." if not n else f"{n} problem{'s' * (n > 1)}; begin with the first.")
    return report.problems


# What can be wrong: the likely cause, and the cure. {void}, {n} (the number of classes) and others are filled in.
_KNOWN = {
    "not a model": (
        "Another object was passed.",
        "preflight(model, batch): the compiled model first, then images and labels.",
    ),
    "other backend": (
        "preflight takes its gradients with TensorFlow.",
        "Run it with KERAS_BACKEND=tensorflow: what it finds holds for the other backends.",
    ),
    "not compiled": (
        "compile was not called, or without a loss.",
        "Call model.compile(optimizer, loss, ...) as for training, then preflight(model, batch).",
    ),
    "unforeseen": (
        "A kind of model, loss or data that preflight was not made for; or training will stop at the same place.",
        "Try by hand: model.compute_loss(images, labels, model(images)), with one batch.",
    ),
    "several outputs": (
        "preflight examines one image input and one output.",
        "Make a keras.Model of that output, compile it with its loss, and examine it.",
    ),
    "other size": (
        "It was built for {built_for}.",
        "Resize the images to what the model takes, or build it for these.",
    ),
    "does not run": (
        "Something within the model does not fit these images: their size, or their type (whole numbers).",
        'model(images[:1]) shows the place; images.astype("float32") if it is the type.',
    ),
    "diverged": (
        "Training has already diverged: a rate too high, NaN in the data, log(0) or 0/0 in the loss.",
        "Build the model anew, and run preflight on that.",
    ),
    "no labels": (
        "The labels were left out, packed in another way, or are file names that were not read yet.",
        "preflight(model, (images, labels)) or a data set of such pairs; images are (batch, row, col, channel).",
    ),
    "unreadable": (
        "The pipeline itself fails, or is no data set.",
        "Run next(iter(dataset)), and mend what it says.",
    ),
    "empty": (
        "A wrong path or pattern, a filter that drops everything, take(0), or an iterator read to its end.",
        "Look before batching: len(files), next(iter(dataset)).",
    ),
    "no batch axis": (
        "A single image, or a data set that is not batched yet.",
        "dataset.batch(8), or images[None] and labels[None].",
    ),
    "unpaired": (
        "Two lists that were filtered or batched apart.",
        "Pair each image with its label by name, before anything else is done to them.",
    ),
    "NaN in the data": (
        "A division by zero (a constant image minus its mean, over its deviation 0), a damaged file, or float16 that "
        "overflowed.",
        "Find them with np.isfinite({what}), and mend the step that makes them.",
    ),
    "blank images": (
        "Images that were not read, or were rounded to 0: whole numbers divided by 255 and cast back.",
        "Look at one: plt.imshow(images[0]).",
    ),
    "other pixels": (
        "The network's output and the labels cover different pixels.",
        "Resize the labels to the output (nearest pixel), or the output to the labels (bilinear).",
    ),
    "classifier": (
        "The network gives one answer per image: its head classifies, it does not segment.",
        "End with a 1x1 convolution on the map: no pooling, flattening or Dense over all pixels.",
    ),
    "class axis first, output": (
        "The output has its class axis first.",
        "keras.layers.Permute((2, 3, 1)): permute, not reshape.",
    ),
    "class axis first, labels": (
        "One-hot labels with their class axis first.",
        "np.moveaxis(labels, 1, -1): permute, not reshape.",
    ),
    "other number of classes": (
        "The labels' classes and the network's outputs are not equally many.",
        "As many outputs as classes (one output is two classes); void is not one of them.",
    ),
    "list and map": (
        "The output is a list of pixels, the labels are a map.",
        "labels.reshape(len(labels), -1)",
    ),
    "picture of a mask": (
        "Masks saved as pictures, white for the object: 255 is a brightness, not a class.",
        "labels = labels > 127",
    ),
    "interpolated": (
        "Label maps that were resized, rotated or augmented with bilinear interpolation: a mean of class numbers, or "
        "of a class and void, is no class.",
        'Interpolate labels by the nearest pixel: method="nearest".',
    ),
    "rounded": (
        "Label maps that were resized or rotated with bilinear interpolation, and rounded: halfway between classes 0 "
        "and 2 lies 1, which is not there. (If your classes are layers that lie in this order, all is well.)",
        'Interpolate labels by the nearest pixel: method="nearest".',
    ),
    "from 1": (
        "Labels off by one: they count from 1 to {n}, and 0 probably means unlabelled.",
        "labels - 1; and where the file says 0, the void label {void}.",
    ),
    "void as -1": (
        "Void as -1 (0 - 1, of labels that count from 1). to_categorical makes it the last class.",
        "np.where(labels < 0, {void}, labels), before anything else is done to them.",
    ),
    "no class": (
        "Values that are no class, or another number than {void} for void.",
        "Map them to 0, 1, ... C - 1, or tell which is void: void= here, ignore_class= in the loss.",
    ),
    "one label": (
        "Label files that were not read, were divided by 255, or belong to other images; or a batch without objects.",
        "np.unique(labels) of some files, and one beside its image.",
    ),
    "void as a class": (
        "Void is trained as a class of its own; 0 often means unlabelled in the files, and then every other label is "
        "off by one. (If it is a border that you want to find, all is well.)",
        "labels - 1, {void} for void, one output fewer, and a loss that leaves void out.",
    ),
    "labels turned": (
        "Images and labels have different axes: labels should be {how}.",
        "Read both in one order (column-major files, as of MATLAB, need labels.T); flip or turn both or none.",
    ),
    "not finite": (
        "Numbers too large for the precision, or a division by zero in a layer.",
        "Scale the images, compute in float32, and look at that layer.",
    ),
    "softmax of softmax": (
        "Double softmax: two of them in the model.",
        "Take one out.",
    ),
    "double softmax": (
        "Double softmax: one in the model, one in the loss (from_logits=True). Keras corrects that only where softmax "
        "is the very last layer.",
        "No softmax in the model; or from_logits=False. Not both.",
    ),
    "no softmax": (
        "No softmax at the end of the model, and a loss with from_logits=False, which is Keras' default.",
        "from_logits=True in the loss; or a softmax at the end of the model. Not both.",
    ),
    "loss of void": (
        "Void pixels are trained as if they had a class, or {void} enters a product.",
        "ignore_class={void}, or helpers.losses; in a loss of your own, multiply by (labels != {void}).",
    ),
    "loss knows no void": (
        "Label {void} is taken for a class: an error on a CPU, NaN on a GPU.",
        "ignore_class={void} in the loss, or helpers.losses.",
    ),
    "loss of another form": (
        "Labels are {kind}, and the loss wants the other form; sample weights of another shape; or 0/0 or log(0).",
        "Sparse... losses take whole numbers; Categorical... and keras.losses.Dice take one-hot.",
    ),
    "0/0": (
        "0/0 or log(0): a class that is neither in the labels nor predicted leaves nothing below the line.",
        "Average over the classes present, smooth, and take the log of softmax from logits.",
    ),
    "void picture": (
        "0/0: it divides by the number of labelled pixels, picture for picture, and in a picture of nothing but void "
        "that is 0. One NaN makes every weight NaN.",
        "Divide by ops.maximum(count, 1), or leave such pictures out (SiftFlow has two).",
    ),
    "wrong way round": (
        "A sign, a score in place of 1 - score, or one-hot labels where whole numbers are wanted, or the reverse.",
        "Try the loss by hand on four pixels.",
    ),
    "absent classes": (
        "{absent} of {n} classes are not in this batch; a loss that counts each of them as missed cannot be 0.",
        "Average over the classes present in the batch.",
    ),
    "rare class": (
        "This Dice ignores rare classes: it adds up all classes at once (axis=None in keras.losses.Dice), and so is "
        "1 - mean p.",
        "A Dice per class, averaged over the classes present: helpers.losses.Dice().",
    ),
    "metric stops": (
        "It does not know the void label, or wants labels of another form (one-hot or whole numbers).",
        "helpers.metrics.Scores; or ignore_class and the right sparse_ flags.",
    ),
    "accuracy of void": (
        "This accuracy counts void pixels, for which no answer is right.",
        "A score that leaves them out: helpers.metrics.Scores.",
    ),
    "metric of another form": (
        "It was made for labels or outputs of another form: one-hot or whole numbers, logits or probabilities.",
        "Set its flags (sparse_y_true, sparse_y_pred); or helpers.metrics.Scores.",
    ),
    "sure and wrong": (
        "It is sure, and wrong, before it has learned these classes: weights or inputs too large, no normalisation; "
        "or, for a trained network, labels in another order than it was trained on.",
        "Images of about -1 to 1, he_normal, normalisation; for a trained network compare the lists of classes.",
    ),
    "other input range": (
        "The network was trained on another range of inputs.",
        "Scale the images as its training did: {how}.",
    ),
    "scaled twice": (
        "The images are scaled twice, by you and inside the model.",
        "Give it the range it expects: a model that scales by itself takes 0 to 255.",
    ),
    "unscaled": (
        "The input range: the network is made for about -1 to 1, and nothing scales the images.",
        "keras.layers.Rescaling(1 / 127.5, offset=-1) as its first layer.",
    ),
    "frozen without statistics": (
        "Frozen batch normalisation (trainable=False means inference mode) that has never seen data, or lost its "
        "statistics when weights were copied: it does not normalise.",
        "Load the moving mean and variance too; or keep these layers trainable until they have settled, then freeze.",
    ),
    "frozen on other images": (
        "Frozen batch normalisation that remembers other images, or another preprocessing, than these.",
        "Prepare the images as its training did; or keep these layers trainable.",
    ),
    "statistics lag": (
        "The moving statistics lag behind: momentum {momentum:g} takes {settles} steps to settle. So training "
        "improves, and validation stays bad.",
        "momentum=0.9 on a short run, or more steps.",
    ),
    "all frozen": (
        "Every layer is frozen: trainable=False.",
        "trainable = True for the layers that should learn; then compile again.",
    ),
    "no gradient": (
        "The loss does not follow the weights smoothly (argmax, round, a comparison), the graph is cut (NumPy, "
        "stop_gradient), or the last layer is always 0 (a dead ReLU).",
        "A loss of logits or probabilities, in keras.ops from end to end; a last layer without ReLU.",
    ),
    "dead layers": (
        "Units that are always 0 (dead ReLU), or layers that do not lead to the output.",
        "A lower rate, he_normal and normalisation; or leave these layers out.",
    ),
    "exploding gradient": (
        "Inputs or weights too large, and no normalisation.",
        "Scale the images, normalise, clipnorm=1.0.",
    ),
    "scrambled": (
        "The output's pixels are not the image's: {how}.",
        "Reshape only joins or splits neighbouring axes, in their order; exchanging axes is Permute. Logits (row, col, "
        "class) become a list by Reshape((row * col, class)).",
    ),
    "collapse": (
        "Collapse into one class: a loss that rewards the majority, a step that was too wild, labels or void that pull "
        "everything to it, or nothing but the bias learns.",
        "What else is found here; then a lower rate, class weights or a Dice per class.",
    ),
    "other labels fit": (
        "The network learned from labels in another order: axes exchanged, or class numbers off by one.",
        "Bring these labels into the form of its training; look at one beside its image.",
    ),
    "learns nothing": (
        "What it learns from does not tell it the labels: features that are constant, frozen or dead, images paired "
        "with other images' labels, or a network too small.",
        "Look at image and label side by side; unfreeze; try the same data on a network that is known to work.",
    ),
    "small steps": (
        "The optimizer's steps are too small: rate {rate:.3g} is far too low for {optimizer}.",
        "Adam 1e-3; Adadelta needs a rate near 1.0, as in its paper.",
    ),
    "large steps": (
        "The optimizer's steps are too large: rate {rate:.3g}.",
        "A tenth of it, and again, until the loss falls.",
    ),
}


class _Stop(Exception):
    """What follows would have no meaning."""


class _Report:
    """Prints each finding as soon as there is one, and collects the problems."""

    def __init__(self, void):
        self.problems, self.details = [], {"void": void, "n": "C"}

    def fine(self, check, measured):
        self._print(check, "ok", measured)

    def note(self, check, measured):
        self._print(check, "-", measured)

    def problem(self, check, known, symptom, **details):
        """`known` is a key of `_KNOWN`; `details` fill its gaps."""
        cause, cure = (text.format(**{**self.details, **details}) for text in _KNOWN[known])
        self.problems.append(Problem(check, symptom, cause, cure))
        for verdict, text in (("PROBLEM", symptom), ("cause:", cause), ("cure:", cure)):
            self._print(check if verdict == "PROBLEM" else "", verdict, text)

    def stop(self, *args, **details):
        self.problem(*args, **details)
        raise _Stop

    def found(self, *checks):
        return any(problem.check in checks for problem in self.problems)

    def _print(self, check, verdict, text):
        print(textwrap.fill(text, 110, initial_indent=f"{check:13}{verdict:9}", subsequent_indent=" " * 22))


class _Case:
    """The model, a few images and labels, and what the checks have found out.

    Set by the checks, in this order:
        read: [(images, labels, weights or None)] as given. x, y, weight: the first images of the first batch.
        output: of the network as it is, in inference mode, float32. shape: its shape, (image, row, col, class).
        n: how many classes. hot: whether labels are one-hot.
        maps: int (image, row, col), all labels that were read, -1 where void. labels: the same for `x` only.
        gives, wants: "logits" or "probabilities": what the network gives, and what the loss wants.
        perfect, wrong, undecided, constant: the loss of such answers; see `_loss`.
        start: the loss of the network as it is, in training mode. wild: whether that is far too high.
        norms: a `_Memory` for each layer of batch normalisation.
        gradients: a function of nothing -> loss, gradients. best: the `_Steps` that got furthest with Adam.
    """

    def __init__(self, model, batch, class_names, steps, void, end):
        self.model, self.batch, self.steps = model, batch, steps
        self.class_names = None if class_names is None else list(class_names)
        self.void, self.end = void, end

    def loss(self, prediction):
        """What the compiled loss says of a prediction for `x`, without penalties on weights: float."""
        penalties = sum(float(ops.sum(penalty)) for penalty in self.model.losses)
        prediction = ops.convert_to_tensor(prediction)
        return float(self.model.compute_loss(self.x, self.y, prediction, self.weight)) - penalties

    def answer(self, classes, form, sure=30.0):
        """The prediction that is certain of these classes, of the output's shape, as logits or probabilities."""
        p = np.eye(self.n, dtype="float32")[classes]
        p = (p[..., 1:] if self.shape[-1] == 1 else p).reshape(self.shape)
        return sure * (2 * p - 1) if form == "logits" else p

    def everywhere(self, shares, form):
        """The prediction that gives every pixel probabilities in these proportions (class,)."""
        p = np.clip(np.asarray(shares, "float32") / np.sum(shares), 1e-6, 1)
        if self.shape[-1] == 1:
            p = np.log(p[1:] / p[:1]) if form == "logits" else p[1:]
        else:
            p = np.log(p) if form == "logits" else p
        return np.broadcast_to(p, self.shape).astype("float32")

    def probabilities(self, output):
        """An output as probabilities: float64 (image, row, col, class)."""
        p = output.astype("float64")
        if p.shape[-1] == 1:
            p = 1 / (1 + np.exp(-p)) if self.gives == "logits" else p
            p = np.concatenate([1 - p, p], axis=-1)
        elif self.gives == "logits":
            p = np.exp(p - p.max(axis=-1, keepdims=True))
        return (p / p.sum(axis=-1, keepdims=True)).reshape(*self.labels.shape, self.n)

    def filled(self, c=0):
        """The labels, with class c where they are void."""
        return np.where(self.labels < 0, c, self.labels)

    def name(self, c):
        return f"{c} {self.class_names[c]}" if self.class_names and c < len(self.class_names) else f"{c}"


# ---- to leave no trace --------------------------------------------------------------------------------------------


class _Unchanged:
    """A context after which the model, its optimizer, its scores and the random states are as before it."""

    def __init__(self, model):
        self.model, self.before = model if isinstance(model, keras.Model) else None, {}

    def __enter__(self):
        self._put_back = _random_states()
        self.remember()
        return self

    def remember(self):
        """Saves the variables that have come into being since."""
        if self.model is not None:
            optimizer = getattr(self.model, "optimizer", None)
            optimizers = optimizer.variables if optimizer else []
            for variable in [*self.model.variables, *self.model.metrics_variables, *optimizers]:
                self.before.setdefault(id(variable), (variable, np.array(variable.numpy())))

    def restore(self):
        for variable, value in self.before.values():
            variable.assign(value)

    def __exit__(self, *_):
        for metric in self.model.metrics if self.model is not None else []:
            with contextlib.suppress(Exception):
                metric.reset_state()  # those that were built only now
        self.restore()
        self._put_back()


def _random_states():
    """Saves the states of Python's, NumPy's, Keras' and TensorFlow's random numbers; returns what puts them back."""
    python, numpy_ = random.getstate(), np.random.get_state()  # noqa: NPY002 (that of others is what matters)
    seeds = keras.src.random.seed_generator  # Keras has no public name for the generator behind its unseeded layers
    generator = seeds.global_state.get_global_attribute(seeds.GLOBAL_SEED_GENERATOR)
    state = None if generator is None else np.array(generator.state.numpy())
    eager = numbers = None
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.eager import context

        eager = context.context()
        numbers = getattr(eager, "_rng", None)  # once tf.random.set_seed was called, it seeds each operation
        if numbers is not None:  # other seeds meanwhile: TensorFlow keeps a state for each seed that was used
            eager._rng = random.Random("preflight")

    def put_back():
        random.setstate(python)
        np.random.set_state(numpy_)  # noqa: NPY002
        seeds.global_state.set_global_attribute(seeds.GLOBAL_SEED_GENERATOR, generator)
        if generator is not None:
            generator.state.assign(state)
        if numbers is not None:
            eager._rng = numbers

    return put_back


@contextlib.contextmanager
def _watch(see):
    """Within it, `see(operation, its first input, its output)` is called after every layer that is run eagerly."""
    call = keras.Operation.__call__

    @functools.wraps(call)
    def watched(self, *args, **kwargs):
        output = call(self, *args, **kwargs)
        if args and ops.is_tensor(args[0]) and ops.is_tensor(output):
            see(self, args[0], output)
        return output

    keras.Operation.__call__ = watched
    try:
        yield
    finally:
        keras.Operation.__call__ = call


def _array(tensor):
    return np.array(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def _short(error):
    """The first telling line of an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Exception encountered when calling")] or lines
    text = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(lines[:2])).split("}} ")[-1].split(" [Op")[0].rstrip(".")
    return f"{type(error).__name__}: {text[:200]}"


# ---- can it be examined? ------------------------------------------------------------------------------------------


def _model(case, report):
    model = case.model
    if not isinstance(model, keras.Model):
        report.stop("model", "not a model", f"This is {type(model).__name__}, not a keras.Model.")
    if keras.backend.backend() != "tensorflow":
        report.stop("model", "other backend", f"The backend of Keras is {keras.backend.backend()}.")
    if not getattr(model, "compiled", False) or not getattr(model, "loss", None) or not model.optimizer:
        report.stop("model", "not compiled", "The model is not compiled: it has no loss, or no optimizer, to examine.")


def _data(case, report):
    case.read = _read(case.batch, report)
    x, y, weight = case.read[0]
    for number, batch in enumerate(case.read, start=1):
        for what, array in zip(("images", "labels"), batch, strict=False):
            bad = ~np.isfinite(array)
            if bad.any():
                where = ", ".join(map(str, np.unique(np.nonzero(bad)[0])[:5]))
                symptom = f"{bad.sum()} values of the {what} are NaN or infinite (batch {number}, number {where})."
                report.stop("data", "NaN in the data", symptom, what=what)
    if x.min() == x.max():
        report.stop("data", "blank images", f"Every value of the images is {x.min():g}.")
    batches = f"{len(case.read)} batch{'es' * (len(case.read) > 1)}"
    images = f"images {x.shape} {x.dtype}, {x.min():.3g} to {x.max():.3g}, mean {x.mean():.3g}"
    report.fine("data", f"{batches} read; {images}; labels {y.shape} {y.dtype}.")
    case.x, case.y, case.weight = (None if part is None else part[:_IMAGES] for part in (x, y, weight))


def _read(batch, report):
    """Up to `_BATCHES` batches as arrays: [(images, labels, weights or None)]."""
    if isinstance(batch, (tuple, list)) and len(batch) in (2, 3) and not isinstance(batch[0], (tuple, list)):
        source = [batch]
    elif batch is None or isinstance(batch, (tuple, list, dict, str)) or hasattr(batch, "shape"):
        lone = hasattr(batch, "shape") or (isinstance(batch, (tuple, list)) and len(batch) == 1)
        what = "images without labels" if lone else f"of type {type(batch).__name__}, not images and labels"
        report.stop("data", "no labels", f"The batch is {what}.")
    elif isinstance(batch, keras.utils.PyDataset):
        source = map(batch.__getitem__, range(_BATCHES))
    else:
        source = batch.take(_BATCHES) if hasattr(batch, "take") else batch
    read, start = [], time.perf_counter()
    try:
        for item in source:
            parts = item if isinstance(item, (tuple, list)) and len(item) in (2, 3) else (item, None)
            read.append((*(None if part is None else np.asarray(part) for part in parts), None)[:3])
            whole = isinstance(batch, keras.utils.PyDataset) and len(read) == len(batch)
            if whole or len(read) == _BATCHES or time.perf_counter() - start > 5:
                break
    except Exception as error:
        report.stop("data", "unreadable", f"The data set cannot be read: {_short(error)}.")
    if not read or np.size(read[0][0]) == 0:
        report.stop("data", "empty", "The data set is empty: it holds no image.")
    for x, y, _ in read:
        if y is None or y.dtype.kind not in "biuf" or x.dtype.kind not in "biuf":
            report.stop("data", "no labels", "The labels are missing, or images or labels are not numbers.")
        if x.ndim == 3 and y.shape[:3] == x.shape:
            continue  # grey images: Keras adds the channel
        if x.ndim != 4:
            symptom = f"The images are {x.shape}, not (batch, row, col, channel)."
            report.stop("data", "no batch axis" if x.ndim == 3 else "no labels", symptom)
        if len(x) != len(y):
            report.stop("data", "unpaired", f"{len(x)} images, but {len(y)} labels.")
    first = [part.shape[1:] for part in read[0][:2]]
    read = [batch for batch in read if [part.shape[1:] for part in batch[:2]] == first]
    while sum(labels.size for _, labels, _ in read) > 16e6 and len(read) > 1:
        read.pop()
    return [(x if x.ndim == 4 else x[..., None], y, weight) for x, y, weight in read]


def _forward(case, report):
    model = case.model
    try:
        model(case.x[:1], training=False)  # builds what is not built
        case.unchanged.remember()
        start = time.perf_counter()
        output = model(case.x, training=False)
        took = time.perf_counter() - start
    except Exception as error:
        shape, own = getattr(model, "input_shape", None), case.x.shape[1:]
        other = isinstance(shape, tuple) and any(a not in (None, b) for a, b in zip(shape[1:], own, strict=False))
        symptom = f"The model does not take images {own} {case.x.dtype}: {_short(error)}."
        report.stop("model", "other size" if other else "does not run", symptom, built_for=shape and shape[1:])
    if not ops.is_tensor(output):
        report.stop("model", "several outputs", "The model gives several outputs.")
    for variable in model.variables:
        if not np.isfinite(_array(variable)).all():
            report.stop("model", "diverged", f"The weights {variable.path} are NaN or infinite.")
    images = len(case.x)
    images = int(np.clip(images * 0.2 / took, min(2, images), images))  # so that a step takes about half a second
    case.x, case.y = case.x[:images], case.y[:images]
    case.weight = None if case.weight is None else case.weight[:images]
    case.output = _array(output)[:images]
    case.shape = case.output.shape


def _shapes(case, report):
    """Which pixel of the labels belongs to which of the output?"""
    shape, given = case.shape, case.y.shape
    case.n = report.details["n"] = max(2, shape[-1])
    case.hot = given == shape and shape[-1] > 1
    if len(shape) in (3, 4) and (case.hot or given in (shape[:-1], (*shape[:-1], 1))):
        kind = "one-hot" if case.hot else "whole numbers"
        report.fine("shapes", f"Output {shape}, labels {given}: {case.n} classes, {kind}.")
        return
    if len(shape) < 3 or (len(shape) == 4 and shape[1:3] == (1, 1) != case.x.shape[1:3]):
        known = "classifier"
    elif given in ((shape[0], *shape[2:]), (shape[0], *shape[2:], shape[1])):
        known = "class axis first, output"
    elif len(given) == 4 == len(shape) and given == (shape[0], shape[3], *shape[1:3]):
        known = "class axis first, labels"
    elif len(given) == len(shape) and given[:-1] == shape[:-1]:
        known = "other number of classes"
    elif len(shape) == 3 and given[:3] == (shape[0], *case.x.shape[1:3]):
        known = "list and map"
    else:
        known = "other pixels"
    report.stop("shapes", known, f"Output {shape}, labels {given}; wanted: labels {shape[:-1]}, or one-hot {shape}.")


# ---- the labels ---------------------------------------------------------------------------------------------------


def _labels(case, report):
    ignored = _config(case.model).get("ignore_class")
    case.void = report.details["void"] = case.void if ignored is None else ignored
    every = np.concatenate([labels for _, labels, _ in case.read])
    if case.shape[-1] == 1 and set(np.unique(every)) == {0, case.void}:
        report.stop("labels", "picture of a mask", f"The labels are 0 and {case.void}, for one output per pixel.")
    case.maps, fractions, others = _classes(case, every)
    case.labels = case.maps[: len(case.y)]
    if fractions.size:
        share = fractions.size / case.maps.size
        symptom = f"{share:.1%} of the labels are fractions, such as {fractions[0]:g}."
        report.problem("labels", "interpolated", symptom)
    if others.size:
        values = np.unique(others)
        blended = len(values) > 2 and values.max() < case.void
        known = "interpolated" if blended else "no class"
        known = "from 1" if (values == case.n).all() else "void as -1" if (values == -1).all() else known
        some = ", ".join(f"{value:g}" for value in values[:5]) + ", ..." * (len(values) > 5)
        share = others.size / case.maps.size
        symptom = f"{share:.1%} of the labels are neither 0 to {case.n - 1} nor void ({case.void}): {some}."
        report.problem("labels", known, symptom)
    if report.found("labels"):
        raise _Stop
    shares = np.bincount(case.maps[case.maps >= 0], minlength=case.n) / case.maps.size
    if (shares > 0).sum() < 2 or (case.labels < 0).all():
        only = "void" if (case.labels < 0).all() else f"class {case.name(shares.argmax())}, or void"
        report.stop("labels", "one label", f"Every label is {only}.")
    if case.class_names and len(case.class_names) != case.n:
        one_more = case.n == len(case.class_names) + 1 and case.shape[-1] > 1
        known = "void as a class" if one_more else "other number of classes"
        report.problem("labels", known, f"{len(case.class_names)} class names, and {case.n} outputs per pixel.")
    if case.maps.ndim == 3:
        _rounded(case, report)
        _seams(case, report, shares)
    if not report.found("labels"):
        order = [c for c in np.argsort(-shares, kind="stable") if shares[c]]
        most = ", ".join(f"{case.name(c)}: {shares[c]:.1%}" for c in order[:4]) + ", ..." * (len(order) > 4)
        report.fine("labels", f"Void {np.mean(case.maps < 0):.1%}; {most}; {len(order)} of {case.n} classes occur.")


def _classes(case, given):
    """Labels as given -> int (image, row, col), -1 for void; and the values that are fractions, or no class."""
    values = np.asarray(given, "float64")
    if case.hot:
        if np.ptp(values.max(axis=-1)) < 1e-6 and values.max() < 1 and np.abs(values.sum(axis=-1) - 1).max() < 1e-4:
            values = np.round(values / values.max())  # label smoothing
        void = (values == case.void).any(axis=-1) | (values == 0).all(axis=-1)
        between = (values != np.floor(values)).any(axis=-1) & ~void
        other = ((values.sum(axis=-1) != 1) | (values.max(axis=-1) != 1)) & ~between & ~void
        fractions, others, classes = values[between].max(axis=-1), values[other].max(axis=-1), values.argmax(axis=-1)
    else:
        values = values.reshape(values.shape[: len(case.shape) - 1])
        void = values == case.void
        between = values != np.floor(values)
        other = ((values < 0) | (values >= case.n)) & ~void & ~between
        fractions, others, classes = values[between], values[other], values
    classes = np.where(void | between | other, -1, classes).astype("int32")
    rows, cols = case.x.shape[1:3]
    if classes.ndim == 2 and classes.shape[1] == rows * cols:
        classes = classes.reshape(-1, rows, cols)
    return classes, fractions, others


def _rounded(case, report):
    """Interpolated and rounded, a border between classes 0 and 2 becomes a seam of class 1, some pixels wide."""
    inside, seams, changes, classes = 0, 0, 0, set()
    for maps in (case.maps, case.maps.transpose(0, 2, 1)):
        changes += (maps[..., 1:] != maps[..., :-1]).sum()
        for width in range(1, 5):
            a, c, seam = maps[..., : -width - 1], maps[..., width + 1 :], maps[..., 1:-width]
            alike = np.stack([maps[..., 1 + i : maps.shape[-1] - width + i] == seam for i in range(width)]).all(axis=0)
            whole = alike & (a != seam) & (seam != c) & (a != c) & (np.minimum(np.minimum(a, seam), c) >= 0)
            between = whole & (np.minimum(a, c) < seam) & (seam < np.maximum(a, c))
            inside, seams, classes = inside + between.sum(), seams + whole.sum(), classes | set(seam[between])
    if inside >= 20 and inside > 0.8 * seams and inside > 0.02 * changes and len(classes) > 1:
        symptom = f"Of {seams} thin seams between two classes, {inside} have a number between theirs."
        report.problem("labels", "rounded", symptom)


def _seams(case, report, shares):
    """One class that is little but thin seams around all the others, in nearly every image, is void."""
    labels, present = case.maps, (shares > 0).sum()
    if (labels < 0).any() or present < 4 or report.found("labels"):
        return
    thin, seams = {}, []
    for c in np.flatnonzero(shares > 0.01):
        here = labels == c
        inner = here[:, 1:-1, 1:-1] & here[:, :-2, 1:-1] & here[:, 2:, 1:-1] & here[:, 1:-1, :-2] & here[:, 1:-1, 2:]
        thin[c] = 1 - inner.sum() / max(1, here[:, 1:-1, 1:-1].sum())
        beside = [labels[:, :, 1:][here[:, :, :-1]], labels[:, 1:][here[:, :-1]]]
        touched = len(np.unique(np.concatenate(beside))) - 1
        if thin[c] > 0.6 and here.any(axis=(1, 2)).mean() > 0.7 and touched >= 0.75 * (present - 1):
            seams.append(c)
    if len(seams) == 1 and np.median([share for c, share in thin.items() if c != seams[0]]) < 0.4:
        symptom = (
            f"Class {case.name(seams[0])} is in nearly every image, in thin seams around the others "
            f"({thin[seams[0]]:.0%} of its pixels touch another class), and no pixel is void ({case.void})."
        )
        report.problem("labels", "void as a class", symptom)


def _alignment(case, report):
    """Do labels change where images change, or would they if they were turned?"""
    if case.maps.ndim != 3 or case.maps.shape[1:] != case.x.shape[1:3]:
        return
    grey = np.concatenate([images for images, _, _ in case.read]).astype("float32").mean(axis=-1)

    def contrast(labels):
        """The images' mean change across the labels' borders, over that everywhere."""
        steps = [(np.abs(np.diff(grey, axis=axis)), np.diff(labels, axis=axis) != 0) for axis in (1, 2)]
        across = np.concatenate([change[border] for change, border in steps])
        return across.mean() / (np.concatenate([change.ravel() for change, _ in steps]).mean() + 1e-12)

    contrasts = {how: contrast(labels) for how, labels in _turned(case.maps).items()}
    how, given = max(contrasts, key=contrasts.get), contrasts[_GIVEN]
    said = f"Across the labels' borders the images change {given:.2f} times as much as on average"
    if contrasts[how] > max(1.5, (1.25 if len(grey) > 2 else 1.5) * given):
        symptom = f"{said}; with labels {how} it is {contrasts[how]:.2f} times."
        report.problem("alignment", "labels turned", symptom, how=how)
    else:
        report.fine("alignment", f"{said}.")


_GIVEN = "as they are"


def _turned(maps):
    """Maps (image, row, col), and what they become when they get turned by mistake: {how: maps}."""
    turned = {
        _GIVEN: maps,
        "upside down": maps[:, ::-1],
        "mirrored": maps[:, :, ::-1],
        "turned by 180 degrees": maps[:, ::-1, ::-1],
    }
    if maps.shape[1] == maps.shape[2]:
        turned["transposed, rows for columns"] = maps.swapaxes(1, 2)
        turned["turned by 90 degrees"] = maps.swapaxes(1, 2)[:, ::-1]
        turned["turned by 270 degrees"] = maps.swapaxes(1, 2)[:, :, ::-1]
    return turned


# ---- what the network gives, and what loss and scores make of it ---------------------------------------------------


def _output(case, report):
    output, broken, twice = case.output, [], []

    def see(operation, given, result):
        if not broken and not np.isfinite(_array(result)).all():
            broken.append(operation.name)
        softmax = getattr(operation, "activation", None) is keras.activations.softmax
        softmax |= type(operation).__name__ == "Softmax"  # the layer, or the operation behind keras.ops.softmax
        if softmax and given.shape[-1] == case.shape[-1] > 1 and _sums_to_one(_array(given)):
            twice.append(operation.name)

    with _watch(see):
        case.model(case.x[:1], training=False)
    if not np.isfinite(output).all():
        first = f", first in {broken[0]}" if broken else ""
        report.stop("output", "not finite", f"The network gives NaN or infinity{first}.")
    unit = output.min() >= 0 and 0 < output.max() <= 1  # sigmoids
    case.gives = "probabilities" if unit or (output.shape[-1] > 1 and _sums_to_one(output)) else "logits"
    if twice:
        most = np.e / (np.e + case.n - 1)
        symptom = f"{twice[0]} takes the softmax of probabilities: no class can get more than {most:.2f}."
        report.problem("output", "softmax of softmax", symptom)


def _sums_to_one(values):
    return values.min() >= -1e-5 and np.abs(values.sum(axis=-1) - 1).max() < 0.02


def _loss(case, report):
    """What does the loss say to a perfect, an undecided, a constant and a wrong answer?"""
    _is_a_number(case, report)
    case.wants = form = _wanted(case)
    void = case.labels < 0
    present, counts = np.unique(case.labels[~void], return_counts=True)
    other = np.arange(case.n)
    other[present] = np.roll(present, 1) if len(present) > 1 else (present + 1) % case.n
    right = case.answer(case.filled(), form, 1.0)
    sures = (30.0, 10.0, 4.0, 2.0) if form == "logits" else (1.0, 0.97, 0.9)  # smoothed labels punish being too sure
    perfect = [case.loss(sure * right + (0 if form == "logits" else (1 - sure) / case.n)) for sure in sures]
    case.perfect = min(perfect) if np.isfinite(perfect).all() else np.nan
    case.wrong = case.loss(case.answer(other[case.filled(present[0])], form))
    case.undecided = case.loss(case.everywhere(np.ones(case.n), form))
    case.constant = case.loss(case.everywhere(np.bincount(case.labels[~void], minlength=case.n), form))
    at_void = abs(case.loss(case.answer(case.filled(case.n - 1), form)) - case.loss(case.answer(case.filled(), form)))
    share, rarest, most = counts.min() / counts.sum(), present[counts.argmin()], present[counts.argmax()]
    missed = case.loss(case.answer(np.where(case.labels == rarest, most, case.filled()), form)) - case.perfect
    bounded = case.wrong < 1.05 and case.undecided < 1  # Dice and IoU, which are there to count classes, not pixels
    if case.gives != form == "logits":
        reached = case.loss(case.answer(case.filled(), "probabilities"))
        symptom = "The network gives probabilities, and the loss takes them for logits: a perfect answer still costs"
        report.problem("loss", "double softmax", f"{symptom} {reached:.3f}.")
    elif case.gives != form:
        low, high = case.output.min(), case.output.max()
        symptom = f"The network gives logits ({low:.2g} to {high:.2g}), and the loss takes them for probabilities."
        report.problem("loss", "no softmax", symptom)
    elif not np.isfinite([case.perfect, case.wrong]).all():
        symptom = f"Of an answer that is certain the loss is no number: right {case.perfect:g}, wrong {case.wrong:g}."
        report.problem("loss", "0/0", symptom)
    elif case.wrong <= case.perfect:
        symptom = f"The loss prefers a wrong answer ({case.wrong:.3g}) to the right one ({case.perfect:.3g})."
        report.problem("loss", "wrong way round", symptom)
    elif void.any() and len(case.labels) > 1 and not np.isfinite(_with_a_void_picture(case)):
        symptom = "With a picture of nothing but void in the batch, the loss is no number."
        report.problem("loss", "void picture", symptom)
    elif at_void > 1e-3 * case.wrong:
        symptom = f"The loss changes with what is predicted at void pixels, {void.mean():.1%} of all."
        report.problem("loss", "loss of void", symptom)
    elif case.perfect > 0.2 * case.undecided and case.n > len(present):
        symptom = f"Even a perfect answer costs {case.perfect:.3f} (undecided: {case.undecided:.3f})."
        report.problem("loss", "absent classes", symptom, absent=case.n - len(present))
    elif bounded and len(present) > 1 and share < 0.1 and missed < 3 * share * (case.wrong - case.perfect):
        symptom = f"Missing class {case.name(rarest)} altogether costs {missed:.4f}; it is {share:.2%} of the pixels."
        report.problem("loss", "rare class", symptom)
    else:
        said = f"Wants {form}, and gets them; perfect {case.perfect:.3g}, undecided {case.undecided:.3g}."
        report.fine("loss", said + " What stands at void pixels does not matter." * bool(void.any()))


def _with_a_void_picture(case):
    """The loss of the network as it is, were the first picture one that nobody labelled."""
    given, case.y = case.y, np.array(case.y)
    case.y[0] = 0 if case.hot else case.void
    try:
        return case.loss(case.output)
    finally:
        case.y = given


def _is_a_number(case, report):
    """Stops unless the loss is a number for what the network gives now."""
    config, void = _config(case.model), (case.labels < 0).mean()
    if void and not case.hot and "ignore_class" in config and config["ignore_class"] is None:
        value = "ignore_class is None"
    else:
        value = _loss_or_error(case)
        if isinstance(value, float) and np.isfinite(value):
            return
    if void and not case.hot:
        given, case.y = case.y, np.where(case.y == case.void, 0, case.y)
        without = _loss_or_error(case)
        case.y = given
        if isinstance(without, float) and np.isfinite(without):
            symptom = f"{void:.1%} of the labels are void ({case.void}), and the loss does not know it: {value}."
            report.stop("loss", "loss knows no void", symptom)
    symptom = f"For what the network gives, the loss is no number: {value}."
    report.stop("loss", "loss of another form", symptom, kind="one-hot" if case.hot else "whole numbers")


def _loss_or_error(case):
    try:
        return case.loss(case.output)
    except Exception as error:
        return _short(error)


def _wanted(case):
    """Whether the loss takes a prediction for logits or for probabilities."""
    z = np.random.RandomState(0).normal(size=case.shape).astype("float32")
    if case.shape[-1] > 1 and np.isclose(case.loss(z), case.loss(z + 3), rtol=1e-3, atol=1e-6):
        return "logits"  # softmax cannot tell z from z + 3
    p = case.answer(case.filled(), "probabilities")  # and a sigmoid finds logits far from 0 better than 0 and 1
    as_p = min(case.loss(np.clip(p, low, 1 - low)) for low in (0.0, 0.05))
    as_z = min(case.loss(sure * (2 * p - 1)) for sure in (3.0, 10.0))
    return "logits" if -1e-6 <= as_z < 0.7 * as_p - 1e-4 else "probabilities"


def _config(model):
    """The settings of the compiled loss, which is an object, a name or a function, alone or in a list."""
    given = keras.tree.flatten(model.loss)
    try:
        loss = keras.losses.get(given[0])
        if loss is keras.losses.sparse_categorical_crossentropy:
            loss = keras.losses.SparseCategoricalCrossentropy()
        return loss.get_config()
    except (AttributeError, NotImplementedError, ValueError):
        return {}


def _scores(case, report):
    """What do the compiled metrics say to a perfect and to a wrong answer?"""
    said = {}
    answers = {"perfect": case.filled(), "other": case.filled(case.n - 1), "wrong": (case.filled() + 1) % case.n}
    for answer, classes in answers.items():
        prediction = ops.convert_to_tensor(case.answer(classes, case.gives))
        try:
            case.model.reset_metrics()
            said[answer] = dict(_numbers(case.model.compute_metrics(case.x, case.y, prediction, case.weight)))
        except Exception as error:
            report.problem("scores", "metric stops", f"A metric stops: {_short(error)}.")
            return
    names = [name for name in said["perfect"] if name != "loss" and said["perfect"][name] > said["wrong"][name] + 0.05]
    void = (case.labels < 0).mean()
    for name in names:
        perfect, other, wrong = (said[answer][name] for answer in answers)
        said_of_perfect = f"{name} is {perfect:.3f} for a perfect prediction, and"
        if void and (abs(perfect - other) > 1e-3 or perfect < 0.999):
            symptom = f"{said_of_perfect} {other:.3f} with another class at the void pixels, {void:.1%} of all."
            report.problem("scores", "accuracy of void", symptom)
        elif perfect <= 1.001 and (perfect < 0.999 or wrong >= 0.4):
            symptom = f"{said_of_perfect} {wrong:.3f} for one that is wrong at every pixel."
            report.problem("scores", "metric of another form", symptom)
    if not names:
        report.note("scores", "No metric is compiled that tells a perfect answer from a wrong one.")
    elif not report.found("scores"):
        report.fine("scores", f"1 for a perfect answer, low for a wrong one: {', '.join(names)}.")


def _numbers(results):
    """The single numbers among the results of metrics, also those within dictionaries: (name, float)."""
    for name, value in results.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif np.ndim(value) == 0:
            yield name, float(value)


# ---- the network as it is -----------------------------------------------------------------------------------------


def _initial_loss(case, report):
    """In training mode, as the first step will see it."""
    output = case.model(case.x, training=True)
    case.unchanged.restore()
    case.start = case.loss(output)
    log = f" = ln {case.n}" if np.isclose(case.undecided, np.log(case.n), rtol=1e-3) else ""
    said = f"{case.start:.4g}; undecided {case.undecided:.3f}{log}; the same shares at every pixel {case.constant:.3f}."
    case.wild = not case.start <= 2.5 * case.undecided
    if case.wild:
        report.note("initial loss", f"{said} Far too high.")
    else:
        report.fine("initial loss", said)


class _Memory:
    """One layer of batch normalisation: what it remembers, the moving mean and variance, against what it meets.

    Attributes:
        fresh: whether it still has its initial statistics. frozen: whether it is in inference mode for good.
        times: how many times as spread the values are that it meets; away: how many deviations their mean is off.
        strange: both in one number, 0 for what it knows.
    """

    def __init__(self, layer, given):
        axes = tuple(axis for axis in range(given.ndim) if axis != layer.axis % given.ndim)
        mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
        deviation = np.sqrt(variance + layer.epsilon)
        self.name, self.momentum, self.frozen = layer.name, layer.momentum, not layer.trainable
        self.fresh = not mean.any() and (variance == 1).all()
        self.times = float(np.median(np.sqrt(given.var(axis=axes) + layer.epsilon) / deviation))
        self.away = float(np.median(np.abs(given.mean(axis=axes) - mean) / deviation))
        self.strange = abs(np.log(self.times)) + min(self.away, 10.0) / 3


def _look(case, x):
    """Runs the network in inference mode: -> the name and the input of its first layer with weights, the `_Memory`s."""
    first, norms = [], []

    def see(operation, given, _):
        if isinstance(operation, keras.layers.BatchNormalization):
            norms.append(_Memory(operation, _array(given)))
        elif not first and any(len(weight.shape) > 1 for weight in getattr(operation, "weights", [])):
            first.append((operation.name, _array(given)))

    with _watch(see):
        case.model(x, training=False)
    return *(first[0] if first else ("the network", _array(x))), norms


def _input_range(case, report):
    """Do the images have the range that the network was made for?"""
    name, given, case.norms = _look(case, case.x)
    images = f"Images of {case.x.min():.3g} to {case.x.max():.3g}"
    size, spread = np.sqrt(np.mean(given**2)), given.std()
    learned = next((i for i, memory in enumerate(case.norms) if not memory.fresh), None)
    if learned is not None and case.norms[learned].strange > 2:
        memory = case.norms[learned]
        tried = {how: _look(case, change(case.x.astype("float32")))[2][learned] for how, change in _SCALES.items()}
        how = min(tried, key=lambda how: tried[how].strange)
        if tried[how].strange < min(1.5, 0.5 * memory.strange):
            met = f"{memory.name} meets values {memory.times:.3g} times as spread as it remembers"
            symptom = f"{images}: {met}; with {how}, {tried[how].times:.2g} times."
            report.problem("input range", "other input range", symptom, how=how)
            return
    if spread < 0.02 * size and case.x.std() > 0.05 * np.abs(case.x).mean():
        symptom = f"{images}: what reaches {name} is about {size:.2g} everywhere, and varies by only {spread:.2g}."
        report.problem("input range", "scaled twice", symptom)
    elif case.wild and size > 10:
        loss = f"the initial loss is {case.start:.3g}; undecided would be {case.undecided:.3f}"
        report.problem("input range", "unscaled", f"{images} reach {name} as values of about {size:.0f}; {loss}.")
    else:
        report.fine("input range", f"{images} reach {name} as values of about {size:.2g}.")


_SCALES = {
    "images / 127.5 - 1": lambda x: x / 127.5 - 1,
    "images / 255": lambda x: x / 255,
    "images * 255": lambda x: x * 255,
    "(images + 1) * 127.5": lambda x: (x + 1) * 127.5,
}


def _batch_norm(case, report):
    norms = case.norms
    if not norms:
        report.note("batch norm", "There is none.")
        return
    slowest = max(memory.momentum for memory in norms)
    settles = int(np.ceil(np.log(0.05) / np.log(slowest))) if slowest > 0 else 1
    lag = {"momentum": slowest, "settles": settles}
    fresh, inference = all(memory.fresh for memory in norms), case.loss(case.output)
    frozen = [memory for memory in norms if memory.frozen]
    unread = [memory for memory in frozen if memory.fresh]
    strange = max(frozen, key=lambda memory: memory.strange, default=None)
    trained = int(_array(case.model.optimizer.iterations))
    settled = not trained or slowest**trained < 0.05
    far = 1.5 * case.start + 0.1 * case.undecided if settled else 1.15 * case.start
    waits = not settled and case.steps is not None and case.steps >= settles
    said = f"Loss {case.start:.3f} by the batch's statistics (training), {inference:.3f} by the moving ones (inference)"
    if unread:
        part = f"{len(unread)} of {len(norms)} layers are frozen with mean 0 and variance 1, their initial values"
        symptom = f"{part}; {unread[-1].name} meets values {unread[-1].times:.3g} times as spread."
        report.problem("batch norm", "frozen without statistics", symptom)
    elif strange and strange.strange > 2 and not report.found("input range"):
        met = f"meets values {strange.times:.3g} times as spread as it remembers, {strange.away:.2g} deviations away"
        report.problem("batch norm", "frozen on other images", f"Frozen {strange.name} {met}.")
    elif not fresh and inference > far and waits:
        report.note("batch norm", f"{said}; not settled yet, after {trained} of {settles} steps.")
    elif not fresh and inference > far and not report.found("input range"):
        report.problem("batch norm", "statistics lag", f"{said}.", **lag)
    elif fresh and case.steps is not None and case.steps < settles:
        symptom = f"Momentum {slowest:g} takes {settles} steps to settle, and {case.steps} are planned."
        report.problem("batch norm", "statistics lag", symptom, **lag)
    else:
        report.fine("batch norm", f"{said}; momentum {slowest:g} settles in {settles} steps.")


def _confidence(case, report):
    """The initial loss is far too high, and nothing above says why."""
    if case.wild and not report.problems:
        symptom = f"The initial loss is {case.start:.3g}, where an undecided network would have {case.undecided:.3f}."
        report.problem("initial loss", "sure and wrong", symptom)


def _gradient(case, report):
    import tensorflow as tf

    model, variables = case.model, case.model.trainable_variables
    if not variables:
        report.stop("gradient", "all frozen", "There is no trainable weight.")
    x, y, weight = (None if part is None else tf.constant(part) for part in (case.x, case.y, case.weight))
    scale = 1024.0 if model.compute_dtype == "float16" else 1.0  # as training does there: small ones would become 0

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.cast(model.compute_loss(x, y, model(x, training=True), weight), "float32")
            scaled = loss * scale
            penalties = sum(tf.cast(tf.reduce_sum(penalty), "float32") for penalty in model.losses)
        slopes = tape.gradient(scaled, [variable.value for variable in variables])
        return loss - penalties, [None if slope is None else tf.convert_to_tensor(slope) / scale for slope in slopes]

    case.gradients = gradients
    slopes = gradients()[1]
    case.unchanged.restore()
    sizes, from_zero = {}, False  # of a kernel's gradient, as a share of the kernel's
    for variable, slope in zip(variables, slopes, strict=True):
        if len(variable.shape) > 1:
            size, length = 0.0 if slope is None else float(tf.norm(slope)), float(np.linalg.norm(_array(variable)))
            from_zero |= length == 0 < size  # on purpose: what lies before it gets a gradient one step later
            sizes[variable.path] = size / length if length else size
    dead = [] if from_zero else [path for path, size in sizes.items() if size == 0]
    wild = [path for path, size in sizes.items() if not size < 1e4]
    frozen = sum(np.prod(v.shape) for v in model.non_trainable_variables if len(v.shape) > 1)
    share = frozen / (frozen + sum(np.prod(v.shape) for v in variables if len(v.shape) > 1) + 1e-12)
    if len(dead) == len(sizes) > 0:
        report.problem("gradient", "no gradient", "No gradient reaches any weight.")
    elif dead:
        symptom = f"No gradient reaches {len(dead)} of {len(sizes)} kernels: {', '.join(dead[:3])}."
        report.problem("gradient", "dead layers", symptom)
    elif wild:
        symptom = f"In {wild[0]} the gradient is {sizes[wild[0]]:.2g} times as large as the weights."
        report.problem("gradient", "exploding gradient", symptom)
    else:
        low, high = (f"{size:.0e}" for size in (min(sizes.values(), default=0), max(sizes.values(), default=0)))
        reached = (
            f"all {len(sizes)} kernels, {low} to {high}" if len(sizes) > 1 else f"the one kernel that learns, {low}"
        )
        part = f" {share:.1%} of the weights are frozen." if frozen else ""
        report.fine("gradient", f"Reaches {reached} of the weights' size.{part}")


def _axes(case, report):
    """Where one patch of an image is changed, does the output change there?"""
    rows, cols = case.labels.shape[1:] if case.labels.ndim == 3 else (0, 0)
    if min(rows, cols) < 8 or (rows, cols) != case.x.shape[1:3]:
        report.note("axes", "Not told: the map is too small, or of another size than the images.")
        return
    high, wide = rows // 8, cols // 8
    spots = [(int(a * (rows - high)), int(b * (cols - wide))) for a, b in _SPOTS]
    x = case.x[:1].astype("float32")
    noise = np.random.RandomState(0).normal(0, x.std(), (high, wide, x.shape[-1]))
    at_rest, moved = _array(case.model(x, training=False)), []
    for row, col in spots:
        changed = x.copy()
        changed[0, row : row + high, col : col + wide] += noise
        moved.append(np.abs(_array(case.model(changed, training=False)) - at_rest)[0])
    moved = np.reshape(moved, (len(spots), rows, cols, -1))

    def focus(maps):
        """How much more the output moves at the patch than on average: the median over the spots."""
        here = [m[row : row + high, col : col + wide].mean() for m, (row, col) in zip(maps, spots, strict=True)]
        return float(np.median(here / (maps.mean(axis=(1, 2)) + 1e-12)))

    n = moved.shape[-1]  # and now memory read again in the order from which two frequent mistakes have come
    by_class = moved.reshape(len(spots), -1, n).swapaxes(1, 2).reshape(moved.shape)
    by_pixel = moved.reshape(len(spots), n, rows, cols).transpose(0, 2, 3, 1)
    maps = _turned(moved.sum(axis=-1))
    maps["scrambled as by Reshape((C, H * W)) and Permute((2, 1))"] = by_class.sum(axis=-1)
    maps["scrambled as by Permute((3, 1, 2)) and Reshape((H, W, C))"] = by_pixel.sum(axis=-1)
    focused = {how: focus(read) for how, read in maps.items()}
    how, given = max(focused, key=focused.get), focused[_GIVEN]
    ranked = np.sort(maps[_GIVEN].reshape(len(spots), -1), axis=1)[:, ::-1]
    sharp = np.median(ranked[:, : rows * cols // 20].sum(axis=1) / (ranked.sum(axis=1) + 1e-12))
    said = f"A patch of the image changes the output {given:.1f} times as much at its place as on average."
    if how != _GIVEN and focused[how] > max(2.0, 2 * given):
        report.problem("axes", "scrambled", said, how=how)
    elif given < 1 and sharp > 0.6:  # at few places, all of them elsewhere
        report.problem("axes", "scrambled", said, how="in no order that is known here")
    elif given < 1.5:
        report.note("axes", f"Not told: the answers are coarser than the image. {said}")
    else:
        report.fine("axes", said)


_SPOTS = ((0.1, 0.3), (0.2, 0.8), (0.5, 0.1), (0.6, 0.6), (0.9, 0.4), (0.8, 0.9))  # in shares of rows and columns


def _prediction(case, report):
    """Which classes does it give now, and would they fit other labels better?"""
    p, valid = case.probabilities(case.output), case.labels >= 0
    given = np.bincount(p.argmax(axis=-1)[valid], minlength=case.n) / valid.sum()
    truth = np.bincount(case.labels[valid], minlength=case.n) / valid.sum()
    c, trained = given.argmax(), int(_array(case.model.optimizer.iterations))
    said = f"Class {case.name(c)} at {given[c]:.1%} of the pixels; in the labels at {truth[c]:.1%}."
    collapsed = given[c] > 0.995 and truth[c] < 0.8 and (trained or p[..., c].mean() > 0.95)
    if collapsed and report.found("input range", "batch norm"):
        report.note("prediction", f"{said} For what is said above.")
        return
    if collapsed:
        report.problem("prediction", "collapse", said + f" So far {trained} steps were trained." * bool(trained))
        return

    def cost(labels):
        """The cross-entropy against other labels."""
        known = (labels >= 0) & (labels < case.n)
        of_true = np.take_along_axis(p, np.where(known, labels, 0)[..., None], axis=-1)[..., 0]
        return -np.log(of_true[known] + 1e-9).mean() if known.any() else np.inf

    others = {f"off by one ({shift:+d})": np.where(valid, case.labels + shift, -1) for shift in (1, -1)}
    others.update(_turned(case.labels) if case.labels.ndim == 3 else {})
    costs = {how: cost(labels) for how, labels in others.items()}
    how, here = min(costs, key=costs.get), cost(case.labels)
    entropy = -np.sum(truth[truth > 0] * np.log(truth[truth > 0]))  # what the same shares everywhere would cost
    if costs[how] < min(0.7 * entropy, 0.5 * here):
        fit = f"The prediction fits labels {how} better (cross-entropy {costs[how]:.3f}) than those given ({here:.3f})."
        report.problem("prediction", "other labels fit", fit)
    else:
        report.fine("prediction", said)


# ---- some steps of training, undone afterwards --------------------------------------------------------------------


class _Steps:
    """Training on the one batch with an optimizer; undone when it is over.

    Attributes:
        losses: before each step, and after the last. n: how many steps. last: the last loss, infinite if it is NaN.
        step: how far one step moves a kernel, as a share of its length: the median.
        right: the share of the labelled pixels that are right at the end, in training mode.
    """

    def __init__(self, case, optimizer, share):
        import tensorflow as tf

        end = time.perf_counter() + share * max(0.0, case.end - time.perf_counter())
        variables = case.model.trainable_variables
        kernels = [(variable, _array(variable)) for variable in variables if len(variable.shape) > 1]
        optimizer.build(variables)

        @tf.function(autograph=False)
        def apply(slopes):
            optimizer.apply(slopes, variables)

        self.losses = []
        try:
            while True:
                loss, slopes = case.gradients()
                self.losses.append(float(loss))
                if len(self.losses) > _STEPS or not np.isfinite(self.losses[-1]) or time.perf_counter() > end:
                    break
                apply([tf.zeros(v.shape) if g is None else g for v, g in zip(variables, slopes, strict=True)])
            self.n = len(self.losses) - 1
            self.last = self.losses[-1] if np.isfinite(self.losses[-1]) else np.inf
            moved = [np.linalg.norm(_array(v) - was) / (np.linalg.norm(was) + 1e-12) for v, was in kernels]
            self.step = float(np.median(moved)) / max(1, self.n) if moved else 0.0
            p, valid = case.probabilities(_array(case.model(case.x, training=True))), case.labels >= 0
            self.right = float((p.argmax(axis=-1) == case.labels)[valid].mean())
        finally:
            case.unchanged.restore()

    def __str__(self):
        return f"loss {self.losses[0]:.3f} -> {self.losses[-1]:.3f} in {self.n} steps"


def _overfit(case, report):
    """Can it learn one batch by heart, at any rate?"""
    tried = {}
    for rate in _RATES:
        tried[rate] = steps = _Steps(case, keras.optimizers.Adam(rate), share=0.45)
        if steps.last < 0.9 * case.constant or steps.n < 10:
            break
    rate = min(tried, key=lambda rate: tried[rate].last)
    case.best = best = tried[rate]
    said = f"Adam {rate:g}: {best}, {best.right:.0%} of the pixels right; same shares everywhere {case.constant:.3f}."
    if best.n < 10:
        report.note("overfit", f"Not told: no time for more. {said}")
    elif best.last < 0.9 * case.constant:
        report.fine("overfit", said)
    elif report.problems:
        report.note("overfit", f"It cannot learn these images by heart, for what is said above. {said}")
    elif best.last < 0.95 * best.losses[0] and (best.n < 30 or best.last < 0.97 * best.losses[-best.n // 4]):
        report.note("overfit", f"Not told: the loss was still falling. {said}")
    else:
        rates = " or ".join(f"{rate:g}" for rate in tried)
        symptom = f"It cannot even learn {len(case.x)} images by heart, at {rates}. {said}"
        report.problem("overfit", "learns nothing", symptom)


def _optimizer(case, report):
    """Does one of its own steps, at the highest rate of its schedule, move the weights?"""
    own = getattr(case.model.optimizer, "inner_optimizer", case.model.optimizer)  # without the scaling for float16
    rate, schedule = float(_array(own.learning_rate)), getattr(own, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        rate = max(float(_array(schedule(step))) for step in np.unique(np.geomspace(1, 1e6, 300).astype(int)))
    steps = _Steps(case, type(own).from_config({**own.get_config(), "learning_rate": rate}), share=0.9)
    name, best = type(own).__name__, case.best
    said = f"{name}, rate {rate:.3g}: a step moves the weights by {steps.step:.0e} of their size; {steps}"
    gain, possible = steps.losses[0] - steps.last, max(best.losses[0] - best.last, 0.1 * best.losses[0])
    if steps.n < 3:
        report.note("optimizer", f"Not told: no time for more. {said}.")
    elif steps.step < 2e-5 and gain < 0.05 * possible:
        symptom = f"{said} (Adam: {best.last:.3f})."
        report.problem("optimizer", "small steps", symptom, rate=rate, optimizer=name)
    elif steps.last > 1.5 * max(steps.losses[0], case.undecided) and best.last < 0.9 * best.losses[0]:
        report.problem("optimizer", "large steps", f"{said} (Adam: {best.last:.3f}).", rate=rate)
    else:
        report.fine("optimizer", f"{said}.")


_NEEDED = (_model, _data, _forward, _shapes, _labels, _output, _loss)  # without these, no other check has a meaning
_CHECKS = (
    _model, _data, _forward, _shapes, _labels, _alignment, _output, _loss, _scores, _initial_loss, _input_range,
    _batch_norm, _confidence, _gradient, _axes, _prediction, _overfit, _optimizer,
)  # fmt: skip
