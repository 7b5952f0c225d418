"""What people and machines read of a run: made from its result and its records, nothing else.

`write` fills a run's directory, `read` gives back what it holds, `rewrite` makes the report anew
from it, `summary` and `whereabouts` are for a terminal. Nothing here judges: verdicts and measures
come from the result, charts from the records.

    report.html          one page, works offline
    summary.md           for a CI's summary
    junit.xml            for a CI's list of tests
    results.json         everything measured and judged; its schema is results.schema.json
    calls.parquet        every call of every trial
    executions.parquet   which calls the pods remember
    truths.parquet       what really was so, and
    beliefs.parquet      what each observer held
    trials.json          plan, topology and members of each trial

Beside them is what the run wrote while it was under way: experiment.yaml, journal.jsonl (what was
asked of targets and heard from them) and undo.jsonl.
"""

from emucluster.report.difference import difference_markdown, difference_text
from emucluster.report.directory import (
    NotARun,
    Saved,
    read,
    rewrite,
    write,
)
from emucluster.report.files import ReportNotWritten
from emucluster.report.recording import Recording
from emucluster.report.terminal import summary, whereabouts

__all__ = [
    "NotARun",
    "Recording",
    "ReportNotWritten",
    "Saved",
    "difference_markdown",
    "difference_text",
    "read",
    "rewrite",
    "summary",
    "whereabouts",
    "write",
]
