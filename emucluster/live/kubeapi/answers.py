"""Bodies of answers: Status objects, and JSON as the client wants to read it."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from emucluster.core.errors import ApiError, to_status

from .accept import YAML, Representation
from .request import Answer, Request

_encode = msgspec.json.Encoder().encode

_READ_BY_PEOPLE = ("curl", "Wget", "Mozilla/5.0")

TEXT = "text/plain; charset=utf-8"
NO_SNIFF = ("x-content-type-options", "nosniff")


def shaped(request: Request, data: bytes, *, status: int = 200) -> Answer:
    """JSON as it is, indented, or as YAML: whichever the client asks for."""
    return Answer(dressed(request, request.wanted, data), status, request.wanted.media)


def dressed(request: Request, wanted: Representation, data: bytes) -> bytes:
    """The body alone; see `shaped`."""
    if wanted.media == YAML:
        text: str = yaml.safe_dump(msgspec.json.decode(data), sort_keys=False, allow_unicode=True)
        return text.encode()
    if is_pretty(request):
        return msgspec.json.format(data, indent=2) + b"\n"
    return data


def is_pretty(request: Request) -> bool:
    """Whether a person reads it (apiserver .../handlers/negotiation, isPrettyPrint)."""
    if asked := request.query.text("pretty"):
        return asked in ("1", "t", "T", "true", "TRUE", "True")
    return request.headers.get("user-agent", "").startswith(_READ_BY_PEOPLE)


def tree(request: Request, content: Any, *, status: int = 200) -> Answer:
    """Plain dicts and lists as JSON."""
    return shaped(request, _encode(content), status=status)


def text(content: str, *, status: int = 200, media: str = TEXT) -> Answer:
    """For people: health, mostly."""
    return Answer(
        content.encode(), status, media, (("cache-control", "no-cache, private"), NO_SNIFF)
    )


def failure(request: Request, error: ApiError) -> Answer:
    """The Status of an error."""
    headers: list[tuple[str, str]] = [NO_SNIFF]
    if error.retry_after_s:
        headers.append(("retry-after", str(error.retry_after_s)))
    if error.code == 401:
        headers.append(("www-authenticate", 'Bearer realm="emucluster"'))
    wanted = Representation()
    return Answer(dressed(request, wanted, to_status(error)), error.code, wanted.media, (*headers,))


def success(
    request: Request, *, status: int = 200, details: dict[str, Any] | None = None
) -> Answer:
    """The Status of something done that leaves no object to show."""
    content: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
    }
    if details:
        content["details"] = details
    if status != 200:
        content["code"] = status
    return tree(request, content, status=status)
