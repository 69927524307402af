"""Examines the public reports of tests/support/reports.py with preflight, and writes docs/preflight.md.

python tools/reports.py            writes the page; some minutes on 2 CPU cores
python tools/reports.py --check    fails if the page does not name what preflight says today
"""

import argparse
import contextlib
import dataclasses
import io
import os
import re
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from helpers.preflight import data, labels, model, preflight  # noqa: E402
from support.reports import REPORTS  # noqa: E402

PAGE = ROOT / "docs" / "preflight.md"
COMMAND = "python tools/reports.py"

HEAD = """# Preflight, tried on public reports

`preflight` examines a compiled Keras model for segmentation and one batch, before an hour of training. It asks the loss
and the scores about answers that are known to be right or wrong, changes a patch of an image to see where the output
moves, and makes some training steps that it undoes. It prints what it measured, and each problem with its likely cause
and a cure:

```python
from helpers.preflight import preflight

problems = preflight(model, batch)  # (images, labels), or a tf.data pipeline, a PyDataset, a generator of such
```

## {n} reports

Each report was rebuilt as a small model with small pictures, sick and cured, in
[`tests/support/reports.py`](../tests/support/reports.py): these are not the reporters' own data. The twins differ in
what the report was about. `{command}` writes this page, and with `--check` it says whether the page still
holds. *Measured*, *likely* and *possible* say [how sure preflight is of a cause](#how-sure-is-it).

| report | what was seen | cause | preflight says | of its cured twin |
|---|---|---|---|---|
"""

REFUSED = """
## What it examines, and what it refuses

It examines a compiled `keras.Model` of one image input and one output, with TensorFlow, JAX or PyTorch behind Keras.
The output is logits or probabilities, (batch, row, col, class) or (batch, pixel, class); one channel means two classes.
Labels are whole numbers or one-hot, with one class for each pixel, or with none: the void label. Labels that are shares
of a class, such as soft edges, are examined as far as it can be done, and what is printed says so.

It refuses what it was not made for, in a sentence that says that this is no fault of the model:

| what is refused | what to do |
|---|---|
"""

SURE = """
## How sure is it?

What preflight prints as a symptom was measured, and is certain. That it has the cause which is named may not be, so
each `Problem` has a `confidence`:

- *measured*: the numbers leave no other cause. Nothing is printed before it.
- *likely*: they leave two, and this is the common one. Or it may be meant so, and then the text says when all is well.
- *possible*: they leave more than two. It says that something is wrong, and where to begin to look.

No problem found is no proof: preflight sees some images and some dozen steps. It cannot tell labels that are wrong in
the files from right ones, nor whether what was learned holds for other images.
"""


@dataclasses.dataclass(frozen=True)
class Examined:
    """What preflight found in the twins of a report, and how long each examination took, in seconds."""

    report: object
    sick: list
    cured: list
    seconds: list

    @property
    def named(self):
        """Whether the cause is among what was found in the sick twin."""
        return any(map(self.report.names, self.sick))

    def __str__(self):
        """The report's row in the table."""
        link = f"[{self.report.name}]({self.report.address})"
        return row(link, self.report.said, self.report.cause, told(self.sick, "nothing"), told(self.cured, "clean"))


def row(*cells):
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def told(problems, otherwise):
    """Problems in a cell of a table: check, confidence and cause, as printed."""
    lines = (f"**{problem.check}**, *{problem.confidence}*: {plain(problem.cause)}" for problem in problems)
    return "<br>".join(lines) or otherwise


def plain(text):
    """A text that stands in a cell as it is: what Markdown would read as markup is escaped."""
    return re.sub(r"([|*_<\[\]])", r"\\\1", text)


def examine(report):
    """Examines both twins of a report: -> `Examined`."""
    found, seconds = [], []
    for twin in (report.sick, report.cured):
        network, batch, options = twin()
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            found.append(preflight(network, batch, **options))
        seconds.append(time.perf_counter() - start)
    return Examined(report, *found, seconds)


def totals(every):
    """The sentence below the table."""
    n, seconds = len(every), [second for examined in every for second in examined.seconds]
    named, clean = sum(examined.named for examined in every), sum(not examined.cured for examined in every)
    return (
        f"**The cause is named in {named} of {n} sick models, and {clean} of {n} cured twins are clean.** An "
        f"examination took {statistics.median(seconds):.1f} s in the median and {max(seconds):.1f} s at most, on "
        f"{os.cpu_count()} CPU cores."
    )


def refused():
    """The rows of what preflight refuses, in its own words."""
    causes = {
        "several inputs": model.SEVERAL_INPUTS,
        "several outputs": model.SEVERAL_OUTPUTS,
        "several images or label maps in a batch": data.SEVERAL_OF_EACH,
        "masks that may overlap, one sigmoid for each": labels.EACH_ITS_OWN,
        "a loss that Keras does not know, in a train_step of your own": model.LOSS_OF_ITS_OWN,
    }
    return [row(plain(what), plain(cause.cure)) for what, cause in causes.items()]


def page(every):
    """The page in Markdown."""
    head = HEAD.format(n=len(every), command=COMMAND)
    tables = "\n".join(map(str, every)), "\n".join(refused())
    return f"{head}{tables[0]}\n\n{totals(every)}\n{REFUSED}{tables[1]}\n{SURE}"


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if the page has other rows")
    check, every = parser.parse_args().check, []
    for report in REPORTS:
        every.append(examine(report))
        words = ("named" if every[-1].named else "NOT NAMED", "clean" if not every[-1].cured else "NOT CLEAN")
        print(f"{report.name:48}{words[0]:11}{words[1]:11}{max(every[-1].seconds):.1f} s", flush=True)
    print(totals(every).replace("**", ""))
    if not check:
        PAGE.write_text(page(every), encoding="utf-8")
        return
    written = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    other = [examined.report.name for examined in every if str(examined) not in written]
    if other:
        sys.exit(f"docs/preflight.md says something else of {', '.join(other)}. Write it anew: {COMMAND}")


if __name__ == "__main__":
    main()
