"""Lets a picture follow sliders and buttons: core ipywidgets only (7.7 and 8), all of which answer the keyboard."""

import functools
import threading

import ipywidgets as widgets

from helpers.viz import draw


def in_turn(handler):
    """Wraps the handler of a widget's event: it runs in the main thread, after the cell that is running there.

    Neither pyplot nor Keras is made for two threads at a time.
    """

    @functools.wraps(handler)
    def called(*arguments):
        if threading.current_thread() is threading.main_thread():
            handler(*arguments)
        else:
            from IPython import get_ipython

            get_ipython().kernel.io_loop.add_callback(handler, *arguments)

    return called


def explore(figure_of, **controls):
    """Puts a picture beside the controls that change it.

    Args:
        figure_of: a function of the controls' values, by name, that returns a Matplotlib figure.
        controls: ipywidgets with a ``value``: see `whole`, `number` and `choice`. Their names are their labels.

    Returns:
        A widget. Each picture is drawn when it is first asked for, and kept.
    """
    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", align_self="flex-start"))
    drawn = {}

    def follow(_=None):
        values = {name: control.value for name, control in controls.items()}
        key = tuple(values.values())
        if key not in drawn:
            drawn[key] = draw.png(figure_of(**values))
        picture.value = drawn[key]

    for name, control in controls.items():
        control.description = name.replace("_", " ")
        control.style.description_width = "85px"
        control.observe(in_turn(follow), "value")
    follow()
    return widgets.VBox([widgets.HBox(list(controls.values()), layout=widgets.Layout(flex_flow="row wrap")), picture])


def whole(low, high, start):
    """Makes a slider over whole numbers."""
    return widgets.IntSlider(start, low, high, layout=_WIDTH)


def number(low, high, start, step=0.25):
    """Makes a slider over numbers."""
    return widgets.FloatSlider(start, min=low, max=high, step=step, readout_format=".2f", layout=_WIDTH)


def choice(*options):
    """Makes buttons of which one is pressed; the first to begin with."""
    return widgets.ToggleButtons(options=options, layout=widgets.Layout(width="max-content"))


_WIDTH = widgets.Layout(width="290px")
