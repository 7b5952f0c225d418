"""Whatever is sent, there is an answer, it is no bug's, and what was there is still there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.kubeapi.https import Client

KEPT = "/api/v1/namespaces/default/configmaps/kept"

NAMES = st.sampled_from(
    ["a", "kept", "default", "web", "kube-system", "A_", "..", "%00", "é", "x" * 300]
)
PLURALS = st.sampled_from(
    [
        *(
            "pods",
            "services",
            "configmaps",
            "secrets",
            "nodes",
            "namespaces",
            "events",
            "endpoints",
        ),
        *("deployments", "replicasets", "leases", "poddisruptionbudgets", "endpointslices"),
        *("customresourcedefinitions", "selfsubjectaccessreviews", "jobs", "none", "watch"),
    ]
)
GROUPS = st.sampled_from(
    [
        *(
            "api/v1",
            "apis/apps/v1",
            "apis/policy/v1",
            "apis/coordination.k8s.io/v1",
            "apis/none/v1",
        ),
        *("apis/discovery.k8s.io/v1", "apis/events.k8s.io/v1", "apis/authorization.k8s.io/v1"),
        *("apis/apiextensions.k8s.io/v1", "apis/batch/v1", "api/v2"),
    ]
)
PARTS = st.sampled_from(
    ["", "", "", "status", "scale", "binding", "eviction", "token", "finalize", "none", "a/b"]
)


@st.composite
def paths(draw: Any) -> str:
    place = draw(GROUPS)
    if draw(st.booleans()):
        place += f"/namespaces/{draw(NAMES)}"
    place += f"/{draw(PLURALS)}"
    if draw(st.booleans()):
        place += f"/{draw(NAMES)}"
        if part := draw(PARTS):
            place += f"/{part}"
    return f"/{place}".encode("ascii", "xmlcharrefreplace").decode()


VALUES = st.sampled_from(
    [
        *("", "0", "1", "true", "false", "-1", "All", "Exact", "NotOlderThan", "99999999999", "x"),
        *("metadata.name=a", "a=b,c!=d", "spec.nodeName=", "!!", "a in (", "Strict", "5s", "e30"),
        "%F0%28",
    ]
)
PARAMETERS = st.sampled_from(
    [
        *("labelSelector", "fieldSelector", "resourceVersion", "resourceVersionMatch", "limit"),
        *("continue", "timeoutSeconds", "allowWatchBookmarks", "sendInitialEvents", "dryRun"),
        *("fieldManager", "fieldValidation", "force", "gracePeriodSeconds", "propagationPolicy"),
        *("orphanDependents", "pretty", "timeout", "includeObject", "follow"),
    ]
)
QUERIES = st.lists(st.tuples(PARAMETERS, VALUES), max_size=4)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
FIELDS = st.sampled_from(
    [
        *("metadata", "spec", "status", "data", "name", "namespace", "labels", "annotations"),
        *("finalizers", "ownerReferences", "managedFields", "resourceVersion", "uid", "replicas"),
        *(
            "selector",
            "template",
            "containers",
            "ports",
            "kind",
            "apiVersion",
            "op",
            "path",
            "value",
        ),
        *("$patch", "target", "deleteOptions", "versions", "conditions", "", "é"),
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.one_of(
    TREES.map(lambda tree: json.dumps(tree).encode()),
    st.builds(
        lambda tree, name: json.dumps({**tree, "metadata": {"name": name}}).encode(),
        st.dictionaries(FIELDS, TREES, max_size=3),
        st.sampled_from(["a", "web", "b"]),
    ),
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda data: b"k8s\x00" + data),
)
MEDIA = st.sampled_from(
    [
        *("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"),
        *("application/json-patch+json", "application/merge-patch+json", "text/plain", ""),
        *("application/strategic-merge-patch+json", "application/apply-patch+yaml"),
    ]
)
ACCEPT = st.sampled_from(
    [
        *("application/json", "*/*", "application/yaml", "text/html"),
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    ]
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(METHODS, paths(), QUERIES, BODIES, MEDIA, ACCEPT)
def test_any_request_has_an_answer_that_is_no_bug(
    admin: Client,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    body: bytes,
    media: str,
    accept: str,
) -> None:
    if method == "DELETE" and path.count("/") < 6:
        path = "/api/v1/namespaces/default/pods"  # everything else is to be there still
    if method != "GET" and "kept" in path:
        method = "GET"
    kept = admin.call("GET", KEPT)
    if kept.code == 404:
        made = {"metadata": {"name": "kept"}, "data": {"k": "v"}}
        kept = admin.call("POST", "/api/v1/namespaces/default/configmaps", made)
    text = "&".join(f"{name}={value}" for name, value in query).replace(" ", "+")
    sent = body if method in ("POST", "PUT", "PATCH", "DELETE") else None
    reply = admin.call(method, f"{path}?{text}", sent, content_type=media, accept=accept)
    assert reply.code != 500, reply.body
    if reply.code >= 400 and method != "HEAD":
        status = reply.json
        assert (status["kind"], status["code"]) == ("Status", reply.code)
        assert status["reason"]
    assert admin.get(KEPT) == kept.json


MANIFESTS = Path(__file__).parents[2] / "core" / "objects" / "manifests"
VALID = [yaml.safe_load(path.read_text()) for path in sorted(MANIFESTS.glob("*.yaml"))]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree: what holds it, and under which key."""
    found: list[tuple[Any, Any]] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        found.append((tree, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(VALID), st.integers(0, 10_000), TREES, st.booleans(), st.booleans())
def test_a_good_object_with_one_wrong_value_is_taken_or_refused(
    admin: Client, valid: Any, where: int, value: Any, dry: bool, again: bool
) -> None:
    tree = json.loads(json.dumps(valid, default=str))
    group_version = tree["apiVersion"]
    head = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
    listed = {
        each["kind"]: each for each in admin.get(head)["resources"] if "/" not in each["name"]
    }
    row = listed[tree["kind"]]
    tree["metadata"]["name"] = "any"
    tree["metadata"].pop("namespace", None)
    for key in ("resourceVersion", "uid"):
        tree["metadata"].pop(key, None)
    below = f"{head}/namespaces/default" if row["namespaced"] else head
    path = f"{below}/{row['name']}"
    options = "?dryRun=All" if dry else ""
    admin.call("DELETE", f"{path}/any?gracePeriodSeconds=0")
    if again:
        admin.call("POST", path, tree)
    found = places(tree)
    holder, key = found[where % len(found)]
    holder[key] = value
    body = json.dumps(tree).encode()
    media = "application/json"
    replies = [admin.call("POST", f"{path}{options}", body, content_type=media)]
    replies.append(admin.call("PUT", f"{path}/any{options}", body, content_type=media))
    replies.append(
        admin.call(
            "PATCH", f"{path}/any{options}", body, content_type="application/merge-patch+json"
        )
    )
    apply = f"{path}/any?fieldManager=any&force=true{'&dryRun=All' if dry else ''}"
    replies.append(admin.call("PATCH", apply, body, content_type="application/apply-patch+yaml"))
    for reply in replies:
        assert reply.code != 500, reply.body
    # Whatever was stored can be shown in every form.
    for accept in ("application/json", "application/yaml", TABLE):
        shown = admin.call("GET", path, accept=accept)
        assert shown.code == 200, shown.body
    admin.call("DELETE", f"{path}/any?gracePeriodSeconds=0")


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
