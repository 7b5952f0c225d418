"""Requests under way: who counts, and when."""

from __future__ import annotations

import pytest

from emucluster.core.errors import TooManyRequests
from emucluster.live.kubeapi import limits
from emucluster.live.kubeapi.limits import Limits, body_deadline_s
from emucluster.live.kubeapi.request import BODY_MAX
from emucluster.live.kubeapi.users import ADMIN, VIEW, User

OTHER = User("other", VIEW.groups)


def test_a_request_whose_body_is_still_coming_holds_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WRITES_MAX", 1)
    under_way = Limits()
    with under_way.slot(VIEW, writes=True) as slow:
        with slow.waiting_for_body(), under_way.slot(OTHER, writes=True):
            pass
        with pytest.raises(TooManyRequests), under_way.slot(OTHER, writes=True):
            pass  # the body is complete
    with under_way.slot(OTHER, writes=True):
        pass


def test_a_body_that_is_complete_too_late_is_refused_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WRITES_MAX", 1)
    under_way = Limits()
    quick = under_way.slot(OTHER, writes=True)
    with (
        pytest.raises(TooManyRequests),
        under_way.slot(VIEW, writes=True) as slow,
        slow.waiting_for_body(),
    ):
        quick.__enter__()
    quick.__exit__()
    assert under_way._under_way == {False: 0, True: 0}
    assert not under_way._bodies


def test_each_user_has_his_own_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODIES_MAX", 1)
    under_way = Limits()
    with under_way.slot(VIEW, writes=True) as first, first.waiting_for_body():
        with (
            under_way.slot(VIEW, writes=True) as second,
            pytest.raises(TooManyRequests),
            second.waiting_for_body(),
        ):
            pass
        with under_way.slot(OTHER, writes=True) as other, other.waiting_for_body():
            pass
    assert not under_way._bodies


def test_administrators_are_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WRITES_MAX", "READS_MAX", "BODIES_MAX", "ANSWERS_BYTES_MAX"):
        monkeypatch.setattr(limits, name, 0)
    under_way = Limits()
    for writes in (False, True):
        with under_way.slot(ADMIN, writes=writes) as slot, slot.waiting_for_body():
            pass
        with pytest.raises(TooManyRequests), under_way.slot(VIEW, writes=writes):
            pass
    with under_way.answer(ADMIN, 10**9), under_way.answer(ADMIN, 10**9):
        pass


def test_what_a_user_does_not_read_is_bounded() -> None:
    under_way = Limits()
    with under_way.answer(VIEW, limits.ANSWERS_BYTES_MAX + 1):
        with pytest.raises(TooManyRequests):
            under_way.answer(VIEW, limits.SMALL_ANSWER_BYTES + 1)
        with under_way.answer(VIEW, limits.SMALL_ANSWER_BYTES):
            pass
        with under_way.answer(OTHER, limits.ANSWERS_BYTES_MAX):
            pass
    assert not under_way._answers


def test_bodies_have_a_least_rate() -> None:
    assert body_deadline_s(100.0, 0) == 100.0 + limits.BODY_GRACE_S
    assert body_deadline_s(0.0, limits.BODY_RATE_MIN) == limits.BODY_GRACE_S + 1.0
    assert body_deadline_s(0.0, BODY_MAX) < 60.0
