"""Machinery that no learner opens: hardware, a session's start, callbacks, checkpoints, kernels, an optimizer."""
