"""Every test of preflight begins with the same random numbers; one examination of a sound model serves many tests."""

import keras
import pytest

from helpers import metrics
from support.preflight_models import CLASSES, batch, examine, small


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def sound():
    """The problems and the table of a sound model, examined at full length."""
    keras.utils.set_random_seed(0)
    return examine(small(scores=[metrics.Scores(4)]), batch(), class_names=CLASSES)
