"""Genuine grpc channels into the cluster, through the gateway of where the client stands.

grpc's C-core sends `CONNECT HOST:PORT` to a proxy given for addresses (`grpc.address_http_proxy`),
or to the dialled address itself (`grpc.http_connect_server`). Both are channel arguments, so what
the environment says about proxies does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from emucluster.client.path import Address
from emucluster.client.targets import Destination
from emucluster.live.load.channels import FLOW_HEADER, ONE_ATTEMPT, ROUND_ROBIN

Option = tuple[str, str | int]


def dial(
    destination: Destination,
    gateway: Address,
    *,
    number: int | None = None,
    flow_id: str = "",
    options: Sequence[Option] = (),
) -> grpc.Channel:
    """A channel to `destination`; nothing is sent before the first call.

    Args:
        gateway: where CONNECT is answered for this client.
        number: for a connection that serves one call, the how-manieth it is: of several addresses
            it takes one in turn, as clients do with the answers of DNS, and dials none twice. None:
            a lasting channel, which balances its calls over the addresses where the destination
            asks for it.
        flow_id: 32 hex digits; its connections tell them to the gateway in a header of CONNECT,
            for their flow records.
        options: further channel arguments, the user's own.
    """
    via = f"{gateway[0]}:{gateway[1]}"
    base: list[Option] = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),  # one connection is one connection
    ]
    if number is not None:
        base += ONE_ATTEMPT
    if flow_id:
        base.append(("grpc.http_connect_headers", f"{FLOW_HEADER}:{flow_id}"))
    if destination.name:
        named: list[Option] = [
            ("grpc.http_connect_server", destination.name),
            ("grpc.address_http_proxy_enabled_addresses", ""),
            ("grpc.default_authority", destination.name),
        ]
        return grpc.insecure_channel(f"ipv4:{via}", options=[*base, *named, *options])
    base += [
        ("grpc.address_http_proxy", via),
        ("grpc.address_http_proxy_enabled_addresses", "0.0.0.0/0"),
    ]
    if destination.balanced and number is None:
        base.append(("grpc.service_config", ROUND_ROBIN))
    addresses = destination.addresses
    first = (number or 0) % len(addresses)
    turned = (*addresses[first:], *addresses[:first])
    target = ",".join(f"{ip}:{port}" for ip, port in turned)
    return grpc.insecure_channel(f"ipv4:{target}", options=[*base, *options])
