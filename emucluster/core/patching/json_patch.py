"""JSON patches, RFC 6902.

Two liberties are those of the library that API servers use (gopkg.in/evanphx/json-patch.v4): an
index may count from the end (`-1`), and `replace` may name a member which is not there, on which
`kubectl rollout undo` relies. That library's texts of errors are those of `Inapplicable`, which
clients of the API do not get to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from emucluster.core.errors import BadRequest, Invalid, TooLarge

from .trees import Tree, clone, same

MAX_OPERATIONS = 10_000
"""As k8s.io/apiserver/pkg/endpoints/handlers/patch.go."""
MAX_COPIED = 3 * 1024 * 1024
"""Bytes that the `copy` operations of one patch may add; the limit of a request's body."""
MAX_MOVED = 50_000_000
"""Items of arrays that the operations of one patch may have to move aside; a tenth of a second."""

_INDEX = re.compile(r"-?(?:0|[1-9]\d{0,8})", re.ASCII)
_ESCAPED = re.compile(r"~(?![01])")
_MISSING = "missing value"
REFUSED = "the server rejected our request due to an error in our request"


class _Failed(Exception):
    """An operation does not apply."""


class Inapplicable(Invalid):
    """A patch of which an operation does not apply; `why` says which and why.

    The message does not: API servers answer with errors.NewGenericServerResponse of 422, which
    drops the text that it is given.
    """

    def __init__(self, why: str) -> None:
        super().__init__(REFUSED)
        self.why = why


def apply(document: Any, patch: Any) -> Any:
    """The document as the operations, one after the other, make it.

    Raises BadRequest for what is no patch, TooLarge for one that is too long, Inapplicable (422)
    when an operation, such as a `test`, fails; then nothing is changed.
    """
    if not isinstance(patch, list):
        found = "object" if isinstance(patch, dict) else type(patch).__name__
        raise BadRequest(f"json: cannot unmarshal {found} into Go value of type jsonpatch.Patch")
    if len(patch) > MAX_OPERATIONS:
        raise TooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(patch)}"
        )
    run = _Run(clone(document))
    for operation in patch:
        if not isinstance(operation, dict):
            raise BadRequest(
                "json: cannot unmarshal non-object into Go value of type jsonpatch.Operation"
            )
        try:
            run.perform(clone(operation))
        except _Failed as failed:
            raise Inapplicable(str(failed)) from None
    return run.document


class _Run:
    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = 0
        self._moved = 0

    def perform(self, operation: Tree) -> None:
        kind = operation.get("op", "unknown")
        act = _ACTS.get(kind) if isinstance(kind, str) else None
        if act is None:
            raise _Failed(f"Unexpected kind: {kind}")
        act(self, operation)

    def add(self, operation: Tree) -> None:
        path = _path(operation, "path", "add")
        self._put(path, _value(operation, "add"), "add")

    def remove(self, operation: Tree) -> None:
        path = _path(operation, "path", "remove")
        self._take(path, "remove", f'doc is missing path: "{path}"')

    def replace(self, operation: Tree) -> None:
        path = _path(operation, "path", "replace")
        value = _value(operation, "replace")
        if path == "":
            self.document = value
            return
        where, key = self._container(
            path, f"replace operation does not apply: doc is missing path: {path}"
        )
        if isinstance(where, dict):
            where[key] = value
            return
        try:
            where[_existing(where, key)] = value
        except _Failed:
            text = f"replace operation does not apply: doc is missing key: {path}: {_MISSING}"
            raise _Failed(text) from None

    def move(self, operation: Tree) -> None:
        source, path = _path(operation, "from", "move"), _path(operation, "path", "move")
        if path.startswith(source + "/"):
            raise _Failed(f"move operation does not apply: {path} is inside of {source}")
        value = self._take(source, "move", f"doc is missing from path: {source}")
        self._put(path, value, "move")

    def copy(self, operation: Tree) -> None:
        source, path = _path(operation, "from", "copy"), _path(operation, "path", "copy")
        value = self._get(
            source, f"copy operation does not apply: doc is missing from path: {source}"
        )
        self._copied += len(msgspec.json.encode(value))
        if self._copied > MAX_COPIED:
            raise _Failed(
                "Unable to complete the copy, the accumulated size increase of copy is "
                f"{self._copied}, exceeding the limit {MAX_COPIED}"
            )
        self._put(path, clone(value), "copy")

    def test(self, operation: Tree) -> None:
        path = _path(operation, "path", "test")
        expected = _value(operation, "test")
        missing = f"test operation does not apply: is missing path: {path}"
        if not same(self._get(path, missing, absent_is_null=True), expected):
            raise _Failed(f"testing value {path} failed: test failed")

    # --- the document ----------------------------------------------------------------------------

    def _container(self, path: str, missing: str) -> tuple[Any, str]:
        """What holds the last part of a path, and that part."""
        *parts, last = _parts(path)
        where = self.document
        for part in parts:
            try:
                where = where[part] if isinstance(where, dict) else where[_existing(where, part)]
            except (KeyError, _Failed):
                raise _Failed(f"{missing}: {_MISSING}") from None
        if not isinstance(where, dict | list):
            raise _Failed(f"{missing}: {_MISSING}")
        return where, last

    def _get(self, path: str, missing: str, *, absent_is_null: bool = False) -> Any:
        if path == "":
            return self.document
        where, key = self._container(path, missing)
        if isinstance(where, list):
            try:
                return where[_existing(where, key)]
            except _Failed as failed:
                raise _Failed(f"{missing}: {failed}") from None
        if key not in where and not absent_is_null:
            raise _Failed(f"{missing}: {_MISSING}")
        return where.get(key)

    def _put(self, path: str, value: Any, verb: str) -> None:
        if path == "":
            self.document = value
            return
        missing = f'{verb} operation does not apply: doc is missing path: "{path}"'
        where, key = self._container(path, missing)
        if isinstance(where, dict):
            where[key] = value
        elif key == "-":
            where.append(value)
        else:
            index = _index(key)
            if not -len(where) - 1 <= index <= len(where):
                raise _Failed(f"error in {verb} for path: '{path}': {_no_index(index)}")
            self._move(where)
            where.insert(index if index >= 0 else index + len(where) + 1, value)

    def _take(self, path: str, verb: str, missing: str) -> Any:
        where, key = self._container(path, f"{verb} operation does not apply: {missing}")
        before = f"error in {verb} for path: '{path}'"
        if isinstance(where, dict):
            if key not in where:
                raise _Failed(f"{before}: Unable to remove nonexistent key: {key}: {_MISSING}")
            return where.pop(key)
        self._move(where)
        try:
            return where.pop(_existing(where, key))
        except _Failed as failed:
            raise _Failed(f"{before}: {failed}") from None

    def _move(self, array: list[Any]) -> None:
        """Notes that an array's items are moved aside. Raises _Failed for too many of them."""
        self._moved += len(array)
        if self._moved > MAX_MOVED:
            raise _Failed("the operations move too many items of arrays")


_ACTS: Mapping[str, Callable[[_Run, Tree], None]] = {
    "add": _Run.add,
    "remove": _Run.remove,
    "replace": _Run.replace,
    "move": _Run.move,
    "copy": _Run.copy,
    "test": _Run.test,
}


def _path(operation: Tree, field: str, verb: str) -> str:
    path = operation.get(field)
    if not isinstance(path, str) or (path and path[0] != "/") or _ESCAPED.search(path):
        raise _Failed(f"{verb} operation failed to decode {field}: {_MISSING}")
    return path


def _value(operation: Tree, verb: str) -> Any:
    if "value" not in operation:
        raise _Failed(f"{verb} operation has no value: {_MISSING}")
    return operation["value"]


def _parts(path: str) -> list[str]:
    if path == "":
        raise _Failed(f"the whole document cannot be taken away: {_MISSING}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _index(key: str) -> int:
    if not _INDEX.fullmatch(key) or key == "-0":
        raise _Failed(f"value was not a proper array index: '{key}'")
    return int(key)


def _existing(array: Any, key: str) -> int:
    """The place of an item that is there."""
    if not isinstance(array, list):
        raise _Failed(f"{key}: {_MISSING}")
    index = _index(key)
    if not -len(array) <= index < len(array):
        raise _Failed(_no_index(index))
    return index


def _no_index(index: int) -> str:
    return f"Unable to access invalid index: {index}: invalid index referenced"
