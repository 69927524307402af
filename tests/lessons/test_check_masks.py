"""The checks of notebook 09 say "right" to every right answer, and name the usual mistakes."""

import pytest

import exercises
from helpers.lessons import check_masks
from helpers.lessons.own_masks import GREYS
from support.answers import RIGHT_COLOURS, WRONG_COLOURS


def test_right_numbers(said):
    assert exercises.right(said(check_masks.numbers, GREYS))
    loosely = {str(number): f" {name.title()}" for number, name in GREYS.items()}
    assert exercises.right(said(check_masks.numbers, loosely))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (None, "Not answered yet"),
        (["coin", "leaf"], "the answer is a dictionary"),
        ({"dark": "coin"}, "its keys are the numbers"),
        ({**GREYS, 255: "void"}, "leave it out"),
        ({40: "coin"}, "its keys are the numbers in the masks, 40, 90, 150, 210"),
        ({**GREYS, 40: "penny"}, "'penny' is no class"),
    ],
)
def test_no_answer_in_numbers(said, answer, hint):
    found = said(check_masks.numbers, answer)
    assert hint in found and not exercises.right(found)


@pytest.mark.parametrize(("one", "other"), [(40, 210), (90, 150), (150, 210)])
def test_numbers_that_changed_places_get_their_hints(said, one, other):
    lines = said(check_masks.numbers, {**GREYS, one: GREYS[other], other: GREYS[one]}).splitlines()
    assert lines == [f"{number}: not yet: {check_masks.HINTS[GREYS[number]]}." for number in (one, other)]


@pytest.mark.parametrize("style", RIGHT_COLOURS)
def test_colours_in_any_style(said, style):
    assert exercises.right(said(check_masks.from_colours, RIGHT_COLOURS[style]))


@pytest.mark.parametrize("mistake", WRONG_COLOURS)
def test_each_wrong_answer_gets_its_hint(said, mistake):
    found = said(check_masks.from_colours, WRONG_COLOURS[mistake])
    assert mistake in found and not exercises.right(found) and len(found.splitlines()) == 1
