"""Kubernetes DNS-Based Service Discovery 1.1.0, clause by clause."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core import objects as k8s
from emucluster.core.dns.answer import Answer, ExternalName, Record
from emucluster.core.dns.records import DnsView

ZONE = "svc.cluster.local"


def service(name: str, **spec: Any) -> k8s.Service:
    spec.setdefault("ports", (k8s.ServicePort(name="http", port=80, protocol="TCP"),))
    return k8s.Service(
        metadata=k8s.ObjectMeta(name=name, namespace="default"), spec=k8s.ServiceSpec(**spec)
    )


def slice_of(
    service: str, *endpoints: k8s.Endpoint, name: str = "", port_name: str = "http"
) -> k8s.EndpointSlice:
    return k8s.EndpointSlice(
        metadata=k8s.ObjectMeta(
            name=name or f"{service}-1",
            namespace="default",
            labels={"kubernetes.io/service-name": service},
        ),
        address_type="IPv4",
        endpoints=endpoints,
        ports=(k8s.EndpointPort(name=port_name, port=8080, protocol="TCP"),),
    )


def endpoint(ip: str, *, ready: bool | None = True, hostname: str | None = None) -> k8s.Endpoint:
    return k8s.Endpoint(
        addresses=(ip,), conditions=k8s.EndpointConditions(ready=ready), hostname=hostname
    )


A, B, C = "127.32.1.2", "127.32.1.3", "127.32.1.4"


@pytest.fixture
def view() -> DnsView:
    """web has a ClusterIP, db is headless, old leads outside, alias to web."""
    view = DnsView(outside={"legacy.example": "127.0.0.9:5000"})
    for obj in (
        service("web", type="ClusterIP", cluster_ip="10.96.0.50"),
        service("db", type="ClusterIP", cluster_ip="None"),
        slice_of("db", endpoint(A, hostname="db-0"), endpoint(B), endpoint(C, ready=False)),
        slice_of("web", endpoint(A)),
        service("old", type="ExternalName", external_name="legacy.example"),
        service("gone", type="ExternalName", external_name="elsewhere.example"),
        service("alias", type="ExternalName", external_name=f"web.default.{ZONE}"),
    ):
        view.handle("ADDED", obj)
    return view


def values(answer: Answer) -> list[str]:
    assert answer.rcode == "NOERROR"
    return [r.value for r in answer.records]


def test_a_service_is_its_cluster_ip(view: DnsView) -> None:
    name = f"web.default.{ZONE}."
    assert view.answer(name, "A") == Answer("NOERROR", (Record(name, 5, "A", "10.96.0.50"),))


def test_names_are_compared_without_case(view: DnsView) -> None:
    assert values(view.answer(f"WEB.Default.{ZONE}", "A")) == ["10.96.0.50"]


def test_a_headless_service_is_its_ready_endpoints(view: DnsView) -> None:
    assert sorted(values(view.answer(f"db.default.{ZONE}", "A"))) == [A, B]


def test_addresses_come_in_another_order_each_time(view: DnsView) -> None:
    firsts = [values(view.answer(f"db.default.{ZONE}", "A"))[0] for _ in range(4)]
    assert firsts == [A, B, A, B]


def test_questions_of_other_types_do_not_turn_the_order(view: DnsView) -> None:
    firsts = []
    for _ in range(2):
        firsts.append(values(view.answer(f"db.default.{ZONE}", "A"))[0])
        view.answer(f"db.default.{ZONE}", "AAAA")
    assert firsts == [A, B]


def test_a_headless_service_without_ready_endpoints_does_not_exist(view: DnsView) -> None:
    view.handle("MODIFIED", slice_of("db", endpoint(A, ready=False)))
    assert view.answer(f"db.default.{ZONE}", "A").rcode == "NXDOMAIN"


def test_an_unset_ready_condition_is_ready(view: DnsView) -> None:
    view.handle("MODIFIED", slice_of("db", endpoint(C, ready=None)))
    assert values(view.answer(f"db.default.{ZONE}", "A")) == [C]


def test_an_address_in_two_slices_is_answered_once(view: DnsView) -> None:
    view.handle("ADDED", slice_of("db", endpoint(A), name="db-2"))
    assert sorted(values(view.answer(f"db.default.{ZONE}", "A"))) == [A, B]


@pytest.mark.parametrize(("host", "ip"), [("db-0", A), ("127-32-1-3", B)])
def test_an_endpoint_has_its_hostname_or_its_address_as_name(
    view: DnsView, host: str, ip: str
) -> None:
    assert values(view.answer(f"{host}.db.default.{ZONE}", "A")) == [ip]


def test_srv_of_a_named_port_names_the_service_and_its_port(view: DnsView) -> None:
    answer = view.answer(f"_http._tcp.web.default.{ZONE}", "SRV")
    assert values(answer) == [f"0 100 80 web.default.{ZONE}."]
    assert [r.value for r in answer.additional] == ["10.96.0.50"]


def test_srv_of_a_headless_service_names_each_endpoint_and_its_own_port(view: DnsView) -> None:
    answer = view.answer(f"_http._tcp.db.default.{ZONE}", "SRV")
    assert values(answer) == [
        f"0 50 8080 db-0.db.default.{ZONE}.",
        f"0 50 8080 127-32-1-3.db.default.{ZONE}.",
    ]
    assert [r.value for r in answer.additional] == [A, B]


@pytest.mark.parametrize("name", ["_grpc._tcp.web", "_http._udp.web", "_http._tcp.nosuch"])
def test_srv_of_a_port_that_is_not_there_does_not_exist(view: DnsView, name: str) -> None:
    assert view.answer(f"{name}.default.{ZONE}", "SRV").rcode == "NXDOMAIN"


def test_an_external_name_is_an_alias_without_addresses_of_ours(view: DnsView) -> None:
    alias = Record(f"gone.default.{ZONE}.", 5, "CNAME", "elsewhere.example.")
    assert view.answer(f"gone.default.{ZONE}", "A") == Answer("NOERROR", (alias,))
    assert view.answer(f"gone.default.{ZONE}", "CNAME") == Answer("NOERROR", (alias,))


def test_an_alias_to_a_declared_name_or_to_a_service_is_followed(view: DnsView) -> None:
    assert values(view.answer(f"old.default.{ZONE}", "A")) == ["legacy.example.", "127.0.0.9"]
    assert values(view.answer(f"alias.default.{ZONE}", "A")) == [
        f"web.default.{ZONE}.",
        "10.96.0.50",
    ]


def test_aliases_in_a_circle_end(view: DnsView) -> None:
    view.handle(
        "MODIFIED", service("alias", type="ExternalName", external_name=f"b.default.{ZONE}")
    )
    view.handle("ADDED", service("b", type="ExternalName", external_name=f"alias.default.{ZONE}"))
    circle = [f"b.default.{ZONE}.", f"alias.default.{ZONE}."]
    assert values(view.answer(f"alias.default.{ZONE}", "A")) == circle
    assert view.resolve("alias", "default") == ExternalName(f"alias.default.{ZONE}")


@pytest.mark.parametrize(
    ("name", "qtype"),
    [("web.default.svc", "AAAA"), ("web.default.svc", "TXT"), ("default.svc", "A"), ("svc", "A")],
)
def test_a_name_without_such_records_is_no_data_with_soa(
    view: DnsView, name: str, qtype: str
) -> None:
    answer = view.answer(f"{name}.cluster.local", qtype)
    assert (answer.rcode, answer.records) == ("NOERROR", ())
    assert [r.type for r in answer.authority] == ["SOA"]


@pytest.mark.parametrize(
    "name", ["nosuch.default.svc", "web.other.svc", "a.b.c.web.default.svc", "other.svc", "nosuch"]
)
def test_a_name_that_is_not_there_is_nxdomain_with_soa(view: DnsView, name: str) -> None:
    answer = view.answer(f"{name}.cluster.local", "A")
    assert answer.rcode == "NXDOMAIN"
    assert [r.type for r in answer.authority] == ["SOA"]


def test_other_zones_are_refused_and_declared_names_are_not(view: DnsView) -> None:
    assert view.answer("example.com", "A").rcode == "REFUSED"
    assert view.answer("notcluster.local", "A").rcode == "REFUSED"
    assert values(view.answer("legacy.example", "A")) == ["127.0.0.9"]


def test_the_zone_itself(view: DnsView) -> None:
    assert values(view.answer("cluster.local", "NS")) == ["ns.dns.cluster.local."]
    assert values(view.answer("ns.dns.cluster.local", "A")) == ["10.96.0.10"]
    assert values(view.answer("dns-version.cluster.local", "TXT")) == ['"1.1.0"']
    (soa,) = view.answer("cluster.local", "SOA").records
    assert soa.value.startswith("ns.dns.cluster.local. hostmaster.cluster.local. ")


def test_ptr_of_a_cluster_ip_and_of_headless_endpoints(view: DnsView) -> None:
    assert values(view.answer("50.0.96.10.in-addr.arpa", "PTR")) == [f"web.default.{ZONE}."]
    assert values(view.answer("2.1.32.127.in-addr.arpa", "PTR")) == [f"db-0.db.default.{ZONE}."]
    assert view.answer("9.9.9.9.in-addr.arpa", "PTR").rcode == "NXDOMAIN"


def test_pod_names_are_their_addresses() -> None:
    name = "127-32-1-2.default.pod.cluster.local"
    assert values(DnsView().answer(name, "A")) == ["127.32.1.2"]
    assert DnsView().answer("127-32-1.default.pod.cluster.local", "A").rcode == "NXDOMAIN"


def test_verified_pod_names_exist_while_the_pod_does() -> None:
    view, name = DnsView(verify_pods=True), "127-32-1-2.default.pod.cluster.local"
    pod = k8s.Pod(
        metadata=k8s.ObjectMeta(name="p", namespace="default"), status=k8s.PodStatus(pod_ip=A)
    )
    assert view.answer(name, "A").rcode == "NXDOMAIN"
    view.handle("ADDED", pod)
    view.handle("MODIFIED", pod)
    assert values(view.answer(name, "A")) == [A]
    view.handle("DELETED", pod)
    assert view.answer(name, "A").rcode == "NXDOMAIN"


def test_names_follow_their_service(view: DnsView) -> None:
    view.handle("MODIFIED", service("web", type="ExternalName", external_name="new.example"))
    assert values(view.answer(f"web.default.{ZONE}", "A")) == ["new.example."]
    assert view.answer("50.0.96.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    view.handle("DELETED", service("web"))
    assert view.answer(f"web.default.{ZONE}", "A").rcode == "NXDOMAIN"


@pytest.mark.parametrize("name", ["web", "web.default", "web.default.svc", f"web.default.{ZONE}."])
def test_a_pod_resolves_short_names_by_its_search_list(view: DnsView, name: str) -> None:
    assert view.resolve(name, "default") == ["10.96.0.50"]


def test_a_short_name_of_another_namespace_needs_that_namespace(view: DnsView) -> None:
    assert view.resolve("web", "other") is None
    assert view.resolve("web.default", "other") == ["10.96.0.50"]


@pytest.mark.parametrize("name", ["db", "db.default", f"db.default.{ZONE}."])
def test_a_headless_service_without_ready_endpoints_resolves_to_no_address(
    view: DnsView, name: str
) -> None:
    found = view.resolve(name, "default")
    assert isinstance(found, list)
    assert sorted(found) == [A, B]
    view.handle("MODIFIED", slice_of("db", endpoint(A, ready=False)))
    assert view.resolve(name, "default") == []
    view.handle("DELETED", service("db", type="ClusterIP", cluster_ip="None"))
    assert view.resolve(name, "default") is None


def test_resolving_external_names_gives_the_name_to_dial(view: DnsView) -> None:
    assert view.resolve("old", "default") == ExternalName("legacy.example")
    assert view.resolve("gone", "default") == ExternalName("elsewhere.example")
    assert view.resolve("legacy.example", "default") == ExternalName("legacy.example")
    assert view.resolve("alias", "default") == ["10.96.0.50"]
    assert view.resolve("undeclared.example", "default") is None


ips = st.integers(2, 6).map(lambda n: f"127.32.1.{n}")
endpoints = st.builds(
    lambda ip, ready, hostname: endpoint(ip, ready=ready, hostname=hostname),
    ips,
    st.sampled_from([True, False, None]),
    st.sampled_from([None, "db-0"]),
)
objects = st.builds(
    lambda name, held, at: slice_of(name, *held, name=f"s{at}-{name}"),
    st.sampled_from(["db", "web"]),
    st.lists(endpoints, max_size=4),
    st.integers(1, 2),
) | st.builds(
    lambda name, ip: service(name, type="ClusterIP", cluster_ip=ip),
    st.sampled_from(["db", "web"]),
    st.sampled_from(["None", "10.96.0.50", "10.96.0.51"]),
)


@given(st.lists(st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), objects), max_size=20))
def test_after_any_history_the_answers_are_those_of_what_is_left(history: list[Any]) -> None:
    kept, left = DnsView(), dict[tuple[str, str], k8s.Object]()
    for event_type, obj in history:
        kept.handle(event_type, obj)
        left[obj.kind, obj.metadata.name] = obj
        if event_type == "DELETED":
            del left[obj.kind, obj.metadata.name]
    fresh = DnsView()
    for obj in left.values():
        fresh.handle("ADDED", obj)
    questions = [(f"{n}.default.{ZONE}", t) for n in ("db", "web", "db-0.db") for t in ("A", "SRV")]
    questions += [(f"{n}.1.32.127.in-addr.arpa", "PTR") for n in range(2, 7)]
    for name, qtype in questions:
        ours, theirs = kept.answer(name, qtype), fresh.answer(name, qtype)
        assert ours.rcode == theirs.rcode
        assert sorted(r.value for r in ours.records) == sorted(r.value for r in theirs.records)


@given(st.text(max_size=60), st.sampled_from(["A", "AAAA", "SRV", "ANY", "TYPE65280"]))
def test_any_question_gets_an_answer(name: str, qtype: str) -> None:
    assert DnsView().answer(name, qtype).rcode in ("NOERROR", "NXDOMAIN", "REFUSED")
