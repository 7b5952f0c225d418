"""Faults of links, held by the host at which packets arrive."""

from __future__ import annotations

from collections.abc import Callable

from emucluster.core.errors import EmuclusterError, NotFound
from emucluster.core.faults import FaultLease, parse_target
from emucluster.live.network.forwarder import Forwarding

PodAddress = Callable[[str, str], str | None]


class LinkFaults:
    """Breaks and mends what arrives at one host, by its `Forwarding`.

    `pod_address`: of the pod of this namespace and name, None when it is not here.
    """

    def __init__(self, forwarding: Forwarding, *, pod_address: PodAddress | None = None) -> None:
        self._forwarding = forwarding
        self._pod_address = pod_address

    async def break_(self, lease: FaultLease) -> str:
        """Hit what arrives from the lease's networks, at a pod or at the whole host.

        Raises NotFound when the pod is not here, EmuclusterError for peers that are too many for a
        filter.
        """
        local = self._local(lease)
        try:
            return self._forwarding.shape(lease, local=local)
        except ValueError as error:
            raise EmuclusterError(f"{lease.kind} of {lease.target}: {error}") from error

    async def mend(self, lease: FaultLease) -> None:
        """Let everything that was held go on."""
        self._forwarding.unshape(lease)

    def _local(self, lease: FaultLease) -> str | None:
        target = parse_target(lease.target)
        if target.kind != "pod" or self._pod_address is None:
            return None
        address = self._pod_address(target.namespace, target.name)
        if address is None:
            raise NotFound(f'pod "{target.namespace}/{target.name}" does not run here')
        return address
