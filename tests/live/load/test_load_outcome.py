"""What may be concluded from a call's end, and which connection it was on."""

from __future__ import annotations

import itertools

import pytest

from emucluster.live.load.connections import ChannelConnections
from emucluster.live.load.outcome import Outcome, is_retrying, outcome

REFUSED = "failed to connect to all addresses; last error: UNKNOWN: Connection refused"
NO_BACKEND = (
    "connections to all backends failing; last error: "
    "UNKNOWN: ipv4:127.36.2.2:50051: HTTP proxy returned response code 502"
)
INJECTED = "error injected by the fault gray-1 at pod default/web-1"


@pytest.mark.parametrize(
    ("status", "detail", "connected", "expected"),
    [
        ("OK", "", True, Outcome.OK),
        ("UNAVAILABLE", REFUSED, False, Outcome.FAILED),
        ("UNAVAILABLE", NO_BACKEND, False, Outcome.FAILED),
        ("UNAVAILABLE", NO_BACKEND, True, Outcome.FAILED),
        ("UNAVAILABLE", "errors resolving web:80: [...]", False, Outcome.FAILED),
        ("UNAVAILABLE", "Stream removed (Socket closed)", True, Outcome.UNKNOWN),
        ("UNAVAILABLE", "error injected by the echo pod", True, Outcome.FAILED),
        ("INTERNAL", INJECTED, True, Outcome.FAILED),
        ("DEADLINE_EXCEEDED", INJECTED, True, Outcome.FAILED),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", True, Outcome.UNKNOWN),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", False, Outcome.FAILED),
        ("CANCELLED", "", True, Outcome.UNKNOWN),
        ("UNIMPLEMENTED", "Method not found!", True, Outcome.FAILED),
        ("RESOURCE_EXHAUSTED", "quota", True, Outcome.FAILED),
        ("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max", True, Outcome.UNKNOWN),
        ("UNKNOWN", "Unexpected <class 'ValueError'>: x", True, Outcome.UNKNOWN),
        ("INTERNAL", "", True, Outcome.UNKNOWN),
    ],
)
def test_a_failure_is_definite_only_where_no_server_can_have_executed_it(
    status: str, detail: str, connected: bool, expected: Outcome
) -> None:
    assert outcome(status, detail, connected=connected) is expected


def test_a_stream_that_broke_after_a_reply_has_run() -> None:
    assert outcome("UNIMPLEMENTED", "", connected=True, replies=1) is Outcome.UNKNOWN


def test_a_call_whose_channel_could_not_be_made_never_left_its_client() -> None:
    detail = "Failed to create channel to 'ipv4:127.36.2.2:80':errors validating service config"
    ended = outcome("INVALID_ARGUMENT", detail, connected=False, retrying=True)
    assert ended is Outcome.FAILED


def test_the_last_attempt_proves_nothing_about_those_before() -> None:
    for status, detail in (
        ("UNAVAILABLE", REFUSED),
        ("UNAVAILABLE", NO_BACKEND),
        ("UNIMPLEMENTED", ""),
        ("INTERNAL", INJECTED),
    ):
        assert outcome(status, detail, connected=True, retrying=True) is Outcome.UNKNOWN
    for detail in (REFUSED, NO_BACKEND):
        assert outcome("UNAVAILABLE", detail, connected=False, retrying=True) is Outcome.FAILED


def test_a_service_config_retries_where_a_method_has_a_policy_for_it() -> None:
    assert is_retrying('{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3}}]}')
    assert not is_retrying('{"loadBalancingConfig":[{"round_robin":{}}]}')
    assert not is_retrying("")


def channel() -> ChannelConnections:
    return ChannelConnections("web/1/1", itertools.count(1).__next__)


def test_a_connection_is_as_old_as_its_channels_last_ready() -> None:
    one = channel()
    one.state_changed("CONNECTING", 10.0)
    one.state_changed("READY", 10.5)
    first = one.answered("127.32.0.1:4001", started_s=10.0, ended_s=10.25)
    assert (first.id, first.opened_s) == (1, 10.5)
    assert one.answered("127.32.0.1:4001", started_s=11.0, ended_s=11.25) is first


def test_a_call_that_fails_on_a_new_connection_is_not_counted_under_the_old_one() -> None:
    one = channel()
    one.state_changed("READY", 1.0)
    first = one.answered("a:1", started_s=1.0, ended_s=1.25)
    assert one.failed() is first
    one.state_changed("IDLE", 5.0)
    assert one.failed() is first
    one.state_changed("READY", 6.0)
    second = one.failed()
    assert second is not None
    assert (second.opened_s, second.client) == (6.0, "")
    assert one.answered("a:2", started_s=5.5, ended_s=5.75) is second


def test_an_answer_faster_than_the_news_of_its_connection_makes_no_second_one() -> None:
    one = channel()
    first = one.answered("a:1", started_s=1.0, ended_s=1.25)
    one.state_changed("READY", 1.1)
    assert one.failed() is first
    assert one.answered("a:1", started_s=2.0, ended_s=2.25) is first


def test_a_call_that_waited_through_an_outage_makes_its_connection_no_older_than_that() -> None:
    one = channel()
    one.state_changed("READY", 1.0)
    one.state_changed("IDLE", 5.0)
    assert one.answered("a:2", started_s=2.0, ended_s=8.0).opened_s == 8.0


def test_an_answer_that_is_read_after_the_loss_of_its_connection_came_by_that() -> None:
    one = channel()
    one.state_changed("READY", 1.0)
    first = one.answered("a:1", started_s=1.0, ended_s=1.25)
    one.state_changed("IDLE", 2.0)
    assert one.answered("a:1", started_s=1.9, ended_s=2.1) is first


def test_an_address_that_comes_back_after_a_loss_is_another_connection() -> None:
    one = channel()
    one.state_changed("READY", 1.0)
    first = one.answered("a:1", started_s=1.0, ended_s=1.25)
    one.state_changed("IDLE", 2.0)
    one.state_changed("READY", 3.0)
    again = one.answered("a:1", started_s=2.5, ended_s=2.75)
    assert again.id != first.id
    assert again.opened_s == 3.0


def test_several_connections_of_one_channel_are_told_apart_by_what_servers_saw() -> None:
    one = channel()
    one.state_changed("READY", 1.0)
    ids = [
        one.answered(client, started_s=1.0, ended_s=1.25).id
        for client in ("a:1", "b:2", "a:1", "c:3")
    ]
    assert ids == [1, 2, 1, 3]


def test_whether_there_was_a_connection_while_a_call_lasted() -> None:
    one = channel()
    one.state_changed("CONNECTING", 1.0)
    assert not one.connected_since(0.5, "CONNECTING")
    assert one.connected_since(0.5, "READY")  # the news of it is still to come
    one.state_changed("READY", 2.0)
    one.state_changed("TRANSIENT_FAILURE", 3.0)
    assert one.connected_since(2.9, "TRANSIENT_FAILURE")
    assert not one.connected_since(3.1, "TRANSIENT_FAILURE")
    one.state_changed("CONNECTING", 4.0)
    one.state_changed("IDLE", 5.0)  # lost again, and READY was never seen
    assert one.connected_since(4.5, "IDLE")
