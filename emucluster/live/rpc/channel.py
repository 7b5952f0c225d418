"""Channels between our own processes: token in the metadata, never a proxy of the environment."""

from collections.abc import Sequence

import grpc
import grpc.aio

from emucluster.live.network.gateway import NO_PROXY_OPTIONS

AUTHORIZATION = "authorization"

_LIMITS: tuple[tuple[str, str | int], ...] = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
)
# Between machines that may fall silent, a dead peer must be noticed by us and not by Ray.
_WATCHFUL: tuple[tuple[str, str | int], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.use_local_subchannel_pool", 1),
)
OPTIONS: Sequence[tuple[str, str | int]] = (*NO_PROXY_OPTIONS, *_LIMITS, *_WATCHFUL)


def credentials(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that every request between our processes carries."""
    return ((AUTHORIZATION, f"Bearer {token}"),)


def connect(address: str) -> grpc.Channel:
    """A blocking channel to `address` (`host:port`); pass `credentials(token)` with each call."""
    return grpc.insecure_channel(f"ipv4:{address}", options=list(OPTIONS))


def connect_aio(address: str) -> grpc.aio.Channel:
    """The same for a running event loop."""
    return grpc.aio.insecure_channel(f"ipv4:{address}", options=list(OPTIONS))
