"""Commands whose exit code 1 is an answer."""

from __future__ import annotations

from typing import Any

import click

from emucluster.core.errors import EmuclusterError


class Answering(click.Command):
    """Its 1 says that a hypothesis did not hold, or that a run is worse than another.

    So whatever goes wrong, expected or not, is 2.
    """

    def invoke(self, ctx: click.Context) -> Any:
        from emucluster.cli import unexpected
        from emucluster.cli.output import print_error

        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except EmuclusterError as error:
            print_error(str(error))
        except Exception as error:
            print_error(unexpected(error))
        return 2
