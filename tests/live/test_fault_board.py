"""What stands on what, and what becomes of faults when their target restarts."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emucluster.core.errors import EmuclusterError, NotFound, UsageError
from emucluster.core.faults import FaultLease
from emucluster.live.fault_board import FaultBoard
from emucluster.live.rpc.pb import lab_pb2

DEADLINE_S = 10.0


class Node:
    """Notes what was done to it; `down` hides everything but what takes it down.

    `stuck`: how often lifting a fault fails before it succeeds.
    """

    def __init__(self) -> None:
        self.down = ""
        self.absent: set[str] = set()
        self.done: list[str] = []
        self.stuck: dict[str, int] = {}
        self.board = FaultBoard(self, hides=self.hides)

    def hides(self, lease: FaultLease) -> str:
        return "" if lease.fault_kind.layer == "machine" else self.down

    async def break_(self, lease: FaultLease) -> str:
        if lease.target in self.absent:
            raise EmuclusterError(f"{lease.target} is not here")
        self.done.append(f"+{lease.id}")
        if lease.fault_kind.layer == "machine":
            self.down = f"is {lease.kind}"
        return "tested"

    async def mend(self, lease: FaultLease) -> None:
        self.done.append(f"-{lease.id}")
        if lease.fault_kind.layer == "machine":
            self.down = ""
            self.board.machine_up(lease.fault_kind.kills)
        if self.stuck.get(lease.id, 0) >= self.tried(lease.id):
            raise RuntimeError("this one is stuck")

    async def inject(
        self,
        id_: str,
        kind: str,
        target: str,
        for_s: float | None = None,
        *,
        until_s: float | None = None,
        follow: str = "",
        peers: tuple[str, ...] = (),
        **params: Any,
    ) -> Any:
        request = lab_pb2.FaultRequest(
            id=id_, kind=kind, target=target, peers=peers, follow=follow, until_s=until_s
        )
        request.params = json.dumps(params).encode()
        if for_s is not None:
            request.duration_s = for_s
        return await self.board.inject(request)

    def tried(self, id_: str) -> int:
        return self.done.count(f"-{id_}")

    def in_force(self) -> dict[str, str]:
        return {f.id: f.mechanism for f in self.board.list() if f.state == "in force"}

    def ended_by(self, id_: str) -> str:
        return next((str(f.ended_by) for f in self.board.list() if f.id == id_), "")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - nobody tells when it comes true
                await asyncio.sleep(0.005)


def on_board(scenario: Callable[[Node], Awaitable[None]]) -> None:
    async def run() -> None:
        node = Node()
        await scenario(node)
        node.board.stop()

    asyncio.run(run())


def test_a_machine_that_is_down_hides_the_rest_which_is_in_force_again_when_it_is_back() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("off", "power-off", "node/n")
        gray = await node.inject("gray", "gray", "pod/a")
        assert (gray.state, gray.mechanism) == ("in force", "waits: is power-off")
        assert node.done == ["+off"]
        await node.board.clear("off")
        await node.until(lambda: node.in_force() == {"gray": "tested"})
        assert node.done == ["+off", "-off", "+gray"]

    on_board(scenario)


def test_what_ends_while_it_is_hidden_is_lifted_when_the_machine_is_back() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("pod", "freeze", "pod/a")
        await node.inject("node", "freeze", "node/n")
        assert [f.id for f in await node.board.clear("pod")] == ["pod"]
        assert node.done == ["+pod", "+node"], "thawed now, it would run on a frozen machine"
        await node.board.clear("node")
        await node.until(lambda: node.done == ["+pod", "+node", "-node", "-pod"])

    on_board(scenario)


def test_what_was_hidden_all_its_time_is_never_lifted_for_it_was_never_applied() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("off", "power-off", "node/n")
        await node.inject("gray", "gray", "pod/a")
        await node.board.clear("gray")
        await node.board.clear("off")
        await node.inject("next", "slow", "node/n")
        assert node.done == ["+off", "-off", "+next"]

    on_board(scenario)


def test_a_fault_that_ends_between_two_lives_of_its_pod_is_lifted() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("same", "gray", "pod/a")
        node.board.target_gone("pod/a")
        assert [f.id for f in await node.board.clear("same")] == ["same"]
        assert node.done == ["+same", "-same"]

    on_board(scenario)


def test_nothing_can_be_crashed_on_a_machine_that_is_down() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("off", "power-off", "node/n")
        with pytest.raises(EmuclusterError, match="pod/a: is power-off"):
            await node.inject("x", "crash", "pod/a")

    on_board(scenario)


def test_after_a_boot_identities_have_their_faults_again_and_instances_are_rid_of_them() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("same", "gray", "pod/a", follow="identity")
        await node.inject("new", "gray", "pod/a", follow="instance")
        await node.inject("dns", "error", "dns/n")
        await node.inject("link", "loss", "node/n", peers=("outside",))
        node.absent.add("pod/a")
        await node.inject("off", "reboot", "node/n", down="100ms")
        await node.until(lambda: node.ended_by("off") == "expiry")
        await node.until(lambda: node.done.count("+dns") == 2)
        assert node.ended_by("new") == "target-gone"
        assert sorted(node.in_force()) == ["dns", "link", "same"]
        assert node.done.count("+link") == 1, "it is the host's, and was only hidden"
        node.absent.clear()
        node.board.target_back("pod/a")
        await node.until(lambda: node.done.count("+same") == 2)

    on_board(scenario)


def test_a_pod_that_restarts_in_place_follows_identity_or_instance() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("same", "gray", "pod/a", 600)
        await node.inject("new", "error-rate", "pod/a", 600, follow="instance")
        node.absent.add("pod/a")
        node.board.target_gone("pod/a")
        await node.until(lambda: node.ended_by("new") == "target-gone")
        assert list(node.in_force()) == ["same"]
        node.absent.clear()
        node.board.target_back("pod/a")
        await node.until(lambda: node.done.count("+same") == 2)
        assert node.done.count("+new") == 1

    on_board(scenario)


def test_faults_of_a_deleted_pod_end_but_for_a_zombie() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("gray", "gray", "pod/a")
        await node.inject("zombie", "zombie", "pod/a")
        node.board.target_deleted("pod/a")
        await node.until(lambda: node.ended_by("gray") == "target-gone")
        assert list(node.in_force()) == ["zombie"]

    on_board(scenario)


def test_faults_end_by_themselves_whoever_asked_is_gone() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("a", "slow", "node/n", 0.05)
        await node.inject("b", "cpu-hog", "node/n", 600, until_s=time.time() + 0.1)
        await node.until(lambda: not node.in_force())
        assert (node.ended_by("a"), node.ended_by("b")) == ("expiry", "expiry")
        await node.until(lambda: node.done == ["+a", "+b", "-a", "-b"])

    on_board(scenario)


def test_repeated_late_and_overtaken_asks_do_nothing() -> None:
    async def scenario(node: Node) -> None:
        first = await node.inject("a", "slow", "node/n", 600)
        again = await node.inject("a", "slow", "node/n", 600)
        assert (again.ends_wall_s - first.ends_wall_s) == pytest.approx(0, abs=1e-3)
        await node.board.clear("a")
        late = await node.inject("a", "slow", "node/n", 600)
        assert (late.state, late.ended_by) == ("ended", "clear")
        await node.board.clear("b")
        overtaken = await node.inject("b", "slow", "node/n", 600)
        past = await node.inject("c", "slow", "node/n", 600, until_s=time.time() - 1)
        crash = await node.inject("d", "crash", "pod/a", 600, until_s=time.time() - 1)
        assert [f.state for f in (overtaken, past, crash)] == ["ended"] * 3
        assert node.done == ["+a", "-a"]

    on_board(scenario)


def test_what_is_over_at_once_is_done_once_however_often_it_is_asked_for() -> None:
    async def scenario(node: Node) -> None:
        for _ in range(3):
            crash = await node.inject("x", "crash", "pod/a", until_s=time.time() + 60)
            assert crash.state == "ended"
        assert node.done == ["+x"]

    on_board(scenario)


def test_a_fault_that_cannot_be_applied_leaves_nothing_and_may_be_asked_for_again() -> None:
    async def scenario(node: Node) -> None:
        node.absent.add("pod/a")
        with pytest.raises(EmuclusterError, match="not here"):
            await node.inject("a", "gray", "pod/a", 600)
        assert node.in_force() == {}
        node.absent.clear()
        assert (await node.inject("a", "gray", "pod/a", 600)).state == "in force"

    on_board(scenario)


def test_a_request_that_is_wrong_in_itself_is_refused() -> None:
    async def scenario(node: Node) -> None:
        with pytest.raises(UsageError, match="params: must be a JSON object"):
            await node.board.inject(
                lab_pb2.FaultRequest(kind="freeze", target="node/n", params=b"[1]")
            )
        with pytest.raises(UsageError, match='follow: must be one of identity, instance, got "me"'):
            await node.inject("a", "freeze", "node/n", follow="me")
        assert node.done == []

    on_board(scenario)


def test_a_fault_that_cannot_be_lifted_is_in_force_told_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(node: Node) -> None:
        node.stuck["stuck"] = 2
        await node.inject("stuck", "gray", "pod/a", 0.01)
        await node.until(lambda: node.tried("stuck") == 1)
        (told,) = node.board.list()
        assert (told.state, told.ended_by) == ("in force", "")
        assert told.error == "could not be lifted: this one is stuck"
        assert "fault stuck: gray on pod/a is not lifted" in caplog.text
        again = await node.inject("stuck", "gray", "pod/a", 600)
        assert again.error == told.error, "who asks again is told too"
        await node.until(lambda: node.in_force() == {})
        assert node.tried("stuck") == 3
        assert node.ended_by("stuck") == "expiry"
        assert [fault.error for fault in node.board.list()] == [""]

    on_board(scenario)


def test_who_clears_what_cannot_be_lifted_is_told_that_it_is_in_force() -> None:
    async def scenario(node: Node) -> None:
        node.stuck["stuck"] = 1
        await node.inject("stuck", "gray", "pod/a")
        await node.inject("other", "slow", "node/n")
        told = {fault.id: fault for fault in await node.board.clear(None)}
        assert (told["stuck"].state, told["other"].state) == ("in force", "ended")
        assert "this one is stuck" in told["stuck"].error
        assert node.done[-1] == "-other", "it keeps no other from being lifted"
        (told["stuck"],) = await node.board.clear("stuck")
        assert (told["stuck"].state, told["stuck"].error) == ("ended", "")

    on_board(scenario)


def test_what_was_owed_to_a_machine_that_is_back_and_cannot_be_lifted_is_in_force_again() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("pod", "freeze", "pod/a")
        await node.inject("node", "freeze", "node/n")
        await node.board.clear("pod")
        node.stuck["pod"] = 1
        await node.board.clear("node")
        await node.until(lambda: "pod" in node.in_force())
        await node.until(lambda: node.in_force() == {})
        assert node.ended_by("pod") == "clear"

    on_board(scenario)


def test_a_repeat_is_refused_when_its_pod_is_deleted_and_done_for_another_of_that_name() -> None:
    async def scenario(node: Node) -> None:
        await node.inject("g", "gray", "pod/a", 5.0)
        node.board.target_deleted("pod/a")
        await node.until(lambda: node.ended_by("g") == "target-gone")
        for _ in range(2):
            with pytest.raises(NotFound, match="pod/a is deleted"):
                await node.inject("g", "gray", "pod/a", 5.0)
        assert node.in_force() == {}
        node.board.target_back("pod/a")
        await node.inject("g", "gray", "pod/a", 5.0)
        assert list(node.in_force()) == ["g"]

    on_board(scenario)
