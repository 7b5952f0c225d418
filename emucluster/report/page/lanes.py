"""Truth and belief, as lanes below one another; where somebody was wrong is marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from emucluster.experiment.history import History
from emucluster.experiment.measures.detection import targets_hit
from emucluster.experiment.measures.lanes import Lane, Segment, disagreements, lanes
from emucluster.experiment.topology import natural
from emucluster.report.page.axis import Axis
from emucluster.report.words import seconds

OBSERVERS = ("truth", "probe", "lease", "api", "endpoints", "proxy", "load-balancer", "dns")
"""In the order in which news travels."""

NAMES = {
    "truth": "truth",
    "probe": "kubelet's probe",
    "lease": "node lease",
    "api": "API (Ready)",
    "endpoints": "EndpointSlice",
    "proxy": "kube-proxy",
    "load-balancer": "load balancer",
    "dns": "DNS",
    "client": "client",
}

ALIKE_MAX = 3
"""Of more kube-proxies (or others of a kind), the first and the last to change are shown."""

FOLDED_MAX = 60
"""Subjects about whom nobody was wrong, that the page holds folded; of many observers alike only
the first and the last. The files have all."""


class Bar(Struct, frozen=True, kw_only=True):
    """A piece of a lane, placed in per cent; `kind` is its style, `title` what a pointer shows."""

    left: float
    width: float
    kind: str
    title: str


class LaneView(Struct, frozen=True, kw_only=True):
    """One lane. `wrong` is how long it was wrong, in words; empty: never."""

    name: str
    bars: tuple[Bar, ...]
    wrong: str = ""


class SubjectView(Struct, frozen=True, kw_only=True):
    """A subject's lanes; `more` are those between the first and the last of many alike."""

    subject: str
    is_hit: bool
    shown: tuple[LaneView, ...]
    more: tuple[LaneView, ...] = ()


class LanesView(Struct, frozen=True, kw_only=True):
    """All lanes: of those who were hit or misjudged, then the rest; `left_out` counts subjects."""

    shown: tuple[SubjectView, ...]
    folded: tuple[SubjectView, ...]
    left_out: int


def lanes_view(history: History, axis: Axis) -> LanesView:
    """What there is to see of a trial."""
    if not history.phases:
        return LanesView(shown=(), folded=(), left_out=0)
    hit = targets_hit(history, [f for f in history.faults if f.in_force_from_s is not None])
    shown: list[SubjectView] = []
    folded: list[SubjectView] = []
    left_out = 0
    found = sorted(lanes(history), key=lambda lane: _order(lane.subject))
    for subject, own in groupby(found, key=lambda lane: lane.subject):
        held = list(own)
        if subject in hit or any(lane.wrong_s > 0 for lane in held):
            shown.append(_subject(subject, held, axis, is_hit=subject in hit))
        elif len(folded) < FOLDED_MAX:
            view = _subject(subject, held, axis, is_hit=False)
            folded.append(replace(view, more=()))
        else:
            left_out += 1
    shown.sort(key=lambda view: not view.is_hit)
    return LanesView(shown=tuple(shown), folded=tuple(folded), left_out=left_out)


def _order(subject: str) -> tuple[bool, list[object]]:
    return (not subject.startswith("node/"), list(natural(subject)))


def _subject(subject: str, held: Sequence[Lane], axis: Axis, *, is_hit: bool) -> SubjectView:
    truth = next((lane.segments for lane in held if lane.observer == "truth"), ())
    shown: list[LaneView] = []
    more: list[LaneView] = []
    ordered = sorted(held, key=_news_order)
    for _, alike in groupby(ordered, key=lambda lane: (_rank(lane.observer), lane.service)):
        views = [_lane(lane, truth, axis) for lane in sorted(alike, key=_last_change_s)]
        if len(views) > ALIKE_MAX:
            shown += [views[0], views[-1]]
            more += views[1:-1]
        else:
            shown += views
    return SubjectView(subject=subject, is_hit=is_hit, shown=tuple(shown), more=tuple(more))


def _news_order(lane: Lane) -> tuple[int, str]:
    return (_rank(lane.observer), lane.service)


def _rank(observer: str) -> int:
    return OBSERVERS.index(observer) if observer in OBSERVERS else len(OBSERVERS)


def _last_change_s(lane: Lane) -> float:
    return lane.segments[-1].start_s if lane.segments else 0.0


def _lane(lane: Lane, truth: Sequence[Segment], axis: Axis) -> LaneView:
    wrong = [] if lane.observer == "truth" else disagreements(truth, lane.segments)
    bars = [_bar(s.start_s, s.end_s, s.state, s.word or s.state, axis) for s in lane.segments]
    bars += [
        _bar(start_s, end_s, "wrong", f"wrong for {seconds(end_s - start_s)}", axis)
        for start_s, end_s in wrong
    ]
    return LaneView(
        name=_name(lane),
        bars=tuple(bar for bar in bars if bar.width > 0),
        wrong=seconds(lane.wrong_s) if lane.wrong_s > 0 else "",
    )


def _bar(start_s: float, end_s: float, kind: str, what: str, axis: Axis) -> Bar:
    title = f"{what}: {axis.since(start_s):.2f} s to {axis.since(end_s):.2f} s"
    return Bar(left=axis.at(start_s), width=axis.width(start_s, end_s), kind=kind, title=title)


def _name(lane: Lane) -> str:
    parts: Iterable[str] = (
        NAMES.get(lane.observer, lane.observer),
        f"on {lane.where}" if lane.where and lane.observer == "probe" else lane.where,
        f"of {lane.service}" if lane.service and lane.service != lane.where else "",
    )
    return " ".join(part for part in parts if part)
