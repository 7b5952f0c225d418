"""Pieces of answers: bounded, made when they are wanted, and shared."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from emucluster.core.objects import ConfigMap, ObjectMeta
from emucluster.core.objects.registry import BY_KIND
from emucluster.live.kubeapi import encodings as kept
from emucluster.live.kubeapi.accept import Representation
from emucluster.live.kubeapi.encodings import ENTRY_BYTES, Encodings
from emucluster.live.kubeapi.pieces import PIECE_BYTES_MAX, PIECE_OBJECTS_MAX, pieces, slices
from emucluster.live.kubeapi.shapes import LARGE_BYTES, Shape


def test_pieces_are_bounded_by_bytes_and_by_number() -> None:
    third = b"x" * (PIECE_BYTES_MAX // 3)
    assert [len(each) for each in pieces([third] * 7)] == [
        3 * len(third),
        3 * len(third),
        len(third),
    ]
    assert [len(each) for each in pieces([b"y"] * (PIECE_OBJECTS_MAX + 1))] == [
        PIECE_OBJECTS_MAX,
        1,
    ]
    assert list(pieces([])) == []


@pytest.mark.parametrize("count", [1, 2, 3, 600])
def test_separators_stand_between_any_two(count: int) -> None:
    made = [b'{"n":%d,"x":"%b"}' % (n, b"z" * (n % 7) * 40_000) for n in range(count)]
    assert b"".join(pieces(made, b",")) == b",".join(made)


def test_a_large_one_is_alone_and_no_copy() -> None:
    large = b"x" * (PIECE_BYTES_MAX + 1)
    found = list(pieces([b"a", large, b"b", large]))
    assert found[1] is found[3] is large
    assert [len(each) for each in slices(large)] == [PIECE_BYTES_MAX, 1]
    assert b"".join(slices(large)) == large
    assert list(slices(b"")) == [b""]


def test_nothing_is_encoded_before_it_is_wanted() -> None:
    encoded = []

    def encode() -> Iterator[bytes]:
        for number in range(10):
            encoded.append(number)
            yield b"x" * PIECE_BYTES_MAX

    made = pieces(encode())
    next(made)
    assert encoded == [0, 1]


def test_what_is_kept_is_bounded_and_the_last_used_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT_BYTES_MAX", 3 * (100 + ENTRY_BYTES))
    encodings = Encodings()
    for key in "abc":
        encodings.keep(key, b"x" * 100)
    assert encodings.get("a")
    encodings.keep("d", b"x" * 100)
    assert [key for key in "abcd" if encodings.get(key)] == ["a", "c", "d"]
    assert encodings.size_bytes == 3 * (100 + ENTRY_BYTES)
    encodings.keep("e", b"x" * 10_000)
    assert encodings.size_bytes == 0


def test_a_large_object_is_encoded_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(BY_KIND["ConfigMap"], Representation())
    metadata = ObjectMeta(name="a", namespace="x", resource_version="5")
    large = ConfigMap(metadata=metadata, data={"k": "x" * LARGE_BYTES})
    assert shape.items([large]) is shape.items([large])
    assert shape.event("ADDED", large, 5) is shape.event("ADDED", large, 5)
    assert msgspec.json.decode(shape.items([large]))["data"] == large.data
