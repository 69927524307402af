"""The notebooks take from here what they use and need not show: data, network, losses, scores, training, pictures.

``helpers/README.md`` says which files are meant to be read, and in which order.
"""

from helpers.engine import session
from helpers.engine.session import connect_drive, has_gpu, on_colab, silence

__all__ = ["connect_drive", "has_gpu", "on_colab", "silence", "start"]


def start():
    """Readies a notebook: imports Keras without TensorFlow's start-up lines, and sets the figures' style.

    On Colab it also says which GPU there is, and offers to keep data and checkpoints in Google Drive.

    Returns:
        The pace, from the environment variable ``SERIES_PACE``: "full", or "fast" for a check that everything runs
        (the same cells and figures, with fewer scenes and epochs).
    """
    pace = session.start()
    from helpers.viz import style

    style.apply()
    return pace
