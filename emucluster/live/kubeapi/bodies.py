"""Request bodies: from bytes of some media type to the object that they mean."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from emucluster.core.admission.preparation import Preparation
from emucluster.core.admission.validation.fields import invalid
from emucluster.core.admission.validation.go_values import printed
from emucluster.core.errors import BadRequest, Invalid, UnsupportedMediaType
from emucluster.core.objects import CustomObject, Object
from emucluster.core.objects.registry import Resource
from emucluster.core.objects.yaml_nodes import TreeBuilder, compose_documents
from emucluster.core.schemas import decoding, protobuf
from emucluster.core.schemas.go_names import word_for
from emucluster.core.schemas.schema import Schema

from .accept import JSON, PROTOBUF, YAML
from .query import WriteOptions
from .request import Request
from .sizes import VALUES_MAX, require_few_of_its_own, require_few_values

READ = (JSON, YAML, PROTOBUF)

YAML_AT_ONCE_MAX = 32 * 1024
ALIASES_AT_ONCE_MAX = 4
BODY = "the request's body"
_SUMMARY_BYTES = 30
"""So much of a body is shown that is none."""

Tree = dict[str, Any]


def media_type(request: Request) -> str:
    """Of the body, without parameters; JSON where none is said, as by `kubectl scale`."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() or JSON


async def to_tree(data: bytes, media: str, *, kind: str, api_version: str = "v1") -> Tree:
    """A body as plain dicts and lists.

    `kind` and `api_version` are those that the path stands for: a body that names none means them.
    Raises BadRequest for what is no object, UnsupportedMediaType.
    """
    if media == JSON:
        tree = json(data)
    elif media == YAML:
        tree = await yaml(data)
    elif media == PROTOBUF:
        tree = protobuf.decode(data, api_version=api_version, kind=kind)
        require_few_values(tree)
    else:
        raise UnsupportedMediaType.of(READ)
    if not isinstance(tree, dict):
        raise _unrecognized(data, kind, "the body is not an object")
    for name in ("apiVersion", "kind"):
        if not isinstance(tree.get(name), str | None):
            word = word_for(tree[name])
            text = f"json: cannot unmarshal {word} into Go struct field .{name} of type string"
            raise _unrecognized(data, kind, text)
    head = {"apiVersion": tree.get("apiVersion") or api_version, "kind": tree.get("kind") or kind}
    return {**tree, **head}


def _unrecognized(data: bytes, kind: str, text: str) -> BadRequest:
    """Source: k8s.io/apiserver pkg/endpoints/handlers/rest.go, transformDecodeError."""
    short = data[:_SUMMARY_BYTES]
    summary = short.decode(errors="replace") if data.startswith(b"{") else short.hex()
    more = " ..." if len(data) > _SUMMARY_BYTES else ""
    return BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get "
        f"version/kind; json parse error: {text} ({summary}{more})"
    )


def json(data: bytes, *, values_max: int = VALUES_MAX) -> Any:
    """JSON as a tree. Raises BadRequest, TooLarge."""
    try:
        tree = msgspec.json.decode(data)
        require_few_values(tree, data, values_max=values_max)
        return tree
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None


async def yaml_or_json(data: bytes) -> Any:
    """A configuration to be applied: YAML, and most often the part of it that is JSON."""
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return await yaml(data)
    require_few_values(tree, data)
    return tree


async def yaml(data: bytes) -> Any:
    """One document of YAML as a tree; None if it is empty. Raises BadRequest.

    Python takes seconds for what JSON's decoder does in milliseconds, so that a large one is read
    beside the loop, as is one that aliases may make large.
    """
    if len(data) <= YAML_AT_ONCE_MAX and data.count(b"*") <= ALIASES_AT_ONCE_MAX:
        return _yaml(data)
    return await asyncio.to_thread(_yaml, data)


def _yaml(data: bytes) -> Any:
    try:
        documents = compose_documents(data.decode(), source=BODY, values_max=VALUES_MAX)
    except UnicodeDecodeError as error:
        raise BadRequest(f"{BODY}: error parsing YAML: {error}") from None
    if len(documents) > 1:
        raise BadRequest(f"{BODY}: one object is expected, got {len(documents)} documents")
    node = documents[0] if documents else None
    if node is None:
        return None
    try:
        return msgspec.json.decode(msgspec.json.encode(TreeBuilder(BODY, VALUES_MAX).build(node)))
    except (ValueError, TypeError, OverflowError) as error:  # what JSON cannot hold
        raise BadRequest(f"error converting YAML to JSON: {error}") from None


async def decoded(
    request: Request,
    data: bytes,
    row: Resource,
    options: WriteOptions,
    schema: Schema,
    preparation: Preparation,
) -> Object:
    """The object in the body of a create or update.

    Fields that are unknown or come twice are refused (`Strict`), or dropped with a warning
    (`Warn`), or just dropped. Of a custom kind `preparation` knows the fields. Raises BadRequest
    for another kind than the path's, wrong types, ...
    """
    media = media_type(request)
    tree = await to_tree(data, media, kind=row.kind, api_version=row.api_version)
    of_the_path(tree, row)
    twice: list[str] = []
    if media == JSON and options.field_validation != "Ignore":
        twice = decoding.duplicates(data)
    try:
        obj, unknown = _read(tree, row, schema, preparation)
        _validate(request, options, twice, unknown)
    except decoding.WrongType as error:
        handled = f'{row.kind} in version "{row.version}" cannot be handled as a {row.kind}'
        raise BadRequest(f"{handled}: {error}") from None
    return obj


def patched(
    request: Request,
    tree: Tree,
    row: Resource,
    options: WriteOptions,
    schema: Schema,
    shown: Any,
    preparation: Preparation,
    *,
    strategic: bytes | None = None,
) -> Object:
    """The object that a patch has made; as `decoded`, but for the errors.

    `shown`: what messages show, the patch or what it made; in the place of that `strategic`, a
    strategic merge patch, which is converted instead of decoded. Raises BadRequest, Invalid.
    """
    of_the_path(tree, row)
    try:
        obj, unknown = _read(tree, row, schema, preparation)
        _validate(request, options, [], unknown)
    except decoding.WrongType as error:
        if strategic is None:
            text, why = msgspec.json.encode(shown).decode(), str(error)
        else:
            text, why = printed(json(strategic)), error.converted
        raise Invalid.of("", "", [invalid("patch", text, why)]) from None
    return obj


def _read(
    tree: Tree, row: Resource, schema: Schema, preparation: Preparation
) -> tuple[Object, list[str]]:
    """The object, and the paths of unknown fields, which it has no more.

    Raises WrongType, TooLarge.
    """
    require_few_of_its_own(tree)
    obj, unknown = decoding.to_object(tree, row, schema)
    if isinstance(obj, CustomObject):
        obj, more = preparation.pruned(obj)
        unknown = [*unknown, *more]
    return obj, unknown


def of_the_path(tree: Tree, row: Resource) -> None:
    """Raises BadRequest for an object of another kind or version than the path's."""
    version, kind = tree["apiVersion"], tree["kind"]
    if kind != row.kind:
        raise BadRequest(
            f'{kind} in version "{version}" cannot be handled as a {row.kind}: the kind in the '
            "data is not that of the path"
        )
    if version != row.api_version:
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({row.api_version})"
        )


def _validate(
    request: Request, options: WriteOptions, twice: list[str], unknown: list[str]
) -> None:
    """Refuses fields, or warns of them. Raises WrongType."""
    texts = [f'duplicate field "{path}"' for path in twice]
    texts += [f'unknown field "{path}"' for path in unknown]
    if texts and options.field_validation == "Strict":
        raise decoding.WrongType(f"strict decoding error: {', '.join(texts)}")
    if options.field_validation == "Warn":
        request.warnings += texts
