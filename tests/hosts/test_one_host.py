"""A Ray of one machine with `--bind`: loopback for everything but what was asked for."""

import os
from pathlib import Path

import pytest

import emucluster as emu
from emucluster.client.sockets_in_use import listening
from emucluster.live.keeper import warden
from tests.hosts.hosts import WEB
from tests.live.test_keeper_joins_ray import Theirs, theirs  # noqa: F401

pytestmark = pytest.mark.live

BIND = "127.0.0.77"
"""Stands for the machine's address, so that the test listens on loopback alone."""


def test_only_the_edge_listens_at_bind(
    theirs: Theirs,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(theirs.token_path))
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with emu.Cluster(nodes=2, speed=10, ray_address=theirs.address, bind=BIND) as cluster:
        cluster.apply(WEB)
        cluster.wait_ready()
        found = cluster.status()
        held = sockets_of(found.keeper_pid)
        at_bind = {e.port for e in listening() if e.address == BIND and e.inode in held}
        everywhere = {entry.port for entry in listening() if entry.address == BIND}
        published = {int(place.rpartition(":")[2]) for place in found.published.values()}

        assert {"lb/default/web-lb:8080", "node-1:30080", "node-2:30080"} <= set(found.published)
        assert at_bind == everywhere == published
        assert {m.address.split(".")[0] for m in found.machines} == {"127"}
        with cluster.client() as outside:
            assert outside.call("service/web-lb").ok
    assert not [entry for entry in listening() if entry.address == BIND]
    assert theirs.process.poll() is None
    assert warden.started_ticks(theirs.process.pid) is not None


def sockets_of(pid: int) -> set[int]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            text = os.readlink(entry)
        except OSError:
            continue
        if text.startswith("socket:["):
            found.add(int(text[8:-1]))
    return found
