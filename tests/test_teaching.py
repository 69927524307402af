"""TEACHING.md and the teaching notes name cells, minutes, commands and files that are there."""

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = {path.stem[:2]: path for path in sorted((ROOT / "notebooks").glob("0*.ipynb"))}
GUIDE = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in GUIDE.splitlines() if line.startswith("|")]
PLAN = [row for row in ROWS if re.fullmatch(r"\d+–\d+", row[0])]


def cells(number):
    return [cell.id for cell in nbformat.read(NOTEBOOKS[number], as_version=4).cells]


def notes(number):
    """The introduction of a notebook's teaching notes, and {id of a cell: note}."""
    text = (ROOT / "docs" / "teaching" / f"{NOTEBOOKS[number].stem}.md").read_text(encoding="utf-8")
    introduction, *rest = re.split(r"^## (.*)\n", text, flags=re.M)
    return introduction, dict(zip(rest[::2], rest[1::2], strict=True))


def minutes(note):
    return int(re.search(r"^\*\*Minutes:\*\* (\d+)$", note, re.M)[1])


def named(text):
    """The cells that a text names, as in 01 `axes` `exercise`: [(number, id)]."""
    groups = re.findall(r"\b(0\d)((?: `[\w-]+`)+)", text)
    return [(number, name) for number, names in groups for name in re.findall(r"`(.+?)`", names)]


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_notes_follow_cells_in_their_order(number):
    introduction, by_cell = notes(number)
    title = nbformat.read(NOTEBOOKS[number], as_version=4).cells[0].source.splitlines()[0]
    assert introduction.startswith(f"# Teaching notes: {title.removeprefix('# ')}\n")
    assert by_cell and list(by_cell) == [name for name in cells(number) if name in by_cell]
    assert all(len(note.split("**Minutes:**")) == 2 for note in by_cell.values())


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_minutes_add_up(number):
    introduction, by_cell = notes(number)
    total = int(re.search(r"^\*\*Class time:\*\* (\d+) minutes$", introduction, re.M)[1])
    assert sum(map(minutes, by_cell.values())) == total


def test_the_guide_states_the_same_class_times():
    totals = [sum(map(minutes, notes(number)[1].values())) for number in NOTEBOOKS]
    text = " ".join(GUIDE.split())
    assert f"take {', '.join(map(str, totals[:-1]))} and {totals[-1]} minutes" in text


def test_every_lab_has_90_minutes():
    times = [tuple(map(int, row[0].split("–"))) for row in PLAN]
    starts = [i for i, (start, _) in enumerate(times) if start == 0]
    assert len(starts) == 4, "one lab, and three"
    for first, end in pairwise([*starts, len(times)]):
        lab = times[first:end]
        assert all(stop == start for (_, stop), (start, _) in pairwise(lab)) and lab[-1][1] == 90


@pytest.mark.parametrize("row", PLAN, ids=" ".join)
def test_a_plan_takes_the_minutes_of_the_notes(row):
    start, stop = map(int, row[0].split("–"))
    planned = [minutes(notes(number)[1][name]) for number, name in named(row[-1])]
    assert sum(planned) == stop - start if planned else row[-1] == ""


def test_cells_that_the_guide_names_exist():
    found = named(GUIDE)
    assert {number for number, _ in found} == set(NOTEBOOKS)
    assert [(number, name) for number, name in found if name not in cells(number)] == []


def test_commands_and_paths_of_the_guide_exist():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert {"handouts", "run"} <= set(re.findall(r"`(?:\w+=\S+ )?make ([\w-]+)", GUIDE)) <= set(targets)
    writers = {"build": "tools/handouts.py", "data": "data/README.md"}  # who says that these folders appear
    for path in re.findall(r"`((?:build|data|docs|helpers|notebooks|results|tools)/[^`]*)`", GUIDE):
        top, rest = path.split("/", 1)
        written = top in writers and rest.strip("/") in (ROOT / writers[top]).read_text(encoding="utf-8")
        assert (ROOT / path).exists() or written, path
