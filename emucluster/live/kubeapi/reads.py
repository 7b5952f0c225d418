"""`get` and `list`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from emucluster.core.objects import Object
from emucluster.core.objects.registry import Resource
from emucluster.core.store import FieldRequirement, Page, list_page, parse_fields, parse_labels

from . import answers
from .api import KubeApi
from .hub import Selection
from .pieces import pieces
from .query import ListOptions, list_options, parse_version
from .request import Answer, Request
from .shapes import Shape

ROWS_AT_ONCE = 50


async def get(api: KubeApi, request: Request) -> Answer:
    """One object. `resourceVersion` is a bound from below, which what is here always meets."""
    row = api.resource(request)
    shape = api.shape(request, row)
    parse_version(request.query.text("resourceVersion"))
    obj = api.existing(request, row)
    await api.driver.settled()
    return answers.shaped(request, shape.one(obj))


def page(api: KubeApi, row: Resource, namespace: str, options: ListOptions) -> Page:
    """What a list shows. Raises BadRequest, Gone, Timeout."""
    labels = parse_labels(options.label_selector)
    fields = parse_fields(row, options.field_selector)
    at_hand = options.resource_version in ("", "0") and not options.continue_
    name = exact_name(fields)
    if name and at_hand and (namespace or not row.namespaced):
        # How clients wait for one object; it must not cost a look at all the others.
        obj = api.store.get(row.kind_key, namespace, name)
        selection = Selection(row.kind_key, namespace, labels, fields)
        found = (obj,) if obj is not None and selection.takes(obj) else ()
        return Page(found, api.store.version)
    return list_page(
        api.store,
        row.kind_key,
        namespace,
        labels=labels,
        fields=fields,
        limit=options.limit,
        continue_=options.continue_,
        resource_version=options.resource_version,
        match=options.resource_version_match,
    )


def exact_name(fields: Sequence[FieldRequirement]) -> str:
    """The one name that is asked for, or ""."""
    for field in fields:
        if field.field == "metadata.name" and not field.negated:
            return field.value
    return ""


async def list_(api: KubeApi, request: Request) -> Answer | None:
    """Many objects; in pieces if they are really many."""
    assert request.target is not None
    row = api.resource(request)
    shape = api.shape(request, row)
    found = page(api, row, request.target.namespace, list_options(request.query))
    await api.driver.settled()
    return await send_list(request, shape, found)


async def send_list(request: Request, shape: Shape, found: Page) -> Answer | None:
    """Encode a page piece by piece, and send it so if it is more than one."""
    objects = found.objects
    head, tail = shape.list_parts(
        objects, version=found.version, continue_=found.continue_, remaining=found.remaining
    )
    made = pieces(_items(shape, objects), b",")
    if answers.is_pretty(request) or request.wanted.media != "application/json":
        return answers.shaped(request, head + await _all(made) + tail)
    first = next(made, b"")
    second = next(made, None)
    if second is None:
        return answers.shaped(request, head + first + tail)
    await request.start()
    await request.piece(head)
    await request.piece(first)
    await request.piece(second)
    for piece in made:
        await request.piece(piece)
        await asyncio.sleep(0)
    await request.piece(tail, last=True)
    return None


def _items(shape: Shape, objects: Sequence[Object]) -> Iterator[bytes]:
    """Rows of a Table are made together, which is cheaper; an object may be large."""
    if not shape.is_table:
        for obj in objects:
            yield shape.items([obj])
        return
    step = ROWS_AT_ONCE
    for start in range(0, len(objects), step):
        yield shape.items(objects[start : start + step])


async def _all(made: Iterable[bytes]) -> bytes:
    parts = []
    for piece in made:
        parts.append(piece)
        await asyncio.sleep(0)
    return b"".join(parts)
