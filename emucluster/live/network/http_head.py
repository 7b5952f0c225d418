"""The heads of HTTP/1.1 requests and answers: pure functions over bytes, no sockets.

Only what a CONNECT gateway, a health responder and a probe need (RFC 9112): a request line or a
status line, then fields up to the empty line. Obsolete line folding is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

MAX_HEAD_BYTES = 8192

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REQUEST_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\.[0-9]")
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_AUTHORITY = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?)):([0-9]{1,5})"
)


class BadRequest(Exception):
    """Not acceptable; `status` is what HTTP answers to it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request up to its empty line; field names are in lower case, the last of a name counts."""

    method: str
    target: str
    headers: dict[str, str]
    length: int
    """Bytes that the head took; what follows is payload."""


def parse_request(data: bytes) -> RequestHead | None:
    """The head at the start of `data`; None while its end has not arrived.

    Raises BadRequest: 431 beyond 8 KiB, 400 for anything malformed.
    """
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if end < 0:
        if len(data) >= MAX_HEAD_BYTES:
            raise BadRequest(431, f"request head is longer than {MAX_HEAD_BYTES} bytes")
        return None
    request_line, *fields = data[:end].decode("latin-1").split("\r\n")
    match = _REQUEST_LINE.fullmatch(request_line)
    if match is None:
        raise BadRequest(400, "malformed request line")
    headers = dict(_field(field) for field in fields)
    return RequestHead(match[1], match[2], headers, end + 4)


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or any(char in value for char in "\r\n\0"):
        raise BadRequest(400, "malformed header field")
    return name.lower(), value.strip(" \t")


def connect_target(head: RequestHead) -> tuple[str, int]:
    """Host (without brackets) and port of a CONNECT. Raises BadRequest: 405 for other methods."""
    if head.method != "CONNECT":
        raise BadRequest(405, f"method {head.method}: only CONNECT is served here")
    match = _AUTHORITY.fullmatch(head.target)
    port = 0 if match is None else int(match[3])
    if match is None or not 1 <= port <= 65535:
        raise BadRequest(400, "CONNECT takes HOST:PORT")
    return match[1] or match[2], port


def parse_status(data: bytes) -> int | None:
    """The status of the answer that starts `data`; None while its line has not arrived.

    Raises ValueError when it is not HTTP/1.
    """
    match = _STATUS_LINE.match(data)
    if match is not None:
        return int(match[1])
    if b"\n" in data or len(data) > MAX_HEAD_BYTES or not b"HTTP/1.".startswith(data[:7]):
        raise ValueError("malformed HTTP response")
    return None


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A whole answer after which the connection is closed. Header values are cut to one line."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    for name, value in (headers or {}).items():
        lines.append(f"{name}: {' '.join(value.split())}")
    lines.append(f"content-length: {len(body)}")
    lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body
