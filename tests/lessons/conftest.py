"""What the tests of the exercises' checks begin with."""

import pytest


@pytest.fixture
def said(capsys):
    """What a check prints of an answer: said(check, answer) -> str."""

    def ask(exercise, answer):
        exercise(answer)
        return capsys.readouterr().out

    return ask
