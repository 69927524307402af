"""Whatever the net does, one sentence says so, nothing stays half done, and the next call ends with the same files."""

import time

import pytest

from helpers import siftflow
from helpers.fetch import download, sources
from helpers.fetch.sources import Source
from support.copies import LABEL, ZIP, aml, gnork, sentence, zipped
from support.plays import FAULTS, changed, play
from support.world import short


@pytest.mark.parametrize("name", FAULTS)
def test_fault_on_the_net(world, faults, name):
    """One sentence, nothing half done, and the next call ends with the same files, asking for no more than it must."""
    fault = FAULTS[name]
    play(world, name)
    start = time.monotonic()
    message = world.get()
    assert time.monotonic() - start < 10
    if fault.said:
        sentence(message, "the test server", *fault.said)
        world.nothing_half()
    else:
        assert message is None
        world.whole()
    before, partly = len(world.server.log), world.left()
    world.server.heal()
    world.sources(Source("the test server", world.server.url(ZIP)))
    world.patch.setattr(download, "TIMEOUT", 20)
    assert world.get() is None
    world.whole()
    assert len(world.server.log) - before == bool(fault.said)
    again = world.server.sent_again(ZIP)
    assert fault.again is None or again <= fault.again * len(world.archive) + (2000 if fault.again else 100)
    fetched = sum(asked.sent for asked in world.server.log[before:])
    faults[name] = (
        short(message, world) if message else "(goes on by itself)",
        f"{again:,} of {len(world.archive):,}",
        f"whole, {f'{fetched:,} bytes' if fault.said else 'from the disk'}{', goes on' if partly else ''}",
    )


@pytest.mark.parametrize(
    "name",
    ["404", "a connection refused", "HTML instead of a zip", "a zip with ../ members", "a stalled socket, always"],
)
def test_the_next_source_is_taken_and_a_line_says_why(world, capsys, name):
    play(world, name)
    second = Source("the second", world.serve("/two.zip", zipped(world.made.files(aml))))
    world.sources(*sources.SOURCES, second)
    siftflow.get()
    world.whole()
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("the test server"))
    sentence(line + " call again.", *FAULTS[name].said)


def test_sources_fill_each_others_gaps(world):
    world.serve(ZIP, changed(world.made, LABEL, None))
    world.sources(
        *sources.SOURCES, Source("the second", world.serve("/two.zip", changed(world.made, "coast_2.jpg", None, gnork)))
    )
    assert world.get() is None
    world.whole()
