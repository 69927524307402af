"""Writes helpers/fetch/siftflow.tsv, the hashes of every image and label map, from a copy of the data set.

python tools/manifest.py ../shared/SiftFlowDataset
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers import siftflow
from helpers.fetch import layout, manifest

HEAD = """\
# SiftFlow as published, which every copy is compared with. Made by tools/manifest.py.
# name; standard split; image: of the .jpg's bytes; label: of the array (uint8, row after row, 0-32, 255 = void).
# Both are the first 32 hexadecimal digits of a SHA-256.
"""


def lines(root):
    """The manifest's lines for the data set in `root`."""
    data = siftflow.SiftFlow(root)
    train, test = set(data.names("train")) | set(layout.FULLY_VOID), data.names("test")
    for name in sorted([*train, *test]):
        image = next(data.root.glob(f"Images/*/{name}.jpg")).read_bytes()
        label = data.label(name).tobytes()
        split = "train" if name in train else "test"
        yield f"{name}\t{split}\t{manifest.hash_of(image)}\t{manifest.hash_of(label)}\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    manifest.MANIFEST.write_text(HEAD + "".join(lines(sys.argv[1])))
    print(f"{len(manifest.published()):,} images and label maps: {manifest.MANIFEST}")
