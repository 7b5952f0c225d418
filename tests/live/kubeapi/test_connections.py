"""Connections: TLS, and clients that are slow, malformed or too many."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from cryptography import x509

from emucluster.live.kubeapi import app, crowd, limits, protocol, requests_seen
from emucluster.live.kubeapi.certificates import Authority
from emucluster.live.kubeapi.pieces import PIECE_BYTES_MAX
from emucluster.live.kubeapi.request import BODY_MAX
from tests.live.kubeapi.https import Client
from tests.live.kubeapi.plane import ADDRESS, Plane

MAPS = "/api/v1/namespaces/default/configmaps"


@contextmanager
def connected(client: Client, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
    host, _, port = client.server.partition(":")
    chosen = context or client.context
    with (
        socket.create_connection((host, int(port)), timeout=60) as plain,
        chosen.wrap_socket(plain, server_hostname=host) as tls,
    ):
        yield tls


def is_served(client: Client, context: ssl.SSLContext | None = None) -> bool:
    """Whether a connection is taken and a request on it answered."""
    try:
        with connected(client, context) as tls:
            tls.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            return tls.recv(100).startswith(b"HTTP/1.1 200 ")
    except (ssl.SSLError, ConnectionError):
        return False


def answer(tls: ssl.SSLSocket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    try:
        while chunk := tls.recv(65536):
            received += chunk
    except (ConnectionResetError, ssl.SSLError):
        pass
    return received


def test_strict_clients_accept_the_authority_and_the_server(admin: Client) -> None:
    context = ssl.create_default_context(cadata=admin.authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connected(admin, context) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
        assert tls.version() == "TLSv1.3"
        certificate = tls.getpeercert()
    assert certificate is not None
    names = certificate["subjectAltName"]
    assert ("DNS", "kubernetes.default.svc") in names
    assert ("IP Address", "10.96.0.1") in names


def test_a_certificate_of_another_authority_ends_the_handshake(
    admin: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("other")
    Authority(directory, "other").client("admin", ["system:masters"])
    context = ssl.create_default_context(cadata=admin.authority)
    context.load_cert_chain(directory / "admin.crt", directory / "admin.key")
    assert is_served(admin)
    assert not is_served(admin, context)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(admin: Client) -> None:
    context = ssl.create_default_context(cadata=admin.authority)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert not is_served(admin, context)


def test_keys_and_tokens_are_for_their_owner_alone(api_plane: Plane) -> None:
    directory = api_plane.directory
    files = [*directory.glob("kubeconfig*"), *(directory / "pki").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((directory / "pki").stat().st_mode) == 0o700


def test_the_authority_may_sign_and_the_others_may_not(api_plane: Plane) -> None:
    pki = api_plane.directory / "pki"
    for name, may in (("ca", True), ("server", False), ("admin", False)):
        certificate = x509.load_pem_x509_certificate((pki / f"{name}.crt").read_bytes())
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value.ca is may


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"\x00\x01\x02\x03" * 100,
        b"POST / HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_hurts_nobody(admin: Client, sent: bytes) -> None:
    with connected(admin) as tls:
        tls.sendall(sent)
        assert answer(tls).startswith(b"HTTP/1.1 400 ")
    assert admin.get("/version")["major"] == "1"


@pytest.mark.parametrize("size", [protocol.HEAD_MAX + 1000, 3 * protocol.HEAD_MAX])
def test_headers_have_a_limit(admin: Client, size: int) -> None:
    with connected(admin) as tls:
        tls.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * size)
        assert answer(tls).startswith(b"HTTP/1.1 4")


def test_many_headers_have_a_limit_too(admin: Client) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 100) for number in range(3000))
    with connected(admin) as tls:
        try:
            tls.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            return
        assert not answer(tls).startswith(b"HTTP/1.1 200")


def test_a_body_has_a_limit(admin: Client) -> None:
    reply = admin.call("POST", MAPS, b"x" * (BODY_MAX + 1), content_type="application/json")
    assert reply.code == 413
    assert reply.json["reason"] == "RequestEntityTooLarge"
    assert reply.json["message"] == "Request entity too large: limit is 3145728"
    admin.close()
    with connected(admin) as tls:
        head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin.token}\r\n"
        tls.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(5):
                tls.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # refused before all of it was sent
        assert tls.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_says_it_has_a_large_body_is_told_before_it_sends_it(admin: Client) -> None:
    with connected(admin) as tls:
        head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin.token}\r\n"
        tls.sendall(head.encode() + b"Content-Length: 999999999\r\nExpect: 100-continue\r\n\r\n")
        assert tls.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("sent", [b"GET /version HTT", b"GET /version HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_end_is_cut_off(
    admin: Client, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_DEADLINE_S", 0.2)
    with connected(admin) as tls:
        tls.sendall(sent)
        assert answer(tls) == b""


def test_a_connection_that_is_not_used_is_cut_off(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "FIRST_BYTE_S", 0.2)
    with connected(admin) as tls:
        assert answer(tls) == b""


def test_a_body_that_does_not_come_ends_with_the_request(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER_S", 0.2)
    with connected(admin) as tls:
        head = f"POST {MAPS}?timeout=300ms HTTP/1.1\r\nHost: x\r\n"
        head += f"Authorization: Bearer {admin.token}\r\nContent-Length: 100\r\n\r\n"
        tls.sendall(head.encode() + b"{")
        received = answer(tls)
    assert received.startswith(b"HTTP/1.1 504 ")
    assert b'"reason": "Timeout"' in received


def test_a_handshake_that_never_begins_holds_nobody_up(admin: Client) -> None:
    host, _, port = admin.server.partition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(20)]
    assert admin.get("/version")["major"] == "1"
    for each in silent:
        each.close()


def test_a_watcher_that_does_not_read_is_cut_off_and_others_are_not(
    api_plane: Plane, admin: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "STALLED_S", 0.3)
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    hub = api_plane.serving.api.hub
    large = {"metadata": {"name": "large"}, "data": {"k": "x" * 900_000}}
    admin.post(maps, large)
    before = api_plane.run(lambda: hub.watchers)
    with connected(admin) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET {maps}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin.token}\r\n"
        deaf.sendall(head.encode() + b"\r\n")
        listening = admin.watch(f"{maps}?watch=1&timeoutSeconds=60")
        assert next(listening)["type"] == "ADDED"
        deadline_s = time.monotonic() + 60
        merge = "application/merge-patch+json"
        number = 0
        while api_plane.run(lambda: hub.watchers) > before + 1 and time.monotonic() < deadline_s:
            number += 1
            body = {"metadata": {"labels": {"n": str(number)}}}
            admin.call("PATCH", f"{maps}/large", body, content_type=merge)
            assert next(listening)["type"] == "MODIFIED"
        assert api_plane.run(lambda: hub.watchers) == before + 1
        listening.close()


def test_requests_under_way_have_a_limit(
    admin: Client, view: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READS_MAX", 0)
    reply = view.call("GET", MAPS)
    assert reply.code == 429
    assert reply.headers["retry-after"] == "1"
    assert reply.json["reason"] == "TooManyRequests"
    assert reply.json["details"] == {"retryAfterSeconds": 1}
    assert admin.call("GET", MAPS).code == 200
    assert admin.call("POST", MAPS, {"metadata": {"generateName": "a-"}}).code == 201


@contextmanager
def fed(client: Client, sent: bytes, count: int) -> Iterator[list[ssl.SSLSocket]]:
    """Connections on each of which something was sent."""
    with ExitStack() as stack:
        open_ = [stack.enter_context(connected(client)) for _ in range(count)]
        for tls in open_:
            tls.sendall(sent)
        yield open_


def test_anonymous_connections_shut_nobody_out(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admin.get("/version")["major"] == "1"
    monkeypatch.setattr(crowd, "CONNECTIONS_MAX", 12)
    anonymous = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    with fed(admin, b"", 1) as (silent,), ExitStack() as stack:
        for _ in range(20):
            tls = stack.enter_context(connected(admin))
            tls.sendall(anonymous)
            assert tls.recv(100).startswith(b"HTTP/1.1 200 ")
        assert answer(silent) == b""  # whoever came first made place
        assert admin.get("/version")["major"] == "1"
        admin.close()
        assert admin.get("/version")["major"] == "1"


def test_slow_bodies_of_one_user_keep_no_other_from_writing(
    admin: Client, view: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WRITES_MAX", "BODIES_MAX"):
        monkeypatch.setattr(limits, name, 3)
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    head = f"POST {reviews} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {view.token}\r\n"
    slow = head.encode() + b"Content-Length: 100000\r\n\r\n{"
    with fed(view, slow, 4) as open_:
        refused = 0
        for tls in open_:
            tls.settimeout(1.0)
            with suppress(TimeoutError):
                refused += tls.recv(100).startswith(b"HTTP/1.1 429 ")
        assert refused == 1
        reply = admin.call("POST", MAPS, {"metadata": {"generateName": "b-"}})
        assert reply.code == 201


def test_a_body_that_comes_too_slowly_is_refused(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_GRACE_S", 0.2)
    monkeypatch.setattr(protocol, "LINGER_S", 0.2)
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin.token}\r\n"
    with fed(admin, head.encode() + b"Content-Length: 100\r\n\r\n{", 1) as (tls,):
        received = answer(tls)
    assert received.startswith(b"HTTP/1.1 504 ")
    assert b"the body of the request came too slowly" in received


def test_an_upgrade_without_a_key_is_refused_with_a_status(admin: Client) -> None:
    path = "/api/v1/namespaces/default/pods/none/exec"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin.token}\r\n"
    head += "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with fed(admin, head.encode(), 1) as (tls,):
        received = answer(tls)
    top, _, body = received.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 400 ")
    assert b"application/json" in top
    status = json.loads(body)
    assert (status["kind"], status["code"]) == ("Status", 400)
    assert "Sec-WebSocket-Key" in status["message"]


def test_watchers_that_do_not_read_hold_one_piece_each(
    api_plane: Plane, admin: Client, namespace: str
) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    for number in range(6):
        admin.post(maps, {"metadata": {"name": f"m{number}"}, "data": {"k": "x" * 900_000}})
    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": maps.encode(),
        "query_string": b"watch=1",
        "headers": [(b"authorization", f"Bearer {admin.token}".encode())],
        "state": {},
    }
    serving = api_plane.serving
    kept = serving.api._encodings._kept

    async def opened() -> tuple[list[int], int]:
        sizes: list[int] = []
        all_began = asyncio.Event()

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if body := message.get("body"):
                sizes.append(len(body))
                if len(sizes) == 8:
                    all_began.set()
                await never()

        before = set(kept)
        app = serving._server._config.loaded_app
        tasks = [asyncio.create_task(app(scope, never, send)) for _ in range(8)]
        await asyncio.wait_for(all_began.wait(), 50)
        encoded = len(set(kept) - before)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return sizes, encoded

    sizes, encoded = api_plane.run(opened)
    assert sizes == [PIECE_BYTES_MAX] * 8
    assert encoded == 2  # the one that is on its way and the next, for all watchers together


def test_requests_behind_one_another_are_answered_in_order(admin: Client) -> None:
    head = f"Host: x\r\nAuthorization: Bearer {admin.token}\r\n"
    wanted = ("/healthz", "/version", "/api")
    sent = "".join(f"GET {path} HTTP/1.1\r\n{head}\r\n" for path in wanted)
    last = f"GET /livez HTTP/1.1\r\n{head}Connection: close\r\n\r\n"
    with connected(admin) as tls:
        tls.sendall((sent + last).encode())
        received = answer(tls)
    assert received.count(b"HTTP/1.1 200 ") == 4
    assert received.index(b"gitVersion") < received.index(b"APIVersions")


def test_a_bug_is_a_500_and_no_hang(
    api_plane: Plane, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(type(api_plane.serving.api), "shape", broken)
    reply = admin.call("GET", MAPS)
    assert reply.code == 500
    assert reply.json["reason"] == "InternalError"
    assert reply.json["message"] == "Internal error occurred: ZeroDivisionError: a bug"


def test_an_upgrade_that_is_not_offered_is_refused_in_words(admin: Client) -> None:
    head = f"Host: x\r\nAuthorization: Bearer {admin.token}\r\nConnection: Upgrade\r\n"
    socket_head = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    socket_head += "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    path = "/api/v1/namespaces/default/services/none/proxy"
    for method, upgrade in (("GET", socket_head), ("POST", "Upgrade: SPDY/3.1\r\n\r\n")):
        with connected(admin) as tls:
            tls.sendall(f"{method} {path} HTTP/1.1\r\n{head}{upgrade}".encode())
            received = answer(tls)
            assert received.startswith(b"HTTP/1.1 405 ")
            assert b"the proxy subresource of services is not served" in received


def test_it_listens_on_the_loopback_alone(api_plane: Plane) -> None:
    assert api_plane.serving.address.startswith(f"{ADDRESS}:")
    assert ADDRESS.startswith("127.")
    assert requests_seen.BUCKETS_S[-1] == app.REQUEST_TIMEOUT_S
