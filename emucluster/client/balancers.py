"""Load balancers and their targets, as each load balancer itself believes them to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from emucluster.client.lab import AgentClient, Machine
from emucluster.core.errors import EmuclusterError

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class BalancerTarget:
    """A node as a target behind one port.

    Attributes:
        port: of the load balancer.
        state: initial, healthy, unhealthy or draining.
    """

    node: str
    address: str
    port: int
    node_port: int
    state: str


@dataclass(frozen=True, slots=True)
class BalancerView:
    """What one load balancer tells of itself.

    Attributes:
        name: as its machine: `lb/default/web`.
        addresses: one, or with cross-zone off one for each zone.
        silent: why it told nothing; empty when it did.
    """

    name: str
    preset: str
    cross_zone: bool | None
    addresses: tuple[str, ...]
    targets: tuple[BalancerTarget, ...]
    silent: str = ""


def ask_balancers(machines: Sequence[Machine], token: str) -> list[BalancerView]:
    """Ask every load balancer among `machines`; those that do not answer say why."""
    asked = [machine for machine in machines if machine.kind == "load-balancer"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda machine: _ask(machine, token), asked))


def _ask(machine: Machine, token: str) -> BalancerView:
    if machine.state in ("gone", "stopped", "starting"):
        return _silent(machine, f"its process is {machine.state}")
    agent = AgentClient(machine, token)
    try:
        return view_of(machine, json.loads(agent.describe() or b"{}"))
    except EmuclusterError as error:
        return _silent(machine, str(error))
    finally:
        agent.close()


def view_of(machine: Machine, facts: dict[str, Any]) -> BalancerView:
    """The typed view of what `machine` describes as JSON."""
    targets = [
        BalancerTarget(
            node=str(told["node"]),
            address=str(told["address"]),
            port=int(told["port"]),
            node_port=int(told["node_port"]),
            state=str(told["state"]),
        )
        for told in facts.get("targets") or ()
    ]
    return BalancerView(
        name=machine.name,
        preset=str(facts.get("preset", "")),
        cross_zone=facts.get("cross_zone"),
        addresses=tuple(facts.get("addresses") or (machine.address,)),
        targets=tuple(sorted(targets, key=lambda target: (target.port, target.node))),
    )


def _silent(machine: Machine, why: str) -> BalancerView:
    return BalancerView(machine.name, "", None, (machine.address,), (), why)
