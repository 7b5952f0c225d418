"""An experiment in a test's namespace and cluster."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from msgspec.structs import replace

from emucluster.client.experiments.experiment import Experiment
from emucluster.client.experiments.fitting import filled
from emucluster.client.lab import Status
from emucluster.core.objects import Object
from emucluster.core.objects import replace as changed
from emucluster.core.objects.registry import resource_of
from emucluster.core.printable import printable
from emucluster.experiment.hypothesis_spec import EndpointsMatch
from emucluster.experiment.spec import ClientGroup, Fault, Selector
from emucluster.experiment.targets import selector

if TYPE_CHECKING:
    from emucluster.experiment.hypothesis_spec import Hypothesis
    from emucluster.experiment.result import RunResult

DEFAULT = "default"


def placed(experiment: Experiment, namespace: str, status: Status) -> Experiment:
    """The experiment with `namespace` wherever it has `default`, in the cluster that runs.

    Whatever it does not state of its cluster is this one's; where it states anything else, it is
    refused when run.
    """
    source = experiment.source
    spec = source.experiment
    moved = replace(
        spec,
        cluster=filled(spec.cluster, source.stated, status),
        workload=[_group(group, namespace) for group in spec.workload],
        faults=[_fault(fault, namespace) for fault in spec.faults],
        hypotheses=[_hypothesis(each, namespace) for each in spec.hypotheses],
    )
    objects = tuple(_object(obj, namespace) for obj in source.objects)
    return Experiment.of(dataclasses.replace(source, experiment=moved, objects=objects))


def _object(obj: Object, namespace: str) -> Object:
    meta = obj.metadata
    if not resource_of(obj).namespaced or meta.namespace not in ("", DEFAULT):
        return obj
    return changed(obj, metadata=changed(meta, namespace=namespace))


def _group(group: ClientGroup, namespace: str) -> ClientGroup:
    return replace(group, namespace=namespace) if group.namespace == DEFAULT else group


def _fault(fault: Fault, namespace: str) -> Fault:
    return replace(fault, target=_target(fault.target, namespace))


def _target(target: str | Selector, namespace: str) -> Selector:
    found = selector(target)
    return replace(
        found,
        namespace=namespace if found.namespace == DEFAULT else found.namespace,
        from_=None if found.from_ is None else _target(found.from_, namespace),
        to=None if found.to is None else _target(found.to, namespace),
    )


def _hypothesis(hypothesis: Hypothesis, namespace: str) -> Hypothesis:
    if not isinstance(hypothesis, EndpointsMatch):
        return hypothesis
    in_namespace, _, name = hypothesis.service_name.partition("/")
    if in_namespace == DEFAULT:
        return replace(hypothesis, service=f"{namespace}/{name}")
    return hypothesis


def told(result: RunResult) -> str:
    """What came of an experiment, for somebody whose test has failed."""
    lines = [f"experiment {result.name}: {result.overall}, seed {result.seed}"]
    for trial in result.trials:
        number = f"trial {trial.number + 1}: " if len(result.trials) > 1 else ""
        said = [f"invalid: {reason}" for reason in trial.invalid_reasons]
        said += [
            f"fault {fault.kind} on {fault.target}: {fault.error or fault.mechanism}"
            for fault in trial.faults
        ]
        said += [
            f"{verdict.answer}: {verdict.name or verdict.kind}: {verdict.found}"
            for verdict in trial.verdicts
        ]
        lines += [f"  {number}{printable(words)}" for words in said]
    return "\n".join(lines)
