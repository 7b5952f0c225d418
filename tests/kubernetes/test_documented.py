"""README's table of kinds is the registry's."""

from __future__ import annotations

import re
from pathlib import Path

from emucluster.core.objects.registry import RESOURCES

README = Path(__file__).parents[2] / "README.md"


def kinds(row: str) -> set[str]:
    return set(re.findall(r"\b[A-Z][A-Za-z]+\b", re.sub(r"\(.*?\)|`.*?`", "", row)))


def test_every_kind_is_told_with_what_is_done_about_it() -> None:
    text = README.read_text().split("<!-- kinds:begin -->")[1].split("<!-- kinds:end -->")[0]
    _header, _rule, acted, stored = (line.split("|")[2] for line in text.split("\n") if line)
    assert kinds(acted) == {row.kind for row in RESOURCES if row.acted_on}
    assert kinds(stored) == {row.kind for row in RESOURCES if not row.acted_on}
