"""A preset with a Service's own settings laid over it.

Settings come from annotations, so every value may be text. The keys are ours; who translates the
annotations of the clouds knows theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any, get_args

from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError

from .health_check import HealthCheckPolicy
from .presets import PRESETS, Algorithm, LoadBalancerPolicy

SettingValue = str | int | float | bool
Parse = Callable[[SettingValue], Any]


class InvalidSetting(EmuclusterError, ValueError):
    """A load balancer's setting cannot be accepted; `key` names it."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


def resolve(
    preset: str,
    *,
    local: bool = False,
    settings: Mapping[str, SettingValue] | None = None,
    speed: Speed | None = None,
) -> LoadBalancerPolicy:
    """The policy that a Service's load balancer runs with.

    Args:
        preset: a name of `PRESETS`.
        local: whether the Service has `externalTrafficPolicy: Local`.
        settings: key to value, over the preset's; see `SETTINGS` for the keys.
        speed: divides health checks and draining, after the settings.

    Raises:
        InvalidSetting: unknown preset or key, or a value out of its range.
    """
    if preset not in PRESETS:
        raise InvalidSetting("preset", f"must be one of {', '.join(PRESETS)}, got {preset!r}")
    policy = PRESETS[preset].for_local() if local else PRESETS[preset]
    policy = _with_settings(policy, settings or {})
    return policy if speed is None else policy.scaled(speed)


def _with_settings(
    policy: LoadBalancerPolicy, settings: Mapping[str, SettingValue]
) -> LoadBalancerPolicy:
    parsed: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in SETTINGS:
            raise InvalidSetting(key, f"unknown; known are {', '.join(sorted(SETTINGS))}")
        try:
            parsed[key] = SETTINGS[key](value)
        except ValueError as error:
            raise InvalidSetting(key, f"{error}, got {value!r}") from None
    check = _health_check(policy.health_check, parsed)
    own = {key: value for key, value in parsed.items() if key not in _HEALTH_CHECK}
    return replace(policy, health_check=check, **own)


def _health_check(check: HealthCheckPolicy, parsed: Mapping[str, Any]) -> HealthCheckPolicy:
    changes = {key: value for key, value in parsed.items() if key in _HEALTH_CHECK}
    if isinstance(changes.get("port"), int):
        changes["fixed_port"] = changes.pop("port")
    elif "port" in changes:
        changes["fixed_port"] = None
    check = replace(check, **changes)
    if check.next_check == "after-start" and check.timeout_s > check.interval_s:
        raise InvalidSetting(
            "timeout_s",
            f"must not exceed interval_s ({check.interval_s:g}), is {check.timeout_s:g}",
        )
    if check.connect_timeout_s is not None:  # HAProxy: min(timeout connect, inter)
        check = replace(check, connect_timeout_s=min(check.connect_timeout_s, check.interval_s))
    return check


def _number(low: float, high: float, *, open_low: bool = False) -> Parse:
    wanted = f"must be a number {'above' if open_low else 'from'} {low:g} to {high:g}"

    def parse(value: SettingValue) -> float:
        try:
            number = float(value) if not isinstance(value, bool) else float("nan")
        except ValueError:
            raise ValueError(wanted) from None
        if not isfinite(number) or not low <= number <= high or (open_low and number == low):
            raise ValueError(wanted)
        return number

    return parse


def _whole(low: int, high: int) -> Parse:
    number = _number(low, high)
    wanted = f"must be a whole number from {low} to {high}"

    def parse(value: SettingValue) -> int:
        try:
            parsed = number(value)
        except ValueError:
            raise ValueError(wanted) from None
        if parsed != int(parsed):
            raise ValueError(wanted)
        return int(parsed)

    return parse


def _one_of(*choices: str) -> Parse:
    def parse(value: SettingValue) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return parse


def _flag(value: SettingValue) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("must be true or false")


def _path(value: SettingValue) -> str:
    text = str(value)
    if not text.startswith("/") or not text.isascii() or any(c <= " " or c == "\x7f" for c in text):
        raise ValueError("must be an absolute URL path")
    return text


def _checked_port(value: SettingValue) -> str | int:
    named = {
        "traffic": "traffic",
        "traffic-port": "traffic",  # the word of aws-load-balancer-healthcheck-port
        "kube-proxy": "kube-proxy",
        "health-check-node-port": "health-check-node-port",
    }
    if isinstance(value, str) and value in named:
        return named[value]
    try:
        port: int = _whole(1, 65535)(value)
    except ValueError:
        wanted = "must be a port number, traffic, kube-proxy or health-check-node-port"
        raise ValueError(wanted) from None
    return port


_HEALTH_CHECK: dict[str, Parse] = {
    "protocol": _one_of("tcp", "http"),
    "port": _checked_port,
    "path": _path,
    "interval_s": _number(0, 3600, open_low=True),
    "timeout_s": _number(0, 3600, open_low=True),
    "connect_timeout_s": _number(0, 3600, open_low=True),
    "healthy_threshold": _whole(1, 100),
    "unhealthy_threshold": _whole(1, 100),
    "no_traffic_interval_s": _number(0, 3600, open_low=True),
}

SETTINGS: dict[str, Parse] = {
    **_HEALTH_CHECK,
    "algorithm": _one_of(*get_args(Algorithm)),
    "client_affinity": _flag,
    "cross_zone": _flag,
    "preserves_client_ip": _flag,
    "on_unhealthy": _one_of("reset-flows", "flows-stay"),
    "all_unhealthy": _one_of("fail-open", "no-new-flow", "all-primaries"),
    "panic_threshold_percent": _number(0, 100),
    "idle_timeout_s": _number(0, 86_400, open_low=True),
    "idle_ends_with": _one_of("reset", "close", "silence"),
    "deregistration_delay_s": _number(0, 3600),
    "connection_termination": _flag,
}
"""Every key that `resolve` takes, with what reads its value. Seconds are the configured ones."""
