"""Before an hour of training: do this model, its loss, its optimizer and these data stand a chance?

    problems = preflight(model, batch)

measures, on one batch and in less than a minute on a CPU, what makes a segmentation model fail without an error. It
prints what it measured, and returns the problems with their likely causes and cures.

Nothing is assumed that can be tried out. A loss is asked what it says to a perfect, an undecided and a wrong answer; a
score likewise; one patch of the image is changed to see where the output moves; some steps are trained, and undone.

This folder needs Keras 3 with TensorFlow, JAX or PyTorch, and NumPy, and nothing else: copy it into a project of your
own. Its files, in the order in which the checks are made, which `examine` spells out:

    report      a `Problem` with its cause, how sure that is, and its cure; and the table that is printed
    case        the model and the few images and labels on which it is examined
    unchanged   leaves no trace: weights, optimizer, scores and random numbers are put back
    backend     slopes, steps and random numbers of TensorFlow, JAX and PyTorch
    tools       what several checks use
    model, data                              can it be examined, is inference certain, and what enters?
    labels, foreign, borders, pairs          are the labels classes, and do they belong to their images?
    output, loss, slopes, scores             what does the network give, and what do loss and scores make of it?
    inputs, batch_norm, gradient             does the network suit its images, and can it learn from the loss?
    axes, prediction                         where and what does it predict?
    training, optimizer                      does it learn, in some steps that are undone, and with its own steps?
"""

import contextlib
import time

from .examine import examine
from .report import Problem, Stop, Table
from .unchanged import Unchanged

__all__ = ["Problem", "preflight"]


def preflight(model, batch, *, class_names=None, steps=None, void=255, seconds=45):
    """Looks for what would keep a segmentation model from learning.

    Args:
        model: a compiled `keras.Model`, trained or not, of one image input (batch, row, col, channel) and one output:
            logits or probabilities (batch, row, col, class) or (batch, pixel, class). One channel means two classes.
        batch: (images, labels) or (images, labels, sample_weight), or a `tf.data.Dataset`, `keras.utils.PyDataset` or
            iterator of such. Labels are whole numbers (batch, row, col) or (batch, row, col, 1), shares from 0 to 1 for
            one output, or one-hot (batch, row, col, class): one class per pixel. What is read from an iterator is gone
            from it; a shuffled pipeline goes on to its next order.
        class_names: the classes in the order of their labels, to be compared with the network's outputs.
        steps: how many training steps are planned, to tell what will not settle in time.
        void: the label that means "no class", unless the loss has an `ignore_class` of its own.
        seconds: for everything together, roughly. A slow model is tried on fewer images, and for fewer steps.

    Returns:
        A list of `Problem`, the most fundamental first; empty if nothing was found. Each says how sure its cause is:
        "measured", "likely" or "possible". What it cannot work with, such as an empty data set or a model of several
        outputs, is a problem too, whose cause says so: nothing is raised. Weights, statistics of batch normalisation,
        optimizer, scores and random states are then as they were.
    """
    end = time.perf_counter() + seconds
    class_names = None if class_names is None else list(class_names)
    table = Table()
    with Unchanged(model) as unchanged, contextlib.suppress(Stop):
        examine(table, unchanged, model, batch, class_names=class_names, steps=steps, void=void, end=end)
    table.print_total()
    return table.problems
