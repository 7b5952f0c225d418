"""Leases. Source: kubernetes/kubernetes pkg/apis/coordination/validation."""

from __future__ import annotations

from emucluster.core.errors import Cause
from emucluster.core.objects import Lease

from .fields import invalid, non_negative


def lease(obj: Lease) -> list[Cause]:
    causes: list[Cause] = []
    duration_s = obj.spec.lease_duration_seconds
    if duration_s is not None and duration_s <= 0:
        causes.append(invalid("spec.leaseDurationSeconds", duration_s, "must be greater than 0"))
    return causes + non_negative("spec.leaseTransitions", obj.spec.lease_transitions)
