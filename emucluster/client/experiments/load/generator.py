"""One load generator, driven and listened to from here."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc

from emucluster.client.connection import Connection, Stream
from emucluster.core.errors import EmuclusterError
from emucluster.live.rpc.pb import load_pb2, load_pb2_grpc

LAST_BATCH_S = 15.0
"""How long after its stop a generator may take to tell the rest."""


class Generator:
    """Runs one load after another, and keeps what it told of the last one.

    Attributes:
        batches: serialised `LoadBatch`es: about 70 bytes a call.
        lost: why something of what it did is not known; empty: all is.
    """

    def __init__(self, name: str, agent: str, token: str) -> None:
        self.name = name
        self.batches: deque[bytes] = deque()
        self.lost = ""
        self._connection = Connection(name, agent, token)
        self._stub = self._connection.stub(load_pb2_grpc.LoadStub)
        self._watcher: threading.Thread | None = None
        self._told: Stream | None = None
        self._stopping: Any = None

    def start(self, spec: load_pb2.LoadSpec, on_batch: Callable[[Any], None]) -> None:
        """Start a load and listen to it; `on_batch` is called on a thread of its own."""
        self._connection.call(self._stub.Start, spec)
        self.batches, self.lost = deque(), ""
        self._told = told = self._connection.watch(self._stub.Watch, load_pb2.LoadWatchRequest())
        self._watcher = threading.Thread(
            target=self._watch, args=(told, on_batch), name=f"watch {self.name}", daemon=True
        )
        self._watcher.start()

    def ask_to_stop(self, drain_s: float) -> None:
        """Let it begin no more calls, without waiting for those in flight; `wait` comes next."""
        request = load_pb2.LoadStopRequest(drain_s=drain_s)
        self._stopping = self._connection.begin(
            self._stub.Stop, request, timeout_s=drain_s + LAST_BATCH_S
        )

    def wait(self, drain_s: float) -> None:
        """Until its load has ended and all that it tells is here; what fails is in `lost`."""
        try:
            self._stopping.result()  # has a deadline of its own
        except grpc.RpcError as error:
            self.lost = self.lost or f"did not stop: {error.code().name}: {error.details()}"
        if self._watcher is None or self._told is None:
            return
        self._watcher.join(LAST_BATCH_S)
        if self._watcher.is_alive():
            self.lost = self.lost or "did not tell the end of its load"
            self._told.close()
            self._watcher.join(LAST_BATCH_S)

    def close(self) -> None:
        """Listen no more."""
        if self._told is not None:
            self._told.close()
        if self._watcher is not None:
            self._watcher.join(LAST_BATCH_S)
        self._connection.close()

    def _watch(self, told: Stream, on_batch: Callable[[Any], None]) -> None:
        last = False
        try:
            for batch in told:
                self.batches.append(batch.SerializeToString())
                last = batch.last
                if batch.lost_batches:
                    self.lost = f"{batch.lost_batches} of its batches were given up unread"
                on_batch(batch)
        except EmuclusterError as error:
            self.lost = self.lost or str(error)
        if not last:
            self.lost = self.lost or "ended before its load did"
