"""Who is sent away when there are too many connections."""

from __future__ import annotations

import pytest

from emucluster.live.kubeapi import crowd as crowds
from emucluster.live.kubeapi.crowd import Crowd
from emucluster.live.kubeapi.users import ADMIN, ANONYMOUS, VIEW


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd[str]:
    monkeypatch.setattr(crowds, "CONNECTIONS_MAX", 8)  # two strangers, four of one user
    return Crowd()


def test_the_stranger_that_is_idle_longest_makes_place(crowd: Crowd[str]) -> None:
    assert crowd.enter("a") == crowd.enter("b") == []
    crowd.begin("a")
    crowd.end("a")
    assert crowd.introduce("a", ANONYMOUS)
    assert crowd.enter("c") == ["b"]
    assert crowd.enter("d") == ["a"]


def test_strangers_never_take_the_places_of_those_who_are_known(crowd: Crowd[str]) -> None:
    for number in range(6):
        assert crowd.enter(f"admin {number}") == []
        assert crowd.introduce(f"admin {number}", ADMIN)
    for number in range(100):
        sent_away = crowd.enter(f"stranger {number}")
        assert all(each.startswith("stranger") for each in sent_away)


def test_a_new_one_takes_the_place_of_who_is_known_and_idle_longest(crowd: Crowd[str]) -> None:
    for number in range(8):
        crowd.enter(f"{number}")
        crowd.introduce(f"{number}", ADMIN)
    for busy in "01":
        crowd.begin(busy)
    crowd.begin("2")
    crowd.end("2")
    assert crowd.enter("new") == ["3"]


def test_with_nobody_idle_the_new_one_is_refused(crowd: Crowd[str]) -> None:
    for number in range(8):
        crowd.enter(f"{number}")
        crowd.introduce(f"{number}", ADMIN)
        crowd.begin(f"{number}")
    assert crowd.enter("new") == ["new"]
    crowd.leave("4")
    assert crowd.enter("newer") == []
    assert crowd.enter("other", others=1) == ["newer"]


def test_one_user_has_half_of_all_places_and_administrators_have_any(crowd: Crowd[str]) -> None:
    for number in range(4):
        crowd.enter(f"{number}")
        assert crowd.introduce(f"{number}", VIEW)
    crowd.enter("one more")
    assert not crowd.introduce("one more", VIEW)
    assert crowd.introduce("one more", ADMIN)
    crowd.leave("0")
    crowd.enter("again")
    assert crowd.introduce("again", VIEW)
    assert crowd.introduce("again", VIEW)


def test_nothing_remains_of_those_who_left(crowd: Crowd[str]) -> None:
    for number, user in enumerate((ADMIN, VIEW, ANONYMOUS)):
        crowd.enter(f"{number}")
        crowd.introduce(f"{number}", user)
        crowd.begin(f"{number}")
        crowd.leave(f"{number}")
        crowd.end(f"{number}")
    assert not any((crowd._strangers, crowd._known, crowd._busy, crowd._of_user))
