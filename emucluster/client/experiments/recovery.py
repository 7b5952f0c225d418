"""Puts a cluster back after a run that was killed together with its guard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from emucluster.client.cluster import Session
from emucluster.client.experiments.guard import put_back
from emucluster.client.experiments.interrupts import held_off
from emucluster.client.experiments.run_lock import FILE, Holder
from emucluster.client.experiments.undo import DOCUMENT, Undo, to_undo
from emucluster.client.ready import wait_until
from emucluster.core.errors import ClusterError, EmuclusterError, NotRunning
from emucluster.report.files import JOURNAL, UNDO

GONE_S = 60.0
"""Until what the run had created is gone."""


class NotPutBack(ClusterError):
    """A cluster is not as it was before a run that was killed, and nobody can undo that."""


def recover(session: Session, progress: Callable[[str], None], unfinished: Holder) -> None:
    """Roll back what an unfinished run has left.

    Raises NotPutBack where that is not known any more or does not succeed, NotRunning.
    """
    directory = Path(unfinished.directory)
    if not ((directory / UNDO).exists() and (directory / JOURNAL).exists()):
        raise NotPutBack(_why_not(session, unfinished, f"what would undo it is gone: {directory}"))
    try:
        undos = to_undo(directory / UNDO)
        progress(f"rolling back {unfinished.named}, which was killed: {_counted(undos)}")
        with held_off():
            put_back(directory, session.name)
            wait_until(lambda: _still_there(session, undos), timeout_s=GONE_S)
    except NotRunning:
        raise
    except (EmuclusterError, msgspec.MsgspecError, OSError) as error:
        raise NotPutBack(_why_not(session, unfinished, str(error))) from error


def _why_not(session: Session, unfinished: Holder, why: str) -> str:
    lock = Path(session.record.directory) / FILE
    left = f", which may have left {unfinished.leaves}" if unfinished.leaves else ""
    return (
        f'cluster "{session.name}" cannot be put back after {unfinished.named} was killed{left} '
        f"({why}); start the cluster anew, or put it back by hand and remove {lock}"
    )


def _counted(undos: list[Undo]) -> str:
    if not undos:
        return "its faults"
    return f"its faults and {len(undos)} change{'s' if len(undos) > 1 else ''}"


def _still_there(session: Session, undos: list[Undo]) -> list[str]:
    """What was created by the run: a deleted object may wait for its finalizers."""
    return [
        f"{undo.object_kind.lower()}/{undo.name} is still there"
        for undo in undos
        if undo.kind == DOCUMENT
        and undo.before is None
        and session.api.find(undo.object_kind, undo.name, undo.namespace) is not None
    ]
