"""Several processes or threads that fill one folder."""

from concurrent.futures import ThreadPoolExecutor

from support.copies import ZIP, sentence
from support.faulty_server import Play
from support.plays import cut
from support.world import arrived, until


def test_three_at_once_download_once(world):
    world.server.script(ZIP, then=Play(pause=0.05))
    processes = [world.start("get", "--quiet") for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60) == ("", "") and process.returncode == 0
    world.whole()
    assert len(world.server.log) == 1


def test_three_threads_at_once(world):
    world.server.script(ZIP, then=Play(pause=0.01))
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: world.get(), range(3))) == [None] * 3
    world.whole()
    assert len(world.server.log) == 1


def test_one_that_waits_takes_over_from_one_that_is_killed(world):
    world.server.script(ZIP, cut(world.made, then="stall"))
    first = world.start("get")
    until(lambda: arrived(world) > len(world.archive) // 4)
    second = world.start("get")
    line = second.stdout.readline()
    sentence(line.strip() + " call again.", "Another process", world.place)
    first.kill()
    first.communicate()
    part = arrived(world)
    second.communicate(timeout=60)
    assert second.returncode == 0
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={part}-"]


def test_one_that_is_killed_while_it_waits_disturbs_no_one(world):
    world.server.script(ZIP, then=Play(pause=0.05))
    first = world.start("get")
    until(lambda: arrived(world))
    second = world.start("get")
    assert "Another process" in second.stdout.readline()
    second.kill()
    second.communicate()
    first.communicate(timeout=60)
    assert first.returncode == 0
    world.whole()
    assert len(world.server.log) == 1
