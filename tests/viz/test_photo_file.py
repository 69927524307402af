"""helpers.viz.photo_file: files of every kind become pixels, and those that cannot are told apart, with their cure."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from helpers.viz import photo_file
from support.photos import noise, saved

PNG = b"\x89PNG\r\n\x1a\n"


# Wider than tall, with another colour in each quarter; all exact in every kind of file that is not JPEG.
QUARTERS = np.zeros((40, 64, 3), "uint8")
QUARTERS[:20, :32], QUARTERS[:20, 32:], QUARTERS[20:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
UPRIGHT = Image.fromarray(QUARTERS)
GREY = np.array([[0, 90], [180, 255]], "uint8").repeat(20, axis=0).repeat(32, axis=1)
SEEN_GREY = np.stack([GREY] * 3, axis=-1)


def with_hole(image):
    """The same with an alpha channel that makes the quarter at the lower right, black until then, transparent."""
    image = image.copy()
    alpha = np.full((40, 64), 255, "uint8")
    alpha[20:, 32:] = 0
    image.putalpha(Image.fromarray(alpha))
    return image


HOLE = QUARTERS.copy()
HOLE[20:, 32:] = 255
GREY_HOLE = SEEN_GREY.copy()
GREY_HOLE[20:, 32:] = 255
INDEXED = UPRIGHT.convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
BLACK = INDEXED.getpixel((63, 39))
OTHER_FRAMES = {"save_all": True, "append_images": [Image.new("RGB", (64, 40), "white")]}
KINDS = {
    "png": (saved(QUARTERS, "PNG"), QUARTERS),
    "jpeg": (saved(QUARTERS, "JPEG", quality=100, subsampling=0), QUARTERS),
    "webp": (saved(QUARTERS, "WEBP", lossless=True), QUARTERS),
    "bmp": (saved(QUARTERS, "BMP"), QUARTERS),
    "tiff": (saved(QUARTERS, "TIFF"), QUARTERS),
    "cmyk jpeg": (saved(UPRIGHT.convert("CMYK"), "JPEG", quality=100), QUARTERS),
    "cmyk tiff": (saved(UPRIGHT.convert("CMYK"), "TIFF"), QUARTERS),
    "palette png": (saved(INDEXED, "PNG"), QUARTERS),
    "palette png with a hole": (saved(INDEXED, "PNG", transparency=BLACK), HOLE),
    "png with alpha": (saved(with_hole(UPRIGHT), "PNG"), HOLE),
    "png with a colour for holes": (saved(QUARTERS, "PNG", transparency=(0, 0, 0)), HOLE),
    "webp with alpha": (saved(with_hole(UPRIGHT), "WEBP", lossless=True), HOLE),
    "grey png": (saved(GREY, "PNG"), SEEN_GREY),
    "grey jpeg": (saved(GREY, "JPEG", quality=100), SEEN_GREY),
    "grey png with alpha": (saved(with_hole(Image.fromarray(GREY)), "PNG"), GREY_HOLE),
    "grey png of 16 bits": (saved(GREY.astype("uint16") * 257, "PNG"), SEEN_GREY),
    "grey tiff of 32 bits": (saved(GREY.astype("int32") * 257, "TIFF"), SEEN_GREY),
    "black and white png": (saved(Image.fromarray(GREY).point(lambda v: v > 128, "1"), "PNG"), SEEN_GREY // 180 * 255),
    "gif": (saved(INDEXED, "GIF"), QUARTERS),
    "animated gif": (saved(INDEXED, "GIF", **OTHER_FRAMES), QUARTERS),
    "animated webp": (saved(QUARTERS, "WEBP", lossless=True, **OTHER_FRAMES), QUARTERS),
    "animated png": (saved(QUARTERS, "PNG", **OTHER_FRAMES), QUARTERS),
    "two pictures in one jpeg": (saved(QUARTERS, "MPO", quality=100, subsampling=0, **OTHER_FRAMES), QUARTERS),
    "notes of a camera cut off": (saved(QUARTERS, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff what"), QUARTERS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(kind):
    data, wanted = KINDS[kind]
    image = photo_file.read(data)
    assert image.shape == (40, 64, 3) and image.dtype == np.uint8 and image.flags.writeable
    middles = np.ix_([10, 30], [16, 48])
    tolerance = 12 if "jpeg" in kind else 0
    assert np.abs(image[middles].astype(int) - wanted[middles]).max() <= tolerance
    if not tolerance:
        assert np.array_equal(image, wanted)


def test_paths_and_bytes_of_every_style(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    data = saved(QUARTERS, "PNG")
    (tmp_path / "größe 1.png").write_bytes(data)
    sources = [tmp_path / "größe 1.png", str(tmp_path / "größe 1.png"), "größe 1.png", "~/größe 1.png"]
    for source in [*sources, data, bytearray(data), memoryview(data)]:
        assert np.array_equal(photo_file.read(source), QUARTERS)


# A camera that is held so stores this; the comments say, in EXIF's words, where the photo has its row 0 and column 0.
HELD = {
    1: lambda p: p,  # top, left
    2: lambda p: p[:, ::-1],  # top, right
    3: lambda p: p[::-1, ::-1],  # bottom, right
    4: lambda p: p[::-1],  # bottom, left
    5: lambda p: p.swapaxes(0, 1),  # left, top
    6: lambda p: p[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda p: p[::-1].swapaxes(0, 1),  # left, bottom
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", HELD)
def test_photos_stand_upright(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    stored = np.ascontiguousarray(HELD[orientation](QUARTERS))
    image = photo_file.read(saved(stored, kind, exif=exif, **options))
    assert image.shape == QUARTERS.shape
    assert np.abs(image.astype(int) - QUARTERS)[::3, ::3].mean() < 2


def test_a_photo_is_turned_even_where_its_notes_are_bad():
    bad = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    bad += struct.pack(">HHIII", 0x0122, 2, 6, 38, 0) + b"Maker\0"  # letters where a number belongs
    with pytest.raises(struct.error):
        ImageOps.exif_transpose(Image.open(io.BytesIO(saved(QUARTERS, "PNG", exif=bad))))
    stored = np.ascontiguousarray(HELD[6](QUARTERS))
    assert np.array_equal(photo_file.read(saved(stored, "PNG", exif=bad)), QUARTERS)


def test_a_palette_picture_is_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(HELD[6](QUARTERS))).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(photo_file.read(saved(stored, "PNG", exif=exif)), QUARTERS)


@pytest.mark.parametrize(
    ("size", "wanted"), [((3000, 2000), (683, 1024)), ((1000, 4000), (1024, 256)), ((1024, 1024), (1024, 1024))]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_photos_are_reduced(size, wanted, kind):
    image = photo_file.read(saved(UPRIGHT.resize(size, Image.Resampling.NEAREST), kind))
    assert image.shape == (*wanted, 3)
    quarters = image[wanted[0] // 4 :: wanted[0] // 2, wanted[1] // 4 :: wanted[1] // 2][:2, :2]
    assert np.abs(quarters.astype(int) - QUARTERS[10::20, 16::32]).max() < 12


def test_fine_patterns_are_averaged_not_sampled():
    dots = np.zeros((2048, 2048), "uint8")
    dots[::2, ::2] = 255
    for image in (Image.fromarray(dots), Image.fromarray(dots).convert("P")):
        assert 60 < photo_file.read(saved(image, "PNG"))[100:-100, 100:-100].min() < 68


def test_a_colour_for_holes_is_taken_out_before_anything_is_averaged():
    stripes = np.zeros((2048, 2048, 3), "uint8")
    stripes[::2] = 255, 0, 0  # red and holes
    image = photo_file.read(saved(stripes, "PNG", transparency=(0, 0, 0)))[100:-100]
    assert np.abs(image.astype(int) - [255, 127, 127]).max() < 4


def huge_png(width, height):
    """The head of a PNG that claims to have so many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")


JPEG = saved(noise(200, 300), "JPEG")
HELD_TURNED = Image.Exif()
HELD_TURNED[0x0112] = 6
TURNED = saved(noise(200, 300), "JPEG", exif=HELD_TURNED)
CURES = {
    "empty": (b"", "is empty: copy or download it again."),
    "text": (b"Dear Sir or Madam, enclosed you find my photo", "is not a picture of a known kind: give a JPEG or PNG"),
    "pdf": (b"%PDF-1.4 and so on", "is not a picture of a known kind: give a JPEG or PNG"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "is a HEIC photo, which cannot be read here: save or"),
    "heif": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(99), "is a HEIC photo, which cannot be read here: save or"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(99), "is not a picture of a known kind: give a JPEG"),
    "svg": (b'<?xml version="1.0"?>\n<svg width="9">', "is an SVG drawing, which has no pixels: export it as PNG."),
    "cut jpeg": (JPEG[: len(JPEG) // 2], "is cut off, damaged or of a rare kind"),
    "cut png": (saved(noise(200, 300), "PNG")[:900], "is cut off, damaged or of a rare kind"),
    "cut jpeg to be turned": (TURNED[: len(TURNED) // 2], "is cut off, damaged or of a rare kind"),
    "head of a jpeg": (JPEG[:30], "get it again"),
    "numbers": (saved(np.ones((40, 40), "float32"), "TIFF"), "save it as JPEG in a picture program."),
    "tiny": (saved(noise(31, 90), "PNG"), "is 90×31 pixels, too few to see much in: take one of at least 32"),
    "strip": (saved(noise(32, 1025), "PNG"), "is 1025×32 pixels, too narrow a strip: cut a part out of it."),
    "bomb": (huge_png(60000, 60000), "has more than 89 million pixels: save it smaller in a picture program."),
    "half a bomb": (huge_png(10000, 10000), "has more than 89 million pixels: save it smaller in a picture program."),
}


@pytest.mark.parametrize("fault", CURES)
def test_unusable_files_get_one_sentence_with_name_and_cure(fault, tmp_path):
    data, cure = CURES[fault]
    path = tmp_path / "mine.jpg"
    path.write_bytes(data)
    for source, options, called in (
        (path, {}, str(path)),
        (data, {"name": "up.jpg"}, "up.jpg"),
        (data, {}, "This pic"),
    ):
        with pytest.raises(photo_file.PhotoError) as error:
            photo_file.read(source, **options)
        said = str(error.value)
        assert said.startswith(called) and cure in said and said.endswith(".") and "\n" not in said


def test_paths_that_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faults = {
        tmp_path / "no.jpg": f"There is no file {tmp_path / 'no.jpg'}: check the spelling; paths start in {tmp_path}.",
        tmp_path: f"{tmp_path} is a folder: give the path of one picture in it.",
        "https://example.org/a.jpg": "https://example.org/a.jpg is an address: save the picture as a file",
        "n" * 5000 + ".jpg": "cannot be read (File name too long): copy it elsewhere",
    }
    for source, cure in faults.items():
        with pytest.raises(photo_file.PhotoError, match=re.escape(cure)):
            photo_file.read(source)


def test_the_narrowest_and_smallest_that_pass():
    assert photo_file.read(saved(noise(32, 1024), "PNG")).shape == (32, 1024, 3)
    assert photo_file.read(saved(noise(3200, 100), "JPEG")).shape == (1024, 32, 3)
