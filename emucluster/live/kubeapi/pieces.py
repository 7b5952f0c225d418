"""Answers in pieces that are bounded by bytes, so that who does not read costs next to nothing.

A piece waits until the client has taken enough of those before it: what is encoded and unread is
about one piece for each client, however large the answer. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PIECE_BYTES_MAX = 128 * 1024
"""Of what is put together from several objects; one that is larger is a piece alone."""
PIECE_OBJECTS_MAX = 250
"""Objects encoded for one piece, about 3 ms, so that the loop breathes."""


def pieces(encoded: Iterable[bytes], separator: bytes = b"") -> Iterator[bytes]:
    """What `encoded` yields, joined to pieces; each is asked for when the one before is taken.

    The separator stands between any two of them, alone where a piece ends. A piece of one is that
    very object, no copy, so that several clients can hold it at the price of one.
    """
    held: list[bytes] = []
    size = 0
    for data in encoded:
        if held and (size + len(data) > PIECE_BYTES_MAX or len(held) == PIECE_OBJECTS_MAX):
            yield held[0] if len(held) == 1 else separator.join(held)
            if separator:
                yield separator
            held, size = [], 0
        held.append(data)
        size += len(data)
    if held:
        yield held[0] if len(held) == 1 else separator.join(held)


def slices(data: bytes) -> Iterator[bytes]:
    """A long piece in parts of PIECE_BYTES_MAX; a connection copies what it has not sent yet."""
    if len(data) <= PIECE_BYTES_MAX:
        yield data
        return
    for start in range(0, len(data), PIECE_BYTES_MAX):
        yield data[start : start + PIECE_BYTES_MAX]
