"""The 33 classes of SiftFlow: their names in the order of their labels, and how often they occur.

In memory a label is 0-32, or 255, `VOID`, where the annotators left the pixel unlabelled. Void pixels count for
nothing: not in a loss, not in a score.

Needs NumPy.
"""

import numpy as np

CLASS_NAMES = (
    "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert",
    "door", "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road",
    "rock", "sand", "sea", "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window",
)  # fmt: skip
N_CLASSES = len(CLASS_NAMES)
VOID = 255  # the label of a pixel nobody labelled

# Pixels of each class in the training photographs, as `SiftFlow(root).pixel_counts("train")` counts them.
TRAIN_PIXELS = np.array(
    [
        132587, 166403, 2266, 54245, 313633, 29977596, 31778, 1850649, 6490, 135123, 633103,
        598075, 244769, 4338656, 3096358, 1038, 19163021, 264777, 2374391, 38432, 2416983, 11326023,
        1500634, 1695389, 8452085, 1424971, 101261, 39808340, 130016, 75743, 13474, 17670525, 1279998,
    ],
    np.int64,
)  # fmt: skip
