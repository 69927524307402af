"""Builds an optimizer before the first step, so that TensorFlow prepares this step once."""

import contextlib


def build_optimizer(model):
    """Makes the variables of a compiled model's optimizer, such as its momenta, unless they are made.

    Keras would make them within the first step. TensorFlow traces a step that makes variables a second time, and that
    doubles the wait for it: see `findings/fit_traces_the_first_step_twice.sh`.
    """
    if model.optimizer.built:  # a second time, float16's loss scale would have its variables twice
        return
    strategy = getattr(model, "distribute_strategy", None)  # of several devices: TensorFlow's
    with strategy.scope() if strategy else contextlib.nullcontext():
        model.optimizer.build(model.trainable_variables)
