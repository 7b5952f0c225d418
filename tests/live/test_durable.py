"""What was acknowledged survives; what failed is never acknowledged."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from emucluster.core.errors import InternalError
from emucluster.core.objects import ConfigMap, ObjectMeta, replace
from emucluster.core.store import Batch, Row, Store
from emucluster.live.durable import Durable

NOW = "2026-01-01T00:00:00Z"
WRITER = Path(__file__).with_name("durable_writer.py")


def config(name: str = "a", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(namespace="default", name=name), data=data)


def new_store() -> Store:
    return Store(ids=random.Random(1))


async def commit(durable: Durable, store: Store) -> None:
    durable.submit(store.take_pending())
    await durable.at_least(store.version)


@pytest.mark.parametrize("count", [1, 3, 5, 63, 64, 149])
def test_a_batch_of_any_size_is_on_disk_whole(tmp_path: Path, count: int) -> None:
    async def run() -> None:
        store, durable = new_store(), Durable(tmp_path / "db")
        durable.load()
        for number in range(count):
            store.create(config(f"c-{number}", x=str(number)), stamp=NOW)
        await commit(durable, store)
        durable.close()
        again, restored = Durable(tmp_path / "db"), new_store()
        restored.restore(*again.load())
        again.close()
        assert list(restored.list(ConfigMap)) == list(store.list(ConfigMap))
        assert restored.count("ConfigMap") == count

    asyncio.run(run())


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
def test_a_successor_finds_what_was_acknowledged(tmp_path: Path, synchronous: str) -> None:
    async def run() -> None:
        store, commits = new_store(), list[int]()
        durable = Durable(tmp_path / "db", synchronous=synchronous, on_commit=commits.append)
        assert durable.load() == ([], 0)
        made = store.create(config(x="1"), stamp=NOW)
        store.create(config("b"), stamp=NOW)
        await commit(durable, store)
        store.update(replace(made, data={"x": "2"}))
        store.delete("ConfigMap", "default", "b", stamp=NOW)
        await commit(durable, store)
        assert commits[-1] == durable.durable_version == 4
        durable.close()

        again = Durable(tmp_path / "db")
        restored = new_store()
        restored.restore(*again.load())
        assert list(restored.list(ConfigMap)) == list(store.list(ConfigMap))
        # The newest version belonged to the object that is gone.
        assert restored.create(config("c"), stamp=NOW).metadata.resource_version == "5"
        await commit(again, restored)
        again.close()

    asyncio.run(run())


def test_what_is_submitted_before_the_end_is_written(tmp_path: Path) -> None:
    async def run() -> None:
        store, durable = new_store(), Durable(tmp_path / "db")
        for number in range(50):
            store.create(config(f"c{number}"), stamp=NOW)
            durable.submit(store.take_pending())
        durable.close()
        durable.close()
        again = Durable(tmp_path / "db")
        rows, version = again.load()
        assert (len(rows), version) == (50, 50)
        again.close()

    asyncio.run(run())


def test_each_waiter_is_released_by_its_own_version(tmp_path: Path) -> None:
    async def run() -> None:
        store, durable = new_store(), Durable(tmp_path / "db")
        store.create(config("a"), stamp=NOW)
        late = asyncio.ensure_future(durable.at_least(2))
        gone = asyncio.ensure_future(durable.at_least(1))
        await asyncio.sleep(0)
        gone.cancel()
        await commit(durable, store)
        assert not late.done()
        store.create(config("b"), stamp=NOW)
        await commit(durable, store)
        await late
        durable.close()

    asyncio.run(run())


def test_a_failed_commit_acknowledges_nothing_and_stops_for_good(tmp_path: Path) -> None:
    async def run() -> None:
        failures: list[Exception] = []
        durable = Durable(tmp_path / "db", on_failure=failures.append)
        store = new_store()
        store.create(config("a"), stamp=NOW)
        await commit(durable, store)
        # As a full disk does: the file may not grow any more.
        durable._database.execute("PRAGMA max_page_count = 1")
        store.create(config("big", x="x" * 100_000), stamp=NOW)
        with pytest.raises(InternalError, match="full"):
            await commit(durable, store)
        assert durable.durable_version == 1
        assert durable.failure is failures[0]
        store.create(config("c"), stamp=NOW)
        with pytest.raises(InternalError, match="full"):
            durable.submit(store.take_pending())
        with pytest.raises(InternalError, match="full"):
            await durable.at_least(2)
        durable.close()
        again = Durable(tmp_path / "db")
        rows, version = again.load()
        assert ([row.key[2] for row in rows], version) == (["a"], 1)
        again.close()

    asyncio.run(run())


def test_a_transaction_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    async def run() -> None:
        durable = Durable(tmp_path / "db")
        good = Row(("ConfigMap", "default", "a"), 1, b"{}")
        bad = Row(("ConfigMap", "default", "b"), 2, object())  # type: ignore[arg-type]
        durable.submit(Batch((good, bad), 2))
        with pytest.raises(InternalError):
            await durable.at_least(2)
        durable.close()
        again = Durable(tmp_path / "db")
        assert again.load() == ([], 0)
        again.close()

    asyncio.run(run())


def test_a_file_has_one_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emucluster.live.durable.LOCK_WAIT_S", 0.01)

    async def run() -> None:
        durable = Durable(tmp_path / "db")
        with pytest.raises(InternalError, match="locked"):
            Durable(tmp_path / "db")
        durable.close()
        Durable(tmp_path / "db").close()

    asyncio.run(run())


@pytest.mark.parametrize("content", ["garbage", "other format"])
def test_a_file_that_cannot_be_read_is_refused_and_left_as_it_is(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "db"
    if content == "garbage":
        path.write_bytes(b"not a database" * 100)
    else:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 9")
        database.close()
    before = path.read_bytes()

    async def run() -> None:
        with pytest.raises(InternalError, match="cannot open"):
            Durable(path)

    asyncio.run(run())
    assert content != "garbage" or path.read_bytes() == before


@pytest.mark.live
@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_lose_nothing_acknowledged_and_give_no_version_twice(
    tmp_path: Path, kills: int
) -> None:
    counts: dict[str, int] = {}
    versions: set[int] = set()
    highest = 0
    for life in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-P", str(WRITER), str(tmp_path / "db")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        acknowledged = 0
        try:
            for line in process.stdout:
                word, *rest = line.split()
                if word == "seen":
                    assert int(rest[1]) >= counts.get(rest[0], 0)
                elif word == "start":
                    assert int(rest[0]) >= highest, f"life {life} began below what was promised"
                else:
                    counts[rest[0]] = int(rest[1])
                    assert int(rest[2]) not in versions
                    versions.add(int(rest[2]))
                    highest = max(highest, int(rest[2]))
                    acknowledged += 1
                    if acknowledged == 20 + life:
                        process.kill()  # what is in the pipe still counts
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        assert acknowledged >= 20
    assert len(counts) == 8
