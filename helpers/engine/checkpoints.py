"""Checkpoints: a run that was stopped, by whatever, goes on from its last whole epoch as if nothing had happened.

A checkpoint is one file, as `keras.Model.save` writes it (weights and optimizer), with the run's history beside them in
the same archive. It takes the place of the one before it in one move, when it is complete, and the one before stays
beside it: whenever the machine stops, one of the two is whole.
"""

import contextlib
import io
import json
import os
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from keras import ops

from helpers.engine.building import build_optimizer

# Reading a broken archive raises these; RuntimeError, where it now seems to be encrypted, or by another method.
DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, RuntimeError)


@dataclass
class State:
    """A checkpoint's content beside the weights and the optimizer's state, which `load` puts into the model."""

    history: dict  # lists of floats, one number an epoch
    extras: dict = field(default_factory=dict)  # arrays

    @property
    def epochs(self):
        """How many epochs it holds."""
        return len(self.history["loss"])


def save(path, model, history, run, extras=None):
    """Writes a checkpoint, and keeps the one that was there as ``<name>.before.keras``.

    Args:
        path: a file ending in .keras; its folder is made if need be.
        model: compiled.
        history: a dict of lists of floats, one number an epoch.
        run: a dict, good for JSON, that tells this run from others: `load` compares it.
        extras: a dict of arrays to keep with it.

    Raises:
        OSError: it cannot be written, as on a full disk; what was there before is untouched.
    """
    path = _named(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.keras")
    # Keras keeps the weights, but not how far dropout's random numbers have come.
    random = {f"random {i}": ops.convert_to_numpy(state) for i, state in enumerate(_random_states(model))}
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **(extras or {}), **random)
    try:
        model.save(part)
        with zipfile.ZipFile(part, "a") as archive:
            archive.writestr("extras.npz", arrays.getvalue())
            archive.writestr("run.json", json.dumps(run))
            archive.writestr("history.json", json.dumps(history))
        with part.open("rb+") as file:
            os.fsync(file.fileno())  # or a power cut could leave the new name with nothing in it
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, RuntimeError):  # how HDF5 reports a full disk
            raise OSError(str(error)) from error
        raise
    if path.exists():
        os.replace(path, before(path))
    os.replace(part, path)


def load(path, model, run):
    """Puts a checkpoint's weights and optimizer state into a compiled model.

    A damaged checkpoint is set aside, in words, and the one before it is taken.

    Returns:
        Its `State`; None where there is none, or none that is whole.

    Raises:
        ValueError: it is whole, but of another run; or the path does not end in .keras.
    """
    path, damaged = _named(path), []
    for candidate in (path, before(path)):
        if not candidate.exists():
            continue
        try:
            state, its_run = _read(candidate)
        except DAMAGED as error:
            damaged.append(f"{candidate} is damaged ({error})")
            aside = candidate.with_suffix(".damaged")
            os.replace(candidate, aside)
            continue
        _compare(candidate, its_run, json.loads(json.dumps(run)))
        _load_weights(model, candidate)
        for i, variable in enumerate(_random_states(model)):
            variable.assign(state.extras.pop(f"random {i}"))
        if damaged:
            print(f"{damaged[0]}: going on from the one before it, of {state.epochs} epochs.")
        return state
    if damaged:
        print(f"{'; '.join(damaged)}: there is nothing to go on from, so training starts anew.")
    return None


def peek(path):
    """The `run` that the checkpoint at `path` was saved with, or None where there is none that is whole."""
    for candidate in (Path(path), before(path)):
        with contextlib.suppress(*DAMAGED, FileNotFoundError):
            return _read(candidate)[1]
    return None


def latest(path):
    """The newer of the two files there are for `path`, or None."""
    return next((file for file in (Path(path), before(path)) if file.exists()), None)


def before(path):
    """Where the checkpoint before the one at `path` is kept."""
    return Path(path).with_suffix(".before.keras")


def _named(path):
    if Path(path).suffix != ".keras":
        raise ValueError(f"A checkpoint's name ends in .keras, and {path} does not.")
    return Path(path)


def _random_states(model):
    return [v for v in model.variables if not any(v is weight for weight in model.weights)]


def _read(path):
    """(`State`, run) of a checkpoint, after checking every byte of it against its checksums."""
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
        if bad:
            raise ValueError(f"{bad} in it is not what was written")
        history, run = (json.loads(archive.read(f"{name}.json")) for name in ("history", "run"))
        with np.load(io.BytesIO(archive.read("extras.npz"))) as arrays:
            return State(history, dict(arrays)), run


def _load_weights(model, path):
    build_optimizer(model)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.load_weights(path)
    # Keras would leave the optimizer without its state, warn, and train on.
    if any("Skipping variable loading for optimizer" in str(warning.message) for warning in said):
        raise ValueError(
            f"{path} holds the state of another kind of optimizer, or of another version of this one. Give this run "
            "another path, or delete that file to replace it."
        )


def _compare(path, its_run, run):
    different = [name for name in {**its_run, **run} if its_run.get(name) != run.get(name)]
    if different:
        shown = ", ".join(f"{name} ({_short(its_run.get(name))}, not {_short(run.get(name))})" for name in different)
        raise ValueError(
            f"{path} is the checkpoint of another run, with other {shown}. Give this run another path, or delete that "
            "file to replace it."
        )


def _short(value):
    text = json.dumps(value)
    return text if len(text) < 40 else "…"
