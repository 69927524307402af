"""The committed notebooks are in the state a reader should find them in, and every one runs to its end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

import exercises
import notebooks

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Notebooks that may have more than 25 code cells or 1,000 words: name -> up to how many. Small cells read better.
LONGER = {
    "03_weighted_cross_entropy": (42, 1750),  # 300 of the words bring in scores, and the network that 03 to 05 train
    "04_dice_loss": (25, 1170),  # 150 of them are the precision-recall curve and the open challenge
    "05_why_it_does_not_learn": (37, 2010),  # two parts, for two sittings
    "06_unet_on_siftflow": (27, 1300),  # a whole run: data, training, scores, others' scores, a photo of the reader's
    "07_what_does_each_part_do": (34, 1400),  # seven questions, each with runs of its own
    "08_can_i_believe_it": (26, 1400),  # four questions, each with a run of its own
    "09_your_own_masks": (25, 1400),  # what is in a file, four silent mistakes, and a whole run on a set of one's own
}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def nb(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert PATHS


def test_format(path, nb):
    nbformat.validate(nb)
    assert (nb.nbformat, nb.nbformat_minor) >= (4, 5)
    ids = [cell.id for cell in nb.cells]
    assert len(set(ids)) == len(ids)
    assert nb.metadata.get("kernelspec") == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert "widgets" not in nb.metadata
    assert path.stat().st_size <= 1.5e6


def test_a_solution_stays_folded(nb):
    """Text behind </details> in the same cell would show the solution on the page, and so would no empty line before
    it: the page's parser then takes the end for a part of the last paragraph, and folds nothing."""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and "<details>" in cell.source:
            assert re.fullmatch(r"<details><summary>\w+</summary>\n\n.*\n\n</details>", cell.source, re.S), cell.id


def test_an_answer_holds_nothing_else(nb):
    """The student edition folds it: a heading or a question in the same cell would go out of sight with it."""
    for cell in exercises.cells(nb, "why"):
        assert cell.cell_type == "markdown" and cell.source.startswith("**"), cell.id
        assert not re.search(r"^#|\*\*(?:[Pp]redict|Your diagnosis)|<details>", cell.source, re.M), cell.id


@pytest.mark.parametrize("number", [path.stem[:2] for path in PATHS])
def test_every_answer_is_marked_as_one(number):
    nb = nbformat.read(next(path for path in PATHS if path.name.startswith(number)), as_version=4)
    prose = [cell for cell in nb.cells if cell.cell_type == "markdown"]
    answers = [cell.id for cell in prose if re.search(r"^\*\*Why\b", cell.source, re.M)]
    marked = {cell.id for cell in exercises.cells(nb, "why")}
    assert marked and set(answers) <= marked


def test_executed_as_it_stands(nb):
    assert [cell.execution_count for cell in code(nb)] == list(range(1, len(code(nb)) + 1))
    assert not notebooks.stale(nb), f"{notebooks.stale(nb)}: `make execute`"
    assert nb.metadata.series.pace == "full"
    assert not list(notebooks.faults(nb))


def test_the_exercise(nb):
    """A stub with checks, a hint and a solution, which the checks take; they stand in this order."""
    found = [exercises.cell(nb, tag) for tag in ("exercise", "hint", "solution")]
    at = nb.cells.index(found[0])
    assert nb.cells[at : at + 3] == found
    assert exercises.right(found[2].metadata["expected"])
    assert not exercises.right("".join(output.text for output in found[0].outputs)), "the stub is no answer"


def test_the_readme_shows_what_the_notebooks_show():
    for (name, cell_id), file in notebooks.PICTURES.items():
        nb = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        assert (ROOT / file).read_bytes() == notebooks.picture(nb, cell_id), "`make execute` writes it anew"
        assert file in (ROOT / "README.md").read_text(encoding="utf-8")


def test_readable(path, nb):
    for number, cell in enumerate(code(nb), start=1):
        assert len(cell.source.splitlines()) <= 20, f"code cell {number} is too long to read in one go"
    assert np.median([len(cell.source.splitlines()) for cell in code(nb)]) <= 8
    assert any("image/png" in output.get("data", {}) for cell in code(nb) for output in cell.outputs), "no picture"
    folded = {"hint", "solution"}
    prose = [c for c in nb.cells if c.cell_type == "markdown" and not folded & set(c.metadata.get("tags", []))]
    words = sum(len(cell.source.split()) for cell in prose)
    most_cells, most_words = LONGER.get(path.stem, (25, 1000))
    assert 10 <= len(code(nb)) <= most_cells
    assert 400 <= words <= most_words


def test_code_fits_a_laptop(nb):
    """100 characters are what a page shows without scrolling sideways; the set-up cell is not there to be read."""
    lines = [line for cell in code(nb) if cell.id != "setup" for line in cell.source.splitlines()]
    assert not [line for line in lines if len(line) > 100]


def test_a_batchs_own_loss_is_meant(nb):
    """Keras 3.13 returns the mean over all steps since a reset: findings/train_on_batch_was_a_running_mean.sh."""
    for cell in code(nb):
        if re.search(r"[=(].*train_on_batch\(", cell.source):
            assert "reset_metrics()" in cell.source, cell.id


# Who runs a notebook to its end with today's packages: at the fast pace; but 05 at full pace, unless the committed one
# was run with these very packages. With Colab's packages test_colab.py runs every one, at the fast pace.
RUN_BY = {
    "01": "test_browser",
    "02": "test_browser",
    "03": "test_lesson_03",
    "04": "test_lesson_04",
    "05": "test_lesson_05",
    "06": "test_browser",
    "07": "test_lesson_07",
    "08": "test_lesson_08",
    "09": "test_lesson_09",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`make run` of the shortest notebook, and of those that no other test runs: the finished process, the build folder
    and their names."""
    build = tmp_path_factory.mktemp("build")
    only = [word for path in PATHS if path == PATHS[0] or path.stem[:2] not in RUN_BY for word in ("--only", path.stem)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("SERIES_")} | {
        "SERIES_PACE": "fast"
    }
    command = [sys.executable, "tools/notebooks.py", "run", "--build", str(build), *only]
    process = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return process, build, only[1::2]


@pytest.mark.slow
def test_every_notebook_runs_to_its_end(made):
    process, build, names = made
    assert process.returncode == 0, process.stdout + process.stderr
    assert {page.stem for page in (build / "html").glob("*.html")} == {*names, "index"}
    for name in names:
        assert list(notebooks.faults(nbformat.read(build / "notebooks" / f"{name}.ipynb", as_version=4))) == []
    for file in set(RUN_BY.values()):
        assert (Path(__file__).with_name(f"{file}.py")).exists()


@pytest.mark.parametrize("words", [["99"], ["--all", "99"], ["99", "--all"], ["--only", "99"]])
def test_a_notebook_is_named_before_and_after_the_options(words):
    command = [sys.executable, "tools/notebooks.py", "execute", *words]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 1 and "There is no such notebook in notebooks/." in process.stdout + process.stderr


@pytest.fixture(scope="module")
def pages():
    """Every notebook as the page that `make run` writes: {name: HTML}."""
    return {path.stem: notebooks.page(nbformat.read(path, as_version=4), path.stem) for path in PATHS}


def test_hints_and_solutions_are_folded_on_the_pages(pages):
    for page in pages.values():
        folded = re.findall(r"<details><summary>(\w+)</summary>(.*?)</details>", page, re.S)
        assert [(summary, bool(text.strip())) for summary, text in folded] == [("Hint", True), ("Solution", True)]


def test_pages_need_no_network(pages):
    for name, page in pages.items():
        assert notebooks.fetched(page) == [], name


def output(**parts):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output(**parts)])])


@pytest.mark.parametrize(
    "parts",
    [
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []},
        {"output_type": "stream", "name": "stderr", "text": "UserWarning"},
        {"output_type": "stream", "text": f"saved to {ROOT / 'data'}"},
        {"output_type": "stream", "text": f"in {Path.home()}"},
        {"output_type": "execute_result", "data": {"text/plain": "'/tmp/x.npy'"}},
    ],
)
def test_what_must_not_be_saved_is_found(parts):
    assert list(notebooks.faults(output(**parts)))


def test_what_may_be_saved_is_let_through():
    for parts in (
        {"output_type": "stream", "text": "data/scenes/Images, ./tmp/x and 3/4 of the /tmpfile"},
        {"output_type": "display_data", "data": {"image/png": "/tmp/abc", "text/plain": "<Figure>"}},
    ):
        assert not list(notebooks.faults(output(**parts)))


@pytest.mark.parametrize(
    ("body", "fetches"),
    [
        ('<script src="https://cdn.example/x.js"></script>', True),
        ("<link rel=stylesheet href='//cdn.example/x.css'>", True),
        ("<style>@import url(https://fonts.example/x);</style>", True),
        ('<script type="module">import m from "https://cdn.example/m.mjs"</script>', True),
        ('<a href="https://example.org">read on</a> <img src="data:image/png;base64,AA//">', False),
    ],
)
def test_what_a_page_fetches_is_found(body, fetches):
    assert bool(notebooks.fetched(body)) == fetches


def test_a_failing_notebook_is_named(tmp_path):
    path = tmp_path / "07_bad.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in ("print(1)", "# first line\n1 / 0", "print(3)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    with pytest.raises(notebooks.Stopped, match=r"07_bad.ipynb .* code cell 2 of 3, `# first line`\nZeroDivisionError"):
        notebooks.run([path], tmp_path / "build")
    partial = nbformat.read(tmp_path / "build" / "notebooks" / path.name, as_version=4)
    assert partial.cells[0].outputs[0].text == "1\n"
    assert not partial.cells[2].outputs
    assert path.read_text(encoding="utf-8").count("ZeroDivisionError") == 0


def test_saving_normalises(tmp_path):
    path = tmp_path / "07_good.ipynb"
    nb = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("print(1)", id="kept", metadata={"execution": {}})],
        metadata={"widgets": {}, "kernelspec": {"name": "mine", "display_name": "My own"}},
    )
    nbformat.write(nb, path)
    notebooks.save([path], tmp_path / "build", everything=False)
    once = path.read_bytes()
    saved = nbformat.read(path, as_version=4)
    assert saved.cells[0].id == "kept" and not saved.cells[0].metadata and saved.cells[0].execution_count == 1
    assert saved.metadata.keys() == {"kernelspec", "language_info", "series"}
    notebooks.save([path], tmp_path / "build", everything=True)
    assert path.read_bytes() == once
