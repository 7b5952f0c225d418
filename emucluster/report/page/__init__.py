"""report.html: one page that needs nothing but a browser.

The charts are drawn by uPlot (assets/NOTICE), which is inlined once: 50 kB instead of the megabytes
of most chart libraries, so that a report opens at once and can be kept with the code. Everything
else is HTML and SVG made here, legible without scripts. The page asks the network for nothing, and
its Content-Security-Policy forbids it to; scripts other than its own do not run, whatever a name or
an error's text contains.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from emucluster.core.printable import printable
from emucluster.experiment.result import RunResult, Trial
from emucluster.report.headline import headline
from emucluster.report.page.overview import circumstances, clocks, distributions, hypotheses
from emucluster.report.page.trial import TrialView, trial_view
from emucluster.report.recording import Recording
from emucluster.report.words import NONE, plural, seconds

STYLES = ("uPlot.min.css", "page.css")
SCRIPTS = ("uPlot.iife.min.js", "charts.js", "page.js")


class Page:
    """The page of a run, made trial by trial so that only one trial's records are in memory."""

    def __init__(self, result: RunResult) -> None:
        self._result = result
        self._trials: dict[int, TrialView] = {}

    def add(self, trial: Trial, recording: Recording) -> None:
        """Take in the next trial's records."""
        self._trials[trial.number] = trial_view(self._result, trial, recording)

    def html(self) -> str:
        """The whole page. Trials that were not added have their verdicts only."""
        views = list(self._trials.values())
        script = "".join(_asset(name) for name in SCRIPTS)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return _template().render(
            result=self._result,
            head=headline(self._result),
            trials=views,
            chosen=_decisive(self._result, views),
            hypotheses=hypotheses(self._result, self._trials),
            distributions=distributions(self._result),
            circumstances=circumstances(self._result),
            charts=_inline_json({view.trial.number: view.charts for view in views}),
            style=Markup("".join(_asset(name) for name in STYLES)),
            script=Markup(script),
            script_digest=digest,
        )


def _decisive(result: RunResult, views: list[TrialView]) -> int | None:
    """The trial to show first: the first one that came out as the whole run did."""
    numbers = [v.trial.number for v in views if v.trial.overall == result.overall]
    numbers += [v.trial.number for v in views]
    return numbers[0] if numbers else None


def _inline_json(value: object) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(_printable(value), separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))


def _printable(value: Any) -> Any:
    """Texts of users do nothing but be read, wherever the page has them."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value, lines=True)
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8").strip() + "\n"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {"seconds": seconds, "plural": plural, "clocks": clocks}
    environment.globals["NONE"] = NONE
    return environment.get_template("page.html")
