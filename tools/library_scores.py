"""Asks other libraries for the "mean IoU" and the "Dice loss" of one toy; writes results/library_scores.json.

python tools/library_scores.py     about ten minutes, most of them spent on the download (1 GB); not part of the tests

Each library gets its natural call: the one that its documentation begins with, with the arguments it cannot do
without. The libraries are installed, at the versions of `PINS`, into an environment of their own that is removed
afterwards. Where one no longer installs, the command says which one, and ends. This file is also what runs in there
(`--inside`), so it imports nothing of this project.

The toy is small enough to be counted by hand. It goes into the record, too, so that ours can be held against it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "results" / "library_scores.json"
TORCH = (
    "https://download.pytorch.org/whl/cpu"  # builds without CUDA, a tenth of the size; PyPI's where it is not reached
)
PINS = {
    "torch": "2.13.0", "torchvision": "0.28.0", "torchmetrics": "1.9.0", "segmentation-models-pytorch": "0.6.0",
    "monai": "1.6.1", "scikit-learn": "1.9.1", "keras": "3.15.1", "kornia": "0.9.0", "pytorch-ignite": "0.5.5",
    "MedPy": "0.5.2", "miseval": "1.3.0",
}  # fmt: skip
NOT_ASKED = {
    "evaluate (transformers' mean_iou)": "the code of the score is fetched from a hub when it is loaded",
    "mmsegmentation": "its mmcv has to be compiled",
}
N, VOID = 4, 255  # classes, and what nobody labelled

# Two images of 2×4 pixels each; (image, row, col).
TOYS = {
    # Class 2 is only predicted, class 3 is in neither, one pixel of each image is void.
    "toy": ([[[0, 0, 0, 0], [1, 1, 1, 255]], [[0, 0, 0, 0], [0, 0, 1, 255]]],
            [[[0, 0, 0, 1], [1, 1, 2, 1]], [[0, 0, 0, 0], [0, 0, 0, 2]]]),
    # Three small tests. One pixel of eight is given to a class that is not there:
    "absent": ([[[0, 0, 0, 0], [0, 0, 0, 0]]] * 2, [[[0, 0, 0, 0], [0, 0, 0, 2]]] * 2),
    # One image is right, in the other a small class is missed, and all four classes are in the truth of both:
    "images": ([[[0, 0, 1, 1], [2, 2, 3, 3]], [[0, 0, 0, 1], [2, 2, 3, 3]]],
               [[[0, 0, 1, 1], [2, 2, 3, 3]], [[0, 0, 0, 0], [2, 2, 3, 3]]]),
    # Every labelled pixel is right; two are void:
    "void": ([[[0, 0, 1, 1], [2, 2, 3, 255]]] * 2, [[[0, 0, 1, 1], [2, 2, 3, 0]]] * 2),
    # For the exercise of notebook 08:
    "exercise": ([[[0, 0, 0, 0], [0, 1, 1, 1]], [[0, 0, 1, 1], [1, 1, 1, 1]]],
                 [[[0, 0, 0, 1], [0, 1, 1, 2]], [[0, 0, 0, 1], [1, 1, 1, 1]]]),
}  # fmt: skip
CLASSES = {"4 classes": 4, "20 classes": 20}  # of the Dice loss' all-wrong answers


# ---- the command ----------------------------------------------------------------------------------------------------


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="a .json file")
    parser.add_argument("--python", help="a Python that has the libraries already, instead of a new environment")
    parser.add_argument("--inside", action="store_true", help="ask the libraries of this Python, and print the answers")
    given = parser.parse_args(arguments)
    if given.inside:
        _complete_torchvision()
        print("ANSWERS " + json.dumps({"iou": scores(), "dice": losses(), "versions": {n: version(n) for n in PINS}}))
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            python = given.python or installed(Path(folder))
        except NotInstalled as error:
            parser.exit(1, f"{error}\n")
        command = [python, str(Path(__file__).resolve()), "--inside"]
        environment = {**os.environ, "KERAS_BACKEND": "torch"}
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    answers = [line for line in ran.stdout.splitlines() if line.startswith("ANSWERS ")]
    if ran.returncode or not answers:
        parser.exit(1, f"A library did not answer:\n{ran.stderr[-2000:]}\n")
    found = json.loads(answers[0].removeprefix("ANSWERS "))
    moved = {
        name: found["versions"][name] for name, pin in PINS.items() if found["versions"][name].split("+")[0] != pin
    }
    if moved:
        parser.exit(1, f"These versions are not the pinned ones: {moved}.\n")
    record = {"command": "python tools/library_scores.py", "not_asked": NOT_ASKED, "toys": TOYS, **found}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(record, indent=1) + "\n")
    for kind in ("iou", "dice"):
        for row in found[kind]:
            print(f"{row['library']:28} {row['call']:50}", {k: round(v, 4) for k, v in row["values"].items()})


class NotInstalled(RuntimeError):
    """A library that can no longer be installed at its version."""


def installed(folder, pins=None):
    """Makes an environment with the libraries in a folder; the path of its Python.

    Raises:
        NotInstalled: names the library, its version and pip's last line.
    """
    pins = PINS if pins is None else pins
    venv.create(folder, with_pip=True)
    python = str(next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists()))
    held = folder / "pins.txt"  # so that a later library does not move an earlier one
    held.write_text("".join(f"{name}=={pin}\n" for name, pin in pins.items()))
    for name, pin in pins.items():
        print(f"Installing {name} {pin}", flush=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--constraint", str(held), "--extra-index-url", TORCH]
        options = ["--retries", "1", "--timeout", "30"]
        ran = subprocess.run([*pip, *options, f"{name}=={pin}"], capture_output=True, text=True)
        if ran.returncode:
            last = ([line for line in ran.stderr.splitlines() if "ERROR" in line] or ["no reason given"])[-1]
            raise NotInstalled(
                f"{name} {pin} no longer installs: {last}. Pin another version in tools/library_scores.py."
            )
    return python


# ---- inside: the calls ----------------------------------------------------------------------------------------------


def scores():
    """Every library's mean IoU of every toy: a list of {library, call, values}."""
    import numpy as np

    rows = []
    for library, call, score in _iou_calls():
        values = {}
        for name, (truth, prediction) in TOYS.items():
            try:
                values[name] = float(score(np.array(truth), np.array(prediction)))
            except Exception as error:
                raise RuntimeError(f"{library}, {call}, {name}") from error
        rows.append({"library": library, "call": call, "values": values})
    return rows


def losses():
    """Every library's Dice loss of a perfect answer and of wrong ones: a list of {library, call, values}."""
    import numpy as np

    truth = np.array(TOYS["toy"][0])
    truth[truth == VOID] = 0
    rows = []
    for library, call, loss in _dice_calls():
        values = {}
        for logit, name in ((20, "perfect, p = 1"), (10, "perfect, p = 0.9999")):
            values[name] = float(loss(truth, logit * np.eye(N, dtype="float32")[truth]))
        for name, n in CLASSES.items():
            wrong = 20 * np.eye(n, dtype="float32")[np.full_like(truth, 2)]
            values[f"all wrong, {name}"] = float(loss(np.zeros_like(truth), wrong))
        rows.append({"library": library, "call": call, "values": values})
    return rows


def _iou_calls():
    """(library, call, function of truth and prediction (image, row, col))."""
    sklearn, smp, monai = _by_sklearn, _by_smp, _by_monai
    return [
        ("Keras", "MeanIoU(4, ignore_class=255)", _by_keras),
        ("Keras", "OneHotMeanIoU(4), void as zeros", _by_keras_one_hot),
        ("torchmetrics", "JaccardIndex('multiclass', ignore_index=255)", _by_torchmetrics),
        ("torchmetrics", "segmentation.MeanIoU(4), void as class 0", _by_torchmetrics_segmentation),
        ("scikit-learn", "jaccard_score(average='macro'), valid pixels", sklearn(average="macro")),
        ("scikit-learn", "… with labels=[0, 1, 2, 3]", sklearn(average="macro", labels=range(N), zero_division=0)),
        ("scikit-learn", "jaccard_score(average='weighted')", sklearn(average="weighted", zero_division=0)),
        ("scikit-learn", "macro, labels=[0, 1, 2, 3], void left in", _by_sklearn_with_void),
        ("segmentation_models_pytorch", "iou_score(reduction='macro')", smp("macro")),
        ("segmentation_models_pytorch", "iou_score(reduction='micro')", smp("micro")),
        ("MONAI", "MeanIoU(), void as zeros", monai()),
        ("MONAI", "… with include_background=False", monai(include_background=False)),
        ("pytorch-ignite", "mIoU(ConfusionMatrix(4))", _by_ignite),
        ("MedPy", "jc of each class, averaged, valid pixels", _by_medpy),
        ("miseval", "IoU of each class, averaged, valid pixels", _by_miseval),
    ]


def _valid(truth, prediction):
    return truth[truth != VOID], prediction[truth != VOID]


def _void_as_class_0(truth, prediction):
    import numpy as np

    return np.where(truth == VOID, 0, truth), np.where(truth == VOID, 0, prediction)


def _by_keras(truth, prediction):
    import keras

    metric = keras.metrics.MeanIoU(num_classes=N, ignore_class=VOID)
    metric.update_state(truth, prediction)
    return metric.result()


def _by_keras_one_hot(truth, prediction):
    import keras
    import numpy as np

    metric, eye = keras.metrics.OneHotMeanIoU(num_classes=N), np.eye(VOID + 1, dtype="float32")[:, :N]
    metric.update_state(eye[truth], eye[prediction])
    return metric.result()


def _by_torchmetrics(truth, prediction):
    import torch
    import torchmetrics

    metric = torchmetrics.JaccardIndex(task="multiclass", num_classes=N, ignore_index=VOID)
    return metric(torch.tensor(prediction), torch.tensor(truth))


def _by_torchmetrics_segmentation(truth, prediction):
    import torch
    import torchmetrics.segmentation

    truth, prediction = _void_as_class_0(truth, prediction)
    metric = torchmetrics.segmentation.MeanIoU(num_classes=N, input_format="index")
    return metric(torch.tensor(prediction), torch.tensor(truth))


def _by_sklearn(**options):
    def score(truth, prediction):
        import sklearn.metrics

        return sklearn.metrics.jaccard_score(*_valid(truth, prediction), **options)

    return score


def _by_sklearn_with_void(truth, prediction):
    import sklearn.metrics

    options = {"average": "macro", "labels": range(N), "zero_division": 0}
    return sklearn.metrics.jaccard_score(truth.ravel(), prediction.ravel(), **options)


def _by_smp(reduction):
    def score(truth, prediction):
        import segmentation_models_pytorch as smp
        import torch

        tensors = torch.tensor(prediction), torch.tensor(truth)
        stats = smp.metrics.get_stats(*tensors, mode="multiclass", num_classes=N, ignore_index=VOID)
        return smp.metrics.iou_score(*stats, reduction=reduction)

    return score


def _by_monai(**options):
    def score(truth, prediction):
        import monai.metrics
        import numpy as np
        import torch

        metric = monai.metrics.MeanIoU(**options)
        y, y_pred = (np.eye(N, dtype="float32")[np.where(truth == VOID, 0, each)] for each in (truth, prediction))
        valid = (truth != VOID)[..., None]
        metric(torch.tensor(y_pred * valid).movedim(3, 1), torch.tensor(y * valid).movedim(3, 1))
        return metric.aggregate()

    return score


def _by_ignite(truth, prediction):
    import ignite.metrics
    import numpy as np
    import torch

    metric = ignite.metrics.mIoU(ignite.metrics.ConfusionMatrix(num_classes=N))
    metric.update((torch.tensor(np.eye(N)[prediction]).movedim(3, 1), torch.tensor(truth)))
    return metric.compute().mean()


def _by_medpy(truth, prediction):
    import medpy.metric
    import numpy as np

    truth, prediction = _valid(truth, prediction)
    return np.mean([medpy.metric.binary.jc(prediction == c, truth == c) for c in range(N)])


def _by_miseval(truth, prediction):
    import miseval
    import numpy as np

    return np.mean(miseval.evaluate(*_valid(truth, prediction), metric="IoU", multi_class=True, n_classes=N))


def _dice_calls():
    """(library, call, function of truth (image, row, col) and logits (image, row, col, class))."""
    return [
        ("Keras", "Dice()", _dice_of_keras()),
        ("Keras", "Dice(axis=(1, 2))", _dice_of_keras(axis=(1, 2))),
        ("segmentation_models_pytorch", "DiceLoss('multiclass')", _dice_of_smp),
        ("MONAI", "DiceLoss(softmax=True, to_onehot_y=True)", _dice_of_monai()),
        ("MONAI", "… with include_background=False", _dice_of_monai(include_background=False)),
        ("kornia", "dice_loss(average='macro')", _dice_of_kornia),
    ]


def _tensors(truth, logits):
    import torch

    return torch.tensor(logits).movedim(3, 1), torch.tensor(truth)


def _dice_of_keras(**options):
    def loss(truth, logits):
        import keras
        import numpy as np

        one_hot = np.eye(logits.shape[-1], dtype="float32")[truth]
        return keras.losses.Dice(**options)(one_hot, keras.ops.softmax(logits))

    return loss


def _dice_of_smp(truth, logits):
    import segmentation_models_pytorch as smp

    return smp.losses.DiceLoss(mode="multiclass")(*_tensors(truth, logits))


def _dice_of_monai(**options):
    def loss(truth, logits):
        import monai.losses

        logits, truth = _tensors(truth, logits)
        return monai.losses.DiceLoss(softmax=True, to_onehot_y=True, **options)(logits, truth[:, None])

    return loss


def _dice_of_kornia(truth, logits):
    import kornia

    return kornia.losses.dice_loss(*_tensors(truth, logits), average="macro")


def _complete_torchvision():
    """Declares two box operators that PyPI's torchvision lacks beside a torch without CUDA; nothing here uses them."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _complete_torchvision.kept = library  # it ends with its last reference


if __name__ == "__main__":
    main()
