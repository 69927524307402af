"""tools/reports.py: the page of public reports knows every report; and what the tool makes of what is found."""

import pytest

import reports
from helpers.preflight import Problem
from support.reports import REPORTS

ROWS = [line for line in reports.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| [")]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_the_page_names_the_cause(report):
    """Without an examination; a report that was added since the page was made has no row."""
    (row,) = [row for row in ROWS if f"[{report.name}]({report.address})" in row]
    _, _, said, cause, told, _, _ = row.split(" | " if row.count(" | ") == 6 else "|", 6)
    assert (said.strip(), cause.strip()) == (report.said, report.cause), f"make it anew: {reports.COMMAND}"
    assert f"**{report.check}**" in told and report.words.lower() in told.lower(), f"make it anew: {reports.COMMAND}"


def test_no_report_is_told_twice_and_none_that_is_gone():
    assert len({report.address for report in REPORTS}) == len(REPORTS) == len(ROWS)


def found(report, **other):
    return Problem(**{"check": report.check, "symptom": "s", "cause": report.words, "cure": "c", **other})


def test_a_row():
    report = REPORTS[0]
    other = found(report, check="loss", cause="a * b | c_d", confidence="likely")
    examined = reports.Examined(report, [other, found(report)], [], [1.0, 2.0])
    assert examined.named and not reports.Examined(report, [other], [], [1.0]).named
    assert rf"**loss**, *likely*: a \* b \| c\_d<br>**labels**, *measured*: {report.words} | clean |" in str(examined)
    assert "named in 1 of 2 sick models, and 1 of 2 cured" in reports.totals(
        [examined, reports.Examined(report, [other], [other], [3.0])]
    )


def test_check_fails_on_another_page(monkeypatch, tmp_path, capsys):
    report = REPORTS[0]
    problems = [found(report)]
    monkeypatch.setattr(reports, "REPORTS", [report])
    monkeypatch.setattr(reports, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(reports, "examine", lambda report: reports.Examined(report, problems, [], [0.5]))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["reports.py", *arguments])
        reports.main()

    with pytest.raises(SystemExit, match=report.name):
        run("--check")
    run()
    run("--check")
    assert "1 of 1 cured twins are clean" in capsys.readouterr().out
    problems.append(found(report, check="loss"))
    with pytest.raises(SystemExit, match="Write it anew"):
        run("--check")
