"""The addresses of a node's pods."""

from ipaddress import IPv4Address, IPv4Network


class NoPodIPs(RuntimeError):
    """Every address of the node's range is taken."""


class PodIPs:
    """Gives out the addresses of a node's range, going round so that none is re-used at once.

    The first host address is the node's own gateway into the range; pods start at the second.
    The cursor goes round as CNI's host-local plugin lets it.
    """

    def __init__(self, cidr: str) -> None:
        network = IPv4Network(cidr)
        if network.num_addresses < 4:
            raise ValueError(f"podCIDR: {cidr} has no room for pods")
        self._first = int(network.network_address) + 2
        self._count = network.num_addresses - 3  # network, gateway, broadcast
        self._cursor = 0
        self._taken: set[str] = set()

    def allocate(self) -> str:
        """The next free address. Raises `NoPodIPs`."""
        for _ in range(self._count):
            address = str(IPv4Address(self._first + self._cursor))
            self._cursor = (self._cursor + 1) % self._count
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise NoPodIPs("no addresses left in the node's podCIDR")

    def claim(self, address: str) -> bool:
        """Take this very address, for a pod that already has it; False if that is not possible."""
        try:
            index = int(IPv4Address(address)) - self._first
        except ValueError:
            return False
        if not 0 <= index < self._count or address in self._taken:
            return False
        self._taken.add(address)
        return True

    def release(self, address: str) -> None:
        self._taken.discard(address)

    def release_all(self) -> None:
        """After a reboot; the cursor stays where it was."""
        self._taken.clear()
