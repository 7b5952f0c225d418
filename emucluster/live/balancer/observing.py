"""What a load balancer believes of its targets, told as it changes."""

from __future__ import annotations

from emucluster.core.cloudlb.load_balancer import LoadBalancer
from emucluster.live.observing.board import ObservationBoard


class TargetBeliefs:
    """`in` is a node that new flows are sent to, `out` any other; the word is the target's state.

    Where all targets are chosen because none is healthy, as AWS does, they are `in` and unhealthy.
    """

    def __init__(self, service: str) -> None:
        self.board = ObservationBoard()
        self._service = service
        self._reasons: dict[str, tuple[str, str]] = {}

    def note(self, node: str, state: str, reason: str) -> None:
        """A target of this node became `state`; `tell` says so."""
        self._reasons[node] = (state, reason)

    def tell(self, balancer: LoadBalancer) -> None:
        """Tell what changed by now, nodes that left included."""
        chosen = balancer.chosen()
        nodes = {target.name for states in balancer.states().values() for target in states}
        for node in self._reasons:
            state, reason = self._reasons[node]
            is_in = node in chosen
            word = f"{state}: {reason}"
            if node not in nodes:
                word = "gone: deregistered"
            elif is_in and state != "healthy":
                word += "; chosen all the same"
            self.board.belief(
                "load-balancer",
                f"node/{node}",
                "in" if is_in else "out",
                word,
                where=self._service,
                service=self._service,
                forget=node not in nodes,
            )
        self._reasons = {node: each for node, each in self._reasons.items() if node in nodes}
