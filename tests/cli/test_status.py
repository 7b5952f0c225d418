"""What `status` prints: machines as they really are, and targets as load balancers see them."""

import json

from emucluster.cli.status import plain, told, with_faults
from emucluster.client.balancers import BalancerView, view_of
from emucluster.client.lab import Fault, Machine, Status


def machine(name: str, kind: str, state: str = "running") -> Machine:
    return Machine(name, kind, f"127.0.0.{len(name)}", "127.0.0.1:1", 7, "zone-a", "", state)


def fault(kind: str, target: str, ends_s: float | None = None, state: str = "in force") -> Fault:
    return Fault(f"{kind}-1", kind, target, 100.0, ends_s, "kernel filter", state)


def status(*machines: Machine, faults: tuple[Fault, ...] = ()) -> Status:
    return with_faults(
        Status(
            name="emu",
            version="0",
            packing="pod",
            cloud="aws-nlb",
            speed=1.0,
            kubernetes="127.16.200.7:6443",
            api="127.0.0.1:1",
            dns="127.0.0.1:1053",
            lab="127.0.0.1:2",
            started_s=90.0,
            keeper_pid=5,
            failure_mode="imitated",
            ray_address="127.0.0.1:3",
            directory="/run/e mu",
            several_hosts=False,
            machines=machines,
            faults=faults,
            outside={},
            published={},
        )
    )


def row(text: str, first: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(first + " "))


LB = machine("lb/default/web", "load-balancer")
FACTS = {
    "preset": "aws-nlb",
    "addresses": ["127.240.1.1", "127.240.2.1"],
    "cross_zone": False,
    "targets": [
        {"port": 80, "node": "n2", "address": "127.1.0.2", "node_port": 30080, "state": "draining"},
        {"port": 80, "node": "n1", "address": "127.1.0.1", "node_port": 30080, "state": "healthy"},
    ],
}


def test_the_file_for_kubectl_is_named_as_a_shell_takes_it() -> None:
    shown = told(status(), [], 100.0)
    assert "https://127.16.200.7:6443 (export KUBECONFIG='/run/e mu/kubeconfig')" in shown


def test_load_generators_are_shown_and_have_no_faults() -> None:
    found = status(machine("load-generator-1", "load-generator"), faults=(fault("freeze", "lb/x"),))
    assert "running" in row(told(found, [], 100.0), "load-generator-1")


def test_a_machine_under_a_fault_is_not_called_running() -> None:
    found = status(
        *(machine(f"node-{number}", "node") for number in range(1, 5)),
        LB,
        machine("lb/shop/web", "load-balancer"),
        machine("control-plane", "control-plane"),
        machine("keeper", "keeper"),
        faults=(
            fault("power-off", "node/node-1"),
            fault("freeze", "node/node-2"),
            fault("freeze", "node/node-3", 101.0, "ended"),
            fault("crash", "pod/node-4"),
            fault("crash", "lb/web"),
            fault("freeze", "control-plane"),
        ),
    )
    assert {each.name: each.state for each in found.machines} == {
        "node-1": "powered off",
        "node-2": "frozen",
        "node-3": "running",
        "node-4": "running",
        "lb/default/web": "crashed",
        "lb/shop/web": "running",
        "control-plane": "frozen",
        "keeper": "running",
    }
    assert "powered off" in row(told(found, [], 110.0), "node-1")


def test_a_process_that_is_stopped_or_gone_is_shown_so() -> None:
    found = status(
        machine("node-1", "node", "stopped"),
        machine("node-2", "node", "gone"),
        faults=(fault("crash", "node/node-2"),),
    )
    assert [each.state for each in found.machines] == ["stopped", "gone"]


def test_each_target_is_shown_in_the_state_its_load_balancer_sees() -> None:
    text = told(status(LB), [view_of(LB, FACTS)], 110.0)
    lines = text[text.index("LOAD BALANCER") :].splitlines()
    assert lines[0].split("  ")[0] == "LOAD BALANCER"
    assert lines[0].split()[2:] == ["ADDRESS(ES)", "NODE", "NODEPORT", "TARGET"]
    both = "127.240.1.1,127.240.2.1"
    assert lines[1].split() == ["lb/default/web", both, "n1", "30080", "healthy"]
    assert lines[2].split() == ["lb/default/web", both, "n2", "30080", "draining"]


def test_a_load_balancer_that_does_not_answer_has_unknown_targets() -> None:
    silent = BalancerView(LB.name, "", None, (LB.address,), (), "its process is stopped")
    text = told(status(LB), [silent], 110.0)
    lines = text[text.index("LOAD BALANCER") :].splitlines()
    assert lines[1].split()[-3:] == ["<none>", "<none>", "<unknown>"]


def test_faults_end_in_the_same_word_as_in_their_list() -> None:
    text = told(status(LB, faults=(fault("freeze", "lb/web", 130.0),)), [], 110.0)
    header = " ".join(row(text, "ID").split())
    assert header == "ID KIND TARGET FROM PARAMETERS AGE ENDS MECHANISM"
    assert "in 20s" in row(text, "freeze-1")


def test_json_has_the_faults_in_force_and_the_targets() -> None:
    ended = fault("freeze", "lb/web", 101.0, "ended")
    shown = plain(status(LB, faults=(ended, fault("crash", "lb/web"))), [view_of(LB, FACTS)])
    found = json.loads(json.dumps(shown))
    assert [each["kind"] for each in found["faults"]] == ["crash"]
    (balancer,) = found["load_balancers"]
    assert balancer["addresses"] == ["127.240.1.1", "127.240.2.1"]
    assert [each["state"] for each in balancer["targets"]] == ["healthy", "draining"]


def test_a_run_that_was_killed_is_named_until_it_is_rolled_back() -> None:
    assert "Not rolled back" not in told(status(), [], 100.0)
    named = 'the run of "x" that began at 12:00:00 (process 7)'
    assert f"Not rolled back: {named}, which was killed" in told(
        status(), [], 100.0, unfinished=named
    )
    assert plain(status(), [], unfinished=named)["unfinished_run"] == named
