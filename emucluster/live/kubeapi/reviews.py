"""Who am I, and what may I: reviews, which are answered and never stored.

Types: k8s.io/api/authorization/v1 and authentication/v1.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.errors import BadRequest, Cause, Invalid

from . import answers, bodies
from .api import KubeApi
from .paths import Target
from .request import Answer, Request
from .users import HIDDEN, MASTERS, READ_SUBRESOURCES, VIEWERS, Attributes, User, allowed

Tree = dict[str, Any]


async def self_subject(api: KubeApi, request: Request) -> Answer:
    """`kubectl auth whoami`."""
    tree = await _sent(request, "SelfSubjectReview", "authentication.k8s.io/v1")
    user = request.user
    info = {"username": user.name, "groups": list(user.groups)}
    return _reviewed(request, tree, {"userInfo": info})


async def self_access(api: KubeApi, request: Request) -> Answer:
    """`kubectl auth can-i VERB RESOURCE`."""
    tree = await _sent(request, "SelfSubjectAccessReview", "authorization.k8s.io/v1")
    return _reviewed(request, tree, _judged(tree, request.user))


async def access(api: KubeApi, request: Request) -> Answer:
    """The same of another user."""
    tree = await _sent(request, "SubjectAccessReview", "authorization.k8s.io/v1")
    spec = _map(tree, "spec")
    groups = spec.get("groups") or []
    name = spec.get("user") or ""
    if not isinstance(groups, list) or not isinstance(name, str):
        raise BadRequest("SubjectAccessReview: spec.user is text, spec.groups a list of texts")
    return _reviewed(request, tree, _judged(tree, User(name, tuple(map(str, groups)))))


async def self_rules(api: KubeApi, request: Request) -> Answer:
    """`kubectl auth can-i --list`."""
    tree = await _sent(request, "SelfSubjectRulesReview", "authorization.k8s.io/v1")
    status = {
        "resourceRules": _resource_rules(api, request.user),
        "nonResourceRules": _path_rules(request.user),
        "incomplete": False,
    }
    return _reviewed(request, tree, status)


async def _sent(request: Request, kind: str, api_version: str) -> Tree:
    data = await request.body()
    media = bodies.media_type(request)
    tree = await bodies.to_tree(data, media, kind=kind, api_version=api_version)
    if tree["kind"] != kind:
        raise BadRequest(f"{tree['kind']} cannot be handled as a {kind}")
    return tree


def _reviewed(request: Request, tree: Tree, status: Tree) -> Answer:
    head = {"kind": tree["kind"], "apiVersion": tree["apiVersion"]}
    metadata = {**_map(tree, "metadata"), "creationTimestamp": None}
    spec = {"spec": tree["spec"]} if "spec" in tree else {}
    return answers.tree(
        request, {**head, "metadata": metadata, **spec, "status": status}, status=201
    )


def _map(tree: Tree, key: str) -> Tree:
    value = tree.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{key}: expected a map")
    return value


def _judged(tree: Tree, user: User) -> Tree:
    spec = _map(tree, "spec")
    resource, path = _map(spec, "resourceAttributes"), _map(spec, "nonResourceAttributes")
    if bool(resource) == bool(path):
        text = (
            "Required value: exactly one of nonResourceAttributes or resourceAttributes must be "
            "specified"
        )
        causes = [Cause("spec.resourceAttributes", "FieldValueRequired", text)]
        raise Invalid.of(f"{tree['kind']}.authorization.k8s.io", "", causes)
    asked = path or resource
    texts = {key: value for key, value in asked.items() if isinstance(value, str)}
    target = None
    if resource:
        target = Target(
            texts.get("group", ""),
            texts.get("version", ""),
            texts.get("resource", ""),
            texts.get("namespace", ""),
            texts.get("name", ""),
            texts.get("subresource", ""),
        )
    verdict = Attributes(user, texts.get("verb", ""), path=texts.get("path", ""), target=target)
    return {"allowed": allowed(verdict)}


def _resource_rules(api: KubeApi, user: User) -> list[Tree]:
    if MASTERS in user.groups:
        return [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    rules = [
        {
            "verbs": ["create"],
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        },
        {
            "verbs": ["create"],
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["selfsubjectreviews"],
        },
    ]
    if VIEWERS in user.groups:
        groups: dict[str, list[str]] = {}
        for row in api.store.kinds.all():
            if (row.group, row.plural) not in HIDDEN:
                parts = [part for part in row.subresources if part in READ_SUBRESOURCES]
                names = [row.plural, *(f"{row.plural}/{part}" for part in parts)]
                groups.setdefault(row.group, []).extend(names)
        for group, names in groups.items():
            rules.append(
                {
                    "verbs": ["get", "list", "watch"],
                    "apiGroups": [group],
                    "resources": list(dict.fromkeys(names)),
                }
            )
    return rules


def _path_rules(user: User) -> list[Tree]:
    if MASTERS in user.groups or VIEWERS in user.groups:
        verbs = ["*"] if MASTERS in user.groups else ["get"]
        return [{"verbs": verbs, "nonResourceURLs": ["*"]}]
    return [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version"]}]
