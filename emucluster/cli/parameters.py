"""Types of options that several commands have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from emucluster.core.quantities import SECONDS_MAX

if TYPE_CHECKING:
    _FloatType = click.ParamType[float]
else:
    _FloatType = click.ParamType  # not generic in click 8.1


class Seconds(_FloatType):
    """A finite number of seconds from 0 to a day."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not math.isfinite(seconds) or not 0 <= seconds <= SECONDS_MAX:
            self.fail(f"{value!r} is not from 0 to {SECONDS_MAX:g} seconds", param, ctx)
        return seconds
