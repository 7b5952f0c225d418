"""Batches read back as rows, for whoever watches a generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc

from emucluster.live.load.outcome import Outcome

STATUS_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class CallRow(NamedTuple):
    """One call. Times are wall-clock seconds; latency is `ended_s - intended_s`.

    Attributes:
        id: `RUN/GROUP/CLIENT/NUMBER`, which echo pods remember.
        started_s: 0 where the call was never begun.
        outcome: `ok`, `failed` (it did not run), `unknown` (it may have run), `not-started`.
        connection: names the connection within the run; empty where none is known.
        connection_opened_s: at the latest; 0 where none is known.
        first_reply_s: 0 without any.
        executed: how often that pod had executed this id by then, this time included.
        attempts: 0 where not known.
    """

    group: str
    client: int
    id: str
    intended_s: float
    started_s: float
    ended_s: float
    status: str
    outcome: str
    pod: str
    namespace: str
    node: str
    zone: str
    pod_ip: str
    connection: str
    connection_opened_s: float
    client_address: str
    sent_bytes: int
    received_bytes: int
    replies: int
    first_reply_s: float
    executed: int
    attempts: int
    detail: str


_NO_POD = ("", "", "", "", "")
_NO_CONNECTION = ("", 0.0, "")


def rows(batch: Any) -> Iterator[CallRow]:
    """The calls of a `LoadBatch`, in the order in which they ended."""
    pods = [_NO_POD, *((p.pod, p.namespace, p.node, p.zone, p.pod_ip) for p in batch.pods)]
    connections = {
        c.id: (f"{batch.generator}/{c.channel}/{c.id}", c.opened_s, c.client)
        for c in batch.connections
    }
    details = ["", *batch.details]
    for values in _values(batch.calls):
        (group, client, number, intended_s, started_s, ended_s, status, outcome, pod) = values[:9]
        connection, sent, received, replies, first_s, executed, attempts, detail = values[9:]
        name = batch.groups[group]
        call_id = f"{batch.run}/{name}/{client}/{number}"
        if batch.per_call[group] and started_s:
            carried = (call_id, started_s, "")
        else:
            carried = connections.get(connection, _NO_CONNECTION)
        answer = (sent, received, replies, first_s, executed, attempts, details[detail])
        ended = STATUS_NAMES.get(status, "") if started_s else "", Outcome(outcome).word
        times = (intended_s, started_s, ended_s)
        yield CallRow._make((name, client, call_id, *times, *ended, *pods[pod], *carried, *answer))


def _values(calls: Any) -> Iterator[tuple[Any, ...]]:
    columns = [getattr(calls, field.name) for field in calls.DESCRIPTOR.fields]
    return zip(*columns, strict=True)
