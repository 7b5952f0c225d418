"""Targets as text: `node/node-2`, `pod/default/web-1`, `control-plane`."""

from __future__ import annotations

import msgspec

from emucluster.experiment.spec import Selector

_NAMESPACED = ("pod", "service", "deployment", "lb")
_NAMED = ("node", "zone", "host")
_OF_NODES = ("dns", "kube-proxy")
_ALONE = ("control-plane", "outside", "manifest")
WORDS = (
    "node/NAME, zone/NAME, host/NAME, pod/[NAMESPACE/]NAME, service/[NAMESPACE/]NAME, "
    "deployment/[NAMESPACE/]NAME, lb/[NAMESPACE/]SERVICE, kube-proxy[/NODE], dns[/NODE], "
    "control-plane, outside, manifest, or a selector with a kind"
)


def selector(target: str | Selector) -> Selector:
    """What a target given as text selects; selectors are as they are.

    Raises ValueError that says what is allowed.
    """
    if isinstance(target, Selector):
        return target
    kind, *rest = target.split("/")
    if all(rest):
        if kind in _NAMESPACED and 1 <= len(rest) <= 2:
            namespace = rest[0] if len(rest) == 2 else "default"
            return _selector(kind, name=rest[-1], namespace=namespace)
        if kind in _NAMED and len(rest) == 1:
            return _selector(kind, name=rest[0])
        if kind in _OF_NODES and len(rest) <= 1:
            return _selector(kind, name=rest[0] if rest else "")
        if kind in _ALONE and not rest:
            return _selector(kind)
    raise ValueError(f'must be {WORDS}; got "{target}"')


def ends(link: Selector) -> tuple[Selector, Selector | None]:
    """The two ends of a link; the second is None where it is everything else."""
    if link.from_ is None:
        raise ValueError("a link needs from")
    return selector(link.from_), None if link.to is None else selector(link.to)


def _selector(kind: str, **fields: str) -> Selector:
    return msgspec.convert({"kind": kind, **fields}, Selector)
