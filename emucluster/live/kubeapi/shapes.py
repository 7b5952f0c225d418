"""Objects in the form that was asked for: themselves, rows of a Table, or their metadata alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from emucluster.core import printing
from emucluster.core.objects import Object, codec
from emucluster.core.objects.registry import Resource
from emucluster.core.objects.views import as_served
from emucluster.live.clock import wall_s

from .accept import Representation
from .encodings import Encodings

_encode = msgspec.json.Encoder().encode

LARGE_BYTES = 32 * 1024
"""An object's encoding from which on lists share it, so that small ones displace no large one."""


class Shape:
    """One form of one resource; versions of objects that watchers get are encoded once.

    `include` is what rows of a Table carry of their objects; `encodings` may be shared by shapes.
    """

    def __init__(
        self,
        row: Resource,
        wanted: Representation,
        include: printing.IncludeObject = "Metadata",
        encodings: Encodings | None = None,
    ) -> None:
        self._row = row
        self.wanted = wanted
        self._include = include
        self._encodings = Encodings() if encodings is None else encodings

    @property
    def is_table(self) -> bool:
        return self.wanted.shape == "table"

    def one(self, obj: Object) -> bytes:
        """One object alone."""
        return self._object(obj, columns=True)

    def event(self, event_type: str, obj: Object, version: int, *, columns: bool = False) -> bytes:
        """A line of a watch; `columns`: with the definitions of a Table's columns."""
        if columns and self.is_table:
            return _line(event_type, self._object(obj, columns=True))
        key = (self, version, event_type)
        line = self._encodings.get(key)
        if line is None:
            line = _line(event_type, self._object(obj, columns=False))
            self._encodings.keep(key, line)
        return line

    def bookmark(self, version: int, *, initial_events_end: bool = False) -> bytes:
        """The line that tells how far a watch has come, without an object."""
        metadata: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
        if initial_events_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj: dict[str, Any] = {
            "kind": self._row.kind,
            "apiVersion": self._row.api_version,
            "metadata": metadata,
        }
        if self.is_table:
            obj |= {"kind": "Table", "apiVersion": f"meta.k8s.io/{self.wanted.version}"}
            obj["metadata"] = {"resourceVersion": str(version)}
            obj |= {"columnDefinitions": None, "rows": []}
        elif self.wanted.shape == "metadata":
            obj |= {"kind": "PartialObjectMetadata"}
            obj |= {"apiVersion": f"meta.k8s.io/{self.wanted.version}"}
        return _line("BOOKMARK", _encode(obj))

    def list_parts(
        self, objects: Sequence[Object], *, version: int, continue_: str, remaining: int | None
    ) -> tuple[bytes, bytes]:
        """What comes before the items of a list, and what comes after them."""
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if continue_:
            metadata["continue"] = continue_
        if remaining is not None:
            metadata["remainingItemCount"] = remaining
        kind, api_version = f"{self._row.kind}List", self._row.api_version
        name = "items"
        head: dict[str, Any] = {}
        if self.is_table:
            kind, api_version, name = "Table", f"meta.k8s.io/{self.wanted.version}", "rows"
            head["columnDefinitions"] = printing.columns(self._row)
        elif self.wanted.shape == "metadata":
            kind = "PartialObjectMetadataList"
            api_version = f"meta.k8s.io/{self.wanted.version}"
        start = {"kind": kind, "apiVersion": api_version, "metadata": metadata, **head}
        return _encode(start)[:-1] + f',"{name}":['.encode(), b"]}\n"

    def items(self, objects: Sequence[Object]) -> bytes:
        """Items of a list, joined by commas."""
        if self.is_table:
            rows = self._table(objects, columns=False).rows
            return _encode(rows)[1:-1]
        return b",".join(map(self._item, objects))

    def _item(self, obj: Object) -> bytes:
        key = (self, obj.metadata.resource_version)
        found = self._encodings.get(key)
        if found is None:
            found = self._object(obj, columns=False)
            if len(found) >= LARGE_BYTES and obj.metadata.resource_version:
                self._encodings.keep(key, found)
        return found

    def _object(self, obj: Object, *, columns: bool) -> bytes:
        obj = as_served(obj, self._row)
        if self.wanted.shape == "object":
            return codec.encode_json(obj)
        if self.is_table:
            return _encode(
                self._table([obj], columns=columns, version=obj.metadata.resource_version)
            )
        api_version = f"meta.k8s.io/{self.wanted.version}"
        return _encode(
            {
                "kind": "PartialObjectMetadata",
                "apiVersion": api_version,
                "metadata": obj.metadata,
            }
        )

    def _table(
        self, objects: Sequence[Object], *, columns: bool, version: str = ""
    ) -> printing.Table:
        shown = [as_served(obj, self._row) for obj in objects]
        return printing.table(
            printing.printer(self._row),
            shown,
            now_s=wall_s(),
            include=self._include,
            with_columns=columns,
            resource_version=version,
            api_version=f"meta.k8s.io/{self.wanted.version}",
        )


def _line(event_type: str, obj: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (event_type.encode(), obj)
