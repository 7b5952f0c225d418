"""What can be asked of a run, as the file has it; `hypotheses` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from emucluster.core.quantities import Quantile, Seconds, Share
from emucluster.experiment.vocabulary import PHASES, Count, Phase, Strict


class _Hypothesis(Strict, tag_field="kind", frozen=True, kw_only=True):
    """What all questions have.

    Attributes:
        name: how reports call it; empty: its words.
        over: the phases it is about, taken together.
    """

    name: str = ""
    over: Annotated[list[Phase], Meta(min_length=1)] = field(default_factory=lambda: list(PHASES))


class _AboutCalls(_Hypothesis, frozen=True, kw_only=True):
    """Questions about calls.

    Attributes:
        group: of this client group; empty: of all.
        min_calls: fewer are too few to tell; None: what the bound itself needs.
    """

    group: str = ""
    min_calls: Count | None = None


class _Continuous(_AboutCalls, frozen=True, kw_only=True):
    """Questions that may also be asked of every stretch of so many seconds.

    Attributes:
        every_s: length of the stretches, each of which must hold; None: the phases as a whole.
    """

    every_s: Seconds | None = field(name="every", default=None)


class Availability(_Continuous, tag="availability", frozen=True, kw_only=True):
    """Calls that succeeded, of all calls.

    Attributes:
        at_least: share of all calls.
    """

    at_least: Share


class Latency(_Continuous, tag="latency", frozen=True, kw_only=True):
    """A quantile of the latency of calls that succeeded, from when they were due.

    Attributes:
        quantile: which one.
        at_most_s: its bound.
    """

    quantile: Quantile
    at_most_s: Seconds = field(name="atMost")


class LostCalls(_AboutCalls, tag="lost-calls", frozen=True, kw_only=True):
    """How many calls did not succeed.

    Attributes:
        at_most, at_least: so many; one of them at least is given.
        connections: `old`: on connections opened before the first fault; `new`: on later ones and
            those that never came about.
        outcomes: `lost` is failed and unknown together.
    """

    at_most: Annotated[int, Meta(ge=0)] | None = None
    at_least: Annotated[int, Meta(ge=0)] | None = None
    connections: Literal["any", "old", "new"] = "any"
    outcomes: Literal["lost", "failed", "unknown"] = "lost"


class TimeToDetect(_Hypothesis, tag="time-to-detect", frozen=True, kw_only=True):
    """From a fault's start until somebody in the cluster noticed it.

    Attributes:
        at_most_s: after the fault's start.
        by: which observer; `any` is the first of them.
        fault: of this fault; empty: of every fault.
    """

    at_most_s: Seconds = field(name="atMost")
    by: Literal["any", "lease", "probe", "endpoints", "proxy", "load-balancer", "dns"] = "any"
    fault: str = ""


class TimeToRecover(_AboutCalls, tag="time-to-recover", frozen=True, kw_only=True):
    """Until the last call was lost, of those that were due after the first fault's start.

    Attributes:
        at_most_s: until the last lost call.
        since: counted from the first fault's start, or from the last fault's end.
    """

    at_most_s: Seconds = field(name="atMost")
    since: Literal["fault-start", "fault-end"] = "fault-start"


class Outage(_AboutCalls, tag="outage", frozen=True, kw_only=True):
    """The longest time in which no call succeeded.

    Attributes:
        at_most_s: so long.
    """

    at_most_s: Seconds = field(name="atMost")


class Spread(_AboutCalls, tag="spread", frozen=True, kw_only=True):
    """How evenly calls were spread: Jain's index, from 1/n (all on one) to 1 (even).

    Attributes:
        at_least: Jain's index.
        across: what they are spread over.
        among: how many there should be, when some may have answered nothing; None: all that are
            known of (pods of the Service, nodes or zones of the cluster), else those seen.
    """

    at_least: Share
    across: Literal["pods", "nodes", "zones"] = "pods"
    among: Count | None = None


class EndpointsMatch(_Hypothesis, tag="endpoints-match", frozen=True, kw_only=True):
    """What `observer` holds for a Service's endpoints is its ready pods, but for so long a lag.

    Attributes:
        within_s: how long the observer may lag behind.
        service: NAME, `service/NAME` (both of the namespace default), NAMESPACE/NAME or
            `service/NAMESPACE/NAME`; empty: of every Service.
        observer: who holds the endpoints.
        ready: ready as the API has it, or as pods and their machines really are.
    """

    within_s: Seconds = field(name="within")
    service: str = ""
    observer: Literal["endpoints", "proxy", "load-balancer", "dns"] = "endpoints"
    ready: Literal["api", "truth"] = "api"

    @property
    def service_name(self) -> str:
        """The Service as records have it, NAMESPACE/NAME; empty: every Service."""
        name = self.service.removeprefix("service/")
        return name if "/" in name or not name else f"default/{name}"


class NoFaultLeft(Strict, tag_field="kind", tag="no-fault-left", frozen=True, kw_only=True):
    """After the run, no fault is in force anywhere.

    Attributes:
        name: how reports call it; empty: its words.
    """

    name: str = ""


class GoodputRecovers(_AboutCalls, tag="goodput-recovers", frozen=True, kw_only=True):
    """Successful calls a second come back to a share of the baseline's, and stay.

    One that does not, although the fault is gone, is called metastable.

    Attributes:
        within_s: after the last fault's end.
        at_least: share of the baseline's goodput.
    """

    within_s: Seconds = field(name="within")
    at_least: Share = field(default_factory=lambda: Share(0.9))


class ExecutedTwice(_AboutCalls, tag="executed-twice", frozen=True, kw_only=True):
    """Calls that pods executed more than once.

    Attributes:
        at_most: so many calls.
    """

    at_most: Annotated[int, Meta(ge=0)] = 0


class ExecutedButFailed(_AboutCalls, tag="executed-but-failed", frozen=True, kw_only=True):
    """Calls that a pod executed and whose client was told that they failed.

    Attributes:
        at_most: so many calls.
    """

    at_most: Annotated[int, Meta(ge=0)] = 0


Hypothesis = (
    Availability
    | Latency
    | LostCalls
    | TimeToDetect
    | TimeToRecover
    | Outage
    | Spread
    | EndpointsMatch
    | NoFaultLeft
    | GoodputRecovers
    | ExecutedTwice
    | ExecutedButFailed
)
