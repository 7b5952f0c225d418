"""Which endpoints one node's proxy would choose, kept by difference."""

from __future__ import annotations

from collections.abc import Callable, Collection

from .choose import NodeProxy
from .service_ports import ServicePortName
from .topology import Address, EndpointList

OnMember = Callable[[ServicePortName, Address, bool], None]
"""Called when an endpoint of a service port begins (True) or ceases to be chosen."""


class Membership:
    """Told of each change of the proxy's table, tells whom the proxy would choose from now on.

    A changed endpoint costs the same among ten and ten thousand. Only where the proxy goes over to
    another list as a whole, as from ready endpoints to terminating ones, all are looked at.
    """

    def __init__(self, proxy: NodeProxy, on_member: OnMember) -> None:
        self._proxy = proxy
        self._on_member = on_member
        self._lists: dict[ServicePortName, tuple[EndpointList, ...]] = {}
        self._chosen: dict[ServicePortName, set[Address]] = {}

    def handle(self, name: ServicePortName, addresses: Collection[Address] | None) -> None:
        """These endpoints of a service port changed; None: perhaps all."""
        lists = self._proxy.usable(name)
        known = self._lists.get(name, ())
        same = len(lists) == len(known) and all(
            now is before for now, before in zip(lists, known, strict=True)
        )
        chosen = self._chosen.get(name, set())
        if addresses is None or not same:
            every = {endpoint.address for each in lists for endpoint in each}
            addresses = every | chosen
        for address in addresses:
            is_chosen = any(each.get(address) is not None for each in lists)
            if is_chosen != (address in chosen):
                (chosen.add if is_chosen else chosen.remove)(address)
                self._on_member(name, address, is_chosen)
        self._keep(name, lists, chosen)

    def refresh(self) -> None:
        """Look at everything: the table is another one, or the node is in another zone."""
        for name in {*self._lists, *self._proxy.table.ports}:
            self.handle(name, None)

    def _keep(
        self, name: ServicePortName, lists: tuple[EndpointList, ...], chosen: set[Address]
    ) -> None:
        if lists:
            self._lists[name], self._chosen[name] = lists, chosen
        else:
            self._lists.pop(name, None)
            self._chosen.pop(name, None)
