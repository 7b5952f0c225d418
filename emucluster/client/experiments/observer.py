"""What is so and what everybody believes, recorded while a trial runs."""

from __future__ import annotations

import logging
import threading
from typing import Self

from emucluster.client.lab import LabClient
from emucluster.client.observations import DELETED, Observations, Observed
from emucluster.core.errors import EmuclusterError
from emucluster.experiment.history import BeliefRecord, TruthRecord

AGAIN_S = 0.5
"""A stream that ended is opened again after so long."""
FIRST_STATE_S = 10.0
STOP_S = 5.0

log = logging.getLogger(__name__)

_Key = tuple[str, str, str, str]


class Observer:
    """Records what `Lab.Observe` tells from entering to leaving the `with`.

    A stream that breaks is opened again; it then tells the state as it is, and what changed back
    and forth meanwhile is not known. A broken stream is a reason for doubt: see `gaps`.

    """

    def __init__(self, lab: LabClient) -> None:
        self._lab = lab
        self._lock = threading.Lock()
        self._beliefs: dict[_Key, list[BeliefRecord]] = {}
        self._truths: dict[str, list[TruthRecord]] = {}
        self._complete = threading.Event()
        self._stopped = threading.Event()
        self._stream: Observations | None = None
        self._thread = threading.Thread(target=self._read, name="observer", daemon=True)
        self.gaps = 0
        """How often the stream broke."""

    def __enter__(self) -> Self:
        """Begin, and return when what is so now is known, or at a deadline."""
        self._thread.start()
        if not self._complete.wait(FIRST_STATE_S):
            log.warning("what the cluster believes was not told within %g s", FIRST_STATE_S)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the stream. Harmless when done twice."""
        self._stopped.set()
        with self._lock:
            stream = self._stream
        if stream is not None:
            stream.close()
        self._thread.join(timeout=STOP_S)

    def beliefs(self) -> list[BeliefRecord]:
        """In the order of time."""
        with self._lock:
            found = [record for records in self._beliefs.values() for record in records]
        return sorted(found, key=lambda record: record.at_s)

    def truths(self) -> list[TruthRecord]:
        """In the order of time."""
        with self._lock:
            found = [record for records in self._truths.values() for record in records]
        return sorted(found, key=lambda record: record.at_s)

    def believed_out(self) -> dict[str, set[str]]:
        """Who is held to be out now: subjects, and the kinds of observers that hold it."""
        found: dict[str, set[str]] = {}
        with self._lock:
            for records in self._beliefs.values():
                if records[-1].state == "out" and not self._is_gone(records[-1].subject):
                    found.setdefault(records[-1].subject, set()).add(records[-1].observer)
        return found

    def _is_gone(self, subject: str) -> bool:
        truths = self._truths.get(subject)
        return truths is not None and truths[-1].why == DELETED

    # --- in the thread ---------------------------------------------------------------------------

    def _read(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except EmuclusterError as error:
                if not self._stopped.is_set():
                    log.info("observing: %s", error)
            self.gaps += not self._stopped.is_set()
            self._stopped.wait(AGAIN_S)

    def _follow(self) -> None:
        stream = self._lab.observe()
        with self._lock:
            self._stream = stream
        if self._stopped.is_set():
            stream.close()
        for batch in stream:
            self._take_in(batch)
            if batch.state_done:
                self._complete.set()

    def _take_in(self, batch: Observed) -> None:
        """A stream that was opened again repeats what is known."""
        with self._lock:
            for truth in batch.truths:
                before = self._truths.setdefault(truth.subject, [])
                if not before or (before[-1].state, before[-1].why) != (truth.state, truth.why):
                    before.append(truth)
            for belief in batch.beliefs:
                key = belief.observer, belief.where, belief.subject, belief.service
                held = self._beliefs.setdefault(key, [])
                if not held or (held[-1].state, held[-1].word) != (belief.state, belief.word):
                    held.append(belief)
