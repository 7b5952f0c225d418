"""Batches of the generators to the records of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from emucluster.experiment.history import CallRecord
from emucluster.experiment.history import Outcome as RecordedOutcome
from emucluster.experiment.rig import GENERATOR_TOO_LATE, NOT_STARTED
from emucluster.live.load.calls import CANCELLED_HERE
from emucluster.live.load.group_run import TOO_LATE
from emucluster.live.load.outcome import Outcome
from emucluster.live.load.rows import STATUS_NAMES

_OUTCOMES: dict[int, RecordedOutcome] = {
    Outcome.OK: "ok",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "unknown",
    Outcome.NOT_STARTED: "failed",
}
_NOBODY = ("", "", "")
_NO_CONNECTION: tuple[str, float | None] = ("", None)


def records(batch: Any, services: Mapping[str, str]) -> Iterator[CallRecord]:
    """The calls of a `LoadBatch`.

    A call that was still open when the load was stopped has no end and may have run. One that was
    never begun has, for its start and its end, the moment at which it was given up.

    Args:
        services: by group, the NAMESPACE/NAME of the Service that it calls; empty: none.
    """
    pods = [_NOBODY, *((f"{p.namespace}/{p.pod}".strip("/"), p.node, p.zone) for p in batch.pods)]
    connections = {
        c.id: (f"{batch.generator}/{c.channel}/{c.id}", c.opened_s) for c in batch.connections
    }
    details = ["", *(GENERATOR_TOO_LATE if text == TOO_LATE else text for text in batch.details)]
    heads = [(name, f"{batch.run}/{name}/", services.get(name, "")) for name in batch.groups]
    calls = batch.calls
    columns = (
        zip(calls.group, calls.client, calls.number, calls.status, calls.outcome, strict=True),
        zip(calls.intended_s, calls.started_s, calls.ended_s, strict=True),
        zip(calls.pod, calls.connection, calls.attempts, calls.detail, strict=True),
        zip(calls.sent_bytes, calls.received_bytes, strict=True),
    )
    for what, (intended_s, started_s, ended_s), how, (sent, received) in zip(*columns, strict=True):
        group, client, number, status, outcome = what
        pod, connection, attempts, detail = how
        name, prefix, service = heads[group]
        call_id = f"{prefix}{client}/{number}"
        carried = connections.get(connection, _NO_CONNECTION)
        if batch.per_call[group] and outcome in (Outcome.OK, Outcome.UNKNOWN):
            carried = (call_id, started_s)
        error = details[detail]
        is_open = error == CANCELLED_HERE
        begun = outcome != Outcome.NOT_STARTED
        pod_name, node, zone = pods[pod]
        yield CallRecord(
            group=name,
            client=client,
            id=call_id,
            intended_s=intended_s,
            started_s=started_s if begun else ended_s,
            ended_s=None if is_open else ended_s,
            status=STATUS_NAMES.get(status, "UNKNOWN") if begun else NOT_STARTED,
            outcome="unknown" if is_open else _OUTCOMES[outcome],
            pod=pod_name,
            node=node,
            zone=zone,
            connection=carried[0],
            connection_opened_s=carried[1],
            attempts=attempts,
            request_bytes=sent,
            reply_bytes=received,
            service=service,
            error=error,
        )
