"""The targets behind one port of a load balancer, and which of them take new flows."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from .commands import Command, NoTarget, ResetFlows, Target, TargetBecame, TargetGone, TargetState
from .picker import Picker, picker
from .presets import LoadBalancerPolicy
from .target_health import CheckedState


@dataclass(slots=True)
class _Member:
    target: Target
    zone: str
    health: CheckedState
    drains_until_s: float | None = None


class TargetGroup:
    """Targets with the state their checks gave them.

    Args:
        zones: with cross-zone off, the zones that the load balancer has an address in; a target
            of another zone is `unused`. Empty: every zone.
    """

    def __init__(
        self,
        policy: LoadBalancerPolicy,
        *,
        rng: random.Random,
        zones: frozenset[str] = frozenset(),
    ) -> None:
        self.policy = policy
        self.zones = zones
        self.flows: Counter[Target] = Counter()
        self._rng = rng
        self._members: dict[Target, _Member] = {}
        self._pickers: dict[str | None, Picker | None] = {}

    # --- membership ---

    def is_registered(self, target: Target) -> bool:
        """Whether the target is here, and not on its way out."""
        return target in self._members and self._members[target].drains_until_s is None

    def register(self, target: Target, zone: str, health: CheckedState) -> list[Command]:
        """Add a target, or take one back that was draining."""
        self._members[target] = _Member(target, zone, health)
        self._pickers.clear()
        state = self._state(self._members[target])
        return [TargetBecame(target, state, "unused", "registered")]

    def deregister(self, target: Target, *, now_s: float) -> list[Command]:
        """Take a target out: no new flows from now on, its flows drain by the policy."""
        member = self._members[target]
        was = self._state(member)
        member.drains_until_s = now_s + self.policy.deregistration_delay_s
        self._pickers.clear()
        out: list[Command] = [TargetBecame(member.target, "draining", was, "deregistered")]
        return out + self.end_drains(now_s=now_s)

    def next_drain_end_s(self) -> float | None:
        ends = [m.drains_until_s for m in self._members.values() if m.drains_until_s is not None]
        return min(ends, default=None)

    def end_drains(self, *, now_s: float) -> list[Command]:
        """Forget the targets whose deregistration delay is over."""
        out: list[Command] = []
        for target, member in list(self._members.items()):
            if member.drains_until_s is None or member.drains_until_s > now_s:
                continue
            del self._members[target]
            if self.policy.connection_termination:
                out.append(ResetFlows(member.target, "deregistration delay is over"))
            out.append(TargetGone(member.target))
        return out

    # --- health ---

    def set_health(self, name: str, health: CheckedState, reason: str) -> list[Command]:
        """The checks of node `name` changed their mind."""
        member = next((m for m in self._registered(None) if m.target.name == name), None)
        if member is None or member.health == health:
            return []
        was, member.health = self._state(member), health
        self._pickers.clear()
        out: list[Command] = [TargetBecame(member.target, self._state(member), was, reason)]
        if self._resets_flows_of(member):
            out.append(ResetFlows(member.target, "target is unhealthy"))
        return out

    def _resets_flows_of(self, member: _Member) -> bool:
        if member.health != "unhealthy" or self.policy.on_unhealthy != "reset-flows":
            return False
        return not self._ignores_health(self._registered(self._scope_of(member)))

    def states(self) -> dict[Target, TargetState]:
        """Every target and its state, as describe-target-health lists them."""
        return {m.target: self._state(m) for m in self._members.values()}

    def _state(self, member: _Member) -> TargetState:
        if member.drains_until_s is not None:
            return "draining"
        if not self.policy.cross_zone and self.zones and member.zone not in self.zones:
            return "unused"
        return member.health

    # --- choice ---

    def choose(
        self, client_ip: str, client_port: int, port: int, *, zone: str | None
    ) -> Target | NoTarget:
        """A target for a new connection; `zone` is that of the address it came to."""
        scope = None if self.policy.cross_zone else zone
        if scope not in self._pickers:
            self._pickers[scope] = self._build(scope)
        chosen_by = self._pickers[scope]
        if chosen_by is None:
            return NoTarget(self._why_none(scope), self.policy.no_target)
        return chosen_by.pick(client_ip, client_port, port)

    def usable(self, scope: str | None) -> list[Target]:
        """Targets that new flows go to: the healthy ones, or all where health is ignored."""
        members = self._registered(scope)
        if not self._ignores_health(members):
            members = [m for m in members if m.health == "healthy"]
        return [m.target for m in members]

    def is_zone_in_service(self, zone: str) -> bool:
        """Whether a zone has a healthy target."""
        return any(m.health == "healthy" for m in self._registered(zone))

    def _build(self, scope: str | None) -> Picker | None:
        targets = self.usable(scope)
        if not targets:
            return None
        return picker(
            targets,
            algorithm=self.policy.algorithm,
            client_affinity=self.policy.client_affinity,
            flows=self.flows,
            rng=self._rng,
        )

    def _scope_of(self, member: _Member) -> str | None:
        return None if self.policy.cross_zone else member.zone

    def _registered(self, scope: str | None) -> list[_Member]:
        return [
            m
            for m in self._members.values()
            if m.drains_until_s is None and (scope is None or m.zone == scope)
        ]

    def _ignores_health(self, members: list[_Member]) -> bool:
        """Fail-open, or Envoy's panic. Targets that were never checked through do not cause it."""
        if all(m.health == "initial" for m in members):
            return False
        healthy = sum(m.health == "healthy" for m in members)
        if healthy == 0 and self.policy.all_unhealthy != "no-new-flow":
            return True
        return 100.0 * healthy < self.policy.panic_threshold_percent * len(members)

    def _why_none(self, scope: str | None) -> str:
        members = self._registered(scope)
        where = f" in zone {scope}" if scope is not None else ""
        if not members:
            return f"no registered targets{where}"
        if all(m.health == "initial" for m in members):
            return f"no target{where} has passed its initial health checks"
        return f"no healthy target{where}"

    def adopt(self, policy: LoadBalancerPolicy) -> None:
        """Go on under another policy."""
        self.policy = policy
        self._pickers.clear()
