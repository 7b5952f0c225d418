"""How the command line talks on standard error: errors, warnings, progress."""

import sys
import time
from typing import Self

import click

from emucluster.core.printable import printable


def print_error(message: str) -> None:
    """`error: ...` on standard error."""
    click.echo(
        f"{click.style('error:', fg='red', bold=True)} {printable(message, lines=True)}", err=True
    )


def print_warning(message: str) -> None:
    """`warning: ...` on standard error."""
    click.echo(f"{click.style('warning:', fg='yellow')} {printable(message, lines=True)}", err=True)


class Progress:
    """What is being done, on standard error: one line that changes on a terminal, else a log.

    Use as a context manager; the line is removed at the end.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._started_s = time.monotonic()

    def __call__(self, text: str) -> None:
        elapsed_s = time.monotonic() - self._started_s
        if self._terminal:
            sys.stderr.write(f"\r\033[K[{elapsed_s:4.1f}s] {text} ...")
        else:
            sys.stderr.write(f"[{elapsed_s:4.1f}s] {text}\n")
        sys.stderr.flush()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
