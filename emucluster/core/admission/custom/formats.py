"""What `format` asks of a string.

Source: k8s.io/kube-openapi pkg/validation/strfmt. Formats that are not here are not looked at, as
the API server does with unknown ones.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*\.?"
)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DURATION = re.compile(r"([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|0|\d+ ?[a-z]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")


def _made(make: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether something can be made of a text without a ValueError."""

    def check(text: str) -> bool:
        try:
            make(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _matching(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _date_time(text: str) -> bool:
    if not _DATE_TIME.fullmatch(text):
        return False
    whole = re.sub(r"\.\d+", "", text.upper()).replace("Z", "+00:00")
    return _made(datetime.fromisoformat)(whole)


def _date(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None and _made(date.fromisoformat)(text)


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(text) and (bool(parts.scheme) or text.startswith("/"))


def _cidr(text: str) -> bool:
    return "/" in text and _made(lambda t: ip_network(t, strict=False))(text)


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "byte": _made(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _cidr,
    "date": _date,
    "date-time": _date_time,
    "datetime": _date_time,
    "duration": _matching(_DURATION),
    "email": _matching(_EMAIL),
    "hostname": _matching(_HOST),
    "ipv4": _made(IPv4Address),
    "ipv6": _made(IPv6Address),
    "mac": _matching(_MAC),
    "uri": _uri,
    "uuid": _matching(_UUID),
}
