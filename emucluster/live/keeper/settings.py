"""What a keeper is told at its start, and what it writes once its cluster is ready."""

import os
from pathlib import Path

import msgspec

CONTROL_PLANE = "emucluster.live.actors.control_plane:ControlPlane"
WORKER_NODE = "emucluster.live.actors.node:WorkerNode"
LOAD_BALANCER = "emucluster.live.actors.load_balancer:LoadBalancer"
LOAD_GENERATOR = "emucluster.live.actors.load_generator:LoadGenerator"

RECORD_FILE = "cluster.json"
TOKEN_FILE = "token"
LOG_FILE = "keeper.log"
KUBECONFIG_FILES = {"admin": "kubeconfig", "view": "kubeconfig-view"}
"""By user."""


class Implementations(msgspec.Struct, frozen=True, kw_only=True):
    """The classes behind the actors, as `module:Class`; importable in every worker."""

    control_plane: str = CONTROL_PLANE
    node: str = WORKER_NODE
    load_balancer: str = LOAD_BALANCER
    load_generator: str = LOAD_GENERATOR


class KeeperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster to build; the keeper's first argument is the path of it as JSON."""

    name: str
    directory: str
    """The instance's directory: token, record, logs, the control plane's database."""
    ray_directory: str
    """Ray's temporary directory; short, since its sockets' paths may have 107 bytes."""
    slice: int
    control_plane: str
    """The control plane's address of the slice, for the cluster's life."""
    nodes: int
    zones: list[str]
    cloud: str
    packing: str
    speed: float
    outside: dict[str, str]
    stand_in: str | None
    kube_proxy_mode: str
    version: str
    fsync: bool = False
    ray_address: str | None = None
    bind: str | None = None
    implementations: Implementations = Implementations()
    held_fds: list[int] = []
    """Descriptors whose being open says that this cluster lives: the locks of name and slice."""
    owner_pid: int = 0
    """The process that the cluster must not outlive; 0: it outlives whoever started it."""
    owner_started: int = 0
    """Start of the owner in clock ticks since boot: tells a reused pid."""
    ready_fd: int = -1
    """Where progress, and at last the outcome, is written as JSON lines."""

    @property
    def token(self) -> str:
        return (Path(self.directory) / TOKEN_FILE).read_text().strip()


class ClusterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`cluster.json`: how to reach a running cluster."""

    name: str
    directory: str
    lab: str
    """host:port of the `Lab` service."""
    api: str
    """host:port of the `Api` service."""
    kubernetes: str = ""
    """host:port of the Kubernetes API, over HTTPS."""
    dns: str
    keeper_pid: int
    keeper_started: int
    """Start of the keeper in clock ticks since boot: tells a reused pid."""
    started_wall_s: float
    slice: int
    nodes: int
    zones: list[str]
    packing: str
    cloud: str
    speed: float
    version: str
    ray_address: str
    several_hosts: bool
    outside: dict[str, str]

    @property
    def token_path(self) -> Path:
        return Path(self.directory) / TOKEN_FILE

    @property
    def token(self) -> str:
        """The cluster's token. Raises `FileNotFoundError` once the cluster is gone."""
        return self.token_path.read_text().strip()

    def kubeconfig(self, user: str = "admin") -> Path:
        """What KUBECONFIG is to name for `admin`, or for `view`, who may only read."""
        return Path(self.directory) / KUBECONFIG_FILES[user]

    def write(self) -> None:
        """Appear at once and whole: a reader sees no record, or all of it."""
        path = Path(self.directory) / RECORD_FILE
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        os.replace(draft, path)
