"""What a run left that was killed together with its guard. The cluster is a stand-in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emucluster.client.experiments import guard, recovery
from emucluster.client.experiments.recovery import NotPutBack, recover
from emucluster.client.experiments.run_lock import Holder, note, run_lock, unfinished
from emucluster.client.experiments.undo import DOCUMENT, UndoLog, undo_of
from emucluster.core.errors import Unreachable
from emucluster.report.files import JOURNAL, UNDO


class Cluster:
    """Has the Service of the killed run until it was asked for it `there` times."""

    def __init__(self, directory: Path, there: int = 0) -> None:
        self.name = "emu"
        self.record: Any = SimpleNamespace(name="emu", directory=str(directory))
        self.api: Any = SimpleNamespace(find=self.find)
        self.there = there
        self.asked = 0

    def find(self, _kind: str, _name: str, _namespace: str) -> object | None:
        self.asked += 1
        return object() if self.asked <= self.there else None


@pytest.fixture
def put_back(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    monkeypatch.setattr(recovery, "put_back", lambda *what: found.append(what))
    return found


def killed(directory: Path) -> Holder:
    return Holder(
        pid=7,
        started=None,
        what='"dead-node"',
        since_s=0.0,
        directory=str(directory),
        leaves="scale, service/web",
    )


def notes(directory: Path) -> Path:
    """Of a run that had created a Service."""
    found = directory / ".running"
    log = UndoLog(found / UNDO)
    log.write(undo_of("web", DOCUMENT, ("Service", "default", "web"), None))
    log.close()
    (found / JOURNAL).touch()
    return found


def test_it_is_rolled_back_by_its_notes_and_told_in_a_line(
    tmp_path: Path, put_back: list[tuple[Path, str]]
) -> None:
    cluster, told, directory = Cluster(tmp_path, there=2), [], notes(tmp_path)  # type: ignore[var-annotated]
    recover(cluster, told.append, killed(directory))  # type: ignore[arg-type]
    assert put_back == [(directory, "emu")]
    assert cluster.asked == 3, "what is deleted may take a while to go"
    (line,) = told
    assert line.startswith('rolling back the run of "dead-node" that began at ')
    assert line.endswith("(process 7), which was killed: its faults and 1 change")


def test_without_its_notes_it_is_said_what_it_may_have_left(
    tmp_path: Path, put_back: list[tuple[Path, str]]
) -> None:
    with pytest.raises(NotPutBack) as refused:
        recover(Cluster(tmp_path), print, killed(tmp_path / "gone"))  # type: ignore[arg-type]
    assert put_back == []
    told = str(refused.value)
    assert told.startswith('cluster "emu" cannot be put back after the run of "dead-node" that')
    assert (
        "was killed, which may have left scale, service/web (what would undo it is gone: " in told
    )
    assert told.endswith(
        f"start the cluster anew, or put it back by hand and remove {tmp_path / 'run.lock'}"
    )


def test_what_does_not_succeed_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_what: object) -> None:
        raise Unreachable("the control plane does not answer")

    monkeypatch.setattr(recovery, "put_back", fails)
    with pytest.raises(NotPutBack, match=r"\(the control plane does not answer\)"):
        recover(Cluster(tmp_path), print, killed(notes(tmp_path)))  # type: ignore[arg-type]


def test_a_guard_that_has_put_the_cluster_back_leaves_nothing_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[Path, str]] = []
    monkeypatch.setattr(guard, "put_back", lambda *what: done.append(what))
    monkeypatch.setattr(guard.sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read=bytes)))
    with run_lock(Cluster(tmp_path).record, '"dead-node"') as lock:
        note(lock, "/notes", "scale")
        guard.main("/notes", "emu", str(lock))
    assert done == [(Path("/notes"), "emu")]
    assert '"directory":""' in (tmp_path / "run.lock").read_text()
    assert unfinished(str(tmp_path)) is None
