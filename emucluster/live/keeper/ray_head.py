"""Ray under a cluster: a small private head, or a Ray that is already there.

The private head is built from `Node` and `RayParams`, which are not public: `ray start` and
`ray.init` take 1 to 3 seconds longer, start two more processes of 45 MB each, and open fixed ports.
Where those classes are missing or take other arguments, `ray.init(address="local")` does the work.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emucluster.core.errors import ClusterError

OBJECT_STORE_BYTES = 80_000_000
"""Next to Ray's minimum of 78,643,200: no objects are kept, and unused pages cost nothing."""

TCP_CHECK_S = 2.0
JOIN_DEADLINE_S = float(os.environ.get("EMUCLUSTER_RAY_DEADLINE_S", "15"))
"""Ray itself would try for 20 to 80 seconds."""

log = logging.getLogger(__name__)


class RayUnavailable(ClusterError):
    """Ray could not be started or joined; the message is for people."""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine of the Ray cluster."""

    ray_id: str
    address: str
    """The address by which Ray's other hosts reach it."""
    here: bool
    """Whether the keeper runs on it."""


def start_private(directory: str, namespace: str) -> str:
    """A Ray head of our own, all of it on 127.0.0.1; returns its address."""
    import ray

    try:
        address = _slim_head(directory)
    except (ImportError, TypeError, AttributeError) as error:
        log.warning("slim head not possible (%s); starting Ray by ray.init", error)
        context = ray.init(
            address="local",
            num_cpus=os.cpu_count(),
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            _temp_dir=directory,
            **_driver(namespace),
        )
        return str(context.address_info["gcs_address"])
    ray.init(address=address, **_driver(namespace))
    return address


def _slim_head(directory: str) -> str:
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    params = RayParams(
        node_ip_address="127.0.0.1",
        gcs_server_port=0,
        num_cpus=os.cpu_count(),
        resources={},
        labels={},
        object_store_memory=OBJECT_STORE_BYTES,
        temp_dir=directory,
        include_dashboard=False,
        include_log_monitor=False,
        no_monitor=True,
        ray_client_server_port=None,
    )
    # spawn_reaper: the head's processes end with this one.
    node = Node(params, head=True, shutdown_at_exit=True, spawn_reaper=True)
    return str(node.gcs_address)


def _driver(namespace: str) -> dict[str, Any]:
    return {"namespace": namespace, "log_to_driver": False, "logging_level": "ERROR"}


def join(address: str, namespace: str) -> str:
    """Become a driver of the Ray at `address` (`HOST:PORT`). Raises `RayUnavailable`.

    Ray cannot be interrupted, so it is asked only once the address answers, and the caller sets a
    `Deadline` at which this process ends.
    """
    check_reachable(address)
    import ray

    try:
        ray.init(address=address, **_driver(namespace))
    except Exception as error:
        raise RayUnavailable(refusal(address)) from error
    return address


def refusal(address: str) -> str:
    return (
        f"Ray at {address} did not let us in: unreachable or token refused "
        "(set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the token of that Ray)"
    )


def check_reachable(address: str) -> None:
    """One TCP connection. Raises `RayUnavailable` naming what is wrong with the address."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=TCP_CHECK_S).close()
    except OSError as error:
        raise RayUnavailable(f"Ray at {address} is unreachable: {error}") from error


class Deadline:
    """Calls `expired` from a thread unless left in time: for what nothing can interrupt."""

    def __init__(self, seconds: float, expired: Callable[[], object]) -> None:
        self._timer = threading.Timer(seconds, expired)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._timer.cancel()


def hosts() -> list[Host]:
    """The living machines of the Ray that this process drives, its own first."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    found = [
        Host(
            ray_id=str(node["NodeID"]),
            address=str(node["NodeManagerAddress"]),
            here=node["NodeID"] == here,
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    return sorted(found, key=lambda host: (not host.here, host.address, host.ray_id))


def private_host() -> Host:
    """The one machine of a private Ray; no question to Ray is needed."""
    return Host(ray_id="", address="127.0.0.1", here=True)
