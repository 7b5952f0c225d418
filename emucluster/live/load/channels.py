"""Channels into the cluster, led through the gateway of where their client stands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from hashlib import blake2b

import grpc
import grpc.aio

from emucluster.live.load.clock import LoadClock
from emucluster.live.load.connections import IDLE, ChannelConnections
from emucluster.live.load.settings import Argument, Group, Target

FLOW_HEADER = "X-Emucluster-Flow"
ONE_ATTEMPT: tuple[Argument, ...] = (
    ("grpc.initial_reconnect_backoff_ms", 3_600_000),
    ("grpc.max_reconnect_backoff_ms", 3_600_000),
)
"""Each address is dialled once: for the channel of one call, which neither waits nor tries again.

grpc counts its second of backoff from the beginning of an attempt. One that ended later is followed
by the next at once, which is not the failed call's any more but would be taken for its path.
"""

ROUND_ROBIN = '{"loadBalancingConfig":[{"round_robin":{}}]}'

OnState = Callable[[str, float, str], None]


def flow_id(text: str) -> str:
    """The 32 hex digits that a call's or channel's connections tell the gateway."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def address_of(target: Target) -> str:
    """What gRPC is given to resolve, where no name is left to the gateway."""
    return target.uri or f"ipv4:{','.join(target.addresses)}"


def arguments(group: Group, gateway: str, flow: str) -> list[Argument]:
    """The channel arguments of one channel; the group's own come last and so win."""
    target = group.target
    found: list[Argument] = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),  # a channel's connection is its own
        ("grpc.max_receive_message_length", 65 << 20),
        ("grpc.max_send_message_length", 65 << 20),
    ]
    found.append(("grpc.address_http_proxy_enabled_addresses", _proxied(target, gateway)))
    if gateway and target.name:
        found += [("grpc.http_connect_server", target.name)]
    elif gateway:
        found += [("grpc.address_http_proxy", gateway)]
    if target.name:
        found.append(("grpc.default_authority", target.name))
    if gateway and flow:
        found.append(("grpc.http_connect_headers", f"{FLOW_HEADER}:{flow}"))
    if not (group.channels or group.wait_for_ready or group.retrying):
        found += ONE_ATTEMPT
    config = group.service_config or (ROUND_ROBIN if target.round_robin else "")
    if config:
        found.append(("grpc.service_config", config))
    if group.service_config and target.round_robin:
        # A config without loadBalancingConfig leaves the choice to this older argument.
        found.append(("grpc.lb_policy_name", "round_robin"))
    return [*found, *group.arguments]


def _proxied(target: Target, gateway: str) -> str:
    """A name is asked of the gateway in its own connection, which no other proxy may lead."""
    return "0.0.0.0/0" if gateway and not target.name else ""


def open_channel(group: Group, gateway: str, flow: str) -> grpc.aio.Channel:
    """A channel that connects with its first call. Dropping the last reference closes it."""
    target = group.target
    uri = address_of(target)
    if target.name:
        uri = f"ipv4:{gateway}" if gateway else f"dns:///{target.name}"
    return grpc.aio.insecure_channel(uri, options=arguments(group, gateway, flow))


class Link:
    """A lasting channel, with the history of its connections."""

    def __init__(
        self,
        name: str,
        group: Group,
        gateway: str,
        *,
        run: str,
        clock: LoadClock,
        new_id: Callable[[], int],
        on_state: OnState,
    ) -> None:
        flow = flow_id(f"{run}/{name}") if gateway else ""
        self.channel = open_channel(group, gateway, flow)
        self.connections = ChannelConnections(name, new_id, flow=flow)
        self._clock = clock
        self._on_state = on_state
        self._watch = asyncio.get_running_loop().create_task(self._follow())

    def connected_since(self, since_s: float) -> bool:
        """See `ChannelConnections.connected_since`."""
        return self.connections.connected_since(since_s, self.channel.get_state().name)

    async def aclose(self) -> None:
        """Close the channel; its calls end as cancelled."""
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch
        await self.channel.close()

    async def _follow(self) -> None:
        last = grpc.ChannelConnectivity.IDLE
        while last is not grpc.ChannelConnectivity.SHUTDOWN:
            await self.channel.wait_for_state_change(last)
            state = self.channel.get_state()
            if state is last:  # it changed and changed back before we looked
                self._tell(IDLE)
            self._tell(state.name)
            last = state

    def _tell(self, state: str) -> None:
        now_s = self._clock.now_s()
        self.connections.state_changed(state, now_s)
        self._on_state(self.connections.channel, now_s, state)
