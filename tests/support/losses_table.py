"""The losses that tests/test_losses.py holds against their references, here and in fresh interpreters."""

from helpers.losses import CrossEntropy, Dice, Sum

# name: a function of class weights (C,) and of a smoothing >= 0 that makes the loss
MAKE = {
    "cross-entropy": lambda weights, smooth: CrossEntropy(),
    "weighted": lambda weights, smooth: CrossEntropy(weights),
    "dice": lambda weights, smooth: Dice(smooth),
    "sum": lambda weights, smooth: Sum([CrossEntropy(weights), Dice(smooth)]),
}
