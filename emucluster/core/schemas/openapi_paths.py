"""The operations of a resource, as OpenAPI v3 lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .definitions import META, REF, definitions

_STRATEGIC = "application/strategic-merge-patch+json"
PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    _STRATEGIC,
)
_BODIES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")


def _query(name: str, description: str, kind: str = "string") -> Mapping[str, Any]:
    schema = {"type": kind, "uniqueItems": True}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _path_part(name: str, description: str) -> Mapping[str, Any]:
    schema = {"type": "string", "uniqueItems": True}
    part = {"name": name, "in": "path", "description": description}
    return {**part, "required": True, "schema": schema}


_DRY_RUN = _query("dryRun", "When present, nothing is persisted. The only valid value is All.")
_MANAGER = _query("fieldManager", "The name of the actor that makes the change.")
_VALIDATION = _query(
    "fieldValidation",
    "What to do about unknown and duplicate fields: Ignore, Warn (default) or Strict.",
)
_FORCE = _query("force", "Apply patches only: take fields from others who own them.", "boolean")
_WRITE = (_DRY_RUN, _MANAGER, _VALIDATION)
_DELETE = (
    _DRY_RUN,
    _query("gracePeriodSeconds", "Seconds before the object is deleted.", "integer"),
    _query("orphanDependents", "Deprecated: use propagationPolicy.", "boolean"),
    _query("propagationPolicy", "Orphan, Background or Foreground."),
)
_LIST = (
    _query("allowWatchBookmarks", "Ask for watch events of type BOOKMARK.", "boolean"),
    _query("continue", "Where a list goes on that was cut by limit."),
    _query("fieldSelector", "Restrict to objects with these fields."),
    _query("labelSelector", "Restrict to objects with these labels."),
    _query("limit", "The most objects in one answer.", "integer"),
    _query("resourceVersion", "The version that the answer is from, or after which to watch."),
    _query("resourceVersionMatch", "How resourceVersion is meant: Exact or NotOlderThan."),
    _query("sendInitialEvents", "Begin a watch with what there is.", "boolean"),
    _query("timeoutSeconds", "Limit of the call's duration.", "integer"),
    _query("watch", "Answer changes as they happen.", "boolean"),
)
_NAMESPACE = _path_part("namespace", "object name and auth scope, such as for teams and projects")

# The HTTP method and x-kubernetes-action of each verb.
_ITEM_VERBS = {
    "get": ("get", "get", ()),
    "update": ("put", "put", _WRITE),
    "patch": ("patch", "patch", (*_WRITE, _FORCE)),
    "delete": ("delete", "delete", _DELETE),
    "create": ("post", "post", _WRITE),
}
_COLLECTION_VERBS = {
    "list": ("get", "list", _LIST),
    "create": ("post", "post", _WRITE),
    "deletecollection": ("delete", "deletecollection", (*_DELETE, *_LIST)),
}

Verbs = Callable[[Any, str], Sequence[str]]
Part = Callable[[Any, str], tuple[tuple[str, str, str], str]]


def paths_of(row: Any, root: str, schema: str, verbs_of: Verbs, part: Part) -> dict[str, Any]:
    """Path items of a resource.

    Args:
        row: the resource.
        root: `/apis/apps/v1`.
        schema: the name of its schema.
        verbs_of, part: verbs of the resource or of a subresource; a subresource's kind and schema.
    """
    make = _Operations(row)
    place = f"{root}/namespaces/{{namespace}}/{row.plural}" if row.namespaced else ""
    collection = place or f"{root}/{row.plural}"
    parameters = [_NAMESPACE] if row.namespaced else []
    own = (row.group, row.version, row.kind)
    verbs = set(verbs_of(row, ""))
    listed = f"{schema}List" if getattr(row, "definition", None) else _list_of(schema)
    result = {collection: make.item(_COLLECTION_VERBS, verbs, own, schema, listed, parameters)}
    if row.namespaced and "list" in verbs:
        result[f"{root}/{row.plural}"] = make.item(
            _COLLECTION_VERBS, {"list"}, own, schema, listed, [], everywhere=True
        )
    named = [_path_part("name", f"name of the {row.kind}"), *parameters]
    items = {verb: how for verb, how in _ITEM_VERBS.items() if verb != "create"}
    result[f"{collection}/{{name}}"] = make.item(items, verbs, own, schema, listed, named)
    for name in row.subresources:
        gvk, of = part(row, name)
        result[f"{collection}/{{name}}/{name}"] = make.item(
            _ITEM_VERBS, set(verbs_of(row, name)), gvk, of, listed, named, subresource=name
        )
    return {path: item for path, item in result.items() if len(item) > 1}


def _list_of(schema: str) -> str:
    return f"{schema}List" if f"{schema}List" in definitions() else ""


class _Operations:
    def __init__(self, row: Any) -> None:
        self._row = row
        self._custom = getattr(row, "definition", None) is not None
        group = "".join(p.capitalize() for p in row.group.removesuffix(".k8s.io").split("."))
        self._tag = f"{group or 'Core'}{row.version.capitalize()}"

    def item(
        self,
        methods: Mapping[str, tuple[str, str, Sequence[Any]]],
        verbs: set[str],
        gvk: tuple[str, str, str],
        schema: str,
        listed: str,
        parameters: list[Any],
        *,
        subresource: str = "",
        everywhere: bool = False,
    ) -> dict[str, Any]:
        """A path item: the operations of one path, by method."""
        item: dict[str, Any] = {"parameters": parameters}
        for verb, (method, action, query) in methods.items():
            if verb not in verbs:
                continue
            answer = {"list": listed, "delete": META + "Status"}.get(verb, schema)
            code = "201" if verb == "create" else "200"
            group, version, kind = gvk
            item[method] = {
                "tags": [self._tag[0].lower() + self._tag[1:]],
                "operationId": self._name(verb, subresource, everywhere),
                "parameters": list(query),
                **self._body(verb, schema),
                "responses": {
                    code: {"description": "OK", **_content(answer)},
                    "401": {"description": "Unauthorized"},
                },
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": {
                    "group": group,
                    "version": version,
                    "kind": kind,
                },
            }
        return item

    def _name(self, verb: str, subresource: str, everywhere: bool) -> str:
        words = {"get": "read", "update": "replace", "deletecollection": "deleteCollection"}
        scope = "Namespaced" if self._row.namespaced and not everywhere else ""
        part = "".join(word.capitalize() for word in subresource.split("-"))
        tail = "ForAllNamespaces" if everywhere else ""
        return f"{words.get(verb, verb)}{self._tag}{scope}{self._row.kind}{part}{tail}"

    def _body(self, verb: str, schema: str) -> dict[str, Any]:
        if verb == "patch":
            ref = {"schema": {"$ref": f"{REF}{META}Patch"}}
            kinds = [kind for kind in PATCHES if not (self._custom and kind == _STRATEGIC)]
            return {"requestBody": {"required": True, "content": {kind: ref for kind in kinds}}}
        if verb in ("delete", "deletecollection"):
            return {"requestBody": _content(META + "DeleteOptions")}
        if verb in ("create", "update"):
            bodies = _BODIES[:2] if self._custom else _BODIES
            return {"requestBody": {"required": True, **_content(schema, bodies)}}
        return {}


def _content(schema: str, kinds: Sequence[str] = _BODIES[:1]) -> dict[str, Any]:
    of = {"schema": {"$ref": REF + schema} if schema else {"type": "string"}}
    return {"content": {kind: of for kind in kinds}}
