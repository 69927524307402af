"""Bad input: one clear sentence each, nothing written, memory bounded."""

import json
import os
import struct
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from helpers import masks
from helpers.fetch import layout
from helpers.formats import folder as folders
from helpers.formats import pictures
from helpers.masks import MasksError
from support.mask_folders import areas, colour, index, pairs, photo


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Keeps caches and splits out of the project, and says where they would be."""
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "project" / "data")
    return tmp_path / "project" / "data"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def refused(root, place, *parts, **options):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")} if root.is_dir() else {}
    with pytest.raises(MasksError) as error:
        masks.open(root, **options)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and all(str(part) in message for part in parts), message
    assert before == ({path: path.stat().st_mtime_ns for path in root.rglob("*")} if root.is_dir() else {})
    assert not [path for path in place.rglob("*") if path.is_file()], "a cache was written"


def png_that_claims(rows, cols):
    """A PNG of a hundred bytes whose header claims a size; there are no pixels in it."""

    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    head = struct.pack(">2L5B", cols, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_no_folder_an_empty_one_a_file_a_zip(root, place, tmp_path):
    refused(tmp_path / "nowhere", place, "no folder", "spelling")
    refused(root, place, "holds no file")
    (tmp_path / "set.zip").write_bytes(b"PK")
    refused(tmp_path / "set.zip", place, "unpack it")
    (root / "readme.txt").write_text("nothing here")
    refused(root, place, "no picture")


def test_photos_alone_and_masks_alone(root, place):
    photo(root / "images" / "a.jpg")
    refused(root, place, "holds photos and no masks")
    index(root / "masks" / "a.png", areas([0, 1]))
    (root / "images" / "a.jpg").unlink()
    refused(root, place, "holds masks and no photos")


def test_pictures_that_nothing_tells_apart(root, place):
    for name in "ab":
        photo(root / f"{name}.png", seed=ord(name))
    refused(root, place, "could be a photo or a mask", "images/", "masks/")


@pytest.mark.parametrize("part", ["images/img_3.jpg", "masks/img_3.png"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_broken_pictures(root, place, part, damage):
    pairs(root, [0, 1])
    data = (root / part).read_bytes()
    (root / part).write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"404 Not Found"}[damage])
    refused(root, place, root / part, "again")


@pytest.mark.parametrize("part", ["images/img_3.jpg", "masks/img_3.png"])
@pytest.mark.parametrize("size", [(10_000, 10_000), (60_000, 60_000)])
def test_excessive_sizes_are_refused_before_a_pixel_is_read(root, place, part, size):
    pairs(root, [0, 1])
    (root / part).write_bytes(png_that_claims(*size))
    tracemalloc.start()
    refused(root, place, root / part, "tiles")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_a_photo_in_place_of_a_mask(root, place):
    pairs(root, [0, 1])
    photo(root / "masks" / "img_2.png", 90, 90, seed=8)
    refused(root, place, "img_2.png", "different numbers or colours")


def test_fractions_and_colours_of_16_bits(root, place):
    pairs(root, [0, 1], end=".tif")
    Image.fromarray(np.full((24, 32), 0.5, "float32")).save(root / "masks" / "img_1.tif")
    refused(root, place, "img_1.tif", "fractions")


def test_half_transparent_pixels(root, place):
    pairs(root, [0, 1])
    bands = np.dstack([areas([0, 1]).astype("uint8")] * 3 + [np.full((24, 32), 100, "uint8")])
    Image.fromarray(bands, "RGBA").save(root / "masks" / "img_1.png")
    refused(root, place, "img_1.png", "half-transparent")


def test_numbers_and_colours_mixed(root, place):
    pairs(root, [0, 1])
    Image.fromarray(np.zeros((24, 32, 3), "uint8")).save(root / "masks" / "img_1.png")
    refused(root, place, "holds numbers", "colours")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": "cat"}, "list of names"), ({"classes": []}, "0 class names"), ({"classes": ["a", "A"]}, "in case"),
        ({"classes": ["a", "a"]}, "twice"), ({"classes": {"a": 0}}, "no numbers"), ({"classes": [1, 2]}, "a text"),
        ({"void": "grey"}, "a number"), ({"colours": {"a": (0, 0, 0)}}, "not colours"),
        ({"colours": "pascal"}, "numbers"), ({"colours": np.zeros((2, 3))}, "not colours"),
        ({"classes": [f"c{i}" for i in range(300)]}, "300 class names"), ({"classes": {"a", "b"}}, "list of names"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense(root, place, options, said):
    pairs(root, [0, 1])
    with pytest.raises(MasksError, match=said):
        masks.open(root, **options)


@pytest.mark.parametrize(
    ("name", "said"), [("a.npy", "NumPy"), ("a.xml", "XML"), ("a.nii.gz", "packed"), ("a.dcm", "DICOM")]
)
def test_formats_that_are_not_read_are_named(root, place, name, said):
    photo(root / "a.jpg")
    (root / name).write_bytes(b"x")
    refused(root, place, root / name, said, "PNG")


def test_a_zip_that_was_not_unpacked(root, place):
    """With no photos, with photos alone; but not where it lies beside photos and masks that can be read."""
    root.mkdir(exist_ok=True)
    (root / "masks.zip").write_bytes(b"PK")
    refused(root, place, root / "masks.zip", "unpack it there")
    photo(root / "a.jpg")
    refused(root, place, root / "masks.zip", "unpack it there")
    (root / "a.jpg").unlink()
    pairs(root, [0, 1])
    assert len(masks.open(root)._facts) > 0


def test_yolos_outlines_are_named(root, place):
    photo(root / "images" / "a.jpg")
    (root / "labels").mkdir()
    (root / "labels" / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    refused(root, place, root / "labels" / "a.txt", "YOLO")


@pytest.mark.skipif(sys.platform != "linux", reason="names are of bytes on Linux alone")
@pytest.mark.parametrize("file", [b"img_\xff.jpg", b"\xe4/img_9.jpg"])
def test_a_name_that_is_not_in_utf_8(root, place, file):
    pairs(root, [0, 1])
    new = os.fsencode(root / "images") + b"/" + file
    os.makedirs(os.path.dirname(new), exist_ok=True)
    os.rename(os.fsencode(root / "images" / "img_3.jpg"), new)
    with pytest.raises(MasksError, match="not in UTF-8: rename"):
        masks.open(root)


def test_a_link_that_leads_nowhere(root, place):
    pairs(root, [0, 1])
    (root / "images" / "img_9.jpg").symlink_to(root / "gone.jpg")
    with pytest.raises(MasksError, match="img_9.jpg leads nowhere"):
        masks.open(root)


@pytest.mark.parametrize("target", ["..", "elsewhere"])
def test_a_link_to_a_folder_is_named_since_it_is_not_followed(root, place, tmp_path, target):
    pairs(tmp_path / "elsewhere", [0, 1])
    pairs(root / "train", [0, 1])
    (root / "val").symlink_to((tmp_path if target == "elsewhere" else root) / target)
    refused(root, place, root / "val", "link to a folder", "put the folder itself there")


def test_a_pipe_is_named_and_not_waited_for(root, place):
    pairs(root, [0, 1])
    os.mkfifo(root / "masks" / "img_9.png")
    refused(root, place, root / "masks" / "img_9.png", "pipe")


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "a.jpg/b"])
def test_a_path_that_can_be_no_folder(root, name):
    photo(root / "a.jpg")
    with pytest.raises(MasksError, match="no folder.*that can be opened"):
        masks.open(root / name)


def test_photos_in_kinds_that_would_start_other_programs(root, place):
    pairs(root, [0, 1])
    Image.fromarray(np.zeros((24, 32, 3), "uint8")).save(root / "images" / "img_3.jpg", "EPS")
    refused(root, place, root / "images" / "img_3.jpg", "EPS", "save it as PNG")


def test_a_photo_of_several_pages_or_of_numbers(root, place):
    pairs(root, [0, 1])
    (root / "images" / "img_3.jpg").unlink()
    pages = [Image.fromarray(np.full((24, 32, 3), grey, "uint8")) for grey in (0, 200)]
    pages[0].save(root / "images" / "img_3.tif", save_all=True, append_images=pages[1:])
    refused(root, place, root / "images" / "img_3.tif", "2 pages")
    Image.fromarray(np.zeros((24, 32), "float32")).save(root / "images" / "img_3.tif")
    refused(root, place, root / "images" / "img_3.tif", "numbers in place of colours")


def test_copies_of_photos_in_labelmes_files_are_not_kept_in_memory(root):
    for i in range(20):
        photo(root / f"img_{i}.png", seed=i)
        content = {"shapes": [], "imagePath": f"img_{i}.png", "imageData": "A" * 1_000_000}
        (root / f"img_{i}.json").write_text(json.dumps(content))
    tracemalloc.start()
    masks.open(root)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_too_many_and_too_large_files(root, place, monkeypatch):
    pairs(root, [0, 1])
    monkeypatch.setattr(pictures, "MOST_BYTES", 100)
    refused(root, place, "larger than")
    monkeypatch.setattr(folders, "MOST_FILES", 5)
    refused(root, place, "more than 5 files")


def test_ten_thousand_files_are_listed_and_paired_in_seconds(root):
    import time

    from helpers.formats import pairing
    from helpers.formats.folder import Folder

    (root / "images").mkdir()
    (root / "masks").mkdir()
    for i in range(5000):
        (root / "images" / f"img_{i}.jpg").touch()
        (root / "masks" / f"img_{i}.png").touch()
    start = time.perf_counter()
    folder = Folder(root)
    found = pairing.matched(folder, *pairing.photos_and_masks(folder, folder.files))
    assert len(found) == 5000 and time.perf_counter() - start < 10
    assert all(pair.photo[7:-4] == pair.source[6:-4] == name for name, pair in found.items())


def test_a_huge_bomb_in_a_photo_is_no_warning_either(root, place, recwarn):
    pairs(root, [0, 1])
    (root / "images" / "img_3.jpg").write_bytes(png_that_claims(9_500, 9_500))
    refused(root, place, "tiles")
    assert not [w for w in recwarn if issubclass(w.category, Image.DecompressionBombWarning)]


@pytest.mark.parametrize("part", ["images/img_3.jpg", "masks/img_3.png"])
def test_whatever_stands_in_a_picture_it_is_read_or_refused(root, part):
    pairs(root, [0, 1, 2])
    good, random, refusals = (root / part).read_bytes(), np.random.RandomState(0), 0
    for _ in range(60):
        data = bytearray(good)
        for at in random.randint(0, len(data), 1 + random.randint(4)):
            data[at] = random.randint(256)
        (root / part).write_bytes(bytes(data))
        try:
            data = masks.open(root, classes=["a", "b", "c"])
            data.image("img_3"), data.label("img_3")
        except MasksError as error:
            assert "img_3" in str(error) and "\n" not in str(error)
            refusals += 1
    assert refusals, "some damage is seen"


@pytest.mark.parametrize(
    ("colours", "said"),
    [
        (5, "a dict, a list"), ([(0, 0, 0)] * 2, "one colour"), ({"a": "red"}, "three numbers"),
        ({"a": (0, 0, 300)}, "from 0 to 255"), ([], "0 class names"), ("pascal", "camvid"),
    ],
)  # fmt: skip
def test_colours_that_make_no_sense(root, place, colours, said):
    photo(root / "images" / "a.jpg")
    colour(root / "masks" / "a.png", areas([0, 1]), [(0, 0, 0), (9, 9, 9)])
    refused(root, place, said, colours=colours)


def test_where_nothing_can_be_written_it_opens_all_the_same(root, monkeypatch):

    written = pairs(root, [0, 1])
    monkeypatch.setattr(layout, "writable_folder", lambda name: None)
    data = masks.open(root)
    assert np.array_equal(data.label("img_1"), written["img_1"]) and "written down" not in data.report()
