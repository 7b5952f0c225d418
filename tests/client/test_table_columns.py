"""Tables have kubectl's columns and words. Expected text follows kubectl 1.32's printers."""

from typing import Any

import pytest

from emucluster.client.table import name_of, table, tables
from emucluster.core.objects import Object, Pod
from emucluster.core.objects.codec import decode_tree
from emucluster.core.objects.registry import resource
from emucluster.core.printing.ages import human_duration
from emucluster.core.printing.pods import pod_status, ready_text

BORN = "2026-01-01T00:00:00Z"
NOW_S = 1767225600 + 312.0  # 5m12s later


def obj(kind: str, name: str, **fields: Any) -> Object:
    row = resource(kind)
    metadata = {"name": name, "creationTimestamp": BORN, **fields.pop("metadata", {})}
    if row.namespaced:
        metadata.setdefault("namespace", "default")
    return decode_tree(
        {"apiVersion": row.api_version, "kind": row.kind, "metadata": metadata, **fields}
    )


def pod(
    *states: dict[str, Any], phase: str = "Running", metadata: Any = None, **status: Any
) -> Pod:
    containers = [{"name": f"c{i}", "image": "emucluster/echo"} for i, _ in enumerate(states)]
    statuses = [
        {"name": f"c{i}", "ready": "running" in state, "restartCount": 0, **_split(state)}
        for i, state in enumerate(states)
    ]
    made = obj(
        "Pod",
        "web-1",
        metadata=metadata or {},
        spec={"containers": containers, "nodeName": "node-1"},
        status={"phase": phase, "podIP": "127.32.1.2", "containerStatuses": statuses, **status},
    )
    assert isinstance(made, Pod)
    return made


def _split(state: dict[str, Any]) -> dict[str, Any]:
    extra = {key: state[key] for key in ("restartCount", "lastState") if key in state}
    return {"state": {k: v for k, v in state.items() if k not in extra}, **extra}


RUNNING = {"running": {"startedAt": BORN}}
DYING = {"deletionTimestamp": BORN}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (312, "5m12s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (11100, "3h5m"),
        (28800, "8h"),
        (172800, "2d"),
        (190800, "2d5h"),
        (691200, "8d"),
        (63072000, "2y"),
        (70000000, "2y80d"),
        (300000000, "9y"),
        (-1, "0s"),
        (-2, "<invalid>"),
    ],
)
def test_durations_are_said_as_kubectl_says_them(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (pod(phase="Pending"), "Pending"),
        (pod(RUNNING), "Running"),
        (pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"), "ContainerCreating"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
        (pod({"waiting": {"reason": "ImagePullBackOff"}}, phase="Pending"), "ImagePullBackOff"),
        (pod({"terminated": {"exitCode": 1, "reason": "Error"}}), "Error"),
        (pod({"terminated": {"exitCode": 3}}), "ExitCode:3"),
        (pod({"terminated": {"exitCode": 137, "signal": 9}}), "Signal:9"),
        (pod({"terminated": {"exitCode": 0, "reason": "Completed"}}, RUNNING), "NotReady"),
        (pod(phase="Failed", reason="Evicted"), "Evicted"),
        (pod(RUNNING, metadata=DYING), "Terminating"),
        (pod(RUNNING, metadata=DYING, reason="NodeLost"), "Unknown"),
        (pod(phase="Succeeded", metadata=DYING), "Succeeded"),
    ],
)
def test_status_of_a_pod_is_the_worst_that_can_be_said(made: Pod, status: str) -> None:
    assert pod_status(made) == status


def test_init_containers_are_counted_until_all_have_succeeded() -> None:
    made = decode_tree(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {
                "initContainers": [{"name": "a"}, {"name": "b"}],
                "containers": [{"name": "c"}],
            },
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [
                    {"name": "a", "state": {"terminated": {"exitCode": 0}}},
                    {"name": "b", "state": {"running": {}}},
                ],
            },
        }
    )
    assert isinstance(made, Pod)
    assert (pod_status(made), ready_text(made)) == ("Init:1/2", "0/1")


def test_pods_narrow_and_wide() -> None:
    restarted = {
        **RUNNING,
        "restartCount": 2,
        "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:05:00Z"}},
    }
    made = pod(restarted)
    assert table([made], now_s=NOW_S) == (
        "NAME    READY   STATUS    RESTARTS      AGE\nweb-1   1/1     Running   2 (12s ago)   5m12s"
    )
    assert table([made], now_s=NOW_S, wide=True, with_namespace=True).splitlines()[1].split() == [
        *("default", "web-1", "1/1", "Running", "2", "(12s", "ago)", "5m12s"),
        *("127.32.1.2", "node-1", "<none>", "<none>"),
    ]


def test_services_show_node_ports_pending_and_outside_names() -> None:
    port = {"port": 80, "nodePort": 30080}
    made = [
        obj("Service", "cip", spec={"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}),
        obj("Service", "ext", spec={"type": "ExternalName", "externalName": "legacy.example"}),
        obj("Service", "hl", spec={"clusterIP": "None", "selector": {"app": "web"}}),
        obj(
            "Service",
            "lb",
            spec={"type": "LoadBalancer", "clusterIP": "10.96.0.8", "ports": [port]},
            status={"loadBalancer": {"ingress": [{"ip": "127.240.0.1"}]}},
        ),
        obj("Service", "np", spec={"type": "NodePort", "clusterIP": "10.96.0.7", "ports": [port]}),
        obj("Service", "pd", spec={"type": "LoadBalancer", "clusterIP": "10.96.0.6"}),
    ]
    assert table(made, now_s=NOW_S) == (
        "NAME   TYPE           CLUSTER-IP   EXTERNAL-IP      PORT(S)        AGE\n"
        "cip    ClusterIP      10.96.0.9    <none>           80/TCP         5m12s\n"
        "ext    ExternalName   <none>       legacy.example   <none>         5m12s\n"
        "hl     ClusterIP      None         <none>           <none>         5m12s\n"
        "lb     LoadBalancer   10.96.0.8    127.240.0.1      80:30080/TCP   5m12s\n"
        "np     NodePort       10.96.0.7    <none>           80:30080/TCP   5m12s\n"
        "pd     LoadBalancer   10.96.0.6    <pending>        <none>         5m12s"
    )
    assert "SELECTOR" in table(made, now_s=NOW_S, wide=True)


@pytest.mark.parametrize(
    ("status", "unschedulable", "word"),
    [
        ("True", False, "Ready"),
        ("False", False, "NotReady"),
        ("Unknown", False, "NotReady"),
        ("True", True, "Ready,SchedulingDisabled"),
        (None, False, "Unknown"),
    ],
)
def test_nodes_show_what_the_control_plane_believes(
    status: str | None, unschedulable: bool, word: str
) -> None:
    conditions = [{"type": "Ready", "status": status}] if status else []
    made = obj(
        "Node",
        "node-1",
        metadata={"labels": {"node-role.kubernetes.io/worker": ""}},
        spec={"unschedulable": unschedulable},
        status={
            "conditions": conditions,
            "nodeInfo": {"kubeletVersion": "v1.32.0"},
            "addresses": [{"type": "InternalIP", "address": "127.16.0.1"}],
        },
    )
    cells = table([made], now_s=NOW_S, wide=True).splitlines()[1].split()
    assert cells[:7] == ["node-1", word, "worker", "5m12s", "v1.32.0", "127.16.0.1", "<none>"]


def test_workloads_show_counts_and_when_wide_what_runs() -> None:
    labels = {"matchLabels": {"app": "web"}}
    template = {"spec": {"containers": [{"name": "echo", "image": "emucluster/echo"}]}}
    spec = {"replicas": 3, "selector": labels, "template": template}
    made = obj(
        "Deployment",
        "web",
        spec=spec,
        status={"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1},
    )
    assert table([made], now_s=NOW_S, wide=True) == (
        "NAME   READY   UP-TO-DATE   AVAILABLE   AGE     CONTAINERS   IMAGES            SELECTOR\n"
        "web    2/3     3            1           5m12s   echo         emucluster/echo   app=web"
    )
    replicas = obj("ReplicaSet", "web-1", spec=spec, status={"replicas": 3, "readyReplicas": 2})
    assert table([replicas], now_s=NOW_S).splitlines()[1].split() == [
        *("web-1", "3", "3", "2", "5m12s")
    ]


def test_endpoint_slices_show_three_addresses_and_count_the_rest() -> None:
    made = obj(
        "EndpointSlice",
        "web-x",
        addressType="IPv4",
        ports=[{"port": 50051}],
        endpoints=[{"addresses": [f"127.32.1.{n}"]} for n in range(2, 7)],
    )
    row = table([made], now_s=NOW_S).splitlines()[1]
    assert "50051   127.32.1.2,127.32.1.3,127.32.1.4 + 2 more..." in row
    empty = obj("EndpointSlice", "web-y", addressType="IPv4", endpoints=[])
    assert table([empty], now_s=NOW_S).splitlines()[1].split()[2:4] == ["<unset>", "<unset>"]


def test_events_are_ordered_by_when_they_were_last_seen() -> None:
    made = [
        obj(
            "Event",
            name,
            type="Normal",
            reason=name,
            message="m",
            involvedObject={"kind": "Pod", "name": "web-1"},
            lastTimestamp=f"2026-01-01T00:0{minute}:00Z",
        )
        for name, minute in (("second", 4), ("first", 1))
    ]
    lines = table(made, now_s=NOW_S).splitlines()
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert [line.split()[2] for line in lines[1:]] == ["first", "second"]
    assert "pod/web-1" in lines[1]


def test_several_kinds_are_told_apart_by_their_names() -> None:
    made = [
        obj("Service", "web", spec={"clusterIP": "10.96.0.9"}),
        obj("Deployment", "web", spec={"selector": {}, "template": {}}),
        obj("ConfigMap", "c", data={"a": "1", "b": "2"}),
        obj("Lease", "l", spec={"holderIdentity": "node-1"}),
        obj("Namespace", "n", status={"phase": "Active"}),
    ]
    text = tables(made, now_s=NOW_S)
    assert [part.split("\n")[1].split()[:2] for part in text.split("\n\n")] == [
        ["service/web", "ClusterIP"],
        ["deployment.apps/web", "0/1"],
        ["configmap/c", "2"],
        ["lease.coordination.k8s.io/l", "node-1"],
        ["namespace/n", "Active"],
    ]
    assert [name_of(o) for o in made[:2]] == ["service/web", "deployment.apps/web"]


def test_a_kind_without_columns_of_its_own_shows_name_and_when_it_was_created() -> None:
    assert table([obj("Role", "r")], now_s=NOW_S) == f"NAME   CREATED AT\nr      {BORN}"
