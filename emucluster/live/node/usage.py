"""What the processes of a node take: processor time and memory, as the kernel tells them.

Nothing is sampled while nobody asks. Who asks for the first time in a while, or of containers that
have come since, waits for a second look; else figures are of the time since somebody asked before.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emucluster.live.clock import now_s, wall_s
from emucluster.live.pods.running import RunningContainer
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.rig.process_cpu import cpu_s_of
from emucluster.live.rpc.pb import lab_pb2

WINDOW_MIN_S, WINDOW_MAX_S = 1.0, 60.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_Key = tuple[str, str, str]
_NODE: _Key = ("", "", "")


@dataclass(frozen=True, slots=True)
class _Look:
    """What each process has taken up to then, by its pid and when it began."""

    at_s: float
    cpu_s: dict[_Key, dict[tuple[int, int], float]]
    memory_bytes: dict[_Key, int]


class NodeUsage:
    """Figures of the node as a whole, and of the containers whose processes are theirs alone."""

    def __init__(self, runtime: PodRuntime) -> None:
        self._runtime = runtime
        self._last: _Look | None = None

    async def report(self) -> Any:
        """An UsageReport; takes up to a second."""
        before, owners = self._last, self._owners()
        if (
            before is None
            or not WINDOW_MIN_S <= now_s() - before.at_s <= WINDOW_MAX_S
            or not owners.keys() <= before.cpu_s.keys()
        ):
            before = await asyncio.to_thread(self._look, owners)
            await asyncio.sleep(WINDOW_MIN_S)
        after = await asyncio.to_thread(self._look, self._owners())
        self._last = after
        figures = [
            _usage(key, before, after) for key in after.cpu_s if key == _NODE or key in before.cpu_s
        ]
        node = next(each for each in figures if not each.pod)
        return lab_pb2.UsageReport(
            at_s=wall_s(), node=node, containers=[each for each in figures if each.pod]
        )

    def _owners(self) -> dict[_Key, list[int]]:
        """The roots of each container's processes, and the node's own."""
        owners: dict[_Key, list[int]] = {_NODE: [os.getpid()]}
        for uid, pod in self._runtime.pods():
            process = self._runtime.pid_of(uid)
            process = None if process == os.getpid() else process
            owners[_NODE] += [process] if process else []
            servers = [each for each in pod.containers.values() if not _is_command(each)]
            for name, container in pod.containers.items():
                roots = self._roots(container, process, servers)
                if roots:
                    owners[pod.identity.namespace, pod.identity.name, name] = roots
                    owners[_NODE] += roots
        return owners

    def _roots(
        self, container: RunningContainer, process: int | None, servers: list[RunningContainer]
    ) -> list[int]:
        """Empty for a container that shares its process with another one, or with the node.

        The pod's own process is the container's where it serves, and the node's where it has only
        started a command, as a runtime's shim is no part of its container.
        """
        if not container.started:
            return []
        if _is_command(container):
            return [container.pid, *self._runtime.exec_pids(container.command.container_id)]
        return [process] if process is not None and len(servers) == 1 else []

    @staticmethod
    def _look(owners: dict[_Key, list[int]]) -> _Look:
        children = _children()
        cpu_s: dict[_Key, dict[tuple[int, int], float]] = {}
        memory: dict[_Key, int] = {}
        claimed = {root for key, roots in owners.items() if key != _NODE for root in roots}
        for key, roots in owners.items():
            pids = set(_descendants(roots, children, stop=claimed if key != _NODE else set()))
            times = {(pid, children.begun.get(pid, 0)): cpu_s_of(pid) for pid in pids}
            cpu_s[key] = {each: taken for each, taken in times.items() if taken is not None}
            memory[key] = sum(_resident_bytes(pid) for pid in pids)
        return _Look(now_s(), cpu_s, memory)


def _is_command(container: RunningContainer) -> bool:
    return container.command.spec.image.kind == "command"


def _usage(key: _Key, before: _Look, after: _Look) -> Any:
    """Of a process that ended meanwhile nothing is counted, of a new one all."""
    namespace, pod, container = key
    earlier = before.cpu_s.get(key, {})
    taken_s = sum(cpu_s - earlier.get(each, 0.0) for each, cpu_s in after.cpu_s[key].items())
    window_s = after.at_s - before.at_s
    return lab_pb2.ContainerUsage(
        namespace=namespace,
        pod=pod,
        container=container,
        cpu_cores=max(0.0, taken_s / window_s),
        memory_bytes=after.memory_bytes[key],
        window_s=window_s,
    )


@dataclass(frozen=True, slots=True)
class _Processes:
    """Who is whose child on this machine, who is in whose process group, and when each began, in
    ticks since the boot."""

    of: dict[int, list[int]]
    in_group: dict[int, list[int]]
    begun: dict[int, int]


def _children() -> _Processes:
    of: dict[int, list[int]] = {}
    in_group: dict[int, list[int]] = {}
    begun: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        pid = int(name)
        of.setdefault(int(fields[1]), []).append(pid)
        in_group.setdefault(int(fields[2]), []).append(pid)
        begun[pid] = int(fields[19])
    return _Processes(of, in_group, begun)


def _descendants(roots: Iterable[int], known: _Processes, *, stop: set[int]) -> Iterable[int]:
    """The roots and all below them, less what is below another's root (`stop`).

    A process whose parent has ended hangs below somebody else; by its group it is still found.
    """
    own = set(roots)
    members = {each for root in own for each in known.in_group.get(root, ())}
    waiting = [*own, *(members - own - stop)]
    found: set[int] = set()
    while waiting:
        pid = waiting.pop()
        if pid in found:
            continue
        found.add(pid)
        yield pid
        waiting += [each for each in known.of.get(pid, ()) if each not in stop | own]


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
