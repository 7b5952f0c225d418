"""Amounts of resources. Source: kubernetes/kubernetes pkg/apis/core/validation,
ValidateContainerResourceRequirements, and pkg/apis/core/helper for the classes of resources.

Differs: names need not be those of resources that Kubernetes knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from emucluster.core.errors import Cause
from emucluster.core.objects import ResourceRequirements
from emucluster.core.objects.quantity import Quantity, amount, canonical

from .fields import forbidden, invalid, required

QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
HUGE_PAGES = "hugepages-"


def requirements(path: str, resources: ResourceRequirements) -> Iterator[Cause]:
    """What a container requests and is limited to; `path` is that of its `resources`."""
    limits, requests = resources.limits or {}, resources.requests or {}
    yield from quantities(f"{path}.limits", limits)
    yield from quantities(f"{path}.requests", requests)
    for name, request in requests.items():
        if name in limits:
            yield from _within(f"{path}.requests", name, request, limits[name])
        elif not _may_be_overcommitted(name):
            text = "Limit must be set for non overcommitable resources"
            yield required(f"{path}.limits", text)
    names = (*limits, *requests)
    if any(n.startswith(HUGE_PAGES) for n in names) and not {"cpu", "memory"} & set(names):
        yield forbidden(path, "HugePages require cpu or memory")


def _within(path: str, name: str, request: Quantity, limit: Quantity) -> Iterator[Cause]:
    try:
        asked, most, shown = amount(request), amount(limit), (canonical(request), canonical(limit))
    except ValueError:  # told already
        return
    if asked != most and not _may_be_overcommitted(name):
        yield invalid(path, shown[0], f"must be equal to {name} limit of {shown[1]}")
    elif asked > most:
        yield invalid(path, shown[0], f"must be less than or equal to {name} limit of {shown[1]}")


def _may_be_overcommitted(name: str) -> bool:
    """Whether containers may use more of it than they request."""
    native = "/" not in name or "kubernetes.io/" in name
    return native and not name.startswith(HUGE_PAGES)


def quantities(path: str, values: Mapping[str, Quantity] | None) -> Iterator[Cause]:
    """Amounts of resources; anything that resource.ParseQuantity takes."""
    for name, value in (values or {}).items():
        if not re.fullmatch(QUANTITY, str(value)):
            text = f"quantities must match the regular expression '{QUANTITY}'"
            yield invalid(f"{path}[{name}]", str(value), text)
        elif str(value).startswith("-"):
            yield invalid(f"{path}[{name}]", str(value), "must be greater than or equal to 0")
