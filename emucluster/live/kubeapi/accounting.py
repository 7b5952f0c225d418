"""Who manages which field: for every write through this API."""

from __future__ import annotations

import re
from typing import Any

from emucluster.core.objects import Object
from emucluster.core.objects.kinds import Kinds
from emucluster.core.objects.registry import Resource
from emucluster.core.patching.accounts import Account, CreatedPods, entries_of
from emucluster.core.schemas.schema import Schema, custom_schema, schema_of
from emucluster.live.clock import stamp

from .query import MANAGER_MAX, WriteOptions
from .request import Request

_EMPTY_ENTRIES = re.compile(rb'"managedFields"\s*:\s*\[\s*\]')


class Accounting:
    """Makes accounts of writes. One for each server."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._changes = -1
        self._custom: dict[tuple[str, str], Schema] = {}
        self._created = CreatedPods()

    def schema(self, row: Resource) -> Schema:
        """The type of a resource's objects."""
        if row.definition is None:
            schema = schema_of(row.api_version, row.kind)
            assert schema is not None  # of every built-in kind there is one
            return schema
        if self._changes != self._kinds.changes:
            self._changes = self._kinds.changes
            self._custom.clear()
        key = (row.api_version, row.kind)
        if key not in self._custom:
            given = row.definition.schema
            self._custom[key] = custom_schema(given.open_apiv3_schema if given else None)
        return self._custom[key]

    def account(
        self,
        request: Request,
        row: Resource,
        options: WriteOptions,
        *,
        sent: Any = None,
    ) -> Account:
        """Of a write that is no apply. `sent`: see `managed_fields_in`."""
        stored = self._kinds.get(row.kind_key) or row
        return Account(
            manager=options.field_manager or agent_of(request),
            stamp=stamp(),
            schema=self.schema(stored),
            has_status=row.has_status,
            subresource=request.target.subresource if request.target is not None else "",
            sent=sent,
            created=self._created,
        )


def agent_of(request: Request) -> str:
    """The name of a client that gives no other one: its User-Agent up to the first slash.

    Source: k8s.io/apiserver pkg/endpoints/handlers/create.go, managerOrUserAgent.
    """
    name = request.headers.get("user-agent", "").partition("/")[0]
    return "".join(c for c in name if c.isprintable())[:MANAGER_MAX]


def managed_fields_in(obj: Object, body: bytes) -> Any:
    """The managedFields of an object that a client sent: None if there are none.

    An empty list says something, and is no more to be seen in the object itself.
    """
    entries = obj.metadata.managed_fields
    if entries:
        return entries_of(entries)
    return [] if _EMPTY_ENTRIES.search(body) else None
