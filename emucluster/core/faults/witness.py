"""Whether somebody other than its target sees a fault: decided from what was looked at. Pure.

Each judgement takes what was seen before the fault and what is seen now, and says in words what
tells of the fault. That a target says so itself is no evidence anywhere here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

How = Literal["http", "exchange", "health", "echo", "dns", "held", "api", "connect"]
Outcome = Literal["ok", "refused", "timeout", "reset", "error"]

STALL_S = 0.15
"""A segment that was lost is sent again after 0.2 s at the least (TCP_RTO_MIN)."""
DELAY_SHARE = 0.5
"""So much of a delay must be seen; the rest may be this machine's own unrest."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    Attributes:
        answer_s: from its beginning; of an `ok` one only.
        connected: whether there was a connection, whatever came of it.
        retransmits: segments that the looker's kernel sent again.
        detail: what was answered, or why not.
    """

    how: How
    outcome: Outcome
    answer_s: float = 0.0
    connected: bool = False
    retransmits: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Looks by one witness at one target, before the fault and now.

    `params` and `fault_id` are the fault's.
    """

    before: Sequence[Sample]
    after: Sequence[Sample]
    params: Mapping[str, Any] = field(default_factory=dict)
    fault_id: str = ""

    def now(self, how: How) -> list[Sample]:
        return [sample for sample in self.after if sample.how == how]


class Verdict(NamedTuple):
    """Whether the fault was seen, and the evidence for either in words.

    `told` False: not seen, and nobody could have seen it, were it in force.
    """

    seen: bool
    what: str
    told: bool = True


Judge = Callable[[Evidence], Verdict]

End = Literal["gone", "there", "unknown"]


class Over(NamedTuple):
    """Whether a fault that should be over is; `unknown`: nobody could tell, and why."""

    end: End
    what: str


def over(judge: Judge, evidence: Evidence) -> Over:
    """By the same evidence that tells of the fault: it is gone if somebody looked who would see it.

    A look that got nowhere tells nothing.
    """
    verdict = judge(evidence)
    return over_by(verdict._replace(told=any(_tells(s) for s in evidence.after)))


def over_by(verdict: Verdict) -> Over:
    """What a comparison says of a fault that should be over."""
    if verdict.seen:
        return Over("there", verdict.what)
    return Over("gone" if verdict.told else "unknown", verdict.what)


def _tells(sample: Sample) -> bool:
    """A call that failed with a status was answered by somebody, unless none was reached."""
    if sample.outcome != "error":
        return True
    return sample.how == "echo" and not sample.detail.startswith("UNAVAILABLE:")


# --- is there an answer at all


def silent(evidence: Evidence) -> Verdict:
    """Nothing comes back, not even a refusal."""
    after = evidence.after
    seen = bool(after) and all(s.outcome == "timeout" for s in after)
    return Verdict(seen, after[0].detail or "no answer" if seen else _told(after))


def refused(evidence: Evidence) -> Verdict:
    """Its kernel answers, and there is nobody."""
    after = evidence.after
    seen = bool(after) and all(s.outcome in ("refused", "reset") for s in after)
    return Verdict(seen, after[0].detail or after[0].outcome if seen else _told(after))


def not_listening(evidence: Evidence) -> Verdict:
    """Its kernel refuses connections; one that is accepted and then reset is not refused."""
    after = evidence.after
    seen = bool(after) and all(s.outcome == "refused" and not s.connected for s in after)
    return Verdict(seen, after[0].detail or "refused" if seen else _told(after))


def absent(evidence: Evidence) -> Verdict:
    """Refused or silent: of what comes and goes, at this moment."""
    for judge in (refused, silent):
        verdict = judge(evidence)
        if verdict.seen:
            return verdict
    return Verdict(False, _told(evidence.after))


def frozen(evidence: Evidence) -> Verdict:
    """Connections are accepted and never answered."""
    after = evidence.after
    seen = bool(after) and all(s.outcome == "timeout" and s.connected for s in after)
    return Verdict(seen, "accepts, and does not answer" if seen else _told(after))


# --- is it otherwise than before


def late(evidence: Evidence) -> Verdict:
    """Answers take longer, by half of the delay at least."""
    return _later(evidence, float(evidence.params["delay"]))


def lossy(evidence: Evidence) -> Verdict:
    """Segments had to be sent again, or answers wait for as long as that takes."""
    again = sum(s.retransmits for s in evidence.after)
    before = sum(s.retransmits for s in evidence.before)
    if again > before:
        return Verdict(True, f"{again} segments sent again in {len(evidence.after)} exchanges")
    worst_s = max((s.answer_s for s in evidence.before if s.outcome == "ok"), default=0.0)
    stalled = [s for s in evidence.after if s.outcome != "ok" or s.answer_s > worst_s + STALL_S]
    # One may be chance; a link that loses keeps doing it.
    if len(stalled) >= 2:
        return Verdict(True, f"{len(stalled)} of {len(evidence.after)} exchanges stalled")
    return Verdict(False, f"no loss in {len(evidence.after)} exchanges")


def pushed_bytes(params: Mapping[str, Any]) -> int:
    """How much to push so that a limit of `bytesPerSecond` takes about half a second of it."""
    rate = int(params["bytesPerSecond"])
    return min(8 * 1024 * 1024, max(4096, rate // 2))


def narrow(evidence: Evidence) -> Verdict:
    """What is pushed takes as long as the limit says, and did not before."""
    count, rate = pushed_bytes(evidence.params), int(evidence.params["bytesPerSecond"])
    before_s, after_s = _median_s(evidence.before), _median_s(evidence.after)
    ideal_s = count / rate
    if after_s is None:
        stuck = [s for s in evidence.after if s.outcome == "timeout"]
        seen = bool(stuck) and before_s is not None
        return Verdict(seen, f"{count} bytes did not pass in time" if seen else "nothing passes")
    seen = before_s is not None and after_s - before_s >= DELAY_SHARE * ideal_s
    told = f"{count} bytes take {after_s:.3g} s, {_or_unknown(before_s)} before"
    return Verdict(seen, told)


# --- connections from before


def broken(evidence: Evidence) -> Verdict:
    """A connection that was there before the fault was reset."""
    held = evidence.now("held")
    seen = any(s.outcome in ("reset", "refused") for s in held)
    return Verdict(seen, "a connection from before was reset" if seen else _told(held))


def forgotten(evidence: Evidence) -> Verdict:
    """A connection from before gets nothing but silence or a reset, and a new one is answered."""
    held, fresh = evidence.now("held"), evidence.now("exchange")
    dead = bool(held) and all(s.outcome in ("reset", "timeout") for s in held)
    works = any(s.outcome == "ok" for s in fresh)
    if dead and works:
        return Verdict(True, f"a connection from before: {held[0].outcome}; a new one is answered")
    return Verdict(False, f"from before: {_told(held)}; new: {_told(fresh)}")


# --- calls


def gray(evidence: Evidence) -> Verdict:
    """Health says yes, and calls fail with the fault's status."""
    return _calls_fail(evidence, also_healthy=True)


def erring(evidence: Evidence) -> Verdict:
    """Some calls fail with the fault's status."""
    return _calls_fail(evidence, also_healthy=False)


def still_failing(evidence: Evidence) -> Verdict:
    """Some calls fail and name this fault: a server that is overloaded has statuses of its own."""
    calls = evidence.now("echo")
    failed = [s for s in calls if s.outcome == "error" and _names(s.detail, evidence.fault_id)]
    return Verdict(bool(failed), f"{len(failed)} of {len(calls)} calls fail by this fault")


def _names(detail: str, fault_id: str) -> bool:
    return bool(fault_id) and fault_id in detail.split()


def serving_though_deleted(evidence: Evidence) -> Verdict:
    """The API has no such pod, or one that is being deleted, and it answers."""
    deleted = any(s.detail == "deleted" for s in evidence.now("api"))
    answers = [s for s in evidence.after if s.how != "api" and s.outcome == "ok"]
    if deleted and answers:
        return Verdict(True, "the API has it deleted, and it answers")
    return Verdict(False, "it is not deleted" if not deleted else "it does not answer")


def restarted(evidence: Evidence) -> Verdict:
    """The API's word for its instance changed: another process, or none."""
    before, after = _word(evidence.before), _word(evidence.after)
    seen = before != "" and after != "" and after != before
    return Verdict(seen, f"{before}; now {after}" if seen else f"still {after or 'unknown'}")


def not_ready(evidence: Evidence) -> Verdict:
    """The kubelet's probe fails, as the API tells."""
    word = _word(evidence.after)
    return Verdict(word == "not ready", f"the API has it {word or 'not at all'}")


# --- names


def dns_error(evidence: Evidence) -> Verdict:
    """Questions are answered with the fault's code."""
    rcode = str(evidence.params["rcode"])
    seen = any(s.outcome == "ok" and s.detail.split()[:1] == [rcode] for s in evidence.after)
    return Verdict(seen, f"answered {rcode}" if seen else _told(evidence.after))


# --- parts


def _later(evidence: Evidence, delay_s: float) -> Verdict:
    before_s, after_s = _median_s(evidence.before), _median_s(evidence.after)
    if before_s is None:
        return Verdict(False, "nothing is known of the time before")
    if after_s is None:
        waits = bool(evidence.after) and all(s.outcome == "timeout" for s in evidence.after)
        return Verdict(waits, f"no answer in time, {_ms(before_s)} before")
    told = f"answers take {_ms(after_s)}, {_ms(before_s)} before"
    return Verdict(after_s - before_s >= DELAY_SHARE * delay_s, told)


def _calls_fail(evidence: Evidence, *, also_healthy: bool) -> Verdict:
    status = str(evidence.params["status"])
    calls, health = evidence.now("echo"), evidence.now("health")
    failed = [s for s in calls if s.outcome == "error" and s.detail.startswith(f"{status}:")]
    told = f"{len(failed)} of {len(calls)} calls fail with {status}"
    if not also_healthy:
        return Verdict(bool(failed), told)
    healthy = any(s.outcome == "ok" and s.detail == "SERVING" for s in health)
    return Verdict(
        bool(failed) and healthy, f"{told}; health {'says' if healthy else 'no'} SERVING"
    )


def _median_s(samples: Iterable[Sample]) -> float | None:
    times = sorted(s.answer_s for s in samples if s.outcome == "ok")
    return times[len(times) // 2] if times else None


def _word(samples: Iterable[Sample]) -> str:
    return next((s.detail for s in samples if s.how == "api" and s.outcome == "ok"), "")


def _told(samples: Sequence[Sample]) -> str:
    """What came instead."""
    if not samples:
        return "nobody could look"
    last = samples[-1]
    return f"answered in {_ms(last.answer_s)}" if last.outcome == "ok" else last.outcome


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


def _or_unknown(seconds: float | None) -> str:
    return f"{seconds:.3g} s" if seconds is not None else "unknown"
