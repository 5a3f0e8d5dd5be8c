"""More clients than places: each is answered or told when to come back, none is lost, none hears another's answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter

import pytest

from crowds import all_at_once, calm, health_watched, process, said, text_of, wish
from served import allowed, serving
from tiny import tiny_base
from tunesmith.inference import predictor
from tunesmith.serving.limits import raise_open_files
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from wire import Heard, request

pytestmark = allowed
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("crowds") / "tiny", max_position_embeddings=64)


@pytest.fixture
def crowded(base):
    """A port of a server that writes four answers at once and lets eight wait."""
    models = Registry(Settings(rows=4, queue=8))
    models.put("tiny", predictor.open(str(base)), None)
    with serving(models) as server:
        yield server.port


def held(port: int, count: int) -> tuple[Counter[int], list[float]]:
    """Ask so many at once and hold every answer against the same question asked alone.

    Returns how often each status was told, and how long `/health` took meanwhile.
    """
    with health_watched(port) as health:
        heard = all_at_once(port, [wish("tiny", number) for number in range(count)])
    assert len(heard) == count
    statuses = Counter(each.status for each in heard)
    assert set(statuses) <= {200, 429, 503}
    assert all(int(each.headers["retry-after"]) > 0 and each.error["type"] for each in heard if each.status != 200)
    assert health and max(health) < float("inf")
    calm(port)
    answered = {number: text_of(each) for number, each in enumerate(heard) if each.status == 200}
    alone = {number: text_of(asyncio.run(said(port, wish("tiny", number)))) for number in answered}
    assert answered == alone
    assert len(set(answered.values())) > 0.9 * len(answered), "equal answers would hide that two were crossed"
    return statuses, health


@pytest.mark.fault("a crowd before the server")
def test_more_requests_than_places_are_answered_or_told_to_come_back(crowded, record_property):
    statuses, _ = held(crowded, 60)
    assert statuses[200] >= 12 and statuses[429] > 0
    record_property("tried", 60)


@pytest.mark.fault("a crowd before the server")
def test_clients_that_hang_up_in_the_middle_free_their_places(crowded, record_property):
    assert hung_up(crowded, 24, seed=1) > 0
    calm(crowded)
    assert text_of(asyncio.run(said(crowded, wish("tiny", 1))))
    record_property("tried", 24)


def hung_up(port: int, count: int, *, seed: int) -> int:
    """Begin streams and cut each after some bytes, twelve at a time; how many had begun to hear an answer."""
    generator = random.Random(seed)

    async def rude(number: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wish("tiny", number, tokens=48, stream=True))
        wanted = generator.randrange(0, 2000)
        raw = b""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            raw = await reader.readexactly(wanted)
        writer.transport.abort()
        return raw.startswith(b"HTTP/1.1 200")

    async def go() -> int:
        begun = 0
        for start in range(0, count, 12):
            begun += sum(await asyncio.gather(*map(rude, range(start, min(start + 12, count)))))
        return begun

    return asyncio.run(go())


@pytest.mark.fault("a crowd before the server")
@pytest.mark.long
def test_a_thousand_at_once_against_a_queue_of_64(base, tmp_path, record_property):
    raise_open_files()
    with process(tmp_path, f"tiny={base}", "--queue", "64") as server:
        held(server.port, 64)
        before = server.memory()
        statuses, health = held(server.port, 1000)
        after = server.memory()
        print(f"1,000 at once: {dict(statuses)}; /health at most {max(health):.3f} s of {len(health)}; memory "
              f"{before / MEBIBYTE:.0f} -> {after / MEBIBYTE:.0f} MiB")
        assert after < before + 50 * MEBIBYTE
        assert "Traceback" not in server.log.read_text()
    record_property("tried", 1000)


@pytest.mark.fault("a crowd before the server")
@pytest.mark.long
def test_two_hundred_streams_cut_at_random_leave_nothing_behind(base, tmp_path, record_property):
    with process(tmp_path, f"tiny={base}") as server:
        held(server.port, 16)
        before = server.files()
        assert hung_up(server.port, 200, seed=2) > 20
        calm(server.port)
        assert server.files() <= before + 2
        assert "Traceback" not in server.log.read_text()
    record_property("tried", 200)


@pytest.mark.fault("a crowd before the server")
@pytest.mark.long
def test_memory_is_flat_over_ten_thousand_requests(base, tmp_path, record_property):
    with process(tmp_path, f"tiny={base}") as server:
        sizes = []
        for turn in range(20):
            heard = in_groups(server.port, range(turn * 500, turn * 500 + 500))
            assert {each.status for each in heard} == {200}
            sizes.append(server.memory() / MEBIBYTE)
        print("MiB after each 500 requests:", " ".join(f"{size:.0f}" for size in sizes))
        warm = sizes[3:]
        assert max(warm[-4:]) - min(warm[:4]) < 0.05 * warm[0]
    record_property("tried", 10_000)


def in_groups(port: int, numbers: range) -> list[Heard]:
    """Sixteen at a time."""
    heard: list[Heard] = []
    for start in range(numbers.start, numbers.stop, 16):
        group = range(start, min(start + 16, numbers.stop))
        heard += all_at_once(port, [wish("tiny", number, tokens=4) for number in group])
    return heard


@pytest.mark.fault("a crowd before the server")
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.long
def test_a_server_that_is_told_to_stop_ends_its_answers_and_begins_none(base, tmp_path, by, record_property):
    longer = tiny_base(tmp_path / "longer", max_position_embeddings=512)

    async def streams(port: int, stop) -> list[Heard]:
        first = [asyncio.create_task(said(port, wish("longer", number, tokens=300, stream=True)))
                 for number in range(50)]
        while running(await said(port, request(path="/metrics", connection="close"))) < 16:
            await asyncio.sleep(0.05)
        stop()
        await asyncio.sleep(0.3)
        late = await asyncio.gather(said(port, wish("longer", 99)), return_exceptions=True)
        assert isinstance(late[0], OSError) or late[0].status in (0, 503), late
        return list(await asyncio.gather(*first))

    with process(tmp_path, f"longer={longer}", "--queue", "64", "--drain", "30") as server:
        heard = asyncio.run(streams(server.port, lambda: server.child.send_signal(by)))
        assert server.child.wait(60) == 0
        assert "Traceback" not in server.log.read_text()
    whole = [each for each in heard if b"data: [DONE]" in each.raw]
    print(f"{len(whole)} of {len(heard)} streams ended whole after the signal")
    assert all(each.status in (200, 503) for each in heard)
    assert len(whole) == len([each for each in heard if each.status == 200])
    record_property("tried", 50)


def running(metrics: Heard) -> int:
    """How many answers are being written."""
    lines = [line for line in metrics.body.decode().splitlines() if line.startswith("tunesmith_running_rows{")]
    return int(sum(float(line.split()[-1]) for line in lines))
