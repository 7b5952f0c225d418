"""The same at the pace of real ones, for presets whose time-outs are near the floor."""

from __future__ import annotations

from pathlib import Path

import pytest

import emucluster as emu
from tests.lab.ejections import held_to_their_windows

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.measured]


def test_haproxy_and_envoy(real_time: emu.Cluster, tmp_path: Path) -> None:
    """Each sees the same node die, and gives it up at a time of its own."""
    held_to_their_windows(real_time, ["haproxy", "envoy"], tmp_path)
