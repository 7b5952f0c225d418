"""What paths, parameters and `Accept` headers mean."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import ApiError, BadRequest, Invalid, NotAcceptable
from emucluster.live.kubeapi import deletes, durations
from emucluster.live.kubeapi.accept import PLAIN, YAML, Representation, negotiate
from emucluster.live.kubeapi.paths import Target, segments, target
from emucluster.live.kubeapi.query import (
    Query,
    list_options,
    parse_version,
    write_options,
)
from emucluster.live.kubeapi.request import warning_headers


def delete_options(query: Query, body: bytes, media: str) -> deletes.DeleteOptions:
    return asyncio.run(deletes.delete_options(query, body, media))


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
TABLE_BETA = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
JSON = "application/json"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/nodes", Target("", "v1", "nodes")),
        ("/api/v1/nodes/", Target("", "v1", "nodes")),
        ("/api/v1/nodes/n1/status", Target("", "v1", "nodes", "", "n1", "status")),
        ("/api/v1/namespaces", Target("", "v1", "namespaces")),
        ("/api/v1/namespaces/x", Target("", "v1", "namespaces", "", "x")),
        ("/api/v1/namespaces/x/status", Target("", "v1", "namespaces", "", "x", "status")),
        ("/api/v1/namespaces/x/finalize", Target("", "v1", "namespaces", "", "x", "finalize")),
        ("/api/v1/namespaces/x/pods", Target("", "v1", "pods", "x")),
        ("/api/v1/namespaces/x/pods/p/log", Target("", "v1", "pods", "x", "p", "log")),
        (
            "/apis/apps/v1/namespaces/x/deployments/web/scale",
            Target("apps", "v1", "deployments", "x", "web", "scale"),
        ),
        (
            "/api/v1/namespaces/x/services/web/proxy/a/b",
            Target("", "v1", "services", "x", "web", "proxy", ("a", "b")),
        ),
        ("/apis/apps/v1/deployments", Target("apps", "v1", "deployments")),
        ("/api/v1/watch/pods", Target("", "v1", "pods", watch=True)),
        (
            "/api/v1/watch/namespaces/x/pods/p",
            Target("", "v1", "pods", "x", "p", watch=True),
        ),
        ("/apis/a.b/v1/as%2Fd", Target("a.b", "v1", "as/d")),
    ],
)
def test_a_path_names_a_resource(path: str, expected: Target) -> None:
    assert target(segments(path)) == expected


@pytest.mark.parametrize(
    "path", ["/", "", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/api/v1/watch"]
)
def test_a_path_without_a_resource_names_none(path: str) -> None:
    assert target(segments(path)) is None


@given(st.text(max_size=60))
def test_any_path_can_be_read(text: str) -> None:
    found = target(segments("/" + text))
    assert found is None or isinstance(found, Target)


def test_booleans_are_read_as_upstream_reads_them() -> None:
    read = {text: Query(f"watch={text}").flag("watch") for text in ("true", "True", "1", "", "x")}
    assert read == dict.fromkeys(read, True)
    assert Query("watch=0").flag("watch") is Query("watch=False").flag("watch") is False
    assert Query("").flag("watch") is None


@pytest.mark.parametrize("text", ["x", "1.5", "", "9223372036854775808", "²", "9" * 5000])
def test_what_is_no_number_is_refused_in_gos_words(text: str) -> None:
    with pytest.raises(BadRequest, match=r"strconv\.ParseInt: parsing"):
        Query(f"limit={text}").number("limit")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("resourceVersionMatch=Exact", "resourceVersionMatch"),
        ("resourceVersionMatch=Some&resourceVersion=3", "resourceVersionMatch"),
        ("resourceVersionMatch=Exact&resourceVersion=0", "resourceVersionMatch"),
        ("resourceVersionMatch=Exact&resourceVersion=3&continue=x", "resourceVersionMatch"),
        ("sendInitialEvents=true", "sendInitialEvents"),
        ("watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1", "resourceVersionMatch"),
        ("watch=1&sendInitialEvents=true", "resourceVersionMatch"),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", "resourceVersionMatch"),
    ],
)
def test_parameters_of_lists_that_do_not_fit_are_refused(query: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        list_options(Query(query))
    assert field in {cause.field for cause in caught.value.causes}
    assert caught.value.message.startswith('ListOptions.meta.k8s.io "" is invalid: ')


def test_write_options_name_what_is_wrong() -> None:
    with pytest.raises(Invalid) as caught:
        write_options(Query("dryRun=Some&fieldValidation=Very&fieldManager=a%00b"), "CreateOptions")
    assert [cause.field for cause in caught.value.causes] == [
        "fieldManager",
        "dryRun",
        "fieldValidation",
    ]


def test_only_apply_may_force_and_must_say_who_it_is() -> None:
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        write_options(Query(""), "PatchOptions", apply=True)
    with pytest.raises(Invalid, match="may not be specified for non-apply patch"):
        write_options(Query("force=true"), "PatchOptions")
    options = write_options(Query("force=true&fieldManager=me"), "PatchOptions", apply=True)
    assert options.force
    assert options.field_manager == "me"


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "18446744073709551616", "9" * 5000])
def test_a_version_is_a_whole_number(text: str) -> None:
    with pytest.raises(BadRequest, match=r"resourceVersion: Invalid value"):
        parse_version(text)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("application/*", PLAIN),
        (JSON, PLAIN),
        (f"{TABLE},{TABLE_BETA},{JSON}", Representation(JSON, "table", "v1")),
        (f"{TABLE_BETA},{JSON}", Representation(JSON, "table", "v1beta1")),
        (f"application/json;as=Other;v=v9;g=x,{JSON}", PLAIN),
        ("application/vnd.kubernetes.protobuf, */*", PLAIN),
        ("application/yaml", Representation(YAML)),
        ("text/html,application/yaml;q=0.5,application/json;q=0.9", PLAIN),
        (
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            Representation(JSON, "metadata", "v1"),
        ),
        ("application/json;stream=watch", PLAIN),
    ],
)
def test_the_first_form_that_is_served_is_taken(accept: str, expected: Representation) -> None:
    assert negotiate(accept) == expected


def test_discovery_has_forms_of_its_own() -> None:
    new = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    old = new.replace("v=v2;", "v=v2beta1;")
    assert negotiate(f"{new},{old},{JSON}", discovery=True).version == "v2"
    assert negotiate(f"{old},{JSON}", discovery=True).version == "v2beta1"
    assert negotiate(f"{new},{JSON}") == PLAIN


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.kubernetes.protobuf", "image/*"])
def test_what_is_not_served_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="only the following media types are accepted"):
        negotiate(accept)


@given(st.text(max_size=80))
def test_any_accept_header_can_be_read(accept: str) -> None:
    with contextlib.suppress(NotAcceptable):
        assert negotiate(accept).media in (JSON, YAML)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("32s", 32), ("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), ("0", 0), (".5s", 0.5)],
)
def test_durations_are_those_of_go(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5", "5x", "-1s", "1s2", "1e3s"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert durations.parse(text) is None


def test_a_delete_is_read_from_its_body() -> None:
    body = (
        b'{"gracePeriodSeconds":5,"propagationPolicy":"Orphan","dryRun":["All"],'
        b'"preconditions":{"uid":"u","resourceVersion":"7"},"kind":"DeleteOptions","apiVersion":"v1"}'
    )
    expected = deletes.DeleteOptions("Orphan", 5, "u", "7", None, True)
    assert delete_options(Query("propagationPolicy=Foreground"), body, JSON) == expected


def test_a_delete_without_a_body_is_read_from_its_parameters() -> None:
    query = Query("gracePeriodSeconds=0&propagationPolicy=Foreground&dryRun=All")
    assert delete_options(query, b"", JSON) == deletes.DeleteOptions("Foreground", 0, dry_run=True)
    assert delete_options(Query("orphanDependents=true"), b"", JSON).propagation == "Orphan"


@pytest.mark.parametrize(
    "body",
    [
        b'{"propagationPolicy":"Perhaps"}',
        b'{"propagationPolicy":"Orphan","orphanDependents":true}',
        b'{"dryRun":["Some"]}',
        b'{"gracePeriodSeconds":"now"}',
        b'{"kind":"Pod"}',
        b"[]",
        b"{",
    ],
)
def test_a_delete_that_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        delete_options(Query(""), body, JSON)
    assert caught.value.code in (400, 422)


def test_warnings_can_be_read_whatever_is_in_them() -> None:
    texts = ['unknown field "a\x00\u202e"', 'unknown field "a\x00\u202e"', 'ä "b"\n c']
    assert warning_headers(texts) == [
        (b"warning", rb'299 - "unknown field \"a\\x00\\u202e\""'),
        (b"warning", 'ä "b" c'.replace('"', '\\"').join(['299 - "', '"']).encode()),
    ]
    many = warning_headers(f"{number} {'x' * 1000}" for number in range(1000))
    assert len(many) == 16
    assert all(len(value) < 300 for _, value in many)
