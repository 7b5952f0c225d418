"""Bodies of few bytes and many values."""

from __future__ import annotations

import asyncio

import pytest

from emucluster.core.errors import ApiError, TooLarge
from emucluster.live.kubeapi import bodies
from emucluster.live.kubeapi.accept import JSON, YAML
from emucluster.live.kubeapi.sizes import (
    MANAGED_MAX,
    VALUES_MAX,
    require_few_of_its_own,
    require_few_values,
)
from tests.live.kubeapi.https import Client

MANY = VALUES_MAX + 1
FLAT = b"[" + b"a," * 3 * MANY + b"]"
ALIASES = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (at, at, b",".join([b"*%c" % (at - 1)] * 10)) for at in b"bcdefg"
)


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b'{"data":[' + b"{}," * MANY + b"{}]}", JSON),
        (b'{"data":{' + b",".join(b'"%d":1' % at for at in range(MANY)) + b"}}", JSON),
        (FLAT, YAML),
        (ALIASES, YAML),
    ],
)
def test_values_are_counted(body: bytes, media: str) -> None:
    with pytest.raises(ApiError) as caught:
        asyncio.run(bodies.to_tree(body, media, kind="ConfigMap"))
    assert caught.value.code in (400, 413)


def test_text_is_no_matter_of_values() -> None:
    body = b'{"data":{"csv":"' + b"1,[2],{3}" * VALUES_MAX + b'"}}'
    assert asyncio.run(bodies.to_tree(body, JSON, kind="ConfigMap"))["data"]


def test_what_could_be_created_can_be_changed_and_replaced(admin: Client, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    data = {f"k{at}": "" for at in range(VALUES_MAX - 100)}
    admin.post(maps, {"metadata": {"name": "full"}, "data": data})
    change = {"data": {"k0": "new"}}
    merge = "application/merge-patch+json"
    assert admin.call("PATCH", f"{maps}/full", change, content_type=merge).code == 200
    got = admin.get(f"{maps}/full")
    assert got["metadata"]["managedFields"]
    assert admin.call("PUT", f"{maps}/full", got).code == 200


def test_managed_fields_have_a_limit_of_their_own() -> None:
    few = {"metadata": {"managedFields": [0] * MANAGED_MAX}}
    require_few_values(few)
    with pytest.raises(TooLarge):
        require_few_values({"metadata": {"managedFields": [0] * (MANAGED_MAX + 1)}})
    require_few_of_its_own({"metadata": {"managedFields": [0] * (MANAGED_MAX + 1)}})


def test_a_json_patch_may_have_ten_thousand_operations(admin: Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    admin.post(path, {"metadata": {"name": "a"}, "data": {"k": ""}})
    test = {"op": "test", "path": "/data/k", "value": ""}
    for count, code in ((10_000, 200), (10_001, 413)):
        body, media = [test] * count, "application/json-patch+json"
        assert admin.call("PATCH", f"{path}/a", body, content_type=media).code == code


def test_an_object_does_not_grow_beyond_them_by_patches(admin: Client, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    admin.post(maps, {"metadata": {"name": "grows"}})
    merge, codes = "application/merge-patch+json", []
    for part in "ab":
        data = {f"{part}{at}": "" for at in range(VALUES_MAX * 6 // 10)}
        reply = admin.call("PATCH", f"{maps}/grows", {"data": data}, content_type=merge)
        codes.append(reply.code)
    assert codes == [200, 413]
    assert reply.json["message"] == f"Request entity too large: limit is {VALUES_MAX} values"
