"""Puts a running cluster back when the run that used it was killed.

A cluster of a run's own ends with the run. One that ran before lives on, so a process of its own
session waits beside the run: if the run ends without a word, the guard does what it could not do
any more. Faults end at their targets anyway; operations and objects do not.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from emucluster.client.experiments.run_lock import note

if TYPE_CHECKING:
    from emucluster.client.cluster import Session

DONE = b"done"
"""What the run says before it ends by itself."""
PUT_BACK_S = 60.0
_AGAIN_S = 0.5
_END_S = 5.0


class Guard:
    """Watches over the journal and the undo log in `directory` as long as the `with` lasts.

    `lock` is the descriptor of the lock on the cluster: nobody else may use it before it is put
    back. Where the guard is killed as well, whoever takes the lock next finds there what is to be
    done, and `leaves`, what the run may leave, in words.
    """

    def __init__(self, directory: Path, cluster: str, *, lock: int, leaves: str) -> None:
        self._lock = lock
        self._leaves = leaves
        self._directory = str(directory.resolve())
        self._arguments = [self._directory, cluster, str(lock)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._lock],
            start_new_session=True,  # the terminal's Ctrl-C is for the run
        )
        note(self._lock, self._directory, self._leaves)
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self._process.communicate(DONE, timeout=_END_S)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            note(self._lock, "")


def put_back(directory: Path, cluster: str) -> None:
    """Lift the faults of a journal's last trial and undo what its undo log has left.

    Raises NotRunning for a cluster that is gone, with which all is gone, and what the last attempt
    met when there is still something to undo after a minute.
    """
    from emucluster.client.cluster import connect
    from emucluster.core.errors import EmuclusterError

    deadline_s = time.monotonic() + PUT_BACK_S
    with connect(cluster) as session:
        while True:
            try:
                _put_back_once(directory, session)
                return
            except EmuclusterError:
                if time.monotonic() >= deadline_s:
                    raise
                time.sleep(_AGAIN_S)


def _put_back_once(directory: Path, session: Session) -> None:
    from emucluster.client.experiments.journal import read_journal
    from emucluster.client.experiments.undo import UndoLog, carry_out, to_undo
    from emucluster.core.errors import NotFound
    from emucluster.experiment.ledger import Clear, Ledger
    from emucluster.live.clock import wall_s
    from emucluster.report.files import JOURNAL, UNDO

    trials = read_journal(directory / JOURNAL)
    run = trials[-1][0].run if trials else ""
    if trials:
        opening, events = trials[-1]
        ledger = Ledger.restore(opening.plan, events, start_s=opening.start_s)
        for command in ledger.rollback(now_s=wall_s()):
            if isinstance(command, Clear):
                try:
                    session.lab.clear_faults(f"{run}.{command.id}")
                except NotFound:
                    continue  # it is over, or is an operation, which the undo log has
    log = UndoLog(directory / UNDO)
    try:
        for undo in to_undo(directory / UNDO):
            carry_out(undo, session.api, session.lab, run=run)
            log.done(undo.id)
    finally:
        log.close()


def main(directory: str, cluster: str, lock: str) -> None:
    """Wait until the run ends; if it says nothing, do its work."""
    if sys.stdin.buffer.read() != DONE:
        put_back(Path(directory), cluster)
        note(int(lock), "")


if __name__ == "__main__":
    main(*sys.argv[1:])
