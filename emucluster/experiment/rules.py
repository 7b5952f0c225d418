"""What an experiment must be beyond the types of its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from emucluster.core.faults import kinds
from emucluster.core.faults.kind import FaultKind
from emucluster.experiment.bounds import STRETCHES_MAX
from emucluster.experiment.hypothesis_spec import EndpointsMatch, LostCalls, NoFaultLeft
from emucluster.experiment.problem import Problem
from emucluster.experiment.spec import Experiment, Fault, Limit, Selector
from emucluster.experiment.targets import ends, selector
from emucluster.experiment.topology import Topology
from emucluster.experiment.workload_rules import problems_of_workload

TOLD_MAX = 10
"""So many names of what there is are told."""
_PERCENT = re.compile(r"[0-9]+(\.[0-9]+)?%")


def first_problem(experiment: Experiment) -> Problem | None:
    """The first thing wrong with an experiment, in the order of its fields; None: nothing."""
    return next(_problems(experiment), None)


def fault_name(experiment: Experiment, index: int) -> str:
    """How a fault is called: its own name, or its kind, numbered where several have it."""
    fault = experiment.faults[index]
    if fault.name is not None:
        return fault.name
    alike = [i for i, f in enumerate(experiment.faults) if f.name is None and f.kind == fault.kind]
    return fault.kind if len(alike) == 1 else f"{fault.kind}-{alike.index(index) + 1}"


def _problems(experiment: Experiment) -> Iterator[Problem]:
    yield from problems_of_workload(experiment)
    for index, fault in enumerate(experiment.faults):
        path = f"faults[{index}]"
        yield from _of_target(fault, path)
        yield from _of_params(fault, path)
        yield from _of_times(experiment, fault, path)
    names = [fault_name(experiment, i) for i in range(len(experiment.faults))]
    for index, name in enumerate(names):
        if names.index(name) != index:
            yield Problem(f"faults[{index}].name", f'"{name}" is the name of an earlier fault')
    yield from _of_hypotheses(experiment, names)
    if not any(msgspec.structs.astuple(experiment.phases)):
        yield Problem("phases", "at least one phase must last")
    for field in ("nodes", "pods", "zones"):
        if not _is_limit(getattr(experiment.limits, field)):
            yield Problem(f"limits.{field}", "must be a number of them, 0 or more, or as 50%")


# --- faults --------------------------------------------------------------------------------------


def _of_target(fault: Fault, path: str) -> Iterator[Problem]:
    at = f"{path}.target"
    try:
        target = selector(fault.target)
        if target.kind == "link":
            ends(target)
    except ValueError as error:
        yield Problem(at, str(error))
        return
    if fault.kind not in kinds.names():
        yield Problem(f"{path}.kind", f'no kind "{fault.kind}"; known: {", ".join(kinds.names())}')
        return
    if kinds.find(fault.kind, target.kind) is None:
        can = ", ".join(kind.name for kind in kinds.kinds_for(target.kind)) or "nothing"
        problem = f'a {target.kind} cannot have the fault "{fault.kind}"; it can have: {can}'
        yield Problem(f"{path}.kind", problem)
    yield from _of_selector(target, at)


def _of_selector(target: Selector, at: str) -> Iterator[Problem]:
    allowed = {
        "node": {"name", "labels", "zone", "host"},
        "zone": {"name"},
        "host": {"name"},
        "pod": {"name", "namespace", "labels", "zone", "host", "node", "service"},
        "service": {"name", "namespace"},
        "deployment": {"name", "namespace"},
        "lb": {"name", "namespace"},
        "dns": {"name", "zone", "host"},
        "kube-proxy": {"name", "zone", "host"},
        "link": {"from_", "to"},
    }.get(target.kind, set())
    for field in ("name", "labels", "zone", "host", "node", "service", "from_", "to"):
        if getattr(target, field) and field not in allowed:
            known = ", ".join(sorted(name.rstrip("_") for name in allowed)) or "nothing"
            name = field.rstrip("_")
            yield Problem(f"{at}.{name}", f"a {target.kind} is selected by: {known}")
    if target.kind in ("service", "deployment", "lb") and not target.name:
        yield Problem(at, f"a {target.kind} is selected by its name")
    if target.select.startswith("percent:") and not 0 < float(target.select[8:]) <= 100:
        yield Problem(f"{at}.select", "percent must be above 0 and at most 100")


def _of_params(fault: Fault, path: str) -> Iterator[Problem]:
    kind = _kind(fault)
    if kind is None:
        return
    known = {param.name: param for param in kind.params}
    for name, value in fault.params.items():
        at = f"{path}.params.{name}"
        if name not in known:
            words = ", ".join(known) or "none"
            yield Problem(at, f'{kind.name} has no parameter "{name}"; it has: {words}')
            continue
        try:
            known[name].parse(value)
        except ValueError as error:
            yield Problem(at, str(error))
    for param in kind.params:
        if param.required and param.name not in fault.params:
            yield Problem(f"{path}.params.{param.name}", f"is required: {param.words}")


def _of_times(experiment: Experiment, fault: Fault, path: str) -> Iterator[Problem]:
    inject_s = experiment.phases.inject_s
    if fault.for_s is not None and fault.for_s <= 0:
        yield Problem(f"{path}.for", "must be above 0 s")
    if fault.trigger is not None:
        yield from _of_trigger(experiment, fault, path)
        return
    latest_s = fault.at_s + fault.within_s
    if latest_s >= inject_s:
        problem = f"starts up to {latest_s:g} s into the inject phase, which lasts {inject_s:g} s"
        yield Problem(f"{path}.at", problem)
    if fault.for_s is not None and latest_s + fault.for_s > inject_s + 1e-9:
        end_s = latest_s + fault.for_s
        problem = f"ends {end_s:g} s into the inject phase, which lasts {inject_s:g} s"
        yield Problem(f"{path}.for", problem)


def _of_trigger(experiment: Experiment, fault: Fault, path: str) -> Iterator[Problem]:
    trigger = fault.trigger
    assert trigger is not None
    if fault.at_s or fault.within_s:
        yield Problem(f"{path}.at", "a fault starts at a time or by its trigger, not both")
    if fault.for_s is None:
        yield Problem(f"{path}.for", "is required with a trigger")
    if trigger.times > 1 and not trigger.every:
        yield Problem(f"{path}.trigger.every", "is required with times above 1")
    groups = [group.name for group in experiment.workload]
    if trigger.group and trigger.group not in groups:
        words = ", ".join(groups)
        yield Problem(f"{path}.trigger.group", f'no group "{trigger.group}"; there are: {words}')


def _kind(fault: Fault) -> FaultKind | None:
    try:
        return kinds.find(fault.kind, selector(fault.target).kind)
    except ValueError:
        return None


# --- questions -----------------------------------------------------------------------------------


def _of_hypotheses(experiment: Experiment, faults: list[str]) -> Iterator[Problem]:
    groups = [group.name for group in experiment.workload]
    for index, asked in enumerate(experiment.hypotheses):
        path = f"hypotheses[{index}]"
        if isinstance(asked, NoFaultLeft):
            continue
        for field, known in (("group", groups), ("fault", faults)):
            name = getattr(asked, field, "")
            if name and name not in known:
                words = ", ".join(known) or "none"
                yield Problem(f"{path}.{field}", f'no {field} "{name}"; there are: {words}')
        for phase in asked.over:
            if getattr(experiment.phases, f"{phase}_s") <= 0:
                yield Problem(f"{path}.over", f"the phase {phase} lasts 0 s")
        every_s = getattr(asked, "every_s", None)
        if every_s is not None:
            yield from _of_every(experiment, every_s, f"{path}.every")
        if isinstance(asked, LostCalls) and asked.at_most is None and asked.at_least is None:
            yield Problem(path, "needs atMost, atLeast or both")
        if (
            isinstance(asked, LostCalls)
            and asked.at_most is not None
            and asked.at_least is not None
            and asked.at_least > asked.at_most
        ):
            yield Problem(f"{path}.atLeast", f"must not be above atMost, {asked.at_most}")


def unknown_service(experiment: Experiment, topology: Topology) -> Problem | None:
    """The first question about the endpoints of a Service that a cluster does not have."""
    known = [f"{service.namespace}/{service.name}" for service in topology.services]
    for index, asked in enumerate(experiment.hypotheses):
        if not isinstance(asked, EndpointsMatch) or asked.service_name in ("", *known):
            continue
        there = ", ".join(sorted(known)[:TOLD_MAX]) + (" ..." if len(known) > TOLD_MAX else "")
        return Problem(
            f"hypotheses[{index}].service",
            f"there is no Service {asked.service_name}; there are: {there or 'none'}",
        )
    return None


def _of_every(experiment: Experiment, every_s: float, path: str) -> Iterator[Problem]:
    run_s = sum(msgspec.structs.astuple(experiment.phases))
    if every_s <= 0:
        yield Problem(path, "must be above 0 s")
    elif run_s / every_s > STRETCHES_MAX:
        problem = (
            f"would cut the {run_s:g} s of all phases into more than {STRETCHES_MAX} stretches"
        )
        yield Problem(path, problem)


def _is_limit(limit: Limit) -> bool:
    if isinstance(limit, int):
        return not isinstance(limit, bool) and limit >= 0
    return bool(_PERCENT.fullmatch(limit)) and float(limit[:-1]) <= 100
