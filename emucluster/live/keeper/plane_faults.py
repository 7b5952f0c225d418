"""Faults of the control plane's process, done by signals: a stopped process cannot stop itself."""

from __future__ import annotations

import signal

from emucluster.core.errors import EmuclusterError, Unreachable
from emucluster.core.faults import FaultLease
from emucluster.live.keeper.machines import Machine, Machines

SIGNALS = {"crash": signal.SIGKILL, "freeze": signal.SIGSTOP}


class PlaneProcess:
    """The control plane as its host sees it.

    A keeper that is killed leaves no stopped process behind: its warden ends them all.
    """

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def break_(self, lease: FaultLease) -> str:
        """crash: Ray starts it again at once; freeze: until mended."""
        plane = running_plane(self._machines)
        number = SIGNALS[lease.kind]
        if not (plane.crash() if lease.kind == "crash" else plane.kill(number)):
            raise EmuclusterError("the control plane's process is not on the keeper's host")
        return number.name

    async def mend(self, lease: FaultLease) -> None:
        """Let it go on, if it is still that process."""
        plane = self._machines.get("control-plane")
        if lease.kind == "freeze" and plane is not None:
            plane.kill(signal.SIGCONT)


def running_plane(machines: Machines) -> Machine:
    """The control plane. Raises Unreachable while it does not run."""
    plane = machines.get("control-plane")
    if plane is None or plane.state != "running":
        raise Unreachable("the control plane is not running")
    return plane
