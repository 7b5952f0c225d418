"""Who may do what, and how a refusal reads."""

from __future__ import annotations

import pytest

from emucluster.core.errors import BadRequest, Forbidden, Unauthorized
from emucluster.live.kubeapi.paths import Target
from emucluster.live.kubeapi.users import (
    ADMIN,
    ANONYMOUS,
    VIEW,
    Attributes,
    User,
    acting,
    allowed,
    authenticate,
    require,
    verb_of,
)
from tests.live.kubeapi.https import Client

TOKENS = {"secret": ADMIN, "look": VIEW}
PODS = Target("", "v1", "pods", "default")


def test_a_token_counts_before_a_certificate() -> None:
    someone = User("someone", ())
    assert authenticate({"authorization": "Bearer look"}, TOKENS, someone) == VIEW
    assert authenticate({"authorization": "bearer secret"}, TOKENS, None) == ADMIN
    assert authenticate({}, TOKENS, someone) == someone
    assert authenticate({}, TOKENS, None) == ANONYMOUS


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "Bearer", "Basic c2VjcmV0"])
def test_a_wrong_token_is_not_anonymous(given: str) -> None:
    with pytest.raises(Unauthorized, match=r"^Unauthorized$"):
        authenticate({"authorization": given}, TOKENS, None)


def test_administrators_may_act_as_others() -> None:
    assert acting(ADMIN, {}) == ADMIN
    assert acting(ADMIN, {"impersonate-user": "view"}) == VIEW
    assert acting(ADMIN, {"impersonate-user": "system:anonymous"}) == ANONYMOUS
    someone = acting(ADMIN, {"impersonate-user": "jane", "impersonate-group": "a,b"})
    assert someone == User("jane", ("a", "b", "system:authenticated"))
    assert not allowed(Attributes(someone, "list", target=PODS))
    with pytest.raises(BadRequest, match="without impersonating a user"):
        acting(ADMIN, {"impersonate-group": "system:masters"})


@pytest.mark.parametrize("user", [VIEW, ANONYMOUS])
def test_nobody_else_acts_as_others(user: User) -> None:
    with pytest.raises(Forbidden, match='cannot impersonate resource "users"'):
        acting(user, {"impersonate-user": "admin", "impersonate-group": "system:masters"})


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_view_reads(verb: str) -> None:
    assert allowed(Attributes(VIEW, verb, target=PODS))
    assert allowed(Attributes(VIEW, verb, target=Target("", "v1", "pods", "x", "p", "log")))


@pytest.mark.parametrize(
    ("verb", "target"),
    [
        ("create", PODS),
        ("delete", Target("", "v1", "pods", "x", "p")),
        ("patch", Target("apps", "v1", "deployments", "x", "d", "scale")),
        ("get", Target("", "v1", "secrets", "x", "s")),
        ("list", Target("", "v1", "secrets")),
        ("get", Target("", "v1", "pods", "x", "p", "exec")),
        ("get", Target("", "v1", "pods", "x", "p", "portforward")),
        ("create", Target("", "v1", "pods", "x", "p", "eviction")),
    ],
)
def test_view_writes_nothing_and_sees_no_secrets(verb: str, target: Target) -> None:
    assert not allowed(Attributes(VIEW, verb, target=target))
    assert allowed(Attributes(ADMIN, verb, target=target))


def test_everybody_who_is_known_may_ask_what_he_may() -> None:
    review = Target("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
    assert allowed(Attributes(VIEW, "create", target=review))
    assert not allowed(Attributes(ANONYMOUS, "create", target=review))


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/healthz", True),
        ("/livez/ping", True),
        ("/readyz/", True),
        ("/version/", True),
        ("/metrics", False),
        ("/api", False),
        ("/", False),
    ],
)
def test_anonymous_asks_for_health_and_version(path: str, may: bool) -> None:
    assert allowed(Attributes(ANONYMOUS, "get", path=path)) is may
    assert not allowed(Attributes(ANONYMOUS, "list", target=PODS))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            Attributes(VIEW, "create", target=PODS),
            'pods is forbidden: User "view" cannot create resource "pods" in API group "" in the '
            'namespace "default"',
        ),
        (
            Attributes(
                VIEW, "patch", target=Target("apps", "v1", "deployments", "x", "web", "scale")
            ),
            'deployments.apps "web" is forbidden: User "view" cannot patch resource '
            '"deployments/scale" in API group "apps" in the namespace "x"',
        ),
        (
            Attributes(VIEW, "delete", target=Target("", "v1", "nodes", "", "n1")),
            'nodes "n1" is forbidden: User "view" cannot delete resource "nodes" in API group "" '
            "at the cluster scope",
        ),
        (
            Attributes(ANONYMOUS, "get", path="/metrics"),
            'forbidden: User "system:anonymous" cannot get path "/metrics"',
        ),
    ],
)
def test_a_refusal_reads_as_upstream(asked: Attributes, message: str) -> None:
    with pytest.raises(Forbidden) as caught:
        require(asked)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("method", "named", "watch", "verb"),
    [
        ("GET", False, False, "list"),
        ("GET", False, True, "watch"),
        ("GET", True, True, "get"),
        ("POST", False, False, "create"),
        ("PUT", True, False, "update"),
        ("PATCH", True, False, "patch"),
        ("DELETE", True, False, "delete"),
        ("DELETE", False, False, "deletecollection"),
    ],
)
def test_methods_are_verbs(method: str, named: bool, watch: bool, verb: str) -> None:
    target = Target("", "v1", "pods", "x", "p" if named else "")
    assert verb_of(method, target, watch=watch) == verb


def test_as_counts_over_https(admin: Client, view: Client) -> None:
    secrets = "/api/v1/namespaces/default/secrets"
    assert admin.call("GET", secrets).code == 200
    assert admin.call("GET", secrets, impersonate_user="view").code == 403
    reply = view.call("GET", "/api/v1/pods", impersonate_user="admin")
    assert reply.code == 403
    assert 'users "admin" is forbidden: User "view" cannot impersonate' in reply.json["message"]
