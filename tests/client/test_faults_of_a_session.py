"""Whose fault is asked for, and for how long: what a session sends to the machine room."""

from __future__ import annotations

import time
from typing import Any

import pytest

from emucluster.client.cluster import Session
from emucluster.client.fault_request import FaultRequest
from emucluster.pytest_plugin.session import FAULT_AT_MOST_S, NamespaceSession


class Asked:
    """Takes what it is asked for."""

    def __init__(self) -> None:
        self.wanted: list[FaultRequest] = []

    def inject(self, wanted: FaultRequest) -> Any:
        self.wanted.append(wanted)
        return wanted


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(Session, "lab", made)
    return made


def of_a_test() -> NamespaceSession:
    session = NamespaceSession.__new__(NamespaceSession)
    session.namespace, session.injected = "test-1", []
    return session


def of_a_user() -> Session:
    session = Session.__new__(Session)
    session.namespace = "default"
    return session


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("pod/web", "pod/test-1/web"),
        ("pods/web", "pod/test-1/web"),
        ("pod/other/web", "pod/other/web"),
        ("pod/default/web", "pod/web"),
        ("lb/web", "lb/test-1/web"),
        ("node/node-1", "node/node-1"),
        ("control-plane", "control-plane"),
    ],
)
def test_pods_and_load_balancers_are_looked_for_in_the_sessions_namespace(
    asked: Asked, said: str, meant: str
) -> None:
    of_a_test().inject("freeze", said)
    assert asked.wanted[0].target == meant


def test_so_are_the_other_ends_of_links(asked: Asked) -> None:
    of_a_test().inject("partition", "node/node-1", peers=("pod/web", "outside"))
    assert asked.wanted[0].peers == ["pod/test-1/web", "outside"]


def test_elsewhere_they_are_of_the_default_namespace(asked: Asked) -> None:
    of_a_user().inject("freeze", "pod/web")
    assert asked.wanted[0].target == "pod/web"


def test_a_tests_fault_ends_by_itself_where_nobody_ends_it(asked: Asked) -> None:
    of_a_test().inject("power-off", "node/node-1")
    of_a_test().inject("crash", "control-plane")
    of_a_test().inject("freeze", "node/node-1", 5)
    unsaid, at_once, said = asked.wanted
    assert unsaid.until_s is not None
    assert 0 < unsaid.until_s - time.time() <= FAULT_AT_MOST_S
    assert (at_once.for_s, said.for_s, said.until_s) == (None, 5, None)


def test_a_users_fault_lasts_until_it_is_cleared(asked: Asked) -> None:
    of_a_user().inject("power-off", "node/node-1")
    assert (asked.wanted[0].for_s, asked.wanted[0].until_s) == (None, None)
