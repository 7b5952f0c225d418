"""ClusterIPs: one address for a Service, from the cluster's Service range.

Bands and errors: kubernetes pkg/registry/core/service/ipallocator, KEP-3070.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network

from .allocation import AllocationError, Pool


class NotInRange(AllocationError):
    """The address is outside of the range, or its network or broadcast address."""


class Allocated(AllocationError):
    """Another Service has the address."""

    def __init__(self) -> None:
        super().__init__("provided IP is already allocated")


def static_band(addresses: int) -> int:
    """How many addresses of a range of this size are left to explicit requests."""
    return 0 if addresses <= 16 else min(max(16, addresses // 16), 256)


class ClusterIPs:
    """The allocator of one Service range; IPv4."""

    def __init__(self, cidr: str, *, rng: random.Random) -> None:
        """`cidr`: at most a /30, so that there is an address to give. Raises ValueError."""
        self._network = IPv4Network(cidr)
        if self._network.prefixlen > 30:
            raise ValueError(f"service range: must hold at least 2 addresses, got {cidr}")
        self._base = int(self._network.network_address) + 1
        self._count = self._network.num_addresses - 2
        band = min(static_band(self._network.num_addresses), self._count)
        self._pool = Pool(self._count, static_band=band, rng=rng)

    def __len__(self) -> int:
        return len(self._pool)

    def __contains__(self, ip: object) -> bool:
        try:
            return isinstance(ip, str) and self._offset(ip) in self._pool
        except NotInRange:
            return False

    def allocate(self, ip: str) -> None:
        """Takes a certain address. Raises NotInRange, Allocated."""
        if not self._pool.take(self._offset(ip)):
            raise Allocated

    def allocate_next(self) -> str:
        """Takes a random address of the dynamic band, else of the static one. Raises Full."""
        return str(IPv4Address(self._base + self._pool.take_next()))

    def release(self, ip: str) -> None:
        """Frees an address; one that was never given out is no error."""
        try:
            self._pool.release(self._offset(ip))
        except NotInRange:
            return

    def clear(self) -> None:
        """Frees all."""
        self._pool.clear()

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """See `Pool.transaction`."""
        with self._pool.transaction(keep=keep):
            yield

    def _offset(self, ip: str) -> int:
        try:
            offset = int(IPv4Address(ip)) - self._base
        except ValueError:
            offset = -1
        if not 0 <= offset < self._count:
            raise NotInRange(
                f"the provided IP ({ip}) is not in the valid range. "
                f"The range of valid IPs is {self._network}"
            )
        return offset
