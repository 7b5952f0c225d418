"""What the Makefile would run."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_packages_go_into_the_venv_beside_it_even_if_that_was_copied() -> None:
    """Scripts of a venv name the interpreter of the place where they were made; python does not."""
    told = subprocess.run(
        ["make", "-n", "-W", "pyproject.toml", "install"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ".venv/bin/python -m pip install" in told
    assert "bin/pip" not in told
