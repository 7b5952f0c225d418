"""Objects over HTTPS: verbs, forms, and the words of refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.live.kubeapi.https import Client, Reply
from tests.live.kubeapi.plane import Plane

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def config_map(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **more}, "data": {"k": "v"}}


def deployment(name: str, replicas: int = 0) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "emucluster/echo"}]},
    }
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def refused(reply: Reply, code: int, reason: str, message: str = "") -> Any:
    """The Status of an error, as clients take it apart."""
    assert reply.code == code, reply.body
    assert reply.headers["content-type"] == "application/json"
    status = reply.json
    assert status["kind"] == "Status"
    assert status["apiVersion"] == "v1"
    assert status["status"] == "Failure"
    assert status["code"] == code
    assert status["reason"] == reason
    assert message in status["message"]
    return status


def test_an_object_lives_and_ends(admin: Client, maps: str) -> None:
    made = admin.post(maps, config_map("a"))
    assert made["kind"] == "ConfigMap"
    assert made["apiVersion"] == "v1"
    assert made["metadata"]["resourceVersion"].isdecimal()
    assert admin.get(f"{maps}/a") == made
    changed = {**made, "data": {"k": "w"}}
    updated = admin.call("PUT", f"{maps}/a", changed)
    assert updated.code == 200
    assert updated.json["data"] == {"k": "w"}
    status = refused(admin.call("PUT", f"{maps}/a", changed), 409, "Conflict")
    assert status["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please '
        "apply your changes to the latest version and try again"
    )
    assert status["details"] == {"name": "a", "kind": "configmaps"}
    gone = admin.call("DELETE", f"{maps}/a")
    assert gone.code == 200
    assert gone.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]},
    }
    refused(admin.call("GET", f"{maps}/a"), 404, "NotFound", 'configmaps "a" not found')


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "reason", "message"),
    [
        ("GET", "/nothing", None, 404, "NotFound", "could not find the requested resource"),
        ("GET", "/api/v1/cups", None, 404, "NotFound", "could not find the requested resource"),
        ("GET", "/api/v1/pods/p", None, 404, "NotFound", "could not find the requested resource"),
        ("GET", "{maps}/a/status", None, 404, "NotFound", "could not find the requested resource"),
        ("GET", "{maps}/none", None, 404, "NotFound", 'configmaps "none" not found'),
        ("PUT", "{maps}", {}, 405, "MethodNotAllowed", "does not allow this method"),
        ("POST", "{maps}/a", {}, 405, "MethodNotAllowed", "does not allow this method"),
        (
            "POST",
            "/api/v1/namespaces/default/serviceaccounts/default/token",
            {},
            405,
            "MethodNotAllowed",
            "tokens of service accounts are not issued",
        ),
        (
            "GET",
            "/api/v1/nodes/node-1/proxy/healthz",
            None,
            405,
            "MethodNotAllowed",
            "the proxy subresource of nodes is not served by emucluster",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/services/http:web:80/proxy",
            {},
            405,
            "MethodNotAllowed",
            "the proxy subresource of services is not served by emucluster",
        ),
        (
            "DELETE",
            "/api/v1/namespaces/default/pods/web/proxy/a/b",
            None,
            405,
            "MethodNotAllowed",
            "the proxy subresource of pods is not served by emucluster",
        ),
        ("GET", "{maps}/a/proxy", None, 404, "NotFound", "could not find the requested resource"),
        ("POST", "/version", {}, 405, "MethodNotAllowed", "does not allow this method"),
        ("DELETE", "/api/v1/namespaces", None, 405, "MethodNotAllowed", "does not allow"),
        ("POST", "{maps}", b"{", 400, "BadRequest", "json parse error"),
        ("POST", "{maps}", [], 400, "BadRequest", "must be of type ConfigMap"),
        ("POST", "{maps}", {"kind": "Pod"}, 400, "BadRequest", "cannot be handled as a ConfigMap"),
        (
            "POST",
            "{maps}",
            {"apiVersion": "v2", "kind": "ConfigMap"},
            400,
            "BadRequest",
            "the API version in the data (v2) does not match the expected API version (v1)",
        ),
        ("POST", "{maps}", {"data": {"k": 1}}, 400, "BadRequest", "cannot unmarshal number"),
        (
            "POST",
            "{maps}",
            {"metadata": {"name": "a", "namespace": "other"}},
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        ("POST", "{maps}", {"metadata": {"name": "A_"}}, 422, "Invalid", "metadata.name: Invalid"),
        ("POST", "{maps}?dryRun=Some", {}, 422, "Invalid", "dryRun: Unsupported value"),
        ("GET", "{maps}?labelSelector=!!", None, 400, "BadRequest", "unable to parse requirement"),
        (
            "GET",
            "{maps}?fieldSelector=spec.x=1",
            None,
            400,
            "BadRequest",
            "is not a known field",
        ),
        ("GET", "{maps}?limit=few", None, 400, "BadRequest", "strconv.ParseInt"),
        ("GET", "{maps}?resourceVersion=new", None, 400, "BadRequest", "resourceVersion"),
        ("GET", "{maps}?continue=abc", None, 400, "BadRequest", "continue key is not valid"),
        ("GET", "{maps}?timeout=soon", None, 400, "BadRequest", "invalid timeout"),
        ("GET", "{maps}?resourceVersion=99999999", None, 504, "Timeout", "Too large resource"),
    ],
)
def test_refusals_have_the_codes_and_words_of_upstream(
    admin: Client,
    maps: str,
    method: str,
    path: str,
    body: Any,
    code: int,
    reason: str,
    message: str,
) -> None:
    headers = {"content_type": "application/json"} if isinstance(body, bytes) else {}
    reply = admin.call(method, path.format(maps=maps), body, **headers)
    refused(reply, code, reason, message)


def test_the_second_of_a_name_is_refused(admin: Client, maps: str) -> None:
    admin.post(maps, config_map("a"))
    reply = admin.call("POST", maps, config_map("a"))
    refused(reply, 409, "AlreadyExists", 'configmaps "a" already exists')


def test_a_namespace_has_to_be_there(admin: Client) -> None:
    reply = admin.call("POST", "/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    refused(reply, 404, "NotFound", 'namespaces "nowhere" not found')


def test_names_are_made(admin: Client, maps: str) -> None:
    made = [admin.post(maps, {"metadata": {"generateName": "a-"}}) for _ in range(3)]
    names = {each["metadata"]["name"] for each in made}
    assert len(names) == 3
    assert all(name.startswith("a-") for name in names)


def test_unknown_fields_are_told_or_refused(admin: Client, maps: str) -> None:
    body = {**config_map("a"), "colour": "blue"}
    strict = admin.call("POST", f"{maps}?fieldValidation=Strict", body)
    refused(strict, 400, "BadRequest", 'strict decoding error: unknown field "colour"')
    warned = admin.call("POST", maps, body)
    assert warned.code == 201
    assert warned.warnings == ['299 - "unknown field \\"colour\\""']
    assert "colour" not in warned.json
    silent = admin.call("PUT", f"{maps}/a?fieldValidation=Ignore", {**warned.json, "colour": "red"})
    assert (silent.code, silent.warnings) == (200, [])


def test_a_dry_run_changes_nothing(admin: Client, maps: str) -> None:
    made = admin.call("POST", f"{maps}?dryRun=All", config_map("a"))
    assert made.code == 201
    assert "resourceVersion" not in made.json["metadata"]
    refused(admin.call("GET", f"{maps}/a"), 404, "NotFound")
    kept = admin.post(maps, config_map("a"))
    changed = admin.call("PUT", f"{maps}/a?dryRun=All", {**kept, "data": {"k": "x"}})
    assert changed.json["data"] == {"k": "x"}
    merge = "application/merge-patch+json"
    patched = admin.call("PATCH", f"{maps}/a?dryRun=All", b'{"data":{"k":"y"}}', content_type=merge)
    assert patched.json["data"] == {"k": "y"}
    assert admin.call("DELETE", f"{maps}/a?dryRun=All").code == 200
    assert admin.call("DELETE", f"{maps}/a", {"dryRun": ["All"]}).code == 200
    assert admin.call("DELETE", f"{maps}?dryRun=All").code == 200
    assert admin.get(f"{maps}/a") == kept


def test_yaml_goes_in_and_out(admin: Client, maps: str) -> None:
    text = yaml.safe_dump({**config_map("a"), "data": {"when": "2026-01-01T00:00:00Z"}}).encode()
    made = admin.call("POST", maps, text, content_type="application/yaml")
    assert made.code == 201
    shown = admin.call("GET", f"{maps}/a", accept="application/yaml")
    assert shown.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(shown.body)["data"] == {"when": "2026-01-01T00:00:00Z"}
    layers = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 9))
    bomb = f"metadata: {{name: b}}\nl0: &l0 [x]\n{layers}".encode()
    reply = admin.call("POST", maps, bomb, content_type="application/yaml")
    refused(reply, 400, "BadRequest", "excessive aliasing")
    other = admin.call("POST", maps, b"<a/>", content_type="application/xml")
    refused(other, 415, "UnsupportedMediaType", "accepted media types include: application/json")
    none = admin.call("GET", maps, accept="text/html")
    refused(none, 406, "NotAcceptable", "only the following media types are accepted")


def test_people_get_indented_json(admin: Client, maps: str) -> None:
    assert b"\n" not in admin.call("GET", maps).body.strip()
    assert b'\n  "kind"' in admin.call("GET", f"{maps}?pretty=true").body
    assert b'\n  "kind"' in admin.call("GET", maps, user_agent="curl/8.0").body
    assert b'\n  "message"' in admin.call("GET", f"{maps}/none", user_agent="curl/8.0").body


def test_a_table_has_columns_and_a_row_for_each_object(admin: Client, maps: str) -> None:
    for name in ("b", "a"):
        admin.post(maps, config_map(name))
    table = admin.get(maps, accept=TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in table["rows"]][:2] == [["a", 1], ["b", 1]]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["metadata"]["resourceVersion"].isdecimal()
    one = admin.get(f"{maps}/a?includeObject=Object", accept=TABLE)
    assert one["rows"][0]["object"]["data"] == {"k": "v"}
    bad = admin.call("GET", f"{maps}?includeObject=Perhaps", accept=TABLE)
    refused(bad, 400, "BadRequest", "includeObject")


def test_metadata_alone(admin: Client, maps: str) -> None:
    admin.post(maps, config_map("a"))
    as_list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    listed = admin.get(maps, accept=as_list)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert {each["kind"] for each in listed["items"]} == {"PartialObjectMetadata"}
    assert "data" not in listed["items"][0]
    as_one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert admin.get(f"{maps}/a", accept=as_one)["metadata"]["name"] == "a"


def test_pages_show_one_moment(admin: Client, maps: str) -> None:
    for number in range(5):
        admin.post(maps, config_map(f"c{number}"))
    first = admin.get(f"{maps}?limit=2")
    assert first["kind"] == "ConfigMapList"
    assert first["metadata"]["remainingItemCount"] >= 3
    admin.post(maps, config_map("c9"))
    names, page = [each["metadata"]["name"] for each in first["items"]], first
    while token := page["metadata"].get("continue"):
        page = admin.get(f"{maps}?limit=2&continue={token}")
        names += [each["metadata"]["name"] for each in page["items"]]
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert [name for name in names if name.startswith("c")] == [f"c{n}" for n in range(5)]


def test_a_long_list_comes_in_pieces_and_whole(admin: Client, maps: str) -> None:
    for number in range(260):
        admin.post(maps, config_map(f"c{number:03}", labels={"long": "yes"}))
    reply = admin.call("GET", f"{maps}?labelSelector=long")
    assert reply.headers["transfer-encoding"] == "chunked"
    names = [each["metadata"]["name"] for each in reply.json["items"]]
    assert names == [f"c{number:03}" for number in range(260)]
    table = admin.get(f"{maps}?labelSelector=long", accept=TABLE)
    assert [row["cells"][0] for row in table["rows"]] == names
    assert admin.call("DELETE", f"{maps}?labelSelector=long").code == 200
    assert admin.get(f"{maps}?labelSelector=long")["items"] == []


def test_one_name_among_many(admin: Client, maps: str) -> None:
    for name in ("a", "b"):
        admin.post(maps, config_map(name))
    found = admin.get(f"{maps}?fieldSelector=metadata.name=b,metadata.name=b")
    assert [each["metadata"]["name"] for each in found["items"]] == ["b"]
    assert admin.get(f"{maps}?fieldSelector=metadata.name=z")["items"] == []
    assert admin.get(f"{maps}?fieldSelector=metadata.name=b&labelSelector=x")["items"] == []


def test_delete_has_preconditions(admin: Client, maps: str) -> None:
    made = admin.post(maps, config_map("a", finalizers=["example.com/hold"]))
    wrong = admin.call("DELETE", f"{maps}/a", {"preconditions": {"uid": "other"}})
    refused(
        wrong,
        409,
        "Conflict",
        "the UID in the precondition (other) does not",
    )
    marked = admin.call("DELETE", f"{maps}/a")
    assert marked.json["metadata"]["deletionTimestamp"]
    free = [{"op": "remove", "path": "/metadata/finalizers"}]
    patch = "application/json-patch+json"
    assert admin.call("PATCH", f"{maps}/a", free, content_type=patch).code == 200
    refused(admin.call("GET", f"{maps}/a"), 404, "NotFound")
    again = admin.post(maps, config_map("a"))
    assert again["metadata"]["uid"] != made["metadata"]["uid"]


def test_patches_of_each_kind(admin: Client, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    admin.post(path, deployment("web"))
    patches: list[tuple[str, Any]] = [
        ("application/merge-patch+json", {"metadata": {"labels": {"a": "b"}}}),
        ("application/json-patch+json", [{"op": "add", "path": "/spec/replicas", "value": 2}]),
        (
            "application/strategic-merge-patch+json",
            {"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "x"}]}}}},
        ),
    ]
    for media, body in patches:
        reply = admin.call("PATCH", f"{path}/web", body, content_type=media)
        assert reply.code == 200, reply.body
    found = admin.get(f"{path}/web")
    assert found["metadata"]["labels"] == {"a": "b"}
    assert found["spec"]["replicas"] == 2
    names = [each["name"] for each in found["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["c", "d"]
    failed = [{"op": "test", "path": "/spec/replicas", "value": 9}]
    media = "application/json-patch+json"
    reply = admin.call("PATCH", f"{path}/web", failed, content_type=media)
    refused(reply, 422, "Invalid")
    assert reply.json["message"] == "the server rejected our request due to an error in our request"
    wrong = {"spec": {"replicas": "x"}}
    media = "application/strategic-merge-patch+json"
    reply = admin.call("PATCH", f"{path}/web", wrong, content_type=media)
    refused(reply, 422, "Invalid")
    assert reply.json["message"] == (
        ' "" is invalid: patch: Invalid value: "map[spec:map[replicas:x]]": '
        "unrecognized type: int32"
    )
    assert reply.json["details"]["causes"][0]["field"] == "patch"
    reply = admin.call("PATCH", f"{path}/web", {}, content_type="application/json")
    refused(reply, 415, "UnsupportedMediaType")
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 5}}
    media = "application/merge-patch+json"
    refused(admin.call("PATCH", f"{path}/web", stale, content_type=media), 409, "Conflict")


def test_scale_is_a_part_of_its_own(admin: Client, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    admin.post(path, deployment("web", 1))
    scale = admin.get(f"{path}/web/scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"]["selector"] == "app=web"
    scale["spec"]["replicas"] = 3
    # kubectl scale --current-replicas sends no Content-Type.
    reply = admin.call("PUT", f"{path}/web/scale", json.dumps(scale).encode())
    assert reply.json["spec"] == {"replicas": 3}
    refused(admin.call("PUT", f"{path}/web/scale", scale), 409, "Conflict")
    merge = "application/merge-patch+json"
    body = {"spec": {"replicas": 0}}
    assert admin.call("PATCH", f"{path}/web/scale", body, content_type=merge).json["spec"] == {}
    assert admin.get(f"{path}/web")["spec"]["replicas"] == 0
    negative = {"spec": {"replicas": -1}}
    reply = admin.call("PATCH", f"{path}/web/scale", negative, content_type=merge)
    refused(reply, 422, "Invalid", "spec.replicas: Invalid value: -1: must be greater than or")


def test_status_and_spec_do_not_touch_each_other(admin: Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    wanted, used = {"hard": {"pods": "1"}}, {"used": {"pods": "7"}}
    made = admin.post(path, {"metadata": {"name": "q"}, "spec": wanted, "status": used})
    assert made.get("status", {}) == {}
    sent = {**made, "spec": {"hard": {"pods": "2"}}, "status": used}
    changed = admin.call("PUT", f"{path}/q/status", sent)
    assert changed.code == 200, changed.body
    assert (changed.json["spec"], changed.json["status"]) == (wanted, used)
    version = changed.json["metadata"]["resourceVersion"]
    sent["metadata"] = {**sent["metadata"], "resourceVersion": version}
    changed = admin.call("PUT", f"{path}/q", {**sent, "status": {}})
    assert (changed.json["spec"], changed.json["status"]) == (sent["spec"], used)


def test_a_pod_is_bound_by_a_scheduler_of_ones_own(admin: Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    container = {"name": "c", "image": "emucluster/echo"}
    spec = {"schedulerName": "mine", "containers": [container]}
    admin.post(path, {"metadata": {"name": "p"}, "spec": spec})
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert admin.post(f"{path}/p/binding", binding)["status"] == "Success"
    assert admin.get(f"{path}/p")["spec"]["nodeName"] == "n1"
    message = 'pod p is already assigned to node "n1"'
    refused(admin.call("POST", f"{path}/p/binding", binding), 409, "Conflict", message)
    refused(admin.call("POST", f"{path}/p/binding", {}), 422, "Invalid", "target.name: Required")


def test_kinds_on_which_nothing_acts_say_so(admin: Client, namespace: str) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
    reply = admin.call("POST", path, {"metadata": {"name": "r"}, "rules": []})
    assert reply.code == 201
    assert "nothing in this cluster acts on them" in reply.warnings[0]
    assert reply.warnings[0].startswith('299 - "')


def autoscaler(**spec: Any) -> dict[str, Any]:
    """What `kubectl autoscale deployment web --min=1 --max=3` sends."""
    ref = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    head = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler"}
    spec = {"scaleTargetRef": ref, "minReplicas": 1, "maxReplicas": 3, **spec}
    return {**head, "metadata": {"name": "web"}, "spec": spec}


def test_an_autoscaler_has_two_versions_of_one_object(admin: Client, namespace: str) -> None:
    old, new = (
        f"/apis/autoscaling/{version}/namespaces/{namespace}/horizontalpodautoscalers"
        for version in ("v1", "v2")
    )
    made = admin.call("POST", old, autoscaler())
    assert made.code == 201
    (warning,) = made.warnings
    assert "horizontalpodautoscalers.autoscaling are stored, but nothing" in warning
    assert made.json["apiVersion"] == "autoscaling/v1"
    assert made.json["spec"]["targetCPUUtilizationPercentage"] == 80
    (metric,) = admin.get(f"{new}/web")["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
    patch = {"spec": {"targetCPUUtilizationPercentage": 50}}
    headers = {"content-type": "application/merge-patch+json"}
    changed = admin.call("PATCH", f"{old}/web", patch, **headers)
    assert changed.json["spec"]["targetCPUUtilizationPercentage"] == 50
    (metric,) = admin.get(f"{new}/web")["spec"]["metrics"]
    assert metric["resource"]["target"]["averageUtilization"] == 50
    assert admin.get(old)["items"] == [admin.get(f"{old}/web")]
    rows = [admin.get(path, accept=TABLE)["rows"][0]["cells"] for path in (old, new)]
    assert rows[0] == rows[1]
    assert rows[0][:3] == ["web", "Deployment/web", "cpu: <unknown>/50%"]


def test_an_apply_through_either_version_is_one_of_the_same_object(
    admin: Client, namespace: str
) -> None:
    path = f"/namespaces/{namespace}/horizontalpodautoscalers/web?fieldManager=me"
    headers = {"content-type": "application/apply-patch+yaml"}
    for percent in (50, 60):
        config = autoscaler(targetCPUUtilizationPercentage=percent)
        reply = admin.call("PATCH", f"/apis/autoscaling/v1{path}", config, **headers)
        assert reply.json["spec"]["targetCPUUtilizationPercentage"] == percent
    target = {"type": "Utilization", "averageUtilization": 70}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    config = {**autoscaler(metrics=[metric]), "apiVersion": "autoscaling/v2"}
    newer = admin.call("PATCH", f"/apis/autoscaling/v2{path}", config, **headers)
    assert newer.json["spec"]["metrics"] == [metric]
    shown = admin.get(f"/apis/autoscaling/v1{path.partition('?')[0]}")
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 70


def test_both_versions_of_autoscaling_are_told_the_newer_one_first(admin: Client) -> None:
    group = admin.get("/apis/autoscaling")
    assert [version["version"] for version in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"]["version"] == "v2"
    document = admin.get("/openapi/v3/apis/autoscaling/v1")
    name = "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler"
    spec = document["components"]["schemas"][f"{name}Spec"]["properties"]
    assert "targetCPUUtilizationPercentage" in spec
    where = "/apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers/{name}"
    assert where in document["paths"]


def test_classes_of_storage_and_priority_are_stored_with_their_columns(admin: Client) -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    metadata = {"name": "fast", "annotations": default}
    path = "/apis/storage.k8s.io/v1/storageclasses"
    made = admin.call("POST", path, {"metadata": metadata, "provisioner": "ebs.csi.aws.com"})
    (warning,) = made.warnings
    assert "storageclasses.storage.k8s.io are stored, but nothing" in warning
    (row,) = admin.get(path, accept=TABLE)["rows"]
    assert row["cells"][:5] == ["fast (default)", "ebs.csi.aws.com", "Delete", "Immediate", False]
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    made = admin.call("POST", path, {"metadata": {"name": "high"}, "value": 1000})
    (warning,) = made.warnings
    assert "give pods their priority, but nothing in this cluster preempts" in warning
    (row,) = (r for r in admin.get(path, accept=TABLE)["rows"] if r["cells"][0] == "high")
    assert [*row["cells"][:3], row["cells"][4]] == ["high", 1000, False, "PreemptLowerPriority"]


def test_who_mounts_volumes_is_told_that_nothing_does(admin: Client, namespace: str) -> None:
    mount = {"name": "data", "mountPath": "/data"}
    container = {"name": "c", "image": "emucluster/echo", "volumeMounts": [mount]}
    spec = {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]}
    path = f"/api/v1/namespaces/{namespace}/pods"
    reply = admin.call("POST", path, {"metadata": {"name": "p"}, "spec": spec})
    assert reply.code == 201
    assert reply.json["spec"]["volumes"] == spec["volumes"]
    assert reply.warnings == ['299 - "spec.volumes: volumes are stored and mounted nowhere"']
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {"selector": {"matchLabels": labels}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    reply = admin.call("POST", path, {"metadata": {"name": "d"}, "spec": deployment})
    text = "spec.template.spec.volumes: volumes are stored and mounted nowhere"
    assert reply.warnings == [f'299 - "{text}"']
    labelled = admin.call(
        "PATCH",
        f"{path}/d",
        {"metadata": {"labels": labels}},
        content_type="application/merge-patch+json",
    )
    assert (labelled.code, labelled.warnings) == (200, [])


def test_events_have_two_faces(admin: Client, namespace: str) -> None:
    core, new = f"/api/v1/namespaces/{namespace}", f"/apis/events.k8s.io/v1/namespaces/{namespace}"
    about = {"kind": "ConfigMap", "namespace": namespace, "name": "a"}
    body = {
        "metadata": {"name": "e"},
        "involvedObject": about,
        "message": "it happened",
        "reason": "Because",
        "type": "Normal",
    }
    admin.post(f"{core}/events", body)
    shown = admin.get(f"{new}/events/e")
    assert (shown["apiVersion"], shown["note"]) == ("events.k8s.io/v1", "it happened")
    selected = "involvedObject.kind=ConfigMap,involvedObject.name=a"
    found = admin.get(f"{core}/events?fieldSelector={selected}")["items"]
    assert [each["reason"] for each in found] == ["Because"]


def test_the_view_user_reads_and_writes_nothing(view: Client, maps: str, namespace: str) -> None:
    assert view.get(maps)["kind"] == "ConfigMapList"
    reply = view.call("POST", maps, config_map("a"))
    message = (
        'configmaps is forbidden: User "view" cannot create resource "configmaps" in API group '
        f'"" in the namespace "{namespace}"'
    )
    assert refused(reply, 403, "Forbidden")["message"] == message
    refused(view.call("GET", f"/api/v1/namespaces/{namespace}/secrets"), 403, "Forbidden")


def test_who_shows_nothing_or_the_wrong_thing(api_plane: Plane) -> None:
    anonymous = Client(api_plane.kubeconfig, token="")
    assert anonymous.call("GET", "/healthz").body == b"ok"
    assert anonymous.get("/version")["minor"] == "32"
    message = 'pods is forbidden: User "system:anonymous" cannot list resource "pods"'
    refused(anonymous.call("GET", "/api/v1/pods"), 403, "Forbidden", message)
    refused(anonymous.call("GET", "/metrics"), 403, "Forbidden", 'cannot get path "/metrics"')
    wrong = Client(api_plane.kubeconfig, token="wrong")
    for path in ("/healthz", "/api/v1/pods"):
        reply = wrong.call("GET", path)
        assert refused(reply, 401, "Unauthorized")["message"] == "Unauthorized"
    for client in (anonymous, wrong):
        client.close()


def test_a_client_certificate_says_who_it_is(api_plane: Plane) -> None:
    client = Client(api_plane.kubeconfig, certificate=True)
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    user = client.post(path, {})["status"]["userInfo"]
    assert user == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
    client.close()


def test_what_one_may_is_told(admin: Client, view: Client) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    asked = {"verb": "create", "resource": "pods", "namespace": "default"}
    body = {"spec": {"resourceAttributes": asked}}
    assert admin.post(path, body)["status"] == {"allowed": True}
    assert view.post(path, body)["status"] == {"allowed": False}
    refused(admin.call("POST", path, {"spec": {}}), 422, "Invalid", "Required value: exactly one")
    rules = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    assert admin.post(rules, {"spec": {"namespace": "x"}})["status"]["resourceRules"] == [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    ]
    listed = view.post(rules, {"spec": {"namespace": "x"}})["status"]["resourceRules"]
    core = next(rule for rule in listed if rule["apiGroups"] == [""])
    assert "pods" in core["resources"]
    assert "secrets" not in core["resources"]


def test_discovery_in_both_forms(admin: Client) -> None:
    new = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    reply = admin.call("GET", "/apis", accept=f"{new},application/json")
    assert reply.headers["content-type"] == new
    assert reply.headers["vary"] == "Accept"
    groups = {each["metadata"]["name"]: each for each in reply.json["items"]}
    resources = {each["resource"]: each for each in groups["apps"]["versions"][0]["resources"]}
    assert resources["deployments"]["shortNames"] == ["deploy"]
    scale = {part["subresource"]: part for part in resources["deployments"]["subresources"]}
    assert scale["scale"]["responseKind"]["group"] == "autoscaling"
    again = admin.call("GET", "/apis", accept=new, if_none_match=reply.headers["etag"])
    assert (again.code, again.body) == (304, b"")
    assert "content-length" not in again.headers
    index = admin.call("GET", "/openapi/v3")
    assert admin.call("GET", "/openapi/v3", if_none_match=index.headers["etag"]).code == 304
    older = admin.call("GET", "/api", accept=new.replace("v=v2;", "v=v2beta1;"))
    assert older.json["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
    assert admin.get("/api/")["versions"] == ["v1"]
    legacy = {group["name"] for group in admin.get("/apis")["groups"]}
    assert legacy == set(groups)
    listed = {each["name"]: each for each in admin.get("/api/v1")["resources"]}
    assert listed["pods/eviction"]["group"] == "policy"
    assert listed["pods/eviction"]["kind"] == "Eviction"
    assert admin.get("/apis/apps")["preferredVersion"]["groupVersion"] == "apps/v1"
    refused(admin.call("GET", "/apis/none"), 404, "NotFound")
    assert "/apis/apps/v1" in admin.get("/")["paths"]


def test_schemas_may_be_kept_under_their_hash(admin: Client) -> None:
    url = admin.get("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"]
    reply = admin.call("GET", url)
    assert reply.headers["cache-control"] == "public, immutable"
    assert "io.k8s.api.apps.v1.Deployment" in reply.json["components"]["schemas"]
    assert admin.call("GET", url, if_none_match=reply.headers["etag"]).code == 304
    plain = admin.call("GET", "/openapi/v3/apis/apps/v1")
    assert plain.headers["cache-control"] == "no-cache, private"
    refused(admin.call("GET", "/openapi/v2"), 406, "NotAcceptable")
    refused(admin.call("GET", "/openapi/v3/apis/none/v1"), 404, "NotFound")


def test_health_is_told_check_by_check(admin: Client) -> None:
    for kind in ("healthz", "livez", "readyz"):
        assert admin.call("GET", f"/{kind}").body == b"ok"
        verbose = admin.call("GET", f"/{kind}?verbose").body.decode()
        assert "[+]ping ok" in verbose
        assert verbose.endswith(f"{kind} check passed\n")
    assert admin.call("GET", "/livez/ping").body == b"ok"
    assert admin.call("GET", "/livez/none").code == 404
    excluded = admin.call("GET", "/readyz?verbose&exclude=ping").body
    assert b"[+]ping excluded: ok" in excluded


def test_requests_are_counted_under_upstreams_names(admin: Client, maps: str) -> None:
    admin.call("GET", f"{maps}/none")
    text = admin.call("GET", "/metrics").body.decode()
    wanted = (
        'apiserver_request_total{code="404",component="apiserver",dry_run="",group="",'
        'resource="configmaps",scope="resource",subresource="",verb="GET",version="v1"}'
    )
    assert wanted in text
    assert "apiserver_request_duration_seconds_bucket" in text
    assert 'apiserver_current_inflight_requests{request_kind="readOnly"} 1.0' in text
    assert 'apiserver_storage_objects{resource="configmaps"}' in text


def test_an_eviction_asks_the_budget(admin: Client, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    container = {"name": "c", "image": "emucluster/echo"}
    for name in ("a", "b"):
        metadata = {"name": name, "labels": {"app": "x"}}
        admin.post(pods, {"metadata": metadata, "spec": {"containers": [container]}})
        merge = "application/merge-patch+json"
        running = {"status": {"phase": "Running"}}
        assert admin.call("PATCH", f"{pods}/{name}/status", running, content_type=merge).code == 200
    selector = {"matchLabels": {"app": "x"}}
    admin.post(
        budgets, {"metadata": {"name": "x"}, "spec": {"minAvailable": 2, "selector": selector}}
    )
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    reply = admin.call("POST", f"{pods}/a/eviction", eviction)
    status = refused(reply, 429, "TooManyRequests", "violate the pod's disruption budget.")
    assert status["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert admin.call("DELETE", f"{budgets}/x").code == 200
    assert admin.post(f"{pods}/a/eviction", eviction)["status"] == "Success"
    refused(admin.call("GET", f"{pods}/a"), 404, "NotFound")
    other = {**eviction, "metadata": {"name": "c"}}
    refused(admin.call("POST", f"{pods}/b/eviction", other), 400, "BadRequest", "does not match")
    refused(admin.call("POST", f"{pods}/z/eviction", {}), 404, "NotFound", 'pods "z" not found')


def test_a_namespace_with_a_finalizer_of_its_own_ends_with_it(admin: Client) -> None:
    path = "/api/v1/namespaces/held"
    admin.post(
        "/api/v1/namespaces", {"metadata": {"name": "held"}, "spec": {"finalizers": ["a.b/c"]}}
    )
    assert admin.call("DELETE", path).json["status"]["phase"] == "Terminating"
    sent = {**admin.get(path), "spec": {"finalizers": []}}
    del sent["metadata"]["resourceVersion"]
    assert admin.call("PUT", f"{path}/finalize", sent).code == 200
    refused(admin.call("GET", path), 404, "NotFound")


def test_a_dry_run_of_finalize_changes_nothing_and_names_are_looked_at(
    admin: Client, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    before = admin.get(path)
    sent = {**before, "spec": {"finalizers": ["dry/run"]}}
    del sent["metadata"]["resourceVersion"]
    reply = admin.call("PUT", f"{path}/finalize?dryRun=All", sent)
    assert reply.code == 200
    assert reply.json["spec"] == {"finalizers": ["dry/run"]}
    before = admin.get(path)
    assert before["spec"] == {"finalizers": ["kubernetes"]}
    bad = {"metadata": {"name": namespace}, "spec": {"finalizers": ["bad finalizer!!", "", "x"]}}
    status = refused(admin.call("PUT", f"{path}/finalize", bad), 422, "Invalid")
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert fields == {f"spec.finalizers[{index}]" for index in (0, 1, 2)}
    text = "name is neither a standard finalizer name nor is it fully qualified"
    assert text in status["message"]
    stale = {**sent, "metadata": {**sent["metadata"], "resourceVersion": "1"}}
    refused(admin.call("PUT", f"{path}/finalize", stale), 409, "Conflict")
    assert admin.get(path) == before
    written = admin.call("PUT", f"{path}/finalize?fieldManager=me", sent).json
    assert written["spec"] == {"finalizers": ["dry/run"]}
    managers = {
        (entry["manager"], entry.get("subresource"))
        for entry in written["metadata"]["managedFields"]
    }
    assert ("me", "finalize") in managers
    assert admin.call("PUT", f"{path}/finalize", {**sent, "spec": before["spec"]}).code == 200


def test_a_new_namespace_has_finalizers_with_good_names(admin: Client) -> None:
    bad = {"metadata": {"name": "bad-finalizer"}, "spec": {"finalizers": ["a b"]}}
    status = refused(admin.call("POST", "/api/v1/namespaces", bad), 422, "Invalid")
    assert {cause["field"] for cause in status["details"]["causes"]} == {"spec.finalizers"}


def test_a_dry_run_of_a_binding_binds_nothing(admin: Client, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [{"name": "c", "image": "emucluster/echo"}]}
    admin.post(pods, {"metadata": {"name": "p"}, "spec": spec})
    before = admin.get(f"{pods}/p")
    binding = {"target": {"kind": "Node", "name": "n"}}
    assert admin.post(f"{pods}/p/binding?dryRun=All", binding)["status"] == "Success"
    assert admin.get(f"{pods}/p")["spec"] == before["spec"]
    assert admin.post(f"{pods}/p/binding", binding)["status"] == "Success"
    assert admin.get(f"{pods}/p")["spec"]["nodeName"] == "n"
    again = admin.call("POST", f"{pods}/p/binding?dryRun=All", binding)
    refused(again, 409, "Conflict")


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("pods", "-5", "must be greater than or equal to 0"),
        ("cpu", "-1m", "must be greater than or equal to 0"),
        ("pods", "500m", "must be an integer"),
        ("example.com/gpu", "1500m", "must be an integer"),
    ],
)
@pytest.mark.parametrize("part", ["capacity", "allocatable"])
def test_a_node_has_no_negative_and_no_broken_amounts(
    admin: Client, part: str, resource: str, amount: str, text: str
) -> None:
    nodes = "/api/v1/nodes"
    admin.call("POST", nodes, {"metadata": {"name": "sized"}})
    before = admin.get(f"{nodes}/sized")
    merge = "application/merge-patch+json"
    change = {"status": {part: {resource: amount}}}
    reply = admin.call("PATCH", f"{nodes}/sized/status", change, content_type=merge)
    message = f'status.{part}.{resource}: Invalid value: "{amount}": {text}'
    refused(reply, 422, "Invalid", message)
    assert admin.get(f"{nodes}/sized") == before
    fine = {"status": {part: {resource: "3"}}, "spec": {"podCIDR": "not looked at"}}
    reply = admin.call("PATCH", f"{nodes}/sized/status", fine, content_type=merge)
    assert reply.json["status"][part][resource] == "3"
    assert admin.call("DELETE", f"{nodes}/sized").code == 200


def test_nobody_manages_when_a_new_object_was_deleted(admin: Client, maps: str) -> None:
    marked = config_map("a", deletionTimestamp="2020-01-01T00:00:00Z", deletionGracePeriodSeconds=5)
    made = admin.post(maps, marked)
    assert "deletion" not in json.dumps(made)
    (entry,) = made["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:k": {}}}


def test_nobody_manages_what_admission_plugins_add_to_a_pod(admin: Client, namespace: str) -> None:
    toleration = {"key": "mine", "operator": "Exists"}
    container = {"name": "c", "image": "emucluster/echo"}
    path = f"/api/v1/namespaces/{namespace}/pods"
    added = {
        *("f:serviceAccount", "f:serviceAccountName", "f:tolerations"),
        *("f:priority", "f:preemptionPolicy", "f:priorityClassName"),
    }
    for name, more, owned in (
        ("plain", {}, set()),
        (
            "said",
            {"tolerations": [toleration], "serviceAccountName": "default"},
            added - {"f:priority", "f:preemptionPolicy", "f:priorityClassName"},
        ),
    ):
        spec = {"containers": [container], **more}
        made = admin.post(path, {"metadata": {"name": name}, "spec": spec})
        (entry,) = made["metadata"]["managedFields"]
        assert set(entry["fieldsV1"]["f:spec"]) & added == owned
        assert {"f:restartPolicy", "f:dnsPolicy"} < set(entry["fieldsV1"]["f:spec"])
        assert made["spec"]["serviceAccountName"] == "default"
        assert len(made["spec"]["tolerations"]) == 2 + len(more.get("tolerations", ()))


@pytest.mark.parametrize("field", ["apiVersion", "kind"])
@pytest.mark.parametrize(
    ("value", "word"), [({}, "object"), ([], "array"), (0, "number"), (False, "bool")]
)
def test_a_version_and_a_kind_are_strings(
    admin: Client, maps: str, field: str, value: Any, word: str
) -> None:
    reply = admin.call("POST", maps, {field: value, "metadata": {"name": "a"}})
    message = (
        "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
        f"version/kind; json parse error: json: cannot unmarshal {word} into Go struct field "
        f".{field} of type string ("
    )
    refused(reply, 400, "BadRequest", message)
    refused(admin.call("GET", f"{maps}/a"), 404, "NotFound")
    assert admin.call("POST", maps, {field: None, "metadata": {"name": "a"}}).code == 201


def test_an_apply_of_what_has_a_uid_makes_no_new_object(admin: Client, maps: str) -> None:
    apply = "application/apply-patch+yaml"
    sent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "1"}}
    path = f"{maps}/a?fieldManager=me"
    message = (
        'Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object '
        "specified uid 1, and no existing object was found"
    )
    reply = admin.call("PATCH", path, sent, content_type=apply)
    refused(reply, 409, "Conflict", message)
    for wrong in ({}, [], 5):
        strange = {**sent, "apiVersion": wrong, "metadata": {"name": "a"}}
        refused(admin.call("PATCH", path, strange, content_type=apply), 400, "BadRequest")
    refused(admin.call("GET", f"{maps}/a"), 404, "NotFound")
