"""What is kept of one trial besides its measures."""

from __future__ import annotations

from msgspec import Struct

from emucluster.experiment.history import History
from emucluster.experiment.plan import Plan
from emucluster.experiment.topology import Topology


class Recording(Struct, frozen=True, kw_only=True):
    """The records of one trial.

    Attributes:
        plan: what was to be done; None where it did not come to a plan.
        topology: the cluster as the plan saw it; without it the page draws what the history tells.
    """

    history: History
    plan: Plan | None = None
    topology: Topology | None = None
