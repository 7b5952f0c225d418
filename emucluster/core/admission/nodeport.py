"""Node ports: one number on every node for a Service's port or its health check.

A number belongs to one Service in the whole cluster, whatever the protocol; only within a Service
may ports of different protocols share it, so a (protocol, port) pair never has two owners.
Bands and errors: kubernetes pkg/registry/core/service/portallocator, KEP-3668.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from .allocation import AllocationError, Pool

DEFAULT_RANGE = range(30000, 32768)
"""--service-node-port-range of kube-apiserver."""


class PortNotInRange(AllocationError):
    """The port is outside of the range."""


class PortAllocated(AllocationError):
    """Another Service has the port."""

    def __init__(self) -> None:
        super().__init__("provided port is already allocated")


def static_band(ports: int) -> int:
    """How many ports of a range of this size are left to explicit requests."""
    return 0 if ports <= 16 else min(max(16, ports // 32), 128)


class NodePorts:
    """The allocator of one range of ports."""

    def __init__(self, ports: range = DEFAULT_RANGE, *, rng: random.Random) -> None:
        """`ports`: without gaps, within 1 to 65535. Raises ValueError."""
        if ports.step != 1 or not ports or ports[0] < 1 or ports[-1] > 65535:
            raise ValueError(f"node port range: must be within 1-65535, got {ports}")
        self._ports = ports
        self._pool = Pool(len(ports), static_band=static_band(len(ports)), rng=rng)

    def __len__(self) -> int:
        return len(self._pool)

    def __contains__(self, port: object) -> bool:
        if not isinstance(port, int) or port not in self._ports:
            return False
        return port - self._ports[0] in self._pool

    def allocate(self, port: int) -> None:
        """Takes a certain port. Raises PortNotInRange, PortAllocated."""
        if port not in self._ports:
            raise PortNotInRange(
                "provided port is not in the valid range. "
                f"The range of valid ports is {self._ports[0]}-{self._ports[-1]}"
            )
        if not self._pool.take(port - self._ports[0]):
            raise PortAllocated

    def allocate_next(self) -> int:
        """Takes a random port of the dynamic band, else of the static one. Raises Full."""
        return self._ports[0] + self._pool.take_next()

    def release(self, port: int) -> None:
        """Frees a port; one that was never given out is no error."""
        if port in self._ports:
            self._pool.release(port - self._ports[0])

    def clear(self) -> None:
        """Frees all."""
        self._pool.clear()

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """See `Pool.transaction`."""
        with self._pool.transaction(keep=keep):
            yield
