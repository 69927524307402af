"""Helps to read a Matplotlib figure: its texts."""


def texts(axis):
    """Returns the texts written into an axis, in the order in which they were drawn."""
    return [text.get_text() for text in axis.texts]
