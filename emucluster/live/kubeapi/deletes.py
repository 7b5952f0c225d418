"""How a delete is meant: from its body, or from its parameters where it has none.

Types: metav1.DeleteOptions; checks: apimachinery pkg/apis/meta/v1/validation. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from emucluster.core.errors import INVALID, NOT_SUPPORTED, BadRequest, Cause, Invalid

from . import bodies
from .query import Query, dry_run_causes

POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`uid` and `resource_version` are preconditions."""

    propagation: str = "Background"
    grace_period_s: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    orphan_dependents: bool | None = None
    dry_run: bool = False


class _Preconditions(msgspec.Struct, frozen=True, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _Sent(msgspec.Struct, frozen=True, rename="camel"):
    """As it is written; unknown fields do not matter."""

    grace_period_seconds: int | None = None
    preconditions: _Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: list[str] | None = None


async def delete_options(query: Query, body: bytes, media: str) -> DeleteOptions:
    """What a delete asks for; a body hides the parameters. Raises BadRequest, Invalid."""
    if not body:
        return _checked(_from_query(query))
    tree = await bodies.to_tree(body, media, kind="DeleteOptions")
    if tree["kind"] != "DeleteOptions":
        raise BadRequest("decoded object cannot be converted to DeleteOptions")
    return options_in(tree)


def options_in(tree: Any) -> DeleteOptions:
    """DeleteOptions as a tree. Raises BadRequest, Invalid."""
    try:
        return _checked(msgspec.convert(tree, _Sent))
    except msgspec.ValidationError as error:
        raise BadRequest(
            f'DeleteOptions in version "v1" cannot be handled as a DeleteOptions: {error}'
        ) from None


def _checked(sent: _Sent) -> DeleteOptions:
    causes = dry_run_causes(sent.dry_run or [])
    policy = sent.propagation_policy or None
    if policy and sent.orphan_dependents is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(Cause("propagationPolicy", INVALID, f'Invalid value: "{policy}": {why}'))
    if policy and policy not in POLICIES:
        listed = ", ".join(f'"{each}"' for each in (*POLICIES, "nil"))
        text = f'Unsupported value: "{policy}": supported values: {listed}'
        causes.append(Cause("propagationPolicy", NOT_SUPPORTED, text))
    if causes:
        raise Invalid.of("DeleteOptions.meta.k8s.io", "", causes)
    if policy is None:
        policy = "Orphan" if sent.orphan_dependents else "Background"
    wanted = sent.preconditions or _Preconditions()
    return DeleteOptions(
        propagation=policy,
        grace_period_s=sent.grace_period_seconds,
        uid=wanted.uid,
        resource_version=wanted.resource_version,
        orphan_dependents=sent.orphan_dependents,
        dry_run=bool(sent.dry_run),
    )


def _from_query(query: Query) -> _Sent:
    return _Sent(
        grace_period_seconds=query.number("gracePeriodSeconds"),
        orphan_dependents=query.flag("orphanDependents"),
        propagation_policy=query.text("propagationPolicy") or None,
        dry_run=query.all("dryRun"),
    )
