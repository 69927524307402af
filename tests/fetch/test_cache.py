"""The one file that holds a data set compactly: used while the originals are unchanged, and never in their stead."""

import tempfile

import numpy as np
import pytest
import scipy.io

from helpers.fetch import layout
from helpers.fetch.layout import FOLDER
from helpers.siftflow import SiftFlow, SiftFlowError


@pytest.fixture
def root(tmp_path, three):
    return three.write(tmp_path / "SiftFlowDataset")


def label_file(root, name):
    return root / "SemanticLabels" / FOLDER / f"{name}.mat"


@pytest.mark.parametrize("reopened", [True, False])
def test_a_label_altered_after_the_cache_is_noticed(root, reopened):
    dataset = SiftFlow(root)
    dataset.load("train")
    other = np.full((256, 256), 8, "uint16")
    scipy.io.savemat(label_file(root, "forest_0"), {"S": other})
    if reopened:
        dataset = SiftFlow(root)
    assert (dataset.load(["forest_0"])[1] == 7).all()
    label_file(root, "forest_0").write_bytes(b"damaged")
    if reopened:
        dataset = SiftFlow(root)
    with pytest.raises(SiftFlowError, match="forest_0.mat"):
        dataset.load("train")


def test_cache_is_used_and_a_truncated_one_rebuilt(root, tmp_path, monkeypatch):
    whole = SiftFlow(root).load("train")
    (archive,) = (tmp_path / "project" / "data" / "cache").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(SiftFlow, "label", lambda *_: pytest.fail("read the original again"))
        assert np.array_equal(SiftFlow(root).load("train")[1], whole[1])
    size = archive.stat().st_size
    for left in (size // 2, 0):
        archive.write_bytes(archive.read_bytes()[:left])
        again = SiftFlow(root).load("train")
        assert np.array_equal(again[0], whole[0]) and np.array_equal(again[1], whole[1])
        assert archive.stat().st_size == size


def test_unwritable_data_folder_falls_back(root, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "file" / "data")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert SiftFlow(root).load("test")[0].shape == (1, 256, 256, 3)
    assert len(list((tmp_path / "temporary").rglob("*.zip"))) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(SiftFlowError, match="data writable") as error:
        SiftFlow(root).load("test")
    assert "\n" not in str(error.value)
