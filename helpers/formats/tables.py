"""Which colour is which class: the tables that annotation tools write, three that are well known, and lists of names.

Sources: the PASCAL VOC development kit (the colour of number n spreads n's bits over red, green and blue), Brostow,
Fauqueur, Cipolla, "Semantic object classes in video" (CamVid, 2009), and Cordts et al., "The Cityscapes Dataset"
(2016).
"""

import re

from helpers.formats.folder import MasksError, some

VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv/monitor",
)  # fmt: skip

# name: (the number in labelIds, the number in trainIds or 255 where it is left out, colour)
CITYSCAPES = {
    "unlabeled": (0, 255, (0, 0, 0)), "ego vehicle": (1, 255, (0, 0, 0)), "rectification border": (2, 255, (0, 0, 0)),
    "out of roi": (3, 255, (0, 0, 0)), "static": (4, 255, (0, 0, 0)), "dynamic": (5, 255, (111, 74, 0)),
    "ground": (6, 255, (81, 0, 81)), "road": (7, 0, (128, 64, 128)), "sidewalk": (8, 1, (244, 35, 232)),
    "parking": (9, 255, (250, 170, 160)), "rail track": (10, 255, (230, 150, 140)), "building": (11, 2, (70, 70, 70)),
    "wall": (12, 3, (102, 102, 156)), "fence": (13, 4, (190, 153, 153)), "guard rail": (14, 255, (180, 165, 180)),
    "bridge": (15, 255, (150, 100, 100)), "tunnel": (16, 255, (150, 120, 90)), "pole": (17, 5, (153, 153, 153)),
    "polegroup": (18, 255, (153, 153, 153)), "traffic light": (19, 6, (250, 170, 30)),
    "traffic sign": (20, 7, (220, 220, 0)), "vegetation": (21, 8, (107, 142, 35)), "terrain": (22, 9, (152, 251, 152)),
    "sky": (23, 10, (70, 130, 180)), "person": (24, 11, (220, 20, 60)), "rider": (25, 12, (255, 0, 0)),
    "car": (26, 13, (0, 0, 142)), "truck": (27, 14, (0, 0, 70)), "bus": (28, 15, (0, 60, 100)),
    "caravan": (29, 255, (0, 0, 90)), "trailer": (30, 255, (0, 0, 110)), "train": (31, 16, (0, 80, 100)),
    "motorcycle": (32, 17, (0, 0, 230)), "bicycle": (33, 18, (119, 11, 32)),
}  # fmt: skip
CITYSCAPES_NAMES = tuple(name for name, (_, train, _) in CITYSCAPES.items() if train != 255)

_CAMVID = {
    "animal": (64, 128, 64), "archway": (192, 0, 128), "bicyclist": (0, 128, 192), "bridge": (0, 128, 64),
    "building": (128, 0, 0), "car": (64, 0, 128), "cart luggage pram": (64, 0, 192), "child": (192, 128, 64),
    "column pole": (192, 192, 128), "fence": (64, 64, 128), "lane markings driving": (128, 0, 192),
    "lane markings other": (192, 0, 64), "misc text": (128, 128, 64), "motorcycle scooter": (192, 0, 192),
    "other moving": (128, 64, 64), "parking block": (64, 192, 128), "pedestrian": (64, 64, 0), "road": (128, 64, 128),
    "road shoulder": (128, 128, 192), "sidewalk": (0, 0, 192), "sign symbol": (192, 128, 128), "sky": (128, 128, 128),
    "suv pickup truck": (64, 128, 192), "traffic cone": (0, 0, 64), "traffic light": (0, 64, 64),
    "train": (192, 64, 128), "tree": (128, 128, 0),
    "truck bus": (192, 128, 192), "tunnel": (64, 0, 64), "vegetation misc": (192, 192, 0),
    "wall": (64, 192, 0),
}  # fmt: skip

BACKGROUND = ("background", "_background_", "__background__", "bg")
VOID_NAMES = ("__ignore__", "ignore", "ignored", "void", "unlabelled", "unlabeled")
_CLASS_LISTS = ("class_names.txt", "classes.txt", "labels.txt", "class_names.csv")


def voc_colour(number):
    """The colour (R, G, B) that VOC's palette has for a class number from 0 to 255."""
    colour = [0, 0, 0]
    for place in range(8):
        for band in range(3):
            colour[band] |= (number >> 3 * place + band & 1) << 7 - place
    return tuple(colour)


def well_known(name):
    """A table by its name: ({class: colour}, the set of void's colours).

    Raises:
        MasksError: there is none of that name.
    """
    if name == "voc":
        return {n: voc_colour(i) for i, n in enumerate(VOC_NAMES)}, {voc_colour(255)}
    if name == "camvid":
        return dict(_CAMVID), {(0, 0, 0)}
    if name == "cityscapes":
        table = {n: CITYSCAPES[n][2] for n in CITYSCAPES_NAMES}
        return table, {colour for _, _, colour in CITYSCAPES.values()} - set(table.values())
    raise MasksError(
        f'colours is {name!r}; it is "voc", "camvid", "cityscapes", "ade20k", or a dict like {{"sky": (0, 0, 255)}}.'
    )


def colour_table(folder):
    """The tables of colours that lie in a folder, as one: ({class: colour}, the files), or (None, None).

    It reads CVAT's and datumaro's labelmap.txt (``name:R,G,B:parts:actions``), class_dict.csv (``name,r,g,b``), and
    CamVid's label_colors.txt (``R G B name``).

    Raises:
        MasksError: a table is damaged, lacks colours, or has one colour twice, or two tables differ about a class.
    """
    files, whole = folder.named("labelmap.txt", "class_dict.csv", "label_colors.txt"), {}
    for file in files:
        name = file.rsplit("/", 1)[-1].lower()
        read = {"labelmap.txt": _labelmap, "class_dict.csv": _class_dict, "label_colors.txt": _label_colors}[name]
        table = read(folder, file)
        check_table(table, folder.path(file))
        for name, colour in table.items():
            alike = [other for other in whole if whole[other] == colour and other != name]
            if alike or whole.setdefault(name, colour) != colour:
                raise MasksError(
                    f"{folder.path(file)} gives {name!r} the colour {colour}, and {files[0]} does not: keep one table, "
                    "or pass colours=, which comes first."
                )
    return (whole, some(files)) if files else (None, None)


def check_table(table, where):
    """Refuses a table in which two classes have one colour, or one name stands twice but for its case."""
    seen, names = {}, {}
    for name, colour in table.items():
        if colour in seen:
            raise MasksError(f"{where} gives {seen[colour]!r} and {name!r} one colour, {colour}: give each its own.")
        seen[colour] = name
        if name.casefold() in names:
            raise MasksError(
                f"{where} has {names[name.casefold()]!r} and {name!r}, which differ only in case: rename one."
            )
        names[name.casefold()] = name


def _labelmap(folder, file):
    table = {}
    for line in folder.text(file).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(":")
        if len(parts) > 1 and not parts[1].strip():
            raise _without_colour(folder.path(file), parts[0])
        _add(table, parts[0], parts[1].split(",") if len(parts) > 1 else [], folder.path(file))
    return table


def _without_colour(path, name):
    return MasksError(
        f"{path} has no colour for {name!r}: add it there as three numbers, or name every class's in colours=, such as "
        'colours="voc" where the masks have VOC\'s palette.'
    )


def _class_dict(folder, file):
    table = {}
    for row in folder.rows(file):
        row = {key.lower(): value for key, value in row.items()}
        _add(table, row.get("name", ""), [row.get(band, "") for band in "rgb"], folder.path(file))
    return table


def _label_colors(folder, file):
    table = {}
    for line in folder.text(file).splitlines():
        if line.strip():
            parts = line.split(None, 3)
            if not parts[0].isdigit():
                raise _without_colour(folder.path(file), line.strip())
            _add(table, parts[3].strip() if len(parts) > 3 else "", parts[:3], folder.path(file))
    return table


def _add(table, name, bands, where):
    name = name.strip()
    if not name or name in table or len(bands) != 3 or not all(re.fullmatch(r"\s*\d+\s*", b) for b in bands):
        raise MasksError(
            f"{where} has a line without a name and three numbers, or a name twice ({name!r}): correct it."
        )
    table[name] = tuple(int(band) for band in bands)
    if max(table[name]) > 255:
        raise MasksError(f"{where} has a colour above 255 for {name!r}: correct it.")


def names_by_number(folder):
    """The names of class numbers that lie in a folder: ({number: name}, the file), or (None, None).

    It reads Roboflow's _classes.csv (``Pixel Value, Class``), ADE20K's objectInfo150.txt, and a list of one name a line
    in class_names.txt, classes.txt or labels.txt, whose first name is number 0; labelme's ``__ignore__`` has none.

    Raises:
        MasksError: a list is damaged or has numbers of its own, or two lists differ.
    """
    if lists := [(_roboflow(folder, file), file) for file in folder.named("_classes.csv")]:
        return _agreed(folder, lists, "export all splits at once")
    for file in folder.named("objectinfo150.txt"):
        lines = [line.split("\t") for line in folder.text(file).splitlines()[1:] if line.strip()]
        try:
            return {0: "other", **{int(line[0]): line[-1].split(",")[0].strip() for line in lines}}, file
        except ValueError as error:
            raise MasksError(f"{folder.path(file)} is not ADE20K's list of classes: get it again.") from error
    if lists := [(dict(enumerate(_list(folder, file))), file) for file in folder.named(*_CLASS_LISTS)]:
        return _agreed(folder, lists, "keep the list that is right, or pass classes=")
    return None, None


def _agreed(folder, lists, cure):
    """The first of several lists of names, unless another differs."""
    for names, file in lists:
        if names != lists[0][0]:
            raise MasksError(f"{folder.path(file)} numbers classes otherwise than {lists[0][1]}: {cure}.")
    return lists[0]


def _list(folder, file):
    """The names in a file that has one in each line."""
    names = [line.strip() for line in folder.text(file).splitlines() if line.strip()]
    if len(names) > 1 and all(re.match(r"\d+[\s:;,.=]+\S", name) for name in names[1:]):
        raise MasksError(
            f"{folder.path(file)} has numbers before its names ({names[1]!r}), and in such a list a name's line is its "
            'number: leave them out, or pass classes={0: "background", …}.'
        )
    names = [name for name in names if name != "__ignore__"]
    check_names(names, folder.path(file))
    return names


def _roboflow(folder, file):
    try:
        return {int(row["Pixel Value"]): row["Class"] for row in folder.rows(file)}
    except (KeyError, ValueError) as error:
        raise MasksError(f"{folder.path(file)} lacks the columns Pixel Value and Class: export it again.") from error


def check_names(names, where):
    """Refuses a list of class names that is empty, too long, or has a name twice, be it in another case or spaced."""
    if not names or len(names) > 255 or not all(isinstance(name, str) and name.strip() for name in names):
        raise MasksError(f"{where} has {len(names)} class names; it must have 1 to 255, and each must be a text.")
    seen = {}
    for name in names:
        if other := seen.get(key := name.strip().casefold()):
            twice = "twice" if other == name else f"and {other!r}, which differ only in case or spaces"
            raise MasksError(f"{where} has {name!r} {twice}: rename one.")
        seen[key] = name
