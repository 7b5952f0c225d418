"""A pod's way through Pending, Running and its ends; restarts and their back-off."""

from __future__ import annotations

from itertools import pairwise

import pytest

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.core.objects import Container, PodReadinessGate, Probe, TCPSocketAction, replace
from tests.core.kubelet.virtual_node import VirtualNode, pod


def test_a_pod_runs_with_an_address_of_its_node_and_is_ready_at_once_without_probes() -> None:
    node = VirtualNode().boot().create(pod())
    status = node.status()
    assert (status.phase, status.pod_ip, status.host_ip) == ("Running", "127.32.1.2", "127.16.0.1")
    assert [each.ip for each in status.pod_ips] == ["127.32.1.2"]
    assert (status.qos_class, status.start_time) == ("BestEffort", "2026-01-01T00:00:00Z")
    assert node.container().ready
    assert node.container().started
    assert node.container().container_id.startswith("emucluster://")
    assert {each.type: each.status for each in status.conditions} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }


def test_before_its_container_started_a_pod_is_pending_in_container_creating() -> None:
    node = VirtualNode().boot()
    node.starts = False
    node.create(pod())
    assert node.status().phase == "Pending"
    assert node.container().state.waiting.reason == "ContainerCreating"
    assert node.condition("Ready").reason == "ContainersNotReady"
    assert node.condition("Ready").message == "containers with unready status: [main]"


def test_a_container_that_is_coming_has_no_id_yet() -> None:
    node = VirtualNode().boot()
    node.starts = False
    node.create(pod())
    assert (node.container().container_id, node.container().image_id) == (None, "")


def test_until_the_next_instance_runs_the_ended_one_is_shown() -> None:
    node = VirtualNode().boot().create(pod())
    first = node.container().container_id
    node.starts = False
    node.exits(3)
    shown = node.container()
    assert shown.state.terminated.exit_code == 3
    assert (shown.container_id, shown.restart_count, shown.ready) == (first, 0, False)
    [_, start] = [each for _, each in node.log if isinstance(each, c.StartContainer)]
    node.happens(e.ContainerStarted("uid-web", "main", start.container_id, pid=2))
    shown = node.container()
    assert shown.state.running is not None
    assert shown.last_state.terminated.exit_code == 3
    assert (shown.container_id, shown.restart_count) == (f"emucluster://{start.container_id}", 1)


def test_a_container_behind_a_done_init_container_is_still_initializing_until_it_runs() -> None:
    node = VirtualNode().boot()
    node.create(pod(init_containers=(Container(name="init", image="command:./init"),)))
    node.starts = False
    node.exits(0, container="init")
    assert node.container().state.waiting.reason == "PodInitializing"


def test_the_first_restart_is_immediate_and_the_next_wait_10_20_40_up_to_300_s() -> None:
    node = VirtualNode().boot().create(pod())
    waits = []
    for _ in range(8):
        exited_s = node.now_s
        node.exits(1)
        while ("uid-web", "main") not in node.running:
            node.run_until(node.kubelet.next_wake_s() or 0)
        waits.append(round(node.now_s - exited_s, 3))
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert node.container().restart_count == 8


def test_a_waiting_restart_shows_as_crash_loop_back_off() -> None:
    node = VirtualNode().boot().create(pod())
    node.exits(1)
    node.exits(3)
    waiting = node.container().state.waiting
    assert waiting.reason == "CrashLoopBackOff"
    assert waiting.message == (
        "back-off 10s restarting failed container=main pod=web_default(uid-web)"
    )
    assert node.container().last_state.terminated.exit_code == 3
    assert node.status().phase == "Running"
    assert not node.is_ready()


def test_ten_quiet_minutes_make_the_back_off_begin_anew() -> None:
    node = VirtualNode().boot().create(pod())
    node.exits()
    node.exits()
    node.run_until(10 + 601)
    exited_s = node.now_s
    node.exits()
    assert node.times(c.StartContainer)[-1] == exited_s


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [
        ("Never", 0, "Succeeded", 0),
        ("Never", 2, "Failed", 0),
        ("OnFailure", 0, "Succeeded", 0),
        ("OnFailure", 2, "Running", 1),
        ("Always", 0, "Running", 1),
    ],
)
def test_the_restart_policy_decides_what_follows_an_exit(
    policy: str, code: int, phase: str, restarts: int
) -> None:
    node = VirtualNode().boot().create(pod(restart_policy=policy))
    node.exits(code)
    assert (node.status().phase, node.container().restart_count) == (phase, restarts)
    if restarts == 0:
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        assert node.condition("Ready").reason == reason
        assert node.times(c.StopPod) == [0]


def test_an_unknown_image_is_err_image_pull_then_back_off_and_an_event_names_three_forms() -> None:
    node = VirtualNode().boot().create(pod(image="nginx:1.27"))
    assert node.container().state.waiting.reason == "ErrImagePull"
    node.run_until(2)
    assert node.container().state.waiting.reason == "ImagePullBackOff"
    assert node.status().phase == "Pending"
    (failed, *_) = node.events("Failed")
    assert failed.startswith('Failed to pull image "nginx:1.27"')
    for form in ("emucluster/echo", "python://", "command:"):
        assert form in failed
    pulls = []
    node.run_until(100)
    pulls = node.times(c.RecordEvent, lambda each: each.reason == "Pulling")
    assert pulls == [0, 10, 30, 70]


def test_with_stand_in_echo_runs_instead_and_an_event_says_so() -> None:
    node = VirtualNode(stand_in=True).boot().create(pod(image="nginx:1.27"))
    assert node.status().phase == "Running"
    assert node.events("StandIn") == [
        'Stand-in: emucluster/echo runs in place of image "nginx:1.27" on ports 50051'
    ]
    assert node.events("Pulled") == []


def test_a_corrected_image_is_tried_at_once() -> None:
    node = VirtualNode().boot().create(pod(image="nginx"))
    node.run_until(3)
    fixed = (Container(name="main", image="emucluster/echo"),)
    node.change("web", lambda old: replace(old, spec=replace(old.spec, containers=fixed)))
    assert node.status().phase == "Running"


def test_init_containers_run_one_after_the_other_before_the_rest() -> None:
    inits = tuple(Container(name=name, image="command:/bin/true") for name in ("first", "second"))
    node = VirtualNode().boot().create(pod(init_containers=inits))
    assert list(node.running) == [("uid-web", "first")]
    assert node.status().phase == "Pending"
    assert node.condition("Initialized").message == (
        "containers with incomplete status: [first second]"
    )
    node.exits(0, container="first")
    assert list(node.running) == [("uid-web", "second")]
    node.exits(0, container="second")
    assert list(node.running) == [("uid-web", "main")]
    assert node.condition("Initialized").status == "True"
    assert node.is_ready()


def test_a_failing_init_container_of_a_never_pod_fails_the_pod() -> None:
    inits = (Container(name="first", image="command:/bin/false"),)
    node = VirtualNode().boot().create(pod(init_containers=inits, restart_policy="Never"))
    node.exits(1, container="first")
    assert node.status().phase == "Failed"
    assert node.running == {}


def test_a_sidecar_starts_first_and_stays_up_beside_the_containers() -> None:
    sidecar = Container(name="proxy", image="emucluster/echo", restart_policy="Always")
    node = VirtualNode().boot().create(pod(init_containers=(sidecar,)))
    assert list(node.running) == [("uid-web", "proxy"), ("uid-web", "main")]
    node.exits(1, container="proxy")
    assert ("uid-web", "proxy") in node.running
    assert node.is_ready()


def test_a_readiness_gate_keeps_a_pod_unready_until_its_condition_is_true() -> None:
    gate = PodReadinessGate(condition_type="example.com/feature")
    node = VirtualNode().boot().create(pod(readiness_gates=(gate,)))
    assert node.condition("ContainersReady").status == "True"
    assert node.condition("Ready").reason == "ReadinessGatesNotReady"
    ready = replace(node.condition("Ready"), type="example.com/feature", status="True")

    def opened(old: object) -> object:
        conditions = (*old.status.conditions, ready)  # type: ignore[attr-defined]
        return replace(old, status=replace(old.status, conditions=conditions))  # type: ignore

    node.change("web", opened)  # type: ignore[arg-type]
    assert node.is_ready()
    assert node.condition("example.com/feature").status == "True"


def test_a_container_that_cannot_start_is_a_failed_start_with_back_off() -> None:
    node = VirtualNode().boot()
    node.starts = False
    node.create(pod())
    (start,) = [each for _, each in node.log if isinstance(each, c.StartContainer)]
    node.starts = True
    exited = e.ContainerExited(
        "uid-web", "main", start.container_id, 128, "StartError", "exec ./server: no such file"
    )
    node.happens(exited)
    assert node.events("Failed") == ["Error: exec ./server: no such file"]
    assert node.container().last_state.terminated.reason == "StartError"
    assert node.container().restart_count == 1


def test_a_container_runs_before_its_readiness_probe_has_succeeded() -> None:
    node = VirtualNode().boot()
    node.probe = lambda _: "failure"
    probe = Probe(tcp_socket=TCPSocketAction(port=80))
    node.create(pod(image="command:./server", readiness_probe=probe))
    assert node.status().phase == "Running"
    assert node.container().state.running.started_at == "2026-01-01T00:00:00Z"
    assert (node.container().started, node.container().ready) == (True, False)
    assert node.condition("Ready").reason == "ContainersNotReady"
    assert node.events("Unhealthy") == ["Readiness probe failed: no answer"]


def test_one_that_listens_elsewhere_is_told_of_and_nothing_else_comes_of_it() -> None:
    node = VirtualNode().boot().create(pod(image="command:./server"))
    before = node.status()
    container_id = node.running["uid-web", "main"]
    node.happens(e.ContainerNotListening("uid-web", "main", container_id, "listens nowhere"))
    node.happens(e.ContainerNotListening("uid-web", "main", "an earlier one", "listens nowhere"))
    assert node.events("NotListening") == ["listens nowhere"]
    assert node.status() == before


def test_news_of_an_earlier_instance_change_nothing() -> None:
    node = VirtualNode().boot().create(pod())
    first = node.running["uid-web", "main"]
    node.exits(1)
    before = node.status()
    node.happens(e.ContainerExited("uid-web", "main", first, 1))
    assert node.status() == before


def test_addresses_go_round_and_are_not_reused_at_once() -> None:
    node = VirtualNode().boot()
    seen = []
    for number in range(5):
        node.create(pod(f"p{number}"))
        seen.append(node.status(f"p{number}").pod_ip)
        node.delete(f"p{number}")
    assert seen == [f"127.32.1.{last}" for last in range(2, 7)]


def test_a_pod_beyond_the_nodes_capacity_is_out_of_pods() -> None:
    node = VirtualNode().boot()
    for number in range(111):
        node.create(pod(f"p{number}"))
    status = node.status("p110")
    assert (status.phase, status.reason) == ("Failed", "OutOfpods")
    assert status.message.endswith("requested: 1, used: 110, capacity: 110")


def test_a_pod_that_was_removed_leaves_room_while_its_containers_stop() -> None:
    node = VirtualNode().boot()
    for number in range(110):
        node.create(pod(f"p{number}"))
    node.obeys_term = False
    node.force_delete("p7")
    node.create(pod("p110"))
    assert len(node.kubelet.pods()) == 111
    assert node.status("p110").phase == "Running"


def test_a_status_that_could_not_be_written_is_written_when_the_api_server_is_back() -> None:
    node = VirtualNode().boot()
    node.api_up = False
    node.create(pod()).run_until(30)
    node.api_up = True
    node.run_until(30 + 7)
    assert node.is_ready()
    tries = node.times(c.WritePodStatus)
    gaps = [round(b - a, 1) for a, b in pairwise(tries)]
    assert gaps[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
