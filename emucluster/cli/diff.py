"""`diff DIR1 DIR2`: two runs compared."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from emucluster.cli.answering import Answering
from emucluster.experiment.difference import diff as compare
from emucluster.report import difference_markdown, difference_text, read

_DIRECTORY = click.Path(path_type=Path)


@click.command(cls=Answering)
@click.argument("before", metavar="DIR1", type=_DIRECTORY)
@click.argument("after", metavar="DIR2", type=_DIRECTORY)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
def diff(before: Path, after: Path, output: str) -> None:
    """Compare two runs, of one experiment or of trouble and cure.

    Tells what differs in their settings, which hypotheses changed their answer, and which numbers
    changed by more than chance explains.

    Exit codes: 0 nothing is worse, 1 a hypothesis held in DIR1 and fails in DIR2, 2 one of them is
    not the directory of a run.
    """
    found = compare(read(before).result, read(after).result)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        text = difference_markdown if output == "markdown" else difference_text
        click.echo(text(found), nl=False)
    if found.is_worse:
        click.get_current_context().exit(1)
