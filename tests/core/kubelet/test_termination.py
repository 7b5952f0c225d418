"""How pods end: preStop, SIGTERM, grace, SIGKILL, removal."""

from __future__ import annotations

from typing import Any

from emucluster.core.kubelet import commands as c
from emucluster.core.objects import (
    Container,
    ExecAction,
    Lifecycle,
    LifecycleHandler,
    SleepAction,
    replace,
)
from tests.core.kubelet.virtual_node import VirtualNode, pod


def pre_stop(**handler: Any) -> Lifecycle:
    return Lifecycle(pre_stop=LifecycleHandler(**handler))


def signals(node: VirtualNode) -> list[tuple[float, str]]:
    return [(at, each.signal) for at, each in node.log if isinstance(each, c.SignalContainer)]


def test_an_obedient_pod_is_gone_at_once_after_sigterm() -> None:
    node = VirtualNode().boot().create(pod())
    node.delete()
    assert signals(node) == [(0, "TERM")]
    assert node.deleted == ["web"]
    assert node.events("Killing") == ["Stopping container main"]
    assert node.kubelet.pods() == []


def test_a_stubborn_pod_is_killed_when_its_grace_period_ends() -> None:
    node = VirtualNode().boot().create(pod())
    node.obeys_term = False
    node.delete()
    node.run_until(29.9)
    assert node.is_ready()  # only the endpoint controllers look at the deletion
    node.run_until(30)
    assert signals(node) == [(0, "TERM"), (30, "KILL")]
    assert node.deleted == ["web"]


def test_the_last_status_is_terminal_and_comes_before_the_removal() -> None:
    node = VirtualNode().boot().create(pod())
    node.obeys_term = False
    node.delete()
    node.run_until(30)
    *_, write, finish = [
        each for _, each in node.log if isinstance(each, c.WritePodStatus | c.FinishPodDeletion)
    ]
    assert isinstance(write, c.WritePodStatus)
    assert write.status.phase == "Failed"
    assert write.status.container_statuses[0].state.terminated is not None
    assert write.status.container_statuses[0].state.terminated.exit_code == 137
    assert isinstance(finish, c.FinishPodDeletion)


def test_a_pre_stop_sleep_delays_sigterm_and_is_part_of_the_grace_period() -> None:
    node = VirtualNode().boot().create(pod(lifecycle=pre_stop(sleep=SleepAction(seconds=5))))
    node.obeys_term = False
    node.delete()
    node.run_until(60)
    assert signals(node) == [(5, "TERM"), (30, "KILL")]


def test_a_pre_stop_that_overruns_leaves_two_seconds() -> None:
    node = VirtualNode().boot()
    node.obeys_term = node.hooks_end = False
    node.create(pod(lifecycle=pre_stop(exec=ExecAction(command=("sleep", "99")))))
    node.delete()
    node.run_until(60)
    assert signals(node) == [(30, "TERM"), (32, "KILL")]


def test_a_pre_stop_command_that_ends_early_brings_sigterm_early() -> None:
    node = VirtualNode().boot()
    node.create(pod(lifecycle=pre_stop(exec=ExecAction(command=("true",)))))
    node.delete()
    assert node.times(c.RunHook) == [0]
    assert signals(node) == [(0, "TERM")]


def test_speed_divides_neither_pre_stop_nor_grace() -> None:
    node = VirtualNode(speed=10).boot()
    node.obeys_term = False
    node.create(pod(lifecycle=pre_stop(sleep=SleepAction(seconds=5))))
    node.delete()
    node.run_until(60)
    assert signals(node) == [(5, "TERM"), (30, "KILL")]


def test_a_later_delete_with_less_grace_shortens_it() -> None:
    node = VirtualNode().boot().create(pod())
    node.obeys_term = False
    node.delete()
    node.run_until(4)
    node.delete(grace_s=3)
    node.run_until(60)
    assert signals(node) == [(0, "TERM"), (7, "KILL")]


def test_a_forced_removal_still_ends_the_containers_but_writes_nothing() -> None:
    node = VirtualNode().boot().create(pod())
    node.obeys_term = False
    writes = len(node.times(c.WritePodStatus))
    node.force_delete()
    node.run_until(10)
    assert signals(node) == [(0, "TERM"), (2, "KILL")]
    assert len(node.times(c.WritePodStatus)) == writes
    assert node.times(c.FinishPodDeletion) == []
    assert node.times(c.StopPod) == [2]
    assert node.kubelet.pods() == []


def test_a_pod_that_is_deleted_while_it_starts_is_killed() -> None:
    node = VirtualNode().boot()
    node.starts = False
    node.create(pod())
    node.delete()
    assert signals(node) == [(0, "KILL")]


def test_a_pod_that_waits_for_its_image_is_removed_at_once() -> None:
    node = VirtualNode().boot().create(pod(image="nginx"))
    node.delete()
    assert node.deleted == ["web"]


def test_all_containers_end_in_parallel() -> None:
    containers = tuple(
        Container(name=name, image="emucluster/echo", lifecycle=pre_stop(sleep=sleep))
        for name, sleep in (("a", SleepAction(seconds=3)), ("b", SleepAction(seconds=8)))
    )
    node = VirtualNode().boot().create(pod(containers=containers))
    node.delete()
    node.run_until(60)
    assert signals(node) == [(3, "TERM"), (8, "TERM")]
    assert node.times(c.FinishPodDeletion) == [8]


def test_an_exit_during_pre_stop_ends_the_pod_without_signals() -> None:
    node = VirtualNode().boot().create(pod(lifecycle=pre_stop(sleep=SleepAction(seconds=5))))
    node.delete()
    node.run_until(1)
    node.exits(0)
    assert node.deleted == ["web"]
    assert signals(node) == []


def test_no_container_is_restarted_once_its_pod_is_being_deleted() -> None:
    node = VirtualNode().boot().create(pod())
    node.obeys_term = False
    node.delete()
    node.exits(1)
    assert node.times(c.StartContainer) == [0]
    assert node.deleted == ["web"]


def test_the_removal_is_retried_until_the_api_server_takes_it() -> None:
    node = VirtualNode().boot().create(pod())
    node.api_up = False
    node.delete()
    node.run_until(20)
    assert node.deleted == []
    node.api_up = True
    node.run_until(30)
    assert node.deleted == ["web"]


def test_a_pod_that_waits_for_a_finalizer_does_not_come_back() -> None:
    node = VirtualNode().boot().create(pod())
    node.delete()
    kept = replace(pod(), metadata=replace(pod().metadata, deletion_timestamp=node.stamp))
    starts = len(node.times(c.StartContainer))
    node.create(kept)
    assert len(node.times(c.StartContainer)) == starts


def test_a_post_start_hook_keeps_a_container_from_counting_as_started() -> None:
    hook = Lifecycle(post_start=LifecycleHandler(sleep=SleepAction(seconds=4)))
    node = VirtualNode().boot().create(pod(lifecycle=hook))
    node.run_until(3.9)
    assert not node.is_ready()
    node.run_until(4)
    assert node.is_ready()
