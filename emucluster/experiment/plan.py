"""What an experiment means for one cluster and one seed: who is hit, when, how hard."""

from __future__ import annotations

import hashlib
import json
from random import Random
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from emucluster.core.faults import kinds
from emucluster.core.faults.kind import FaultKind
from emucluster.experiment.blast_radius import check_limits
from emucluster.experiment.bounds import ENTRIES_MAX
from emucluster.experiment.plan_error import PlanError
from emucluster.experiment.rules import fault_name
from emucluster.experiment.selection import Hit, expand_target
from emucluster.experiment.spec import Experiment, Fault
from emucluster.experiment.targets import selector
from emucluster.experiment.topology import Topology
from emucluster.experiment.vocabulary import PHASES, Phase

DIGITS = 6
"""Times in a plan are rounded to microseconds, so that a digest does not hang on the last bit."""


class PlannedTrigger(Struct, frozen=True, kw_only=True):
    """Start when so many calls of `group` (of all, when empty) have ended in the inject phase."""

    after: int
    group: str = ""


class PlanEntry(Struct, frozen=True, kw_only=True):
    """One fault on one target.

    Attributes:
        id: unique in the plan, the same in every run of it: `FAULT.NUMBER`.
        fault: name of the spec that it comes from.
        target: `node/node-2`, `pod/NAMESPACE/NAME`, `kube-proxy/node-1`, `control-plane` ...
        identity: the target without names that controllers make up anew in every run.
        at_s: seconds after the run began; None: when `trigger` says so.
        for_s: how long, in real seconds.
        params: all parameters of the kind, durations in seconds.
        peers: for links, whose packets are hit as they arrive at `target`; a node's name stands for
            its pods too.
        counted: who counts towards the blast radius by it.
    """

    id: str
    fault: str
    kind: str
    target: str
    identity: str
    for_s: float
    at_s: float | None = None
    trigger: PlannedTrigger | None = None
    follow: Literal["identity", "instance"] = "identity"
    params: dict[str, Any] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    peer_identities: tuple[str, ...] = ()
    is_operation: bool = False
    counted: tuple[str, ...] = ()

    @property
    def concrete(self) -> FaultKind:
        """Its entry of the catalogue."""
        return kinds.concrete(self.kind, "link" if self.peers else self.target.partition("/")[0])

    @property
    def end_s(self) -> float | None:
        """When it is over; None for one that is triggered."""
        return None if self.at_s is None else self.at_s + self.for_s


class PlannedPhase(Struct, frozen=True, kw_only=True):
    """A phase, in seconds after the run began."""

    phase: Phase
    start_s: float
    end_s: float


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that will be done, in the order of time; triggered entries come last."""

    experiment: str
    seed: int
    phases: tuple[PlannedPhase, ...]
    entries: tuple[PlanEntry, ...]
    digest: str

    @property
    def duration_s(self) -> float:
        return self.phases[-1].end_s

    def phase(self, name: Phase) -> PlannedPhase:
        return next(phase for phase in self.phases if phase.phase == name)

    def entry(self, entry_id: str) -> PlanEntry:
        """Raises KeyError for an id that is not in the plan."""
        for entry in self.entries:
            if entry.id == entry_id:
                return entry
        raise KeyError(entry_id)


def scale(experiment: Experiment) -> float:
    """By what the experiment's own times are divided: the speed if it is `scaled`, else 1."""
    return experiment.cluster.speed if experiment.scaled else 1.0


def trial_seed(seed: int, trial: int) -> int:
    """The seed of a trial, counted from 0; the first has the experiment's own."""
    return seed if trial == 0 else Random(f"{seed}/trial/{trial}").getrandbits(48)


def expand(experiment: Experiment, topology: Topology, seed: int) -> Plan:
    """Draw every target, start and order of an experiment.

    Each fault draws from streams of its own, named after the seed and the fault: adding one changes
    no other. The same experiment, topology and seed give the same plan, byte for byte, on any
    machine.

    Raises PlanError naming the fault: nobody to hit, more than `limits` allows at once, two faults
    on one target that exclude each other.
    """
    phases = _phases(experiment)
    entries: list[PlanEntry] = []
    for index, fault in enumerate(experiment.faults):
        name = fault_name(experiment, index)
        entries.extend(_entries(experiment, fault, name, topology, seed, phases))
        if len(entries) > ENTRIES_MAX:
            raise PlanError(name, f"with it the plan has more than {ENTRIES_MAX} faults")
    entries.sort(key=lambda entry: (entry.at_s is None, entry.at_s or 0.0))
    _check_exclusive(entries, phases)
    inject = phases[1]
    check_limits(experiment.limits, entries, topology, window_s=(inject.start_s, inject.end_s))
    return Plan(
        experiment=experiment.name,
        seed=seed,
        phases=phases,
        entries=tuple(entries),
        digest=_digest(seed, phases, entries, topology),
    )


def _phases(experiment: Experiment) -> tuple[PlannedPhase, ...]:
    at_s = 0.0
    found: list[PlannedPhase] = []
    for phase in PHASES:
        end_s = round(at_s + getattr(experiment.phases, f"{phase}_s") / scale(experiment), DIGITS)
        found.append(PlannedPhase(phase=phase, start_s=at_s, end_s=end_s))
        at_s = end_s
    return tuple(found)


def _entries(
    experiment: Experiment,
    fault: Fault,
    name: str,
    topology: Topology,
    seed: int,
    phases: tuple[PlannedPhase, ...],
) -> list[PlanEntry]:
    target = selector(fault.target)
    kind = kinds.find(fault.kind, target.kind)
    assert kind is not None, "checked when the experiment was read"
    params = _params(fault, kind)
    hits = expand_target(
        fault=name,
        kind=kind,
        target=target,
        params=params,
        topology=topology,
        rng=Random(f"{seed}/{name}/targets"),
    )
    starts = _starts(fault, name, seed, scale(experiment), phases[1], hits)
    identities = topology.identities()
    found: list[PlanEntry] = []
    for (at_s, trigger, for_s), hit in starts:
        found.append(
            PlanEntry(
                id=f"{name}.{len(found)}",
                fault=name,
                kind=kind.name,
                target=hit.target,
                identity=identities.get(hit.target, hit.target),
                at_s=at_s,
                trigger=trigger,
                for_s=for_s,
                follow="instance" if kind.ends_early else fault.follow,
                params=params,
                peers=hit.peers,
                peer_identities=tuple(sorted(identities.get(p, p) for p in hit.peers)),
                is_operation=kind.is_operation,
                counted=hit.counted,
            )
        )
    return found


_When = tuple[float | None, PlannedTrigger | None, float]


def _starts(
    fault: Fault, name: str, seed: int, divisor: float, inject: PlannedPhase, hits: list[Hit]
) -> list[tuple[_When, Hit]]:
    """When each hit begins and how long it lasts. Raises PlanError for one beyond its phase."""
    if fault.trigger is not None:
        assert fault.for_s is not None, "checked when the experiment was read"
        for_s = round(fault.for_s / divisor, DIGITS)
        trigger = fault.trigger
        counts = [trigger.after + trigger.every * turn for turn in range(trigger.times)]
        return [
            ((None, PlannedTrigger(after=after, group=trigger.group), for_s), hit)
            for after in counts
            for hit in hits
        ]
    drawn_s = Random(f"{seed}/{name}/start").uniform(0, fault.within_s)
    first_s = inject.start_s + (fault.at_s + drawn_s) / divisor
    found: list[tuple[_When, Hit]] = []
    for hit in hits:
        at_s = round(first_s + hit.turn * fault.stagger_s / divisor, DIGITS)
        left_s = round(inject.end_s - at_s, DIGITS)
        for_s = left_s if fault.for_s is None else round(fault.for_s / divisor, DIGITS)
        if left_s <= 0 or for_s > left_s + 10**-DIGITS:
            raise PlanError(
                name,
                f"{hit.target} is hit from {at_s:g} s for {for_s:g} s, beyond the end of the "
                f"inject phase at {inject.end_s:g} s; stagger less, or make the phase longer",
            )
        found.append(((at_s, None, for_s), hit))
    return found


def _params(fault: Fault, kind: FaultKind) -> dict[str, Any]:
    """All parameters of the kind; those without value are left out."""
    given = {p.name: fault.params.get(p.name, p.default) for p in kind.params}
    known = {param.name: param for param in kind.params}
    return {name: known[name].parse(value) for name, value in given.items() if value is not None}


def _check_exclusive(entries: list[PlanEntry], phases: tuple[PlannedPhase, ...]) -> None:
    inject = phases[1]
    seen: dict[str, list[tuple[float, float, PlanEntry]]] = {}
    for entry in entries:
        if not entry.concrete.is_exclusive:
            continue
        start_s = inject.start_s if entry.at_s is None else entry.at_s
        end_s = inject.end_s if entry.end_s is None else entry.end_s
        for other_start_s, other_end_s, other in seen.setdefault(entry.target, []):
            repeated = entry.fault == other.fault and entry.trigger is not None
            if start_s < other_end_s and other_start_s < end_s and not repeated:
                raise PlanError(
                    entry.fault,
                    f"{entry.target} would have {entry.kind} while it has {other.kind} of "
                    f'"{other.fault}"; they exclude each other',
                )
        seen[entry.target].append((start_s, end_s, entry))


def _digest(
    seed: int, phases: tuple[PlannedPhase, ...], entries: list[PlanEntry], topology: Topology
) -> str:
    """sha256 of canonical JSON: the same on any number of hosts, another with seed or topology."""
    told = [
        {
            **msgspec.to_builtins(entry),
            "target": entry.identity,
            "peers": list(entry.peer_identities),
            "counted": len(entry.counted),
        }
        for entry in entries
    ]
    value = {
        "seed": seed,
        "phases": msgspec.to_builtins(phases),
        "entries": told,
        "topology": topology.canonical(),
    }
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
