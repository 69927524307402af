"""nbgrader's settings for these labs. This file lies in the course folder, beside source/: run nbgrader from there."""

import os
import shutil
from pathlib import Path

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import GetGrades

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "per-pixel"

# Marking runs every cell of a notebook: with few steps, on synthetic scenes, in this environment's Python.
os.environ["SERIES_PACE"] = "fast"
os.environ["SERIES_DATA"] = "scenes"
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
c.Execute.timeout = 300  # seconds for a cell; then it is stopped, and the next one runs
c.Execute.iopub_timeout = 60

c.ClearSolutions.code_stub = {"python": ""}  # an exercise keeps its own stub, so that an empty notebook runs, too
c.OverwriteCells.add_missing_cells = True  # a hidden test that a student deleted is put back
c.CourseDirectory.ignore.append("series-*")  # what a notebook unpacks beside itself: not copied, and not kept


def tidy(**_):
    """Remove what the notebooks unpacked while they were marked."""
    for folder in Path("autograded").glob("*/*/series-*"):
        shutil.rmtree(folder)


c.Autograde.post_convert_hook = tidy


class Feedback(GetGrades):
    """Students see what a hidden test says, and not how it finds out; and one line of the cell that carries files."""

    def preprocess_cell(self, cell, resources, cell_index):
        """Shorten one cell."""
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = cell.source.partition("### BEGIN HIDDEN TESTS")[0]
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    output.traceback = output.traceback[-1:]
        if "carried" in cell.metadata.get("tags", []):
            cell.source = cell.source.partition("\n")[0]
        return cell, resources


c.GenerateFeedback.preprocessors = [Feedback, CSSHTMLHeaderPreprocessor]
