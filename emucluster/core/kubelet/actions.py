"""From the handlers of a pod's spec to what the runtime is asked to do."""

from emucluster.core.kubelet.commands import CheckAction, Exec, GrpcCheck, HttpGet, TcpConnect
from emucluster.core.objects import (
    Container,
    HTTPGetAction,
    LifecycleHandler,
    Probe,
    TCPSocketAction,
)


class NoSuchPort(ValueError):
    """A handler names a port that the container does not declare."""


def probe_action(probe: Probe, container: Container) -> CheckAction:
    """What a probe does. Raises `NoSuchPort`."""
    if probe.exec is not None:
        return Exec(probe.exec.command)
    if probe.grpc is not None:
        return GrpcCheck(probe.grpc.port, probe.grpc.service or "")
    if probe.http_get is not None:
        return _http(probe.http_get, container)
    if probe.tcp_socket is not None:
        return _tcp(probe.tcp_socket, container)
    raise NoSuchPort("missing probe handler")


def hook_action(handler: LifecycleHandler, container: Container) -> CheckAction | float | None:
    """What a hook does, or for how many seconds it sleeps; None: nothing (`tcpSocket`).

    Raises `NoSuchPort`.
    """
    if handler.sleep is not None:
        return float(handler.sleep.seconds)
    if handler.exec is not None:
        return Exec(handler.exec.command)
    if handler.http_get is not None:
        return _http(handler.http_get, container)
    return None


def _http(action: HTTPGetAction, container: Container) -> HttpGet:
    path = action.path or "/"
    return HttpGet(
        port=_port(action.port, container),
        path=path if path.startswith("/") else f"/{path}",
        host=action.host or "",
        scheme=action.scheme or "HTTP",
        headers=tuple((header.name, header.value) for header in action.http_headers),
    )


def _tcp(action: TCPSocketAction, container: Container) -> TcpConnect:
    return TcpConnect(port=_port(action.port, container), host=action.host or "")


def _port(port: int | str, container: Container) -> int:
    if isinstance(port, int):
        return port
    for declared in container.ports:
        if declared.name == port:
            return declared.container_port
    if port.isdigit():
        return int(port)
    raise NoSuchPort(f"couldn't find port: {port} in container {container.name}")
