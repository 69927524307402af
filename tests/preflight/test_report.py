"""preflight.report, preflight.examine: what is returned and printed, and that each cause is told where it is found."""

import ast
import dataclasses
import importlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import preflight
from helpers.preflight.report import Cause, Result, Stop, Table, fine, first, note, problem
from support.preflight_models import batch, examine, relabelled, small

FOLDER = Path(preflight.__file__).parent
CHECKS = (
    "data", "shapes", "labels", "alignment", "loss", "scores", "initial loss", "input range", "batch norm", "gradient",
    "axes", "prediction", "overfit", "optimizer",
)  # fmt: skip


def test_a_problem_is_frozen_and_tells_all():
    problem = preflight.Problem("labels", "They are wrong.", "A mistake.", "Mend it.")
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.check = "loss"
    assert repr(problem) == (
        "Problem(check='labels', symptom='They are wrong.', cause='A mistake.', cure='Mend it.', confidence='measured')"
    )
    assert problem == preflight.Problem("labels", "They are wrong.", "A mistake.", "Mend it.")


def test_nothing_is_said_against_a_sound_model(sound):
    problems, text = sound
    assert problems == [] and "could not be measured" not in text and "Not told" not in text, text


def test_the_table_has_a_row_for_each_check_in_their_order(sound):
    _, text = sound
    rows = [line for line in text.splitlines() if not line.startswith(" ")]
    assert [row[:13].rstrip() for row in rows[:-1]] == list(CHECKS)
    assert all(row[13:22].strip() in ("ok", "-") for row in rows[:-1])
    assert rows[-1] == "No problem found." and "ground" in text


def test_several_problems_are_told_the_most_fundamental_first():
    model = small(optimizer=keras.optimizers.Adadelta(1e-5), scores=["accuracy"])
    problems, text = examine(model, relabelled(lambda y: y.swapaxes(1, 2)))
    checks = [problem.check for problem in problems]
    assert checks[0] == "alignment" and {"scores", "optimizer"} < set(checks)
    assert f"{len(problems)} problems; begin with the first." in text


# ---- the table ------------------------------------------------------------------------------------------------------

DAMP = Cause(cause="It is {how} damp.", cure="Dry it.")


def test_a_problem_fills_the_gaps_of_its_cause(capsys):
    table = Table()
    facts = table.ask("cellar", lambda walls: Result([fine("Dark."), problem(DAMP, "Wet.", how="very")], walls), 4)
    table.print_total()
    assert facts == 4 and table.problems == [preflight.Problem("cellar", "Wet.", "It is very damp.", "Dry it.")]
    assert table.found("attic", "cellar") and not table.found("attic")
    assert capsys.readouterr().out == (
        "cellar       ok       Dark.\n"
        "cellar       PROBLEM  Wet.\n"
        "             cause:   It is very damp.\n"
        "             cure:    Dry it.\n"
        "1 problem; begin with the first.\n"
    )


def test_what_a_check_stops_with_is_told():
    def stops():
        raise Stop(problem(DAMP, "Wet.", how="a bit"), problem(DAMP, "Wetter.", how="very"))

    table = Table()
    with pytest.raises(Stop):
        table.ask("cellar", stops)
    assert [found.symptom for found in table.problems] == ["Wet.", "Wetter."]


def test_a_check_that_fails_is_noted_and_one_that_is_needed_stops(capsys):
    def fails():
        raise ValueError("No light.")

    table = Table()
    unknown = table.ask("cellar", fails)
    assert table.problems == []
    table.ask("stairs", lambda: Result([fine(f"{unknown.steps} steps")]))  # a fact that nobody measured
    table.ask("shelf", lambda: Result([fine(f"{list(unknown)}")]))
    out = capsys.readouterr().out
    assert "cellar       -        It could not be measured: ValueError: No light.\n" in out
    assert "stairs       -        It could not be measured: LookupError: cellar was not measured.\n" in out
    assert "shelf        -        It could not be measured: LookupError: cellar was not measured.\n" in out
    with pytest.raises(Stop):
        table.ask("cellar", fails, needed=True)
    assert [found.symptom for found in table.problems] == ["It could not be measured: ValueError: No light."]


def test_the_first_suspicion_is_told_and_no_other_is_looked_into():
    asked = []

    def suspect(name, found):
        def ask(measured):
            asked.append((name, measured))
            return found and note(name)

        return ask

    assert first((suspect("a", False), suspect("b", True), suspect("c", True)), 7) == note("b")
    assert asked == [("a", 7), ("b", 7)] and first((), 7) is None


# ---- the causes -----------------------------------------------------------------------------------------------------


def causes():
    """Every cause by the name of its constant: {(module, name): Cause}."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        module = importlib.import_module(f"helpers.preflight.{path.stem}")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
        found.update(
            {(path.stem, name): getattr(module, name) for name in own if isinstance(getattr(module, name), Cause)}
        )
    return found


def told(tree):
    """Every call of `problem` in a module: (names of causes that it may tell, names of the details it fills in)."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "problem":
                names = constants(call.args[0]) or constants(function)
                yield names, {keyword.arg for keyword in call.keywords}


def constants(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.isupper()}


def test_every_cause_is_told_with_all_its_gaps_filled():
    known, used = causes(), set()
    for path in FOLDER.glob("*.py"):
        module = importlib.import_module(f"helpers.preflight.{path.stem}")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used |= {id(getattr(module, name)) for name in constants(tree) if getattr(module, name, None) in known.values()}
        for names, details in told(tree):
            for name in names:
                cause = getattr(module, name)
                gaps = set(re.findall(r"{(\w+)", cause.cause + cause.cure))
                assert gaps <= details, f"{path.name}: {name} has gaps {gaps}, and problem() fills {details}"
    assert len(known) > 45 and {id(cause) for cause in known.values()} <= used
    assert len({cause.cause for cause in known.values()}) == len(known)


def test_a_cause_that_is_defined_is_used_outside_its_definition():
    text = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    for module, name in causes():
        assert len(re.findall(rf"\b{name}\b", text[module])) > 1, f"{module}.{name}"


def test_nothing_is_raised_for_names_that_are_any_iterable():
    names = (name for name in ("a", "b"))
    problems, _ = examine(small(), batch(), class_names=names, seconds=0)
    assert [problem.symptom for problem in problems] == ["2 class names, and 4 outputs per pixel."]
    assert np.shape(problems) == (1,)
