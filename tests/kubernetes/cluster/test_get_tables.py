"""`kubectl get`: the columns of every kind, as the API server prints them.

Columns are those of kubernetes pkg/printers/internalversion/printers.go at 1.32.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kubernetes.kubectl import Kubectl, needed

pytestmark = [pytest.mark.live, needed]

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "echo", "image": "emucluster/echo"}]},
}
WORKLOAD = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE, "replicas": 0}
JOB = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}

# Kind, apiVersion, what else an object needs, and the header; after `|` what `-o wide` adds.
KINDS: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "Deployment",
        "apps/v1",
        {"spec": WORKLOAD},
        "NAME READY UP-TO-DATE AVAILABLE AGE | CONTAINERS IMAGES SELECTOR",
    ),
    (
        "ReplicaSet",
        "apps/v1",
        {"spec": WORKLOAD},
        "NAME DESIRED CURRENT READY AGE | CONTAINERS IMAGES SELECTOR",
    ),
    (
        "StatefulSet",
        "apps/v1",
        {"spec": {**WORKLOAD, "serviceName": "web"}},
        "NAME READY AGE | CONTAINERS IMAGES",
    ),
    (
        "DaemonSet",
        "apps/v1",
        {
            "spec": {
                "selector": WORKLOAD["selector"],
                "template": {
                    **TEMPLATE,
                    "spec": {**TEMPLATE["spec"], "nodeSelector": {"none": "such"}},
                },
            }
        },
        "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE "
        "| CONTAINERS IMAGES SELECTOR",
    ),
    (
        "Service",
        "v1",
        {"spec": {"ports": [{"port": 80}]}},
        "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE | SELECTOR",
    ),
    (
        "Endpoints",
        "v1",
        {"subsets": [{"addresses": [{"ip": "127.32.9.9"}], "ports": [{"port": 1}]}]},
        "NAME ENDPOINTS AGE |",
    ),
    (
        "EndpointSlice",
        "discovery.k8s.io/v1",
        {"addressType": "IPv4", "endpoints": []},
        "NAME ADDRESSTYPE PORTS ENDPOINTS AGE |",
    ),
    ("ConfigMap", "v1", {"data": {"a": "1"}}, "NAME DATA AGE |"),
    ("Secret", "v1", {"stringData": {"a": "1"}}, "NAME TYPE DATA AGE |"),
    ("ServiceAccount", "v1", {}, "NAME SECRETS AGE |"),
    ("Lease", "coordination.k8s.io/v1", {"spec": {"holderIdentity": "h"}}, "NAME HOLDER AGE |"),
    (
        "PodDisruptionBudget",
        "policy/v1",
        {"spec": {"minAvailable": 1, "selector": {}}},
        "NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE |",
    ),
    (
        "ControllerRevision",
        "apps/v1",
        {"revision": 1, "data": {}},
        "NAME CONTROLLER REVISION AGE |",
    ),
    (
        "Job",
        "batch/v1",
        {"spec": JOB},
        "NAME STATUS COMPLETIONS DURATION AGE | CONTAINERS IMAGES SELECTOR",
    ),
    (
        "CronJob",
        "batch/v1",
        {"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": JOB}}},
        "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE | CONTAINERS IMAGES SELECTOR",
    ),
    (
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "w"}, "maxReplicas": 3}},
        "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE |",
    ),
    (
        "Ingress",
        "networking.k8s.io/v1",
        {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
        "NAME CLASS HOSTS ADDRESS PORTS AGE |",
    ),
    (
        "NetworkPolicy",
        "networking.k8s.io/v1",
        {"spec": {"podSelector": {}}},
        "NAME POD-SELECTOR AGE |",
    ),
    (
        "PersistentVolumeClaim",
        "v1",
        {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            }
        },
        "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE "
        "| VOLUMEMODE",
    ),
    (
        "StorageClass",
        "storage.k8s.io/v1",
        {"provisioner": "example.com/p"},
        "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE |",
    ),
    (
        "PriorityClass",
        "scheduling.k8s.io/v1",
        {"value": 1},
        "NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY |",
    ),
    ("ResourceQuota", "v1", {"spec": {"hard": {"pods": "9"}}}, "NAME REQUEST LIMIT AGE |"),
    ("Role", "rbac.authorization.k8s.io/v1", {"rules": []}, "NAME CREATED AT |"),
    (
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        {
            "roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}],
        },
        "NAME ROLE AGE | USERS GROUPS SERVICEACCOUNTS",
    ),
]


def words(header: str) -> list[str]:
    return header.split()


def test_every_kind_has_kubectls_columns(kubectl: Kubectl) -> None:
    kubectl.apply(
        *(
            {"apiVersion": version, "kind": kind, "metadata": {"name": "made"}, **rest}
            for kind, version, rest, _ in KINDS
        )
    )
    made = [f"{kind.lower()}/made" for kind, *_ in KINDS]
    for options in ((), ("-o", "wide")):
        tables = kubectl("get", *made, *options).strip().split("\n\n")
        for (kind, *_, header), table in zip(KINDS, tables, strict=True):
            narrow, _, more = header.partition("|")
            head, row = (line.split() for line in table.splitlines())
            assert head == words(narrow + more if options else narrow)
            assert row[0].partition(".")[0].partition("/")[0] == kind.lower()
            assert row[0].endswith("/made")


def test_pods_and_what_they_are_on(workshop: Kubectl) -> None:
    lines = workshop("get", "pods").splitlines()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    found = {line.split()[0]: line.split()[1:3] for line in lines[1:]}
    assert found["own"] == ["1/1", "Running"]
    assert found["two"] == ["2/2", "Running"]
    assert found["nowhere"][0] == "0/1"
    assert found["nowhere"][1] in ("ErrImagePull", "ImagePullBackOff")
    header, row = workshop("get", "pod", "own", "-o", "wide").splitlines()
    wide = "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES"
    assert header.split() == wide.split()
    tree = workshop.json("get", "pod", "own")
    assert row.split()[-4:] == [
        *(tree["status"]["podIP"], tree["spec"]["nodeName"], "<none>", "<none>")
    ]
    nodes = workshop("get", "nodes", "-o", "wide").splitlines()
    assert words(nodes[0]) == words(
        "NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION "
        "CONTAINER-RUNTIME"
    )
    assert nodes[1].split()[:3] == ["node-1", "Ready", "<none>"]
    events = workshop("get", "events", "-o", "wide").splitlines()
    assert words(events[0]) == words(
        "LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME"
    )
    assert any("pod/own" in line and "Scheduled" in line for line in events)
    everywhere = workshop("get", "pods", "-A", "--field-selector", "metadata.namespace=workshop")
    assert everywhere.splitlines()[0].split()[:2] == ["NAMESPACE", "NAME"]


def test_rows_are_sorted_and_selected_and_shown_with_labels(workshop: Kubectl) -> None:
    names = [row[0] for row in workshop.rows("get", "pods", "--sort-by=.metadata.name")[1:]]
    assert names == sorted(names)
    assert len(names) == 5
    [_, row] = workshop.rows("get", "pods", "-l", "app=own", "-L", "app")
    assert (row[0], row[-1]) == ("own", "own")
    assert workshop("get", "pods", "-l", "app=two", "-o", "name") == "pod/two\n"
    columns = "N:.metadata.name,C:.spec.containers[*].name"
    listed = workshop.rows("get", "pod", "two", "-o", f"custom-columns={columns}")
    assert listed == [["N", "C"], ["two", "a,b"]]


def test_a_watch_goes_on_in_the_same_table(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "one", "--from-literal=a=1")
    with kubectl.start("get", "configmaps", "--watch") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split() == ["NAME", "DATA", "AGE"]
        seen: dict[str, str] = {}
        while "one" not in seen:
            name, data, _ = watching.stdout.readline().split()
            seen[name] = data
        kubectl("create", "configmap", "two", "--from-literal=a=1", "--from-literal=b=2")
        while "two" not in seen:
            name, data, _ = watching.stdout.readline().split()
            seen[name] = data
    assert (seen["one"], seen["two"]) == ("1", "2")


def test_custom_resources_have_the_columns_of_their_definition(kubectl: Kubectl) -> None:
    group = f"{kubectl.namespace}.example.com"
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {
            "name": "Ready",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
        },
        {"name": "Since", "type": "date", "jsonPath": ".spec.since", "priority": 1},
    ]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {
        "openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}
    }
    kubectl.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": schema,
                        "additionalPrinterColumns": columns,
                    }
                ],
            },
        }
    )
    kubectl("wait", "--for=condition=Established", f"crd/widgets.{group}", "--timeout=60s")
    widget = {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"size": 3, "since": "2020-01-01T00:00:00Z"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    kubectl("create", "-f", "-", stdin=json.dumps(widget))
    narrow = kubectl.rows("get", f"widgets.{group}")
    assert narrow == [["NAME", "SIZE", "READY"], ["w", "3", "True"]]
    header, row = kubectl.rows("get", f"widgets.{group}", "-o", "wide")
    assert header == ["NAME", "SIZE", "READY", "SINCE"]
    assert row[3].endswith("d")
    kubectl("delete", "crd", f"widgets.{group}")
