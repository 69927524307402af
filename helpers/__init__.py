"""What the notebooks use and do not need to show: data, network, losses, scores, training, pictures.

``helpers/README.md`` says which files are meant to be read, and in which order.
"""

from helpers.engine.session import connect_drive, has_gpu, on_colab, silence, start

__all__ = ["connect_drive", "has_gpu", "on_colab", "silence", "start"]
