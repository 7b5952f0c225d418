"""The environment in which a keeper runs, and with it every process of a private Ray."""

from collections.abc import Mapping
from pathlib import Path

_PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
_ALWAYS_DROPPED = (
    "PYTHONDONTWRITEBYTECODE",  # every worker would compile our modules again
    "PYTHONOPTIMIZE",
    "PYTHONWARNINGS",  # `error` would fail Ray's own imports
    "PYTHONSTARTUP",
    "EMUCLUSTER_KEEPER",  # a keeper started from inside another cluster's pod is its own
)
_GRPC_KEPT = ("GRPC_VERBOSITY",)
_NAMED_RAY_KEPT = (
    "RAY_AUTH_",
    "RAY_TLS_",
    "RAY_USE_TLS",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",  # who joins a Ray on loopback needs the same switch
)
"""What it may take to be let in by a Ray that the user named."""
_OWN_RAY = {
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the switch that keeps Ray's sockets on 127.0.0.1
    "RAY_worker_niceness": "0",  # Ray's 15 would measure whatever else the machine does
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

    Both read dozens of variables (RAY_ADDRESS, RAY_JOB_CONFIG_JSON_ENV_VAR, GRPC_POLL_STRATEGY),
    meant for other programs of the user, so none of theirs is passed on.

    With a Ray of our own, its token is the cluster's and all its sockets stay on loopback. A Ray
    that the user named keeps the user's own `RAY_AUTH_MODE` and token, and what TLS needs.
    """
    dropped = {*_ALWAYS_DROPPED, *_PROXIES, *(name.upper() for name in _PROXIES)}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in dropped
        and (name in _GRPC_KEPT or not name.startswith("GRPC_"))
        and (not name.startswith("RAY_") or (not own_ray and name.startswith(_NAMED_RAY_KEPT)))
    }
    kept.update(_EITHER_RAY)
    if own_ray:
        kept.update(_OWN_RAY, RAY_AUTH_TOKEN_PATH=str(token_path))
    return kept
