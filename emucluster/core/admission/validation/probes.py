"""Probes and lifecycle hooks.

Source: kubernetes/kubernetes pkg/apis/core/validation, validateProbe, validateHandler.
"""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import Container, HTTPGetAction, LifecycleHandler, Probe

from .fields import forbidden, invalid, non_negative, not_supported, required
from .services import port_number_or_name

_ORDER = (
    ("exec", "exec"),
    ("http_get", "httpGet"),
    ("tcp_socket", "tcpSocket"),
    ("grpc", "grpc"),
    ("sleep", "sleep"),
)


def probes(path: str, container: Container, grace_s: int) -> Iterator[Cause]:
    """Everything about a container's probes and hooks; `grace_s` bounds a preStop sleep."""
    for field, probe in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if probe is not None:
            yield from _probe(f"{path}.{field}", probe, readiness=field == "readinessProbe")
    if (lifecycle := container.lifecycle) is not None:
        if lifecycle.post_start is not None:
            yield from _handler(f"{path}.lifecycle.postStart", lifecycle.post_start, grace_s)
        if lifecycle.pre_stop is not None:
            yield from _handler(f"{path}.lifecycle.preStop", lifecycle.pre_stop, grace_s)


def _probe(path: str, probe: Probe, *, readiness: bool) -> Iterator[Cause]:
    yield from _handler(path, probe, 0)
    for field, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        yield from non_negative(f"{path}.{field}", value)
    grace = probe.termination_grace_period_seconds
    if grace is not None:
        below = f"{path}.terminationGracePeriodSeconds"
        if readiness:
            yield invalid(below, grace, "must not be set for readinessProbes")
        elif grace <= 0:
            yield invalid(below, grace, "must be greater than 0")
    if not readiness and probe.success_threshold not in (None, 1):
        yield invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")


def _handler(path: str, handler: Probe | LifecycleHandler, grace_s: int) -> Iterator[Cause]:
    given = [
        (attribute, f"{path}.{field}")
        for attribute, field in _ORDER
        if getattr(handler, attribute, None) is not None
    ]
    if not given:
        yield required(path, "must specify a handler type")
        return
    attribute, below = given[0]
    yield from _action(attribute, below, handler, grace_s)
    for _, other in given[1:]:
        yield forbidden(other, "may not specify more than 1 handler type")


def _action(
    attribute: str, path: str, handler: Probe | LifecycleHandler, grace_s: int
) -> Iterator[Cause]:
    if attribute == "exec" and handler.exec is not None and not handler.exec.command:
        yield required(f"{path}.command")
    elif attribute == "http_get" and handler.http_get is not None:
        yield from _http(path, handler.http_get)
    elif attribute == "tcp_socket" and handler.tcp_socket is not None:
        yield from port_number_or_name(f"{path}.port", handler.tcp_socket.port)
    elif attribute == "grpc" and isinstance(handler, Probe) and handler.grpc is not None:
        yield from port_number_or_name(f"{path}.port", handler.grpc.port)
    elif attribute == "sleep" and isinstance(handler, LifecycleHandler) and handler.sleep:
        seconds = handler.sleep.seconds
        if not 0 < seconds <= grace_s:
            text = f"must be greater than 0 and less than terminationGracePeriodSeconds ({grace_s})"
            yield invalid(path, seconds, text)


def _http(path: str, action: HTTPGetAction) -> Iterator[Cause]:
    if not action.path:
        yield required(f"{path}.path")
    yield from port_number_or_name(f"{path}.port", action.port)
    if action.scheme not in ("HTTP", "HTTPS"):
        yield not_supported(f"{path}.scheme", action.scheme or "", ("HTTP", "HTTPS"))
