"""The environment in which a keeper runs, and with it every process of a private Ray."""

from collections.abc import Mapping
from pathlib import Path

_PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
_ALWAYS_DROPPED = (
    "RAY_ADDRESS",  # would send the start to somebody else's Ray
    "RAY_NAMESPACE",
    "RAY_RUNTIME_ENV_HOOK",
    "PYTHONDONTWRITEBYTECODE",  # every worker would compile our modules again
    "PYTHONSTARTUP",
    "EMUCLUSTER_KEEPER",  # a keeper started from inside another cluster's pod is its own
)
_OWN_RAY = {
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the switch that keeps Ray's sockets on 127.0.0.1
    "RAY_memory_monitor_refresh_ms": "0",  # a busy laptop would lose "nodes" by Ray's own hand
    "RAY_ROTATION_MAX_BYTES": "1000000",
    "RAY_ROTATION_BACKUP_COUNT": "1",
}
_EITHER_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",  # else SIGTERM prints native stack traces
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
}


def keeper_environment(
    environ: Mapping[str, str], *, token_path: Path, own_ray: bool
) -> dict[str, str]:
    """The user's environment without what would lead Ray or gRPC astray.

    With a Ray of our own, its token is the cluster's and all its sockets stay on loopback. A Ray
    that the user named keeps the user's own `RAY_AUTH_MODE` and token.
    """
    dropped = {*_ALWAYS_DROPPED, *_PROXIES, *(name.upper() for name in _PROXIES)}
    kept = {name: value for name, value in environ.items() if name not in dropped}
    kept.update(_EITHER_RAY)
    if own_ray:
        kept.pop("RAY_AUTH_TOKEN", None)
        kept.update(_OWN_RAY, RAY_AUTH_TOKEN_PATH=str(token_path))
    return kept
