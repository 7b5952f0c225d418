"""What is recorded of a run: calls, faults, truths and beliefs.

All times are wall clock, seconds since the epoch, as the recorder's machine has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from emucluster.experiment.vocabulary import PHASES, Phase

Outcome = Literal["ok", "failed", "unknown"]
"""`failed`: definite, no pod ran it. `unknown`: it may have run."""

ObserverKind = Literal[
    "lease", "probe", "endpoints", "proxy", "load-balancer", "dns", "api", "client"
]
"""Who believes: the node controller by leases, kubelet by probes, the EndpointSlice controller,
one kube-proxy, one load balancer by its checks, one DNS server, a pod's Ready condition in the API,
a client."""

BelievedState = Literal["in", "out"]
"""`in`: takes traffic, ready, healthy, alive. `out`: not so."""

TrueState = Literal["up", "down", "degraded"]
"""`degraded`: it is there and does not do all that it should: frozen, cut off, slow, erring."""


class CallRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One call, as its client saw it; also a row of the Parquet file.

    Attributes:
        group: the client group.
        client: which of the group's clients, from 0.
        id: unique in the run; the server is told it.
        intended_s: when it was due. Latency counts from here (no coordinated omission).
        started_s: when the client began; at or after `intended_s`.
        ended_s: when it had the reply or the failure; None: still open when the run ended.
        status: gRPC status name, or `NOT_STARTED`.
        outcome: `ok`; `failed`: definitely not executed; `unknown`: it may have been executed.
        pod, node, zone: who answered; empty when nobody did. `pod` as NAMESPACE/NAME.
        connection: id of the connection it went by; empty: none came about.
        connection_opened_s: when that was established; None: none came about.
        attempts: how many times the client's library had sent it when it was answered, by the
            server's account (1: no retry); 0: not known, as of every call without an answer.
        request_bytes, reply_bytes: payload.
        service: NAMESPACE/NAME of the Service that was called; empty: none.
        error: why it did not succeed, in words; empty: it did.
        phase: in which it was due; filled in by `History`, empty in what generators write.
    """

    group: str
    client: int
    id: str
    intended_s: float
    started_s: float
    ended_s: float | None
    status: str
    outcome: Outcome
    pod: str = ""
    node: str = ""
    zone: str = ""
    connection: str = ""
    connection_opened_s: float | None = None
    attempts: int = 0
    request_bytes: int = 0
    reply_bytes: int = 0
    service: str = ""
    error: str = ""
    phase: str = ""

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"

    @property
    def latency_s(self) -> float | None:
        """From the intended start; None while it is open."""
        return None if self.ended_s is None else self.ended_s - self.intended_s


class FaultRecord(Struct, frozen=True, kw_only=True):
    """What became of one planned fault; None where it did not come to that.

    Attributes:
        id: of this fault on this one target, unique in the plan.
        fault: the name that its spec has in the experiment.
        kind: of the fault.
        target: who was hit.
        peers: of a link, whose packets are hit as they arrive at `target`; else empty.
        is_operation: something that is done through the API rather than a fault.
        planned_s: when it was to begin; None: when its trigger says so.
        asked_s: when its target was first asked for it.
        acknowledged_s: when the target said that it has it.
        observed_s: when somebody else than the target saw it in force.
        observed_by: who that was.
        observed_what: what they saw, in words.
        unwitnessed: why nobody but the clients' own calls can tell that it is in force; empty:
            others look for it.
        mechanism: how it was done, e.g. `kernel filter` or `imitated`.
        ended_s: when it was over.
        ended_by: `expiry`, `clear`, `target-gone` or `refused`.
        clean_s: when its target said that it has it no more.
        gone_s: when somebody else than the target saw that it was over; None: nobody did.
        gone_by: who looked whether it is over.
        gone_what: what that showed, or why nobody could tell.
        error: why it was refused.
    """

    id: str
    fault: str
    kind: str
    target: str
    peers: tuple[str, ...] = ()
    is_operation: bool = False
    planned_s: float | None = None
    asked_s: float | None = None
    acknowledged_s: float | None = None
    observed_s: float | None = None
    observed_by: str = ""
    observed_what: str = ""
    unwitnessed: str = ""
    mechanism: str = ""
    ended_s: float | None = None
    ended_by: str = ""
    clean_s: float | None = None
    gone_s: float | None = None
    gone_by: str = ""
    gone_what: str = ""
    error: str = ""

    @property
    def in_force_from_s(self) -> float | None:
        """When it took effect, as closely as known: seen, acknowledged or else asked for."""
        known = [t for t in (self.acknowledged_s, self.observed_s) if t is not None]
        return min(known, default=None)


class BeliefRecord(Struct, frozen=True, kw_only=True):
    """From `at_s` on, an observer holds this of a subject, until its next record of it.

    Attributes:
        at_s: from when on.
        observer: of which kind it is.
        subject: `node/NAME` or `pod/NAMESPACE/NAME`.
        state: `in`: takes traffic, ready, healthy, alive; `out`: not so.
        where: the observer's name: node-1 for a kube-proxy, NAMESPACE/NAME for a load balancer,
            empty where there is only one.
        service: NAMESPACE/NAME where the belief is about membership of it.
        word: in the observer's own words: `Unknown`, `unhealthy`, `ready=false`.
    """

    at_s: float
    observer: ObserverKind
    subject: str
    state: BelievedState
    where: str = ""
    service: str = ""
    word: str = ""


class TruthRecord(Struct, frozen=True, kw_only=True):
    """From `at_s` on, the subject really is so.

    Attributes:
        at_s: from when on.
        subject: `node/NAME` or `pod/NAMESPACE/NAME`.
        state: `degraded`: it is there and does not do all that it should.
        why: the fault's name, `started`, `deleted`.
        node, zone: where the subject is.
        services: NAMESPACE/NAME of those that a pod belongs to.
    """

    at_s: float
    subject: str
    state: TrueState
    why: str = ""
    node: str = ""
    zone: str = ""
    services: tuple[str, ...] = ()


class Execution(Struct, frozen=True, kw_only=True, gc=False):
    """A pod's own memory of a call that it executed.

    Attributes:
        call_id: of the call.
        pod: NAMESPACE/NAME of who executed it.
        count: how often this pod executed it.
    """

    call_id: str
    pod: str
    count: int = 1


class PhaseSpan(Struct, frozen=True, kw_only=True):
    """When a phase was, its end not included.

    Attributes:
        phase: its name.
        start_s: when it began.
        end_s: when the next one began, or the run ended.
    """

    phase: Phase
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


class Members(Struct, frozen=True, kw_only=True):
    """Who there was, for spreads that count those who answered nothing.

    Attributes:
        pods: NAMESPACE/NAME of a Service to NAMESPACE/NAME of the pods behind it.
    """

    nodes: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    pods: dict[str, tuple[str, ...]] = field(default_factory=dict)


class History(Struct, kw_only=True):
    """Everything recorded of one run.

    `calls` are put in the order of when they were due, each with its phase.
    """

    phases: tuple[PhaseSpan, ...]
    calls: Sequence[CallRecord] = ()
    faults: Sequence[FaultRecord] = ()
    beliefs: Sequence[BeliefRecord] = ()
    truths: Sequence[TruthRecord] = ()
    executions: Sequence[Execution] = ()
    members: Members = field(default_factory=Members)

    def __post_init__(self) -> None:
        labelled: list[CallRecord] = []
        for call in self.calls:
            phase = self.phase_at(call.intended_s)
            labelled.append(call if call.phase == phase else replace(call, phase=phase))
        labelled.sort(key=lambda call: call.intended_s)
        self.calls = labelled

    @property
    def start_s(self) -> float:
        return min(span.start_s for span in self.phases)

    @property
    def end_s(self) -> float:
        return max(span.end_s for span in self.phases)

    def span(self, phase: str) -> PhaseSpan | None:
        """When `phase` was; None if the run did not come to it."""
        return next((span for span in self.phases if span.phase == phase), None)

    def spans(self, over: Iterable[str] = PHASES) -> list[PhaseSpan]:
        """The named phases, in their order; back-to-back ones stay apart."""
        wanted = set(over)
        return [span for span in self.phases if span.phase in wanted and span.duration_s > 0]

    def phase_at(self, at_s: float) -> str:
        """The phase at a time; empty outside the run."""
        for span in self.phases:
            if span.start_s <= at_s < span.end_s:
                return span.phase
        return ""

    def calls_in(self, over: Iterable[str] = PHASES, *, group: str = "") -> list[CallRecord]:
        """Calls that were due in the named phases, by when they were due.

        A call belongs to the phase in which it was due, however long it took.
        """
        wanted = set(over)
        return [
            call
            for call in self.calls
            if call.phase in wanted and (not group or call.group == group)
        ]

    @property
    def groups(self) -> list[str]:
        return sorted({call.group for call in self.calls})

    @property
    def first_fault_s(self) -> float | None:
        """When the first fault took effect; None if none did."""
        return min(
            (t for f in self.faults if (t := f.in_force_from_s) is not None),
            default=None,
        )

    @property
    def last_fault_end_s(self) -> float | None:
        """When the last fault that took effect ended; None if none did, or one did not end."""
        ends = [f.ended_s for f in self.faults if f.in_force_from_s is not None]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None


Record = TypeVar("Record", bound=Struct)


def to_lines(records: Iterable[Struct]) -> bytes:
    """Records as JSON, one a line."""
    encoder = msgspec.json.Encoder()
    return b"".join(encoder.encode(record) + b"\n" for record in records)


def from_lines(data: bytes, kind: type[Record]) -> list[Record]:
    """What `to_lines` wrote. Raises msgspec.ValidationError for anything else."""
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
    return [decoder.decode(line) for line in data.splitlines() if line]
