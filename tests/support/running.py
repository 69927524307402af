"""Runs a notebook's code cells here, so that a test can look at what they leave behind."""

import contextlib
import io
import tempfile
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def run(name, monkeypatch, upto=None, **environment):
    """Executes the code cells of a notebook, in its folder, at fast pace.

    Args:
        upto: the id of the last cell to run; None for all.

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
            if cell.cell_type == "code":
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(compile(cell.source, f"{name}:{cell.id}", "exec"), variables)
                printed[cell.id] = out.getvalue()
                if cell.id == upto:
                    break
    return variables, printed


def printed(notebooks_run, name):
    """What each code cell of a notebook printed at full pace: {cell id: text}. Takes the fixture `notebooks_run`."""
    process, build = notebooks_run
    assert process.returncode == 0, process.stdout + process.stderr
    nb = nbformat.read(build / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    return {cell.id: "".join(output.get("text", "") for output in cell.outputs) for cell in cells}
