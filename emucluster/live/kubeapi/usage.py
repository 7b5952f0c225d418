"""metrics.k8s.io: what nodes and pods take, as far as it was measured.

A container whose process is shared with another one, or with its node, has no figure of its own;
its pod is left out, as the pods are whose nodes do not answer. Units and words are those of
kubernetes-sigs/metrics-server (pkg/api, pkg/scraper).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emucluster.core import printing
from emucluster.core.errors import NotFound
from emucluster.core.objects import Node, Object, ObjectMeta, Pod
from emucluster.core.objects.registry import BY_KIND
from emucluster.core.printing.column import NAME, column
from emucluster.core.printing.tables import ListMeta, PartialObjectMetadata, Table, TableRow
from emucluster.core.store import parse_fields, parse_labels
from emucluster.live.clock import stamp_at
from emucluster.live.rpc.pb import lab_pb2

from . import answers
from .api import KubeApi
from .hub import Selection
from .query import list_options
from .request import Answer, Request

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured of one object: a part for each container, or one alone for a node."""

    obj: Object
    at_s: float
    window_s: float
    parts: tuple[lab_pb2.ContainerUsage, ...]


async def list_(api: KubeApi, request: Request) -> Answer:
    """Every node or pod of which there are figures."""
    assert request.target is not None
    options = list_options(request.query)
    row = BY_KIND["Node" if request.target.plural == "nodes" else "Pod"]
    selection = Selection(
        row.kind_key,
        request.target.namespace,
        parse_labels(options.label_selector),
        parse_fields(row, options.field_selector),
    )
    stored = api.store.list(row.kind_key, request.target.namespace or None)
    measured = await _measured(api, [obj for obj in stored if selection.takes(obj)])
    if request.wanted.shape == "table":
        return answers.tree(request, _table(measured, request.wanted.version))
    kind = "NodeMetricsList" if row.kind == "Node" else "PodMetricsList"
    items = [_tree(each) for each in measured]
    head = {"kind": kind, "apiVersion": API_VERSION, "metadata": {}}
    return answers.tree(request, head | {"items": items})


async def get(api: KubeApi, request: Request) -> Answer:
    """One node or pod. Raises NotFound also for one of which there are no figures."""
    assert request.target is not None
    target = request.target
    kind, own = ("Node", "nodemetrics") if target.plural == "nodes" else ("Pod", "podmetrics")
    obj = api.store.get(kind, target.namespace, target.name)
    if obj is None:
        qualified = target.name if kind == "Node" else f"{target.namespace}/{target.name}"
        raise NotFound.of(BY_KIND[kind].plural, qualified)
    measured = await _measured(api, [obj])
    if not measured:
        qualified = target.name if kind == "Node" else f"{target.namespace}/{target.name}"
        raise NotFound.of(f"{own}.{GROUP}", qualified)
    if request.wanted.shape == "table":
        return answers.tree(request, _table(measured, request.wanted.version))
    return answers.tree(request, _tree(measured[0]))


async def _measured(api: KubeApi, objects: Sequence[Object]) -> list[_Measured]:
    names = {_node_name(obj) for obj in objects}
    found = (api.store.get("Node", "", name) for name in sorted(names) if name)
    reports = await api.usage.of([node for node in found if isinstance(node, Node)])
    measured = []
    for obj in objects:
        report = reports.get(_node_name(obj))
        parts = () if report is None else _parts(obj, report)
        if report is not None and parts:
            measured.append(_Measured(obj, report.at_s, parts[0].window_s, parts))
    return measured


def _node_name(obj: Object) -> str:
    return (obj.spec.node_name or "") if isinstance(obj, Pod) else obj.metadata.name


def _parts(obj: Object, report: lab_pb2.UsageReport) -> tuple[lab_pb2.ContainerUsage, ...]:
    """Empty where a container that runs has no figure."""
    if not isinstance(obj, Pod):
        return (report.node,)
    meta = obj.metadata
    known = {
        each.container: each
        for each in report.containers
        if (each.namespace, each.pod) == (meta.namespace, meta.name)
    }
    running = [each.name for each in obj.status.container_statuses if each.state.running]
    if not all(name in known for name in running):
        return ()
    return tuple(known[name] for name in running)


def _tree(measured: _Measured) -> dict[str, Any]:
    obj, parts = measured.obj, measured.parts
    taken = stamp_at(measured.at_s)
    metadata: dict[str, Any] = {"name": obj.metadata.name, "creationTimestamp": taken}
    if obj.metadata.namespace:
        metadata["namespace"] = obj.metadata.namespace
    if obj.metadata.labels:
        metadata["labels"] = obj.metadata.labels
    is_pod = isinstance(obj, Pod)
    tree: dict[str, Any] = {
        "kind": "PodMetrics" if is_pod else "NodeMetrics",
        "apiVersion": API_VERSION,
        "metadata": metadata,
        "timestamp": taken,
        "window": f"{round(measured.window_s, 3):g}s",
    }
    if is_pod:
        tree["containers"] = [{"name": each.container, "usage": _usage([each])} for each in parts]
    else:
        tree["usage"] = _usage(parts)
    return tree


def _usage(parts: Sequence[lab_pb2.ContainerUsage]) -> dict[str, str]:
    return {
        "cpu": cores(sum(each.cpu_cores for each in parts)),
        "memory": kibibytes(sum(each.memory_bytes for each in parts)),
    }


def cores(count: float) -> str:
    """As a Quantity in its canonical form: `250m`, `1`, `17323u`, `0`."""
    number, units = round(count * 1e9), ["n", "u", "m", ""]
    if not number:
        return "0"
    while len(units) > 1 and number % 1000 == 0:
        number //= 1000
        units.pop(0)
    return f"{number}{units[0]}"


def kibibytes(count: int) -> str:
    """Whole KiB as a Quantity in its canonical form: `512Mi`, `49156Ki`."""
    number, units = count // 1024, ["Ki", "Mi", "Gi", "Ti"]
    if not number:
        return "0"
    while len(units) > 1 and number % 1024 == 0:
        number //= 1024
        units.pop(0)
    return f"{number}{units[0]}"


def _table(measured: Sequence[_Measured], version: str) -> Table:
    """As metrics-server's: a column for each resource, and the window."""
    columns = (NAME, column("cpu", ""), column("memory", ""), column("Window", ""))
    api_version = f"meta.k8s.io/{version}"
    rows = []
    for each in measured:
        usage = _usage(each.parts)
        meta = ObjectMeta(name=each.obj.metadata.name, namespace=each.obj.metadata.namespace)
        cells: list[printing.Cell] = [meta.name, usage["cpu"], usage["memory"]]
        cells.append(f"{round(each.window_s, 3):g}s")
        rows.append(TableRow(cells, PartialObjectMetadata(meta, api_version)))
    return Table(ListMeta(), columns, [*rows], api_version)
