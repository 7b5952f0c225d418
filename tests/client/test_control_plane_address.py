"""Each control plane has an address of its own: no client takes it for that of another cluster."""

import secrets
from pathlib import Path

import msgspec
import pytest

from emucluster.client import start
from emucluster.client.instances import Instance, NameClaim
from emucluster.client.options import StartOptions
from emucluster.client.slices import SliceClaim
from emucluster.core.addresses import Slice
from emucluster.live.keeper import plan
from emucluster.live.keeper.settings import TOKEN_FILE, Implementations, KeeperSettings


def settings(directory: Path, *, bind: str | None = None, slice_: int = 2) -> KeeperSettings:
    """What a new cluster is told."""
    (directory / TOKEN_FILE).write_text("token")
    return start._settings(
        StartOptions(bind=bind, ray_address="192.0.2.1:6379" if bind else None),
        NameClaim(Instance("emu", directory), -1),
        SliceClaim(slice_, -1),
        Implementations(),
        directory,
    )


def test_two_clusters_of_one_slice_have_different_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter((0, 7))
    monkeypatch.setattr(secrets, "randbelow", lambda _below: next(draws))
    first, second = settings(tmp_path), settings(tmp_path)
    assert first.control_plane == Slice(2).control_plane(0)
    assert second.control_plane == Slice(2).control_plane(7)


def test_it_is_drawn_once_and_kept_for_the_clusters_life(tmp_path: Path) -> None:
    told = msgspec.json.decode(msgspec.json.encode(settings(tmp_path)), type=KeeperSettings)
    configs = [plan.control_plane(told, lab="", several_hosts=False) for _ in range(2)]
    assert configs[0] == configs[1]
    assert configs[0]["address"] == configs[0]["inner"] == told.control_plane


def test_on_several_machines_it_serves_at_bind(tmp_path: Path) -> None:
    told = settings(tmp_path, bind="192.0.2.1")
    config = plan.control_plane(told, lab="", several_hosts=True)
    assert config["address"] == "192.0.2.1"
    assert config["inner"] == told.control_plane
