"""junit.xml: a test case for each hypothesis of each trial, as CI servers read it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree import ElementTree as xml

from emucluster.core.printable import printable
from emucluster.experiment.result import RunResult, Trial
from emucluster.experiment.verdict import Verdict
from emucluster.report.headline import headline, over


def junit(result: RunResult) -> bytes:
    """One suite. A hypothesis that does not hold is a failure, one that cannot be told is skipped,
    and all of an invalid trial are errors. A trial that was asked nothing has one case.

    Source: the schema of the Jenkins xUnit plugin, which other CI servers follow.
    """
    suite = xml.Element("testsuite", name=_clean(result.name))
    for trial in result.trials:
        suite.extend(_cases(result, trial))
    if not result.trials:
        case = _case(result, "run", "no trial was run", 0.0)
        xml.SubElement(case, "error", message=_clean(headline(result).why))
        suite.append(case)
    counted = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
    for name, path in {**counted, "skipped": "testcase/skipped"}.items():
        suite.set(name, str(len(suite.findall(path))))
    suite.set("time", f"{sum(trial.duration_s for trial in result.trials):.3f}")
    if result.started_s:
        suite.set("timestamp", datetime.fromtimestamp(result.started_s, UTC).isoformat())
    xml.indent(suite)
    text = xml.tostring(suite, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode()


def _cases(result: RunResult, trial: Trial) -> Iterable[xml.Element]:
    where = f"trial-{trial.number + 1}"
    if not trial.verdicts:
        case = _case(result, where, "valid run", trial.duration_s)
        if trial.invalid_reasons:
            _add_invalid(case, trial)
        else:
            xml.SubElement(case, "skipped", message="nothing was asked")
        yield case
    for verdict in trial.verdicts:
        name = f"{verdict.name} [{over(verdict)}]"
        case = _case(result, where, name, trial.duration_s / len(trial.verdicts))
        if trial.invalid_reasons:
            _add_invalid(case, trial)
        elif verdict.answer == "fail":
            found = xml.SubElement(case, "failure", message=_clean(verdict.found))
            found.text = _clean(_evidence(verdict))
        elif verdict.answer == "unknown":
            xml.SubElement(case, "skipped", message=_clean(verdict.found))
        xml.SubElement(case, "system-out").text = _clean(_evidence(verdict))
        yield case


def _case(result: RunResult, where: str, name: str, time_s: float) -> xml.Element:
    classname = _clean(f"{result.name}.{where}")
    return xml.Element("testcase", classname=classname, name=_clean(name), time=f"{time_s:.3f}")


def _add_invalid(case: xml.Element, trial: Trial) -> None:
    error = xml.SubElement(case, "error", message=_clean(trial.invalid_reasons[0]))
    error.text = _clean("\n".join(trial.invalid_reasons))


def _evidence(verdict: Verdict) -> str:
    numbers = verdict.evidence.numbers.items()
    lines = [f"asked: {verdict.asked}", f"found: {verdict.found}"]
    lines += [f"{name}: {value:.6g}" for name, value in numbers if value is not None]
    lines += [
        f"from {stretch.start_s:.3f} to {stretch.end_s:.3f}: {stretch.what}"
        for stretch in verdict.evidence.stretches
    ]
    if verdict.evidence.calls:
        lines.append(f"calls: {', '.join(verdict.evidence.calls)}")
    return "\n".join(lines)


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold at all, and those that nobody can read."""
    return printable(text, lines=True)
