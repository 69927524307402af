"""Comparing a copy of the data set with what was published, file by file."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from helpers.fetch import archives, layout, manifest
from helpers.fetch.layout import FOLDER, IMAGES, LABELS, TEST_LIST, SiftFlowError
from helpers.fetch.manifest import Piece


@dataclass(frozen=True)
class Report:
    """How a copy differs from the published data set. Paths are relative to `root`."""

    root: Path
    missing: tuple[str, ...]
    damaged: dict[str, str]  # path: what is wrong with it
    extra: tuple[str, ...]  # images and label maps that SiftFlow does not have, which would be taken for its own

    @property
    def whole(self):
        """Whether the copy is as published."""
        return not (self.missing or self.damaged or self.extra)

    def __str__(self):
        if self.whole:
            n = len(manifest.published())
            return f"SiftFlow in {self.root} is whole: {n} images and label maps, each as published"
        parts = [f"{len(self.missing)} missing (first: {self.missing[0]})"] if self.missing else []
        if self.damaged:
            path, reason = next(iter(self.damaged.items()))
            parts.append(f"{len(self.damaged)} damaged (first: {path} {reason})")
        if self.extra:
            parts.append(f"{len(self.extra)} not SiftFlow's (first: {self.extra[0]})")
        return f"SiftFlow in {self.root} is not as published: of its files, {', '.join(parts)}"


def verify(root=None):
    """Compares every image and label map in `root` (default: where `find` looks) with the published data set.

    Returns:
        A `Report`.

    Raises:
        SiftFlowError: `root` holds scenes, or nothing at all.
    """
    place = layout.locate_photographs(root) if root is not None else layout.named_or_nearest()
    if place is None:
        raise SiftFlowError(f"No SiftFlow data in {root or 'or above this project'}: {layout.HOW_TO_GET}.")
    return survey(place, {IMAGES: place / IMAGES, LABELS: place / LABELS})[0]


def survey(root, folders):
    """Compares everything in `folders`, {kind: folder}, and the test list in `root` with what was published.

    Returns:
        The report, and {piece: (its file, what is wrong with it or None)} for what is there.
    """
    files, extra = _listed(folders)
    with ThreadPoolExecutor(4) as pool:
        faults = pool.map(_fault, files, files.values())
        files = {piece: (file, fault) for (piece, file), fault in zip(files.items(), faults, strict=True)}
    damaged = {_relative(piece.kind, file, folders): fault for piece, (file, fault) in files.items() if fault}
    missing = [piece.path for piece in manifest.pieces() if piece not in files]
    try:
        if layout.read_test_list(root / TEST_LIST) != set(manifest.test_names()):
            damaged[TEST_LIST] = "does not list the standard test images"
    except FileNotFoundError:
        missing.append(TEST_LIST)
    except OSError as error:
        damaged[TEST_LIST] = f"cannot be read ({error.strerror})"
    return Report(root, tuple(missing), damaged, tuple(extra)), files


def _listed(folders):
    """({piece: its file}, the paths of images and label maps that SiftFlow does not have)."""
    files, extra = {}, []
    for kind, ending in ((IMAGES, ".jpg"), (LABELS, ".mat")):
        for file in sorted(folders[kind].glob(f"*/*{ending}"), key=lambda file: (file.parent.name != FOLDER, file)):
            piece = Piece(kind, file.stem)
            if file.stem in manifest.published() and piece not in files:
                files[piece] = file
            else:
                extra.append(_relative(kind, file, folders))
    return files, extra


def _relative(kind, file, folders):
    return f"{kind}/{file.relative_to(folders[kind]).as_posix()}"


def _fault(piece, file):
    """The fault of `piece` in `file`, in words, or None."""
    try:
        manifest.decoded(piece, archives.read_file(file))
    except ValueError as error:
        return str(error)
    return None
