"""The nbgrader edition: hidden tests give the points that an answer deserves, and nbgrader itself hands the notebooks
out without solutions, marks what comes back and says why a point is missing."""

import contextlib
import csv
import html
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest
import tensorflow as tf
from nbclient import NotebookClient

import exercises
import grading
import notebooks
from support import answers

ROOT = Path(__file__).resolve().parents[2]
PATHS = {path.stem[:2]: path for path in sorted((ROOT / "notebooks").glob("0*.ipynb"))}
TESTS = {n: grading.read_tests(ROOT / "tools" / "hidden_tests" / f"{path.stem}.py") for n, path in PATHS.items()}


def notebook(number):
    """A committed notebook as it is before it is run."""
    nb = nbformat.read(PATHS[number], as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nb


def carrying(number):
    """The same with a cell that carries files, as in the edition for students."""
    nb = notebook(number)
    code = "CARRIED = 'as handed out'\nimport os; os.makedirs('series-4567', exist_ok=True)"
    cell = nbformat.v4.new_code_cell(code, id="carried")
    cell.metadata["tags"] = ["carried"]
    nb.cells.insert(1, cell)
    return nb


def source(number):
    nb = carrying(number)
    return grading.edition(nb, exercises.solution(nb), TESTS[number])


# ---- hidden tests: what an answer gets

NUMBERS = np.random.default_rng(0).integers(0, 900, (33, 33)) + np.diag(np.arange(33) * 300)
NUMBERS[[3, 8]] = 0  # two classes have no pixel, but were predicted
MEAN_IOU = float(
    np.mean(
        [NUMBERS[c, c] / (NUMBERS[c].sum() + NUMBERS[:, c].sum() - NUMBERS[c, c]) for c in range(33) if c not in (3, 8)]
    )
)
BEFORE = "import numpy as np\nfrom keras import ops\nVOID = 255"


def mark(number, code="", matrix=NUMBERS, tried=(), **names):
    """The points for each hidden test, and why one is missing, where this code and these names answer an exercise."""
    names.update(In=[BEFORE, *tried, code], matrix=matrix, other=np.eye(33))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(f"{BEFORE}\n{code}", names)
    points, why = [], []
    for name, worth, test in TESTS[number]:
        space = dict(names)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(test, name, "exec"), space)
        except Exception as error:
            points.append(0)
            why.append(f"{type(error).__name__}: {error}")
        else:
            points.append(worth)
    return points, " | ".join(why)


def points(number, *code, **names):
    return mark(number, *code, **names)[0]


FULL = {"01": [2, 1, 1], "02": [1, 2], "03": [1, 1], "04": [1, 1, 1], "05": [1] * 5, "06": [1, 1], "07": [1] * 3,
        "08": [2, 1, 1], "09": [2, 1, 1]}  # fmt: skip


@pytest.mark.parametrize("number", PATHS)
def test_the_solution_gets_every_point_and_the_stub_none(number):
    nb = notebook(number)
    assert [worth for _, worth, _ in TESTS[number]] == FULL[number]
    assert points(number, exercises.solution(nb)) == FULL[number]
    none, why = mark(number, exercises.stub_and_checks(nb)[0])
    assert none == [0] * len(none), why
    reasons = why.split(" | ")
    assert all(reason.partition(": ")[2] for reason in reasons), "each says why"
    assert number == "03" or all("ot answered" in reason for reason in reasons)


@pytest.mark.parametrize("style", answers.RIGHT_SOFTMAX)
def test_softmax_in_any_style(style):
    assert points("01", my_softmax=answers.RIGHT_SOFTMAX[style], my_axis=1) == [2, 1, 1]


def test_softmax_of_another_shape():
    found, why = mark("01", my_softmax=lambda z: answers.by_hand(z)[None], my_axis=None)
    assert found == [0, 0, 0] and "The result has shape (1, 5), not (5,)." in why


def test_five_conventions_are_named_or_not():
    right = {"A": 2, "B": 6, "C": 3, "D": 4, "E": 5}
    assert points("08", convention={letter: str(n) for letter, n in right.items()}, surest_mistake=None)[0] == 2
    found, why = mark("08", convention={**right, "B": 5}, surest_mistake=None)
    assert found[0] == 0 and "Not the convention: B." in why


@pytest.mark.parametrize("style", answers.RIGHT_WIDTH)
def test_the_width_of_a_window_in_any_style(style):
    assert points("07", window_width=answers.RIGHT_WIDTH[style]) == [1, 1, 1]


@pytest.mark.parametrize("mistake", answers.WRONG_WIDTH)
def test_each_wrong_width_loses_a_point(mistake):
    part = {"the strides are missing": [1, 0, 0], "the dilations are missing": [1, 1, 0],
            "not for its own kernel": [1, 0, 0], "in reverse order": [1, 0, 0]}  # fmt: skip
    found, why = mark("07", window_width=answers.WRONG_WIDTH[mistake])
    assert found == part.get(mistake, [0, 0, 0]) and why


@pytest.mark.parametrize("style", answers.RIGHT_SUREST)
def test_the_surest_mistake_in_any_style(style):
    assert points("08", convention=None, surest_mistake=answers.RIGHT_SUREST[style])[1:] == [1, 1]


@pytest.mark.parametrize("mistake", answers.WRONG_SUREST)
def test_each_wrong_surest_mistake_loses_a_point(mistake):
    found, why = mark("08", convention=None, surest_mistake=answers.WRONG_SUREST[mistake])
    assert found[1:] == ([1, 0] if mistake == "that pixel is void" else [0, 0]) and why


def test_the_numbers_of_grey_masks():
    right = {40: "coin", 90: "background", 150: "stone", 210: "leaf"}
    given = {str(number): f" {name.upper()}" for number, name in right.items()}
    assert points("09", my_classes=given, from_colours=None)[0] == 2
    found, why = mark("09", my_classes={**right, 40: "leaf", 210: "coin"}, from_colours=None)
    assert found[0] == 0 and "Not the class of: 40, 210." in why
    found, why = mark("09", my_classes={**right, 255: "void"}, from_colours=None)
    assert found[0] == 0 and "255 is void" in why


@pytest.mark.parametrize("style", answers.RIGHT_COLOURS)
def test_colours_in_any_style(style):
    assert points("09", my_classes=None, from_colours=answers.RIGHT_COLOURS[style])[1:] == [1, 1]


@pytest.mark.parametrize("mistake", answers.WRONG_COLOURS)
def test_wrong_colours_lose_a_point(mistake):
    found, why = mark("09", my_classes=None, from_colours=answers.WRONG_COLOURS[mistake])
    partly = mistake in ("255, and no class", "255, and not -1", "changes the picture")
    assert found[1] == partly and (found[2] == 0 or mistake == "changes the picture") and why


WRONG_SOFTMAX = {
    "overflow": [2, 0], "own largest": [2, 0], "changes the array": [2, 0], "count the axis from the end": [0, 1],
}  # fmt: skip


@pytest.mark.parametrize("mistake", answers.WRONG_SOFTMAX)
def test_wrong_softmax(mistake):
    found, why = mark("01", my_softmax=answers.WRONG_SOFTMAX[mistake], my_axis=1)
    assert found == [*WRONG_SOFTMAX.get(mistake, [0, 0]), 1], why
    says = {
        "overflow": "near 1000 overflow",
        "own largest": "1000 beside 0 overflow",
        "changes the array": "It changes",
    }
    assert says.get(mistake, "") in why


@pytest.mark.parametrize("axis", [1, -3, 1.0, np.int64(1), np.array(1), tf.constant(1)])
def test_class_axis_right(axis):
    assert points("01", my_softmax=None, my_axis=axis) == [0, 0, 1]


@pytest.mark.parametrize("axis", [None, 0, 2, 3, -1, True, "class", [1], [1, 2], float("nan")])
def test_class_axis_wrong(axis):
    assert points("01", my_softmax=None, my_axis=axis) == [0, 0, 0]


@pytest.mark.parametrize("row", [[3, 100, 101], (3, 100, 101), np.array([3.0, 100, 101]), tf.constant([3, 100, 101])])
@pytest.mark.parametrize("style", answers.RIGHT_HEAD)
def test_row_and_head_in_any_style(row, style):
    assert points("02", my_row=row, my_head=answers.RIGHT_HEAD[style]) == [1, 2]


@pytest.mark.parametrize(
    "row", [None, [1, 101, 201], [0, 1, 2], [3, 100], [3, 100, 102], [[3, 100, 101]], "3 100 101", {}]
)
def test_row_wrong(row):
    assert points("02", my_row=row, my_head=answers.RIGHT_HEAD["einsum"]) == [0, 2]


@pytest.mark.parametrize("mistake", answers.WRONG_HEAD)
def test_wrong_head(mistake):
    assert points("02", my_row=[3, 100, 101], my_head=answers.WRONG_HEAD[mistake]) == [1, 0]


def test_head_right_for_the_first_image_only():
    assert points("02", my_row=None, my_head=lambda s: answers.RIGHT_HEAD["einsum"](s)[[0, 0]]) == [0, 0]


@pytest.mark.parametrize("style", answers.RIGHT_SURE)
def test_sure_and_wrong_in_any_style(style):
    assert points("06", sure_and_wrong=answers.RIGHT_SURE[style]) == [1, 1]


@pytest.mark.parametrize("mistake", answers.WRONG_SURE)
def test_wrong_sure_and_wrong(mistake):
    """Who forgets void is right where there is none."""
    found, why = mark("06", sure_and_wrong=answers.WRONG_SURE[mistake])
    forgets_void = mistake in ("leave it out of both", "leave it out above", "divides by all pixels")
    assert found == ([1, 0] if forgets_void else [0, 0]), why


def dice_with_nan(labels, p):
    """Right, and warns: a class that is absent divides nothing by nothing."""
    valid = labels != 255
    g, p = (labels[valid][:, None] == np.arange(3)).astype(float), p[valid]
    loss = 1 - 2 * (p * g).sum(0) / (p * (g.sum(0) > 0) + g).sum(0)
    warnings.warn("0/0", RuntimeWarning, stacklevel=1)
    os.write(2, b"and so does a library in C++\n")
    print("and it prints")
    return np.nanmean(loss)


def dice_in_a_loop(labels, p):
    valid, losses = labels != 255, []
    for c in np.unique(labels[valid]):
        hit = labels[valid] == c
        losses.append(1 - 2 * p[valid][hit, c].sum() / (p[valid][:, c].sum() + hit.sum() + 1e-7))
    return sum(losses) / len(losses)


RIGHT_DICE = [answers.dice_loss(), answers.dice_in_keras, dice_with_nan, dice_in_a_loop]


@pytest.mark.parametrize("answer", RIGHT_DICE, ids=["numpy", "keras", "nan", "loop"])
def test_dice_in_any_style_and_nothing_on_standard_error(answer, capfd):
    assert points("04", my_dice=answer) == [1, 1, 1]
    assert capfd.readouterr() == ("", "")


WRONG_DICE = {
    "class 1 is absent": [1, 1, 0], "smoothing by 1": [1, 1, 0], "void pixels' probabilities": [1, 0, 1],
    "void is counted, and the absent": [1, 0, 0],
}  # fmt: skip


@pytest.mark.parametrize("mistake", answers.WRONG_DICE)
def test_wrong_dice(mistake):
    found, why = mark("04", my_dice=answers.WRONG_DICE[mistake])
    assert found == WRONG_DICE.get(mistake, [0, 0, 0]), why


RIGHT_CAUSES = {"A": 3, "B": 4, "C": 6, "D": 7, "E": 8}


def test_one_point_a_card():
    assert points("05", diagnosis={"A": "3", "B": 4.0, "C": np.int64(6), "D": " 7", "E": 8}) == [1] * 5
    assert points("05", diagnosis={card: float(cause) for card, cause in RIGHT_CAUSES.items()}) == [1] * 5
    for n, (card, cause) in enumerate(RIGHT_CAUSES.items()):
        alone, why = mark("05", diagnosis={**dict.fromkeys(RIGHT_CAUSES), card: cause})
        assert alone == [int(i == n) for i in range(5)] and why.count("not answered") == 4
        for other in set(range(1, 9)) - {cause}:
            assert points("05", diagnosis={**RIGHT_CAUSES, card: other}) == [int(i != n) for i in range(5)]
    assert points("05", diagnosis={"A": 3}) == [1, 0, 0, 0, 0]
    assert points("05", diagnosis=[3, 4, 6, 7, 8]) == points("05", diagnosis=None) == [0] * 5


RIGHT_MEAN_IOU = {
    "loop": """
ious = []
for c in range(len(matrix)):
    if matrix[c].sum():
        ious.append(matrix[c, c] / (matrix[c].sum() + matrix[:, c].sum() - matrix[c, c]))
my_mean_iou = sum(ious) / len(ious)""",
    "keras": """
m = ops.cast(matrix, "float64")
hits, truth = ops.diag(m), ops.sum(m, axis=1)
present = ops.cast(truth > 0, "float64")
my_mean_iou = ops.sum(present * hits / ops.maximum(truth + ops.sum(m, axis=0) - hits, 1)) / ops.sum(present)""",
    "nan, a print and a warning": """
with_nan = np.where(matrix.sum(1) > 0, np.diag(matrix) / (matrix.sum(1) + matrix.sum(0) - np.diag(matrix)), np.nan)
my_mean_iou = np.nanmean(with_nan)
print(my_mean_iou)""",
    "metrics": "from helpers import metrics\nmy_mean_iou = metrics.scores(matrix)['mean_iou']",
    "rounded": "from helpers import metrics\nmy_mean_iou = round(metrics.scores(matrix)['mean_iou'], 3)",
}
WRONG_MEAN_IOU = {
    "typed in": (f"my_mean_iou = {MEAN_IOU}", [1, 0]),
    "all classes": (
        "my_mean_iou = np.mean(np.diag(matrix) / (matrix.sum(1) + matrix.sum(0) - np.diag(matrix)))",
        [0, 0],
    ),
    "mean accuracy": ("t = matrix.sum(1)\nmy_mean_iou = np.mean((np.diag(matrix) / np.maximum(t, 1))[t > 0])", [0, 0]),
    "pixel accuracy": ("my_mean_iou = np.diag(matrix).sum() / matrix.sum()", [0, 0]),
    "percent": (RIGHT_MEAN_IOU["loop"] + " * 100", [0, 0]),
    "each class": ("my_mean_iou = np.diag(matrix) / matrix.sum()", [0, 0]),
    "other matrix": (RIGHT_MEAN_IOU["loop"].replace("matrix", "other"), [0, 0]),
}


@pytest.mark.parametrize("style", RIGHT_MEAN_IOU)
def test_mean_iou_in_any_style(style, capfd):
    assert points("03", RIGHT_MEAN_IOU[style]) == [1, 1]
    assert capfd.readouterr().err == ""
    assert points("03", RIGHT_MEAN_IOU[style], matrix=NUMBERS.astype("float32")) == [1, 1]


@pytest.mark.parametrize("mistake", WRONG_MEAN_IOU)
def test_mean_iou_wrong(mistake):
    code, expected = WRONG_MEAN_IOU[mistake]
    found, why = mark("03", code)
    assert found == expected, why


def test_mean_iou_with_a_function_of_another_cell():
    code = "my_mean_iou = mean_iou(matrix)"
    function = "def mean_iou(matrix):\n" + "\n".join(
        f"    {line}" for line in [*RIGHT_MEAN_IOU["loop"].splitlines(), "return my_mean_iou"]
    )
    assert points("03", f"{function}\n{code}") == [1, 1]


def test_mean_iou_with_tries_that_stopped():
    tried = ["my_mean_iou = 1 / 0", "print(my_mean_iou_2)"]
    assert points("03", RIGHT_MEAN_IOU["loop"], tried=tried) == [1, 1]


def test_hidden_tests_leave_the_students_names_alone():
    """A right answer may lean on names of its own cells, whatever they are; and lesson cells that follow still run."""
    for number, tests in TESTS.items():
        space = {"In": []}
        for name, _, test in tests:
            with contextlib.suppress(Exception):
                exec(compile(test, name, "exec"), space)
        new = set(space) - {"In", "__builtins__"}
        assert new <= {"_test", "_answer", "_quiet"}, number
    names = [
        "random",
        "labels",
        "logits",
        "weights",
        "p",
        "g",
        "right",
        "found",
        "valid",
        "matrix",
        "hits",
        "sums",
        "powers",
        "np",
        "contextlib",
        "io",
        "os",
    ]
    silly = "".join(f"{name} = len\n" for name in names)
    assert points("01", silly + exercises.solution(notebook("01")).replace("np.", "numpy."), numpy=np) == [2, 1, 1]


# ---- the edition


@pytest.mark.parametrize("number", PATHS)
def test_edition(number):
    nb = carrying(number)
    before = nbformat.writes(nb)
    made = grading.edition(nb, exercises.solution(nb), TESTS[number])
    assert nbformat.writes(nb) == before
    assert nbformat.writes(source(number)) == nbformat.writes(made)
    nbformat.validate(made)
    marks = {cell.id: cell.metadata.nbgrader for cell in made.cells if "nbgrader" in cell.metadata}
    tests = [name for name, _, _ in TESTS[number]]
    assert list(marks) == ["carried", "setup", "exercise", *tests]
    assert all(mark.grade_id == name and mark.schema_version == 3 for name, mark in marks.items())
    kinds = {name: (mark.grade, mark.solution, mark.locked) for name, mark in marks.items()}
    assert kinds.pop("exercise") == (False, True, False)
    assert kinds.pop("carried") == kinds.pop("setup") == (False, False, True)
    assert set(kinds.values()) == {(True, False, True)}
    assert [marks[name].points for name in tests] == FULL[number]
    stub, checks = exercises.stub_and_checks(nb)
    solved = f"{stub}\n### BEGIN SOLUTION\n{exercises.solution(nb)}\n### END SOLUTION\n{checks}"
    assert exercises.cell(made, "exercise").source == solved
    ids = [cell.id for cell in made.cells]
    at = ids.index("exercise") + 1
    assert ids[at : at + len(tests)] == tests and "exercise-solution" not in ids
    for cell in made.cells[at : at + len(tests)]:
        assert cell.source.startswith("# ") and cell.source.splitlines()[1] == "### BEGIN HIDDEN TESTS"
        assert cell.source.endswith("### END HIDDEN TESTS") and "from common" not in cell.source


def test_mean_iou_in_a_kernel():
    """Only there is `In`, the list of the cells that were run."""
    before = """import logging, sys, warnings
import numpy as np
from helpers.lessons import check
matrix = np.diag(np.arange(9)) + 1
logging.getLogger().addHandler(logging.StreamHandler())"""
    typed = np.mean((np.arange(9) + 1) / (np.arange(9) + 17))
    noise = "print(1, file=sys.stderr)\nwarnings.warn('2')\nlogging.getLogger().warning('3')"
    rounds = [
        ("my_mean_iou = 1 / 0", ["exercise", "mean-iou", "mean-iou-computed"]),
        (RIGHT_MEAN_IOU["nan, a print and a warning"], []),
        (f"{noise}\n{RIGHT_MEAN_IOU['loop']}", ["exercise"]),
        (f"my_mean_iou = {typed}", ["mean-iou-computed"]),
        ("%time my_mean_iou = check.metrics.scores(matrix)['mean_iou']", []),
        ("my_mean_iou = None", ["mean-iou", "mean-iou-computed"]),
    ]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(before)])
    for answer, _ in rounds:
        cells = {cell.id: cell for cell in source("03").cells}
        cells["exercise"].source = f"{answer}\ncheck.mean_iou(my_mean_iou, matrix)"
        nb.cells += [cells["exercise"], cells["mean-iou"], cells["mean-iou-computed"]]
    NotebookClient(nb, kernel_manager_class=notebooks.ThisPythonManager, allow_errors=True).execute()
    for n, (answer, expected) in enumerate(rounds):
        assert faults(nb.cells[1 + 3 * n : 4 + 3 * n]) == expected, answer


# ---- nbgrader itself


def nbgrader(course, *arguments):
    env = {name: value for name, value in os.environ.items() if not name.startswith("SERIES_")}
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):  # nobody's own settings
        env[variable] = str(course.parent / "home")
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"  # nbgrader starts `alembic` by its name
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments], cwd=course, env=env, capture_output=True, text=True
    )


class Student:
    """Somebody who edits the notebooks of an assignment, and hands them in."""

    def __init__(self, course, name, everything=False):
        self.course, self.name, self.everything = course, name, everything

    def hand_in(self, number, answer=None, cut=(), rewritten=None):
        """The notebook with an answer in place of the stub, some cells cut, and others rewritten, by their ids.

        Unless it is `everything`, the lesson was cut as well, which a student may do, and which saves a minute here.
        """
        path = self.course / "release" / "lab1" / PATHS[number].name
        nb = nbformat.read(path, as_version=4)
        if answer is not None:
            cell = exercises.cell(nb, "exercise")
            cell.source = f"{answer}\n\n{exercises.stub_and_checks(nb)[1]}"
        if not self.everything:
            nb.cells = [cell for cell in nb.cells if "nbgrader" in cell.metadata or cell.id == "imports"]
        nb.cells = [cell for cell in nb.cells if cell.id not in cut]
        for cell in nb.cells:
            cell.source = (rewritten or {}).get(cell.id, cell.source)
        to = self.course / "submitted" / self.name / "lab1" / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, to)


PARTIAL = """
def my_softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)  # overflows, and warns

my_axis = -3
print("marked at pace", PACE, "on", os.environ["SERIES_DATA"], "beside", *os.listdir())"""
ANOTHER_HEAD = """
my_row = (3, 100, 101)

def my_head(scores):
    return tf.reshape(tf.transpose(scores, (0, 2, 3, 1)), (2, 6, 4))"""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A course folder with notebooks 01 and 02 as the assignment lab1, ready to be handed out."""
    course = tmp_path_factory.mktemp("nbgrader") / "course"
    (course / "source" / "lab1").mkdir(parents=True)
    (course / "nbgrader_config.py").write_text(grading.CONFIG, encoding="utf-8")
    for number in ("01", "02"):
        nbformat.write(source(number), course / "source" / "lab1" / PATHS[number].name)
    process = nbgrader(course, "generate_assignment", "lab1")
    assert process.returncode == 0, process.stderr
    return course


@pytest.fixture(scope="module")
def marked(released):
    """The same after five students handed in, and after marking and feedback: (folder, what marking said)."""
    right, partial, cheat, gone = (Student(released, name).hand_in for name in ("right", "partial", "cheat", "gone"))
    right("01", exercises.solution(notebook("01")))
    right("02", ANOTHER_HEAD)
    partial("01", PARTIAL)
    partial("02", cut=["exercise"])
    rewritten = dict.fromkeys(["softmax-any-shape", "softmax-large", "class-axis"], "pass")
    rewritten |= {"setup": "import helpers, sys\nsys.modules['numpy'] = None", "carried": "CARRIED = 'mine'"}
    cheat("01", rewritten=rewritten)
    cheat("02", exercises.solution(notebook("02")), cut=["row", "head"])
    gone("01", cut=["exercise", "softmax-any-shape", "softmax-large", "class-axis"])
    for number in ("01", "02"):
        Student(released, "empty", everything=True).hand_in(number, cut=["animation", "race"])  # slow, and used by none
    unpacked = released / "submitted" / "partial" / "lab1" / "series-0123"
    unpacked.mkdir()
    (unpacked / "numpy.py").write_text("")
    marking = nbgrader(released, "autograde", "lab1")
    feedback = nbgrader(released, "generate_feedback", "lab1")
    assert feedback.returncode == 0, feedback.stderr
    return released, marking.stderr


def given(course, student):
    """{grade id: points} in the grade book."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        submission = book.find_submission("lab1", student)
        return {grade.name: grade.score for nb in submission.notebooks for grade in nb.grades}


def autograded(course, student, number):
    return nbformat.read(course / "autograded" / student / "lab1" / PATHS[number].name, as_version=4)


def faults(cells):
    """The ids of the cells that stopped, or wrote to standard error."""
    return [
        cell.id
        for cell in cells
        if any(o.output_type == "error" or o.get("name") == "stderr" for o in cell.get("outputs", []))
    ]


NOTHING = {"softmax-any-shape": 0, "softmax-large": 0, "class-axis": 0, "row": 0, "head": 0}
EVERYTHING = {"softmax-any-shape": 2, "softmax-large": 1, "class-axis": 1, "row": 1, "head": 2}


@pytest.mark.slow
def test_what_students_get(released):
    for number in ("01", "02"):
        path = released / "release" / "lab1" / PATHS[number].name
        nb, plain = nbformat.read(path, as_version=nbformat.NO_CONVERT), notebook(number)
        nbformat.validate(nb)
        assert exercises.stub_and_checks(nb) == exercises.stub_and_checks(plain)
        assert exercises.solution(plain) not in "\n".join(cell.source for cell in nb.cells)
        assert not any(word in path.read_text() for word in ("SOLUTION", "HIDDEN", "_test", "_answer"))
        for name, _, test in TESTS[number]:
            cell = next(cell for cell in nb.cells if cell.id == name)
            assert cell.source.startswith(test.splitlines()[0]) and "\n" not in cell.source.strip()


@pytest.mark.slow
def test_points(marked):
    course, _ = marked
    assert given(course, "right") == EVERYTHING
    assert given(course, "partial") == {**NOTHING, "softmax-any-shape": 2, "class-axis": 1}
    assert given(course, "empty") == NOTHING
    assert nbgrader(course, "export", "--to", "points.csv").returncode == 0
    with (course / "points.csv").open() as file:
        table = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    assert table == {"right": (7, 7), "partial": (3, 7), "empty": (0, 7), "cheat": (3, 7), "gone": (0, 7)}


@pytest.mark.slow
def test_an_empty_notebook_runs_to_its_end(marked):
    course, _ = marked
    for number in ("01", "02"):
        nb = autograded(course, "empty", number)
        assert faults(nb.cells) == [name for name, _, _ in TESTS[number]], "only the hidden tests stop"
        assert all(cell.execution_count for cell in nb.cells if cell.cell_type == "code")
        assert "Not answered" in exercises.cell(nb, "exercise").outputs[0].text


@pytest.mark.slow
def test_marking_is_short_and_tidy(marked):
    course, _ = marked
    said = exercises.cell(autograded(course, "partial", "01"), "exercise").outputs[0].text.splitlines()[0]
    assert said.startswith("marked at pace fast on scenes beside"), said
    assert "series-4567" in said and "series-0123" not in said, "what was unpacked before is left out"
    assert not list((course / "autograded").glob("*/lab1/series-*")), "and what is unpacked now does not stay"


@pytest.mark.slow
def test_feedback_says_what_is_wrong(marked):
    course, _ = marked

    def page(student, number):
        body = (course / "feedback" / student / "lab1" / f"{PATHS[number].stem}.html").read_text(encoding="utf-8")
        text = html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", "", body, flags=re.S))
        assert not any(word in text for word in ("_test", "HIDDEN", "Traceback")), "how a test finds out"
        assert "CARRIED = 'as handed out'" in text and "makedirs" not in text
        return text

    assert "(Score: 4.0 / 4.0)" in page("right", "01") and "Error" not in page("right", "01")
    assert "(Score: 3.0 / 4.0)" in page("partial", "01")
    message = "AssertionError: Logits near 1000 overflow: take each pixel's own largest logit off first."
    assert message in page("partial", "01")
    assert "NameError: name 'my_head' is not defined" in page("partial", "02")
    assert "AssertionError: Not answered: the function returns None." in page("empty", "02")


@pytest.mark.slow
def test_what_students_rewrote_is_restored(marked):
    course, _ = marked
    cells = {cell.id: cell.source for cell in autograded(course, "cheat", "01").cells}
    for cell in nbformat.read(course / "source" / "lab1" / PATHS["01"].name, as_version=4).cells:
        assert cell.id == "exercise" or "nbgrader" not in cell.metadata or cells[cell.id] == cell.source
    points = given(course, "cheat")
    assert [points[name] for name, _, _ in TESTS["01"]] == [0, 0, 0]


@pytest.mark.slow
def test_deleted_cells(marked):
    """Hidden tests are put back, and a deleted exercise gets nothing. Where both are gone, nbgrader stops for this
    student, says so, and marks the others; the points stay 0 until a teacher has had a look. So do those of a notebook
    that was not handed in."""
    course, said = marked
    assert [given(course, "cheat")[name] for name in ("row", "head")] == [1, 2]
    cells = autograded(course, "cheat", "02").cells
    assert sum("was missing from the submission" in cell.source for cell in cells) == 2
    assert [given(course, "partial")[name] for name in ("row", "head")] == [0, 0]
    errors = [line for line in said.splitlines() if "There was an error processing assignment 'lab1'" in line]
    assert len(errors) == 1 and "'gone'" in errors[0]
    assert given(course, "gone") == NOTHING
    assert not list((course / "feedback").glob("gone/lab1/*"))
    assert "No submitted file" in said and PATHS["02"].name in said
