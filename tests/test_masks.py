"""helpers.masks: every row of the table of what readers make of masks, pairing, EXIF, the report, and the split."""

import csv
import json
import os
import struct
import subprocess
import sys
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import masks, pipeline
from helpers.fetch import layout
from helpers.masks import MasksError
from support import mask_folders
from support.mask_folders import areas, colour, index, pairs, photo

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.usefixtures("own_data_folder")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def opened(root, expected, **options):
    """Opens a folder, compares every label with what is expected, {name: (row, col)}, and returns the data set."""
    data = masks.open(root, **options)
    assert sorted(data.names("train") + data.names("test")) == sorted(expected)
    for name, label in expected.items():
        got = data.label(name)
        assert got.dtype == np.uint8 and got.shape == data.image(name).shape[:2]
        assert np.array_equal(got, label), name
    return data


def refused(root, *parts, **options):
    """Opening is refused in one sentence with these parts; returns it."""
    before = sorted(path for path in Path(root).rglob("*")) if Path(root).is_dir() else None
    with pytest.raises(MasksError) as error:
        masks.open(root, **options)
    message = str(error.value)
    assert isinstance(error.value, ValueError) and "\n" not in message and message.endswith(".")
    assert all(str(part) in message for part in parts), message
    assert before is None or sorted(Path(root).rglob("*")) == before, "something was written"
    return message


# ---- index masks ----------------------------------------------------------------------------------------------------


def test_voc_palette_gives_the_index_and_not_the_grey(root):
    written = pairs(root, [0, 1, 15, 255], mode="P")
    data = opened(root, written)
    assert len(data.class_names) == 16 and "mode P" in data.report()


def test_grey_index_png(root):
    written = pairs(root, [0, 1, 2, 255])
    data = opened(root, written, classes=["background", "cat", "dog"])
    assert data.class_names == ["background", "cat", "dog"]
    counts = data.pixel_counts("train") + data.pixel_counts("test")
    assert counts.dtype == np.int64
    every = np.stack(list(written.values()))
    assert counts.tolist() == [int((every == i).sum()) for i in range(3)]


def test_sixteen_bits_keep_their_labels(root):
    written = pairs(root, np.array([0, 1, 2, 3, 4], np.uint16), mode="I;16")
    assert Image.open(root / "masks" / "img_0.png").mode == "I;16"
    opened(root, written)


def test_sixteen_bit_numbers_above_255_are_asked_for_and_can_be_named(root):
    written = pairs(root, np.array([0, 1, 300], np.uint16), mode="I;16")
    refused(root, "300", "classes=")
    data = opened(
        root,
        {name: np.select([raw == 0, raw == 1], [0, 1], 2) for name, raw in written.items()},
        classes={0: "a", 1: "b", 300: "c"},
    )
    assert data.class_names == ["a", "b", "c"]


def test_one_bit_png_is_0_and_1(root):
    written = pairs(root, [0, 1], mode="1")
    assert opened(root, written).class_names == ["class 0", "class 1"]


@pytest.mark.parametrize("bits", [2, 4])
def test_palettes_of_few_bits(root, bits):
    written = pairs(root, [0, 1, 2, 3], mode="P", bits=bits)
    assert (root / "masks" / "img_0.png").read_bytes()[24] == bits
    opened(root, written)


@pytest.mark.parametrize(("bits", "values"), [(2, [0, 1, 2, 3]), (4, [0, 1, 2, 5])])
def test_greys_of_few_bits_are_numbers_and_not_spread(root, bits, values):
    written = pairs(root, values)
    for name, label in written.items():
        (root / "masks" / f"{name}.png").write_bytes(small_png(label, bits))
    opened(root, written)


def small_png(label, bits, palette=b""):
    """A PNG of few bits, grey or with a short palette, which Pillow reads and does not write."""

    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    rows, cols = label.shape
    lines = [b"\0" + packed(row, bits) for row in label]
    head = struct.pack(">2L5B", cols, rows, bits, 3 if palette else 0, 0, 0, 0)
    body = (
        chunk(b"IHDR", head)
        + (chunk(b"PLTE", palette) if palette else b"")
        + chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + body


def packed(row, bits):
    text = "".join(f"{value:0{bits}b}" for value in row)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def test_transparent_pixels_are_asked_for(root):
    written = pairs(root, [0, 1, 2])
    for name, label in written.items():
        bands = np.stack([label, np.where(label == 2, 0, 255)], -1).astype("uint8")
        Image.fromarray(bands, "LA").save(root / "masks" / f"{name}.png")
    refused(root, "transparent", "img_")
    opened(root, {n: np.where(label == 2, 255, label) for n, label in written.items()}, void="transparent")


@pytest.mark.parametrize(("mode", "values"), [("L", [0, 200]), ("L", [0, 1, 2])])
def test_jpeg_masks_are_refused_whatever_their_name(root, mode, values):
    written = pairs(root, values)
    Image.fromarray(written["img_3"].astype("uint8")).save(root / "masks" / "img_3.png", "JPEG", quality=100)
    refused(root, root / "masks" / "img_3.png", "JPEG", "export the masks as PNG")


def test_transparent_white_is_void_or_asked_for_whatever_lies_below(root):
    written = pairs(root, [0, 1, 2])
    table = np.array([(0, 0, 0, 255), (128, 0, 0, 255), (255, 255, 255, 0)], "uint8")
    for name, label in written.items():
        Image.fromarray(table[label], "RGBA").save(root / "masks" / f"{name}.png")
    options = {"colours": {"ground": (0, 0, 0), "leaf": (128, 0, 0)}}
    refused(root, "transparent", "img_", **options)
    opened(root, {n: np.where(lb == 2, 255, lb) for n, lb in written.items()}, void="transparent", **options)


@pytest.mark.parametrize("chunk", ["gAMA", "sRGB"])
@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_a_gamma_or_srgb_chunk_changes_no_index_and_no_colour(root, mode, chunk):
    written = pairs(root, [0, 1, 2, 15], mode="P")
    for name in written:
        path = root / "masks" / f"{name}.png"
        Image.open(path).convert(mode).save(path)
        data = path.read_bytes()
        content = chunk.encode() + (struct.pack(">L", 45455) if chunk == "gAMA" else b"\0")
        whole = struct.pack(">L", len(content) - 4) + content + struct.pack(">L", zlib.crc32(content))
        path.write_bytes(data[:33] + whole + data[33:])
        assert {"gAMA": "gamma", "sRGB": "srgb"}[chunk] in Image.open(path).info
    opened(root, written, colours=None if mode == "P" else "voc")


@pytest.mark.parametrize("end", [".bmp", ".tif", ".gif"])
def test_other_lossless_files(root, end):
    written = pairs(root, [0, 1, 2, 3], mode="P", end=end)
    opened(root, written)


def test_sixteen_bit_tiff(root):
    written = pairs(root, np.array([0, 1, 2], np.uint16), mode="I;16", end=".tif")
    opened(root, written)


def test_tiff_that_counts_from_white(root):
    written = pairs(root, [0, 1, 2, 3], end=".tif")
    for name, label in written.items():
        Image.fromarray(label.astype("uint8")).save(root / "masks" / f"{name}.tif", tiffinfo={262: 0})
    opened(root, {n: np.asarray(label) for n, label in written.items()}) if stored_as_is(root) else None


def stored_as_is(root):
    """Whether this Pillow wrote the file's numbers as they were, which is what the test is about."""
    path = root / "masks" / "img_0.tif"
    with Image.open(path) as picture:
        at, count = picture.tag_v2[273][0], picture.tag_v2[279][0]
    stored = np.frombuffer(path.read_bytes()[at : at + count], np.uint8)
    assert set(stored) <= {0, 1, 2, 3} or set(stored) <= {255, 254, 253, 252}
    return stored.max() <= 3


def test_a_tiff_of_two_pages_is_refused(root):
    written = pairs(root, [0, 1], end=".tif")
    pages = [Image.fromarray(written["img_0"].astype("uint8")) for _ in range(2)]
    pages[0].save(root / "masks" / "img_0.tif", save_all=True, append_images=pages[1:])
    refused(root, "img_0.tif", "2 pages")


def test_a_tiff_that_holds_a_jpeg_is_refused(root):
    written = pairs(root, [0, 200], end=".tif")
    picture = Image.fromarray(written["img_3"].astype("uint8"))
    picture.save(root / "masks" / "img_3.tif", compression="jpeg")
    refused(root, root / "masks" / "img_3.tif", "lossy")


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("zero", ["white", "black"])
def test_tiffs_of_few_bits_are_numbers_and_not_spread(root, bits, zero):
    written = pairs(root, [0, 1] if bits == 1 else [0, 1, 2, 3], end=".tif")
    for name, label in written.items():
        (root / "masks" / f"{name}.tif").write_bytes(grey_tiff(label, bits, ("white", "black").index(zero)))
    opened(root, written)


def grey_tiff(label, bits, photometric):
    """A grey TIFF of few bits, which Pillow reads and does not write."""
    data = b"".join(packed(row, bits) for row in label)
    tags = [
        (256, label.shape[1]), (257, label.shape[0]), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1),
        (278, label.shape[0]), (279, len(data)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<L", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_minus_1_is_a_number_and_not_transparent(root):
    written = pairs(root, [0, 1, 2], end=".tif")
    for name, label in written.items():
        Image.fromarray((label - 1).astype("int32")).save(root / "masks" / f"{name}.tif")
    refused(root, "-1", "classes=")
    opened(root, {n: np.where(v == 0, 255, v - 1) for n, v in written.items()}, void=-1)


def test_greys_among_palette_pictures_are_asked_for(root):
    written = pairs(root, [0, 1, 15], mode="P")
    index(root / "masks" / "img_4.png", np.select([written["img_4"] == 1, written["img_4"] == 15], [38, 147]))
    refused(root, "147", "classes=")


def test_a_number_beyond_the_palette_has_no_colour(root):
    written = pairs(root, [0, 1, 5], mode="P")
    for name, label in written.items():
        (root / "masks" / f"{name}.png").write_bytes(small_png(label, 4, bytes([10, 10, 10, 20, 20, 20])))
    table = {"sea": (10, 10, 10), "land": (20, 20, 20), "ice": (0, 0, 0)}
    refused(root, "number 5", "palette", colours=table)
    opened(root, written)


def test_void_beside_one_class_alone_may_be_a_class(root):
    written = pairs(root, [0, 1])
    for name in ("img_2", "img_3"):
        index(root / "masks" / f"{name}.png", written[name] * 255)
    assert "2 masks hold void and 'class 0' alone (img_2, img_3)" in masks.open(root).report()
    index(root / "masks" / "img_1.png", areas([0, 1, 255], seed=1))
    assert "hold void" not in masks.open(root).report()


def test_trimaps_from_1(root):
    written = pairs(root, [1, 2, 3])
    data = opened(root, {n: label - 1 for n, label in written.items()}, classes=["pet", "background", "border"])
    assert "start at 1" in data.report()


def test_numbers_from_1_without_names_keep_their_numbers_in_the_names(root):
    written = pairs(root, [1, 2, 3])
    assert opened(root, {n: v - 1 for n, v in written.items()}).class_names == ["class 1", "class 2", "class 3"]


def test_a_longer_list_of_classes_leaves_numbers_as_they_are_and_says_so(root):
    written = pairs(root, [1, 2, 3])
    data = opened(root, written, classes=["background", "a", "b", "c"])
    assert "0 never occurs" in data.report()


def test_void_may_be_0(root):
    written = pairs(root, [0, 1, 2])
    expected = {n: np.where(v == 0, 255, v - 1) for n, v in written.items()}
    assert opened(root, expected, void=0).class_names == ["class 1", "class 2"]
    assert opened(root, expected, void=0, classes=["a", "b"]).class_names == ["a", "b"]
    assert opened(root, expected, void=0, classes=["background", "a", "b"]).class_names == ["a", "b"]


@pytest.mark.parametrize("values", [[0, 38, 147, 220], [0, 128], [0, 100, 200], [0, 255], [0, 75, 255]])
def test_greys_are_asked_for(root, values):
    written = pairs(root, values)
    message = refused(root, values[1], "classes=")
    assert ("VOC" in message) == (38 in values)
    named = {value: f"thing {value}" for value in values}
    opened(root, {n: np.searchsorted(values, v) for n, v in written.items()}, classes=named)


def test_0_and_255_where_255_was_named_void(root):
    written = pairs(root, [0, 255])
    assert opened(root, written, void=255).class_names == ["class 0"]
    opened(root, written, void=255, classes=["background", "cat"])


def test_0_and_255_with_two_classes_is_said_in_the_report(root):
    written = pairs(root, [0, 255])
    data = opened(root, {n: v // 255 for n, v in written.items()}, classes=["background", "cat"])
    assert "255 the second" in data.report()


def test_a_number_outside_the_classes_names_the_mask(root):
    written = pairs(root, [0, 1])
    index(root / "masks" / "img_4.png", np.where(written["img_4"] == 1, 2, 0))
    refused(root, root / "masks" / "img_4.png", "number 2", "void=2", classes=["a", "b"])
    refused(root, root / "masks" / "img_4.png", "number 2", classes={0: "a", 1: "b"})


def test_palettes_that_differ_are_read_by_colour_or_not_at_all(root):
    written = pairs(root, [0, 1], mode="P", palette=[0, 0, 0, 255, 0, 0])
    index(root / "masks" / "img_5.png", 1 - written["img_5"], "P", [255, 0, 0, 0, 0, 0])
    refused(root, "different palettes", "colours=")
    opened(root, written, colours={"ground": (0, 0, 0), "cat": (255, 0, 0)})


def test_class_names_from_a_file_beside_the_masks(root):
    written = pairs(root, [0, 1, 2])
    (root / "class_names.txt").write_text("sky\ntree\nroad\n")
    data = opened(root, written)
    assert data.class_names == ["sky", "tree", "road"] and "class_names.txt" in data.report()


def test_two_lists_that_differ_are_refused_unless_classes_are_given(root):
    written = pairs(root, [0, 1, 2])
    (root / "classes.txt").write_text("sky\ntree\nroad\n")
    (root / "masks" / "labels.txt").write_text("sky\ntree\nroad\n")
    assert opened(root, written).class_names == ["sky", "tree", "road"]
    (root / "masks" / "labels.txt").write_text("tree\nsky\nroad\n")
    refused(root, "masks/labels.txt", "classes.txt", "classes=")
    assert opened(root, written, classes=["a", "b", "c"]).class_names == ["a", "b", "c"]


def test_a_list_with_numbers_of_its_own_is_refused(root):
    pairs(root, [0, 1, 2])
    (root / "labels.txt").write_text("1: sky\n2: tree\n0: road\n")
    refused(root, "labels.txt", "2: tree", "classes=")


def test_a_list_in_utf_16(root):
    written = pairs(root, [0, 1])
    (root / "classes.txt").write_bytes("Straße\nBäume\n".encode("utf-16"))
    assert opened(root, written).class_names == ["Straße", "Bäume"]


# ---- colours, and known codings -------------------------------------------------------------------------------------

CVAT = {"background": (0, 0, 0), "cheetah": (224, 64, 64), "fox": (160, 96, 64)}


def test_cvat_keeps_fox_and_cheetah_apart(root):
    labels = colour_pairs(root, CVAT.values())
    lines = [f"{name}:{r},{g},{b}::" for name, (r, g, b) in CVAT.items()]
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + "\n".join(lines))
    data = opened(root, labels)
    assert data.class_names == list(CVAT) and "labelmap.txt" in data.report()


def colour_pairs(root, table, n=6):
    table, written = list(table), {}
    for i in range(n):
        photo(root / "images" / f"img_{i}.png", seed=i)
        written[f"img_{i}"] = areas(range(len(table)), seed=i)
        colour(root / "masks" / f"img_{i}.png", written[f"img_{i}"], table)
    return written


def test_colours_without_table_are_asked_for(root):
    colour_pairs(root, [(128, 0, 0), (0, 128, 0), (128, 128, 0)])
    assert 'colours="voc"' in refused(root, "colour picture", "(128, 128, 0)", "labelmap.txt")


def test_vocs_colours_by_name(root):
    labels = colour_pairs(root, [tuple(mask_folders.voc_palette()[3 * i : 3 * i + 3]) for i in range(21)])
    assert opened(root, labels, colours="voc").class_names[15] == "person"


def test_camvid_and_cityscapes_colours_by_name(root):
    labels = colour_pairs(root, [(0, 128, 192), (128, 64, 128)])
    data = masks.open(root, colours="camvid")
    bicyclist, road = data.class_names.index("bicyclist"), data.class_names.index("road")
    opened(root, {n: np.where(v == 0, bicyclist, road) for n, v in labels.items()}, colours="camvid")
    refused(root, "(0, 128, 192)", colours="cityscapes")


def test_a_class_whose_name_says_void_is_asked_about(root):
    labels = colour_pairs(root, [(1, 2, 3), (4, 5, 6)])
    (root / "class_dict.csv").write_text("name,r,g,b\nsea,1,2,3\nVoid,4,5,6\n")
    assert "the class Void is what nobody labelled" in opened(root, labels).report()
    assert "nobody labelled" not in opened(root, {n: v * 255 for n, v in labels.items()}, void="Void").report()


def test_class_dict_and_label_colors(root):
    labels = colour_pairs(root, [(1, 2, 3), (4, 5, 6)])
    (root / "class_dict.csv").write_text("name,r,g,b\nsea,1,2,3\nland,4,5,6\n")
    assert opened(root, labels).class_names == ["sea", "land"]
    (root / "class_dict.csv").unlink()
    (root / "label_colors.txt").write_text("4 5 6\tland\n1 2 3\tsea\n")
    assert opened(root, {n: 1 - v for n, v in labels.items()}).class_names == ["land", "sea"]


def test_a_colour_outside_the_table_names_mask_and_colour(root):
    colour_pairs(root, [(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    refused(root, root / "masks", "(7, 8, 9)", "void=", colours={"sea": (1, 2, 3), "land": (4, 5, 6)})
    data = masks.open(root, colours={"sea": (1, 2, 3), "land": (4, 5, 6)}, void=(7, 8, 9))
    assert set(np.unique(data.label("img_0"))) == {0, 1, 255}


def test_tables_of_several_folders_are_one_table_or_refused(root):
    labels = colour_pairs(root, [(1, 2, 3), (4, 5, 6)])
    (root / "images" / "class_dict.csv").write_text("name,r,g,b\nsea,1,2,3\n")
    (root / "masks" / "class_dict.csv").write_text("name,r,g,b\nsea,1,2,3\nland,4,5,6\n")
    assert opened(root, labels).class_names == ["sea", "land"]
    for line in ("lake,1,2,3", "sea,4,5,6"):
        (root / "masks" / "class_dict.csv").write_text(f"name,r,g,b\n{line}\n")
        refused(root, "masks/class_dict.csv", line.split(",")[0], "images/class_dict.csv", "colours=")


def test_a_table_without_colours_is_refused(root):
    """datumaro writes such a labelmap.txt for VOC."""
    colour_pairs(root, [(0, 0, 0), (128, 0, 0)])
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:::\nsky:::\n")
    refused(root, "labelmap.txt", "no colour", "colours=")


def test_ade20k(root):
    for i in range(4):
        photo(root / f"ADE_train_0000000{i}.jpg", seed=i)
        parts = np.zeros((24, 32, 3), "uint8")
        parts[:, 8:16] = (10, 5, 1)  # class 261
        parts[:, 16:] = (0, 200 + i, 2)
        Image.fromarray(parts).save(root / f"ADE_train_0000000{i}_seg.png")
        Image.fromarray(parts).save(root / f"ADE_train_0000000{i}_parts_1.png")
    data = masks.open(root)
    assert data.class_names == [f"ADE20K {n}" for n in (200, 201, 202, 203, 261)]
    label = data.label("ADE_train_00000002")
    assert (label[:, :8] == 255).all() and (label[:, 8:16] == 4).all() and (label[:, 16:] == 2).all()


def test_ade20ks_classes_that_are_not_named_are_void(root):
    labels = {}
    for i in range(4):
        name = f"ADE_train_0000000{i}"
        photo(root / f"{name}.jpg", seed=i)
        where = areas(range(4), seed=i)
        colour(root / f"{name}_seg.png", where, [(0, 0, 0), (10, 5, 1), (0, 200, 2), (20, 1, 9)])
        labels[name] = np.array([255, 1, 0, 255])[where]
    data = opened(root, labels, classes={200: "wall", 261: "sky"})
    assert data.class_names == ["wall", "sky"] and "2 numbers that classes does not name are void" in data.report()


def test_scene_parsing_is_told_that_0_is_void(root):
    written = {}
    for i in range(4):
        name = f"ADE_train_0000000{i}"
        photo(root / "images" / "training" / f"{name}.jpg", seed=i)
        written[name] = areas([0, 1, 2, 4], seed=i)
        index(root / "annotations" / "training" / f"{name}.png", written[name])
    assert "void=0" in opened(root, written).report()
    data = opened(root, {n: np.where(v == 0, 255, v - 1) for n, v in written.items()}, void=0)
    assert "void=0" not in data.report()


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("labelIds", [7, 26, 0, 23], [0, 13, 255, 10]),
        ("labelTrainIds", [0, 13, 255, 10], [0, 13, 255, 10]),
        ("instanceIds", [7, 26001, 3, 23], [0, 13, 255, 10]),
    ],
)
def test_cityscapes(root, kind, values, expected):
    labels = {}
    for i in range(4):
        stem = f"aachen_00000{i}_000019"
        photo(root / "leftImg8bit" / "train" / "aachen" / f"{stem}_leftImg8bit.png", seed=i)
        where = areas(range(4), seed=i)
        mask = root / "gtFine" / "train" / "aachen" / f"{stem}_gtFine_{kind}.png"
        index(mask, np.array(values, np.uint16)[where], "I;16" if kind == "instanceIds" else "L")
        labels[f"{stem}_leftImg8bit"] = np.array(expected)[where]
    data = opened(root, labels)
    assert data.class_names[:3] == ["road", "sidewalk", "building"] and len(data.class_names) == 19


def test_cityscapes_takes_label_ids_where_all_kinds_lie_together(root):
    for i in range(3):
        stem = f"aachen_00000{i}_000019"
        photo(root / "leftImg8bit" / "train" / f"{stem}_leftImg8bit.png", seed=i)
        folder = root / "gtFine" / "train"
        index(folder / f"{stem}_gtFine_labelIds.png", np.full((24, 32), 7))
        index(folder / f"{stem}_gtFine_instanceIds.png", np.full((24, 32), 7, np.uint16), "I;16")
        colour(folder / f"{stem}_gtFine_color.png", np.zeros((24, 32), int), [(128, 64, 128)])
    data = masks.open(root)
    assert (data.label("aachen_000000_000019_leftImg8bit") == 0).all() and "labelIds" in data.report()


def test_roboflow(root):
    names = ["background", "crack"]
    for split, count in (("train", 4), ("valid", 2), ("test", 2)):
        for i in range(count):
            photo(root / split / f"{split}{i}_jpg.rf.0a.jpg", seed=i + 10 * count)
            index(root / split / f"{split}{i}_jpg.rf.0a_mask.png", areas([0, 1], seed=i))
        (root / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, crack\n")
    data = masks.open(root)
    assert data.class_names == names and "Roboflow" in data.report()
    assert data.names("test") == ["test0_jpg.rf.0a", "test1_jpg.rf.0a"] and len(data.names("train")) == 6
    assert np.array_equal(data.label("valid1_jpg.rf.0a"), areas([0, 1], seed=1))


# ---- pairing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout_",
    [
        ("images/{}.jpg", "masks/{}.png"), ("{}.jpg", "{}_mask.png"), ("{}.jpg", "{}.png"), ("{}.png", "masks/{}.png"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"), ("train/images/{}.jpg", "train/masks/{}.png"),
        ("images/train/{}.jpg", "masks/{}.png"), ("{}.png", "{}_L.png"), ("photos/{}.png", "labels/{}-label.png"),
        ("images/{}_image.png", "masks/mask_{}.png"), ("train/{}.jpg", "train_masks/{}_mask.png"),
        ("{}_sat.jpg", "{}_mask.png"), ("labeled_images/{}.png", "ground_truth/{}.png"),
        ("images/{}_seg.png", "masks/{}_seg.png"), ("images/{}_rgb.jpg", "masks/{}_rgb.png"),
        ("original/{}.TIF", "Ground Truth/{}_labelIds.PNG"), ("train_images/{}.JPG", "train_masks/{}-seg.png"),
    ],
)  # fmt: skip
def test_img_10_is_never_paired_with_the_mask_of_img_2(root, layout_):
    labels = {}
    for i in (1, 2, 10, 11, 20):
        image = photo(root / layout_[0].format(f"img_{i}"), seed=i)
        labels[image.stem] = np.full((24, 32), i % 4)
        labels[image.stem][:i] = 0
        index(root / layout_[1].format(f"img_{i}"), labels[image.stem])
    if "_L" in layout_[1]:
        for path in root.glob("*"):
            path.rename(path.with_name(path.name.replace("img_", "0001TP_00")))
        labels = {name.replace("img_", "0001TP_00"): label for name, label in labels.items()}
    opened(root, labels)


@pytest.mark.parametrize(("gone", "said"), [("masks/img_3.png", "no mask for"), ("images/img_3.jpg", "no photo for")])
def test_what_has_no_partner_is_named(root, gone, said):
    pairs(root, [0, 1])
    (root / gone).unlink()
    refused(root, said, "img_3", "1 files")


def test_masks_among_the_photos_are_named(root):
    for i in range(3):
        photo(root / "images" / f"img_{i}.jpg", seed=i)
        index(root / "images" / f"img_{i}_mask.png", areas([0, 1]))
    refused(root, "img_0_mask.png", "among the photos", "masks/")


def test_names_that_differ_only_in_case_are_named(root):
    pairs(root, [0, 1])
    (root / "masks" / "img_2.png").rename(root / "masks" / "IMG_2.png")
    refused(root, "img_2", "only in case")


@pytest.mark.parametrize("places", [("seq1", "seq2"), ("train", "val")])
def test_a_photo_is_not_paired_with_the_mask_of_another_folders_photo(root, places):
    for place in places:
        photo(root / "images" / place / f"{place}_0.jpg", seed=ord(place[0]))
        index(root / "masks" / place / f"{place}_0.png", areas([0, 1]))
    photo(root / "images" / places[0] / "0007.jpg", seed=7)
    index(root / "masks" / places[1] / "0007.png", areas([0, 1]))
    refused(root, "no mask for", f"{places[0]}/0007.jpg", f"{places[1]}/0007", "(2 files)")


def test_letters_with_accents_are_the_same_in_one_sign_or_two(root):
    """macOS writes ü as u and two dots."""
    labels = {}
    for i in range(3):
        name = unicodedata.normalize("NFD", f"Müll {i}")
        photo(root / "images" / f"{name}.jpg", seed=i)
        labels[name] = areas([0, 1], seed=i)
        index(root / "masks" / f"{unicodedata.normalize('NFC', name)}.png", labels[name])
    opened(root, labels)


def test_pictures_of_kinds_that_are_not_read_are_said(root):
    pairs(root, [0, 1])
    (root / "images" / "phone.HEIC").write_bytes(b"x")
    assert "images/phone.HEIC" in masks.open(root).report()


def test_vocs_photos_without_masks_are_left_out(root):
    written = {}
    for i in range(6):
        photo(root / "JPEGImages" / f"2011_{i}.jpg", seed=i)
    for i in range(4):
        written[f"2011_{i}"] = areas([0, 1, 15, 255], seed=i)
        index(root / "SegmentationClass" / f"2011_{i}.png", written[f"2011_{i}"], "P")
        index(root / "SegmentationObject" / f"2011_{i}.png", written[f"2011_{i}"] * 0 + 7, "P")
    sets = root / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("2011_0\n2011_1\n")
    (sets / "val.txt").write_text("2011_2\n2011_3\n")
    data = opened(root, written, classes=[f"c{i}" for i in range(21)])
    assert data.names("test") == ["2011_2", "2011_3"] and "2 photos without masks" in data.report()
    (sets / "val.txt").write_text("2011_2\n2011_3\n2011_99\n")
    assert "lists 1 photos that are not there: 2011_99" in masks.open(root).report()
    (sets / "val.txt").write_text("2011_2\n2011_3\n2011_4\n")
    refused(root, "2011_4.jpg", "no mask")


def test_cvats_lists_give_folders_and_names_may_have_spaces(root):
    written = {}
    for place, name in (("a", "x 1"), ("b", "x 1"), ("b", "y")):
        image = photo(root / "JPEGImages" / place / f"{name}.jpg", seed=len(written))
        written[f"JPEGImages/{place}/{name}" if name == "x 1" else name] = areas([0, 1], seed=len(written))
        index(root / "SegmentationClass" / place / f"{name}.png", areas([0, 1], seed=len(written) - 1))
    sets = root / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("a/x 1\nb/y\n")
    (sets / "val.txt").write_text("b/x 1\n")
    assert opened(root, written).names("test") == ["JPEGImages/b/x 1"]
    (root / "SegmentationClass" / "b" / "y.png").unlink()
    refused(root, image.relative_to(root), "no mask")


def test_two_photos_of_one_name_keep_their_folders(root):
    for place in ("a", "b"):
        photo(root / "images" / place / "x.jpg", seed=ord(place))
        index(root / "masks" / place / "x.png", areas([0, 1], seed=ord(place)))
    opened(root, {f"images/{p}/x": areas([0, 1], seed=ord(p)) for p in "ab"})


# ---- EXIF and sizes -------------------------------------------------------------------------------------------------


def turned(root, name, orientation, rows=24, cols=32):
    """Writes a photo that is stored as rows x cols, with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return photo(root / "images" / f"{name}.jpg", rows, cols, seed=7, exif=exif, quality=95)


def test_a_turned_photo_lies_as_its_mask_does(root):
    pairs(root, [0, 1])
    turned(root, "phone", 6)
    index(root / "masks" / "phone.png", areas([0, 1], rows=32, cols=24))
    data = masks.open(root)
    assert data.image("phone").shape == (32, 24, 3) and data.label("phone").shape == (32, 24)
    stored = np.asarray(Image.open(root / "images" / "phone.jpg"))
    assert np.array_equal(data.image("phone"), np.rot90(stored, -1)) and "EXIF" in data.report()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("end", [".jpg", ".png", ".webp", ".tif"])
def test_every_orientation_in_every_file_that_has_one(root, orientation, end):
    y, x = np.mgrid[:24, :32]
    stored = np.stack([x * 7, y * 9, x + y], -1).astype("uint8")
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.asarray(Image.fromarray(stored).transpose(TURNS[orientation]) if orientation > 1 else stored)
    label = areas([0, 1], *upright.shape[:2])
    index(root / "masks" / "phone.png", label)
    (root / "images").mkdir()
    options = {".jpg": {"quality": 95}, ".webp": {"lossless": True}}.get(end, {})
    options |= {"tiffinfo": {0x0112: orientation}} if end == ".tif" else {"exif": exif}
    Image.fromarray(stored).save(root / "images" / f"phone{end}", **options)
    data = opened(root, {"phone": label})
    assert abs(data.image("phone").astype(int) - upright).max() <= (12 if end == ".jpg" else 0)
    if orientation > 4:
        index(root / "masks" / "phone.png", areas([0, 1]))
        refused(root, root / "masks" / "phone.png", f"EXIF orientation {orientation}")


TURNS = dict(enumerate(
    ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90"), 2
))  # fmt: skip
TURNS = {number: Image.Transpose[name] for number, name in TURNS.items()}


def test_a_mask_of_the_photo_as_stored_is_refused(root):
    pairs(root, [0, 1])
    turned(root, "phone", 6)
    index(root / "masks" / "phone.png", areas([0, 1]))
    refused(root, root / "masks" / "phone.png", "32x24", "24x32", "EXIF orientation 6", "turn the mask")


@pytest.mark.parametrize(("size", "said"), [((12, 16), "resized"), ((24, 30), "cut"), ((32, 24), "changed places")])
def test_masks_of_another_size_are_refused(root, size, said):
    pairs(root, [0, 1])
    index(root / "masks" / "img_2.png", areas([0, 1], *size))
    refused(root, root / "masks" / "img_2.png", said)


def test_photos_of_several_sizes_are_loaded_at_one(root):
    pairs(root, [0, 1, 2], n=3, rows=40, cols=40)
    photo(root / "images" / "wide.png", 24, 48, seed=9)
    index(root / "masks" / "wide.png", areas([0, 1, 2], 24, 48))
    data = masks.open(root)
    assert data.size is None
    names = data.names("train") + data.names("test")
    with pytest.raises(MasksError, match=r"40x40.*48x24|48x24.*40x40"):
        data.load(names)
    small = data.at(24)
    images, labels = small.load(names)
    assert images.shape == (4, 24, 24, 3) and labels.shape == (4, 24, 24) and small.size == (24, 24)
    wide = names.index("wide")
    assert (labels[wide][12:] == 255).all() and set(np.unique(labels[wide][:12])) == {0, 1, 2}
    assert not images[wide][12:].any() and np.array_equal(images[wide], small.image("wide"))
    for size in (8, True, 24.5, "24", None, (24,), (24, "24"), (24, 24, 3)):
        with pytest.raises(ValueError, match="whole numbers, 16 or more"):
            data.at(size)


# ---- the report -----------------------------------------------------------------------------------------------------


def test_the_report_names_what_looks_wrong(root):
    labels = pairs(root, [0, 2], n=8, rows=40, cols=40)
    for name, label in labels.items():
        smoothed = label.copy()
        smoothed[:, 1:][label[:, 1:] != label[:, :-1]] = 1  # what bilinear resizing leaves between 0 and 2
        index(root / "masks" / f"{name}.png", smoothed)
    data = masks.open(root, classes=["ground", "edge", "cat", "never"])
    report = data.report()
    assert "lie along borders only" in report and "inside an area: edge (" in report
    assert "No pixel has the class never" in report and "8 photos" in report
    assert "Void: 0.00 %" in report and "40x40" in report


def test_a_mask_that_was_resized_bilinearly_is_told(root):
    for i in range(6):
        photo(root / "images" / f"img_{i}.png", 40, 60, seed=i)
        label = Image.fromarray(areas([0, 7, 15], 120, 180, seed=i).astype("uint8"))
        small = np.asarray(label.resize((60, 40), Image.Resampling.BILINEAR))
        assert len(np.unique(small)) > 3, "numbers that the mask never had"
        index(root / "masks" / f"img_{i}.png", small, "P")
    assert "resized or smoothed" in masks.open(root).report()


def test_the_report_finds_duplicates(root):
    pairs(root, [0, 1], n=6)
    (root / "images" / "copy.jpg").write_bytes((root / "images" / "img_1.jpg").read_bytes())
    index(root / "masks" / "copy.png", areas([0, 1], seed=30))
    report = masks.open(root).report()
    assert "byte for byte: copy = img_1" in report and "different masks: copy = img_1" in report
    for i in range(50):
        (root / "images" / f"copy_{i}.jpg").write_bytes((root / "images" / "img_1.jpg").read_bytes())
        index(root / "masks" / f"copy_{i}.png", areas([0, 1]))
    report = masks.open(root).report()
    assert "copy = copy_0 = copy_1 = … (52 in all)" in report and max(map(len, report.splitlines())) < 300


def test_photos_of_12_bits_in_16_are_said_to_be_black(root):
    pairs(root, [0, 1])
    dark = np.random.RandomState(0).randint(0, 4096, (24, 32)).astype("uint16")
    (root / "images" / "img_2.jpg").unlink()
    Image.fromarray(dark).save(root / "images" / "img_2.png")
    assert "1 photos are nearly black (img_2)" in masks.open(root).report()


def test_photos_that_are_strips_are_said(root):
    pairs(root, [0, 1], rows=20, cols=300)
    assert "6 photos are more than 5 times as long as wide" in masks.open(root).report()


def test_one_class_everywhere_is_said(root):
    pairs(root, [1])
    assert "nothing to tell apart" in masks.open(root).report()


def test_a_good_folder_has_nothing_wrong(root):
    pairs(root, [0, 1, 2], n=12)
    assert "Nothing looks wrong." in masks.open(root, classes=["a", "b", "c"]).report()


# ---- the split ------------------------------------------------------------------------------------------------------


def many(root, n=60):
    """Photos of which each fifth has a rare class, and each tenth has a near-duplicate."""
    for i in range(n):
        smooth = np.random.RandomState(i).randint(0, 256, (6, 8, 3)).astype("uint8").repeat(4, 0).repeat(4, 1)
        (root / "images").mkdir(exist_ok=True)
        Image.fromarray(smooth).save(root / "images" / f"img_{i}.png")
        label = areas([0, 1, 2] if i % 5 == 0 else [0, 1], seed=i)
        index(root / "masks" / f"img_{i}.png", label)
        if i % 10 == 0:
            Image.fromarray(np.clip(smooth.astype(int) + 2, 0, 255).astype("uint8")).save(
                root / "images" / f"twin_{i}.png"
            )
            index(root / "masks" / f"twin_{i}.png", label)


def test_the_split_is_grouped_and_stratified(root):
    many(root)
    data = masks.open(root)
    test, train = set(data.names("test")), set(data.names("train"))
    assert not test & train and len(test | train) == 66 and 10 <= len(test) <= 17
    assert all((f"img_{i}" in test) == (f"twin_{i}" in test) for i in range(0, 60, 10))
    rare = {f"img_{i}" for i in range(0, 60, 5)} | {f"twin_{i}" for i in range(0, 60, 10)}
    assert 2 <= len(rare & test) <= 6
    assert "some that train" not in data.report() and "nearly the same" in data.report()


def test_the_split_is_written_down_read_again_and_kept_when_photos_come(root, tmp_path):
    many(root)
    before = masks.open(root)
    (path,) = (tmp_path / "project" / "data" / "splits").glob("*.csv")
    rows = list(csv.DictReader(path.open()))
    assert {row["name"] for row in rows if row["split"] == "test"} == set(before.names("test"))
    assert str(path) in before.report()
    assert not list(root.glob("*.csv")), "the data's own folder stays as it was"
    for i in range(60, 80):
        photo(root / "images" / f"img_{i}.png", seed=i)
        index(root / "masks" / f"img_{i}.png", areas([0, 1], seed=i))
    after = masks.open(root)
    assert set(before.names("test")) <= set(after.names("test"))
    assert set(before.names("train")) <= set(after.names("train"))
    assert len(after.names("test")) > len(before.names("test")) and "20 photos are new" in after.report()


def test_a_split_beside_the_data_comes_first(root):
    pairs(root, [0, 1], n=4)
    (root / "split.csv").write_text("name,split\nimg_0,test\nimg_1,train\nimg_2,test\nimg_3,train\n")
    data = masks.open(root)
    assert data.names("test") == ["img_0", "img_2"]
    (root / "split.csv").write_text("name,split\nimg_0,test\n")
    refused(root, "split.csv", "img_1")
    (root / "split.csv").write_text("name,split\nimg_0,maybe\n")
    refused(root, "split.csv", "train")


def test_near_duplicates_on_both_sides_of_a_split_of_ones_own_are_told(root):
    many(root, n=20)
    names = sorted(path.stem for path in (root / "images").iterdir())
    lines = [f"{name},{'test' if name.startswith('twin') else 'train'}" for name in names]
    (root / "split.csv").write_text("name,split\n" + "\n".join(lines))
    assert "some that train and some that test" in masks.open(root).report()


@pytest.mark.parametrize(
    "layout_",
    [
        ("{}_images/{}.jpg", "{}_masks/{}.png"), ("images_{}/{}.jpg", "labels_{}/{}.png"),
        ("{}/{}.jpg", "{}_labels/{}_L.png"), ("{}/images/{}.jpg", "{}/masks/{}.png"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", "{}"], ids=["names that each split has", "names that one split has"])
def test_a_split_in_the_names_of_folders_is_kept(root, layout_, start):
    expected, whole = {}, {}
    for side, split in (("train", "train"), ("test", "val")):
        for i in range(3):
            stem = start.format(split) + f"0001TP_00{i}"
            image = photo(root / layout_[0].format(split, stem), seed=i + 10 * len(split))
            index(root / layout_[1].format(split, stem), areas([0, 1], seed=i + len(split)))
            name = image.stem if start else image.relative_to(root).with_suffix("").as_posix()
            expected.setdefault(side, []).append(name)
            whole[name] = areas([0, 1], seed=i + len(split))
    data = opened(root, whole)
    assert {side: data.names(side) for side in expected} == expected and "The data set's own" in data.report()


def test_the_same_folder_gives_the_same_split_anywhere(root, tmp_path, monkeypatch):
    many(root)
    first = masks.open(root).names("test")
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "elsewhere")
    assert masks.open(root).names("test") == first


# ---- the cache ------------------------------------------------------------------------------------------------------


def test_a_second_opening_decodes_nothing(root, monkeypatch):
    pairs(root, [0, 1, 2, 255])
    first = masks.open(root)
    from helpers.formats import pictures

    monkeypatch.setattr(pictures, "opened", lambda *_: pytest.fail("a picture was opened"))
    assert masks.open(root).report() == first.report()


def test_a_changed_mask_is_seen(root):
    pairs(root, [0, 1])
    masks.open(root)
    index(root / "masks" / "img_0.png", np.full((24, 32), 7))
    refused(root, "img_0.png", "number 7", classes=["a", "b"])


def test_a_damaged_cache_is_made_anew(root, tmp_path):
    written = pairs(root, [0, 1])
    masks.open(root)
    (path,) = (tmp_path / "project" / "data" / "cache").glob("*.json")
    path.write_text('{"img_0": 3}')
    opened(root, written)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_can_be_opened(root):
    written = pairs(root, [0, 1])
    root.chmod(0o555)
    opened(root, written)
    root.chmod(0o755)


# ---- with the rest of the house -------------------------------------------------------------------------------------


def test_pipeline_loads_it(root):
    written = pairs(root, [0, 1, 255], n=20, rows=48, cols=64)
    data = masks.open(root)
    training, validation = pipeline.load(data)
    assert len(validation.names) >= 1 and len(training.names) + len(validation.names) == len(data.names("train"))
    for part in (training, validation):
        for name, image, label in zip(*part, strict=True):
            assert np.array_equal(image, data.image(name)) and np.array_equal(label, written[name])


def test_photos_that_differ_are_not_alike_for_the_void_around_them(root):
    """Bright photos in one size, with black below: seen with it, all would be one group, and none held out."""
    for i in range(20):
        grey = 200 + 20 * np.random.RandomState(i).randn(6, 8, 3)
        (root / "images").mkdir(exist_ok=True)
        bright = Image.fromarray(np.clip(grey, 0, 255).astype("uint8"))
        bright.resize((96, 54), Image.Resampling.BICUBIC).save(root / "images" / f"img_{i}.png")
        index(root / "masks" / f"img_{i}.png", areas([0, 1], 54, 96, seed=i))
    data = masks.open(root)
    training, validation = pipeline.load(data.at(64))
    assert len(data.names("train")) == 16 and len(validation.names) == 2
    assert not np.intersect1d(*([data.alike[name] for name in part.names] for part in (training, validation))).size


def test_frames_of_one_scene_are_held_out_of_or_named(root):
    """Twelve frames differ in a few pixels: a tenth is held out all the same. With four, nothing can be."""
    pairs(root, [0, 1], n=12)
    frame = np.array(Image.open(root / "images" / "img_0.jpg"))
    for i in range(12):
        frame[0, i] = i
        (root / "images" / f"img_{i}.jpg").unlink()
        Image.fromarray(frame).save(root / "images" / f"img_{i}.png")
    assert len(pipeline.load(masks.open(root))[1].names) == 1
    for i in range(4, 12):
        (root / "images" / f"img_{i}.png").unlink()
        (root / "masks" / f"img_{i}.png").unlink()
    with pytest.raises(ValueError, match="nearly the same.*none can be held out.*add photos"):
        pipeline.load(masks.open(root))


def test_pipeline_loads_several_sizes_at_one(root):
    for i in range(12):
        photo(root / "images" / f"img_{i}.png", 30 + i, 50 - i, seed=i)
        index(root / "masks" / f"img_{i}.png", areas([0, 1], 30 + i, 50 - i))
    part, validation = pipeline.load(masks.open(root).at((32, 48)))
    assert part.images.shape[1:] == (32, 48, 3) and validation.labels.shape == (1, 32, 48)
    assert set(np.unique(part.labels)) == {0, 1, 255}


def test_a_network_trains_on_it(root):
    from helpers import losses, metrics, preflight, training, unet
    from helpers.recipe import Recipe

    pairs(root, [0, 1, 2, 255], n=20, rows=32, cols=48)
    data = masks.open(root)
    part, validation = pipeline.load(data)
    recipe = Recipe(size=32, filters=4, depth=2, stem=1, batch=4, epochs=1)
    model = unet.unet((32, 32, 3), len(data.class_names), 4, 2, 1)
    model.compile("adam", losses.CrossEntropy(), metrics=[metrics.Scores(len(data.class_names))])
    feed = recipe.feed(part.images, part.labels)
    assert next(iter(feed()))[1].shape == (4, 32, 32)
    held_out = pipeline.evaluation_batches(validation.images, validation.labels, batch=2, size=32)
    history = training.fit(model, feed, held_out, epochs=1, steps=len(part.images) // 4)
    assert np.isfinite(history["loss"][0])
    assert callable(preflight.preflight)


def test_importing_it_takes_no_framework_in():
    heavy = ("tensorflow", "keras", "matplotlib", "scipy", "h5py", "helpers.fetch.download")
    code = f"import helpers.masks, sys; print(*[name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_unknown_names_are_refused(root):
    pairs(root, [0, 1])
    data = masks.open(root)
    for read in (data.image, data.label, lambda name: data.load([name])):
        with pytest.raises(MasksError, match="names"):
            read("img_99")
    with pytest.raises(ValueError, match="train"):
        data.names("validation")


def test_json_of_no_known_kind_is_named(root):
    photo(root / "a.jpg")
    (root / "via.json").write_text(json.dumps({"_via_img_metadata": {}}))
    refused(root, root / "via.json", "of no kind")


def test_a_mask_that_changes_after_opening_is_refused_when_read(root):
    pairs(root, [0, 1])
    data = masks.open(root)
    index(root / "masks" / "img_0.png", np.full((24, 32), 7))
    index(root / "masks" / "img_1.png", np.zeros((12, 16)))
    with pytest.raises(MasksError, match="stands for no class"):
        data.label("img_0")
    with pytest.raises(MasksError, match="changed its size"):
        data.label("img_1")
    photo(root / "images" / "img_2.jpg", 30, 40)
    for read in (data.image, lambda name: data.load([name])):
        with pytest.raises(MasksError, match="img_2.jpg has changed its size"):
            read("img_2")


def test_a_palette_with_transparency_is_still_an_index(root):
    written = pairs(root, [0, 1, 2], mode="P", transparency=0)
    assert "transparency" in Image.open(root / "masks" / "img_0.png").info
    opened(root, written)


def test_numbers_named_for_colour_masks_are_refused(root):
    colour_pairs(root, [(0, 0, 0), (128, 0, 0)])
    refused(root, "colours=", classes={0: "a", 128: "b"})


def test_a_table_may_be_turned_round(root):
    labels = colour_pairs(root, [(1, 2, 3), (4, 5, 6)])
    assert opened(root, labels, colours={(1, 2, 3): "sea", (4, 5, 6): "land"}).class_names == ["sea", "land"]


def test_class_numbers_in_three_channels_are_named(root):
    colour_pairs(root, [(0, 0, 0), (1, 1, 1), (2, 2, 2)])
    refused(root, "three channels")


def test_stray_matlab_files_beside_masks_do_no_harm(root):
    """The Oxford pets have some among their photos."""
    written = pairs(root, [0, 1, 2])
    (root / "images" / "img_0.mat").write_bytes(b"x")
    opened(root, written)


def test_heic_photos_are_named(root):
    index(root / "masks" / "a.png", areas([0, 1]))
    (root / "a.heic").write_bytes(b"x")
    refused(root, root / "a.heic", "JPEG")


def test_siftflows_own_files_are_read_as_siftflow_reads_them(root, siftflow_root):
    from helpers.siftflow import CLASS_NAMES, SiftFlow

    whole = SiftFlow(siftflow_root)
    names = whole.names("train")[::600]
    for name in names:
        for kind, end in (("Images", ".jpg"), ("SemanticLabels", ".mat")):
            source = next((siftflow_root / kind).glob(f"*/{name}{end}"))
            (root / kind).mkdir(exist_ok=True)
            (root / kind / source.name).symlink_to(source)
    opened(root, {name: whole.label(name) for name in names}, void=0, classes=list(CLASS_NAMES))
