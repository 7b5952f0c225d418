"""What the processes of the cluster took: each is asked, and the keeper tells of itself."""

from __future__ import annotations

import asyncio
from typing import Any

from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.faults import agent_of, running
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.rig.meter import RigMeter
from emucluster.live.rig.process_cpu import ProcessCpu
from emucluster.live.rpc.pb import lab_pb2

SAMPLE_S = 1.0
PLANE = "control-plane"


class ClusterRig:
    """Measures the keeper, and gathers the others' figures.

    A control plane that does not answer, frozen perhaps, is measured from outside: its processor
    time is known then, its event loop's lag is not.
    """

    def __init__(self, machines: Machines, agents: Agents) -> None:
        self._machines = machines
        self._agents = agents
        self._keeper = RigMeter("keeper")
        self._plane = ProcessCpu(PLANE)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._keeper.start()
        self._sample()

    def stop(self) -> None:
        self._keeper.stop()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def keeper(self) -> RigMeter:
        """What measures the keeper itself."""
        return self._keeper

    async def report(self, since_s: float) -> Any:
        """Figures of everybody since then, and who did not answer."""
        asked = running(self._machines)
        plane = self._running_plane()
        if plane is not None:
            asked.append((plane.name, agent_of(plane)))
        request = lab_pb2.RigRequest(since_s=since_s)
        replies, silent = await self._agents.gather(asked, "Rig", request)
        processes = [self._keeper.report(since_s)]
        processes += [process for reply in replies for process in reply.processes]
        seen_from_outside = self._plane.report(since_s) if PLANE in silent else None
        if seen_from_outside is not None:
            silent.remove(PLANE)
            processes.append(seen_from_outside)
        return lab_pb2.RigReport(processes=processes, silent=sorted(silent))

    def _sample(self) -> None:
        plane = self._running_plane()
        if plane is not None and plane.here:
            self._plane.sample(plane.pid)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SAMPLE_S, self._sample)

    def _running_plane(self) -> Machine | None:
        plane = self._machines.get(PLANE)
        return plane if plane is not None and plane.state == "running" else None
