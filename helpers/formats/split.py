"""Which photos train and which test: seeded, near-duplicates on one side, each class on both sides as far as it can be.

A split that the data set brings along is kept. One that is made here is written down, and read again: photos that are
added later get their side, and none changes its side. A file ``split.csv`` in the data set's own folder comes first.
"""

import csv
import hashlib
import io

import numpy as np

from helpers.fetch import layout
from helpers.formats import survey
from helpers.formats.folder import MasksError

TEST_SHARE = 0.2
ALIKE = 0.985  # the correlation of 16x16 greys above which two photos are nearly the same, as in `helpers.pipeline`
FILE = "split.csv"


def groups(facts, threshold=ALIKE):
    """Brings together photos that are nearly the same: {name: the first name of its group}.

    Two photos are, when their files are the same, or when their 16x16 grey thumbnails, mean removed, correlate above
    the threshold.
    """
    names = list(facts)
    grey = np.stack([facts[name].photo.thumbnail.ravel().astype(np.float32) for name in names])
    grey -= grey.mean(axis=1, keepdims=True)
    length = np.linalg.norm(grey, axis=1, keepdims=True)
    grey /= np.maximum(length, 1e-6)
    parent = list(range(len(names)))

    def root(i):
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    first = {}
    for i, name in enumerate(names):
        parent[root(i)] = root(first.setdefault(facts[name].photo.digest, i))
    for start in range(0, len(names), 1024):  # in blocks: all pairs of 10,000 photos would take 400 MB
        for i, j in np.argwhere(grey[start : start + 1024] @ grey.T > threshold):
            if start + i < j:
                one, other = sorted((root(start + i), root(j)))
                parent[other] = one
    return {name: names[root(i)] for i, name in enumerate(names)}


def decide(folder, facts, labels_of, own):
    """Chooses a side for every photo.

    Args:
        folder: the `Folder`. facts: {name: `survey.Facts`}.
        labels_of: {name: the set of labels that occur in it, without void}.
        own: {name: "train", "validation" or "test"}, as far as the data set says itself.

    Returns:
        {name: "train" or "test"}, a sentence about how, {name: group}, and the path of its file, or None.
    """
    group = groups(facts)
    if len(facts) > 9 and max(np.unique(list(group.values()), return_counts=True)[1]) > len(facts) / 2:
        group = groups(facts, threshold=2)  # all photos look alike at 16x16, so only equal files are grouped
    if set(own.values()) >= {"train", "test"} or set(own.values()) >= {"train", "validation"}:
        return *_brought_along(facts, own), group, None
    mine = _read(folder, folder.root / FILE) if FILE in folder.stats else None
    if mine is not None:
        wrong = [name for name in facts if name not in mine]
        if wrong:
            raise MasksError(
                f"{folder.root / FILE} has no line for {wrong[0]}: add {len(wrong)} lines, or remove the file."
            )
        return (
            {name: mine[name][0] for name in facts},
            f"It was read from {FILE} beside the data.",
            group,
            folder.root / FILE,
        )
    place = layout.writable_folder("splits")
    mark = hashlib.sha256(str(folder.root).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    path = place and place / f"{folder.root.name}-{mark}.csv"
    kept = (_read(folder, path) if path and path.exists() else None) or {}
    sides = {name: kept[name][0] for name in facts if name in kept and kept[name][1] == facts[name].photo.digest}
    had = len(sides)
    sides = _fill(sides, group, labels_of)
    how = "Seeded, near-duplicates on one side, by classes."
    if 0 < had < len(sides):
        how += f" {len(sides) - had} photos are new; the others kept their side."
    if path and had < len(sides) and not _write(path, sides, group, facts):
        path = None
    return sides, how, group, path


def _brought_along(facts, own):
    """The data set's own split: without test photos, its validation photos are the test."""
    test = {"test"} if "test" in own.values() else {"validation"}
    sides = {name: "test" if own.get(name) in test else "train" for name in facts}
    if test == {"test"} and "validation" in own.values():
        return sides, "The data set's own; its validation photos train, since helpers.pipeline holds out its own."
    return sides, "The data set's own" + ("; its validation photos are the test." if test == {"validation"} else ".")


class _Sides:
    """The sides that photos have, and how many photos with each class either side still needs.

    The class None stands for photos in general.
    """

    def __init__(self, labels_of):
        self.of, self.labels_of = {}, labels_of
        every = set().union(*labels_of.values())
        self.photos = {label: sum(label in labels for labels in labels_of.values()) for label in every}
        self.photos[None] = len(labels_of)
        self.need = {"test": {label: TEST_SHARE * n for label, n in self.photos.items()}}
        self.need["train"] = {label: n - self.need["test"][label] for label, n in self.photos.items()}

    def give(self, names, side):
        """Puts photos on a side."""
        for name in names:
            self.of[name] = side
            for label in (*self.labels_of[name], None):
                self.need[side][label] -= 1

    def rarest(self, names):
        """The rarest class in photos, or None where they have none."""
        labels = {label for name in names for label in self.labels_of[name]}
        return min(sorted(labels), key=self.photos.get, default=None)

    def better(self, names):
        """The side that needs photos more, first by their rarest class, then in general."""
        label = self.rarest(names)
        if self.need["test"][None] < len(names) / 2:
            return "train"
        shares = {"test": TEST_SHARE, "train": 1 - TEST_SHARE}
        return max(shares, key=lambda side: [self.need[side][kind] / shares[side] for kind in (label, None)])


def _fill(kept, group, labels_of, seed=0):
    """Gives every photo a side, group by group, those with the rarest class first; `kept` stays. {name: side}."""
    sides, members = _Sides(labels_of), {}
    for name in labels_of:
        members.setdefault(group[name], []).append(name)
    for name, side in kept.items():
        sides.give([name], side)
    left = []
    for names in members.values():
        new, taken = [name for name in names if name not in kept], {kept[name] for name in names if name in kept}
        if taken:  # a new twin joins those that have a side
            sides.give(new, min(taken))
        else:
            left.append(names)
    order = np.random.RandomState(seed).permutation(len(left))
    for i in sorted(order, key=lambda i: sides.photos[sides.rarest(left[i])]):  # among equals, the order stays random
        sides.give(left[i], sides.better(left[i]))
    if len(left) > 1 and "test" not in sides.of.values():
        sides.of |= dict.fromkeys(min(left, key=len), "test")
    return sides.of


def _write(path, sides, group, facts):
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["name", "split", "group", "digest"])
    lines.writerows([name, sides[name], group[name], facts[name].photo.digest] for name in sorted(sides))
    return survey.write_whole(path, text.getvalue())


def _read(folder, path):
    """The sides in a split.csv: {name: (side, digest)}."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
        sides = {row["name"]: (row["split"], row.get("digest") or "") for row in rows}
        assert all(side in ("train", "test") for side, _ in sides.values())
    except (OSError, KeyError, TypeError, ValueError, AssertionError, csv.Error) as error:
        if path.parent != folder.root:
            return None
        raise MasksError(
            f'{path} must have the columns name and split, "train" or "test": correct or remove it.'
        ) from error
    return sides
