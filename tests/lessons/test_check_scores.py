"""The checks of notebook 08 say "right" to every right answer, and name the usual mistakes."""

import pytest

import exercises
from helpers.lessons import check_scores
from support.answers import RIGHT_SUREST, WRONG_SUREST

RIGHT = {letter: right for letter, (right, _) in check_scores.CONVENTIONS.items()}


def test_right_conventions(said):
    assert exercises.right(said(check_scores.conventions, RIGHT))
    assert exercises.right(said(check_scores.conventions, {letter: str(n) for letter, n in RIGHT.items()}))


@pytest.mark.parametrize("letter", RIGHT)
def test_a_wrong_convention_gets_its_hint(said, letter):
    lines = said(check_scores.conventions, {**RIGHT, letter: 1}).splitlines()
    told = {line[0]: line for line in lines}
    assert told[letter] == f"{letter}: not yet: {check_scores.CONVENTIONS[letter][1]}."
    assert all(exercises.right(line) for other, line in told.items() if other != letter)


def test_an_unanswered_convention_is_no_answer(said):
    assert said(check_scores.conventions, dict.fromkeys(RIGHT)).count("not answered yet") == 5
    for answer in (None, 3, {"A": 2}):
        assert "a dictionary" in said(check_scores.conventions, answer)


@pytest.mark.parametrize("style", RIGHT_SUREST)
def test_the_surest_mistake_in_any_style(said, style):
    assert exercises.right(said(check_scores.surest_mistake, RIGHT_SUREST[style]))


@pytest.mark.parametrize("mistake", WRONG_SUREST)
def test_each_wrong_answer_gets_its_hint(said, mistake):
    found = said(check_scores.surest_mistake, WRONG_SUREST[mistake])
    assert mistake in found and not exercises.right(found)
