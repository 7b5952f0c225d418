"""The pipe to the one who starts a cluster: what is being done, and how it ended.

JSON lines: `{"progress": TEXT}` any number of times, then one of `{"ready": RECORD}` and
`{"error": TEXT}`. Until then whoever starts the cluster may give up by closing the other end (or
by dying); the keeper then ends at once, and its warden removes what was made.
"""

import json
import os
import select
import threading
from typing import Any, NoReturn

ABANDONED = 3
"""Exit status of a keeper whose starter went away."""


class ReadyPipe:
    """Writes to `fd`; -1 writes nowhere and is never abandoned."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._settled = fd < 0
        if fd >= 0:
            os.set_inheritable(fd, False)  # Ray's processes must not hold it open
            threading.Thread(target=self._watch, name="starter", daemon=True).start()

    def progress(self, text: str) -> None:
        """Tell what begins now, for people."""
        self._write({"progress": text})

    def ready(self, record: dict[str, Any]) -> None:
        """The cluster serves; from here on it does not depend on its starter."""
        self._write({"ready": record}, last=True)

    def fail(self, text: str) -> NoReturn:
        """Tell why the start failed and end this process; the warden removes the rest."""
        self._write({"error": text}, last=True)
        os._exit(1)

    def _write(self, message: dict[str, Any], *, last: bool = False) -> None:
        with self._lock:
            if self._settled:
                return
            self._settled = last
            try:
                os.write(self._fd, json.dumps(message).encode() + b"\n")
            except OSError:
                os._exit(ABANDONED)
            if last:
                os.close(self._fd)

    def _watch(self) -> None:
        """The kernel reports POLLERR on a pipe that nobody can read any more."""
        poller = select.poll()
        poller.register(self._fd, 0)
        while True:
            events = poller.poll(200)
            with self._lock:
                if self._settled:
                    return
                if any(event & (select.POLLERR | select.POLLHUP) for _, event in events):
                    os._exit(ABANDONED)
