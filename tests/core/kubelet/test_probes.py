"""When probes are sent, and what their results do."""

from __future__ import annotations

from typing import Any

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.core.objects import (
    Container,
    ContainerPort,
    ExecAction,
    GRPCAction,
    Probe,
)
from emucluster.core.objects.generated.containers import HTTPGetAction, TCPSocketAction
from tests.core.kubelet.virtual_node import VirtualNode, pod


def probe(**settings: Any) -> Probe:
    return Probe(grpc=GRPCAction(port=50051), **settings)


def grown_node(**settings: Any) -> VirtualNode:
    """A node whose kubelet is older than any period, so that no probe waits at random."""
    return VirtualNode(**settings).boot().run_until(1000)


class Health:
    """Answers of a container, to be changed as a test goes on."""

    def __init__(self, node: VirtualNode) -> None:
        self.answers: dict[str, e.ProbeResult] = {}
        self.sent: list[tuple[float, str]] = []
        self._node = node
        node.probe = self

    def __call__(self, sent: c.SendProbe) -> e.ProbeResult:
        self.sent.append((round(self._node.now_s - 1000, 3), sent.kind))
        return self.answers.get(sent.kind, "success")

    def moments(self, kind: str) -> list[float]:
        return [at for at, each in self.sent if each == kind]


def test_readiness_is_probed_when_the_container_starts_and_one_success_makes_it_ready() -> None:
    node = grown_node()
    health = Health(node)
    node.create(pod(readiness_probe=probe()))
    assert health.moments("readiness") == [0]
    assert node.is_ready()


def test_a_container_is_not_ready_before_its_first_success() -> None:
    node = grown_node()
    health = Health(node)
    health.answers["readiness"] = "failure"
    node.create(pod(readiness_probe=probe()))
    assert not node.is_ready()
    assert node.container().started
    health.answers["readiness"] = "success"
    node.run_until(1010)
    assert node.is_ready()


def test_three_failures_in_a_row_make_unready_and_one_success_ready_again() -> None:
    node = grown_node()
    health = Health(node)
    node.create(pod(readiness_probe=probe()))
    health.answers["readiness"] = "failure"
    node.run_until(1000 + 29)
    assert node.is_ready()
    node.run_until(1000 + 30)
    assert not node.is_ready()
    assert node.container().restart_count == 0
    health.answers["readiness"] = "success"
    node.run_until(1000 + 40)
    assert node.is_ready()
    assert node.events("Unhealthy") == ["Readiness probe failed: no answer"] * 3


def test_a_success_between_failures_starts_the_count_anew() -> None:
    node = grown_node()
    health = Health(node)
    node.create(pod(readiness_probe=probe()))
    answers: tuple[tuple[float, e.ProbeResult], ...]
    answers = ((9, "failure"), (29, "success"), (39, "failure"))
    for moment_s, answer in answers:
        node.run_until(1000 + moment_s)
        health.answers["readiness"] = answer
    node.run_until(1000 + 59)
    assert node.is_ready()


def test_liveness_failures_restart_the_container_after_its_grace_period() -> None:
    node = grown_node()
    health = Health(node)
    node.obeys_term = False
    health.answers["liveness"] = "failure"
    node.create(pod(liveness_probe=probe(), termination_grace_period_seconds=5))
    node.run_until(1000 + 20)
    assert node.times(c.SignalContainer) == [1020]
    assert node.events("Killing") == ["Container main failed liveness probe, will be restarted"]
    node.run_until(1000 + 26)
    signals = [each.signal for _, each in node.log if isinstance(each, c.SignalContainer)]
    assert (signals, node.times(c.SignalContainer)) == (["TERM", "KILL"], [1020, 1025])
    assert node.container().restart_count == 1


def test_a_probe_may_bring_its_own_grace_period() -> None:
    node = grown_node()
    health = Health(node)
    node.obeys_term = False
    health.answers["liveness"] = "failure"
    node.create(pod(liveness_probe=probe(termination_grace_period_seconds=3, failure_threshold=1)))
    node.run_until(1000 + 4)
    assert node.times(c.SignalContainer) == [1000, 1003]


def test_until_the_startup_probe_succeeds_the_others_are_silent_and_then_it_is() -> None:
    node = grown_node()
    health = Health(node)
    health.answers["startup"] = "failure"
    node.create(
        pod(
            startup_probe=probe(failure_threshold=30, period_seconds=2),
            readiness_probe=probe(),
            liveness_probe=probe(),
        )
    )
    node.run_until(1000 + 5)
    assert {kind for _, kind in health.sent} == {"startup"}
    assert not node.container().started
    health.answers["startup"] = "success"
    node.run_until(1000 + 30)
    assert health.moments("startup") == [0, 2, 4, 6]
    assert health.moments("readiness") == [6, 10, 20, 30]
    assert health.moments("liveness") == [10, 20, 30]
    assert node.is_ready()


def test_a_startup_probe_that_never_succeeds_restarts_the_container() -> None:
    node = grown_node()
    health = Health(node)
    health.answers["startup"] = "failure"
    node.create(pod(startup_probe=probe()))
    node.run_until(1000 + 20)
    assert node.container().restart_count == 1
    assert node.events("Killing") == ["Container main failed startup probe, will be restarted"]


def test_the_initial_delay_counts_from_the_start_of_the_container() -> None:
    node = grown_node()
    health = Health(node)
    node.create(pod(readiness_probe=probe(initial_delay_seconds=15)))
    node.run_until(1000 + 20)
    assert health.moments("readiness") == [20]
    node.exits(1)
    node.run_until(1000 + 40)
    assert health.moments("readiness") == [20, 40]


def test_after_a_restart_a_container_is_unready_until_probed_anew() -> None:
    node = grown_node()
    health = Health(node)
    node.create(pod(readiness_probe=probe()))
    health.answers["readiness"] = "failure"
    node.exits(1)
    assert not node.is_ready()


def test_the_success_threshold_of_readiness_holds() -> None:
    node = grown_node()
    Health(node)
    node.create(pod(readiness_probe=probe(success_threshold=3)))
    node.run_until(1000 + 19)
    assert not node.is_ready()
    node.run_until(1000 + 20)
    assert node.is_ready()


def test_a_result_of_error_counts_as_nothing() -> None:
    node = grown_node()
    health = Health(node)
    node.create(pod(liveness_probe=probe()))
    health.answers["liveness"] = "error"
    node.run_until(1000 + 100)
    assert node.container().restart_count == 0


def test_during_termination_readiness_goes_on_and_liveness_stops() -> None:
    node = grown_node()
    health = Health(node)
    node.create(pod(readiness_probe=probe(), liveness_probe=probe()))
    node.obeys_term = False
    health.answers |= {"readiness": "failure", "liveness": "failure"}
    node.delete()
    node.run_until(1000 + 29)
    assert health.moments("readiness") == [0, 10, 20]
    assert health.moments("liveness") == [0]
    node.run_until(1000 + 30)
    assert node.deleted == ["web"]


def test_while_a_probe_is_out_no_second_one_is_sent() -> None:
    node = grown_node()
    node.probe = lambda _: None
    node.create(pod(readiness_probe=probe(period_seconds=1)))
    node.run_until(1000 + 50)
    assert node.times(c.SendProbe) == [1000]


def test_a_young_kubelet_spreads_first_probes_over_the_period() -> None:
    node = VirtualNode().boot()
    for number in range(30):
        node.create(pod(f"p{number}", liveness_probe=probe()))
    node.run_until(9.99)
    first = node.times(c.SendProbe)
    assert len(first) == 30
    assert first[0] < 2
    assert first[-1] > 8


def test_speed_divides_periods_delays_and_timeouts_but_no_timeout_below_200_ms() -> None:
    node = grown_node(speed=10)
    health = Health(node)
    node.create(pod(liveness_probe=probe(initial_delay_seconds=20, timeout_seconds=1)))
    node.run_until(1000 + 4)
    assert health.moments("liveness") == [2, 3, 4]
    sent = [each for _, each in node.log if isinstance(each, c.SendProbe)]
    assert {each.timeout_s for each in sent} == {0.2}


def test_every_kind_of_handler_becomes_its_action_and_port_names_are_resolved() -> None:
    node = grown_node()
    handlers = {
        "a": Probe(grpc=GRPCAction(port=50051, service="shop")),
        "b": Probe(http_get=HTTPGetAction(port="web", path="ready")),
        "c": Probe(tcp_socket=TCPSocketAction(port=81)),
        "d": Probe(exec=ExecAction(command=("/bin/true",))),
    }
    ports = (ContainerPort(container_port=8080, name="web"),)
    containers = tuple(
        Container(name=name, image="emucluster/echo", ports=ports, readiness_probe=each)
        for name, each in handlers.items()
    )
    node.create(pod(containers=containers))
    sent = {each.container: each.action for _, each in node.log if isinstance(each, c.SendProbe)}
    assert sent == {
        "a": c.GrpcCheck(50051, "shop"),
        "b": c.HttpGet(8080, "/ready"),
        "c": c.TcpConnect(81),
        "d": c.Exec(("/bin/true",)),
    }


def test_a_port_name_that_does_not_exist_is_said_and_never_ready() -> None:
    node = grown_node()
    node.create(pod(readiness_probe=Probe(http_get=HTTPGetAction(port="nope"))))
    node.run_until(1015)
    assert not node.is_ready()
    assert node.events("Unhealthy")[0] == (
        "Readiness probe errored: couldn't find port: nope in container main"
    )
