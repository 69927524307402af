"""The check for the exercise of notebook 07: it says "right", or names the mistake. It does not stop a notebook."""

import math

import numpy as np

CHAINS = (  # (kernel, stride, dilation) of each layer, first layer first
    [(3, 1, 1)],
    [(3, 1, 1), (3, 1, 1)],
    [(3, 1, 1), (2, 2, 1), (3, 1, 1)],
    [(3, 1, 2), (3, 1, 4)],
    [(7, 2, 1), (3, 2, 1), (3, 1, 2), (1, 1, 1), (3, 2, 1)],
)


def width_of(chain):
    """How many input pixels in a row can move one output of a chain of layers (kernel, stride, dilation)."""
    width, step = 1, 1  # the step: pixels of the input between two neighbours of a map
    for kernel, stride, dilation in chain:
        width, step = width + (kernel - 1) * dilation * step, step * stride
    return width


def _without(*, stride=False, dilation=False, late=False, one=False):
    """A wrong rule: strides or dilations left out, a stride that counts one layer early, or the 1 left out."""

    def rule(chain):
        width, step = 0 if one else 1, 1
        for kernel, jump, gap in chain:
            step *= jump if late else 1
            width += (kernel - 1) * (1 if dilation else gap) * (1 if stride else step)
            step *= 1 if late else jump
        return width

    return rule


MISTAKES = (
    (lambda chain: sum(kernel for kernel, _, _ in chain), "it is not the sum of the kernels: the first layer sees its "
     "kernel, each further one adds less"),
    (_without(stride=True), "after a stride of 2, one step on the map is two pixels of the input: the strides are "
     "missing"),
    (_without(dilation=True), "a kernel of 3 with dilation 2 reaches over 5 positions: the dilations are missing"),
    (_without(late=True), "a stride counts for the layers after it, not for its own kernel"),
    (_without(one=True), "one pixel is missing: without any layer, an output sees 1 pixel"),
    (lambda chain: width_of(chain[::-1]), "the layers are taken in reverse order: the first one comes first"),
    (lambda chain: width_of(chain) ** 2, "that is the area of the window: its width is asked"),
    (lambda chain: width_of(chain) // 2, "that is how far it sees in one direction: the whole width is asked"),
)  # fmt: skip


def width(answer):
    """Is `answer` a function of a list of (kernel, stride, dilation) that returns the width of the input window?"""
    if not callable(answer):
        return print(f"The answer is a function, and this is {type(answer).__name__}: write it with def.")
    found = []
    for chain in CHAINS:
        try:
            value = answer(list(chain))
            if value is None:
                return print(
                    "Not answered yet: the function returns None. Replace it by your code, run the cell again."
                )
            found.append(float(np.asarray(value, float).reshape(())))
        except Exception as error:
            return print(f"Not yet: with {chain} it stops with {type(error).__name__}: {error}.")
    right = [width_of(chain) for chain in CHAINS]
    if all(math.isclose(a, b) for a, b in zip(found, right, strict=True)):
        return print("Right: each layer adds (kernel − 1) × dilation × all strides before it.")
    for rule, hint in MISTAKES:
        if all(math.isclose(a, rule(chain)) for a, chain in zip(found, CHAINS, strict=True)):
            return print(f"Not yet: {hint}.")
    first = next(i for i, (a, b) in enumerate(zip(found, right, strict=True)) if not math.isclose(a, b))
    print(f"Not yet: {CHAINS[first]} sees {right[first]} pixels, and the function says {found[first]:g}.")
