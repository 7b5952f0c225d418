"""Who has the last word on a pod's status: its kubelet, whatever others write over it."""

from __future__ import annotations

import pytest

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.core.kubelet.status_writer import RECONCILE_S
from emucluster.core.objects import Pod, PodCondition, replace
from tests.core.kubelet.virtual_node import VirtualNode, pod


def marked(old: Pod) -> Pod:
    """As the node controller marks the pods of a node that is silent."""
    conditions = tuple(
        replace(each, status="False") if each.type == "Ready" else each
        for each in old.status.conditions
    )
    return replace(old, status=replace(old.status, conditions=conditions))


def writes(node: VirtualNode) -> int:
    return len(node.times(c.WritePodStatus))


def tell(node: VirtualNode) -> None:
    """The watch brings the API server's copy as it is."""
    node.change("web", lambda old: old)


def write_on_the_way(node: VirtualNode) -> c.WritePodStatus:
    """A write that the API server has and whose answer has not arrived."""
    node.api_answers = False
    node.change("web", marked)
    node.run_until(node.now_s + RECONCILE_S)
    node.api_answers = True
    command = node.log[-1][1]
    assert isinstance(command, c.WritePodStatus)
    node.pods[command.uid] = replace(node.pods[command.uid], status=command.status)
    return command


def test_a_ready_condition_that_somebody_else_changed_is_written_again() -> None:
    node = VirtualNode().boot().create(pod())
    node.change("web", marked)
    node.run_until(RECONCILE_S)
    assert node.is_ready()


def test_one_that_was_changed_after_a_write_and_told_before_its_answer_is_written_again() -> None:
    node = VirtualNode().boot().create(pod())
    command = write_on_the_way(node)
    node.change("web", marked)
    node.happens(e.Wrote(command))
    node.run_until(node.now_s + RECONCILE_S)
    assert node.is_ready()


def test_an_older_copy_that_is_told_during_a_write_leads_to_no_other_write() -> None:
    node = VirtualNode().boot().create(pod())
    command = write_on_the_way(node)
    before, ours = writes(node), node.pods[command.uid]
    node.change("web", marked)
    node.happens(e.Wrote(command))
    node.pods[command.uid] = ours
    tell(node)
    node.run_until(node.now_s + 10 * RECONCILE_S)
    assert writes(node) == before


def test_conditions_of_others_are_left_alone() -> None:
    node = VirtualNode().boot().create(pod())
    theirs = PodCondition(type="DisruptionTarget", status="True")

    def disrupted(old: Pod) -> Pod:
        conditions = (*old.status.conditions, theirs)
        return replace(old, status=replace(old.status, conditions=conditions))

    node.change("web", disrupted)
    before = writes(node)
    tell(node)
    node.run_until(10 * RECONCILE_S)
    assert writes(node) == before
    assert theirs in node.status().conditions


@pytest.mark.parametrize("seconds", [2.0, 20.0])
def test_somebody_who_insists_costs_few_writes_and_does_not_win(seconds: float) -> None:
    node = VirtualNode().boot().create(pod())
    before = writes(node)
    while node.now_s < seconds:
        if node.is_ready():
            node.change("web", marked)
        node.run_until(node.now_s + 0.01)
    node.run_until(node.now_s + RECONCILE_S)
    assert node.is_ready()
    assert 2 < writes(node) - before <= seconds / RECONCILE_S + 1


def test_a_status_is_written_once_where_nobody_else_writes() -> None:
    node = VirtualNode().boot().create(pod())
    before = writes(node)
    tell(node)
    node.run_until(10.0)
    assert writes(node) == before
