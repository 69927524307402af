"""A download retries, goes on where it stopped, and gives up in words."""

import os
import time
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from helpers.fetch import download, filling
from helpers.fetch.sources import Source
from support.copies import ZIP, aml, sentence, zipped
from support.faulty_server import Play
from support.plays import DOWN, cut


@pytest.fixture
def pauses(monkeypatch):
    """How long it waits between attempts, without waiting."""
    pauses = []
    monkeypatch.setattr(download, "PAUSE", 1.0)
    monkeypatch.setattr(download, "LONGEST_PAUSE", 60)
    clock = SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic, time=time.time)
    monkeypatch.setattr(download, "time", clock)
    return pauses


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ({}, [1, 2, 4]),
        ({"Retry-After": "3"}, [3, 3, 4]),
        ({"Retry-After": "86400"}, [60, 60, 60]),
        ({"Retry-After": "soon"}, [1, 2, 4]),
        ({"Retry-After": "date"}, [30, 30, 30]),
        ({"Retry-After": formatdate(0, usegmt=True)}, [1, 2, 4]),
    ],
)
def test_it_backs_off_and_heeds_retry_after(world, pauses, header, wanted):
    if header == {"Retry-After": "date"}:
        header = {"Retry-After": formatdate(time.time() + 30.5, usegmt=True)}
    world.server.script(ZIP, then=Play(429, header))
    sentence(world.get(), "429 Too Many Requests")
    assert len(world.server.log) == download.TRIES
    assert pauses == pytest.approx(wanted, abs=2 if wanted == [30] * 3 else 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_it_does_not_repeat_what_cannot_help(world, status):
    world.server.script(ZIP, then=Play(status))
    sentence(world.get(), f"answered {status} ")
    assert len(world.server.log) == 1


def test_what_has_arrived_is_asked_for_by_no_one_again(world):
    """The second call names the first byte it lacks, and the version it has the others of."""
    world.server.script(ZIP, cut(world.made), *DOWN)
    world.get()
    (part,) = world.work.rglob("*.part")
    assert part.read_bytes() == world.archive[: 3 * len(world.archive) // 10]
    world.server.heal()
    world.server.log.clear()
    assert world.get() is None
    assert [asked.range for asked in world.server.log] == [f"bytes={3 * len(world.archive) // 10}-"]


def test_many_cuts_are_no_reason_to_give_up_while_bytes_arrive(world, pauses):
    step = download.PROGRESS + (1 << 14)
    world.server.script(ZIP, then=Play(stop=step))
    assert len(world.archive) / step > download.TRIES + 1
    assert world.get() is None
    world.whole()
    assert world.server.sent_again(ZIP) == 0 and max(pauses) <= 2


@pytest.mark.parametrize(
    "rest",
    [Play(416, {"Content-Range": "bytes */7"}), Play(416), Play(206, {"Content-Range": "bytes 0-9/10"}), Play(206)],
    ids=lambda play: f"{play.status} {play.headers.get('Content-Range', '')}",
)
def test_a_server_that_cuts_and_then_refuses_the_rest_does_not_keep_it_busy_for_ever(world, pauses, rest):
    world.server.script(ZIP, *[cut(world.made, stop=150_000), rest] * 20, then=Play(404))
    sentence(world.get())
    assert len(world.server.log) <= 2 * download.TRIES
    world.nothing_half()


def test_a_download_stopped_before_its_last_step_needs_no_byte_more(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(download, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.get()
    world.nothing_half()
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={len(world.archive)}-"]
    assert world.server.sent_again(ZIP) == 0


def test_an_archive_damaged_after_it_came_is_fetched_anew(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(filling.Filling, "_take_from", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.get()
    (archive,) = world.work.glob("download/*.zip")
    os.truncate(archive, 99_999)
    sentence(world.get(), "the test server", "cut off before its end")
    world.nothing_half()
    assert world.get() is None
    world.whole()


def test_a_trickle_counts_as_a_dead_line(world, monkeypatch):
    """20 bytes a second: less than a byte in every time-out, so to say, though the socket never sleeps."""
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    world.server.script(ZIP, cut(world.made, then="trickle"), then=Play(404))
    sentence(world.get())
    deadline = time.monotonic() + 10
    while (gone := world.server.log[0].gone) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone < 3


def test_a_file_too_large_is_refused_unread(world, monkeypatch):
    world.server.script(ZIP, then=Play(length=2 << 40, stop=1 << 20, body=bytes(1 << 20)))
    monkeypatch.setattr(download, "_receive", lambda *_: pytest.fail("read the body"))
    sentence(world.get(), "the test server", "2,199,023 MB")
    assert len(world.server.log) == 1


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"null", b'{"url": 1}', None], ids=str)
def test_a_damaged_note_beside_the_part_means_starting_anew(world, note):
    world.server.script(ZIP, cut(world.made), *DOWN)
    world.get()
    (path,) = world.work.rglob("*.part.json")
    path.write_bytes(note) if note is not None else path.unlink()
    world.server.heal()
    world.server.log.clear()
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None]


def test_parts_of_two_sources_are_kept_apart(world):
    """Both files have the same name, the first another content; the part of the first is not finished by the second."""
    world.serve("/two" + ZIP, zipped(world.made.files(aml)))
    world.sources(*(Source(name, world.server.url(path)) for name, path in (("a", ZIP), ("b", "/two" + ZIP))))
    world.server.script(ZIP, cut(world.made), *DOWN)
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.asked("/two" + ZIP)] == [None]


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http:///x.zip",
        "http://[::1",
        "http://exa mple/x.zip",
        "http://127.0.0.1:99999/x.zip",
        "http://\x00/",
    ],
)
def test_an_address_that_is_none(world, address):
    sentence(world.get(source=address), address[:7])
    world.nothing_half()
