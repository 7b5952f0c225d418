"""Server-side apply and managedFields, as upstream's field managers do it."""

import json

import pytest
import yaml

from emucluster.core.errors import BadRequest, Conflict
from emucluster.core.patching import managed
from emucluster.core.schemas.schema import custom_schema, schema_of

T1, T2, T3 = (f"2026-01-02T03:04:0{n}Z" for n in range(1, 4))
DEPLOYMENT, POD, SERVICE = (
    schema_of("apps/v1", "Deployment"),
    schema_of("v1", "Pod"),
    schema_of("v1", "Service"),
)


def load(text):
    return yaml.safe_load(text)


def apply(live, text, manager="one", schema=DEPLOYMENT, stamp=T1, **options):
    config = load(text) if isinstance(text, str) else text
    return managed.applied(live, config, manager=manager, schema=schema, stamp=stamp, **options)


def update(old, new, manager="one", schema=DEPLOYMENT, stamp=T1, **options):
    return managed.updated(old, new, manager=manager, schema=schema, stamp=stamp, **options)


def entries(tree):
    return tree["metadata"].get("managedFields", [])


def owner(tree, manager, operation=None, subresource=None):
    found = [
        e
        for e in entries(tree)
        if e["manager"] == manager
        and operation in (None, e["operation"])
        and subresource in (None, e.get("subresource", ""))
    ]
    assert len(found) <= 1
    return found[0]["fieldsV1"] if found else None


def plain(tree):
    metadata = {k: v for k, v in tree["metadata"].items() if k != "managedFields"}
    return {**tree, "metadata": metadata}


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - {name: web, image: "echo:1", ports: [{containerPort: 80}]}
"""


def changed(tree, path, value):
    result = json.loads(json.dumps(tree))
    *parts, last = path.split(".")
    inner = result
    for part in parts:
        inner = inner[int(part) if part.isdigit() else part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return result


# --- updates -------------------------------------------------------------------------------------


def test_a_create_is_owned_as_in_a_real_cluster():
    """The object and its entry are those which `kubectl create deployment` of 1.32 leaves."""
    tree = load(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: nginx, namespace: default, labels: {app: nginx}, uid: x, generation: 1,
                   creationTimestamp: "2026-01-02T03:04:05Z", resourceVersion: "1"}
        spec:
          progressDeadlineSeconds: 600
          replicas: 1
          revisionHistoryLimit: 10
          selector: {matchLabels: {app: nginx}}
          strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}, type: RollingUpdate}
          template:
            metadata: {labels: {app: nginx}}
            spec:
              containers:
              - {image: nginx, imagePullPolicy: Always, name: nginx, resources: {},
                 terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}
              dnsPolicy: ClusterFirst
              restartPolicy: Always
              schedulerName: default-scheduler
              securityContext: {}
              terminationGracePeriodSeconds: 30
        """
    )
    (entry,) = entries(update(None, tree, manager="kubectl-create"))
    fields = entry.pop("fieldsV1")
    assert entry == {
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "manager": "kubectl-create",
        "operation": "Update",
        "time": T1,
    }
    assert fields == load(
        """
        f:metadata: {f:labels: {.: {}, f:app: {}}}
        f:spec:
          f:progressDeadlineSeconds: {}
          f:replicas: {}
          f:revisionHistoryLimit: {}
          f:selector: {}
          f:strategy: {f:rollingUpdate: {.: {}, f:maxSurge: {}, f:maxUnavailable: {}}, f:type: {}}
          f:template:
            f:metadata: {f:labels: {.: {}, f:app: {}}}
            f:spec:
              f:containers:
                'k:{"name":"nginx"}':
                  .: {}
                  f:image: {}
                  f:imagePullPolicy: {}
                  f:name: {}
                  f:resources: {}
                  f:terminationMessagePath: {}
                  f:terminationMessagePolicy: {}
              f:dnsPolicy: {}
              f:restartPolicy: {}
              f:schedulerName: {}
              f:securityContext: {}
              f:terminationGracePeriodSeconds: {}
        """
    )


def test_an_update_takes_what_it_changes_and_leaves_the_rest():
    first = update(None, load(WEB), manager="a")
    second = update(first, changed(first, "spec.replicas", 3), manager="b", stamp=T2)
    assert owner(second, "b") == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owner(second, "a")["f:spec"]
    gone = update(second, changed(second, "spec.replicas", None), manager="c", stamp=T3)
    assert owner(gone, "b") is None
    assert owner(gone, "c") is None
    times = {e["manager"]: e["time"] for e in entries(second)}
    assert times == {"a": T1, "b": T2}


def test_an_update_that_changes_nothing_changes_no_entry():
    first = update(None, load(WEB), manager="a")
    assert update(first, first, manager="b", stamp=T2, sent=entries(first)) == first


def test_tracking_does_not_start_with_an_update():
    live = load(WEB)
    assert update(live, changed(live, "spec.replicas", 3)) == changed(live, "spec.replicas", 3)


def test_ports_are_told_apart_with_their_default_protocol():
    tree = update(None, load(WEB))
    containers = owner(tree, "one")["f:spec"]["f:template"]["f:spec"]["f:containers"]
    ports = containers['k:{"name":"web"}']["f:ports"]
    assert ports == {
        ".": {},
        'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
    }


def test_status_is_another_entry():
    first = update(None, load(WEB), manager="a")
    second = {**first, "status": {"replicas": 1, "conditions": [{"type": "Ready"}]}}
    reported = update(first, second, manager="a", subresource="status", stamp=T2)
    assert owner(reported, "a", subresource="status") == {
        "f:status": {
            "f:conditions": {".": {}, 'k:{"type":"Ready"}': {".": {}, "f:type": {}}},
            "f:replicas": {},
        }
    }
    assert owner(reported, "a", subresource="") == owner(first, "a")
    written = update(reported, {**reported, "status": {}}, manager="b", stamp=T3)
    assert owner(written, "b") is None


@pytest.mark.parametrize("sent", [[], [{}]])
def test_entries_can_be_reset(sent):
    first = update(None, load(WEB))
    assert update(first, plain(first), sent=sent) == plain(first)


def test_entries_can_be_edited_but_not_made_unreadable():
    first = update(None, load(WEB), manager="a")
    (entry,) = entries(first)
    renamed = [{**entry, "manager": "b"}]
    assert entries(update(first, first, sent=renamed)) == renamed
    for broken in ([{**entry, "fieldsType": "V2"}], [{**entry, "operation": "Own"}], "x", [1]):
        assert entries(update(first, first, sent=broken)) == [entry]


def test_at_most_ten_updaters_are_told_apart():
    tree = update(None, load(WEB), manager="m00", stamp="2026-01-01T00:00:00Z")
    for n in range(1, 15):
        labels = {**tree["metadata"]["labels"], f"l{n}": "x"}
        new = changed(tree, "metadata.labels", labels)
        tree = update(tree, new, manager=f"m{n:02}", stamp=f"2026-01-01T00:00:{n:02}Z")
    names = [e["manager"] for e in entries(tree)]
    assert names == ["ancient-changes", *(f"m{n:02}" for n in range(6, 15))]
    assert {"f:l1", "f:l5", "f:app"} <= owner(tree, "ancient-changes")["f:metadata"][
        "f:labels"
    ].keys()


# --- applies -------------------------------------------------------------------------------------


def test_an_apply_owns_just_what_it_says():
    tree = apply(None, WEB)
    assert plain(tree) == load(WEB)
    assert owner(tree, "one", "Apply") == load(
        """
        f:metadata: {f:labels: {f:app: {}}}
        f:spec:
          f:replicas: {}
          f:template:
            f:spec:
              f:containers:
                'k:{"name":"web"}':
                  .: {}
                  f:name: {}
                  f:image: {}
                  f:ports:
                    'k:{"containerPort":80,"protocol":"TCP"}': {.: {}, f:containerPort: {}}
        """
    )


def test_applying_again_changes_nothing():
    tree = apply(None, WEB)
    assert apply(tree, WEB, stamp=T2) == tree
    defaulted = changed(tree, "spec.template.spec.containers.0.ports.0.protocol", "TCP")
    assert apply(defaulted, WEB, stamp=T2) == defaulted


def test_what_is_not_applied_any_more_goes():
    tree = apply(None, WEB)
    less = apply(tree, changed(load(WEB), "spec.replicas", None), stamp=T2)
    assert "replicas" not in less["spec"]
    none = apply(less, changed(load(WEB), "spec", {"paused": True}), stamp=T3)
    assert none["spec"] == {"paused": True}


def test_what_others_own_stays():
    tree = apply(None, WEB)
    both = apply(tree, WEB, manager="two", stamp=T2)
    assert plain(both) == load(WEB)
    less = apply(both, changed(load(WEB), "spec.replicas", None), stamp=T3)
    assert less["spec"]["replicas"] == 2
    assert "f:replicas" not in owner(less, "one")["f:spec"]
    assert owner(less, "two")["f:spec"]["f:replicas"] == {}


def test_defaulted_fields_stay():
    tree = apply(None, WEB)
    filled = changed(tree, "spec.template.spec.containers.0.imagePullPolicy", "Always")
    (container,) = apply(filled, WEB, stamp=T2)["spec"]["template"]["spec"]["containers"]
    assert container["imagePullPolicy"] == "Always"
    # and go with the item that they belong to
    other = WEB.replace("name: web, image", "name: new, image")
    (container,) = apply(filled, other, stamp=T2)["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "new"


def test_a_conflict_names_fields_and_managers():
    tree = update(None, load(WEB), manager="kubectl-client-side-apply")
    with pytest.raises(Conflict) as caught:
        apply(tree, changed(load(WEB), "spec.replicas", 3), manager="two")
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: '
        ".spec.replicas"
    )
    (cause,) = caught.value.causes
    assert (cause.field, cause.reason, cause.message) == (
        ".spec.replicas",
        "FieldManagerConflict",
        'conflict with "kubectl-client-side-apply" using apps/v1',
    )


def test_many_conflicts_are_listed_by_manager():
    tree = apply(None, WEB, manager="a")
    status = {**tree, "status": {"replicas": 1}}
    tree = update(tree, status, manager="s", subresource="status", stamp=T2)
    labels = {"app": "other"}
    config = changed(changed(load(WEB), "spec.replicas", 3), "metadata.labels", labels)
    config["spec"]["template"]["spec"]["containers"][0]["image"] = "echo:2"
    with pytest.raises(Conflict) as caught:
        apply(tree, config, manager="two")
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "a":\n'
        "- .metadata.labels.app\n"
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="web"].image'
    )
    reported = {"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 2}}
    with pytest.raises(Conflict, match='"s" with subresource "status" using apps/v1'):
        apply(tree, reported, subresource="status")


def test_force_takes_over():
    tree = apply(None, WEB, manager="a")
    taken = apply(tree, changed(load(WEB), "spec.replicas", 3), manager="b", force=True, stamp=T2)
    assert taken["spec"]["replicas"] == 3
    assert "f:replicas" not in owner(taken, "a")["f:spec"]
    assert owner(taken, "b")["f:spec"]["f:replicas"] == {}


def test_what_was_there_before_the_first_apply_is_owned_too():
    live = {**load(WEB), "status": {"replicas": 1}}
    with pytest.raises(Conflict, match="before-first-apply"):
        apply(live, changed(load(WEB), "spec.replicas", 3))
    tree = apply(live, WEB, stamp=T2)
    assert owner(tree, "before-first-apply", "Update")["f:spec"]["f:replicas"] == {}
    assert "f:status" not in owner(tree, "before-first-apply")


def test_lists_without_keys_are_one_field():
    pod = """
    apiVersion: v1
    kind: Pod
    metadata: {name: p, finalizers: [example.com/a]}
    spec: {tolerations: [{key: a}], containers: [{name: c, args: [x, y]}]}
    """
    tree = apply(None, pod, schema=POD)
    fields = owner(tree, "one")
    assert fields["f:spec"]["f:tolerations"] == {}
    assert fields["f:metadata"]["f:finalizers"] == {'v:"example.com/a"': {}}
    other = pod.replace("example.com/a", "example.com/b").replace("key: a", "key: a, value: b")
    with pytest.raises(Conflict) as caught:
        apply(tree, other, manager="two", schema=POD)
    assert [c.field for c in caught.value.causes] == [".spec.tolerations"]
    forced = apply(tree, other, manager="two", schema=POD, force=True)
    assert forced["metadata"]["finalizers"] == ["example.com/a", "example.com/b"]
    back = apply(forced, pod.replace("[example.com/a]", "[]"), schema=POD, force=True)
    assert back["metadata"]["finalizers"] == ["example.com/b"]


def test_two_protocols_of_one_port_are_two_items():
    service = """
    apiVersion: v1
    kind: Service
    metadata: {name: dns}
    spec: {ports: [{name: tcp, port: 53}, {name: udp, port: 53, protocol: UDP}]}
    """
    tree = apply(None, service, schema=SERVICE)
    less = apply(tree, service.replace("{name: tcp, port: 53}, ", ""), schema=SERVICE)
    assert less["spec"]["ports"] == [{"name": "udp", "port": 53, "protocol": "UDP"}]


def test_order_of_items():
    base = changed(load(WEB), "spec.template.spec.containers", [{"name": n} for n in "abc"])
    tree = apply(None, base)
    others = [{"name": n} for n in "cxa"]
    both = apply(tree, changed(load(WEB), "spec.template.spec.containers", others), manager="two")
    names = [c["name"] for c in both["spec"]["template"]["spec"]["containers"]]
    assert names == ["b", "c", "x", "a"]


def test_custom_kinds_go_by_their_own_schema():
    schema = custom_schema(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "whole": {"type": "object", "x-kubernetes-map-type": "atomic",
                                  "additionalProperties": {"type": "string"}},
                        "set": {"type": "array", "x-kubernetes-list-type": "set",
                                "items": {"type": "string"}},
                        "map": {"type": "array", "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["id"],
                                "items": {"type": "object", "properties": {
                                    "id": {"type": "integer"}, "v": {"type": "string"}}}},
                        "plain": {"type": "array", "items": {"type": "string"}},
                        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    },
                }
            },
        }
    )  # fmt: skip
    widget = """
    apiVersion: example.com/v1
    kind: Widget
    metadata: {name: w, labels: {a: b}}
    spec: {whole: {a: b}, set: [x], map: [{id: 1, v: y}], plain: [p], any: {a: {b: [c]}}}
    """
    tree = apply(None, widget, schema=schema)
    assert owner(tree, "one") == load(
        """
        f:metadata: {f:labels: {f:a: {}}}
        f:spec:
          f:whole: {}
          f:set: {'v:"x"': {}}
          f:map: {'k:{"id":1}': {.: {}, f:id: {}, f:v: {}}}
          f:plain: {}
          f:any: {f:a: {.: {}, f:b: {}}}
        """
    )
    with pytest.raises(BadRequest, match=r"\.spec\.unknown: field not declared in schema"):
        apply(tree, widget.replace("spec: {", "spec: {unknown: 1, "), schema=schema)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("spec.replicas", "x"), ".spec.replicas: expected numeric (int or float), got string"),
        (("spec.foo", 1), ".spec.foo: field not declared in schema"),
        (("spec.template.spec", [1]), ".spec.template.spec: expected map, got"),
        (("spec.template.spec.containers", 1), ".spec.template.spec.containers: expected list"),
        (("spec.template.spec.containers.0", "x"), "element 0: associative list with keys may not"),
        (
            ("spec.template.spec.containers", [{"name": "a"}, {"name": "a"}]),
            '.spec.template.spec.containers: duplicate entries for key [name="a"]',
        ),
        (("metadata.managedFields", []), "metadata.managedFields must be nil"),
        (("apiVersion", "apps/v2"), "Incorrect version specified in apply patch"),
        (("metadata", [1]), "metadata is not an object"),
    ],
)
def test_what_cannot_be_applied_is_a_bad_request(change, message):
    config = load(WEB)
    path, value = change
    if path.endswith(".0"):
        config["spec"]["template"]["spec"]["containers"] = [value]
    else:
        config = changed(config, path, value)
    with pytest.raises(BadRequest) as caught:
        apply(apply(None, WEB), config)
    assert message in caught.value.message


def test_the_systems_metadata_is_not_applied():
    tree = apply(None, WEB)
    tree = changed(tree, "metadata.creationTimestamp", T1)
    config = load(WEB)
    config["metadata"]["creationTimestamp"] = None
    config["status"] = {}
    assert apply(tree, config, stamp=T2) == tree


# --- from client-side to server-side apply --------------------------------------------------------


def client_side(text, live=None):
    tree = load(text)
    last = json.dumps(tree)
    tree["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": last}
    return update(live, tree, manager="kubectl-client-side-apply")


def test_kubectl_takes_over_from_its_own_client_side_apply():
    tree = client_side(WEB)
    config = changed(load(WEB), "spec.replicas", 5)
    with pytest.raises(Conflict):
        apply(tree, config, manager="argo", stamp=T2)
    after = apply(tree, config, manager="kubectl", stamp=T2)
    assert after["spec"]["replicas"] == 5
    last = after["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(last) == config
    # What kubectl does next: the old manager goes, by a JSON patch of the entries.
    rest = [e for e in entries(after) if e["manager"] == "kubectl"]
    moved = update(after, after, manager="kubectl", sent=rest, stamp=T3)
    assert [e["manager"] for e in entries(moved)] == ["kubectl"]
    again = changed(load(WEB), "spec.replicas", None)
    assert "replicas" not in apply(moved, again, manager="kubectl", stamp=T3)["spec"]


def test_kubectl_does_not_take_over_what_somebody_else_changed_since():
    tree = client_side(WEB)
    tree = update(tree, changed(tree, "spec.replicas", 9), manager="autoscaler", stamp=T2)
    with pytest.raises(Conflict) as caught:
        apply(tree, changed(load(WEB), "spec.replicas", 5), manager="kubectl", stamp=T3)
    assert [c.field for c in caught.value.causes] == [".spec.replicas"]
