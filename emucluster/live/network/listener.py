"""A listening socket whose kernel can be made to accept, refuse or stay silent."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from emucluster.live.network import packet_filter
from emucluster.live.network.packet_filter import Network, Rule
from emucluster.live.network.sockets import Address, bound_socket

Mode: TypeAlias = Literal["open", "refuse", "drop"]
OnSocket: TypeAlias = Callable[[socket.socket, Address, Address], None]

BACKLOG = 1024
_ACCEPTS_PER_TURN = 64
_OUT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_OUT_OF_SOCKETS_PAUSE_S = 0.1


class Listener:
    """Listens at `address`:`port` (0: any; see `port`) and hands accepted sockets to `on_socket`.

    `set_mode` is what the owner wants; `override` is what a fault makes of it: under "freeze" the
    kernel still accepts and nobody else does. Neither forgets the other.
    Raises OSError, naming the address, when it cannot be bound.
    """

    def __init__(
        self, address: str, port: int, on_socket: OnSocket, *, backlog: int = BACKLOG
    ) -> None:
        self._on_socket = on_socket
        self._backlog = backlog
        self._mode: Mode = "open"
        self._override: Literal["freeze", "refuse", "drop", ""] = ""
        self._sources: tuple[Network, ...] | None = None
        self._rules: tuple[Rule, ...] = ()
        self._listening = False
        self._reading = False
        self._closed = False
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._sock = bound_socket(address, port)
        self.address: Address = self._sock.getsockname()
        try:
            self._apply()
        except OSError:
            self._sock.close()
            raise

    @property
    def port(self) -> int:
        """The port in use."""
        return self.address[1]

    @property
    def mode(self) -> Mode:
        """What the owner wants, whatever a fault makes of it."""
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """`open`: accept. `refuse`: the kernel answers RST. `drop`: the kernel answers nothing.

        Without kernel filters, `drop` is imitated by a backlog of none that nobody empties: one
        connection fits (and is never answered), the SYNs of all others time out.
        """
        self._mode = mode
        self._apply()

    def override(self, how: Literal["freeze", "refuse", "drop", ""]) -> None:
        """What a fault makes of it: `freeze` accepts in the kernel only; empty: nothing."""
        self._override = how
        self._apply()

    def allow_sources(self, networks: tuple[Network, ...] | None) -> bool:
        """Drop SYNs from outside `networks` (None: from nowhere). False: not possible here.

        Established connections keep the ranges that they were accepted under.
        """
        self._sources = networks
        self._apply()
        return networks is None or packet_filter.available()

    def follow_links(self, rules: Sequence[Rule]) -> None:
        """Drop SYNs as faults of the host's links say. Raises ValueError if that is too much."""
        if tuple(rules) != self._rules:
            self._rules = tuple(rules)
            self._apply()

    def close(self) -> None:
        """Stop listening for good; connections that nobody accepted are reset by the kernel."""
        if not self._closed:
            self._closed = True
            self._stop_reading()
            self._sock.close()

    def _apply(self) -> None:
        if self._closed:
            return
        wanted = self._override or self._mode
        if wanted == "freeze" and self._mode != "open":
            wanted = self._mode
        if wanted == "refuse":
            self._refuse()
        elif wanted == "drop":
            self._drop()
        else:
            self._filter()  # before listen(): no SYN may slip through
            self._listen(self._backlog)
            if wanted == "open":
                self._start_reading()
            else:
                self._stop_reading()

    def _refuse(self) -> None:
        """Bound but not listening: the kernel answers RST, and nobody else can take the port."""
        self._stop_reading()
        if self._listening:
            self._sock.close()
            self._sock = bound_socket(*self.address)
            self._listening = False

    def _drop(self) -> None:
        self._stop_reading()
        if packet_filter.available():
            packet_filter.drop_all(self._sock)  # before listen(): no SYN may slip through
            self._listen(self._backlog)
        else:
            self._listen(0)

    def _filter(self) -> None:
        if packet_filter.available():
            packet_filter.screen(self._sock, allow=self._sources, rules=self._rules)

    def _listen(self, backlog: int) -> None:
        self._sock.listen(backlog)
        self._listening = True

    def _start_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _stop_reading(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._sock.fileno())

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, client = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_SOCKETS:
                    raise
                self._pause()
                return
            sock.setblocking(False)
            self._on_socket(sock, client, sock.getsockname())
            if not self._reading:
                return

    def _pause(self) -> None:
        """Out of descriptors: the queue stays in the kernel while others are closed."""
        self._stop_reading()
        self._retry = self._loop.call_later(_OUT_OF_SOCKETS_PAUSE_S, self._apply)
