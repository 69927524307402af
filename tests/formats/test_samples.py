"""Files that the annotation tools wrote themselves: the right class at every pixel, or a refusal with its cure.

`tools/mask_samples.py` makes the files of tests/masks_samples; those of ../shared/masks_real are from public projects.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import masks
from helpers.masks import MasksError

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "masks_samples"

pytestmark = pytest.mark.usefixtures("own_data_folder")


def truth(tool):
    """The label of each photo as the tool itself paints it."""
    files = sorted((SAMPLES / tool / "truth").glob("*.png"))
    assert len(files) == 3
    return {file.stem: np.asarray(Image.open(file)) for file in files}


def check(tool, folder="set", most_different=0, **options):
    """Opens a tool's sample, compares every label with the tool's own, and returns the data set."""
    data, expected = masks.open(SAMPLES / tool / folder, **options), truth(tool)
    assert set(data.names("train") + data.names("test")) == set(expected)
    for name, label in expected.items():
        assert (data.label(name) != label).sum() <= most_different, name
    return data


def test_every_sample_says_who_made_it():
    for place in SAMPLES.iterdir():
        made = json.loads((place / "made.json").read_text())
        assert made["tool"] == place.name and made["version"]


def test_labelme():
    data = check("labelme")
    assert data.class_names == ["background", "road", "sign", "tree"] and "__ignore__" in data.report()


def test_labelme_with_a_list_of_its_own():
    data = masks.open(SAMPLES / "labelme" / "set", classes=["tree", "background", "sign", "road"])
    number = np.array([1, 3, 2, 0] + [255] * 252)
    for name, label in truth("labelme").items():
        assert np.array_equal(data.label(name), number[label]), name


def test_pycocotools():
    """Straight and sloping outlines, some of which cross themselves or leave the picture, and run lengths."""
    data = check("pycocotools")
    assert data.class_names == ["background", "person", "dog", "tree"]
    label = data.label("street_1")
    assert (label[1:3, 1:3] == 1).all() and label[3, 3] != 1, "COCO's square (1, 1)-(3, 3) has 4 pixels"


def test_cityscapes_scripts():
    data = check("cityscapesscripts")
    assert len(data.class_names) == 19 and "labelIds" in data.report()


@pytest.mark.parametrize("kind", ["labelTrainIds", "instanceIds", "color"])
def test_each_kind_of_cityscapes(tmp_path, kind):
    shutil.copytree(SAMPLES / "cityscapesscripts" / "set", tmp_path / "set")
    for path in (tmp_path / "set").rglob("*_gtFine_*.png"):
        if not path.stem.endswith(kind):
            path.unlink()
    data = masks.open(tmp_path / "set")
    for name, label in truth("cityscapesscripts").items():
        assert np.array_equal(data.label(name), label), name


def test_datumaro_voc_lacks_colours():
    with pytest.raises(MasksError, match="labelmap.txt has no colour"):
        masks.open(SAMPLES / "datumaro" / "set" / "voc_segmentation")
    colours = {"background": (0, 0, 0), "sky": (128, 0, 0), "tree": (0, 128, 0)}
    check("datumaro", "set/voc_segmentation", colours=colours)


def test_datumaro_camvid():
    """Its label_colors.txt, like its labelmap.txt, has names without colours."""
    with pytest.raises(MasksError, match="label_colors.txt has no colour"):
        masks.open(SAMPLES / "datumaro" / "set" / "camvid")
    check("datumaro", "set/camvid", colours={"background": (0, 0, 0), "sky": (128, 0, 0), "tree": (0, 128, 0)})


def test_datumaro_cityscapes_has_numbers_of_its_own():
    with pytest.raises(MasksError, match="numbers of its own"):
        masks.open(SAMPLES / "datumaro" / "set" / "cityscapes")
    data = masks.open(SAMPLES / "datumaro" / "set" / "cityscapes", classes={0: "background", 1: "sky", 2: "tree"})
    for name, label in truth("datumaro").items():
        assert np.array_equal(data.label(f"{name}_leftImg8bit"), label), name


def test_datumaro_coco():
    data = check("datumaro", "set/coco_instances")
    assert data.class_names == ["background", "sky", "tree"]


def test_label_studio():
    data = check("label-studio-converter")
    assert data.class_names == ["background", "Ground", "Tree"]


def test_supervisely():
    """Bitmaps are the same; of a polygon's sloping border, one pixel is not, as the reader says."""
    data = check("supervisely", most_different=1)
    assert data.class_names == ["background", "tree", "road"]


# ---- real files of public projects ----------------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path):
    """Lays one of the folders of ../shared/masks_real beside photos of the masks' sizes, and returns where."""
    source = ROOT.parent / "shared" / "masks_real"
    if not source.is_dir():
        pytest.skip("needs masks_real in ../shared beside the repository")

    def laid(kind, pattern="*.png"):
        root = tmp_path / kind
        (root / "masks").mkdir(parents=True)
        (root / "images").mkdir()
        for file in source.joinpath(kind).glob(pattern):
            shutil.copyfile(file, root / "masks" / file.name)
            with Image.open(file) as mask:
                pixels = np.random.RandomState(len(file.name)).randint(0, 256, (*mask.size[::-1], 3)).astype("uint8")
            Image.fromarray(pixels).save(root / "images" / file.name.replace("_gtFine_instanceIds", "_leftImg8bit"))
        for file in source.joinpath(kind).glob("*.txt"):
            shutil.copyfile(file, root / file.name)
        return root, {file.stem: file for file in source.joinpath(kind).glob(pattern)}

    return laid


def labels_of(data, expected):
    """Every label equals what is expected: {name: (row, col)}."""
    assert set(data.names("train") + data.names("test")) == set(expected)
    for name, label in expected.items():
        assert np.array_equal(data.label(name), label), name


def test_real_labelme_voc(real):
    root, files = real("labelme_voc")
    data = masks.open(root)
    assert data.class_names[5] == "bottle" and len(data.class_names) == 21
    labels_of(data, {name: np.array(Image.open(file)) for name, file in files.items()})
    (root / "class_names.txt").unlink()
    labels_of(masks.open(root), {name: np.array(Image.open(file)) for name, file in files.items()})


def test_real_cvat(real):
    root, files = real("cvat")
    data = masks.open(root)
    assert data.class_names == ["background", "cheetah", "fox", "hyena", "lion", "tiger", "wolf"]
    expected = {}
    for name, file in files.items():
        expected[name] = np.where(np.array(Image.open(file)).any(axis=-1), data.class_names.index(name), 0)
    labels_of(data, expected)
    (root / "labelmap.txt").unlink()
    with pytest.raises(MasksError, match="colour picture.*labelmap.txt"):
        masks.open(root)


def test_real_scene_parsing(real):
    root, files = real("ade20k_sceneparsing")
    raw = {name: np.array(Image.open(file)) for name, file in files.items()}
    data = masks.open(root)
    labels_of(data, raw)
    assert "void=0" in data.report() and data.size is None
    labels_of(masks.open(root, void=0), {name: (label - np.uint8(1)).astype("uint8") for name, label in raw.items()})


def test_real_files_of_datumaro(real):
    root, _ = real("datumaro", "camvid.png")
    data = masks.open(root, colours="camvid")
    found = {data.class_names[i] for i in np.unique(data.label("camvid"))}
    assert found == {"bicyclist", "road"}
    with pytest.raises(MasksError, match="colour picture"):
        masks.open(root)
    shutil.rmtree(root)
    root, files = real("datumaro", "kaggle_16bit.png")
    labels_of(masks.open(root), {name: np.array(Image.open(file)) for name, file in files.items()})
    shutil.rmtree(root)
    root, files = real("datumaro", "open_images_1bit.png")
    labels_of(masks.open(root), {name: np.array(Image.open(file)) for name, file in files.items()})
    shutil.rmtree(root)
    root, _ = real("datumaro", "cityscapes*.png")
    data = masks.open(root)
    (name,) = data.names("train")
    assert set(np.unique(data.label(name))) == {11, 255}, "24 is a person, and 3 is out of the picture"
