"""What is no file, or too large for one of manifests, is refused without being read."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from emucluster.client import manifests
from emucluster.client.experiments.source import find, parse
from emucluster.core.errors import UsageError
from emucluster.core.objects import manifest

TEXT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    return path


def test_an_experiment_does_not_read_devices_and_pipes(tmp_path: Path, pipe: Path) -> None:
    for name in ("/dev/zero", pipe.name):
        text = f"name: x\nworkload: [{{name: a, target: service/a}}]\nmanifests: [{name}]"
        with pytest.raises(UsageError, match=rf"manifests\[0\]: .*{name}: not a regular file$"):
            parse(text, label="x.yaml", directory=tmp_path)
    with pytest.raises(UsageError, match=r"^/dev/zero: not a regular file$"):
        find("/dev/zero")


@pytest.mark.parametrize("source", [None, 5, b"kind: Pod", [None]])
def test_what_is_no_source_of_manifests_is_told_what_one_is(source: Any) -> None:
    with pytest.raises(UsageError, match=r"^manifests: must be a path, text, a dict, .*; got "):
        manifests.load(source)


def test_what_is_too_large_is_told_by_its_size_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(manifest.MAX_BYTES * 1000)  # sparse
    with pytest.raises(UsageError, match=r"large\.yaml: larger than 32 MiB$"):
        manifests.load(path)


def test_apply_takes_a_shells_pipe_and_no_stream_without_end(pipe: Path) -> None:
    writer = threading.Thread(target=pipe.write_text, args=(TEXT,))
    writer.start()
    found = manifests.load_files([str(pipe)])
    writer.join()

    assert [obj.metadata.name for obj in found] == ["a"]
    with pytest.raises(UsageError, match=r"^/dev/zero: larger than 32 MiB$"):
        manifests.load_files(["/dev/zero"])
