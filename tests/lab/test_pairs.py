"""A trouble and its cure are asked the same, and answer differently."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from emucluster.cli import run as command
from emucluster.client.experiments.jobs import Overrides, check, overridden
from emucluster.client.experiments.source import find, open_source
from emucluster.experiment.result import from_json

EXPERIMENTS = Path(__file__).parents[2] / "examples" / "experiments"
FILES = sorted(EXPERIMENTS.glob("*.yaml"))
CURE = "-cure"
CURES = [path.stem for path in FILES if path.stem.endswith(CURE)]
TRIED = (
    "f03-dead-node",
    "f07-local-imbalance",
    "f15-zone-local-overload",
    "f17-all-targets-unhealthy",
    "gray-failure",
)
"""Five of the shortest, which want the same cluster."""


def tree(name: str) -> dict[str, Any]:
    found = yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text())
    assert isinstance(found, dict)
    return found


def hypotheses(name: str) -> str:
    """As they stand in the file, letter by letter."""
    text = (EXPERIMENTS / f"{name}.yaml").read_text()
    found = re.search(r"^hypotheses:\n((?:[ -].*\n?)+)", text, re.MULTILINE)
    assert found is not None
    return found[1].rstrip()


def test_at_least_fifteen_phenomena_ship() -> None:
    assert len(FILES) - len(CURES) >= 15


@pytest.mark.parametrize("cure", CURES)
def test_a_cure_has_its_trouble_and_is_asked_the_same(cure: str) -> None:
    trouble = cure.removesuffix(CURE)
    assert EXPERIMENTS / f"{trouble}.yaml" in FILES
    assert hypotheses(cure) == hypotheses(trouble)
    asked = tree(cure)["hypotheses"]
    assert asked == tree(trouble)["hypotheses"]
    assert len(re.findall(r"^  - ", hypotheses(cure), re.MULTILINE)) == len(asked)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_ships_can_be_run_and_tells_its_story_in_about_three_sentences(path: Path) -> None:
    source = open_source(path)
    experiment = source.experiment
    check(overridden(source, Overrides()), own_cluster=True)
    assert experiment.name == path.stem
    assert find(experiment.name).resolve() == path, "found by its name too"
    sentences = re.findall(r"[.!?](?:\s|$)", experiment.story.strip())
    assert 2 <= len(sentences) <= 4, experiment.story


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.timeout(400)
def test_the_trouble_fails_and_the_cure_passes(tmp_path: Path) -> None:
    """Ten files share one cluster, as a user would run them."""
    assert len({repr(tree(name)["cluster"]) for name in TRIED}) == 1
    names = [name for trouble in TRIED for name in (trouble, trouble + CURE)]
    files = [str(EXPERIMENTS / f"{name}.yaml") for name in names]
    code = command(["run", *files, "--out", str(tmp_path), "-q"])
    results = {name: from_json((tmp_path / name / "results.json").read_bytes()) for name in names}
    wrong = {
        name: (result.overall, [trial.invalid_reasons for trial in result.trials], result.verdicts)
        for name, result in results.items()
        if result.exit_code != (0 if name.endswith(CURE) else 1)
    }
    assert not wrong
    assert code == 1, "of several files the worst"
