"""Records of ended calls in columns: about 100 bytes a call until the batch is taken."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from emucluster.live.load.connections import Connection
from emucluster.live.rpc.pb import load_pb2

DETAILS_MAX = 200
DETAIL_CHARS = 300
EVENTS_MAX = 5_000
OTHER = "(further texts were left out)"

# Types of the columns, in the order of `Records.add`.
_COLUMNS = {
    "group": "I",
    "client": "I",
    "number": "Q",
    "intended_s": "d",
    "started_s": "d",
    "ended_s": "d",
    "status": "B",
    "outcome": "B",
    "pod": "I",
    "connection": "Q",
    "sent_bytes": "Q",
    "received_bytes": "Q",
    "replies": "I",
    "first_reply_s": "d",
    "executed": "I",
    "attempts": "I",
    "detail": "I",
}


class Records:
    """What ended since the last batch."""

    def __init__(self) -> None:
        self._clear()

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, *row: float) -> None:
        """One call, its values in the order of the columns."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)

    def pod(self, reply: Any) -> int:
        """The number of the pod that sent this EchoReply."""
        key = (reply.pod_ip, reply.pod, reply.namespace, reply.node, reply.zone)
        number = self._pods.get(key)
        if number is None:
            number = self._pods[key] = len(self._pods) + 1
        return number

    def connection(self, connection: Connection | None) -> int:
        """The number of a connection, which the batch will then describe."""
        if connection is None:
            return 0
        self._connections[connection.id] = connection
        return connection.id

    def detail(self, text: str) -> int:
        """The number of a text, cut to one line; 0 for none."""
        text = text.split("\n", 1)[0][:DETAIL_CHARS]
        if not text:
            return 0
        if text not in self._details and len(self._details) >= DETAILS_MAX:
            text = OTHER
        return self._details.setdefault(text, len(self._details) + 1)

    def event(self, channel: str, at_s: float, state: str) -> None:
        """A channel's connectivity state; beyond 5,000 in a batch they are left out."""
        if len(self._events) < EVENTS_MAX:
            self._events.append(load_pb2.ChannelEvent(channel=channel, at_s=at_s, state=state))

    def take(self) -> load_pb2.LoadBatch:
        """Everything since the last time, as the content of a batch."""
        calls = load_pb2.LoadCalls(**dict(zip(_COLUMNS, self._columns, strict=True)))
        batch = load_pb2.LoadBatch(
            calls=calls,
            pods=_pods(list(self._pods)),
            connections=[
                load_pb2.LoadConnection(
                    id=c.id, channel=c.channel, client=c.client, opened_s=c.opened_s, flow=c.flow
                )
                for c in self._connections.values()
            ],
            details=list(self._details),
            events=self._events,
        )
        self._clear()
        return batch

    def _clear(self) -> None:
        self._columns: list[array[Any]] = [array(code) for code in _COLUMNS.values()]
        self._pods: dict[tuple[str, ...], int] = {}
        self._connections: dict[int, Connection] = {}
        self._details: dict[str, int] = {}
        self._events: list[load_pb2.ChannelEvent] = []


def _pods(keys: Sequence[tuple[str, ...]]) -> list[load_pb2.LoadPod]:
    return [
        load_pb2.LoadPod(pod_ip=ip, pod=pod, namespace=namespace, node=node, zone=zone)
        for ip, pod, namespace, node, zone in keys
    ]
