"""Writes to a store under eight writers until it is killed; says what was acknowledged.

Lines on standard output: `start VERSION`, then `ack WRITER COUNT VERSION` for each write, and
`seen KEY COUNT VERSION` for each object found at the start.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

from emucluster.core.objects import ConfigMap, ObjectMeta, replace
from emucluster.core.store import Store
from emucluster.live.durable import Durable

WRITERS = 8
NOW = "2026-01-01T00:00:00Z"


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def writer(store: Store, durable: Durable, number: int) -> None:
    name = f"w{number}"
    while True:
        old = store.get(ConfigMap, "default", name)
        if old is None:
            meta = ObjectMeta(namespace="default", name=name)
            new = store.create(ConfigMap(metadata=meta, data={"count": "1"}), stamp=NOW)
        else:
            value = int((old.data or {})["count"]) + 1
            new = store.update(replace(old, data={"count": str(value)}))
            # The newest version of all belongs to an object which is gone again at once.
            victim = ObjectMeta(namespace="default", name=f"v{number}")
            store.create(ConfigMap(metadata=victim), stamp=NOW)
            store.delete("ConfigMap", "default", f"v{number}", stamp=NOW)
        version = store.version
        durable.submit(store.take_pending())
        await durable.at_least(version)
        assert new.data is not None
        say("ack", name, new.data["count"], version)


async def main(path: str) -> None:
    durable = Durable(path, synchronous="NORMAL")
    rows, version = durable.load()
    store = Store(ids=random.Random())
    store.restore(rows, version)
    for found in store.list(ConfigMap):
        if found.data:
            say("seen", found.metadata.name, found.data["count"], version)
    say("start", version)
    await asyncio.gather(*(writer(store, durable, number) for number in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
