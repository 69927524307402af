"""The table of faults while getting the data, which stands below the results.

A test hands its rows over as properties of its report, so the table is whole in however many processes the tests ran.
"""

# The faults that getting the data was made for; the table must have a row for each.
MADE_FOR = (
    "404", "500, then fine", "a cut at 30 %", "a stalled socket", "wrong length", "right length, wrong bytes",
    "HTML instead of a zip", "redirect", "a corrupt zip", "a zip with ../ members", "a zip with a symlink", "a bomb",
    "one image missing", "one label altered by a single pixel", "an Octave file truncated", "no write permission",
    "a full disk", "SIGKILL during download", "SIGKILL during unpacking",
)  # fmt: skip


def rows(reporter):
    """{fault: (what the learner is told, bytes sent again, how the next call ends)}, from the reports of all tests."""
    found = {}
    for report in _reports(reporter):
        found |= {fault: tuple(rest) for name, (fault, *rest) in report.user_properties if name == "fault"}
    return found


def lacking(config, reporter):
    """The faults without a row, in a run of all tests of the room; none where only some of them were asked for."""
    asked = [argument for argument in config.args if "::" not in argument]
    room = config.rootpath / "tests" / "fetch"
    whole = len(asked) == len(config.args) and any(
        (config.invocation_params.dir / a) in (room, *room.parents) for a in asked
    )
    found, slow_too = rows(reporter), "slow" not in config.option.markexpr
    if not (whole and slow_too and found) or config.option.keyword:  # without any row, other marks were asked for
        return set()
    skipped = any("test_full_disk" in report.nodeid for report in reporter.stats.get("skipped", []))
    return {
        fault
        for fault in MADE_FOR
        if not any(row.startswith(fault) for row in found) and not (skipped and fault == "a full disk")
    }


def write(reporter):
    """Writes the table below the results."""
    found = rows(reporter)
    if not found:
        return
    table = [("fault", "what the learner is told", "sent again", "next call")]
    table += [(fault, told if len(told) < 101 else told[:99] + "…", *rest) for fault, (told, *rest) in found.items()]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    reporter.section("faults while getting the data")
    for row in table:
        reporter.line("  ".join(map(str.ljust, row, widths)).rstrip())
    reporter.line(f"{len(found)} faults")


def _reports(reporter):
    return [r for reports in reporter.stats.values() for r in reports if getattr(r, "when", None) == "teardown"]
