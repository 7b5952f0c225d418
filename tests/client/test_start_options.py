"""The options of a cluster, and cluster.yaml."""

from pathlib import Path
from typing import Any

import pytest

from emucluster.client.options import StartOptions, merge, read_cluster_file
from emucluster.core.errors import UsageError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"nodes": 0}, "nodes: must be a whole number from 1 to 1000"),
        ({"nodes": True}, "nodes"),
        ({"zones": 0}, "zones"),
        ({"zones": ["a", "a"]}, "each of them once"),
        ({"zones": ["a b"]}, "label value"),
        ({"cloud": "aws"}, "cloud: must be one of aws-nlb"),
        ({"packing": "shared"}, "packing: must be one of pod, node"),
        ({"speed": 0.5}, "speed: must be between 1 and 1000"),
        ({"speed": "fast"}, "speed"),
        ({"kube_proxy_mode": "ipvs"}, "kubeProxyMode"),
        ({"stand_in": "nginx"}, "standIn"),
        ({"outside": {"db": "10.0.0.1"}}, "outside.db: expected ADDR:PORT"),
        ({"outside": {"db": "10.0.0.1:70000"}}, "outside.db"),
        ({"bind": "10.0.0.1"}, "--ray-address"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        StartOptions(**wrong)
    assert words in str(refusal.value)


def test_zones_are_numbered_by_letters_or_named() -> None:
    assert StartOptions(zones=2).zone_names == ["zone-a", "zone-b"]
    assert StartOptions(zones=["eu-1a", "eu-1b"]).zone_names == ["eu-1a", "eu-1b"]


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "nodes: 5\nstandIn: echo\noutside:\n  db.example: 127.0.0.1:5432\n")

    chosen = merge(read_cluster_file(path), {"nodes": 2, "zones": None})

    assert (chosen.nodes, chosen.stand_in, chosen.zones) == (2, "echo", 1)
    assert chosen.outside == {"db.example": "127.0.0.1:5432"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nods: 3\n", 'unknown field "nods"'),
        ("nodes: three\n", "nodes: expected a whole number, got 'three'"),
        ("nodes: yes\n", "nodes: expected a whole number"),
        ("nodes: 1\nnodes: 2\n", ':2: field "nodes" is given twice'),
        ("- nodes\n", "expected fields, got list"),
        ("nodes: [\n", "not YAML"),
        ("outside:\n  db: 5432\n", "outside.db: expected ADDR:PORT, got 5432"),
        ("outside:\n  db: nowhere\n", "outside.db: expected ADDR:PORT, got 'nowhere'"),
        ("outside:\n  D B: 10.0.0.1:1\n", "outside: 'D B' cannot be a DNS name"),
        ("speed: 0.5\n", "speed: must be between 1 and 1000"),
        ("speed: .nan\n", "speed"),
        ("x: 2020-99-99\n", 'unknown field "x"'),
        ("x: " + "[" * 100_000, "nested deeper than 64 levels"),
        ("nodes: 1\n---\nnodes: 2\n", "one document of options, got 2"),
        ("name: !!python/none x\n", "unknown tag"),
    ],
)
def test_a_bad_file_is_told_with_its_path(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as refusal:
        read_cluster_file(path)
    assert str(refusal.value).startswith(str(path))
    assert words in str(refusal.value)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_cluster_file(tmp_path / "none.yaml")


def test_an_empty_file_leaves_all_as_it_is(tmp_path: Path) -> None:
    assert read_cluster_file(written(tmp_path, "# nothing\n")) == {}


def test_the_address_of_ray_has_a_port() -> None:
    with pytest.raises(UsageError, match="rayAddress: expected ADDR:PORT, got 'head'"):
        StartOptions(ray_address="head")
