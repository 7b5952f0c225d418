"""The node's Lease and status, and its return after a reboot."""

from __future__ import annotations

from itertools import pairwise

from emucluster.core.kubelet import commands as c
from emucluster.core.objects import Node, NodeCondition, ObjectMeta, replace
from tests.core.kubelet.virtual_node import VirtualNode, pod


def written(node: VirtualNode) -> Node:
    return [each.node for _, each in node.log if isinstance(each, c.WriteNodeStatus)][-1]


def test_a_node_registers_with_labels_addresses_capacity_and_conditions() -> None:
    node = VirtualNode().boot()
    (registered,) = [each.node for _, each in node.log if isinstance(each, c.RegisterNode)]
    labels = registered.metadata.labels or {}
    assert labels["kubernetes.io/hostname"] == "node-1"
    assert labels["topology.kubernetes.io/zone"] == "zone-a"
    assert registered.metadata.annotations == {
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
    }
    assert registered.spec.pod_cidr == "127.32.1.0/24"
    assert registered.spec.provider_id == "emucluster:///zone-a/node-1"
    assert {each.type: each.address for each in registered.status.addresses} == {
        "InternalIP": "127.16.0.1",
        "Hostname": "node-1",
    }
    assert (registered.status.capacity or {})["pods"] == "110"
    ready = registered.status.conditions[-1]
    assert (ready.type, ready.status, ready.reason) == ("Ready", "True", "KubeletReady")


def test_the_lease_is_renewed_every_10_s_with_a_little_jitter() -> None:
    node = VirtualNode().boot().run_until(100)
    gaps = [b - a for a, b in pairwise(node.times(c.RenewLease))]
    assert len(gaps) == 9
    assert all(10 <= gap <= 10.4 for gap in gaps)


def test_speed_divides_the_renewal_but_not_what_the_lease_says() -> None:
    node = VirtualNode(speed=10).boot().run_until(10)
    leases = [each for _, each in node.log if isinstance(each, c.RenewLease)]
    assert 10 <= len(leases) <= 11
    assert {each.lease_duration_s for each in leases} == {40}


def test_a_failed_renewal_is_retried_after_200_ms_and_then_ever_later_up_to_7_s() -> None:
    node = VirtualNode().boot().run_until(5)
    node.api_up = False
    node.run_until(60)
    moments = [at for at in node.times(c.RenewLease) if at > 5]
    gaps = [round(b - a, 1) for a, b in pairwise(moments)]
    assert gaps[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 7.0]
    node.api_up = True
    node.run_until(68)
    assert node.times(c.RenewLease)[-1] > 60


def test_an_unchanged_status_is_reported_every_5_minutes() -> None:
    node = VirtualNode().boot().run_until(1000)
    assert node.times(c.WriteNodeStatus) == [0, 300, 600, 900]


def test_a_node_that_was_called_unknown_says_otherwise_within_10_s() -> None:
    node = VirtualNode().boot().run_until(20)
    unknown = tuple(
        NodeCondition(type=each.type, status="Unknown", last_transition_time="earlier")
        for each in written(node).status.conditions
    )
    seen = replace(written(node), status=replace(written(node).status, conditions=unknown))
    node.carry_out(node.kubelet.handle_object("MODIFIED", seen, node.now_s, node.stamp))
    node.run_until(30)
    ready = written(node).status.conditions[-1]
    assert node.times(c.WriteNodeStatus)[-1] > 20
    assert (ready.status, ready.last_transition_time) == ("True", ready.last_heartbeat_time)
    assert node.events("NodeReady") == ["Node node-1 status is now: NodeReady"] * 2


def test_a_node_that_is_deleted_is_not_registered_again_by_the_kubelet_that_runs() -> None:
    node = VirtualNode().boot().run_until(20)
    node.node_is_there = False
    node.run_until(1000)
    assert node.times(c.RegisterNode) == [0]
    assert len(node.times(c.RenewLease)) > 100  # tried again and again, in vain
    assert node.times(c.WriteNodeStatus)[1] == 300
    node.reboot()
    assert node.node_is_there
    assert node.times(c.RegisterNode) == [0, 1000]


def test_a_node_that_somebody_else_creates_again_is_reported_on_within_10_s() -> None:
    node = VirtualNode().boot().run_until(20)
    node.node_is_there = False
    node.run_until(100)
    node.node_is_there = True
    bare = Node(metadata=ObjectMeta(name="node-1"))
    node.carry_out(node.kubelet.handle_object("ADDED", bare, node.now_s, node.stamp))
    node.run_until(110)
    assert node.times(c.WriteNodeStatus)[-1] > 100


def test_what_is_said_of_a_node_comes_once_it_is_there() -> None:
    node = VirtualNode()
    node.api_up = False
    node.boot().run_until(3)
    assert node.events() == []
    node.api_up = True
    node.run_until(60)
    assert node.events() == ["Starting kubelet.", "Node node-1 status is now: NodeReady"]
    node.reboot()
    assert node.events("Starting") == ["Starting kubelet."] * 2
    assert len(node.events("NodeReady")) == 1


def test_after_a_reboot_pods_run_again_at_their_address_with_one_restart_more() -> None:
    node = VirtualNode().boot().create(pod("a")).create(pod("b"))
    before = {name: node.status(name).pod_ip for name in "ab"}
    boot_id = written(node).status.node_info.boot_id
    node.run_until(60)
    node.reboot()
    for name in "ab":
        assert node.status(name).pod_ip == before[name]
        assert node.container(name).restart_count == 1
        assert node.container(name).last_state.terminated.exit_code == 255
        assert node.is_ready(name)
    assert written(node).status.node_info.boot_id != boot_id
    assert node.events("Rebooted")
    assert node.times(c.RenewLease)[-1] == 60


def test_a_pod_deleted_while_the_node_was_down_is_finished_when_it_is_back() -> None:
    node = VirtualNode().boot().create(pod("a")).create(pod("b"))
    meta = node.pods["uid-a"].metadata
    marked = replace(meta, deletion_timestamp=node.stamp, deletion_grace_period_seconds=30)
    node.pods["uid-a"] = replace(node.pods["uid-a"], metadata=marked)
    node.reboot()
    assert node.deleted == ["a"]
    assert list(node.running) == [("uid-b", "main")]


def test_a_pod_that_had_succeeded_does_not_run_again_after_a_reboot() -> None:
    node = VirtualNode().boot().create(pod(restart_policy="Never"))
    node.exits(0)
    node.reboot()
    assert node.running == {}
    assert node.status().phase == "Succeeded"


def test_a_new_kubelet_takes_pods_over_from_what_the_api_server_knows() -> None:
    old = VirtualNode().boot().create(pod())
    old.exits(1)
    new = VirtualNode().boot()
    new.create(old.pods["uid-web"])
    assert new.container().restart_count == 2
    assert new.status().pod_ip == old.status().pod_ip


def test_pods_missing_from_a_fresh_list_are_ended() -> None:
    node = VirtualNode().boot().create(pod("a")).create(pod("b"))
    node.pods.pop("uid-a")
    listed = list(node.pods.values())
    node.carry_out(node.kubelet.handle_pod_list(listed, node.now_s, node.stamp))
    assert list(node.running) == [("uid-b", "main")]


def test_after_a_freeze_that_swallowed_answers_everything_under_way_is_sent_again() -> None:
    node = VirtualNode().boot()
    node.api_answers = False
    node.create(pod()).run_until(60)
    assert len(node.times(c.WritePodStatus)) == 1
    node.api_answers = True
    node.carry_out(node.kubelet.resume(node.now_s, node.stamp))
    assert node.is_ready()
    assert node.times(c.RenewLease)[-1] == 60


def test_speed_divides_the_longest_wait_of_a_failed_renewal() -> None:
    node = VirtualNode(speed=20).boot().run_until(5)
    node.api_up = False
    node.run_until(10)
    moments = [at for at in node.times(c.RenewLease) if at > 6]
    gaps = {round(b - a, 2) for a, b in pairwise(moments)}
    assert gaps == {0.35}
