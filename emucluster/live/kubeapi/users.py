"""Who asks, and what he may.

Two users: `admin` of the group system:masters, who may everything, and `view`, who may read as the
ClusterRole `view` of Kubernetes may: no Secrets, no way into pods. Whoever shows nothing is
system:anonymous, who may ask for health and version, as the role system:public-info-viewer may
(kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go). Pure.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from emucluster.core.errors import BadRequest, Forbidden, Unauthorized

from .paths import Target

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
VIEWERS = "emucluster:viewers"


@dataclass(frozen=True, slots=True)
class User:
    """A name with its groups."""

    name: str
    groups: tuple[str, ...]


ADMIN = User("admin", (MASTERS, AUTHENTICATED))
VIEW = User("view", (VIEWERS, AUTHENTICATED))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))

PUBLIC_PATHS = frozenset(["/healthz", "/livez", "/readyz", "/version"])
READ_VERBS = frozenset(["get", "list", "watch"])
HIDDEN = frozenset([("", "secrets")])
READ_SUBRESOURCES = frozenset(["", "status", "scale", "log"])
SELF_REVIEWS = frozenset(
    [
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    ]
)
"""What everybody who is known may create, for nothing is written."""


def authenticate(
    headers: Mapping[str, str], tokens: Mapping[str, User], certificate: User | None
) -> User:
    """Who sent a request.

    A bearer token counts before a client certificate. Raises Unauthorized for a token that is not
    known: whoever shows one means to be somebody.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = given.strip().encode()
        for known, user in tokens.items():
            if hmac.compare_digest(token, known.encode()):
                return user
        raise Unauthorized("Unauthorized")
    if certificate is not None:
        return certificate
    if scheme:
        raise Unauthorized("Unauthorized")
    return ANONYMOUS


def acting(user: User, headers: Mapping[str, str]) -> User:
    """As whom a request is to be handled: `kubectl --as`, `--as-group`.

    Administrators may be anybody, others nobody else. The users known here keep their groups when
    none are named. Raises Forbidden, BadRequest. (k8s.io/apiserver
    pkg/endpoints/filters/impersonation.go)
    """
    wanted = [name for name in headers if name.startswith("impersonate-")]
    if not wanted:
        return user
    name = headers.get("impersonate-user", "")
    if not name:
        raise BadRequest(f"requested {', '.join(sorted(wanted))} without impersonating a user")
    if MASTERS not in user.groups:
        why = f'User "{user.name}" cannot impersonate resource "users" in API group ""'
        raise Forbidden.of("users", name, f"{why} at the cluster scope")
    if name == ANONYMOUS.name:
        return ANONYMOUS
    groups = tuple(filter(None, headers.get("impersonate-group", "").split(",")))
    known = {each.name: each.groups for each in (ADMIN, VIEW)}
    return User(name, tuple(dict.fromkeys((*(groups or known.get(name, ())), AUTHENTICATED))))


@dataclass(frozen=True, slots=True)
class Attributes:
    """One action, as an authorizer sees it. `target` is None for paths that name no resource."""

    user: User
    verb: str
    path: str = ""
    target: Target | None = None


def allowed(asked: Attributes) -> bool:
    """Whether the user may do it."""
    user, verb, target = asked.user, asked.verb, asked.target
    if MASTERS in user.groups:
        return True
    if target is None:
        return _public(asked.path) or (VIEWERS in user.groups and verb in ("get", "head"))
    if AUTHENTICATED in user.groups and verb == "create":
        return (target.group, target.plural) in SELF_REVIEWS
    if VIEWERS not in user.groups or verb not in READ_VERBS:
        return False
    hidden = (target.group, target.plural) in HIDDEN
    return not hidden and target.subresource in READ_SUBRESOURCES


def _public(path: str) -> bool:
    path = path.rstrip("/")
    return path in PUBLIC_PATHS or path.startswith(("/livez/", "/readyz/", "/healthz/"))


def require(asked: Attributes) -> None:
    """Raises Forbidden in the words of apiserver .../responsewriters/errors.go."""
    if allowed(asked):
        return
    user, verb, target = asked.user.name, asked.verb, asked.target
    if target is None:
        raise Forbidden(f'forbidden: User "{user}" cannot {verb} path "{asked.path}"')
    part = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    namespace = target.namespace or (target.name if target.plural == "namespaces" else "")
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    why = f'User "{user}" cannot {verb} resource "{part}" in API group "{target.group}" {where}'
    qualified = f"{target.plural}.{target.group}" if target.group else target.plural
    raise Forbidden.of(qualified, target.name, why)


def verb_of(method: str, target: Target | None, *, watch: bool) -> str:
    """The verb of the API that a method of HTTP stands for; the method itself for plain paths."""
    if target is None:
        return method.lower()
    if method in ("GET", "HEAD"):
        if watch and (target.watch or not target.name):
            return "watch"
        return "get" if target.name else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch"}
    return verbs.get(method, method.lower())
