"""Can the model be examined, does it take these images, and does it give what the labels ask for?"""

import time

import keras
import numpy as np
from keras import ops

from .backend import BACKENDS
from .case import Form
from .report import LIKELY, Cause, Result, Stop, fine, problem
from .tools import array, short

NOT_A_MODEL = Cause(
    cause="Another object was passed.",
    cure="preflight(model, batch): the compiled model first, then images and labels.",
)
OTHER_BACKEND = Cause(
    cause="preflight takes gradients with TensorFlow, JAX or PyTorch.",
    cure="Run it with KERAS_BACKEND=tensorflow: what it finds holds for the other backends.",
)
NOT_COMPILED = Cause(
    cause="compile was not called, or without a loss.",
    cure="Call model.compile(optimizer, loss, ...) as for training, then preflight(model, batch).",
)
LOSS_OF_ITS_OWN = Cause(
    cause="The model was compiled without a loss that Keras knows: it keeps one of its own, for a train_step of its "
    "own. This says nothing against your model.",
    cure="model.compile(optimizer, loss=the_loss) for the examination, in keras.Model.compile's own way.",
)
SEVERAL_INPUTS = Cause(
    cause="preflight examines models of one image input. This says nothing against yours.",
    cure="Make a keras.Model of the image alone, with the other inputs held fast by a layer; compile and examine that.",
)
SEVERAL_OUTPUTS = Cause(
    cause="preflight examines one output at a time. This says nothing against your model.",
    cure="one = keras.Model(model.input, model.outputs[0]); one.compile(optimizer, the loss of this output); then "
    "preflight(one, (images, labels of this output)).",
)


def check_model(model):
    """Stops unless this is a compiled model of one image input and one output."""
    if not isinstance(model, keras.Model):
        raise Stop(problem(NOT_A_MODEL, f"This is {type(model).__name__}, not a keras.Model."))
    if keras.backend.backend() not in BACKENDS:
        raise Stop(problem(OTHER_BACKEND, f"The backend of Keras is {keras.backend.backend()}."))
    if not getattr(model, "compiled", False) or not getattr(model, "loss", None) or not model.optimizer:
        own = type(model).train_step is not keras.Model.train_step
        if own and getattr(model, "compiled", False) and model.optimizer:
            raise Stop(problem(LOSS_OF_ITS_OWN, "The model is compiled, with an optimizer and without a loss."))
        symptom = "The model is not compiled: it has no loss, or no optimizer, to examine."
        raise Stop(problem(NOT_COMPILED, symptom))
    inputs, outputs = (_names(getattr(model, part, None)) for part in ("inputs", "outputs"))
    if len(inputs) > 1:
        raise Stop(problem(SEVERAL_INPUTS, f"The model takes {len(inputs)} inputs: {', '.join(inputs)}."))
    if len(outputs) > 1:
        symptom = f"The model gives {len(outputs)} outputs: {', '.join(outputs)}."
        raise Stop(problem(SEVERAL_OUTPUTS, symptom))
    return Result([])


def _names(tensors):
    """The names of a model's input or output tensors; none for a model that does not know them."""
    return [tensor.name for tensor in tensors] if isinstance(tensors, (list, tuple)) else []


# ---- what it gives for these images ---------------------------------------------------------------------------------

DIVERGED = Cause(
    cause="Training has already diverged: a rate too high, NaN in the data, log(0) or 0/0 in the loss.",
    cure="Build the model anew, and run preflight on that.",
)


def check_forward(model, data, unchanged):
    """Runs the model once: -> `Data` of as many images as it can take in half a second a step, and its output."""
    output, took = _run(model, data, unchanged)
    if not ops.is_tensor(output):
        symptom = f"The model gives several outputs: {type(output).__name__} of {len(keras.tree.flatten(output))}."
        raise Stop(problem(SEVERAL_OUTPUTS, symptom))
    for variable in model.variables:
        if not np.isfinite(array(variable)).all():
            raise Stop(problem(DIVERGED, f"The weights {variable.path} are NaN or infinite."))
    findings = _random(model, data, array(output))
    images = len(data.x)
    images = int(np.clip(images * 0.2 / took, min(2, images), images))  # so that a step takes about half a second
    return Result(findings, facts=(data.first(images), array(output)[:images]))


RANDOM_INFERENCE = Cause(
    cause="Something in the model stays random in inference: dropout or noise that is called with training=True, or "
    "random numbers drawn in a layer of your own.",
    cure="layer(x, training=training), or no training= at all: Keras then passes on whether it trains.",
)


def _random(model, data, output):
    """Two calls in inference mode should give the same."""
    again = array(model(data.x, training=False))
    moved = np.abs(np.nan_to_num(again) - np.nan_to_num(output))
    if not (np.isfinite(output).all() and moved.max() > 1e-3 * max(1.0, np.abs(output).max())):
        return []
    symptom = f"Two calls in inference mode, on the same images, give answers that differ by up to {moved.max():.2g}."
    return [problem(RANDOM_INFERENCE, symptom)]


OTHER_SIZE = Cause(
    cause="It was built for {built_for}.",
    cure="Resize the images to what the model takes, or build it for these.",
)
DOES_NOT_RUN = Cause(
    cause="Something within the model does not fit these images: their size, or their type (whole numbers).",
    cure='model(images[:1]) shows the place; images.astype("float32") if it is the type.',
    confidence=LIKELY,
)


def _run(model, data, unchanged):
    """The output in inference mode, and the seconds that it took."""
    try:
        model(data.x[:1], training=False)  # builds what is not built
        unchanged.remember()
        start = time.perf_counter()
        output = model(data.x, training=False)
        return output, time.perf_counter() - start
    except Exception as error:
        shape, own = getattr(model, "input_shape", None), data.x.shape[1:]
        other = isinstance(shape, tuple) and any(a not in (None, b) for a, b in zip(shape[1:], own, strict=False))
        symptom = f"The model does not take images {own} {data.x.dtype}: {short(error)}."
        cause = OTHER_SIZE if other else DOES_NOT_RUN
        raise Stop(problem(cause, symptom, built_for=shape and shape[1:])) from error


# ---- which pixel of the labels belongs to which of the output? ------------------------------------------------------

CLASSIFIER = Cause(
    cause="The network gives one answer per image: its head classifies, it does not segment.",
    cure="End with a 1x1 convolution on the map: no pooling, flattening or Dense over all pixels.",
)
OUTPUT_CLASS_FIRST = Cause(
    cause="The output has its class axis first.",
    cure="keras.layers.Permute((2, 3, 1)): permute, not reshape.",
)
LABELS_CLASS_FIRST = Cause(
    cause="One-hot labels with their class axis first.",
    cure="np.moveaxis(labels, 1, -1): permute, not reshape.",
)
OTHER_NUMBER = Cause(
    cause="The labels' classes and the network's outputs are not equally many.",
    cure="As many outputs as classes (one output is two classes); void is not one of them.",
)
LIST_AND_MAP = Cause(
    cause="The output is a list of pixels, the labels are a map.",
    cure="labels.reshape(len(labels), -1)",
)
OTHER_PIXELS = Cause(
    cause="The network's output and the labels cover different pixels.",
    cure="Resize the labels to the output (nearest pixel), or the output to the labels (bilinear).",
)


def check_shapes(data, output):
    """Compares the shapes of output and labels, and stops where they do not fit: -> `Form`."""
    shape, given = output.shape, data.y.shape
    n, hot = max(2, shape[-1]), given == shape and shape[-1] > 1
    if len(shape) in (3, 4) and (hot or given in (shape[:-1], (*shape[:-1], 1))):
        kind = "one-hot" if hot else "whole numbers"
        return Result([fine(f"Output {shape}, labels {given}: {n} classes, {kind}.")], facts=Form(n, hot))
    symptom = f"Output {shape}, labels {given}; wanted: labels {shape[:-1]}, or one-hot {shape}."
    raise Stop(problem(_why_they_differ(shape, given, data.x.shape[1:3]), symptom))


def _why_they_differ(shape, given, image):
    """The `Cause` for which an output of this shape, labels of the given one, and images (row, col) do not fit."""
    if len(shape) < 3 or (len(shape) == 4 and shape[1:3] == (1, 1) != image):
        return CLASSIFIER
    if given in ((shape[0], *shape[2:]), (shape[0], *shape[2:], shape[1])):
        return OUTPUT_CLASS_FIRST
    if len(given) == 4 == len(shape) and given == (shape[0], shape[3], *shape[1:3]):
        return LABELS_CLASS_FIRST
    if len(given) == len(shape) and given[:-1] == shape[:-1]:
        return OTHER_NUMBER
    if len(shape) == 3 and given[:3] == (shape[0], *image):
        return LIST_AND_MAP
    return OTHER_PIXELS
