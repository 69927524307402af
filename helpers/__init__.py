"""What the notebooks use and do not need to show: data, network, losses, scores, training, pictures.

Each module is meant to be read; start with `unet`, `losses` and `metrics`.
"""

import contextlib
import os
import sys


def start():
    """Readies a notebook: imports Keras without TensorFlow's start-up lines, and sets the figures' style.

    Returns:
        The pace, from the environment variable ``SERIES_PACE``: "full", or "fast" for a check that everything runs
        (the same cells and figures, with fewer scenes and epochs).
    """
    with silence():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # A lesson trains many small networks; TensorFlow takes them for one that is compiled again and again.
            tf.get_logger().addFilter(lambda record: "retracing" not in record.getMessage())
            for gpu in tf.config.list_physical_devices("GPU"):  # leave room on the card for other notebooks
                with contextlib.suppress(RuntimeError):  # already in use: too late, and no harm
                    tf.config.experimental.set_memory_growth(gpu, True)
    import matplotlib.pyplot as plt

    plt.rcParams.update({"figure.dpi": 80, "font.size": 10, "axes.titlesize": 11, "axes.axisbelow": True})
    pace = os.environ.get("SERIES_PACE", "full")
    if pace not in ("full", "fast"):
        raise ValueError(f'SERIES_PACE is {pace!r}; it is "full" (or not set) or "fast".')
    return pace


def on_colab():
    """Whether this is a Colab session."""
    return "google.colab" in sys.modules


def has_gpu():
    """Whether the backend of Keras computes on a GPU."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    return False


@contextlib.contextmanager
def silence():
    """Within it, what C++ libraries write to standard error goes nowhere; exceptions still come through.

    In a script, as opposed to a notebook, what Python itself writes there is lost, too.
    """
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
