"""preflight names the cause of each public report, and has nothing against its cured twin."""

import pytest

from support.preflight_models import examine
from support.reports import REPORTS

pytestmark = pytest.mark.slow
TIME = {"seconds": 150}  # beside other tests each step takes longer; what is found should not hang on that


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_the_cause_is_named(report):
    model, data, options = report.sick()
    problems, text = examine(model, data, **TIME, **options)
    assert any(map(report.names, problems)), text
    others = [problem for problem in problems if not report.names(problem)]
    assert not [problem for problem in others if problem.confidence == "measured"], text


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_the_cured_twin_is_clean(report):
    model, data, options = report.cured()
    problems, text = examine(model, data, **TIME, **options)
    assert not problems, text
