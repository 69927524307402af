"""The whole of the real data set, in each form in which it is handed round."""

import shutil
import zipfile

import numpy as np
import pytest
import scipy.io

import manifest as manifest_tool
from helpers import siftflow
from helpers.classes import CLASS_NAMES
from helpers.fetch import labelmaps, manifest
from helpers.fetch.layout import FOLDER
from helpers.siftflow import SiftFlow
from support.copies import NOISE, aml, authors, gnork


def test_the_committed_hashes_are_those_of_the_real_data(siftflow_root):
    lines = [line for line in manifest.MANIFEST.read_text().splitlines() if not line.startswith("#")]
    assert lines == [line.rstrip("\n") for line in manifest_tool.lines(siftflow_root)]
    assert len(lines) == 2688 and sum("\ttest\t" in line for line in lines) == 200


@pytest.fixture(scope="module")
def real(siftflow_root):
    """What the real data set holds: {name: (the image's path, its label's numbers, the file we make of these)}."""
    found = {}
    for path in sorted((siftflow_root / "SemanticLabels").glob("*/*.mat")):
        label = scipy.io.loadmat(path)["S"].astype("uint8")
        image = siftflow_root / "Images" / FOLDER / f"{path.stem}.jpg"
        found[path.stem] = image, label, labelmaps.write_matlab(label, CLASS_NAMES)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("form", [authors, gnork, aml])
def test_every_form_of_the_real_data_ends_as_the_same_files(siftflow_root, real, tmp_path, form):
    """All of SiftFlow, handed round in this form: 2,688 images, their labels and the standard split, byte for byte."""
    place = tmp_path / "SiftFlowDataset"
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (image, label, _) in real.items():
            for path, data in form(image.read_bytes(), label, name):
                archive.writestr(path, data, zipfile.ZIP_DEFLATED if data[:1] == b"#" or data[:1].isdigit() else 0)
        for path, data in NOISE[form].items():
            archive.writestr(path, data)
    try:
        dataset = siftflow.get(place, source=tmp_path / "set.zip", progress=False)
        assert siftflow.verify(place).whole
        assert (len(dataset.names("train")), len(dataset.names("test"))) == (2486, 200)
        assert dataset.names("test") == SiftFlow(siftflow_root).names("test")
        assert sum(path.is_file() for path in place.rglob("*")) == 2 * 2688 + 1
        for name, (image, label, written) in real.items():
            assert (place / f"Images/{FOLDER}/{name}.jpg").read_bytes() == image.read_bytes()
            assert (place / f"SemanticLabels/{FOLDER}/{name}.mat").read_bytes() == written, name
            if form is authors:  # once is enough: the other forms end as the same bytes
                assert np.array_equal(dataset.label(name), label - np.uint8(1)), name
        tests = "".join(f"{FOLDER}\\{name}.jpg\n" for name in dataset.names("test"))
        assert (place / "TestSet1.txt").read_text() == tests
    finally:
        shutil.rmtree(place, ignore_errors=True)
        (tmp_path / "set.zip").unlink()
