"""What a user wrote is read, and does nothing."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.printable import printable


def test_ordinary_texts_of_any_script_stay_as_they_are() -> None:
    for text in ("", "web-1", "naïve café", "日本語", "שלום", "12\u202f345", "a\u00a0b", "✅ 🙂"):
        assert printable(text) == text


def test_what_would_act_is_a_visible_mark() -> None:
    assert printable("\x1b[31mred\x07\x9b2J") == "�[31mred��2J"
    assert printable("a\u202eb\u2066c\u200bd\ufeffe\ud800") == "a�b�c�d�e�"
    assert printable("a\tb\nc\r\u2028") == "a b c �"
    assert printable("a\tb\nc\x00", lines=True) == "a\tb\nc�"


@given(st.text(st.characters()))
def test_nothing_that_is_shown_acts(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert {unicodedata.category(char) for char in shown}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    shown.encode()
    assert printable(shown) == shown
