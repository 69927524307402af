"""Which mask belongs to which photo: by name alone, never by their order in a list.

Two files are a pair when what is left of their paths is the same, without the words that say "photo" or "mask" and
without the suffix. Sorted side by side, ``img_10`` would stand beside the mask of ``img_2``.
"""

import functools
import re
from pathlib import PurePosixPath
from typing import NamedTuple

from helpers.formats.folder import MasksError, composed, own_split, some, split_word

PHOTO_WORDS = {
    "images", "image", "imgs", "img", "photos", "photo", "pictures", "jpegimages", "leftimg8bit", "input", "inputs",
    "rgb", "original", "originals", "x", "image_2",
}  # fmt: skip
MASK_WORDS = {
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "segmentationclasspng",
    "gtfine", "gtcoarse", "gt", "groundtruth", "ground_truth", "trimaps", "trimap", "seg", "segmentation",
    "segmentations", "target", "targets", "labelimages", "mask_png", "masks_machine", "semantic", "y",
    "indexlabel", "labelids",
}  # fmt: skip
# Pictures that tools write beside the masks, for eyes: they are neither photo nor mask.
IGNORED_WORDS = {
    "segmentationobject", "segmentationclassvisualization", "segmentationobjectvisualization", "segmentationobjectpng",
    "masks_human", "overlays", "visualizations", "mask_color", "semantic_rgb", "instance",
    "instances", "panoptic", "colormaps",
}  # fmt: skip
_MASK_NAME = re.compile(
    r"[-_. ](mask|masks|label|labels|seg|segm|segmentation|gt|groundtruth|annotation|trimap"
    r"|labelids|labeltrainids|gt(?:fine|coarse)_(?:labelids|labeltrainids|color|instanceids))$",
    re.I,
)
_CAMVID_NAME = re.compile(r"(?<=\d)_[LP]$")
_MASK_START = re.compile(r"^(mask|label|seg|gt)[-_. ]", re.I)
_SEGNET = re.compile(r"^(train|val|test)annot$", re.I)  # the folder of masks beside train/, val/ and test/
_PHOTO_NAME = re.compile(r"[-_. ](image|img|photo|sat|rgb|leftimg8bit)$", re.I)


class Role(NamedTuple):
    """What a picture's name says: "photo", "mask", "ignored" or None, and what it has in common with its partner."""

    role: str
    key: str


class Pair(NamedTuple):
    """A photo, and where its labels come from: the path of a mask's file, or whatever the reader wants to remember."""

    photo: str
    source: object


@functools.lru_cache(1 << 18)
def role(file):
    """The `Role` of a picture by its path in the folder."""
    path, segnet = PurePosixPath(file), False
    if len(path.parts) > 1 and (found := _SEGNET.match(path.parts[-2])):
        path, segnet = path.parents[1] / found[1] / path.name, True
    folders = [part.lower() for part in path.parts[:-1]]
    stem, kind = path.stem, "mask" if segnet else None
    if any(part in IGNORED_WORDS for part in folders):
        return Role("ignored", stem)
    if not segnet:
        kind = next(filter(None, map(folder_role, reversed(folders))), None)
    if kind != "photo" and (found := _MASK_NAME.search(stem) or _CAMVID_NAME.search(stem)):
        stem, kind = stem[: found.start()], "mask"
    elif kind != "photo" and (found := _MASK_START.search(stem)):
        stem, kind = stem[found.end() :], "mask"
    elif kind != "mask" and (found := _PHOTO_NAME.search(stem)):
        stem, kind = stem[: found.start()], "photo"
    return Role(kind, key_of(path, stem))


def key_of(path, stem):
    """What a file has in common with its partner: its folders, or the split in one that names a role, and a stem."""
    kept = [split_word(part) if folder_role(part.lower()) else part for part in path.parts[:-1]]
    return composed("/".join([*filter(None, kept), stem]))


@functools.lru_cache(1 << 12)
def folder_role(name):
    """What the name of a folder says: "mask", "photo" or None; ``train_masks`` says as much as ``masks``."""
    name = re.sub(r"[- ]", "_", name)
    if name in MASK_WORDS | PHOTO_WORDS:
        return "mask" if name in MASK_WORDS else "photo"
    words = {word for word in re.split(r"[^a-z0-9]+", name) if len(word) > 3}
    return "mask" if words & MASK_WORDS else "photo" if words & PHOTO_WORDS else None


def photos_and_masks(folder, files):
    """Sorts pictures into photos and masks: two dicts {key: file}.

    Where no name decides, a JPEG is the photo of the PNG that has its name.

    Raises:
        MasksError: it cannot be told, or two photos or two masks have one key.
    """
    sides, open_ones = {"photo": {}, "mask": {}}, []
    whole = {file: key_of(path := PurePosixPath(file), path.stem) for file in files}
    masks = {whole[file] for file in files if role(file).role == "mask"}
    same = masks & {whole[file] for file in files if role(file).role != "mask"}
    for file in files:
        kind, key = role(file)
        key = whole[file] if whole[file] in same else key  # in images/a_seg.png and masks/a_seg.png, seg says nothing
        if kind in sides:
            _put(folder, sides[kind], key, file, kind)
        elif kind is None:
            open_ones.append((key, file))
    rest, decided = {}, {kind: bool(side) for kind, side in sides.items()}
    for key, file in open_ones:
        rest.setdefault(key, []).append(file)
    for key, found in rest.items():
        for file, kind in _told_apart(folder, key, found, sides, decided).items():
            _put(folder, sides[kind], key, file, kind)
    return sides["photo"], sides["mask"]


def _told_apart(folder, key, found, sides, decided):
    """What pictures of one key are whose names do not say it: {file: "photo" or "mask"}."""
    lossy = [file for file in found if PurePosixPath(file).suffix.lower() in (".jpg", ".jpeg")]
    if len(found) == 2 and len(lossy) == 1 and not decided["mask"]:
        return {file: "photo" if file in lossy else "mask" for file in found}
    if decided["mask"] and (key in sides["mask"] or not decided["photo"]):  # masks have their own folder or ending
        return dict.fromkeys(found, "photo")
    if decided["photo"] and not decided["mask"] and key in sides["photo"]:
        return dict.fromkeys(found, "mask")
    raise MasksError(
        f"{folder.path(found[0])} could be a photo or a mask, and nothing says which: put the photos into a "
        "folder images/ and the masks, under the same names, into a folder masks/."
    )


def _put(folder, side, key, file, kind):
    if key in side:
        raise MasksError(f"{folder.path(side[key])} and {file} are both the {kind} of {key}: remove or rename one.")
    side[key] = file


def matched(folder, photos, sources, what="mask", strict=True):
    """Brings photos and whatever labels them together.

    Args:
        folder: the `Folder`.
        photos: {key: file}. sources: {key: file of the mask, or whatever a reader knows}.
        what: how a source is called in a message.
        strict: whether a photo without source is refused.

    Returns:
        {name: `Pair`}: the name is the photo's stem, or more of its path where two photos have the same.

    Raises:
        MasksError: there are no photos or no masks, or one of either has no partner.
    """
    if not photos and (unread := folder.with_suffix(".heic", ".heif", ".avif", ".cr2", ".nef", ".dng")):
        raise MasksError(
            f"{folder.path(unread[0])} is a photo of a kind that is not read here: save the photos as JPEG."
        )
    called = [file for file in photos.values() if _MASK_NAME.search(PurePosixPath(file).stem)] if not sources else []
    if called:
        raise MasksError(
            f"{folder.path(called[0])} is called a mask and lies among the photos: put the masks into a folder masks/."
        )
    if not photos or not sources:
        have, lack = ("photos", f"{what}s") if photos else (f"{what}s", "photos")
        raise MasksError(f"{folder.root} holds {have} and no {lack}: copy the {lack} into it, under the same names.")
    pairs = {key: Pair(photos[key], sources[key]) for key in photos.keys() & sources.keys()}
    left = {key: photo for key, photo in photos.items() if key not in pairs}
    lone = {key: source for key, source in sources.items() if key not in pairs}
    by_stem = [_unique_stems(left), _unique_stems(lone)]
    places = [{key.rpartition("/")[0] for key in side} - {""} for side in (photos, sources)]
    for stem in by_stem[0].keys() & by_stem[1].keys():  # images/train/a.jpg and masks/a.png
        one, other = by_stem[0][stem], by_stem[1][stem]
        if one.rpartition("/")[0] in places[1] or other.rpartition("/")[0] in places[0] or _apart(one, other):
            continue  # the partner belongs into a folder that both sides have, and is missing there
        pairs[one] = Pair(left.pop(one), lone.pop(other))
    if lone or (left and strict):
        raise _unpaired(folder, left, lone, what)
    return named(pairs)


def _apart(one, other):
    """Whether the folders of two keys name two splits."""
    splits_ = own_split(one), own_split(other)
    return None not in splits_ and splits_[0] != splits_[1]


def named(pairs):
    """Gives pairs short names: {key: pair} becomes {name: pair}, sorted."""
    once, names = _once(PurePosixPath(pair.photo).stem for pair in pairs.values()), {}
    for pair in pairs.values():
        stem = PurePosixPath(pair.photo).stem
        name = stem if stem in once else str(PurePosixPath(pair.photo).with_suffix(""))
        names[name if name not in names else pair.photo] = pair
    return dict(sorted(names.items()))


def _once(stems):
    seen, twice = set(), set()
    for stem in stems:
        (twice if stem in seen else seen).add(stem)
    return seen - twice


def _unique_stems(keys):
    stems = [key.rsplit("/", 1)[-1] for key in keys]
    once = _once(stems)
    return {stem: key for key, stem in zip(keys, stems, strict=True) if stem in once}


def _unpaired(folder, left, lone, what):
    photos = some(sorted(map(str, left.values())))
    masks = some(sorted(key for key in lone))
    folded = {key.casefold() for key in left} & {key.casefold() for key in lone}
    if folded:
        cure = f"the names of {sorted(folded)[0]} differ only in case: rename one of the two"
    else:
        cure = f"give the {what} its photo's name, add what is missing, or move these files out of the folder"
    parts = [f"no {what} for {photos}"] * bool(left) + [f"no photo for the {what} {masks}"] * bool(lone)
    return MasksError(f"In {folder.root} there is {' and '.join(parts)} ({len(left) + len(lone)} files): {cure}.")


def splits(pairs):
    """The split that each photo's folders name, where they name "train", "validation" or "test": {name: split}."""
    found = {name: own_split(pair.photo) for name, pair in pairs.items()}
    return {name: split for name, split in found.items() if split}
