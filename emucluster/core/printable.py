"""Texts of users and of foreign programs, as they may be shown to a person."""

from __future__ import annotations

import unicodedata

INSTEAD = "\ufffd"


def printable(text: str, *, lines: bool = False) -> str:
    """The text without what would act instead of being read, each replaced by a visible mark.

    That is: control characters (and with them ANSI sequences), those that change the direction of
    what follows or have no width, lone surrogates. Tabs and ends of lines become spaces.

    Args:
        lines: leave tabs and ends of lines as they are.
    """
    if text.isprintable():
        return text
    return "".join(_shown(char, lines) for char in text)


def _shown(char: str, lines: bool) -> str:
    if char.isprintable() or unicodedata.category(char) == "Zs":
        return char
    if char in "\t\n\r":
        return char if lines else " "
    return INSTEAD
