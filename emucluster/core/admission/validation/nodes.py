"""Nodes. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateNode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from emucluster.core.errors import DUPLICATE, Cause
from emucluster.core.objects import Node
from emucluster.core.objects.quantity import milli

from .fields import duplicate, forbidden, invalid, one_of
from .go_values import shown
from .names import cidr, label_value, qualified_name
from .pods import EFFECTS
from .resources import quantities


def node(obj: Node) -> list[Cause]:
    causes = list(_taints(obj))
    for index, value in enumerate(obj.spec.pod_cidrs):
        path = f"spec.podCIDRs[{index}]"
        causes += [invalid(path, value, text) for text in cidr(value)]
        if value in obj.spec.pod_cidrs[:index]:
            causes.append(duplicate(path, value))
    causes += _resources("status.capacity", obj.status.capacity)
    return causes + list(_resources("status.allocatable", obj.status.allocatable))


def node_update(new: Node, old: Node) -> list[Cause]:
    causes = node(new)
    if old.spec.pod_cidrs and new.spec.pod_cidrs != old.spec.pod_cidrs:
        text = 'node updates may not change podCIDR except from "" to valid'
        causes.append(forbidden("spec.podCIDRs", text))
    if old.spec.provider_id and new.spec.provider_id != old.spec.provider_id:
        text = 'node updates may not change providerID except from "" to valid'
        causes.append(forbidden("spec.providerID", text))
    return causes


def _resources(path: str, values: Mapping[str, str | int | float] | None) -> Iterator[Cause]:
    """ValidateNodeResources; its paths name resources as if they were fields."""
    for name, value in (values or {}).items():
        wrong = [*quantities(path, {name: value})]
        yield from (replace(cause, field=f"{path}.{name}") for cause in wrong)
        if not wrong and _is_counted(name) and not _is_whole(value):
            yield invalid(f"{path}.{name}", str(value), "must be an integer")


def _is_counted(resource: str) -> bool:
    """Whether there are only whole ones of it (IsIntegerResourceName)."""
    domain = resource.rpartition("/")[0]
    return resource == "pods" or (bool(domain) and "kubernetes.io" not in domain)


def _is_whole(quantity: str | int | float) -> bool:
    try:
        return milli(quantity) % 1000 == 0
    except ValueError:
        return False


def _taints(obj: Node) -> Iterator[Cause]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(obj.spec.taints):
        path = f"metadata.taints[{index}]"  # upstream's path
        for text in qualified_name(taint.key):
            yield invalid(f"{path}.key", taint.key, text)
        for text in label_value(taint.value or ""):
            yield invalid(f"{path}.value", taint.value, text)
        yield from one_of(f"{path}.effect", taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            text = "taints must be unique by key and effect pair"
            yield Cause(path, DUPLICATE, f"Duplicate value: {shown(taint)}: {text}")
        seen.add((taint.key, taint.effect))
