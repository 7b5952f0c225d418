"""What of a container's log is shown."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest

from emucluster.core.errors import NotFound
from emucluster.live.node.pod_logs import LogQuery, stream_logs
from emucluster.live.pods import log_times
from emucluster.live.pods.log_times import Growth
from emucluster.live.pods.logs import PodLogs, rotate_if_large, rotated

UID = "0a"


async def shown(logs: PodLogs, writing: bool = False, **query: Any) -> bytes:
    """All that a query gives, while nobody or somebody writes."""
    asked = LogQuery("default", "web", **query)
    pieces = stream_logs(logs, asked, writer_of=lambda _path: object if writing else None)
    return b"".join([piece async for piece in pieces])


async def put(logs: PodLogs, *texts: str, container: str = "main") -> Path:
    """A new instance of the container writes these, one after the other."""
    path = logs.open_new(logs.directory("default", "web", UID), container)
    for text in texts:
        with path.open("a") as file:
            file.write(text)
        await asyncio.sleep(2 * log_times.PAUSE_S)
    return path


@pytest.mark.parametrize(
    ("tail", "left"),
    [
        (None, b"one\ntwo\nthree\n"),
        (2, b"two\nthree\n"),
        (1, b"three\n"),
        (0, b""),
        (9, b"one\ntwo\nthree\n"),
    ],
)
def test_the_last_lines_are_counted_from_the_end(
    tmp_path: Path, tail: int | None, left: bytes
) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        await put(logs, "one\ntwo\nthree\n")
        assert await shown(logs, tail=tail) == left
        logs.times.close()

    asyncio.run(scenario())


def test_a_last_line_without_an_end_is_a_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        await put(logs, "one\ntwo")
        assert await shown(logs, tail=1) == b"two"
        assert re.fullmatch(rb"\S+Z one\n\S+Z two", await shown(logs, timestamps=True))
        logs.times.close()

    asyncio.run(scenario())


def test_no_more_bytes_than_allowed(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        await put(logs, "one\ntwo\nthree\n")
        assert await shown(logs, limit_bytes=5) == b"one\nt"
        logs.times.close()

    asyncio.run(scenario())


def test_lines_carry_the_time_at_which_they_were_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        began_s = time.time()
        await put(logs, "early\n", "mid", "dle\nlate\n")
        middle_s = began_s + 3 * log_times.PAUSE_S
        lines = (await shown(logs, timestamps=True)).decode().splitlines()
        assert [line.split(" ", 1)[1] for line in lines] == ["early", "middle", "late"]
        assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ", line) for line in lines)
        stamps = [line.split(" ", 1)[0] for line in lines]
        assert stamps[0] < stamps[1] < stamps[2]
        later = await shown(logs, since_s=middle_s)
        assert b"late\n" in later
        assert b"early" not in later
        assert await shown(logs, since_s=time.time() + 60) == b""
        logs.times.close()

    asyncio.run(scenario())


def test_the_run_before_keeps_its_times(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        await put(logs, "one\n", "two\n")
        before = await shown(logs, timestamps=True)
        await put(logs, "three\n")
        assert await shown(logs, previous=True, timestamps=True) == before
        assert await shown(logs) == b"three\n"
        logs.times.close()

    asyncio.run(scenario())


def test_a_rotated_log_is_one_with_what_came_after(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        path = await put(logs, "one\n", "two\n")
        assert rotate_if_large(path, 4)
        logs.times.copied(path, rotated(path))
        with path.open("a") as file:
            file.write("three\n")
        await asyncio.sleep(2 * log_times.PAUSE_S)
        assert await shown(logs) == b"one\ntwo\nthree\n"
        assert await shown(logs, tail=2) == b"two\nthree\n"
        stamped = (await shown(logs, timestamps=True)).decode().splitlines()
        assert stamped == sorted(stamped)
        assert len({line.split(" ")[0] for line in stamped}) == 3
        logs.times.close()

    asyncio.run(scenario())


def test_following_ends_when_the_container_does(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        path = await put(logs, "one\n")
        writer: list[object] = [object()]
        query = LogQuery("default", "web", follow=True, timestamps=True, tail=0)
        pieces = stream_logs(logs, query, writer_of=lambda _path: writer[0] if writer else None)
        found: list[bytes] = []

        async def follow() -> None:
            async for piece in pieces:
                found.append(piece)

        following = asyncio.create_task(follow())
        await asyncio.sleep(0.3)
        for text in ("two\n", "thr", "ee\n"):
            with path.open("a") as file:
                file.write(text)
            await asyncio.sleep(0.3)
        with path.open("a") as file:
            file.write("last words")
        writer.clear()
        async with asyncio.timeout(10):
            await following
        lines = b"".join(found).decode().split("\n")
        assert [line.split(" ", 1)[1] for line in lines] == ["two", "three", "last words"]
        logs.times.close()

    asyncio.run(scenario())


def test_a_pod_of_another_uid_has_another_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = PodLogs(tmp_path)
        await put(logs, "one\n")
        assert await shown(logs, uid=UID) == b"one\n"
        with pytest.raises(NotFound, match='container "web" in pod "web" not found'):
            await shown(logs, uid="other")
        with pytest.raises(NotFound, match='previous terminated container "c" in pod "web"'):
            await shown(logs, container="c", previous=True)
        logs.times.close()

    asyncio.run(scenario())


def test_growth_forgets_every_other_mark_and_stays_in_order() -> None:
    growth = Growth()
    for number in range(log_times.MARKS_MAX + 1):
        growth.note(number + 1, number)
    assert len(growth.sizes) <= log_times.MARKS_MAX
    assert growth.written_ns(0) in (0, 1)
    assert growth.written_ns(log_times.MARKS_MAX) == log_times.MARKS_MAX
    assert growth.written_ns(10**9) is None
    growth.note(3, 7)
    assert (list(growth.sizes), list(growth.times_ns)) == ([3], [7])
