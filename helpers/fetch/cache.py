"""One file that holds a whole data set compactly: a zip of the JPEGs as they are, and of the labels as PNG.

It is one sequential read where the original layout needs 5,376 small ones, and no MATLAB parsing.
"""

import hashlib
import io
import os
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from helpers.fetch import layout
from helpers.fetch.layout import SiftFlowError


def archive_of(root, images, labels, read_label):
    """The path of the zip that holds a data set, written the first time that it is asked for.

    Its name carries a fingerprint of the original files' names, sizes and times, so a changed file makes a new archive.

    Args:
        root: the data set's folder, which gives the archive its name.
        images: {name: path of the JPEG}.
        labels: {name: path of the label map}, of the same names.
        read_label: takes a name, returns its label, uint8 (row, col).

    Returns:
        The path of a zip with ``<name>.jpg`` and ``<name>.png`` for each name.

    Raises:
        SiftFlowError: there is no folder to keep it in.
    """
    names = sorted(images)
    files = [file for name in names for file in (images[name], labels[name])]
    listing = "\n".join(f"{f.name} {f.stat().st_size} {f.stat().st_mtime_ns}" for f in files)
    folder = layout.writable_folder("cache")
    if folder is None:
        raise SiftFlowError(f"No folder to keep the data set's cache in: make {layout.data_folder()} writable.")
    path = folder / f"{root.name}-{hashlib.sha256(listing.encode()).hexdigest()[:16]}.zip"
    if not _is_whole(path, n_members=len(files)):
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
            try:
                with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive, ThreadPoolExecutor(4) as pool:
                    for name, png in zip(names, pool.map(lambda n: _png(read_label(n)), names), strict=True):
                        archive.writestr(name + ".jpg", images[name].read_bytes())
                        archive.writestr(name + ".png", png)
            except BaseException:
                part.close()
                os.unlink(part.name)
                raise
        os.replace(part.name, path)  # atomic: a reader sees the whole archive or none
    return path


def _is_whole(path, n_members):
    try:
        with zipfile.ZipFile(path) as archive:
            return len(archive.namelist()) == n_members
    except (OSError, zipfile.BadZipFile):
        return False


def _png(label):
    buffer = io.BytesIO()
    Image.fromarray(label).save(buffer, "png", compress_level=3)
    return buffer.getvalue()
