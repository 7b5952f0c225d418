"""Which cluster a command is about: `--cluster` before it or after it, its NAME, or EMUCLUSTER."""

from __future__ import annotations

import os
from typing import Any

import click

from emucluster.core.errors import UsageError

_GIVEN = f"{__name__}.given"
HELP = "Which cluster, where more than one runs."


class ClusterOption(click.Option):
    """`--cluster NAME`, for the program and for every command alike.

    It hands nothing to the command, which asks `cluster()` or `given()`. Other `words` mean the
    same.
    """

    def __init__(self, *words: str, help: str = HELP) -> None:
        super().__init__(
            ["--cluster", *words],
            metavar="NAME",
            multiple=True,  # so that no name is lost in silence
            expose_value=False,
            callback=_take_all,
            shell_complete=_running,
            help=help,
        )


def offer(command: click.Command, name: str, without: frozenset[str]) -> None:
    """Let a command, and those below it, take `--cluster`, but for those in `without`."""
    if name in without:
        return
    if not any(isinstance(param, ClusterOption) for param in command.params):
        command.params.append(ClusterOption())
    if isinstance(command, click.Group):
        for below, each in command.commands.items():
            offer(each, f"{name} {below}", without)


def given() -> str | None:
    """The cluster that the command line names."""
    found: str | None = click.get_current_context().meta.get(_GIVEN)
    return found


def cluster(name: str | None = None) -> str | None:
    """The cluster that is meant: of the command line, `name` among it, else of the environment.

    Raises `UsageError` when the command line names two.
    """
    from emucluster.client.instances import ENVIRONMENT

    _take(click.get_current_context(), name)
    return given() or os.environ.get(ENVIRONMENT) or None


def _take_all(ctx: click.Context, _param: click.Parameter, names: tuple[str, ...]) -> None:
    for name in names:
        _take(ctx, name)


def _take(ctx: click.Context, name: str | None) -> None:
    """An empty name is none, as of a variable that is not set."""
    if name:
        first = ctx.meta.setdefault(_GIVEN, name)  # shared with the contexts around this one
        if first != name:
            raise UsageError(f'two clusters are named, "{first}" and "{name}": name one')


def _running(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[Any]:
    from emucluster.client.instances import list_instances

    return [each.name for each in list_instances() if each.name.startswith(begun)]
