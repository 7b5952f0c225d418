"""What kubelets tell of their objects, as Events.

A kubelet means the object that it knows, which may be gone by the time its note arrives, or have a
successor of the same name: a StatefulSet's pods do. Its own word for the uid is what counts, as it
is in Kubernetes, where the kubelet writes the Event by itself.
"""

from __future__ import annotations

from typing import Literal, Protocol

from emucluster.core.objects import ObjectReference, replace
from emucluster.core.objects.registry import BY_KIND
from emucluster.core.store import Store

from .recorder import Recorder, reference_to


class Note(Protocol):
    """What `emucluster.core.kubelet.commands.RecordEvent` says, in whatever form it came.

    Attributes:
        uid: of the object; a Node's is its name. Empty: whichever has that name.
        field_path: of the part that is meant; empty: all of it.
    """

    @property
    def kind(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def field_path(self) -> str: ...


def take_note(note: Note, store: Store, recorder: Recorder, *, stamp: str, host: str = "") -> None:
    """Write the Event. Dropped: a note of no kind that there is, or of nobody.

    Args:
        host: the node that it comes from.
    """
    about = _about(note, store)
    if about is None:
        return
    type_: Literal["Normal", "Warning"] = "Warning" if note.type == "Warning" else "Normal"
    about = replace(about, field_path=note.field_path or None)
    recorder.tell(about, type_, note.reason, note.message, stamp=stamp, host=host)


def _about(note: Note, store: Store) -> ObjectReference | None:
    row = BY_KIND.get(note.kind)
    if row is None:
        return None
    found = store.get(row.kind_key, note.namespace, note.name)
    known = None if found is None else reference_to(found)
    if known is not None and note.uid in ("", known.uid):
        return known
    if not note.uid:
        return None
    return ObjectReference(
        api_version=row.api_version,
        kind=row.kind,
        name=note.name,
        namespace=note.namespace or None,
        uid=note.uid,
    )
