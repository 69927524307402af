"""helpers.photo: files of every kind, masks and confidence at the photo's own shape, the figure, the upload button."""

import io
import re
import struct
import zlib
from datetime import datetime, timezone

import IPython.display
import ipywidgets
import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
import traitlets
from PIL import Image, ImageOps

from helpers import predict
from helpers.classes import CLASS_NAMES, N_CLASSES
from helpers.unet import unet
from helpers.viz import draw, photo
from helpers.viz.style import PALETTE

PNG = b"\x89PNG\r\n\x1a\n"
SIZE = 32  # what the tiny networks below are built for


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves a figure open."""
    plt.switch_backend("agg")
    plt.close("all")
    yield
    assert not plt.get_fignums()


@pytest.fixture(scope="module")
def model():
    return network()


def network(policy="float32"):
    """A tiny U-Net of random weights: the masks it makes of noise hold many classes."""
    keras.utils.set_random_seed(1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return unet((SIZE, SIZE, 3), N_CLASSES, filters=2, depth=2)
    finally:
        keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def strongest():
    """A network without surroundings, whose class is the strongest of red, green and blue."""
    colours = keras.Input((SIZE, SIZE, 3))
    net = keras.Model(colours, keras.layers.Conv2D(3, 1)(colours))
    net.set_weights([0.05 * np.eye(3)[None, None], np.zeros(3)])
    return net


def noise(rows, cols, seed=0):
    """Patches of random colours, as a photo has."""
    coarse = np.random.RandomState(seed).randint(0, 256, (rows // 8 + 1, cols // 8 + 1, 3)).astype("uint8")
    return coarse.repeat(8, axis=0).repeat(8, axis=1)[:rows, :cols]


def saved(image, kind, **options):
    """The bytes of a file."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


# ---- reading --------------------------------------------------------------------------------------------------------

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
    image = photo.read(data)
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
        assert np.array_equal(photo.read(source), QUARTERS)


# What is stored when a camera is held so, from EXIF's own words: where the photo has its row 0 and its column 0.
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
    image = photo.read(saved(stored, kind, exif=exif, **options))
    assert image.shape == QUARTERS.shape
    assert np.abs(image.astype(int) - QUARTERS)[::3, ::3].mean() < 2


def test_a_photo_is_turned_even_where_its_notes_are_bad():
    bad = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    bad += struct.pack(">HHIII", 0x0122, 2, 6, 38, 0) + b"Maker\0"  # letters where a number belongs
    with pytest.raises(struct.error):
        ImageOps.exif_transpose(Image.open(io.BytesIO(saved(QUARTERS, "PNG", exif=bad))))
    stored = np.ascontiguousarray(HELD[6](QUARTERS))
    assert np.array_equal(photo.read(saved(stored, "PNG", exif=bad)), QUARTERS)


def test_a_palette_picture_is_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(HELD[6](QUARTERS))).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(photo.read(saved(stored, "PNG", exif=exif)), QUARTERS)


@pytest.mark.parametrize(
    ("size", "wanted"), [((3000, 2000), (683, 1024)), ((1000, 4000), (1024, 256)), ((1024, 1024), (1024, 1024))]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_photos_are_reduced(size, wanted, kind):
    image = photo.read(saved(UPRIGHT.resize(size, Image.Resampling.NEAREST), kind))
    assert image.shape == (*wanted, 3)
    quarters = image[wanted[0] // 4 :: wanted[0] // 2, wanted[1] // 4 :: wanted[1] // 2][:2, :2]
    assert np.abs(quarters.astype(int) - QUARTERS[10::20, 16::32]).max() < 12


def test_fine_patterns_are_averaged_not_sampled():
    dots = np.zeros((2048, 2048), "uint8")
    dots[::2, ::2] = 255
    for image in (Image.fromarray(dots), Image.fromarray(dots).convert("P")):
        assert 60 < photo.read(saved(image, "PNG"))[100:-100, 100:-100].min() < 68


def test_a_colour_for_holes_is_taken_out_before_anything_is_averaged():
    stripes = np.zeros((2048, 2048, 3), "uint8")
    stripes[::2] = 255, 0, 0  # red and holes
    image = photo.read(saved(stripes, "PNG", transparency=(0, 0, 0)))[100:-100]
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
        with pytest.raises(photo.PhotoError) as error:
            photo.read(source, **options)
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
        with pytest.raises(photo.PhotoError, match=re.escape(cure)):
            photo.read(source)


def test_the_narrowest_and_smallest_that_pass():
    assert photo.read(saved(noise(32, 1024), "PNG")).shape == (32, 1024, 3)
    assert photo.read(saved(noise(3200, 100), "JPEG")).shape == (1024, 32, 3)


# ---- classes and confidence -----------------------------------------------------------------------------------------


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_mask_and_confidence_by_hand(model):
    image = noise(SIZE, SIZE)
    logits = 0
    for side in (SIZE, round(1.25 * SIZE)):
        x = tf.image.resize(image.astype("float32"), (side, side)).numpy()
        both = model.call(tf.constant(np.stack([x, x[:, ::-1]])), training=False).numpy()
        logits += tf.image.resize((both[0] + both[1][:, ::-1]) / 2, (SIZE, SIZE)).numpy() / 2
    probabilities = softmax(logits)
    mask, confidence = predict.segment(model, image)
    assert mask.dtype == np.uint8 and confidence.dtype == np.float32
    assert np.array_equal(mask, probabilities.argmax(-1)) and len(np.unique(mask)) > 2
    np.testing.assert_allclose(confidence, probabilities.max(-1), rtol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("side", [45, 2 * SIZE])
def test_square_photos_get_the_masks_of_training(policy, side):
    model, image = network(policy), noise(side, side)
    mask, confidence = predict.segment(model, image)
    (logits,) = predict.predict_logits(model, image[None])
    assert np.array_equal(mask, predict.predict_masks(model, image[None])[0])
    np.testing.assert_allclose(confidence, softmax(np.array(logits)[0]).max(-1), rtol=1e-4)
    assert confidence.dtype == np.float32


@pytest.mark.parametrize("ratio", [1, 4 / 3, 3 / 2, 16 / 9, 2, 3, 4, 5])
@pytest.mark.parametrize("turned", [False, True])
def test_photos_keep_their_shape(model, ratio, turned):
    image = noise(40, round(40 * ratio))
    image = image.swapaxes(0, 1) if turned else image
    mask, confidence = predict.segment(model, image)
    assert mask.shape == confidence.shape == image.shape[:2]
    assert mask.max() < N_CLASSES and confidence.min() * 1.0001 >= 1 / N_CLASSES and confidence.max() <= 1
    size = predict.fitting_size(model, image.shape[:2])
    assert min(size) == SIZE and all(side % 4 == 0 for side in size)
    assert np.argmax(size) == np.argmax(image.shape[:2]) and abs(max(size) - SIZE * ratio) < 2.5


def test_logits_of_16_bits():
    image = keras.Input((SIZE, SIZE, 3))
    net = keras.Model(image, keras.layers.Conv2D(3, 1, dtype="mixed_bfloat16")(image))
    net.set_weights([0.005 * np.eye(3)[None, None], np.zeros(3)])
    mask, confidence = predict.segment(net, noise(40, 50))
    assert confidence.dtype == np.float32 and len(np.unique(mask)) == 3
    assert len(np.unique(confidence)) > 256  # more than bfloat16 has between 0.3 and 1


def test_the_network_with_a_stem_too():
    model = unet((SIZE, SIZE, 3), N_CLASSES, filters=2, depth=2, stem=2)
    assert predict.fitting_size(model, (100, 230)) == (32, 72)  # not 76: a multiple of 2 * 2 ** 2
    assert predict.segment(model, noise(100, 230))[0].shape == (100, 230)


@pytest.mark.parametrize("shape", [(60, 300), (300, 60), (35, 1024), (700, 1000), (1000, 1000)])
def test_things_stay_where_they_are(strongest, shape):
    truth = np.zeros(shape, "uint8")
    rows, cols = shape
    truth[rows // 5 : rows // 2, cols // 10 : cols // 3] = 2
    truth[rows * 2 // 3 :, cols // 2 :] = 1
    mask, confidence = predict.segment(strongest, 255 * np.eye(3, dtype="uint8")[truth])
    assert (mask == truth).mean() > 0.97
    assert confidence[rows // 3, cols // 5] > 0.99 and confidence[-1, 0] > 0.99


def test_a_large_photo_is_averaged_for_the_network(strongest):
    image = np.zeros((256, 256, 3), "uint8")
    image[:, 3::8, 0] = image[:, 4::8, 0] = 80  # red lines that a sampling of two pixels in eight would meet each time
    _, confidence = predict.segment(strongest, image)
    mean = 0.05 * 80 / 4
    np.testing.assert_allclose(confidence, np.exp(mean) / (np.exp(mean) + 2), rtol=0.01)


def test_a_mirrored_photo_gets_the_mirrored_mask(model):
    for image in (noise(64, 96), noise(200, 70)):
        mask, confidence = predict.segment(model, image)
        mirrored, mirrored_confidence = predict.segment(model, image[:, ::-1])
        assert (mask == mirrored[:, ::-1]).mean() > 0.995 and (mask != mask[:, ::-1]).mean() > 0.1
        np.testing.assert_allclose(confidence, mirrored_confidence[:, ::-1], atol=0.02)


def test_more_training_is_seen_at_once():
    net, image = network(), noise(40, 60)
    before, _ = predict.segment(net, image)
    net.set_weights([w[..., ::-1] if w.shape[-1] == N_CLASSES else w for w in net.get_weights()])
    after, _ = predict.segment(net, image)
    assert (after == N_CLASSES - 1 - before).mean() > 0.99 and len(np.unique(after)) > 3


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.zeros((40, 40, 4), "uint8"), np.zeros((40, 40, 3))])
def test_what_is_no_photo_is_refused(model, image):
    with pytest.raises(ValueError, match=r"A photo is uint8 \(row, col, RGB\); this is"):
        predict.segment(model, image)


# ---- the figure -----------------------------------------------------------------------------------------------------


def boxes(artists, renderer):
    return [artist.get_window_extent(renderer) for artist in artists]


@pytest.mark.parametrize("n_classes", [1, 5, N_CLASSES])
@pytest.mark.parametrize("shape", [(100, 100), (100, 150), (100, 240), (100, 260), (40, 1024), (150, 100), (1024, 32)])
def test_nothing_is_clipped_or_overlaps(shape, n_classes):
    mask = np.zeros(shape, "uint8")
    mask.flat[:n_classes] = range(n_classes)  # "streetlight < 1 %" takes more room than "streetlight 3 %"
    figure = photo.figure(noise(*shape), mask, np.linspace(0.1, 1, mask.size).reshape(shape))
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    *panels, bar = figure.axes
    (legend,) = figure.legends
    titles = [axis.title for axis in panels]
    assert [t.get_text() for t in titles] == ["photo", "class of each pixel", "confidence"]
    assert bar.get_xlabel() == "probability of the chosen class"
    ticks = [label for label in bar.get_xticklabels() if label.get_text()]
    texts = boxes([*titles, *ticks, bar.xaxis.label, *legend.get_texts()], renderer)
    apart = [*texts, *(axis.get_window_extent(renderer) for axis in figure.axes)]
    assert len(legend.get_texts()) == n_classes
    for box in [*texts, legend.get_window_extent(renderer)]:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for i, a in enumerate(apart):
        assert not any(a.overlaps(b) for b in apart[i + 1 :])
    assert not any(
        legend.get_window_extent(renderer).overlaps(axis.get_window_extent(renderer)) for axis in figure.axes
    )
    pictures = [axis.get_images()[0] for axis in panels]
    assert all(axis.get_aspect() == 1 for axis in panels) and pictures[2].get_clim() == (0, 1)
    assert pictures[1].get_interpolation() == "nearest"  # else colours of no class at the borders
    shown = panels[0].get_window_extent(renderer)
    assert max(shown.width, shown.height) > (9.9 if shape[1] > 2.5 * shape[0] else 3.5) * figure.dpi
    assert figure.get_figwidth() <= 12 and figure.get_figheight() <= 15
    plt.close(figure)


MASK = np.full((20, 50), CLASS_NAMES.index("sky"), "uint8")
MASK[10:, :] = CLASS_NAMES.index("tree")
MASK[18:, 30:] = CLASS_NAMES.index("sea")
MASK[0, :4] = CLASS_NAMES.index("bird")
CONFIDENCE = np.where(np.arange(50) < 31, 0.95, 0.5) * np.ones((20, 1))


def test_the_legend_has_the_shares_and_the_mask_its_colours():
    figure = photo.figure(noise(20, 50), MASK, CONFIDENCE)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["sky 50 %", "tree 46 %", "sea 4 %", "bird < 1 %"]
    patches = [
        tuple(np.rint(255 * np.array(p.get_facecolor()[:3])).astype(int)) for p in figure.legends[0].get_patches()
    ]
    assert patches == [tuple(PALETTE[CLASS_NAMES.index(name)]) for name in ("sky", "tree", "sea", "bird")]
    shown = np.array(Image.open(io.BytesIO(draw.png(figure))).convert("RGB")).reshape(-1, 3)
    counts = [(shown == PALETTE[CLASS_NAMES.index(name)]).all(axis=1).sum() for name in ("sky", "tree", "sea")]
    assert counts[1] / counts[0] == pytest.approx(0.46 / 0.496, abs=0.06)


def test_the_sentence():
    said = "sky 50 %, tree 46 %, sea 4 %, traces of 1 more; the network is sure (over 0.9) of 62 % of the pixels."
    assert photo.describe(MASK, CONFIDENCE) == said
    assert photo.describe(np.zeros((2, 2), "uint8"), np.full((2, 2), 0.9)).startswith("awning 100 %; the network is ")
    assert photo.describe(np.zeros((2, 2), "uint8"), np.full((2, 2), 0.9)).endswith(" of 0 % of the pixels.")


# ---- in a notebook --------------------------------------------------------------------------------------------------


@pytest.fixture
def displayed(monkeypatch):
    """What would appear in a notebook."""
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    return shown


def test_show_displays_one_picture_with_its_text(model, displayed, tmp_path, capsys):
    path = tmp_path / "garden.png"
    path.write_bytes(saved(noise(40, 60), "PNG"))
    photo.show(model, path)
    (picture,) = displayed
    mask, confidence = predict.segment(model, noise(40, 60))
    assert picture.data.startswith(PNG) and not capsys.readouterr().out
    assert picture._repr_mimebundle_()[1]["image/png"]["alt"].endswith(": " + photo.describe(mask, confidence))


def test_show_prints_what_is_wrong_and_goes_on(model, displayed, tmp_path, capsys):
    photo.show(model, tmp_path / "none.jpg")
    assert capsys.readouterr().out.startswith(f"There is no file {tmp_path / 'none.jpg'}: check") and not displayed


class FileUpload7(ipywidgets.DOMWidget):
    """ipywidgets 7.7's widget, which Colab has: what the browser sends ends in a read-only dict by name."""

    accept, description = traitlets.Unicode(), traitlets.Unicode()
    multiple = traitlets.Bool()
    metadata, data = traitlets.List(traitlets.Dict()), traitlets.List(traitlets.Bytes())
    value = traitlets.Dict({}, read_only=True)
    _counter = traitlets.Int()

    @traitlets.observe("_counter")
    def on_incr_counter(self, change):
        files = zip(self.metadata, self.data, strict=True)
        self.set_trait("value", {about["name"]: {"metadata": about, "content": data} for about, data in files})


@pytest.fixture(params=["installed", "7.7"])
def upload(request, monkeypatch, model):
    """An uploader, with the installed ipywidgets and with 7.7's button: (choose a file, button, sentence, picture)."""
    if request.param == "7.7":
        monkeypatch.setattr(ipywidgets, "FileUpload", FileUpload7)
    box = photo.uploader(model)
    button, hint, said, picture = box.children
    assert "10 MB" in hint.value and not said.value

    def choose(name, data):
        about = {"name": name, "type": "image/png", "size": len(data)}
        if button.has_trait("_counter"):
            with button.hold_trait_notifications():
                button.metadata, button.data = [{**about, "lastModified": 1600000000000}], [data]
                button._counter += 1
        else:
            when = datetime(2020, 1, 1, tzinfo=timezone.utc)
            button.value = ({**about, "last_modified": when, "content": memoryview(data)},)

    return choose, button, said, picture


def test_the_button_takes_one_picture(upload):
    _, button, said, picture = upload
    assert isinstance(button, ipywidgets.FileUpload) and isinstance(said, ipywidgets.HTML)
    assert isinstance(picture, ipywidgets.Image) and button.accept == "image/*" and not button.multiple
    assert picture.layout.display == "none"  # no sign of a picture that is not there


def test_one_photo_after_another(upload, model):
    choose, _, said, picture = upload
    heard, pictures = [], []
    said.observe(lambda change: heard.append((change["new"], bytes(picture.value))), "value")
    for seed, name in enumerate(("a.png", "b.png")):
        heard.clear()
        image = noise(40, 60, seed)
        choose(name, saved(image, "PNG"))
        pictures.append(bytes(picture.value))
        assert heard[0] == (f"Looking at {name} …", pictures[0] if seed else b"")
        result = f"{name}: {photo.describe(*predict.segment(model, image))}".replace("<", "&lt;")
        assert heard[1:] == [(result, pictures[-1])]
        assert picture.layout.display is None
    assert all(p.startswith(PNG) for p in pictures) and pictures[0] != pictures[1]


def test_the_same_file_again(upload, monkeypatch):
    choose, *_ = upload
    seen, segment = [], predict.segment
    monkeypatch.setattr(photo, "segment", lambda *given: seen.append(given) or segment(*given))
    for n in (1, 2, 3):
        choose("same.png", saved(noise(40, 60), "PNG"))
        assert len(seen) == n


def test_a_bad_file_leaves_the_picture(upload):
    choose, _, said, picture = upload
    heard = []
    said.observe(lambda change: heard.append(change["new"]), "value")
    choose("<b>.png", b"nothing")
    assert len(heard) == 2 and "<" not in "".join(heard)
    assert said.value.startswith("&lt;b&gt;.png is not a picture of a known kind") and not picture.value
    choose("good.png", saved(noise(40, 60), "PNG"))
    kept = bytes(picture.value)
    choose("bad.svg", b"<svg>")
    assert said.value == "bad.svg is an SVG drawing, which has no pixels: export it as PNG."
    assert bytes(picture.value) == kept and kept.startswith(PNG) and picture.layout.display is None


def test_what_nobody_expects_is_said_too(upload, monkeypatch):
    choose, _, said, picture = upload

    def fail(*_):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(photo, "segment", fail)
    choose("a.png", saved(noise(40, 60), "PNG"))
    sentence = "a.png could not be shown (RuntimeError: out of &lt;memory&gt;): try another photo."
    assert said.value == sentence and not picture.value
    monkeypatch.undo()
    choose("a.png", saved(noise(40, 60), "PNG"))
    assert said.value.startswith("a.png: ") and picture.value
