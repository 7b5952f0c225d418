"""The machines of a cluster: actors that are started, watched as processes, restarted and ended.

Ray's own opinion of an actor is never asked for: it calls a stopped process healthy, and needs 65 s
to miss a host. A machine's process is watched by the kernel (pidfd) here, by calls elsewhere.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from emucluster.core.errors import ClusterError
from emucluster.live.clock import wall_s
from emucluster.live.keeper import shell
from emucluster.live.keeper.process_end import ended
from emucluster.live.keeper.warden import started_ticks, stopped

Kind = Literal["node", "load-balancer", "control-plane", "load-generator"]
State = Literal["starting", "running", "gone"]

START_DEADLINE_S = 60.0
PING_PERIOD_S = 2.0
PING_DEADLINE_S = 10.0
RESTART_PAUSE_S = 0.4
"""Ray fails a call that it gets before it has noticed the death, and takes 2 s to say so."""
RESTART_DEADLINE_S = 30.0

_SHELLS: dict[Kind, type[shell.ActorShell]] = {
    "node": shell.Node,
    "load-balancer": shell.LoadBalancer,
    "control-plane": shell.ControlPlane,
    "load-generator": shell.LoadGenerator,
}

log = logging.getLogger(__name__)


class StartFailed(ClusterError):
    """A machine did not come up; the message names it and the reason."""


@dataclass(eq=False)
class Machine:
    """One actor and what is known of its process, as it is, not as the cluster believes."""

    name: str
    kind: Kind
    implementation: str
    config: dict[str, Any]
    address: str
    zone: str = ""
    host: str = ""
    """Where it runs, as Ray has it: who is on the same host has a way to its address."""
    ray_id: str | None = None
    """The Ray host it must run on; None leaves the choice to Ray."""
    here: bool = True
    """Whether it runs on the keeper's host, where its process can be watched and signalled."""
    late: dict[str, Any] = field(default_factory=dict)
    state: State = "starting"
    gone_wall_s: float = 0.0
    ends: int = 0
    """How often its process ended that no fault had ended."""
    doomed_pid: int = 0
    """The process that a fault has ended, if that is not noticed yet."""
    pid: int = 0
    started: int | None = None
    agent: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    """What `start` told last."""
    handle: Any = None
    watcher: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process of this pid is still the one that was started (here only)."""
        return self.pid > 0 and started_ticks(self.pid) == self.started

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped the running process by a signal (seen here only)."""
        return self.state == "running" and self.here and self.alive and stopped(self.pid)

    def crash(self) -> bool:
        """SIGKILL by a fault: its end is nobody else's doing. False as of `kill`."""
        self.doomed_pid = self.pid
        return self.kill()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> bool:
        """Signal the process; False if it is gone or not on this host."""
        if not (self.here and self.alive):
            return False
        os.kill(self.pid, number)
        return True


class Machines:
    """All machines by name, in the order in which they were added.

    `on_restarted` is told of a machine that Ray has started again by itself: the control plane.
    """

    def __init__(self) -> None:
        self.on_restarted: Callable[[Machine], None] = lambda machine: None
        self._by_name: dict[str, Machine] = {}
        self._stopping = False

    def __iter__(self) -> Iterator[Machine]:
        return iter(list(self._by_name.values()))

    def get(self, name: str) -> Machine | None:
        return self._by_name.get(name)

    def of_kind(self, kind: Kind) -> list[Machine]:
        return [machine for machine in self._by_name.values() if machine.kind == kind]

    def create(self, machine: Machine) -> None:
        """Ask Ray for the process, without waiting: many are created at once, then started."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if machine.here:
            os.makedirs(machine.config["directory"], exist_ok=True)
        options: dict[str, Any] = {
            "num_cpus": 0,
            # A dead node or load balancer stays dead, as a machine does; the API server's
            # supervisor brings it back.
            "max_restarts": -1 if machine.kind == "control-plane" else 0,
        }
        if machine.ray_id is not None:
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(
                machine.ray_id, soft=False
            )
        actor = ray.remote(_SHELLS[machine.kind]).options(**options)
        machine.handle = actor.remote(machine.implementation, machine.config)
        machine.state = "starting"
        self._by_name[machine.name] = machine

    async def start(self, machine: Machine, *, deadline_s: float = START_DEADLINE_S) -> None:
        """Wait until the machine runs. Raises `StartFailed`."""
        try:
            told = await _call(machine.handle.start, machine.late, deadline_s=deadline_s)
        except Exception as error:
            machine.state = "gone"
            raise StartFailed(f"{machine.name}: {reason(error)}") from error
        self._note_running(machine, told)
        machine.watcher = asyncio.create_task(self._watch(machine), name=f"watch {machine.name}")

    def _note_running(self, machine: Machine, told: dict[str, Any]) -> None:
        machine.told = told
        machine.pid = int(told["pid"])
        machine.started = started_ticks(machine.pid) if machine.here else None
        machine.agent = str(told.get("agent", ""))
        machine.state = "running"

    async def restart(self, machine: Machine) -> None:
        """A new process for a machine that is gone, with the same name, address and config."""
        await self.dispose(machine)
        self.create(machine)
        await self.start(machine)

    async def dispose(self, machine: Machine) -> None:
        """End the process whatever its state, and stop watching it."""
        import ray

        if machine.watcher is not None:
            machine.watcher.cancel()
            machine.watcher = None
        # Ray leaves a stopped process, and its listening sockets, for 5 s.
        machine.kill()
        if machine.handle is not None:
            ray.kill(machine.handle)
        if machine.here and machine.pid:
            await _gone(machine, 5.0)
        machine.state = "gone"

    async def remove(self, machine: Machine, *, grace_s: float) -> None:
        """Stop a machine in good order and forget it."""
        await self._stop(machine, grace_s)
        self._by_name.pop(machine.name, None)

    async def stop_all(self, *, grace_s: float) -> None:
        """Load balancers and nodes first, all at once, then the control plane."""
        self._stopping = True
        plane = self.of_kind("control-plane")
        others = [machine for machine in self._by_name.values() if machine not in plane]
        for group in (others, plane):
            await asyncio.gather(*(self._stop(machine, grace_s) for machine in group))

    async def _stop(self, machine: Machine, grace_s: float) -> None:
        if machine.watcher is not None:
            machine.watcher.cancel()
            machine.watcher = None
        if machine.state == "running" and (not machine.here or machine.alive):
            try:
                await _call(machine.handle.stop, grace_s, deadline_s=grace_s + 1.0)
            except Exception as error:  # dying is how a stop succeeds
                log.debug("%s stopped: %s", machine.name, type(error).__name__)
        await self.dispose(machine)

    async def _watch(self, machine: Machine) -> None:
        """Note the end of the process; a control plane is then followed through its restart."""
        while not self._stopping:
            await (ended(machine.pid) if machine.here else _silent(machine))
            log.warning("%s: process %d is gone", machine.name, machine.pid)
            machine.state, machine.gone_wall_s = "gone", wall_s()
            machine.ends += machine.pid != machine.doomed_pid
            if machine.kind != "control-plane":
                return
            machine.state = "starting"
            self._note_running(machine, await _restarted(machine))
            self.on_restarted(machine)


async def _call(method: Any, *arguments: Any, deadline_s: float) -> Any:
    """One actor call with a deadline. The reference is dropped at the deadline, not the call."""
    future = asyncio.wrap_future(method.remote(*arguments).future())
    return await asyncio.wait_for(future, deadline_s)


async def _restarted(machine: Machine) -> dict[str, Any]:
    """What a machine tells that Ray starts again, once it answers."""
    while True:
        await asyncio.sleep(RESTART_PAUSE_S)
        try:
            told: dict[str, Any] = await _call(
                machine.handle.start, machine.late, deadline_s=RESTART_DEADLINE_S
            )
            return told
        except Exception as error:
            log.info("%s is not back yet: %s", machine.name, reason(error))


async def _silent(machine: Machine) -> None:
    """Return once a machine on another host does not answer calls any more."""
    while True:
        try:
            await _call(machine.handle.ping, deadline_s=PING_DEADLINE_S)
        except TimeoutError:
            continue  # frozen or unreachable is not dead
        except Exception:
            return
        await asyncio.sleep(PING_PERIOD_S)


async def _gone(machine: Machine, deadline_s: float) -> None:
    try:
        await asyncio.wait_for(ended(machine.pid), deadline_s) if machine.alive else None
    except TimeoutError:
        log.error("%s: process %d did not end", machine.name, machine.pid)


def reason(error: BaseException) -> str:
    """The cause in one line, without Ray's traceback."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, TimeoutError):
        return "did not answer in time"
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    text = lines[-1] if lines else type(cause).__name__
    return text if isinstance(cause, OSError) else f"{type(cause).__name__}: {text}"
