"""A pod's process without Ray: `python -m tests.live.pods.pod_main CONFIG_AS_JSON`."""

import asyncio
import json
import sys

import uvloop

from emucluster.live.actors.pod import PodActor


async def main() -> None:
    actor = PodActor(json.loads(sys.argv[1]))
    await actor.start()
    await asyncio.Event().wait()  # the process ends by its leash


if __name__ == "__main__":
    uvloop.run(main())  # as Ray's async actors do
