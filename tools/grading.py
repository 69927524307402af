"""The nbgrader edition of a notebook: nbgrader hands it out without the solution, and marks it with hidden tests.

The hidden tests of a notebook are a file in `tools/hidden_tests/`, in cells `# %% <grade id>: <points>`. A cell raises
unless the answer is right. Its first line, a comment, is all that students see of it before their work is marked. One
that uses `common.py` gets that code put in, since nbgrader's cells stand by themselves.
"""

import copy
import re
from pathlib import Path

import nbformat

import exercises

CONFIG = Path(__file__).with_name("nbgrader_config.py").read_text(encoding="utf-8")  # for the course folder


def read_tests(path):
    """The cells of a file of hidden tests: [(grade id, points, source)]."""
    path = Path(path)
    common = path.with_name("common.py").read_text(encoding="utf-8").strip()
    parts = re.split(r"^# %% ([\w-]+): (\d+)\n", path.read_text(encoding="utf-8"), flags=re.M)[1:]
    tests = []
    for name, points, source in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        says, code = source.strip().split("\n", 1)
        needs = f"{common}\n\n\n" if re.search(r"\b_(answer|quiet)\(", code) else ""
        tests.append((name, int(points), f"{says}\n{needs}{code}"))
    return tests


def edition(nb, solution, tests):
    """nbgrader's source notebook.

    Args:
        nb: the notebook as students get it.
        solution: the solution's code.
        tests: the hidden tests, from `read_tests`.
    """
    nb = copy.deepcopy(nb)
    nb.cells = [cell for cell in nb.cells if "solution" not in cell.metadata.get("tags", [])]
    for tag in ("setup", "carried"):
        for cell in exercises.cells(nb, tag):  # nbgrader puts them back as they were before it runs a notebook
            cell.metadata["nbgrader"] = _metadata(cell.id, locked=True)
    exercise = exercises.cell(nb, "exercise")
    stub, checks = exercises.stub_and_checks(nb)
    exercise.source = f"{stub}\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION\n{checks}"
    exercise.metadata["nbgrader"] = _metadata(exercise.id, solution=True)
    after = nb.cells.index(exercise) + 1
    nb.cells[after:after] = [_test(*test) for test in tests]
    return nb


def _test(name, points, source):
    says, code = source.split("\n", 1)
    marks = "1 point" if points == 1 else f"{points} points"
    return nbformat.v4.new_code_cell(
        f"{says} ({marks})\n### BEGIN HIDDEN TESTS\n{code.strip()}\n### END HIDDEN TESTS",
        id=name,
        metadata={"nbgrader": _metadata(name, grade=True, locked=True, points=points)},
    )


def _metadata(name, **what):
    plain = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return nbformat.from_dict({**plain, "grade_id": name, **what})
