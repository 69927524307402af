"""Runs a notebook's code cells here, so that a test can look at what they leave behind; or reads what they printed."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

import notebooks

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def run(name, monkeypatch, upto=None, *, without=(), full=(), **environment):
    """Executes the code cells of a notebook, in its folder, at fast pace.

    Args:
        upto: the id of the last cell to run; None for all.
        without: the ids of cells that are passed over. full: of cells that are run at full pace.
        environment: variables to set, such as ``SERIES_PACE="full"``.

    Returns:
        The variables, and {cell id: what it printed}.
    """
    monkeypatch.chdir(NOTEBOOKS)
    variables, printed = {"__name__": name}, {}
    with tempfile.TemporaryDirectory() as runs:
        settings = {"SERIES_PACE": "fast", "SERIES_DATA": "scenes", "SERIES_RUNS": runs, **environment}
        for variable, value in settings.items():
            monkeypatch.setenv(variable, value)
        for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
            if cell.cell_type == "code" and cell.id not in without:
                monkeypatch.setenv("SERIES_PACE", "full" if cell.id in full else settings["SERIES_PACE"])
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(compile(cell.source, f"{name}:{cell.id}", "exec"), variables)
                printed[cell.id] = out.getvalue()
                if cell.id == upto:
                    break
    return variables, printed


def printed(name, folder):
    """The text that each code cell of a notebook printed at full pace: {cell id: text}.

    The committed notebook has it, if code, helpers and packages are those it was run with. With other packages the
    notebook is run again, in `folder`: what it says has to hold with them, too.
    """
    path = NOTEBOOKS / f"{name}.ipynb"
    nb = nbformat.read(path, as_version=4)
    why = notebooks.stale(nb)
    assert not why, f"{name} is out of date, {why}: `make execute`"
    if nb.metadata.series.versions != notebooks.versions():
        env = {variable: value for variable, value in os.environ.items() if not variable.startswith("SERIES_")}
        command = [sys.executable, "tools/notebooks.py", "run", "--only", name, "--build", str(folder)]
        done = subprocess.run(command, cwd=NOTEBOOKS.parent, env=env, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        nb = nbformat.read(folder / "notebooks" / path.name, as_version=4)
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    return {cell.id: "".join(output.get("text", "") for output in cell.outputs) for cell in cells}
