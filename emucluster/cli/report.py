"""`report DIR`: a run's report, made anew from its records."""

from __future__ import annotations

from pathlib import Path

import click

from emucluster.cli.answering import Answering
from emucluster.core.printable import printable
from emucluster.report import rewrite
from emucluster.report.files import PAGE


@click.command(cls=Answering)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def report(directory: Path) -> None:
    """Make report.html, summary.md and junit.xml of DIR anew from its other files.

    Nothing is judged again: verdicts and measures are those of results.json. Exit codes: 0 made, 2
    DIR is not the directory of a run, or cannot be written to.
    """
    rewrite(directory)
    click.echo(printable(str(directory / PAGE)))
