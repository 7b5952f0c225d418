"""What would undo a change in a cluster, as data: another process can carry it out too."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from emucluster.client.api import ApiClient
from emucluster.client.experiments.changes import CHANGES
from emucluster.client.lab import LabClient
from emucluster.core.errors import Conflict, EmuclusterError, NotFound
from emucluster.core.objects import Object, replace
from emucluster.core.objects.codec import decode_json, encode_json

DOCUMENT = "apply"
"""Kind of an undoing that puts a whole object back, or removes it where there was none."""
_ATTEMPTS = 20


class UndoNotWritten(EmuclusterError):
    """Nobody would know how to put back what is about to be changed."""


class Undo(Struct, frozen=True, kw_only=True, tag_field="undo", tag="to-do"):
    """One object that is about to be changed.

    Attributes:
        id: of the plan's entry, or a name of its own for manifests.
        kind: of the operation.
        before: the object as it was, as JSON; None: there was none.
    """

    id: str
    kind: str
    object_kind: str
    namespace: str
    name: str
    before: str | None

    @property
    def object_before(self) -> Object | None:
        return None if self.before is None else decode_json(self.before.encode())


class Done(Struct, frozen=True, kw_only=True, tag_field="undo", tag="done"):
    """It was undone."""

    id: str


def undo_of(entry_id: str, kind: str, name: tuple[str, str, str], before: Object | None) -> Undo:
    """Args: `name` is kind, namespace and name of the object."""
    return Undo(
        id=entry_id,
        kind=kind,
        object_kind=name[0],
        namespace=name[1],
        name=name[2],
        before=None if before is None else encode_json(before).decode(),
    )


class UndoLog:
    """A file that tells, whatever becomes of its writer, what is still to be undone."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()

    def write(self, undo: Undo) -> None:
        """Before the change is made. Raises UndoNotWritten, and then it must not be made."""
        try:
            self._line(undo)
        except OSError as error:
            why = error.strerror or str(error)
            raise UndoNotWritten(f"what would undo {undo.id} cannot be written: {why}") from None

    def done(self, entry_id: str) -> None:
        """It was undone. What a full disk does not take would be undone once more, in vain."""
        with contextlib.suppress(OSError):
            self._line(Done(id=entry_id))

    def close(self) -> None:
        self._file.close()

    def _line(self, line: Undo | Done) -> None:
        with self._lock:
            self._file.write(msgspec.json.encode(line) + b"\n")


def to_undo(path: Path) -> list[Undo]:
    """What is left, the last change first."""
    if not path.exists():
        return []
    decoder = msgspec.json.Decoder(Undo | Done)
    left: dict[str, Undo] = {}
    for text in path.read_bytes().split(b"\n")[:-1]:
        line = decoder.decode(text)
        if isinstance(line, Undo):
            left[line.id] = line
        else:
            left.pop(line.id, None)
    return list(reversed(left.values()))


def carry_out(undo: Undo, api: ApiClient, lab: LabClient, *, run: str) -> None:
    """Undo it; what is as it was, or is gone, stays so. Raises Unreachable, ApiError."""
    if undo.kind == DOCUMENT:
        _put_back(undo, api)
        return
    if undo.kind == "node-removal":
        with contextlib.suppress(NotFound):
            lab.clear_faults(power_id(run, undo.id))
    before = undo.object_before
    change = CHANGES[undo.kind]
    # A Node that is gone is registered by its kubelet, which starts anew.
    with contextlib.suppress(NotFound):
        update(
            api,
            undo.object_kind,
            undo.name,
            undo.namespace,
            lambda found: change.undo(found, before),
        )


def update(
    api: ApiClient, kind: str, name: str, namespace: str, change: Callable[[Any], Object]
) -> None:
    """Change one object, again on fresh data where others wrote meanwhile. Raises NotFound."""
    for attempt in range(_ATTEMPTS):
        found = api.get(kind, name, namespace)
        wanted = change(found)
        if wanted == found:
            return
        try:
            api.update(wanted)
            return
        except Conflict:
            if attempt == _ATTEMPTS - 1:
                raise


def power_id(run: str, entry_id: str) -> str:
    """The fault by which a removed node's machine is off."""
    return f"{run}.{entry_id}.power"


def _put_back(undo: Undo, api: ApiClient) -> None:
    before = undo.object_before
    if before is None:
        with contextlib.suppress(NotFound):
            api.delete(undo.object_kind, undo.name, undo.namespace)
        return
    try:
        update(api, undo.object_kind, undo.name, undo.namespace, lambda now: as_before(now, before))
    except NotFound:
        fresh = replace(before.metadata, uid="", resource_version="")
        api.create(replace(before, metadata=fresh))


def as_before(now: Object, before: Object) -> Object:
    """What it was, as the successor of what it is; what only servers write is as it is."""
    meta = replace(
        before.metadata,
        resource_version=now.metadata.resource_version,
        generation=now.metadata.generation,
        managed_fields=now.metadata.managed_fields,
    )
    fields: dict[str, Any] = {"metadata": meta}
    if hasattr(now, "status"):
        fields["status"] = now.status
    return replace(before, **fields)
