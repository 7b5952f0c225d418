"""Rows of every kind.

Cases follow pkg/printers/internalversion/printers_test.go of kubernetes at 1.32; the name of each
upstream test stands before its cases.
"""

from typing import Any

import msgspec
import pytest

from emucluster.core.objects import Object, ObjectMeta, StorageClass
from emucluster.core.objects.codec import decode_tree
from emucluster.core.objects.registry import RESOURCES, VIEWS, resource
from emucluster.core.printing import PRINTERS, cells, columns

BORN = "2026-01-01T00:00:00Z"
NOW_S = 1767225600.0 + 60
AGE = "60s"
TEMPLATE = {"spec": {"containers": [{"name": "c1", "image": "i1"}, {"name": "c2", "image": "i2"}]}}
SELECTOR = {"matchLabels": {"foo": "bar"}}
WIDE = ["c1,c2", "i1,i2"]


def row(kind: str, meta: Any = None, **fields: Any) -> list[Any]:
    """The cells after the name of an object `test` of this kind, which is a minute old."""
    found = resource(kind)
    metadata = {"name": "test", "creationTimestamp": BORN, **(meta or {})}
    obj = decode_tree(
        {"apiVersion": found.api_version, "kind": found.kind, "metadata": metadata, **fields}
    )
    printed = cells(obj, found, NOW_S)
    assert len(printed) == len(columns(found))
    assert "test" in printed
    return printed[1:] if printed[0] == "test" else printed


# TestPrintDeployment, TestPrintReplicaSet, TestPrintReplicationController


def test_deployments_tell_how_many_are_ready_and_what_they_run() -> None:
    spec = {"replicas": 5, "selector": SELECTOR, "template": TEMPLATE}
    status = {"updatedReplicas": 2, "availableReplicas": 1, "readyReplicas": 1}
    found = row("Deployment", spec=spec, status=status)
    assert found == ["1/5", 2, 1, AGE, *WIDE, "foo=bar"]
    assert row("Deployment", spec={"selector": {}, "template": {}})[-1] == ""


def test_replica_sets_and_controllers_count_pods() -> None:
    spec = {"replicas": 5, "selector": SELECTOR, "template": TEMPLATE}
    status = {"replicas": 4, "readyReplicas": 2}
    assert row("ReplicaSet", spec=spec, status=status) == [5, 4, 2, AGE, *WIDE, "foo=bar"]
    controller = {**spec, "selector": {"a": "b"}}
    found = row("ReplicationController", spec=controller, status=status)
    assert found == [5, 4, 2, AGE, *WIDE, "a=b"]


# TestPrintStatefulSet, TestPrintDaemonSet, TestPrintControllerRevision


def test_stateful_sets_tell_how_many_are_ready() -> None:
    spec = {"replicas": 5, "selector": SELECTOR, "serviceName": "s", "template": TEMPLATE}
    status = {"replicas": 5, "readyReplicas": 2}
    assert row("StatefulSet", spec=spec, status=status) == ["2/5", AGE, *WIDE]


def test_daemon_sets_count_nodes() -> None:
    template = {"spec": {**TEMPLATE["spec"], "nodeSelector": {"disk": "ssd"}}}
    status = {
        "desiredNumberScheduled": 3,
        "currentNumberScheduled": 2,
        "numberMisscheduled": 0,
        "numberReady": 1,
    }
    found = row("DaemonSet", spec={"selector": SELECTOR, "template": template}, status=status)
    assert found == [3, 2, 1, 0, 0, "disk=ssd", AGE, *WIDE, "foo=bar"]
    plain = row("DaemonSet", spec={"selector": SELECTOR, "template": TEMPLATE})
    assert plain[5] == "<none>"


@pytest.mark.parametrize(
    ("version", "controller", "shown"),
    [
        ("apps/v1", True, "daemonset.apps/foo"),
        ("v1", True, "daemonset/foo"),
        ("apps/v1", False, "<none>"),
    ],
)
def test_revisions_name_their_controller(version: str, controller: bool, shown: str) -> None:
    owner = {
        "apiVersion": version,
        "kind": "DaemonSet",
        "name": "foo",
        "uid": "u",
        "controller": controller,
    }
    assert row("ControllerRevision", {"ownerReferences": [owner]}, revision=1) == [shown, 1, AGE]


# TestPrintPodDisruptionBudget


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ({"minAvailable": 22}, ["22", "N/A"]),
        ({"maxUnavailable": "11%"}, ["N/A", "11%"]),
        ({"minAvailable": 0}, ["0", "N/A"]),
    ],
)
def test_disruption_budgets_show_their_only_side(spec: Any, shown: list[str]) -> None:
    status = {
        "disruptionsAllowed": 5,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    }
    assert row("PodDisruptionBudget", spec=spec, status=status) == [*shown, 5, AGE]


# TestPrintJob, TestPrintCronJob

STARTED = "2025-12-31T23:40:00Z"


@pytest.mark.parametrize(
    ("spec", "status", "meta", "shown"),
    [
        ({"completions": 2}, {"succeeded": 1}, {}, ["Running", "1/2", ""]),
        ({}, {"succeeded": 0}, {}, ["Running", "0/1", ""]),
        ({"parallelism": 3}, {}, {}, ["Running", "0/1 of 3", ""]),
        ({}, {"startTime": STARTED}, {}, ["Running", "0/1", "21m"]),
        (
            {},
            {"startTime": STARTED, "completionTime": "2025-12-31T23:41:00Z"},
            {},
            ["Running", "0/1", "60s"],
        ),
        (
            {},
            {"conditions": [{"type": "Complete", "status": "True"}]},
            {},
            ["Complete", "0/1", ""],
        ),
        (
            {},
            {"conditions": [{"type": "Failed", "status": "True"}]},
            {"deletionTimestamp": BORN},
            ["Failed", "0/1", ""],
        ),
        (
            {},
            {"conditions": [{"type": "Suspended", "status": "True"}]},
            {},
            ["Suspended", "0/1", ""],
        ),
        (
            {},
            {"conditions": [{"type": "FailureTarget", "status": "True"}]},
            {},
            ["FailureTarget", "0/1", ""],
        ),
        ({}, {}, {"deletionTimestamp": BORN}, ["Terminating", "0/1", ""]),
    ],
)
def test_jobs_tell_how_far_they_are(spec: Any, status: Any, meta: Any, shown: Any) -> None:
    whole = {"selector": SELECTOR, "template": TEMPLATE, **spec}
    found = row("Job", meta, spec=whole, status=status)
    assert found == [*shown, AGE, *WIDE, "foo=bar"]


def test_cron_jobs_tell_when_they_ran_last() -> None:
    template = {"spec": {"template": TEMPLATE, "selector": SELECTOR}}
    spec = {"schedule": "0/5 * * * ?", "suspend": False, "jobTemplate": template}
    status = {"lastScheduleTime": STARTED, "active": [{"name": "a"}]}
    found = row("CronJob", spec=spec, status=status)
    assert found == [
        *("0/5 * * * ?", "<none>", "False", 1, "21m", AGE),
        *(*WIDE, "foo=bar"),
    ]
    fresh = row("CronJob", spec={**spec, "timeZone": "Asia/Tokyo"})
    assert fresh[1:5] == ["Asia/Tokyo", "False", 0, "<none>"]


# TestPrintHorizontalPodAutoscaler


def _resource_metric(target: Any, current: Any = None) -> tuple[Any, Any]:
    spec = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "t", **target}}}
    status = {"type": "Resource", "resource": {"name": "cpu", "current": current or {}}}
    return spec, status if current is not None else None


def _external(target: Any, current: Any = None) -> tuple[Any, Any]:
    metric = {"name": "some-metric"}
    spec = {"type": "External", "external": {"metric": metric, "target": {"type": "t", **target}}}
    status = {"type": "External", "external": {"metric": metric, "current": current or {}}}
    return spec, status if current is not None else None


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        ([], "<none>"),
        ([_resource_metric({"averageUtilization": 80})], "cpu: <unknown>/80%"),
        (
            [_resource_metric({"averageUtilization": 80}, {"averageUtilization": 50})],
            "cpu: 50%/80%",
        ),
        ([_resource_metric({"averageValue": "100m"}, {"averageValue": "50m"})], "cpu: 50m/100m"),
        ([_resource_metric({})], "cpu: <unknown>/<auto>"),
        ([_external({"averageValue": "100m"}, {"averageValue": "50m"})], "50m/100m (avg)"),
        ([_external({"value": "100m"}, {"value": "50m"})], "50m/100m"),
        ([_external({"value": "100m"})], "<unknown>/100m"),
        (
            [_resource_metric({"averageUtilization": 80}, {"averageUtilization": 50})] * 3,
            "cpu: 50%/80%, cpu: 50%/80% + 1 more...",
        ),
    ],
)
def test_autoscalers_tell_what_is_and_what_is_wanted(metrics: Any, shown: str) -> None:
    spec = {
        "scaleTargetRef": {"kind": "ReplicationController", "name": "some-name"},
        "maxReplicas": 10,
        "metrics": [spec for spec, _ in metrics],
    }
    statuses = [status for _, status in metrics if status is not None]
    status = {"currentReplicas": 4, "desiredReplicas": 5, "currentMetrics": statuses}
    found = row("HorizontalPodAutoscaler", spec=spec, status=status)
    assert found == ["ReplicationController/some-name", shown, "<unset>", 10, 4, AGE]
    bounded = row("HorizontalPodAutoscaler", spec={**spec, "minReplicas": 2})
    assert bounded[2] == "2"


# TestPrintService, TestPrintServiceLoadBalancer, TestPrintServiceExternalName


@pytest.mark.parametrize(
    ("spec", "status", "shown"),
    [
        (
            {"type": "ClusterIP", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 2233}]},
            {},
            ["ClusterIP", "10.0.0.1", "<none>", "2233/TCP", AGE, "<none>"],
        ),
        (
            {
                "type": "NodePort",
                "clusterIP": "10.9.8.7",
                "externalIPs": ["1.1.1.1", "2.2.2.2"],
                "ports": [{"port": 8888, "nodePort": 9999, "protocol": "UDP"}],
                "selector": {"foo": "bar"},
            },
            {},
            ["NodePort", "10.9.8.7", "1.1.1.1,2.2.2.2", "8888:9999/UDP", AGE, "foo=bar"],
        ),
        (
            {"type": "LoadBalancer", "clusterIP": "1.2.3.4", "ports": [{"port": 80}]},
            {},
            ["LoadBalancer", "1.2.3.4", "<pending>", "80/TCP", AGE, "<none>"],
        ),
        (
            {
                "type": "LoadBalancer",
                "clusterIP": "1.2.3.4",
                "ports": [{"port": 80}, {"port": 443}],
                "externalIPs": ["9.9.9.9"],
            },
            {
                "loadBalancer": {
                    "ingress": [{"hostname": "long.name.example.com"}, {"ip": "2.2.2.2"}]
                }
            },
            [
                *("LoadBalancer", "1.2.3.4", "2.2.2.2,long.name.example.com,9.9.9.9"),
                *("80/TCP,443/TCP", AGE, "<none>"),
            ],
        ),
        (
            {"type": "ExternalName", "externalName": "my.database.example.com"},
            {},
            ["ExternalName", "<none>", "my.database.example.com", "<none>", AGE, "<none>"],
        ),
        (
            {"type": "ClusterIP", "clusterIP": "None", "ports": []},
            {},
            ["ClusterIP", "None", "<none>", "<none>", AGE, "<none>"],
        ),
    ],
)
def test_services_show_where_they_are_reached(spec: Any, status: Any, shown: list[str]) -> None:
    assert row("Service", spec=spec, status=status) == shown


# TestPrintEndpoint, TestPrintEndpointSlice


@pytest.mark.parametrize(
    ("subsets", "shown"),
    [
        ([], "<none>"),
        ([{"addresses": [{"ip": "1.2.3.4"}, {"ip": "5.6.7.8"}]}], "1.2.3.4,5.6.7.8"),
        (
            [{"addresses": [{"ip": "1.2.3.4"}, {"ip": "::1"}], "ports": [{"port": 8001}]}],
            "1.2.3.4:8001,[::1]:8001",
        ),
        (
            [
                {
                    "addresses": [{"ip": f"1.2.3.{n}"} for n in range(2)],
                    "ports": [{"port": 1}, {"port": 2}],
                }
            ],
            "1.2.3.0:1,1.2.3.1:1,1.2.3.0:2 + 1 more...",
        ),
        ([{"notReadyAddresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1}]}], ""),
    ],
)
def test_endpoints_show_the_first_three(subsets: Any, shown: str) -> None:
    assert row("Endpoints", subsets=subsets) == [shown, AGE]


@pytest.mark.parametrize(
    ("ports", "addresses", "shown"),
    [
        ([], [], ["<unset>", "<unset>"]),
        ([{"port": 80}, {"name": "https"}, {}], ["10.1.2.3"], ["80,https,*", "10.1.2.3"]),
        (
            [{"port": n} for n in range(1, 6)],
            ["a", "b", "c", "d"],
            ["1,2,3 + 2 more...", "a,b,c + 1 more..."],
        ),
    ],
)
def test_slices_show_the_first_three(ports: Any, addresses: Any, shown: list[str]) -> None:
    endpoints = [{"addresses": [address]} for address in addresses]
    found = row("EndpointSlice", addressType="IPv4", ports=ports, endpoints=endpoints)
    assert found == ["IPv4", *shown, AGE]


# TestPrintIngress, TestPrintIngressClass, TestPrintNetworkPolicy


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        ([], "*"),
        ([""], "*"),
        (["a", "b", "c"], "a,b,c"),
        (["a", "b", "c", "d", ""], "a,b,c + 2 more..."),
    ],
)
def test_ingresses_show_the_first_three_hosts(hosts: list[str], shown: str) -> None:
    rules = [{"host": host} if host else {} for host in hosts]
    found = row("Ingress", spec={"rules": rules})
    assert found == ["<none>", shown, "", "80", AGE]


def test_ingresses_show_their_class_address_and_ports() -> None:
    spec = {"ingressClassName": "foo", "rules": [{"host": "h"}], "tls": [{"hosts": ["h"]}]}
    status = {"loadBalancer": {"ingress": [{"ip": "2.3.4.5"}, {"hostname": "lb.example"}]}}
    found = row("Ingress", spec=spec, status=status)
    assert found == ["foo", "h", "2.3.4.5,lb.example", "80, 443", AGE]


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        (None, "<none>"),
        ({"kind": "TestParams", "name": "p"}, "TestParams/p"),
        ({"kind": "TestParams", "apiGroup": "g.co", "name": "p"}, "TestParams.g.co/p"),
    ],
)
def test_ingress_classes_name_their_parameters(parameters: Any, shown: str) -> None:
    spec = {"controller": "example.com/c"} | ({"parameters": parameters} if parameters else {})
    assert row("IngressClass", spec=spec) == ["example.com/c", shown, AGE]


@pytest.mark.parametrize(
    ("selector", "shown"),
    [
        ({}, "<none>"),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {
                "matchExpressions": [
                    {"key": "z", "operator": "In", "values": ["y", "x"]},
                    {"key": "n", "operator": "NotIn", "values": ["m"]},
                    {"key": "k", "operator": "Exists"},
                    {"key": "j", "operator": "DoesNotExist"},
                ]
            },
            "!j,k,n notin (m),z in (x,y)",
        ),
    ],
)
def test_policies_show_whom_they_select(selector: Any, shown: str) -> None:
    assert row("NetworkPolicy", spec={"podSelector": selector}) == [shown, AGE]


# TestPrintNodeStatus, TestPrintNodeRole, TestPrintNodeOSImage, ..., TestPrintNamespace


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ({}, "<none>"),
        ({"kubernetes.io/role": "node"}, "node"),
        ({"node-role.kubernetes.io/master": "", "kubernetes.io/role": "node"}, "master,node"),
        ({"node-role.kubernetes.io/": "", "kubernetes.io/role": ""}, "<none>"),
    ],
)
def test_nodes_have_the_roles_of_their_labels(labels: Any, shown: str) -> None:
    assert row("Node", {"labels": labels})[1] == shown


@pytest.mark.parametrize(
    ("conditions", "unschedulable", "shown"),
    [
        ([{"type": "Ready", "status": "True"}], False, "Ready"),
        ([{"type": "Ready", "status": "True"}], True, "Ready,SchedulingDisabled"),
        ([{"type": "Ready", "status": "False"}], False, "NotReady"),
        ([{"type": "Ready", "status": "Unknown"}], True, "NotReady,SchedulingDisabled"),
        ([{"type": "OutOfDisk", "status": "True"}], False, "Unknown"),
        ([], True, "Unknown,SchedulingDisabled"),
    ],
)
def test_nodes_show_what_is_believed_of_them(
    conditions: Any, unschedulable: bool, shown: str
) -> None:
    found = row("Node", spec={"unschedulable": unschedulable}, status={"conditions": conditions})
    assert found[0] == shown


def test_wide_rows_of_nodes_tell_addresses_and_software() -> None:
    info = {"kubeletVersion": "v1.32.0", "osImage": "OS", "kernelVersion": "6"}
    addresses = [
        {"type": kind, "address": address}
        for kind, address in (
            ("InternalIP", "1.1.1.1"),
            ("InternalIP", "2.2.2.2"),
            ("ExternalIP", "3.3.3.3"),
        )
    ]
    found = row("Node", status={"nodeInfo": info, "addresses": addresses})
    assert found[2:] == [AGE, "v1.32.0", "1.1.1.1", "3.3.3.3", "OS", "6", "<unknown>"]
    assert row("Node")[4:] == ["<none>", "<none>", *["<unknown>"] * 3]


def test_namespaces_leases_and_configuration() -> None:
    assert row("Namespace", status={"phase": "Active"}) == ["Active", AGE]
    assert row("Lease", spec={"holderIdentity": "holder"}) == ["holder", AGE]
    assert row("Lease") == ["", AGE]
    assert row("ConfigMap", data={"a": "1"}, binaryData={"b": "", "c": ""}) == [3, AGE]
    assert row("Secret", type="Opaque", data={"a": "MQ=="}) == ["Opaque", 1, AGE]
    assert row("ServiceAccount", secrets=[{"name": "s"}]) == [1, AGE]


# TestPrintEvent

ABOUT = {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}", "apiVersion": "v1"}


def test_events_tell_when_what_befell_whom() -> None:
    found = row(
        "Event",
        type="Warning",
        reason="Why",
        message="  said  ",
        involvedObject=ABOUT,
        source={"component": "kubelet", "host": "node1"},
        firstTimestamp=STARTED,
        lastTimestamp="2026-01-01T00:00:50Z",
        count=6,
    )
    assert found == [
        *("10s", "Warning", "Why", "pod/p", "spec.containers{c}", "kubelet, node1"),
        *("said", "21m", 6, "test"),
    ]


def test_events_of_the_new_kind_have_a_series_and_a_controller() -> None:
    found = row(
        "Event",
        involvedObject={"kind": "Node"},
        reportingComponent="scheduler",
        eventTime="2025-12-31T23:40:00.000000Z",
        series={"count": 3, "lastObservedTime": "2026-01-01T00:00:50.000000Z"},
    )
    assert found == ["10s", "", "", "node", "", "scheduler", "", "21m", 3, "test"]


def test_an_event_shows_the_same_under_both_groups() -> None:
    view = VIEWS[0]
    core = row(
        "Event",
        involvedObject=ABOUT,
        message="m",
        firstTimestamp=STARTED,
        source={"component": "c"},
    )
    seen = decode_tree_as(
        view.cls,
        metadata={"name": "test"},
        regarding=ABOUT,
        note="m",
        deprecatedFirstTimestamp=STARTED,
        deprecatedSource={"component": "c"},
    )
    assert cells(seen, view, NOW_S) == core == ["21m", "", "", *core[3:]]


def decode_tree_as(cls: type[Object], **fields: Any) -> Object:
    return msgspec.convert({"kind": cls.kind, "apiVersion": "events.k8s.io/v1", **fields}, cls)


# TestPrintPersistentVolume, TestPrintPersistentVolumeClaim, TestPrintResourceQuota


def test_volumes_and_claims() -> None:
    volume = {
        "accessModes": ["ReadOnlyMany", "ReadWriteOnce"],
        "capacity": {"storage": "4Gi"},
        "claimRef": {"namespace": "default", "name": "c"},
        "storageClassName": "slow",
    }
    assert row("PersistentVolume", spec=volume, status={"phase": "Bound"}) == [
        *("4Gi", "RWO,ROX", "", "Bound", "default/c", "slow", "<unset>", "", AGE, "<unset>"),
    ]
    claim = {"volumeName": "v", "storageClassName": "slow", "volumeMode": "Block"}
    status = {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "4Gi"}}
    assert row("PersistentVolumeClaim", spec=claim, status=status) == [
        *("Bound", "v", "4Gi", "RWX", "slow", "<unset>", AGE, "Block"),
    ]
    assert row("PersistentVolumeClaim", {"deletionTimestamp": BORN}, spec={}, status=status) == [
        *("Terminating", "", "", "", "", "<unset>", AGE, "<unset>"),
    ]


# TestPrintStorageClass, TestPrintPriorityClass


def test_classes_of_storage_tell_the_default_one_and_what_upstream_assumes() -> None:
    policies = {"reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer"}
    found = row("StorageClass", provisioner="p", allowVolumeExpansion=True, **policies)
    assert found == ["p", "Retain", "WaitForFirstConsumer", True, AGE]
    assert row("StorageClass", provisioner="p") == ["p", "Delete", "Immediate", False, AGE]
    printed = cells(
        StorageClass(
            metadata=ObjectMeta(
                name="fast", annotations={"storageclass.kubernetes.io/is-default-class": "true"}
            )
        ),
        resource("sc"),
        NOW_S,
    )
    assert printed[0] == "fast (default)"


def test_classes_of_priority_show_their_value() -> None:
    found = row("PriorityClass", value=7, globalDefault=True, preemptionPolicy="Never")
    assert found == [7, True, AGE, "Never"]
    assert row("PriorityClass", value=-1) == [-1, False, AGE, ""]


def test_an_autoscaler_shows_the_same_under_both_versions() -> None:
    view = next(view for view in VIEWS if view.kind == "HorizontalPodAutoscaler")
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
    newer = row("HorizontalPodAutoscaler", spec=spec | {"metrics": [CPU_METRIC]})
    older = msgspec.convert(
        {
            "kind": view.kind,
            "apiVersion": view.api_version,
            "metadata": {"name": "test", "creationTimestamp": BORN},
            "spec": spec | {"targetCPUUtilizationPercentage": 60},
        },
        view.cls,
    )
    assert cells(older, view, NOW_S)[1:] == newer
    assert newer[:2] == ["Deployment/web", "cpu: <unknown>/60%"]


CPU_METRIC = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
}


def test_quotas_tell_limits_from_requests() -> None:
    hard = {"limits.cpu": "2", "pods": "10", "requests.cpu": "1"}
    found = row("ResourceQuota", status={"hard": hard, "used": {"pods": "3"}})
    assert found == ["pods: 3/10, requests.cpu: 0/1", "limits.cpu: 0/2", AGE]


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
def test_bindings_tell_whom_they_bind(kind: str) -> None:
    subjects = [
        {"kind": "User", "name": "u1"},
        {"kind": "User", "name": "u2"},
        {"kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "name": "sa", "namespace": "ns"},
    ]
    ref = {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    assert row(kind, subjects=subjects, roleRef=ref) == ["Role/r", AGE, "u1, u2", "g", "ns/sa"]


def test_other_kinds_show_when_they_were_created() -> None:
    for kind in ("Role", "ClusterRole", "LimitRange", "CustomResourceDefinition"):
        assert [column.name for column in columns(resource(kind))] == ["Name", "Created At"]
    assert row("Role", rules=[]) == [BORN]


def test_every_printer_belongs_to_a_kind_that_is_served() -> None:
    served = {found.qualified_kind for found in (*RESOURCES, *VIEWS)}
    assert PRINTERS.keys() - served == {"Scale.autoscaling"}
