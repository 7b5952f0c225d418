"""What a reader of a whole state must be told, who knows an older one."""

from __future__ import annotations

from collections.abc import Mapping

from emucluster.core.objects import Object

from .keys import Key
from .window import EventType


def relisted(
    known: Mapping[Key, Object], fresh: Mapping[Key, Object]
) -> list[tuple[EventType, Object]]:
    """The changes that lead from what is known to a new whole state, deletions first.

    An object of the same name and another uid is a new one: its forerunner was deleted. One of the
    same version has not changed. Deleted objects are as they were last known.

    Source: kubernetes/client-go tools/cache/delta_fifo.go, Replace.
    """
    changes: list[tuple[EventType, Object]] = [
        ("DELETED", obj) for key, obj in known.items() if key not in fresh
    ]
    for key, obj in fresh.items():
        old = known.get(key)
        if old is None:
            changes.append(("ADDED", obj))
        elif old.metadata.uid != obj.metadata.uid:
            changes += [("DELETED", old), ("ADDED", obj)]
        elif old.metadata.resource_version != obj.metadata.resource_version:
            changes.append(("MODIFIED", obj))
    return changes
