"""Manifests: YAML or JSON text to objects.

YAML is read as kubectl reads it (1.1, without timestamps and base-60 numbers), with three limits
that keep a hostile or mistaken file from taking the machine: its size, its depth, and the number of
values after aliases are expanded. Every error names the source, the document and the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from emucluster.core.errors import BadRequest

from .codec import MAX_DEPTH, decode_tree
from .registry import BY_KIND
from .root import Object
from .yaml_nodes import TreeBuilder, compose_documents, line_of

MAX_BYTES = 32 * 1024 * 1024  # of one source; thousands of objects
_TYPED_LISTS = {f"{kind}List": row for kind, row in BY_KIND.items()}


@dataclass(frozen=True, slots=True)
class _Document:
    """One document; `node` finds lines and is None for JSON."""

    where: str
    tree: object
    node: yaml.Node | None


def load(text: str, *, source: str) -> list[Object]:
    """All objects of a manifest, in their order.

    Several documents, `kind: List` and typed lists (`PodList`) are taken apart; empty documents
    are skipped.

    Args:
        text: YAML or JSON.
        source: how errors call it, normally the file's name.

    Raises BadRequest: not YAML, a key twice in one map, no or unknown kind, unknown fields, wrong
    types. Nothing is returned of a manifest of which any part is wrong.
    """
    if len(text) > MAX_BYTES:
        raise BadRequest(f"{source}: larger than {MAX_BYTES // 1024 // 1024} MiB")
    objects: list[Object] = []
    for document in _documents(text, source):
        if document.tree is not None:
            objects.extend(_objects(document, document.tree, "", document.where))
    return objects


def _documents(text: str, source: str) -> Iterator[_Document]:
    if text.lstrip()[:1] in ("{", "[") and (tree := _json(text, source)) is not None:
        yield _Document(source, tree, None)
        return
    documents = compose_documents(text, source=source)
    for number, node in enumerate(documents, start=1):
        where = source if len(documents) == 1 else f"{source}, document {number}"
        if node is not None:
            yield _Document(where, TreeBuilder(where).build(node), node)


def _json(text: str, source: str) -> object:
    """The JSON document, or None where the text is something else, such as flow-style YAML."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise BadRequest(f'{source}: error parsing JSON: key "{twice}" already set in map')
        return result

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise BadRequest(f"{source}: nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:
        return None


def _objects(document: _Document, tree: object, path: str, where: str) -> Iterator[Object]:
    items = _items(tree)
    if items is None:
        yield _object(document, tree, path, where)
        return
    if not isinstance(items, list):
        raise BadRequest(f"{where}: items of a list must be an array")
    for index, item in enumerate(items):
        if isinstance(tree, dict) and isinstance(item, dict) and tree["kind"] in _TYPED_LISTS:
            row = _TYPED_LISTS[tree["kind"]]
            item = {"apiVersion": row.api_version, "kind": row.kind, **item}
        below = f"{path}.items[{index}]".lstrip(".")
        yield from _objects(document, item, below, f"{document.where}, {below}")


def _items(tree: object) -> object:
    """The items of a list, None if it is no list."""
    if not isinstance(tree, dict) or not isinstance(tree.get("kind"), str):
        return None
    row = _TYPED_LISTS.get(tree["kind"])
    version = row.api_version if row else "v1"
    if (row or tree["kind"] == "List") and tree.get("apiVersion") == version:
        items = tree.get("items")
        return [] if items is None else items
    return None


def _object(document: _Document, tree: object, path: str, where: str) -> Object:
    try:
        return decode_tree(tree)
    except BadRequest as error:
        lines = _lines(document, path, [cause.field for cause in error.causes])
        message = f"{where}{lines}{_named(tree)}: {error.message}"
        raise BadRequest(message, error.causes) from None


def _named(tree: object) -> str:
    """` (Service "web")`, as far as the object says what it is."""
    if not isinstance(tree, dict) or not isinstance(kind := tree.get("kind"), str):
        return ""
    metadata = tree.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f' ({kind} "{name}")' if name else f" ({kind})"


def _lines(document: _Document, path: str, fields: list[str]) -> str:
    if document.node is None:
        return ""
    paths = [f"{path}.{field}".strip(".") for field in fields] or [path]
    lines = sorted({line_of(document.node, p) for p in paths})
    return f", line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))}"
