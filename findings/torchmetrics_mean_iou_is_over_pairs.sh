#!/usr/bin/env bash
# torchmetrics 1.9.0 (torch 2.13.0), seen in November 2026.
#
# `torchmetrics.segmentation.MeanIoU` returns "the mean Intersection over Union score". One would expect the mean over classes of pooled pixels,
# as `JaccardIndex` of the same library gives, or the mean over images of each image's own mean. It is neither: every class of every image
# that is in truth or prediction is one number, and all of them are averaged at once. So an image with many classes weighs more than one
# with few. Nor is it the mean of what `per_class=True` returns.
#
# Seen, for two images of eight pixels, the first with three classes, the second with two: 0.5600. The mean of the two images' own means is
# 0.5917, that of the classes 0.4667, and JaccardIndex gives 0.4833.
#
# For readers of this series: notebook 08 has it as a convention of its own, the sixth, and as print B of its exercise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0 torchmetrics==1.9.0 2>/dev/null
cat >"$folder/pairs.py" <<'PY'
import torch
import torchmetrics
from torchmetrics.segmentation import MeanIoU

truth = torch.tensor([[[0, 0, 0, 0], [0, 1, 1, 1]], [[0, 0, 1, 1], [1, 1, 1, 1]]])
given = torch.tensor([[[0, 0, 0, 1], [0, 1, 1, 2]], [[0, 0, 0, 1], [1, 1, 1, 1]]])


def mean_iou(given, truth, **options):
    return MeanIoU(num_classes=3, input_format="index", **options)(given, truth)


each = [float(mean_iou(given[i : i + 1], truth[i : i + 1])) for i in range(2)]
print(f"both images {float(mean_iou(given, truth)):.4f}, mean of the images' own {sum(each) / 2:.4f}")
print(f"mean of per_class {float(mean_iou(given, truth, per_class=True).mean()):.4f}")
print(f"JaccardIndex {float(torchmetrics.JaccardIndex(task='multiclass', num_classes=3)(given, truth)):.4f}")
PY
seen=$("$folder/env/bin/python" "$folder/pairs.py" 2>/dev/null)
expected='both images 0.5600, mean of the images'"'"' own 0.5917
mean of per_class 0.4667
JaccardIndex 0.4833'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo 'This has changed: the finding is out of date.' >&2; exit 1; }
