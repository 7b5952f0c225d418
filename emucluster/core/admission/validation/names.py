"""Formats of names, in the words of k8s.io/apimachinery/pkg/util/validation.

Each function returns what is wrong with its argument, () when nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

Check = Callable[[str], tuple[str, ...]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"

LABEL_MAX, SUBDOMAIN_MAX, PORT_NAME_MAX = 63, 253, 15


def _regex_error(what: str, pattern: str, *examples: str) -> str:
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{what} (e.g. {listed}regex used for validation is '{pattern}')"


def _too_long(value: str, most: int) -> tuple[str, ...]:
    return (f"must be no more than {most} bytes",) if len(value.encode()) > most else ()


def _format(value: str, pattern: str, what: str, *examples: str) -> tuple[str, ...]:
    if re.fullmatch(pattern, value):
        return ()
    return (_regex_error(what, pattern, *examples),)


def dns1123_label(value: str) -> tuple[str, ...]:
    what = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character"
    )
    return _too_long(value, LABEL_MAX) + _format(value, _LABEL, what, "my-name", "123-abc")


def dns1123_subdomain(value: str) -> tuple[str, ...]:
    what = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
        "or '.', and must start and end with an alphanumeric character"
    )
    return _too_long(value, SUBDOMAIN_MAX) + _format(value, _SUBDOMAIN, what, "example.com")


def dns1035_label(value: str) -> tuple[str, ...]:
    what = (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
        "an alphabetic character, and end with an alphanumeric character"
    )
    return _too_long(value, LABEL_MAX) + _format(value, _LABEL_1035, what, "my-name", "abc-123")


def qualified_name(value: str) -> tuple[str, ...]:
    """Keys of labels and annotations, finalizers, taints: `example.com/name`, `name`."""
    what = (
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
        "an alphanumeric character"
    )
    examples = ("MyName", "my.name", "123-abc")
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        text = _regex_error(f"a qualified name {what}", _QUALIFIED, *examples)
        return (
            f"{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        )
    problems: tuple[str, ...] = ()
    if slash and not prefix:
        problems += ("prefix part must be non-empty",)
    elif slash:
        problems += tuple(f"prefix part {text}" for text in dns1123_subdomain(prefix))
    if not name:
        return (*problems, "name part must be non-empty")
    problems += tuple(f"name part {text}" for text in _too_long(name, LABEL_MAX))
    return problems + _format(name, _QUALIFIED, f"name part {what}", *examples)


def label_value(value: str) -> tuple[str, ...]:
    what = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
        "or '.', and must start and end with an alphanumeric character"
    )
    examples = ("MyValue", "my_value", "12345")
    return _too_long(value, LABEL_MAX) + _format(value, f"({_QUALIFIED})?", what, *examples)


def config_map_key(value: str) -> tuple[str, ...]:
    what = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    examples = ("key.name", "KEY_NAME", "key-name")
    problems = _too_long(value, SUBDOMAIN_MAX) + _format(value, _CONFIG_KEY, what, *examples)
    if value in (".", ".."):
        return (*problems, f"must not be '{value}'")
    return (*problems, "must not start with '..'") if value.startswith("..") else problems


def environment_name(value: str) -> tuple[str, ...]:
    """Relaxed since v1.32 (KEP-4369)."""
    if value and all(" " <= char <= "~" and char != "=" for char in value):
        return ()
    text = (
        "a valid environment variable name must consist only of printable ASCII characters "
        "other than '='"
    )
    return (text,)


def port_name(value: str) -> tuple[str, ...]:
    """IANA service names, by which ports of containers are called."""
    problems = _too_long(value, PORT_NAME_MAX)
    if not re.fullmatch("[-a-z0-9]+", value):
        problems += ("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",)
    if not re.search("[a-z]", value):
        problems += ("must contain at least one letter (a-z)",)
    if "--" in value:
        problems += ("must not contain consecutive hyphens",)
    if value.startswith("-") or value.endswith("-"):
        problems += ("must not begin or end with a hyphen",)
    return problems


def port_number(value: int) -> tuple[str, ...]:
    return () if 1 <= value <= 65535 else ("must be between 1 and 65535, inclusive",)


def path_segment(value: str) -> tuple[str, ...]:
    """Names that need only fit into a path: those of roles (k8s.io/apimachinery .../path)."""
    if value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{char}'" for char in "/%" if char in value)


def percentage(value: str) -> tuple[str, ...]:
    what = "a valid percent string must be a numeric string followed by an ending '%'"
    return _format(value, _PERCENT, what, "1%", "93%")


def parse_ip(value: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(value)
    except ValueError:
        return None


def ip(value: str) -> tuple[str, ...]:
    if parse_ip(value) is not None:
        return ()
    return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)


def cidr(value: str) -> tuple[str, ...]:
    try:
        if "/" in value:
            ip_network(value, strict=False)
            return ()
    except ValueError:
        pass
    return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)


def special_ip(value: str, *, allowed: IPv4Network | None = None) -> tuple[str, ...]:
    """Addresses that no endpoint and no external IP may have (ValidateNonSpecialIP).

    `allowed`: loopback addresses which are ordinary here.
    """
    if (address := parse_ip(value)) is None:
        return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    if address.is_unspecified:
        return (f"may not be unspecified ({address})",)
    if address.is_loopback and not (allowed and address in allowed):
        return ("may not be in the loopback range (127.0.0.0/8, ::1/128)",)
    if address.is_link_local:
        return ("may not be in the link-local range (169.254.0.0/16, fe80::/10)",)
    if address.is_multicast and (address.version == 6 or str(address).startswith("224.0.0.")):
        return ("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",)
    return ()
