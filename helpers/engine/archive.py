"""Files of a run: a trained network in one small file, with a dict about it, and the record in another."""

import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np


def write(path, weights, about):
    """Writes a .npz file: matrices and kernels in float16, the rest in float32.

    Args:
        path: its folder is made if need be.
        weights: a list of arrays, as `keras.Model.get_weights` returns it.
        about: a dict, good for JSON.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    arrays = {
        f"{number:03}": value.astype("float16" if value.ndim > 1 else "float32") for number, value in enumerate(weights)
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    try:
        np.savez_compressed(part, about=json.dumps(about), **arrays)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def read(path):
    """Reads what `write` wrote: (the list of arrays, the dict).

    Raises:
        FileNotFoundError, ValueError: it is not there, damaged, or something else.
    """
    if not path.exists():
        raise FileNotFoundError(f"No trained network {path}: those of the series are in its data/checkpoints/.")
    try:
        with np.load(path) as archive:
            arrays = dict(archive)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}): get it again from where the series comes from.") from error
    if "about" not in arrays or "recipe" not in (about := json.loads(str(arrays.pop("about")))):
        raise ValueError(f"{path} is no network that `runs.export` wrote with its recipe: name the file that it wrote.")
    return [arrays[number] for number in sorted(arrays)], about


def write_record(record, path, parser):
    """Writes a record; where that fails, after an hour of training, prints it instead, and ends the command."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record) + "\n")
    except OSError as error:
        print(json.dumps(record))
        parser.exit(1, f"The record above could not be written to {path} ({error.strerror}): save it from here.\n")
