"""Getting the data set: the nearest copy that is whole, or a folder that is filled until it is."""

import errno
import os

from helpers.fetch import layout
from helpers.fetch.filling import Filling
from helpers.fetch.layout import IMAGES, LABELS, SiftFlowError
from helpers.fetch.verify import verify
from helpers.fetch.workplace import Workplace


def get(root=None, source=None, progress=True):
    """Finds or fills a folder with the data set, as `helpers.siftflow.get` describes.

    Returns:
        The path of the data set's folder, which is whole.

    Raises:
        SiftFlowError: it cannot be had, or not kept.
    """
    say = print if progress else lambda *_: None
    if root is None:
        found = _whole_copy(say)
        if found is not None:
            return found
        root = layout.data_folder()
    root = layout.expanded(root)
    place = layout.locate_photographs(root) or (root if root.name == "SiftFlowDataset" else root / "SiftFlowDataset")
    found = ""
    try:
        if (place / IMAGES).is_dir() and (place / LABELS).is_dir():
            report = verify(place)
            if report.whole:  # also where the folder cannot be written to
                say(f"{report}.")
                return place
            found = f"{report}. "
            say(found)
        with Workplace(place, say) as workplace:
            Filling(workplace, say, progress).fill(source)
    except OSError as error:
        raise SiftFlowError(found + _explain(error, place)) from error
    say(f"SiftFlow is whole, in {place}.")
    return place


def _whole_copy(say):
    """The folder that SIFTFLOW_DIR names, which must be whole; else the nearest that is, or None."""
    named = os.environ.get("SIFTFLOW_DIR")
    if named:
        report = verify()
        if not report.whole:
            raise SiftFlowError(
                f"{report}: mend it with python -m helpers.siftflow get {named}, or unset SIFTFLOW_DIR."
            )
        say(f"{report}.")
        return report.root
    for place in layout.places():
        report = verify(place)
        if report.whole:
            say(f"{report}.")
            return place
    return None


def _explain(error, place):
    cure = "name another folder, siftflow.get('folder')"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full at {place}: free 300 MB there, or {cure}. "
            "What has arrived is kept, and the next call goes on from it."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place} cannot be written to: {cure}."
    return f"{error.filename or place} cannot be used ({error.strerror or error}): {cure}."
