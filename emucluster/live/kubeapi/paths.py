"""What the path of a request names.

As k8s.io/apiserver pkg/endpoints/request/requestinfo.go: `/api/v1/...` is the core group,
`/apis/GROUP/VERSION/...` every other one. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

NAMESPACE_SUBRESOURCES = frozenset(["status", "finalize"])


@dataclass(frozen=True, slots=True)
class Target:
    """A resource, an object of it, or a part of that; empty strings stand for what is not named.

    Attributes:
        namespace: "" for cluster-wide requests.
        rest: what follows the subresource, for those that read paths of their own.
        watch: whether the path asks for a watch (`/api/v1/watch/pods`, long deprecated).
    """

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()
    watch: bool = False


def segments(raw_path: str) -> tuple[str, ...]:
    """The parts of a path, decoded one by one; slashes at either end do not count."""
    trimmed = raw_path.strip("/")
    if not trimmed:
        return ()
    if "%" in trimmed:
        return tuple(unquote(part) for part in trimmed.split("/"))
    return tuple(trimmed.split("/"))


def target(parts: tuple[str, ...]) -> Target | None:
    """What the path names, or None where it names no resource (discovery, health, nothing)."""
    if len(parts) >= 3 and parts[0] == "api":
        group, version, below = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, below = parts[1], parts[2], parts[3:]
    else:
        return None
    watch = below[0] == "watch"
    if watch:
        below = below[1:]
        if not below:
            return None
    namespace = ""
    if below[0] == "namespaces":
        namespace = below[1] if len(below) > 1 else ""
        if len(below) > 2 and below[2] not in NAMESPACE_SUBRESOURCES:
            below = below[2:]
        else:
            namespace = ""  # the namespace is the object itself
    plural, name, subresource, rest = (*below[:3], *("",) * (3 - len(below)), below[3:])
    return Target(group, version, plural, namespace, name, subresource, rest, watch)
