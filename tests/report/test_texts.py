"""junit.xml, summary.md, the terminal and `diff`: what machines and hurried people read."""

from __future__ import annotations

import io
import re
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest
from msgspec import structs
from rich.console import Console

from emucluster import report
from emucluster.cli import run as cli
from emucluster.cli.run_view import Lines, Quiet
from emucluster.client.experiments.jobs import Job, Outcome
from emucluster.client.experiments.source import from_fields
from emucluster.experiment.assembly import run_result, trial_result
from emucluster.experiment.history import BeliefRecord, FaultRecord
from emucluster.experiment.plan import expand
from emucluster.experiment.reading import from_tree
from emucluster.experiment.result import RunResult
from emucluster.experiment.rig import Environment
from emucluster.pytest_plugin.experiments import told
from emucluster.report.files import WORK, workplace
from emucluster.report.headline import AFTER_A_LIMIT, headline
from emucluster.report.junit import junit
from emucluster.report.markdown import markdown
from emucluster.report.notes import notes
from emucluster.report.plot import fault_lines, rate_plot
from emucluster.report.words import from_peers
from tests.experiment.build import END_S, call, experiment, fault, history, steady, topology
from tests.report.synthetic import run

PASSES = {"name": "nothing left", "kind": "no-fault-left"}
FAILS = {"name": "calls get through", "kind": "availability", "atLeast": "99%"}
CANNOT_TELL = {"name": "noticed", "kind": "time-to-detect", "atMost": "1s", "by": "dns"}


def judged(*hypotheses: dict[str, Any], invalid: tuple[str, ...] = (), **fields: Any) -> RunResult:
    """A run that lost half of its calls to a fault, asked this."""
    asked = experiment(hypotheses=list(hypotheses), **fields)
    records = history([*steady(0, 20), *steady(20, END_S, outcome="failed")], faults=[fault()])
    plan = expand(asked, topology(), 0)
    trial = trial_result(asked, plan, records, Environment(), clean=True, invalid_reasons=invalid)
    return run_result(asked, [trial], Environment(), seed=0, rerun="emucluster run x.yaml")


def printed(result: RunResult, recordings: Any = (), *, width: int = 100, **how: Any) -> str:
    encoding = how.pop("encoding", "utf-8")
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, **how)
    console.print(report.summary(result, recordings))
    console.print(report.whereabouts(result, Path("out/run")))
    out.seek(0)
    return out.read()


# --- headline ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "overall", "why"),
    [
        (judged(PASSES), "pass", "1 hypothesis asked, and all held."),
        (judged(PASSES, FAILS), "fail", "availability at least 99 %. Found: 50 %"),
        (judged(PASSES, CANNOT_TELL), "unknown", "no dns was watched"),
        (judged(FAILS, invalid=("the clock stood still",)), "invalid", "The clock stood still."),
        (judged(), "unknown", "Nothing was asked."),
    ],
)
def test_the_headline_tells_the_verdict_and_what_decided_it(
    result: RunResult, overall: str, why: str
) -> None:
    head = headline(result)
    assert head.overall == overall
    assert why in head.why


def test_a_machine_that_was_too_slow_is_told_with_what_to_do() -> None:
    asked = experiment(hypotheses=[PASSES])
    plan, records = expand(asked, topology(), 0), history(list(steady(0, END_S)), faults=[fault()])
    busy = Environment(cpu_share=0.99)
    trial = trial_result(asked, plan, records, busy, clean=True)
    result = run_result(asked, [trial], busy, seed=0, rerun="emucluster run x.yaml")
    assert headline(result).why == f"Processors were 99% busy. {AFTER_A_LIMIT}"
    broken = judged(FAILS, invalid=("the clock stood still",))
    assert AFTER_A_LIMIT not in headline(broken).why


def test_a_verdict_that_failed_does_not_read_as_if_it_held() -> None:
    result = judged({"kind": "time-to-detect", "atMost": "4s"})
    head = headline(result)
    assert head.why == (
        "Asked: noticed by anybody within 4 s. Found: 1 of 1 not noticed at all (power-off.0)."
    )
    for text in (printed(result, width=200), markdown(result).replace("\\", "")):
        assert head.why in text


def test_all_reasons_why_a_run_is_invalid_are_told_or_counted() -> None:
    two = judged(FAILS, invalid=("the clock stood still", "somebody else had a hand in it"))
    why = "The clock stood still. Somebody else had a hand in it."
    assert headline(two).why == why
    assert why in markdown(two)
    assert why in printed(two)
    many = judged(FAILS, invalid=tuple(f"reason {number}" for number in range(5)))
    assert headline(many).why == "Reason 0. Reason 1. Reason 2. And 2 more reasons."


def test_a_share_is_told_alike_wherever_it_stands() -> None:
    asked = experiment(hypotheses=[FAILS])
    calls = [call(n / 10, "failed" if n < 89 else "ok") for n in range(270)]
    trial = trial_result(
        asked, expand(asked, topology(), 0), history(calls), Environment(), clean=True
    )
    text = printed(run_result(asked, [trial], Environment(), seed=0))
    assert text.count("67.04 %") == 3
    assert "67 %" not in text


def test_of_several_trials_the_headline_tells_how_many_came_out_so() -> None:
    result, _ = run(trials=3)
    assert "So it was in 3 of 3 trials." in headline(result).why


def test_the_headline_counts_the_hypotheses_that_did_not_hold() -> None:
    several = headline(judged(PASSES, FAILS, {**FAILS, "name": "again"}))
    assert several.title == "Fail: 2 of 3 hypotheses did not hold"
    assert several.tally == "2 of 3 hypotheses did not hold."
    assert headline(judged(PASSES, FAILS)).tally == ""


def twice() -> RunResult:
    """A trial that kept what was asked, and one that lost half of its calls."""
    asked = experiment(hypotheses=[FAILS])
    plan = expand(asked, topology(), 0)
    lossy = [*steady(0, 20), *steady(20, END_S, outcome="failed")]
    trials = [
        trial_result(asked, plan, history(calls, faults=[fault()]), Environment(), clean=True)
        for calls in (steady(), lossy)
    ]
    numbered = [structs.replace(trial, number=number) for number, trial in enumerate(trials)]
    return run_result(asked, numbered, Environment(), seed=0)


def test_people_read_of_each_hypothesis_how_its_trials_came_out() -> None:
    words = "pass 1, fail 1 of 2 trials; median 75 % (50 % to 100 %)"
    terminal = printed(twice(), width=200)
    assert words in terminal
    assert words in markdown(twice())


def test_people_count_trials_from_1() -> None:
    suite = xml.fromstring(junit(twice()))
    names = [case.get("classname") for case in suite.iter("testcase")]
    assert names == ["test.trial-1", "test.trial-2"]
    assert "Trial 2 of 2:" in markdown(twice())
    assert "Trial 2 of 2:" in printed(twice())


def test_who_noticed_has_a_line_in_the_terminal_and_in_markdown() -> None:
    result, recordings = run()
    assert "noticed by" in printed(result, recordings)
    assert "\n- " in markdown(result)
    assert "noticed by" in markdown(result)


def unwatched(*faults: FaultRecord) -> tuple[RunResult, list[report.Recording]]:
    """A run with these faults in which two nodes were watched and the first was found dead."""
    asked = experiment(hypotheses=[PASSES])
    nodes = ("node/node-1", "node/node-2")
    held = [BeliefRecord(at_s=0, observer="lease", subject=node, state="in") for node in nodes]
    held.append(BeliefRecord(at_s=14, observer="lease", subject="node/node-1", state="out"))
    records = history(list(steady()), faults=list(faults), beliefs=held)
    trial = trial_result(asked, expand(asked, topology(), 0), records, Environment(), clean=True)
    result = run_result(asked, [trial], Environment(), seed=0)
    return result, [report.Recording(history=records)]


def test_that_nobody_noticed_is_told() -> None:
    result, recordings = unwatched(fault(target="node/node-2"))
    assert "users: nobody noticed\n" in printed(result, recordings)
    assert "- users: nobody noticed\n" in markdown(result)


def test_of_several_faults_each_is_told_by_its_name(tmp_path: Path) -> None:
    slow = fault(19, 20, target="node/node-2", id="slow.0", kind="slow", fault="slow")
    result, recordings = unwatched(fault(), slow)
    told = "power-off noticed by lease after 2 s; nobody noticed slow"
    assert f"users: {told}\n" in printed(result, recordings)
    report.write(tmp_path, result, recordings)
    page = (tmp_path / "report.html").read_text()
    for text in ("power-off injected", "power-off: noticed by lease", "counted from it", told):
        assert text in page


def test_who_noticed_is_told_of_runs_that_an_earlier_version_wrote() -> None:
    result, _ = unwatched(fault())
    (trial,) = result.trials
    (own,) = trial.runs
    assert own.outage is not None
    older = structs.replace(own, outage=structs.replace(own.outage, detections=()))
    assert notes(structs.replace(trial, runs=(older,))) == notes(trial)


def test_nobody_is_said_to_have_missed_what_nobody_watched() -> None:
    result, _ = unwatched(fault(target="control-plane"))
    assert notes(result.trials[0]) == []


def test_a_group_that_stays_down_is_called_metastable() -> None:
    calls = [*steady(0, 12), *steady(12, END_S, outcome="failed")]
    asked = experiment(hypotheses=[FAILS])
    records = history(calls, faults=[fault()])
    trial = trial_result(asked, expand(asked, topology(), 0), records, Environment(), clean=True)
    assert notes(trial) == ["users: metastable, 0/s of 10/s succeed although the fault is gone"]


# --- junit.xml -----------------------------------------------------------------------------------


def test_junit_has_a_case_for_each_hypothesis_and_trial() -> None:
    suite = xml.fromstring(junit(judged(PASSES, FAILS, CANNOT_TELL)))
    told = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert told == {
        "nothing left [after the run]": ["system-out"],
        "calls get through [whole run]": ["failure", "system-out"],
        "noticed [whole run]": ["skipped", "system-out"],
    }
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "users-20" in (failure.text or "")


def test_every_case_of_an_invalid_trial_is_an_error() -> None:
    suite = xml.fromstring(junit(judged(PASSES, FAILS, invalid=("too slow a machine",))))
    assert [e.get("message") for e in suite.iter("error")] == ["too slow a machine"] * 2
    assert suite.get("failures") == "0"


def test_a_run_that_was_asked_nothing_is_not_taken_for_a_success() -> None:
    assert xml.fromstring(junit(judged())).get("skipped") == "1"
    empty = run_result(experiment(), [], Environment(), seed=0)
    assert xml.fromstring(junit(empty)).get("errors") == "1"


def test_junit_stays_xml_whatever_names_and_errors_contain() -> None:
    hostile = "]]></x>&\0\x1b[31m\ud800"
    suite = xml.fromstring(junit(judged({**FAILS, "name": hostile}, invalid=(hostile,))))
    assert suite.get("errors") == "1"


# --- summary.md ----------------------------------------------------------------------------------


def test_markdown_has_the_verdict_the_hypotheses_a_table_and_how_to_run_it_again() -> None:
    text = markdown(judged(PASSES, FAILS))
    assert text.startswith("## ❌ test: fail\n")
    assert "| ❌ fail | calls get through | whole run |" in text
    assert "| users | whole run | 400 | 200 | 0 | 50 % |" in text
    assert "```\nemucluster run x.yaml\n```" in text


def test_markdown_shows_names_as_they_are_written() -> None:
    text = markdown(judged({**FAILS, "name": "a|b `c` <img> [x](y)\nnext"}))
    assert r"a\|b \`c\` \<img\> \[x\](y) next" in text


# --- terminal ------------------------------------------------------------------------------------


def test_the_terminal_shows_the_verdict_the_table_a_plot_and_where_the_files_are() -> None:
    result, recordings = run()
    text = printed(result, recordings)
    assert "FAIL" in text
    assert "few lost calls" in text
    assert "storefront" in text
    assert "━ lost-power ━" in text
    assert "█" in text
    assert "▒" in text
    assert "out/run/report.html" in text
    assert result.rerun in text


@pytest.mark.parametrize("width", [60, 100, 200])
def test_no_line_is_wider_than_the_terminal_or_a_hundred_columns(width: int) -> None:
    result, recordings = run()
    text = printed(result, recordings, width=width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= min(width, 100)


def test_sentences_are_wrapped_also_where_the_printer_would_cut_them() -> None:
    result, recordings = run()
    console = Console(file=io.StringIO(), width=60)
    console.print(report.summary(result, recordings), no_wrap=True, overflow="crop")
    assert isinstance(console.file, io.StringIO)
    assert "(31 failed, 117 unknown)." in " ".join(console.file.getvalue().split())


def test_without_utf_8_and_colour_nothing_is_lost() -> None:
    result, recordings = run()
    text = printed(result, recordings, encoding="ascii", no_color=True)
    assert text.isascii()
    assert "\x1b" not in text
    assert "= lost-power =" in text
    assert "# ok   ? unknown   x failed" in text


@pytest.mark.parametrize("rate_per_s", [3, 5.7, 60])
def test_a_constant_rate_is_drawn_as_one(rate_per_s: float) -> None:
    plot = rate_plot(history(steady(rate_per_s=rate_per_s)), width=100, is_ascii=True)
    assert plot is not None
    rows = [line[7:-1] for line in plot.plain.splitlines() if line.endswith("|")]
    assert len([row for row in rows if "#" in row]) > 5
    for row in rows:
        assert len(set(row)) == 1, row


def test_what_is_lost_begins_in_the_column_of_its_fault() -> None:
    calls = [*steady(0, 13, 4), *steady(13, 18, 4, outcome="failed"), *steady(18, END_S, 4)]
    records = history(calls, faults=[fault(13, 18)])
    plot = rate_plot(records, width=100, is_ascii=True)
    assert plot is not None
    named, *rows = plot.plain.splitlines()
    left = len(named) - len(named.lstrip())
    bottom = [row for row in rows if "x" in row and "failed" not in row][-1]
    assert bottom.index("x") == left


def test_the_name_of_a_fault_never_hides_how_long_it_was() -> None:
    records = history(steady(), faults=[fault(10, 15.3, fault="error-rate")])
    (line,) = fault_lines(records, 92, is_ascii=True)
    assert "=" in line


def test_escape_sequences_and_markup_in_names_do_nothing() -> None:
    text = printed(judged({**FAILS, "name": "\x1b[2J[bold]x[/bold]"}), force_terminal=True)
    assert "\x1b[2J" not in text
    assert "[bold]x[/bold]" in text


def test_what_texts_of_users_would_do_they_do_nowhere(tmp_path: Path) -> None:
    """ANSI sequences, directions of writing, characters that XML does not have."""
    evil = "\x1b[2J\u202eevil\u2066\x00\x9b\ufffe\u200b"
    named = {**FAILS, "name": f"name {evil}"}
    result = structs.replace(judged(named, story=f"story {evil}"), rerun=f"again {evil}")
    (trial,) = result.trials
    trial = structs.replace(trial, invalid_reasons=(f"reason {evil}",), overall="invalid")
    result = structs.replace(result, trials=(trial,), overall="invalid")
    records = history(
        [call(1, "failed", error=f"error {evil}", pod=f"default/{evil}", node=evil, zone=evil)],
        faults=[fault(fault=f"fault {evil}", error=evil, mechanism=evil)],
    )
    report.write(tmp_path, result, [report.Recording(history=records)])
    texts = [(tmp_path / name).read_text() for name in ("report.html", "summary.md", "junit.xml")]
    texts += [printed(result, [report.Recording(history=records)]), told(result)]
    for text in texts:
        assert "evil" in text
        assert not [char for char in text if char != "\n" and _acts(char)]
    xml.parse(tmp_path / "junit.xml")


def _acts(char: str) -> bool:
    return not char.isprintable() and unicodedata.category(char) != "Zs"


def test_errors_and_progress_do_nothing_but_tell(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["report", "no\x1b[2Jsuch\u202e"]) == 2
    Lines().step("applying \x1b[2J")
    assert [char for char in capsys.readouterr().err if char != "\n" and _acts(char)] == []


@pytest.mark.parametrize("calls", [[], [call(1)], [call(1, "failed", taken_s=None)]])
def test_a_run_with_hardly_any_calls_can_be_shown(calls: list[Any]) -> None:
    records = history(calls)
    plan = expand(experiment(), topology(), 0)
    trial = trial_result(experiment(), plan, records, Environment(), clean=None)
    result = run_result(experiment(), [trial], Environment(), seed=0)
    assert "UNKNOWN" in printed(result, [report.Recording(history=records)])


# --- commands ------------------------------------------------------------------------------------


def write(directory: Path, result: RunResult) -> str:
    recordings = [report.Recording(history=history(steady())) for _ in result.trials]
    report.write(directory, result, recordings)
    return str(directory)


def test_report_makes_the_page_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write(tmp_path, judged(FAILS))
    (tmp_path / "report.html").write_text("old")
    assert cli(["report", directory]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/report.html\n"
    assert "calls get through" in (tmp_path / "report.html").read_text()


def test_report_of_something_else_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["report", str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "not the directory of a run: no results.json" in error


def test_the_directory_of_a_run_that_did_not_end_is_told_from_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / WORK).mkdir()
    assert cli(["report", str(tmp_path)]) == 2
    assert "no results.json in it: its run was killed before its end\n" in capsys.readouterr().err
    (tmp_path / WORK / "undo.jsonl").touch()
    (tmp_path / WORK / "journal.jsonl").touch()
    assert cli(["report", str(tmp_path)]) == 2
    told = f"{tmp_path / WORK} has what it wrote until then: journal.jsonl, undo.jsonl"
    assert told in capsys.readouterr().err
    with workplace(tmp_path):
        assert cli(["report", str(tmp_path)]) == 2
        assert "no results.json in it: its run is under way\n" in capsys.readouterr().err


def test_diff_tells_settings_answers_and_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write(tmp_path / "a", judged(PASSES, FAILS))
    after = write(tmp_path / "b", judged(PASSES, FAILS, cluster={"cloud": "gcp"}))
    assert cli(["diff", before, after, "-o", "markdown"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("## fail → fail\n")
    assert "- cluster.cloud: aws-nlb -\\> gcp" in text
    assert "| calls get through | fail | fail |" in text
    assert cli(["diff", before, after, "-o", "json"]) == 0
    assert '"same_hypotheses": true' in capsys.readouterr().out


def test_diff_shows_people_texts_as_they_are_in_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write(tmp_path / "a", judged(PASSES, {**FAILS, "name": "calls[1] *through*"}))
    after = write(tmp_path / "b", judged(PASSES, FAILS, cluster={"cloud": "gcp"}))
    assert cli(["diff", before, after]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fail -> fail"
    assert "- cluster.cloud: aws-nlb -> gcp" in lines
    header, row = (
        next(line for line in lines if line.startswith(start))
        for start in ("hypothesis", "calls[1] *through*")
    )
    assert row.index("fail") == header.index("before")


def test_diff_sums_up_what_only_one_run_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = [*steady(), *steady(group="others")]
    asked = experiment(hypotheses=[FAILS])
    trial = trial_result(
        asked, expand(asked, topology(), 0), history(calls), Environment(), clean=True
    )
    more = run_result(asked, [trial], Environment(), seed=0)
    assert cli(["diff", write(tmp_path / "a", judged(FAILS)), write(tmp_path / "b", more)]) == 0
    text = capsys.readouterr().out
    assert "20 numbers are in one run only: after others.\n" in text
    assert "others/inject" not in text


def test_diff_tells_values_of_hypotheses_in_their_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, _ = run(hypotheses=[{"name": "up", "kind": "time-to-recover", "atMost": "1s"}])
    (trial,) = good.trials
    verdict = structs.replace(trial.verdicts[0], value=125.0)
    worse = structs.replace(trial, verdicts=(verdict,))
    bad = run_result(from_tree(good.experiment), [worse], good.environment, seed=0)
    bad = structs.replace(bad, experiment={**bad.experiment, "story": ""})
    cli(["diff", write(tmp_path / "a", good), write(tmp_path / "b", bad)])
    text = capsys.readouterr().out
    assert re.search(r"\nup +\S+ s +2 min 5 s +cannot be told\n", text)
    assert "run with --trials" in text
    assert "- story: A worker loses power" in text
    assert "-> empty\n" in text


def test_where_the_report_is_is_told_in_a_line_however_narrow_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    result = judged(PASSES)
    job = Job(from_fields(result.experiment), Path("long") / ("x" * 60))
    Quiet().written(Outcome(job, result, []))
    assert f"report  long/{'x' * 60}/report.html\n" in capsys.readouterr().out


def test_diff_exits_with_1_if_a_hypothesis_that_held_fails(tmp_path: Path) -> None:
    good, _ = run(hypotheses=[{"kind": "availability", "atLeast": "50%", "name": "up"}])
    bad, _ = run(hypotheses=[{"kind": "availability", "atLeast": "99.9%", "name": "up"}])
    before, after = write(tmp_path / "a", good), write(tmp_path / "b", bad)
    assert cli(["diff", before, after]) == 1
    assert cli(["diff", after, before]) == 0


def test_of_the_peers_of_a_link_two_are_named() -> None:
    assert from_peers(()) == ""
    assert from_peers(("node/node-1",)) == "from node/node-1"
    assert from_peers(("node/a", "node/b")) == "from node/a, node/b"
    assert from_peers(("node/a", "node/b", "outside")) == "from node/a, node/b and 1 more"
