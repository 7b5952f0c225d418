"""What a cluster is to be: the options of `up`, from the command line, Python or cluster.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from emucluster.core.addresses import NODES_MAX
from emucluster.core.admission.validation.names import dns1123_subdomain
from emucluster.core.durations import Speed
from emucluster.core.errors import BadRequest, UsageError

CLOUDS = ("aws-nlb", "aws-clb", "gcp", "azure", "haproxy", "envoy", "none")
PACKINGS = ("pod", "node")
KUBE_PROXY_MODES = ("rr", "random")
STAND_INS = ("echo",)
ZONES_MAX = 26
PODS_PER_NODE_EXPECTED = 2
"""For the estimate of memory, where `pods` does not say."""

_ADDRESS = re.compile(
    r"(\d{1,3}(\.\d{1,3}){3}|[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?):(\d{1,5})", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """Checked when made: `UsageError` names the option and what it may be.

    Attributes:
        name: of the cluster; None takes the first free of emu, emu-2, ...
        zones: how many (zone-a, zone-b, ...) or their names; nodes go round them.
        cloud: whose load balancers, or `none`.
        packing: `pod`, a process for each pod, or `node`, pods inside their node's process.
        speed: by what configured durations are divided, 1 to 1000.
        outside: names outside the cluster (of ExternalName Services) and the ADDR:PORT they are at.
        stand_in: `echo` runs echo in place of images that cannot run here.
        kube_proxy_mode: `rr` as IPVS, or `random` as iptables and nftables.
        fsync: whether an answer of the API waits for the disk itself, so that what was acknowledged
            survives a loss of power; without, it survives the death of every process.
        pods: how many pods are expected, for the estimate of memory only.
        ray_address: HOST:PORT of a Ray to join; None starts a private one on this machine.
        bind: with ray_address, the one address of this machine at which other machines reach what
            `status` lists as published; on several machines Lab, Api and DNS are served there too.
    """

    name: str | None = None
    nodes: int = 3
    zones: int | list[str] = 1
    cloud: str = "aws-nlb"
    packing: str = "pod"
    speed: float = 1.0
    outside: Mapping[str, str] = field(default_factory=dict)
    stand_in: str | None = None
    kube_proxy_mode: str = "rr"
    fsync: bool = False
    pods: int | None = None
    ray_address: str | None = None
    bind: str | None = None

    def __post_init__(self) -> None:
        _whole("nodes", self.nodes, 1, NODES_MAX)
        _one_of("cloud", self.cloud, CLOUDS)
        _one_of("packing", self.packing, PACKINGS)
        _one_of("kubeProxyMode", self.kube_proxy_mode, KUBE_PROXY_MODES)
        if not isinstance(self.fsync, bool):
            raise UsageError(f"fsync: must be true or false, got {self.fsync!r}")
        if self.stand_in is not None:
            _one_of("standIn", self.stand_in, STAND_INS)
        if self.pods is not None:
            _whole("pods", self.pods, 0, 200_000)
        if isinstance(self.speed, bool) or not isinstance(self.speed, int | float):
            raise UsageError(f"speed: must be a number, got {self.speed!r}")
        try:
            Speed(self.speed)
        except ValueError as error:
            raise UsageError(str(error)) from None
        _check_zones(self.zones)
        for key, value in self.outside.items():
            _dns_name("outside", key)
            _address_with_port(f"outside.{key}", value)
        if self.ray_address is not None:
            _address_with_port("rayAddress", self.ray_address)
        if self.bind is not None and self.ray_address is None:
            raise UsageError("bind: only with a Ray of several machines (--ray-address)")

    @property
    def zone_names(self) -> list[str]:
        if isinstance(self.zones, list):
            return self.zones
        return [f"zone-{chr(ord('a') + index)}" for index in range(self.zones)]

    @property
    def expected_pods(self) -> int:
        return self.nodes * PODS_PER_NODE_EXPECTED if self.pods is None else self.pods


_YAML_NAMES = {
    "standIn": "stand_in",
    "kubeProxyMode": "kube_proxy_mode",
    "rayAddress": "ray_address",
    **{
        name: name
        for name in (
            "name",
            "nodes",
            "zones",
            "cloud",
            "packing",
            "speed",
            "outside",
            "pods",
            "fsync",
        )
    },
    "bind": "bind",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "nodes": (int,),
    "pods": (int,),
    "zones": (int, list),
    "speed": (int, float),
    "outside": (dict,),
    "fsync": (bool,),
}


def read_cluster_file(path: Path) -> dict[str, Any]:
    """The options that a cluster.yaml sets, under the names of `StartOptions`.

    Raises `UsageError` naming file and field for what is unknown, doubled or of the wrong type.
    """
    from emucluster.core.objects.yaml_nodes import TreeBuilder, compose_documents

    try:
        documents = compose_documents(path.read_text(encoding="utf-8"), source=str(path))
        if len(documents) > 1:
            raise UsageError(f"{path}: one document of options, got {len(documents)}")
        node = documents[0] if documents else None
        _check_doubled(path, node)
        found = None if node is None else TreeBuilder(str(path)).build(node)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    except BadRequest as error:
        told = error.message.replace("error parsing YAML", "not YAML", 1)
        raise UsageError(told) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageError(f"{path}: expected fields, got {type(found).__name__}")
    read = {_option(path, key): _typed(path, key, value) for key, value in found.items()}
    _check_together(path, read)
    return read


def _check_together(path: Path, read: Mapping[str, Any]) -> None:
    """What `StartOptions` says of the values, with the file's name."""
    # Which Ray it goes with may be given on the command line.
    alone = {name: value for name, value in read.items() if name != "bind"}
    try:
        StartOptions(**alone)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _check_doubled(path: Path, node: Any) -> None:
    seen: set[str] = set()
    for key, _value in node.value if getattr(node, "id", None) == "mapping" else ():
        if str(key.value) in seen:
            line = key.start_mark.line + 1
            raise UsageError(f'{path}:{line}: field "{key.value}" is given twice')
        seen.add(str(key.value))


def _option(path: Path, key: Any) -> str:
    if key not in _YAML_NAMES:
        raise UsageError(f'{path}: unknown field "{key}" (known: {", ".join(sorted(_YAML_NAMES))})')
    return _YAML_NAMES[key]


def _typed(path: Path, key: str, value: Any) -> Any:
    wanted = _TYPES.get(key, (str,))
    if (isinstance(value, bool) and wanted != (bool,)) or not isinstance(value, wanted):
        names = " or ".join(_WORDS[kind] for kind in wanted)
        raise UsageError(f"{path}: {key}: expected {names}, got {value!r}")
    if isinstance(value, dict):
        for name, address in value.items():
            if not isinstance(name, str) or not isinstance(address, str):
                raise UsageError(f"{path}: {key}.{name}: expected ADDR:PORT, got {address!r}")
    return value


_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list of names",
    dict: "a map of names to ADDR:PORT",
}


def merge(file_options: Mapping[str, Any], given: Mapping[str, Any]) -> StartOptions:
    """What was `given` on the command line wins over the file; None was not given."""
    known = {entry.name for entry in fields(StartOptions)}
    chosen = {key: value for key, value in given.items() if value is not None and key in known}
    return StartOptions(**{**file_options, **chosen})


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UsageError(f"{name}: must be a whole number from {low} to {high}, got {value!r}")


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{name}: must be one of {', '.join(known)}, got {value!r}")


def _dns_name(name: str, value: Any) -> None:
    if not isinstance(value, str) or dns1123_subdomain(value):
        raise UsageError(f"{name}: {value!r} cannot be a DNS name (lower-case, as db.example.com)")


def _address_with_port(name: str, value: Any) -> None:
    matched = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if matched is None or not 1 <= int(matched.group(4)) <= 65535:
        raise UsageError(f"{name}: expected ADDR:PORT, got {value!r}")


def _check_zones(zones: Any) -> None:
    if not isinstance(zones, list):
        _whole("zones", zones, 1, ZONES_MAX)
        return
    label = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
    for zone in zones:
        if not isinstance(zone, str) or not label.fullmatch(zone):
            raise UsageError(f"zones: {zone!r} cannot be a zone's name (a label value)")
    if not zones or len(set(zones)) != len(zones):
        raise UsageError("zones: at least one name, each of them once")
