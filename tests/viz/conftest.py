"""The tests of pictures share this: no figure stays open, and what a notebook would display is kept."""

import IPython.display
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves a figure open."""
    plt.switch_backend("agg")
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def displayed(monkeypatch):
    """Keeps what would appear in a notebook: the objects displayed and the updates of their handles."""
    shown = []

    class Handle:
        update = staticmethod(shown.append)

    def display(thing, display_id=None):
        shown.append(thing)
        return Handle() if display_id else None

    monkeypatch.setattr(IPython.display, "display", display)
    return shown
