"""What is special about Google Colab: a GPU that one has to ask for, and a Drive that outlives the session."""

import helpers
from helpers import sources


def report():
    """Prints which GPU this session has or how to get one, and where data and checkpoints are kept."""
    names = helpers.gpus()
    if names:
        print("GPU:", ", ".join(names))
    else:
        print(
            "No GPU, and none is needed before notebook 06. To get one: Runtime > Change runtime type > T4 GPU, then "
            "run this notebook from its top."
        )
    if sources.DRIVE.is_dir():
        print("Google Drive is connected: checkpoints, and the data set's archive once fetched, are kept there.")
    else:
        print(
            "Google Drive is not connected: data and checkpoints end with this session. To keep them, run "
            "helpers.colab.connect_drive() in a new cell below this one."
        )


def connect_drive():
    """Asks for leave to use the reader's Google Drive, and says whether it was given. Nothing stops if it was not."""
    try:
        from google.colab import drive
    except ImportError:
        print("This is no Colab session: what is written here stays here, and needs no Drive.")
        return
    try:
        drive.mount(str(sources.DRIVE.parent))
    except Exception as error:  # of several kinds, whether the window was closed or Google did not answer
        print(f"Google Drive was not connected ({error}). All goes on without; run this again to try once more.")
        return
    report()
