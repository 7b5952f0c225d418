"""Lists as the API answers them: ordered, in pages that fit together, at a wanted version.

Every page of one list shows the same moment, which its continue token names. The store has only
the present; what a kind looked like a moment ago follows from undoing the events since, for as
long as the window holds them.

Semantics: k8s.io/apiserver pkg/storage (continue.go, interfaces.go) and pkg/storage/etcd3
(store.go GetList, errors.go). That `resourceVersionMatch` fits the other parameters is checked
where parameters are read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import Literal

import msgspec

from emucluster.core.errors import BadRequest, Cause, Gone, Timeout
from emucluster.core.objects import Object

from .fields import FieldRequirement
from .keys import Key, after, key_of, whole
from .selectors import EVERYTHING, Selector
from .store import Store

EXPIRED = "The resourceVersion for the provided list is too old."
INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
_NOT_VALID = "invalid continue token: continue key is not valid"
_LATEST = -1
"""In a token: go on at whatever version is the latest."""

DIGITS_MAX = 1000
"""Of a version: Python reads no more than a few thousand."""

Match = Literal["", "Exact", "NotOlderThan"]


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a list.

    Attributes:
        objects: by namespace and name.
        version: the moment that the list shows; its resourceVersion.
        continue_: where the next page begins; "" on the last one.
        remaining: how many objects come after this page; None where that is not known, because
            of selectors, and on the last page.
    """

    objects: tuple[Object, ...]
    version: int
    continue_: str = ""
    remaining: int | None = None


def list_page(
    store: Store,
    kind: str,
    namespace: str = "",
    *,
    labels: Selector = EVERYTHING,
    fields: tuple[FieldRequirement, ...] = (),
    limit: int = 0,
    continue_: str = "",
    resource_version: str = "",
    match: str = "",
) -> Page:
    """The objects of a kind, or a page of them.

    Args:
        kind: the key of the kind.
        namespace: only this one; "" for all, and for kinds without namespaces.
        labels, fields: what to select.
        limit: how many objects a page has at most; 0 or less: all.
        continue_: the token of the page before.
        resource_version: "" the latest; "0" whatever is at hand, which is the latest too, and
            without regard to `limit`; else at least or exactly this version, as `match` says.
        match: "Exact", "NotOlderThan", or "": exactly with a limit, else not older.

    Raises BadRequest (a version or token that is none), Gone (a version that is not held any
    more; for a token it carries another one, which goes on without being consistent), Timeout
    (a version that is yet to come).
    """
    start, end = whole(kind, namespace)
    if continue_:
        if resource_version not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue")
        version, start = _decoded(continue_, kind, namespace)
        version = store.version if version == _LATEST else version
        if (past := _past(store, kind, version)) is None:
            error = Gone(INCONSISTENT)
            error.continue_ = _encoded(start, _LATEST)
            raise error
    else:
        exactly = match == "Exact" or (match == "" and limit > 0)
        wanted = _parsed(resource_version, exactly=exactly)
        if wanted > store.version:
            raise too_large(wanted, store.version)
        version = wanted if wanted and exactly else store.version
        if resource_version == "0":
            limit = 0
        if (past := _past(store, kind, version)) is None:
            raise Gone(EXPIRED)
    selection = _Selection(store, kind, namespace, labels, fields, past)
    if limit <= 0:
        return Page(tuple(selection.between(start, end)), version)
    return _first_of(selection, start, end, limit, version)


def _first_of(selection: _Selection, start: Key, end: Key, limit: int, version: int) -> Page:
    found: list[Object] = []
    for obj in selection.between(start, end):
        if len(found) == limit:
            next_ = after(key_of(found[-1]))
            remaining = selection.count(next_, end) if selection.is_everything else None
            return Page(tuple(found), version, _encoded(next_, version), remaining)
        found.append(obj)
    return Page(tuple(found), version)


class _Selection:
    """What is wanted of a kind, at a moment that `past` describes as differences to now."""

    def __init__(
        self,
        store: Store,
        kind: str,
        namespace: str,
        labels: Selector,
        fields: tuple[FieldRequirement, ...],
        past: Mapping[Key, Object | None],
    ) -> None:
        self._store, self._kind, self._namespace = store, kind, namespace
        self._labels, self._fields, self._past = labels, fields, past
        self.is_everything = labels is EVERYTHING and not fields

    def between(self, start: Key, end: Key) -> Iterator[Object]:
        """The wanted objects in their order; only as far as they are asked for."""
        past = self._past
        then = sorted(k for k, obj in past.items() if obj is not None and start <= k < end)
        now = self._now(start, end)
        if past:
            now = (key for key in now if key not in past)
        keys: Iterable[Key] = merge(now, then) if then else now
        present = self._store.objects(self._kind)
        for key in keys:
            obj = past.get(key) if past else None
            obj = present[key] if obj is None else obj
            if self.is_everything or self._takes(obj):
                yield obj

    def _now(self, start: Key, end: Key) -> Iterable[Key]:
        """At least every present key that is wanted, in order."""
        if not self.is_everything:
            found = self._store.candidates(self._kind, self._namespace, self._labels, self._fields)
            if found is not None:
                return sorted(key for key in found if start <= key < end)
        return self._store.ordered(self._kind).between(start, end)

    def _takes(self, obj: Object) -> bool:
        return self._labels.matches(obj.metadata.labels) and all(
            field.matches(obj) for field in self._fields
        )

    def count(self, start: Key, end: Key) -> int:
        """How many objects of the kind there are in a range, without regard to selectors."""
        keys = self._store.ordered(self._kind).between(start, end)
        if not self._past:
            return len(keys)
        present = self._store.objects(self._kind)
        changed = [key for key in self._past if start <= key < end]
        gone = sum(1 for key in changed if key in present)
        return len(keys) - gone + sum(1 for key in changed if self._past[key] is not None)


# --- the past ------------------------------------------------------------------------------------


def _past(store: Store, kind: str, version: int) -> Mapping[Key, Object | None] | None:
    """What was otherwise at `version` than it is now; None: that is not known any more.

    An object that was not there is None.
    """
    if version == store.version:
        return {}
    try:
        events = store.events_since(version)
    except Gone:
        return None
    # The oldest event of a key has what was there before all of them.
    return {key_of(event.object): event.old for event in reversed(events) if event.kind == kind}


# --- versions and tokens -------------------------------------------------------------------------


def _parsed(text: str, *, exactly: bool) -> int:
    """A resourceVersion; 0 for "" and "0". Raises BadRequest.

    `exactly`: what etcd would answer, which adds to the words of storage/api_object_versioner.go,
    and not the cache. Differs: the latter's error is status 500 there.
    """
    if text in ("", "0"):
        return 0
    digits = text.isascii() and text.isdecimal()
    if digits and len(text) <= DIGITS_MAX and int(text) < 2**64:
        return int(text)
    problem = "value out of range" if digits else "invalid syntax"
    raise BadRequest(
        f"{'invalid resource version: ' if exactly else ''}"
        f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {problem}'
    )


def too_large(wanted: int, current: int) -> Timeout:
    """The refusal of a version that is yet to come."""
    cause = Cause("", "ResourceVersionTooLarge", "Too large resource version")
    text = f"Timeout: Too large resource version: {wanted}, current: {current}"
    error = Timeout(text, [cause])
    error.retry_after_s = 1
    return error


class _Token(msgspec.Struct):
    """What a continue token says, under upstream's names."""

    v: str
    rv: int
    start: str


def _encoded(start: Key, version: int) -> str:
    token = _Token("meta.k8s.io/v1", version, f"{start[1]}/{start[2]}")
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def _decoded(text: str, kind: str, namespace: str) -> tuple[int, Key]:
    """The version and the first key. A token stays within the namespace that is listed."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        token = msgspec.json.decode(data, type=_Token)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise BadRequest(f"{_NOT_VALID}: {error}") from None
    if token.rv >= 2**63:
        where = "into Go struct field continueToken.rv of type int64"
        raise BadRequest(f"{_NOT_VALID}: json: cannot unmarshal number {token.rv} {where}")
    if token.v != "meta.k8s.io/v1":
        text = "server does not recognize this encoded version"
        raise BadRequest(f"{_NOT_VALID}: {text} {token.v}")
    if token.rv == 0 or token.rv < _LATEST:
        text = "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
        raise BadRequest(f"{_NOT_VALID}: {text}")
    if not token.start:
        raise BadRequest(f"{_NOT_VALID}: encoded start key empty (version meta.k8s.io/v1)")
    where, slash, name = token.start.partition("/")
    if not slash or (namespace and where != namespace):
        raise BadRequest(f"{_NOT_VALID}: {token.start}")
    return token.rv, (kind, where, name)
