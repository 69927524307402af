"""Which format a folder is in: what is unmistakable is asked first, and what is not read here is named."""

from helpers.formats import coco, kaggle, label_studio, labelme, matlab, pairing, per_class, raster, supervisely
from helpers.formats.folder import PICTURES, MasksError, some

_UNREAD = {
    ".npy": "NumPy arrays", ".npz": "NumPy arrays", ".nii": "NIfTI volumes", ".dcm": "DICOM files",
    ".xml": "XML annotations", ".geojson": "GeoJSON", ".svg": "SVG drawings", ".psd": "Photoshop files",
    ".xcf": "GIMP files", ".ndjson": "ND-JSON",
    ".heic": "HEIC photos", ".h5": "HDF5 files", ".tfrecord": "TFRecords", ".parquet": "Parquet files",
}  # fmt: skip


_UNREAD_PHOTOS = (".heic", ".heif", ".avif", ".jfif", ".jp2", ".cr2", ".nef", ".arw", ".dng", ".pgm", ".ppm", ".tga")


def reader(folder, **options):
    """The `helpers.formats.reader.Reader` of a folder.

    Args:
        folder: the `Folder`. options: classes, colours and void, as in `helpers.masks.open`.

    Raises:
        MasksError: no format is recognised, or two are, or one that is not read here.
    """
    found = _reader(folder, options)
    if left := folder.with_suffix(*_UNREAD_PHOTOS):
        found.warnings.append(
            f"Pictures of kinds that are not read are left out: {some(left)}. Save them as JPEG or PNG."
        )
    return found


def _reader(folder, options):
    """`reader`, but for what it says about photos that are not read."""
    found = list(_annotated(folder, options))
    if len(found) > 1:
        raise MasksError(f"{folder.root} holds {' and '.join(n for n, _ in found)}: keep one, and move the others out.")
    pictures = [file for file in folder.with_suffix(*PICTURES) if pairing.role(file).role != "ignored"]
    if found:
        name, make = found[0]
        masks = [f for f in pictures if pairing.role(f).role == "mask" and not f.lower().endswith((".jpg", ".jpeg"))]
        if masks and name != supervisely.Supervisely.format:
            raise MasksError(
                f"{folder.root} holds {name} and masks as pictures, such as {masks[0]}: move one of the two out of "
                "the folder."
            )
        return make()
    if sets := per_class.found_in(pictures):
        return per_class.PerClass.of(folder, pictures, sets, **options)
    _refuse_unread(folder, pictures)
    return raster.reader(folder, pictures, **options)


def _annotated(folder, options):
    """Yields (the name of a format, what makes its reader) for each format of annotations in the folder."""
    contents = {file: labelme.without_photo(folder.json(file)) for file in folder.with_suffix(".json")}
    meta = [
        (f, c)
        for f, c in contents.items()
        if f.rsplit("/", 1)[-1] == "meta.json" and isinstance(c, dict) and "classes" in c
    ]
    anns = {f: c for f, c in contents.items() if "/ann/" in f"/{f}" and isinstance(c, dict) and "objects" in c}
    if meta and anns:
        yield "Supervisely", lambda: supervisely.Supervisely.of(folder, meta[0], anns, **options)
    elif anns:
        raise MasksError(f"{folder.root} looks like a Supervisely project, and its meta.json is missing: copy it, too.")
    if files := {f: c for f, c in contents.items() if coco.is_coco(c)}:
        yield coco.Coco.format, lambda: coco.Coco.of(folder, files, **options)
    if shapes := {f: c for f, c in contents.items() if isinstance(c, dict) and "shapes" in c}:
        yield labelme.Labelme.format, lambda: labelme.Labelme.of(folder, shapes, **options)
    if tasks := {f: c for f, c in contents.items() if label_studio.is_label_studio(c)}:
        yield label_studio.LabelStudio.format, lambda: label_studio.LabelStudio.of(folder, tasks, **options)
    for file in folder.with_suffix(".csv"):
        if kaggle.is_kaggle(folder.text(file)):
            yield f"{kaggle.Kaggle.format} in {file}", lambda file=file: kaggle.Kaggle.of(folder, file, **options)
    photos = folder.with_suffix(*PICTURES)
    mats = folder.with_suffix(".mat")
    if mats and not any(pairing.role(file).role == "mask" for file in photos):
        yield matlab.Matlab.format, lambda: matlab.Matlab.of(folder, mats, photos, **options)


def _refuse_unread(folder, pictures):
    """Names a format that is not read here, where there are no masks as pictures beside it."""
    roles = [pairing.role(file).role for file in pictures]
    stems = [file.rsplit(".", 1)[0] for file in pictures]
    if "mask" in roles or len(stems) != len(set(stems)):
        return
    cure = "export masks as PNG, COCO JSON or labelme JSON from the tool"
    for suffix, name in _UNREAD.items():
        if files := folder.with_suffix(suffix):
            raise MasksError(f"{folder.path(files[0])}: {name} are not read here; {cure}.")
    if files := folder.with_suffix(".gz"):
        raise MasksError(
            f"{folder.path(files[0])} is packed: unpack it, or, for NIfTI volumes, save the slices as PNG."
        )
    alone = len({stem.rsplit("/", 1)[-1] for stem in stems}) == len(stems)  # no picture could be another's mask
    if (files := folder.with_suffix(".zip", ".tar", ".tgz", ".7z", ".rar")) and alone:
        raise MasksError(f"{folder.path(files[0])} is packed, and what is in it is not looked at: unpack it there.")
    for file in folder.with_suffix(".txt"):
        words = folder.text(file).split() if folder.stats[file][0] < 1 << 20 else []
        if len(words) > 4 and words[0].isdigit() and all("." in word for word in words[1:5]):
            raise MasksError(f"{folder.path(file)} looks like YOLO's outlines, which are not read here; {cure}.")
    if (files := folder.with_suffix(".json")) and not any(role == "mask" for role in roles):
        raise MasksError(f"{folder.path(files[0])} is JSON of no kind that is read here; {cure}.")
