"""The check of notebook 07 says "right" to every right answer, and names the usual mistakes."""

import pytest

import exercises
from helpers.lessons import check_parts
from support.answers import RIGHT_WIDTH, WRONG_WIDTH


def test_by_hand():
    assert [check_parts.width_of(chain) for chain in check_parts.CHAINS] == [3, 5, 8, 13, 35]
    assert check_parts.width_of([]) == 1


@pytest.mark.parametrize("style", RIGHT_WIDTH)
def test_a_right_answer_in_any_style(said, style):
    assert exercises.right(said(check_parts.width, RIGHT_WIDTH[style]))


@pytest.mark.parametrize("mistake", WRONG_WIDTH)
def test_each_wrong_answer_gets_its_hint(said, mistake):
    found = said(check_parts.width, WRONG_WIDTH[mistake])
    assert mistake in found and not exercises.right(found)
