"""The start of a notebook: a quiet Keras, the pace, and what is special about Google Colab."""

import contextlib
import functools
import os
import sys
import threading
from pathlib import Path

DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts a Google Drive


def start():
    """Imports Keras quietly, keeps widgets off the figures of other cells, reports on Colab; returns the pace.

    This is the session's part of `helpers.start`, which also sets the figures' style.
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
    _leave_figures_to_their_cells()
    pace = os.environ.get("SERIES_PACE", "full")
    if pace not in ("full", "fast"):
        raise ValueError(f'SERIES_PACE is {pace!r}; it is "full" (or not set) or "fast".')
    if on_colab():
        report()
    return pace


def _leave_figures_to_their_cells():
    """Lets no widget touch the figures of a cell that runs at the same time.

    JupyterLab has a widget's message handled in a thread beside the cell's. After each message IPython does what it
    does at a cell's end: pyplot draws whatever figures are open, and the backend for notebooks shows and closes them.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    trigger = getattr(getattr(shell, "events", None), "trigger", None)
    if trigger is None or hasattr(trigger, "__wrapped__"):  # no notebook, or its set-up cell is run again
        return

    @functools.wraps(trigger)
    def in_main_thread(event, *arguments, **keywords):
        if threading.current_thread() is threading.main_thread():
            trigger(event, *arguments, **keywords)

    shell.events.trigger = in_main_thread


def on_colab():
    """Whether this is a Colab session."""
    return "google.colab" in sys.modules


def gpus():
    """The names of the GPUs that the backend of Keras computes on, such as "Tesla T4"."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in found]
    return []


def has_gpu():
    """Whether the backend of Keras computes on a GPU."""
    return bool(gpus())


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


def report():
    """Prints which GPU this session has or how to get one, and where data and checkpoints are kept."""
    names = gpus()
    if names:
        print("GPU:", ", ".join(names))
    else:
        print(
            "No GPU, and none is needed before notebook 06. To get one: Runtime > Change runtime type > T4 GPU, then "
            "run this notebook from its top."
        )
    if DRIVE.is_dir():
        print("Google Drive is connected: checkpoints, and the data set's archive once fetched, are kept there.")
    else:
        print(
            "Google Drive is not connected: data and checkpoints end with this session. To keep them, run "
            "helpers.connect_drive() in a new cell below this one."
        )


def connect_drive():
    """Asks for leave to use the reader's Google Drive, and says whether it was given. Nothing stops if it was not."""
    try:
        from google.colab import drive
    except ImportError:
        print("This is no Colab session: what is written here stays here, and needs no Drive.")
        return
    try:
        drive.mount(str(DRIVE.parent))
    except Exception as error:  # of several kinds, whether the window was closed or Google did not answer
        print(f"Google Drive was not connected ({error}). All goes on without; run this again to try once more.")
        return
    report()
