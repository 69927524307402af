"""The places on the net that have SiftFlow, in the order in which they are asked."""

from typing import NamedTuple

from helpers.fetch.layout import FOLDER

ABOUT = (
    "SiftFlow: 2,688 outdoor photographs from LabelMe and their label maps, for non-commercial research only; "
    "about 140 MB to download, and 280 MB of disk while it is unpacked."
)

_GNORK = "Gnork/rbmtoolbox", "93cfb8672e808fbd2f0265987925a574c46cae73"
_AML = "AlbertLlebaria/AML_CNN_for_Scene_Labeling", "3ea4eb3a20e0f6eb0654d6e65156dd621ad0b920"


class Source(NamedTuple):
    """A place on the net."""

    name: str
    archive: str  # the address of a zip archive that holds, among other things, the data set
    images: tuple[str, ...] = ()  # addresses of a single image, to try in turn; {} stands for its name
    labels: tuple[str, ...] = ()  # likewise of a single label map


def _on_github(repository, commit, images, labels):
    raw = f"https://raw.githubusercontent.com/{repository}/{commit}/"
    return Source(
        f"{repository} on GitHub",
        f"https://github.com/{repository}/archive/{commit}.zip",
        tuple(raw + path for path in images),
        tuple(raw + path for path in labels),
    )


SOURCES = (
    Source("the authors' page", "http://www.cs.unc.edu/~jtighe/Papers/ECCV10/siftflow/SiftFlowDataset.zip"),
    _on_github(
        *_GNORK,
        [f"Data/SiftFlowDataset/Images/{FOLDER}/{{}}.jpg"],
        ["Data/SiftFlowDataset/SemanticLabels/labels/{}.mat"],
    ),
    _on_github(  # its train and test are not the standard split
        *_AML,
        [f"sift_dataset/{part}/images/{{}}.jpg" for part in ("train", "test")],
        [f"sift_dataset/{part}/labels/{{}}.regions.txt" for part in ("train", "test")],
    ),
)
