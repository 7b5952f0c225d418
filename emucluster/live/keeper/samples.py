"""Gathers what a fault's witnesses see: by their sockets, from the API, from the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from emucluster.core.errors import NotFound, Unreachable
from emucluster.core.faults.compared import Members
from emucluster.core.faults.looks import Look
from emucluster.core.faults.witness import Sample, pushed_bytes
from emucluster.live.clock import now_s
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.faults import agent_of, running
from emucluster.live.keeper.machines import Machines
from emucluster.live.keeper.newcomer import Newcomers
from emucluster.live.keeper.observing import Observing
from emucluster.live.keeper.places import Place, Witness, request_for, samples_of
from emucluster.live.keeper.plane_faults import running_plane
from emucluster.live.rig.process_cpu import cpu_s_of
from emucluster.live.rpc.pb import lab_pb2

PROCESSOR_S = 0.5

PodOf = Callable[[str, str], Awaitable[dict[str, Any]]]


class Samples:
    """Knows how to get each kind of evidence. Nothing here decides anything."""

    def __init__(
        self,
        machines: Machines,
        agents: Agents,
        pod_of: PodOf,
        observing: Callable[[], Observing],
        newcomers: Newcomers | None = None,
    ) -> None:
        self._machines = machines
        self._agents = agents
        self._pod_of = pod_of
        self._observing = observing
        self._newcomers = newcomers

    async def look(
        self, look: Look, place: Place, by: Witness, params: Any, *, held: str = ""
    ) -> list[Sample]:
        """All that `look` asks for but the API's word, by one witness."""
        found: list[Sample] = []
        for how in look.hows:
            if how == "api":
                continue
            if how == "held":
                found += await self._held(by, held, look.timeout_s)
                continue
            request = request_for(how, place, by, timeout_s=look.timeout_s)
            request.count = 1 if how == "health" and "echo" in look.hows else look.count
            if "bytesPerSecond" in params:
                request.bytes = pushed_bytes(params)
            found += samples_of(how, await by.look(request))
        return found

    async def hold(self, place: Place, by: Witness) -> str:
        """Have a witness open a connection and keep it; the word for it, empty if it cannot."""
        request = request_for("exchange", place, by, timeout_s=1.0)
        request.how = "hold"
        reply = await by.look(request)
        sample = reply.samples[0]
        return str(sample.detail) if sample.outcome == "ok" else ""

    async def _held(self, by: Witness, word: str, timeout_s: float) -> list[Sample]:
        if not word:
            return []
        request = request_for("exchange", Place("", ""), by, timeout_s=timeout_s)
        request.how, request.host = "held", word
        return samples_of("held", await by.look(request))

    async def pod_word(self, namespace: str, name: str, kind: str) -> Sample:
        """The API's word for a pod, as faults of this kind are told by it."""
        try:
            pod = await self._pod_of(namespace, name)
        except NotFound:
            return Sample("api", "ok", detail="deleted")
        if kind == "zombie":
            gone = pod.get("metadata", {}).get("deletionTimestamp")
            return Sample("api", "ok", detail="deleted" if gone else "there")
        if kind == "readiness-flap":
            return Sample("api", "ok", detail="ready" if _is_ready(pod) else "not ready")
        return Sample("api", "ok", detail=_instance(pod))

    async def plane_word(self, kind: str, timeout_s: float) -> Sample:
        """How the API server answers now; of a crash, which process it is."""
        plane = self._machines.get("control-plane")
        if kind == "crash":
            pid = plane.pid if plane is not None and plane.state == "running" else 0
            return Sample("api", "ok", detail=f"process {pid}" if pid else "no process")
        began_s = now_s()
        try:
            async with asyncio.timeout(timeout_s):
                with contextlib.suppress(NotFound):
                    # Asked itself: that it was told to stop is no evidence that it has.
                    agent = agent_of(running_plane(self._machines))
                    await self._agents.pod(agent, "default", "emucluster-witness")
        except TimeoutError:
            return Sample("api", "timeout", connected=True)
        except Unreachable as error:
            return Sample("api", "refused", detail=str(error))
        return Sample("api", "ok", answer_s=now_s() - began_s)

    async def processor(self, machine: str) -> float | None:
        """Share of a core that a machine's process takes now; None if it cannot be told here."""
        found = self._machines.get(machine)
        before_s = cpu_s_of(found.pid) if found is not None and found.here else None
        if found is None or before_s is None:
            return None
        began_s = now_s()
        await asyncio.sleep(PROCESSOR_S)
        after_s = cpu_s_of(found.pid)
        return None if after_s is None else (after_s - before_s) / (now_s() - began_s)

    async def members(self, observer: str, machine: str) -> tuple[Members, Members]:
        """Who `machine` takes to be behind each Service, and who others do, the API among them."""
        mine: dict[str, set[str]] = {}
        others: dict[str, set[str]] = {}
        for each in await self._state():
            if each.truth or each.state != "in":
                continue
            if each.observer == observer and each.where == machine:
                mine.setdefault(each.service, set()).add(each.subject)
            elif each.observer == "endpoints":
                others.setdefault(each.service, set()).add(each.subject)
        return mine, others

    def can_tell_of_newcomers(self, machine: str) -> bool:
        """Whether `newcomer` can ask there."""
        return self._newcomers is not None and self._newcomers.can_ask(machine)

    async def newcomer(self, observer: str, machine: str) -> tuple[Sample, Sample] | None:
        """What `machine` and others say of a Service that is newer than any fault; None: nobody
        here can ask."""
        if self._newcomers is None:
            return None
        return await self._newcomers.asked(machine, observer)

    async def targets(self, balancer: str) -> dict[str, str]:
        """Node -> state as a load balancer has it."""
        where = balancer.removeprefix("lb/")
        return {
            each.subject.removeprefix("node/"): each.word.partition(":")[0]
            for each in await self._state()
            if each.observer == "load-balancer" and each.where == where
        }

    async def checks_s(self, balancer: str, since_s: float) -> list[float]:
        """When each health check of a load balancer came to the target that it checked most."""
        found = self._machines.get(balancer)
        if found is None:
            return []
        nodes = {machine.name for machine in self._machines.of_kind("node")}
        asked = [(name, agent) for name, agent in running(self._machines) if name in nodes]
        request = lab_pb2.FlowsRequest(since_s=since_s, address=found.address)
        replies, _ = await self._agents.gather(asked, "Flows", request)
        # What carried bytes was traffic: some load balancers send that from their own address too.
        times = [sorted(f.start_s for f in reply.flows if not f.bytes_in) for reply in replies]
        told, _ = await self._agents.gather(asked, "Describe", lab_pb2.DescribeRequest())
        times += [_http_checks_s(reply, found.address, since_s) for reply in told]
        return max(times, key=len, default=[])

    async def _state(self) -> list[Any]:
        """Everything that is believed now."""
        found: list[Any] = []
        stream = self._observing().stream()
        async with contextlib.aclosing(stream):
            async for batch in stream:
                found += batch.observations
                if batch.state_done:
                    break
        return found


def _http_checks_s(reply: Any, balancer: str, since_s: float) -> list[float]:
    """When a load balancer's checks came to a node's health ports."""
    checks = json.loads(reply.json or b"{}").get("health_checks", {})
    return sorted(at_s for at_s in checks.get(balancer, ()) if at_s >= since_s)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _instance(pod: dict[str, Any]) -> str:
    """Which instances of its containers a pod has, and what they do, as the API has it."""
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return ", ".join(
        f"{each['name']} {each.get('containerID', '')[-8:] or 'none'} "
        f"{' '.join(each.get('state', {})) or 'unknown'}, {each.get('restartCount', 0)} restarts"
        for each in statuses
    )
