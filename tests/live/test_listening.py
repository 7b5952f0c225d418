"""What a whole cluster listens on, and what is left of it in the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

import emucluster as emu
from emucluster.live.keeper import warden
from tests.live.conftest import WEB
from tests.live.keeper_cluster import traces
from tests.live.watching import Load, alive, until

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.rare]

LISTEN, UNCONNECTED = "0A", "07"


def sockets_of(pids: list[int]) -> set[str]:
    """Inodes of the sockets that these processes hold."""
    found: set[str] = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                link = os.readlink(entry)
            except OSError:
                continue
            found.update(re.findall(r"socket:\[(\d+)\]", link))
    return found


def open_to_all(inodes: set[str]) -> Iterator[tuple[str, str, int]]:
    """Listening TCP and bound UDP sockets whose address is not of the loopback."""
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
            words = line.split()
            address, port = words[1].split(":")
            if words[9] not in inodes or words[3] not in (LISTEN, UNCONNECTED):
                continue
            parsed = _address(address)
            if not parsed.is_loopback and not _mapped_loopback(parsed):
                yield protocol, str(parsed), int(port, 16)


def _address(text: str) -> IPv4Address | IPv6Address:
    """The kernel prints each group of four bytes in the machine's own order."""
    groups = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
    raw = b"".join(g[::-1] if sys.byteorder == "little" else g for g in groups)
    return IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)


def _mapped_loopback(address: IPv4Address | IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped is not None and mapped.is_loopback


def test_nothing_of_a_cluster_listens_beyond_loopback(web: emu.Cluster) -> None:
    record = web.record
    pids = warden.members(record.keeper_pid, record.keeper_started)
    inodes = sockets_of(pids)
    assert len(pids) > 8
    assert len(inodes) > 20
    assert list(open_to_all(inodes)) == []


@pytest.mark.slow
def test_a_cluster_taken_down_under_load_leaves_nothing() -> None:
    with emu.Cluster(nodes=2, packing="pod", speed=10) as cluster:
        cluster.apply(WEB)
        cluster.wait_ready(60)
        record = cluster.record
        pids = warden.members(record.keeper_pid, record.keeper_started)
        assert traces(record)
        with cluster.client() as client, Load(client, "service/web-lb", concurrency=2) as load:
            load.streak(4)
        cluster.inject("power-off", "node/node-2")
    assert traces(record) == []
    assert [pid for pid in pids if alive(pid)] == []


def test_an_interrupted_up_leaves_nothing() -> None:
    base = Path(f"/tmp/emu-{os.getuid()}")
    process = subprocess.Popen(
        [sys.executable, "-m", "emucluster", "up", "--nodes", "2", "--name", "interrupted"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"},
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "control plane" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
    until(lambda: not (base / "interrupted").exists(), "its directory is gone")
    assert list(base.glob(".gone-interrupted-*")) == []
    assert not list(_processes_of(str(base / "interrupted")))


def _processes_of(text: str) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in entry.read_bytes().decode(errors="replace"):
                yield int(entry.parent.name)
        except OSError:
            continue
