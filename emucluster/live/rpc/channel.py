"""Channels between our own processes: token in the metadata, never a proxy of the environment."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import grpc
import grpc.aio

from emucluster.live.network.gateway import NO_PROXY_OPTIONS

AUTHORIZATION = "authorization"

_LIMITS: tuple[tuple[str, str | int], ...] = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
)
CONNECT_TIMEOUT_S = 5.0
"""Until a server's first frame. One that is busy, or whose process has only begun, takes a while;
one that is gone refuses at once, and one that is silent fails by each call's own deadline."""

# Between machines that may fall silent, a dead peer must be noticed by us and not by Ray.
_WATCHFUL: tuple[tuple[str, str | int], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Despite its name how long an attempt may take (gRPC's doc/connection-backoff.md).
    ("grpc.min_reconnect_backoff_ms", int(1000 * CONNECT_TIMEOUT_S)),
    ("grpc.use_local_subchannel_pool", 1),
)
OPTIONS: Sequence[tuple[str, str | int]] = (*NO_PROXY_OPTIONS, *_LIMITS, *_WATCHFUL)


def credentials(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that every request between our processes carries."""
    return ((AUTHORIZATION, f"Bearer {token}"),)


def connect(address: str) -> grpc.Channel:
    """A blocking channel to `address` (`host:port`); pass `credentials(token)` with each call."""
    return grpc.insecure_channel(f"ipv4:{address}", options=list(OPTIONS))


def connect_aio(
    address: str, options: Mapping[str, str | int] = MappingProxyType({})
) -> grpc.aio.Channel:
    """The same for a running event loop; `options` go before our own."""
    chosen = {**dict(OPTIONS), **options}
    return grpc.aio.insecure_channel(f"ipv4:{address}", options=list(chosen.items()))
