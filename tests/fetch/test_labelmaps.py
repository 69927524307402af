"""The three formats of a label map give the same numbers, and damage to any is refused in words."""

import contextlib
import io
import pickle
import re
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from helpers.classes import CLASS_NAMES
from helpers.fetch import archives, labelmaps
from support.copies import HTML, matlab, octave, plain, sentence, zipped
from support.plays import little_memory

SMALL = np.arange(34 * 34, dtype="uint8").reshape(34, 34) % 34


@pytest.mark.parametrize(
    "data",
    [octave(SMALL), plain(SMALL), plain(SMALL, b"\n"), plain(SMALL, b"\r\n"), matlab(SMALL.astype("uint16")),
     matlab(SMALL.astype("float64")), matlab(SMALL.astype("uint8"), other=np.zeros(9), T="text"),
     octave(SMALL).replace(b"uint16", b"uint8"), octave(SMALL).rstrip(), labelmaps.write_matlab(SMALL, CLASS_NAMES)],
    ids=["Octave", "text", "text, no space at the end", "text, from Windows", "MATLAB", "MATLAB, float", "MATLAB, more",
         "Octave, uint8", "Octave, no blank lines", "ours"],
)  # fmt: skip
def test_every_form_of_a_label_map_gives_the_same_numbers(data):
    assert np.array_equal(labelmaps.read(data, 34), SMALL)


def test_rows_and_columns_are_not_mixed_up():
    label = np.tril(np.full((34, 34), 7, "uint8"))
    for form in (octave, plain, lambda label: labelmaps.write_matlab(label, CLASS_NAMES)):
        assert np.array_equal(labelmaps.read(form(label), 34), label)


def test_what_is_written_is_the_same_each_time_and_opens_elsewhere():
    data = labelmaps.write_matlab(SMALL, CLASS_NAMES)
    time.sleep(1.1)  # SciPy would write the time, to the second
    assert labelmaps.write_matlab(SMALL.copy(), list(CLASS_NAMES)) == data
    opened = scipy.io.loadmat(io.BytesIO(data))
    assert np.array_equal(opened["S"], SMALL) and opened["S"].dtype == "uint16"
    assert [str(name.item()) for name in opened["names"].ravel()] == list(CLASS_NAMES)
    assert data[:20] == b"MATLAB 5.0 MAT-file;"


def test_what_several_threads_write_at_once_is_the_same_too():
    labels = [np.full((34, 34), i % 34, "uint8") for i in range(400)]
    wanted = [labelmaps.write_matlab(label, CLASS_NAMES) for label in labels[:34]]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # a turn each, as often as can be
    try:
        with ThreadPoolExecutor(4) as pool:
            written = list(pool.map(lambda label: labelmaps.write_matlab(label, CLASS_NAMES), labels))
    finally:
        sys.setswitchinterval(interval)
    assert [i for i, data in enumerate(written) if data != wanted[i % 34]] == []


def mat(shape, stored=None, packed=True, first=b"", order="<"):
    """A MATLAB file by hand: S of a shape, and how many bytes of zeros are stored for it."""
    stored = shape[0] * shape[1] if stored is None else stored
    head = struct.pack(order + "8L", 6, 8, 9, 0, 5, 8, *shape) + struct.pack(order + "2L8s", 1, 1, b"S")
    head = struct.pack(order + "2L", 14, len(head) + 8 + stored) + head + struct.pack(order + "2L", 2, stored)
    if packed:
        packer = zlib.compressobj(9)
        head = packer.compress(head) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(stored >> 20))
        head += packer.compress(bytes(stored % (1 << 20))) + packer.flush()
        head = struct.pack(order + "2L", 15, len(head)) + head
    else:
        head += bytes(stored)
    return b"MATLAB 5.0 MAT-file by hand".ljust(124) + struct.pack(order + "2H", 0x100, 0x4D49) + first + head


@pytest.mark.parametrize("order", ["<", ">"], ids=["little end first", "big end first"])
@pytest.mark.parametrize("packed", [True, False])
def test_the_file_by_hand_is_one(order, packed):
    data = mat((256, 256), packed=packed, order=order)
    assert not labelmaps.read(data).any() and scipy.io.loadmat(io.BytesIO(data))["S"].shape == (256, 256)


BAD_LABELS = {
    "empty": b"",
    "HTML": HTML,
    "binary": bytes(999),
    "Octave, cut off": octave(SMALL)[:-400],
    "Octave, cut off in its header": octave(SMALL)[:90],
    "Octave, header only": octave(SMALL)[: octave(SMALL).index(b"34 34\n") + 6],
    "Octave, a number too many": octave(SMALL) + b" 1\n",
    "Octave, a letter": octave(SMALL).replace(b" 33\n", b" a3\n", 1),
    "Octave, a fraction": octave(SMALL).replace(b" 33\n", b" 3.5\n", 1),
    "Octave, a huge number": octave(SMALL).replace(b" 33\n", b" 99999999999999999999\n", 1),
    "Octave, another variable": octave(SMALL).replace(b"name: S", b"name: T"),
    "Octave, a cell": octave(SMALL).replace(b"uint16 matrix", b"cell"),
    "Octave, another shape": octave(SMALL).replace(b" 34 34\n", b" 17 68\n"),
    "Octave, a huge shape": octave(SMALL).replace(b" 34 34\n", b" 99999999999 99999999999\n"),
    "text, ragged": plain(SMALL).replace(b"33 \n", b"\n", 1),
    "text, a row short": plain(SMALL).split(b"\n", 1)[1],
    "text, a letter": plain(SMALL).replace(b"33", b"3x", 1),
    "text, a fraction": plain(SMALL).replace(b"33", b"3.0", 1),
    "text, not a number": plain(SMALL).replace(b"33", b"nan", 1),
    "text, a single number": b"7",
    "MATLAB, cut off": matlab(SMALL)[:-20],
    "MATLAB, cut off in its header": matlab(SMALL)[:100],
    "MATLAB, header only": matlab(SMALL)[:128],
    "MATLAB, another variable": mat((34, 34), packed=False).replace(b"S\0", b"T\0"),
    "MATLAB, another shape": matlab(SMALL[:33]),
    "MATLAB, three axes": matlab(np.zeros((34, 34, 2))),
    "MATLAB, a struct": matlab({"a": SMALL}),
    "MATLAB, a cell": matlab(np.array([[1, "a"]], object)),
    "MATLAB, text": matlab(np.array(["x" * 34] * 34)),
    "MATLAB, sparse": matlab(scipy.sparse.eye(34, format="csc")),
    "MATLAB, complex": matlab(SMALL * 1j),
    "MATLAB 7.3": b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(999),
    "a pickle": pickle.dumps(SMALL),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BAD_LABELS)
def test_a_bad_label_map_is_refused_in_words(name):
    with pytest.raises(ValueError) as error:
        labelmaps.read(BAD_LABELS[name], 34)
    assert type(error.value) is ValueError and re.match("(is|holds) ", str(error.value)) and len(str(error.value)) < 200
    assert "\n" not in str(error.value)


class Payload:
    def __reduce__(self):
        return Path.touch, (Path("unpickled"),)


def test_no_pickle_is_ever_loaded(world, tmp_path):
    """Neither bare, nor as NumPy keeps it, nor instead of an image."""
    array = io.BytesIO()
    np.save(array, np.array([Payload()], object), allow_pickle=True)
    harm = [pickle.dumps(Payload()), pickle.dumps(Payload(), 0), array.getvalue()]
    pickle.loads(harm[0])
    Path("unpickled").unlink()  # it does mean harm
    files = world.made.files()
    for i, path in enumerate(sorted(files)):
        files[path] = harm[i % 3]
    (tmp_path / "harm.zip").write_bytes(zipped(files))
    sentence(world.get(source=tmp_path / "harm.zip"), "24 of 24", tmp_path / "harm.zip")
    for data in harm:
        with pytest.raises(ValueError):
            labelmaps.read(data)
    assert not list(tmp_path.rglob("unpickled"))


@pytest.mark.parametrize("kind", ["a huge shape", "more bytes than the shape has", "a huge first S before a good one"])
def test_a_small_label_file_does_not_become_large_in_memory(kind):
    shape = (1 << 15, 1 << 13) if kind == "a huge shape" else (256, 256)
    first = mat((1 << 14, 1 << 14))[128:] if "first" in kind else b""
    data = mat(shape, stored=1 << 28 if "more" in kind else None, first=first)
    assert len(data) < archives.MAX_FILE_BYTES
    with little_memory(), contextlib.suppress(ValueError):
        labelmaps.read(data)


def test_no_wrong_byte_in_a_label_file_brings_python_down(tmp_path):
    """Each byte of a file's header, changed in some ways: another answer or a ValueError, in a process of its own."""
    code = """
import sys
from helpers.fetch import labelmaps
for path in sys.argv[1:]:
    good = open(path, "rb").read()
    for at in range(124, min(len(good), 330)):
        for value in {0, 20, 255, good[at] ^ 1, good[at] ^ 16, good[at] ^ 128}:
            try:
                labelmaps.read(good[:at] + bytes([value]) + good[at + 1:])
            except ValueError:
                pass
"""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"S": np.ones((256, 256), "uint16")})
    ones = np.ones((256, 256), int)
    forms = [buffer.getvalue(), mat((256, 256), packed=False), matlab(ones), octave(ones)]
    for i, data in enumerate(forms):
        (tmp_path / f"{i}.mat").write_bytes(data)
    ran = subprocess.run([sys.executable, "-c", code, *sorted(tmp_path.glob("*.mat"))], capture_output=True, text=True)
    assert ran.returncode == 0, (ran.returncode, ran.stderr[-500:])
