"""Watches over HTTPS: where they begin, what they tell, and how they end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from emucluster.live.kubeapi import watches
from tests.live.kubeapi.https import Client
from tests.live.kubeapi.plane import Plane, free_port, plane

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def told(events: Iterator[Any], count: int) -> list[tuple[str, str]]:
    """Type and name of the next events."""
    found = list(islice(events, count))
    return [(each["type"], each["object"]["metadata"]["name"]) for each in found]


def version_of(admin: Client, path: str) -> str:
    return str(admin.get(path)["metadata"]["resourceVersion"])


def test_a_watch_from_a_version_tells_all_that_came_after_it(admin: Client, maps: str) -> None:
    version = version_of(admin, maps)
    admin.post(maps, config_map("a"))
    events = admin.watch(f"{maps}?watch=true&resourceVersion={version}")
    assert told(events, 1) == [("ADDED", "a")]
    admin.call("DELETE", f"{maps}/a")
    admin.post(maps, config_map("b"))
    assert told(events, 2) == [("DELETED", "a"), ("ADDED", "b")]
    events.close()


@pytest.mark.parametrize("query", ["watch=1", "watch=True&resourceVersion=0"])
def test_a_watch_without_a_version_begins_with_what_there_is(
    admin: Client, maps: str, query: str
) -> None:
    admin.post(maps, config_map("z"))
    events = admin.watch(f"{maps}?{query}")
    assert told(events, 1) == [("ADDED", "z")]
    admin.post(maps, config_map("a"))
    assert told(events, 1) == [("ADDED", "a")]
    events.close()


def test_selectors_make_entering_and_leaving(admin: Client, maps: str) -> None:
    version = version_of(admin, maps)
    events = admin.watch(f"{maps}?watch=1&labelSelector=app%3Dweb&resourceVersion={version}")
    admin.post(maps, config_map("a", app="db"))
    for label in ("web", "db"):
        merge = "application/merge-patch+json"
        body = {"metadata": {"labels": {"app": label}}}
        assert admin.call("PATCH", f"{maps}/a", body, content_type=merge).code == 200
    (entered, left) = islice(events, 2)
    assert (entered["type"], left["type"]) == ("ADDED", "DELETED")
    assert left["object"]["metadata"]["labels"] == {"app": "web"}
    current = admin.get(f"{maps}/a")["metadata"]["resourceVersion"]
    assert left["object"]["metadata"]["resourceVersion"] == current
    events.close()


def test_initial_events_end_with_a_bookmark(admin: Client, maps: str) -> None:
    for name in ("a", "b"):
        admin.post(maps, config_map(name))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    events = admin.watch(f"{maps}?{query}&allowWatchBookmarks=true")
    assert told(events, 2) == [("ADDED", "a"), ("ADDED", "b")]
    mark = next(events)
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["kind"] == "ConfigMap"
    metadata = mark["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(metadata["resourceVersion"]) >= int(version_of(admin, f"{maps}/b"))
    events.close()


def test_initial_events_are_never_older_than_asked_for(admin: Client, maps: str) -> None:
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    reply = admin.call("GET", f"{maps}?{query}&resourceVersion=99999999")
    assert reply.code == 504
    assert reply.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_a_watch_ends_when_its_time_is_over_and_tells_how_far_it_came(
    admin: Client, maps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "BOOKMARK_BEFORE_END_S", 0.5)
    version = version_of(admin, maps)
    query = f"watch=1&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=1"
    started_s = time.monotonic()
    events = list(admin.watch(f"{maps}?{query}"))
    assert time.monotonic() - started_s >= 0.9
    assert [each["type"] for each in events] == ["BOOKMARK"]
    assert int(events[0]["object"]["metadata"]["resourceVersion"]) >= int(version)


def test_without_bookmarks_a_quiet_watch_says_nothing(admin: Client, maps: str) -> None:
    version = version_of(admin, maps)
    assert list(admin.watch(f"{maps}?watch=1&resourceVersion={version}&timeoutSeconds=1")) == []


def test_a_table_watch_tells_its_columns_once(admin: Client, maps: str) -> None:
    admin.post(maps, config_map("a"))
    events = admin.watch(f"{maps}?watch=1", accept=TABLE)
    first = next(events)
    admin.post(maps, config_map("b"))
    second = next(events)
    assert [each["object"]["kind"] for each in (first, second)] == ["Table", "Table"]
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == [
        *("Name", "Data", "Age")
    ]
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][0] == "b"
    events.close()


def test_a_version_that_is_gone_is_an_error_event(admin: Client, maps: str) -> None:
    events = list(admin.watch(f"{maps}?watch=1&resourceVersion=99999999"))
    assert [each["type"] for each in events] == ["ERROR"]
    status = events[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")


def test_the_old_path_of_watches(admin: Client, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b"):
        admin.post(maps, config_map(name))
    events = admin.watch(f"/api/v1/watch/namespaces/{namespace}/configmaps/b")
    assert told(events, 1) == [("ADDED", "b")]
    events.close()


def test_watchers_that_leave_are_forgotten(api_plane: Plane, admin: Client, maps: str) -> None:
    hub = api_plane.serving.api.hub
    before = api_plane.run(lambda: hub.watchers)
    events = [admin.watch(f"{maps}?watch=1") for _ in range(5)]
    assert api_plane.run(lambda: hub.watchers) == before + 5
    admin.post(maps, config_map("a"))
    for each in events:
        assert told(each, 1) == [("ADDED", "a")]
        each.close()
    deadline_s = time.monotonic() + 20
    while api_plane.run(lambda: hub.watchers) > before and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert api_plane.run(lambda: hub.watchers) == before


def test_a_stop_ends_open_watches_and_a_start_goes_on(tmp_path: Any) -> None:
    port = free_port()
    with plane(tmp_path, port=port) as first:
        client = Client(first.kubeconfig)
        maps = "/api/v1/namespaces/default/configmaps"
        version = version_of(client, maps)
        before = first.kubeconfig.read_bytes()
        events = client.watch(f"{maps}?watch=1&resourceVersion={version}")
        client.post(maps, config_map("a"))
        assert told(events, 1) == [("ADDED", "a")]
        client.close()
    assert list(events) == []
    with plane(tmp_path, port=port) as second:
        # Same address, authority and tokens: what a client has in its hands goes on.
        assert second.kubeconfig.read_bytes() == before
        assert client.get(f"{maps}/a")["metadata"]["name"] == "a"
        version = version_of(client, maps)
        events = client.watch(f"{maps}?watch=1&resourceVersion={version}")
        client.post(maps, config_map("b"))
        assert told(events, 1) == [("ADDED", "b")]
        events.close()
        gone = list(client.watch(f"{maps}?watch=1&resourceVersion=1"))
        assert [each["object"]["code"] for each in gone] == [410]
        client.close()


def definition(plural: str, *columns: str) -> dict[str, Any]:
    """A CustomResourceDefinition with some text columns of `spec`."""
    shown = [{"name": name, "type": "string", "jsonPath": f".spec.{name}"} for name in columns]
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": shown,
    }
    names = {"plural": plural, "kind": plural[:-1].capitalize()}
    return {
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }


def test_custom_kinds_are_discovered_listed_and_watched_at_once(
    admin: Client, namespace: str
) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    made = admin.post(crds, definition("cups", "colour"))
    listed = admin.get("/apis/example.com/v1")["resources"]
    assert [each["name"] for each in listed] == ["cups"]
    assert "apis/example.com/v1" in admin.get("/openapi/v3")["paths"]
    cups = f"/apis/example.com/v1/namespaces/{namespace}/cups"
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    events = admin.watch(f"{cups}?watch=1&resourceVersion={version_of(admin, cups)}", accept=table)
    cup = {"metadata": {"name": "a"}, "spec": {"colour": "red", "size": "large"}}
    admin.post(cups, cup | {"apiVersion": "example.com/v1", "kind": "Cup"})
    told_row = next(events)["object"]
    assert [column["name"] for column in told_row["columnDefinitions"]] == ["Name", "colour"]
    assert told_row["rows"][0]["cells"] == ["a", "red"]
    current = admin.get(f"{crds}/{made['metadata']['name']}")
    current["spec"]["versions"] = definition("cups", "size")["spec"]["versions"]
    assert admin.call("PUT", f"{crds}/{made['metadata']['name']}", current).code == 200
    assert admin.get(cups, accept=table)["rows"][0]["cells"] == ["a", "large"]
    assert admin.get(f"{cups}/a")["spec"] == cup["spec"]
    strategic = "application/strategic-merge-patch+json"
    assert admin.call("PATCH", f"{cups}/a", {}, content_type=strategic).code == 415
    assert admin.call("DELETE", f"{crds}/{made['metadata']['name']}").code == 200
    deadline_s = time.monotonic() + 20
    while admin.call("GET", cups).code != 404 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert admin.call("GET", cups).code == 404
    assert admin.call("GET", "/apis/example.com").code == 404
    events.close()
