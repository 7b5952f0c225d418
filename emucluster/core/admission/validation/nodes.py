"""Nodes. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateNode."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import DUPLICATE, Cause
from emucluster.core.objects import Node

from .containers import quantities
from .fields import duplicate, forbidden, invalid, one_of, shown
from .names import cidr, label_value, qualified_name
from .pods import EFFECTS


def node(obj: Node) -> list[Cause]:
    causes = list(_taints(obj))
    for index, value in enumerate(obj.spec.pod_cidrs):
        path = f"spec.podCIDRs[{index}]"
        causes += [invalid(path, value, text) for text in cidr(value)]
        if value in obj.spec.pod_cidrs[:index]:
            causes.append(duplicate(path, value))
    causes += quantities("status.capacity", obj.status.capacity)
    return causes + list(quantities("status.allocatable", obj.status.allocatable))


def node_update(new: Node, old: Node) -> list[Cause]:
    causes = node(new)
    if old.spec.pod_cidrs and new.spec.pod_cidrs != old.spec.pod_cidrs:
        text = 'node updates may not change podCIDR except from "" to valid'
        causes.append(forbidden("spec.podCIDRs", text))
    if old.spec.provider_id and new.spec.provider_id != old.spec.provider_id:
        text = 'node updates may not change providerID except from "" to valid'
        causes.append(forbidden("spec.providerID", text))
    return causes


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
