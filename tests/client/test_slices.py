"""Which of the machine's address slices a cluster gets."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emucluster.client.slices import claim_slice, foreign_listener, prepare
from emucluster.client.sockets_in_use import Listening
from emucluster.core.addresses import SLICES, Slice
from emucluster.core.errors import ClusterError


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "slices"


def test_clusters_side_by_side_get_different_slices(directory: Path) -> None:
    claims = [claim_slice(directory=directory, listeners=[]) for _ in range(3)]

    assert [claim.index for claim in claims] == [0, 1, 2]
    for claim in claims:
        os.close(claim.descriptor)


def test_a_slice_is_free_again_once_its_holder_is_gone(directory: Path) -> None:
    os.close(claim_slice(directory=directory, listeners=[]).descriptor)

    again = claim_slice(directory=directory, listeners=[])

    assert again.index == 0
    os.close(again.descriptor)


def test_a_slice_belongs_to_the_process_that_the_lock_was_handed_to(directory: Path) -> None:
    claim = claim_slice(directory=directory, listeners=[])
    holder = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[claim.descriptor]
    )
    os.close(claim.descriptor)

    other = claim_slice(directory=directory, listeners=[])
    assert other.index == 1
    os.close(other.descriptor)

    holder.communicate(b"\n")
    after = claim_slice(directory=directory, listeners=[])
    assert after.index == 0
    os.close(after.descriptor)


def test_a_slice_in_which_somebody_else_listens_is_passed_over(directory: Path) -> None:
    foreign = Listening(Slice(0).node(1), 30080, inode=0)

    claim = claim_slice(directory=directory, listeners=[foreign])

    assert claim.index == 1
    os.close(claim.descriptor)


def test_wildcard_listeners_are_not_taken_for_users_of_a_slice() -> None:
    assert foreign_listener(Slice(0), [Listening("0.0.0.0", 22, 0)]) is None


def test_the_refusal_says_for_each_slice_who_has_it(directory: Path) -> None:
    claims = [claim_slice(directory=directory, listeners=[]) for _ in range(SLICES)]

    with pytest.raises(ClusterError, match=r"slice 7: held by another cluster"):
        claim_slice(directory=directory, listeners=[])
    for claim in claims:
        os.close(claim.descriptor)


def test_every_user_of_the_machine_may_lock(directory: Path) -> None:
    previous = os.umask(0o077)
    try:
        claim = claim_slice(directory=directory, listeners=[])
    finally:
        os.umask(previous)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o1777
    assert stat.S_IMODE(os.fstat(claim.descriptor).st_mode) == 0o666
    os.close(claim.descriptor)


def test_a_link_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trap").symlink_to(tmp_path)

    with pytest.raises(ClusterError, match="is not a directory"):
        prepare(tmp_path / "trap")
