"""The parameters of requests, as ListOptions, PatchOptions, ... read them.

Conversions are those of k8s.io/apimachinery pkg/runtime/conversion.go. Pure; what cannot be read
raises BadRequest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl

from emucluster.core.errors import (
    FORBIDDEN,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    BadRequest,
    Cause,
    Invalid,
)

FieldValidation = Literal["Strict", "Warn", "Ignore"]
MANAGER_MAX = 128
DIGITS_MAX = 1000
"""Of a number; Python reads no more than a few thousand, and no such number is in range."""


class Query:
    """Parameters by name; each has all its values in their order."""

    __slots__ = ("_values",)

    def __init__(self, raw: bytes | str = b"") -> None:
        text = raw.decode("latin-1") if isinstance(raw, bytes) else raw
        self._values: dict[str, list[str]] = {}
        if text:
            for name, value in parse_qsl(text, keep_blank_values=True):
                self._values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def all(self, name: str) -> list[str]:
        """Every value of a parameter, none if it is absent."""
        return self._values.get(name, [])

    def text(self, name: str, default: str = "") -> str:
        """The first value."""
        values = self._values.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool | None:
        """None if it is absent; only `0` and `false` are false."""
        values = self._values.get(name)
        return None if not values else values[0].lower() not in ("0", "false")

    def number(self, name: str) -> int | None:
        """A whole number of 64 bits; None if it is absent."""
        values = self._values.get(name)
        if not values:
            return None
        text = values[0]
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not (digits.isascii() and digits.isdecimal()):
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        if len(digits) > DIGITS_MAX or not -(2**63) <= (number := int(text)) < 2**63:
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
        return number


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What to list or watch. `continue_` is an opaque token of an earlier page."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_: str = ""
    watch: bool = False
    allow_watch_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_s: int | None = None


def list_options(query: Query) -> ListOptions:
    """Checked as apimachinery pkg/apis/meta/internalversion/validation does. Raises Invalid."""
    options = ListOptions(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        resource_version=query.text("resourceVersion"),
        resource_version_match=query.text("resourceVersionMatch"),
        limit=query.number("limit") or 0,
        continue_=query.text("continue"),
        watch=query.flag("watch") or False,
        allow_watch_bookmarks=query.flag("allowWatchBookmarks") or False,
        send_initial_events=query.flag("sendInitialEvents"),
        timeout_s=query.number("timeoutSeconds"),
    )
    causes = _watch_causes(options) if options.watch else _list_causes(options)
    if causes:
        raise Invalid.of("ListOptions.meta.k8s.io", "", causes)
    return options


def _forbidden(field: str, why: str) -> Cause:
    return Cause(field, FORBIDDEN, f"Forbidden: {why}")


def _watch_causes(options: ListOptions) -> list[Cause]:
    causes = []
    match = options.resource_version_match
    if options.send_initial_events is not None and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes.append(_forbidden("resourceVersionMatch", why))
    if match:
        if options.send_initial_events is None:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            causes.append(_forbidden("resourceVersionMatch", why))
        if match != "NotOlderThan":
            causes.append(_unsupported("resourceVersionMatch", match, ["NotOlderThan"]))
        if options.continue_:
            why = "resourceVersionMatch is forbidden when continue is provided"
            causes.append(_forbidden("resourceVersionMatch", why))
    return causes


def _list_causes(options: ListOptions) -> list[Cause]:
    causes = []
    match, version = options.resource_version_match, options.resource_version
    if match:
        if not version:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            causes.append(_forbidden("resourceVersionMatch", why))
        if options.continue_:
            why = "resourceVersionMatch is forbidden when continue is provided"
            causes.append(_forbidden("resourceVersionMatch", why))
        if match not in ("Exact", "NotOlderThan"):
            causes.append(
                _unsupported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""])
            )
        if match == "Exact" and version == "0":
            why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            causes.append(_forbidden("resourceVersionMatch", why))
    if options.send_initial_events is not None:
        why = "sendInitialEvents is forbidden for list"
        causes.append(_forbidden("sendInitialEvents", why))
    return causes


def _unsupported(field: str, value: str, allowed: list[str]) -> Cause:
    listed = ", ".join(f'"{each}"' for each in allowed)
    return Cause(field, NOT_SUPPORTED, f'Unsupported value: "{value}": supported values: {listed}')


def parse_version(text: str) -> int | None:
    """A resourceVersion; None for "". Raises BadRequest (storage/api_object_versioner.go)."""
    if not text:
        return None
    digits = text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX
    if not digits or int(text) >= 2**64:
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise BadRequest(
            f'resourceVersion: Invalid value: "{text}": {why}',
            (Cause("resourceVersion", INVALID, f'Invalid value: "{text}": {why}'),),
        )
    return int(text)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is meant."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: FieldValidation = "Warn"
    force: bool = False


def write_options(query: Query, kind: str, *, apply: bool = False) -> WriteOptions:
    """Of a create, update or patch; `kind` as `CreateOptions`. Raises Invalid.

    Checked as apimachinery pkg/apis/meta/v1/validation does. `apply`: server-side apply, which must
    say who it is, and alone may `force`.
    """
    causes = []
    dry_run = query.all("dryRun")
    manager = query.text("fieldManager")
    force = query.flag("force") if kind == "PatchOptions" else None
    if apply and not manager:
        text = "Required value: is required for apply patch"
        causes.append(Cause("fieldManager", REQUIRED, text))
    if force is not None and not apply:
        causes.append(_forbidden("force", "may not be specified for non-apply patch"))
    if len(manager.encode()) > MANAGER_MAX:
        text = f"Too long: may not be more than {MANAGER_MAX} bytes"
        causes.append(Cause("fieldManager", TOO_LONG, text))
    for position, char in enumerate(manager):
        if not char.isprintable():
            shown = f"U+{ord(char):04X} (at position {position})"
            text = f'Invalid value: "{manager}": invalid character {shown}'
            causes.append(Cause("fieldManager", INVALID, text))
    causes += dry_run_causes(dry_run)
    validation = query.text("fieldValidation")
    if validation not in ("", "Strict", "Warn", "Ignore"):
        causes.append(_unsupported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"]))
    if causes:
        raise Invalid.of(f"{kind}.meta.k8s.io", "", causes)
    return WriteOptions(
        dry_run=bool(dry_run),
        field_manager=manager,
        field_validation=cast(FieldValidation, validation or "Warn"),
        force=force or False,
    )


def dry_run_causes(values: list[str]) -> list[Cause]:
    """Only `All` is a dry run."""
    if all(value == "All" for value in values):
        return []
    shown = ", ".join(f'"{value}"' for value in values)
    text = f'Unsupported value: []string{{{shown}}}: supported values: "All"'
    return [Cause("dryRun", NOT_SUPPORTED, text)]
