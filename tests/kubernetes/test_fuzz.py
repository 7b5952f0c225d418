"""Whatever is sent, the API answers: in time, with an object or a Status, and never with a 500.

Requests are objects that would be accepted, damaged at random places, and parameters that are
nearly right; what a server gets from people who write clients.
"""

from __future__ import annotations

import copy
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.kubeapi.https import Client
from tests.live.kubeapi.plane import Plane, plane

pytestmark = pytest.mark.live

CONTAINERS = [
    {
        "name": "c",
        "image": "echo",
        "ports": [{"containerPort": 80, "name": "http"}],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}],
        "resources": {"requests": {"cpu": "100m"}},
        "readinessProbe": {"grpc": {"port": 80}, "periodSeconds": 1},
    }
]
LABELS = {"app": "a"}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": LABELS},
    "spec": {
        "containers": CONTAINERS,
        "nodeSelector": {"no": "where"},
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}
ONCE = {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
WORKLOAD = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
SPECS: dict[str, tuple[str, Any]] = {
    "pods": ("v1/Pod", TEMPLATE["spec"]),
    "services": (
        "v1/Service",
        {"selector": LABELS, "type": "NodePort", "ports": [{"port": 80, "targetPort": "http"}]},
    ),
    "configmaps": ("v1/ConfigMap", None),
    "secrets": ("v1/Secret", None),
    "endpoints": ("v1/Endpoints", None),
    "events": ("v1/Event", None),
    "serviceaccounts": ("v1/ServiceAccount", None),
    "deployments": ("apps/v1/Deployment", {"replicas": 1, **WORKLOAD}),
    "replicasets": ("apps/v1/ReplicaSet", {"replicas": 1, **WORKLOAD}),
    "daemonsets": ("apps/v1/DaemonSet", WORKLOAD),
    "statefulsets": ("apps/v1/StatefulSet", {"serviceName": "s", "replicas": 1, **WORKLOAD}),
    "poddisruptionbudgets": (
        "policy/v1/PodDisruptionBudget",
        {"minAvailable": "50%", "selector": {"matchLabels": LABELS}},
    ),
    "leases": ("coordination.k8s.io/v1/Lease", {"holderIdentity": "h"}),
    "jobs": ("batch/v1/Job", {"template": ONCE}),
}
MORE: dict[str, dict[str, Any]] = {
    "configmaps": {"data": {"k": "v"}, "binaryData": {"b": "YQ=="}},
    "secrets": {"data": {"k": "YQ=="}, "stringData": {"s": "t"}},
    "endpoints": {"subsets": [{"addresses": [{"ip": "127.32.1.2"}], "ports": [{"port": 80}]}]},
    "events": {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}},
}
SUBRESOURCES = ("status", "scale", "eviction", "binding", "log", "exec", "nonsense")
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
BODIES = (*PATCHES, "application/json", "application/yaml", "text/plain", "")
PARAMETERS = {
    "limit": ("1", "0", "-1", "x", "99999999999999999999"),
    "continue": ("", "abc", "eyJ2IjoibWV0YSJ9"),
    "resourceVersion": ("0", "1", "-1", "x", "99999999"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "Newest"),
    "labelSelector": ("app=a", "app in (a", "!x", "a==b,", "é=1"),
    "fieldSelector": ("metadata.name=x", "spec.nodeName=", "status.x=y", "="),
    "fieldManager": ("me", "", "x" * 200),
    "force": ("true", "T", "maybe"),
    "dryRun": ("All", "None"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "Never"),
    "propagationPolicy": ("Orphan", "Foreground", "Sideways"),
    "gracePeriodSeconds": ("0", "-1", "x"),
    "pretty": ("true", "x"),
    "timeout": ("1s", "x"),
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3)
    ),
    max_leaves=6,
)


def object_of(plural: str, name: str) -> dict[str, Any]:
    where, spec = SPECS[plural]
    version, _, kind = where.rpartition("/")
    tree: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
    tree["metadata"].update(labels=dict(LABELS), annotations={"note": "n"})
    if spec is not None:
        tree["spec"] = spec
    return copy.deepcopy({**tree, **MORE.get(plural, {})})


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def damaged(draw: Any, plural: str) -> dict[str, Any]:
    """An object with up to three places replaced, removed or added to."""
    tree = object_of(plural, draw(st.sampled_from(("a", "b", "Not_Valid", ""))))
    for _ in range(draw(st.integers(0, 3))):
        found = list(places(tree))
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        at: Any = tree
        for key in way:
            at = at[key]
        match draw(st.sampled_from(("replace", "remove", "add"))):
            case "replace":
                at[last] = draw(ANYTHING)
            case "remove":
                del at[last]
            case _:
                if isinstance(at, dict):
                    at[draw(st.text(max_size=8))] = draw(ANYTHING)
                else:
                    at.append(draw(ANYTHING))
    return tree


@st.composite
def requests(draw: Any) -> tuple[str, str, bytes, str]:
    """Method, path with query, body, and its type."""
    plural = draw(st.sampled_from(sorted(SPECS)))
    method = draw(st.sampled_from(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")))
    version = SPECS[plural][0].rpartition("/")[0]
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    path = f"{root}/namespaces/{draw(st.sampled_from(('default', 'none', '%20')))}/{plural}"
    if method in ("PUT", "PATCH") or draw(st.booleans()):
        path += f"/{draw(st.sampled_from(('a', 'b', 'none', quote('ä/'))))}"
        if draw(st.integers(0, 3)) == 0:
            path += f"/{draw(st.sampled_from(SUBRESOURCES))}"
    names = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=2, unique=True))
    query = [(name, draw(st.sampled_from(PARAMETERS[name]))) for name in names]
    kind = draw(st.sampled_from(PATCHES if method == "PATCH" else BODIES))
    body = json.dumps(draw(bodies(plural, kind))).encode()
    if draw(st.integers(0, 9)) == 0:
        body = draw(st.binary(max_size=40)) + body[: draw(st.integers(0, len(body)))]
    return method, path + (f"?{urlencode(query)}" if query else ""), body, kind


def bodies(plural: str, kind: str) -> st.SearchStrategy[Any]:
    if kind == PATCHES[0]:
        pointers = st.sampled_from(("/spec", "/metadata/labels/app", "/spec/replicas", "", "/x/-"))
        step = st.fixed_dictionaries(
            {
                "op": st.sampled_from(("add", "remove", "replace", "test", "move", "copy", "jump")),
                "path": pointers,
            },
            optional={"value": ANYTHING, "from": pointers},
        )
        return st.lists(step, max_size=3) | ANYTHING
    return damaged(plural) | ANYTHING


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with plane(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Plane) -> Iterator[Client]:
    found = Client(server.kubeconfig)
    for plural in SPECS:
        version = SPECS[plural][0].rpartition("/")[0]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        reply = found.call("POST", f"{root}/namespaces/default/{plural}", object_of(plural, "a"))
        # A Service named so has Endpoints named so.
        assert reply.code in (http.client.CREATED, http.client.CONFLICT), reply.body
    yield found
    found.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(request=requests())
def test_every_request_is_answered(client: Client, request: tuple[str, str, bytes, str]) -> None:
    method, path, body, kind = request
    typed = {"content_type": kind} if kind else {}
    reply = client.call(method, path, body, **typed)
    broken = (http.client.INTERNAL_SERVER_ERROR, http.client.BAD_GATEWAY)
    assert reply.code not in broken, reply.body
    if reply.code >= http.client.BAD_REQUEST:
        assert reply.json["kind"] == "Status"
        assert reply.json["code"] == reply.code
        assert reply.json["message"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    value=st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    kind=st.sampled_from(PATCHES[1:3]),
)
def test_what_was_acknowledged_is_what_is_read(client: Client, value: str, kind: str) -> None:
    path = "/api/v1/namespaces/default/configmaps/a"
    reply = client.call("PATCH", path, {"data": {"k": value}}, content_type=kind)
    written = reply.json
    assert (reply.code, written["data"]["k"]) == (http.client.OK, value)
    assert client.get(path) == written
